#!/bin/bash
# The shipped recordings play: a real model's words, everything else for real. A prompt that changed since needs a new recording.
. "$(dirname "$0")/lib.sh"
export TIME_LIMIT=300

# plays FILE: the run completes with passing checks, replays, and every prompt is the one that was recorded.
plays()
{
	local file=$1
	is_status 0 muster demo --recording "$file" --data "$T/data" --project "$T/project"
	run=$(MUSTER_DATA=$T/data muster runs --json | jq -r '.[0].run // .run')
	[ -n "$run" ] || fail "no run"
	MUSTER_DATA=$T/data muster log "$run" --json | jq -rs '
		(map(select(.type == "agent.started").data | {key: .agent, value: .role}) | from_entries) as $role
		| .[] | select(.type == "model.requested").data | select(.attempt == 1 and (.purpose | not))
		| "\($role[.agent]) \(.turn) \(.own)"' | sort >"$T/asked"
	jq -r 'select(.prompt and .match.agent) | "\(.match.role) \(.match.turn) \(.prompt)"' "$file" | sort >"$T/recorded"
	diff "$T/asked" "$T/recorded" >&3 || fail "prompts differ from the recording's: record $file again"
	MUSTER_DATA=$T/data is_status 0 muster replay "$run"
	MUSTER_DATA=$T/data is_status 0 muster verify
	[ "$(git -C "$T/project" rev-list --count HEAD)" -ge 1 ] || fail "nothing was committed"
}

# Every recording says where it comes from.
test_recordings_have_provenance()
{
	for file in "$SOURCE"/recordings/*.jsonl; do
		head -1 "$file" | jq -e '.recording | .mode and .inputs and .model and .date' >"$T/out" || fail "$file: its header lacks mode, inputs, model or date"
	done
}

test_one_shot_plays()
{
	plays "$SOURCE/recordings/one_shot.jsonl"
}

test_build_plays()
{
	plays "$SOURCE/recordings/build.jsonl"
	[ "$(find project -type f -not -path '*/.git/*' | wc -l)" -ge 15 ] || fail "fewer than 15 files"
	[ "$(find project -mindepth 1 -type d -not -path '*/.git*' | wc -l)" -ge 3 ] || fail "fewer than 3 folders"
	MUSTER_DATA=$T/data muster log "$run" --json >events
	[ "$(grep -c '"type":"agent.started"' events)" -ge 8 ] || fail "fewer than 8 agents"
	same "$(jq -r 'select(.type == "action.opened" and .data.kind == "question").type' events | head -n 1)" action.opened "a question"
	jq -s 'map(.data.evidence | objects | .exit) | (index(1) != null) and last == 0' events | grep -q true ||
		fail "no failing test run that was mended"
}

test_pipeline_plays()
{
	plays "$SOURCE/recordings/pipeline.jsonl"
}

run_tests
