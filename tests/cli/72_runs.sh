#!/bin/bash
# shellcheck disable=SC2154,SC2317  # run, status, started: set by the helpers
# Runs of a server, looked into: conversation, agents, tasks, cost, artifacts; what one would cost; and that a server answers
# while one is made.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# A run with a plan, an agent that writes files and names one as an output, and an output of the flow's own.
working_mode()
{
	mode working <<-'END'
		return function(run)
		  plan({ { id = "a", title = "First" }, { id = "b", title = "Second", depends = { "a" } } })
		  local work = agent { role = "worker", task = "write" }
		  artifact { name = "report", type = "markdown", content = "# Done\n" }
		  return { summary = work.result }
		end
	END
	{
		call worker write_file '{"path":"notes.txt","content":"one\ntwo\n"}'
		call worker write_file '{"path":"src/large.bin","content":"'"$(head -c 150000 /dev/zero | tr '\0' x)"'"}'
		call worker finish '{"result":"written"}'
	} | script
}

# worked: a run of it that has ended; sets $run.
worked()
{
	working_mode
	serving
	begin_run "{\"mode\":\"working\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\",\"budget_usd\":2}"
	wait_for 30 state_is completed
}

# pages PATH: every page of a list, from its beginning; the arrays one after the other in $T/pages.
pages()
{
	local path=$1
	: >pages
	while [ -n "$path" ]; do
		local_call GET "$path"
		same "$status" 200 "$path ($(cat out))"
		cat out >>pages
		path=$(tr -d '\r' <"$T/head" | sed -n 's/^[Ll]ink: <\([^>]*\)>.*/\1/p')
	done
}

test_what_was_said_comes_in_pages()
{
	worked
	local_call GET "/api/v1/runs/$run/messages"
	same "$(jq -r '.[] | "\(.agent) \(.kind)"' out | paste -sd,)" \
		"0 began,0 message,0 answer,0 result,0 answer,0 result,0 answer,0 result,0 end"
	json_is '.[1].text | contains("write")' true
	json_is '.[2].calls[0].name' write_file
	jq -c . out >whole
	pages "/api/v1/runs/$run/messages?limit=2"
	same "$(jq -s length pages)" 5 pages
	same "$(jq -sc add pages)" "$(cat whole)"
	pages "/api/v1/runs/$run/messages?limit=2&agent=2"
	same "$(jq -sc add pages)" "[]"
	local_call GET "/api/v1/runs/$run/messages?cursor=-1"
	same "$status" 400
	local_call GET "/api/v1/runs/$run/messages?limit=1001"
	same "$status" 400
}

test_agents_tasks_and_cost_are_those_of_show()
{
	worked
	is_status 0 muster show "$run" --json
	cp out shown
	local_call GET "/api/v1/runs/$run/agents"
	same "$(jq -cS . out)" "$(jq -cS .agents shown)"
	json_is '.[0].role' worker
	local_call GET "/api/v1/runs/$run/tasks"
	same "$(jq -cS . out)" "$(jq -cS .tasks shown)"
	json_is '.[1].depends[0]' a
	pages "/api/v1/runs/$run/tasks?limit=1"
	same "$(jq -sc 'add | map(.task)' pages)" '["a","b"]'
	local_call GET "/api/v1/runs/$run/cost"
	same "$(jq -cS .by out)" "$(jq -cS .usage shown)"
	json_is '.usd > 0 and (2 - .usd - .left_usd | fabs) < 1e-9' true
	json_is .input_tokens 3000
	local_call GET "/api/v1/runs/$(muster runs --json | jq -r '.[0].project')/cost"
	same "$status" 404
}

test_artifacts_are_listed_looked_at_and_downloaded()
{
	worked
	local_call GET "/api/v1/runs/$run/artifacts"
	same "$(jq -r '.[] | "\(.kind) \(.name) \(.size) \(.change)"' out)" "artifact report 7 null
file notes.txt 8 added
file src/large.bin 150000 added"
	local base=/api/v1/runs/$run/artifacts report notes large
	report=$(json_get '.[0].id')
	notes=$(json_get '.[1].id')
	large=$(json_get '.[2].id')
	pages "$base?limit=2"
	same "$(jq -sc 'add | map(.id)' pages)" "[\"$report\",\"$notes\",\"$large\"]"
	local_call GET "$base/$report"
	json_is .text '# Done'
	json_is .more false
	local_call GET "$base/$large"
	same "$(json_get '.text | length')" 65536
	json_is .more true
	local_call GET "$base/$notes/content"
	same "$(cat out)" "$(printf 'one\ntwo')"
	grep -qi '^content-disposition: attachment; filename="\?notes.txt' head || fail "$(cat head)"
	local_call GET "$base/$large/content"
	same "$(wc -c <out)" 150000
	same "$(curl -sS --unix-socket "$MUSTER_DATA/sock" -o part -w '%{http_code}' -H 'Range: bytes=149990-' "http://muster$base/$large/content")" 206
	same "$(cat part)" xxxxxxxxxx
	same "$(curl -sS --unix-socket "$MUSTER_DATA/sock" -o part -w '%{http_code}' -H 'Range: bytes=4-' "http://muster$base/$notes/content")" 206
	same "$(cat part)" two
	local_call GET "$base/0123456789abcdef0123456789abcdef"
	same "$status" 404
	local_call GET "$base/0123456789abcdef0123456789abcdef/content"
	same "$status" 404
}

test_an_estimate_is_what_earlier_runs_did()
{
	local body
	working_mode
	serving
	body="{\"mode\":\"working\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\""
	local_call POST /api/v1/runs/estimate -d "$body}"
	same "$status" 200 "status ($(cat out))"
	json_is .runs 0
	json_is .usd null
	json_is .at_most_usd null
	out_has 'nothing is known'
	begin_run "$body}"
	wait_for 30 state_is completed
	begin_run "$body}"
	wait_for 30 state_is completed
	local_call POST /api/v1/runs/estimate -d "$body,\"budget_usd\":3}"
	json_is .runs 2
	json_is .at_most_usd 3
	json_is .limited_by run
	muster show "$run" --json >shown
	same "$(jq -c '.usd | [.median, .low, .high] | map(. * 1e6 | round)' out)" "$(jq -c '[.run.usd, .run.usd, .run.usd] | map(. * 1e6 | round)' shown)"
	json_is '.took_s.least > 0 and .took_s.least <= .took_s.median and .took_s.median <= .took_s.most' true
	local_call POST /api/v1/runs/estimate -d "{\"mode\":\"nothing\",\"project\":\"$T/p\"}"
	same "$status" 404
	same "$(muster runs --json | jq length)" 2 "runs after the estimates"
}

# while_blocked PROJECT METHOD PATH [curl option…]: give the request, whose work comes to a file of the repository that says
# nothing yet; the server answers others meanwhile; then let it go on. Its reply is in $T/slow, its status $slow.
while_blocked()
{
	local fifo=$1/.git/objects/info/alternates method=$2 path=$3 curl
	shift 3
	mkfifo "$fifo"
	curl -sS --max-time 50 --unix-socket "$MUSTER_DATA/sock" -X "$method" -o slow -w '%{http_code}' \
		-H 'Content-Type: application/json' "$@" "http://muster$path" >slow.status &
	curl=$!
	exec 7>"$fifo" # until the server reads it
	local_call GET /api/v1/runs
	same "$status" 200 "another request meanwhile"
	[ ! -s slow.status ] || fail "it did not wait"
	rm "$fifo"
	[ -z "${SECOND:-}" ] || "$SECOND"
	exec 7>&-
	wait "$curl" || fail "curl: $?"
	slow=$(cat slow.status)
}

# The same key while its run is being made is not a second one.
again()
{
	local_call POST /api/v1/runs -d "$body" -H 'Idempotency-Key: k'
	same "$status" 423 "status ($(cat out))"
}

test_others_are_answered_while_a_run_is_made_forked_and_merged()
{
	mode writing <<-'END'
		return function(run)
		  write("made.txt", "made\n")
		  return { summary = ask({ name = "colour", title = "Which colour?" }).text }
		end
	END
	script </dev/null
	mkdir p
	git -C p init -q
	echo x >p/x
	git -C p add x
	git -C p -c user.name=t -c user.email=t@t commit -qm x
	serving
	local body="{\"mode\":\"writing\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}" first
	SECOND=again while_blocked "$T/p" POST /api/v1/runs -d "$body" -H 'Idempotency-Key: k'
	same "$slow" 201 "status ($(cat slow))"
	run=$(jq -r .run slow)
	first=$run
	wait_for 20 state_is waiting
	begin_run "$body" -H 'Idempotency-Key: k'
	same "$run" "$first" "the run of the same key"
	while_blocked "$T/p" POST "/api/v1/runs/$run/fork" -d '{}'
	same "$slow" 200 "status ($(cat slow))"
	same "$(jq -r .from slow)" "$run"
	local_call GET "/api/v1/runs/$(jq -r .run slow)"
	json_is .state paused
	local_call POST "/api/v1/runs/$run/commands" -d '{"kind":"answer","action":"colour","text":"red"}'
	same "$status" 200 "status ($(cat out))"
	wait_for 20 state_is completed
	while_blocked "$T/p" POST "/api/v1/runs/$run/merge"
	same "$slow" 200 "status ($(cat slow))"
	same "$(jq -r .merged slow)" true
	same "$(cat p/made.txt)" made
	local_call GET "/api/v1/runs/$run"
	same "$(json_get .merged)" "$(jq -r .commit slow)"
	is_status 0 muster verify
}

# What cannot be made is told, and leaves no run.
test_runs_that_cannot_be_made()
{
	question_mode
	serving
	echo x >file
	local_call POST /api/v1/runs -d "{\"mode\":\"asking\",\"project\":\"$T/file\",\"model\":\"script:$T/script.jsonl\"}"
	[ "$status" -ge 400 ] || fail "status $status"
	local_call POST /api/v1/runs -d "{\"mode\":\"asked\",\"project\":\"$T/p\"}"
	same "$status" 404
	out_has 'no mode'
	local_call GET /api/v1/runs
	same "$(cat out)" "[]"
}

stop_serving()
{
	kill -TERM "$started"
	ended || fail "the server ended with $?"
}

# later DAYS: a server to which so many days have gone by.
later()
{
	local lib
	for lib in /usr/lib/*/faketime/libfaketimeMT.so.1; do :; done
	[ -f "$lib" ] || skip "faketime is not installed (scripts/install check)"
	rm -f bg.out
	start env ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" LD_PRELOAD="$lib" FAKETIME="+$1d" FAKETIME_DONT_FAKE_MONOTONIC=1 \
		"$MUSTER" serve --listen 127.0.0.1:0
	wait_for 20 grep -q ' at http' bg.out
}

run_is_gone()
{
	[ "$(curl -sS --unix-socket "$MUSTER_DATA/sock" -o /dev/null -w '%{http_code}' "http://muster/api/v1/runs/$1")" = 404 ]
}

test_runs_that_ended_long_ago_go()
{
	local old pinned kept waiting newer
	working_mode
	mode asking <<-'END'
		return function(run) return { summary = ask({ name = "colour", title = "Which colour?" }).text } end
	END
	serving
	begin_run "{\"mode\":\"working\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 state_is completed
	old=$run
	begin_run "{\"mode\":\"working\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 state_is completed
	pinned=$run
	local_call PUT "/api/v1/runs/$pinned/pin"
	json_is .pinned true
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 state_is waiting
	waiting=$run
	local_call POST /api/v1/projects -d '{"name":"Aside"}'
	local project
	project=$(json_get .id)
	begin_run "{\"mode\":\"working\",\"project\":\"$project\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 state_is completed
	kept=$run
	local_call POST "/api/v1/projects/$project/archive"
	same "$status" 200
	stop_serving
	muster log "$old" --json >events
	[ -s events ] || fail "no events of it"
	[ -d "$MUSTER_DATA/copies/$old" ] || fail "no working copy of it"
	later 100
	begin_run "{\"mode\":\"working\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 state_is completed
	newer=$run
	stop_serving
	later 181
	wait_for 30 run_is_gone "$old"
	local_call GET /api/v1/runs
	same "$(jq -r '.[].run' out | sort)" "$(printf '%s\n' "$pinned" "$waiting" "$kept" "$newer" | sort)" "the runs that stay"
	same "$(find "$MUSTER_DATA/copies" -name "$old*")" "" "its working copy"
	[ -d "$MUSTER_DATA/copies/$pinned" ] || fail "another's working copy is gone"
	local_call GET "/api/v1/audit?what=run.removed"
	same "$(jq -r '.[] | "\(.who) \(.object)"' out)" "system run/$old"
	local_call DELETE "/api/v1/runs/$pinned/pin"
	json_is .pinned false
	stop_serving
	is_status 0 muster verify
	later 181
	wait_for 30 run_is_gone "$pinned"
	stop_serving
	is_status 0 muster verify
	is_status 0 muster verify --rebuild
	is_status 0 muster verify
}

test_a_run_replays_at_the_server()
{
	worked
	local_call POST "/api/v1/runs/$run/replay"
	same "$status" 200 "status ($(cat out))"
	json_is .same true
	local events
	events=$(json_get .events)
	is_status 0 muster replay "$run"
	out_has "all $events events match"
	altered First Worst
	local_call POST "/api/v1/runs/$run/replay"
	same "$status" 200 "status ($(cat out))"
	json_is .same false
	json_is '.difference | length > 20' true
}

test_a_run_is_removed()
{
	local waiting spent
	slow_mode
	call worker shell '{"command":"sleep 100"}' | script
	mv script.jsonl sleeps.jsonl
	echo 'server: {live_runs: 1}' >"$MUSTER_DATA/config.yaml" # its place is free again when it is gone
	serving
	begin_run "{\"mode\":\"slow\",\"project\":\"$T/p\",\"model\":\"script:$T/sleeps.jsonl\"}"
	wait_for 20 tool_started
	local_call DELETE "/api/v1/runs/$run"
	same "$status" 409 "of one at work ($(cat out))"
	local_call POST "/api/v1/runs/$run/commands" -d '{"kind":"pause"}'
	wait_for 20 state_is paused
	local_call PUT "/api/v1/runs/$run/pin"
	local_call DELETE "/api/v1/runs/$run"
	same "$status" 409 "of a pinned one"
	out_has pinned
	state_is paused || fail "it was cancelled"
	local_call DELETE "/api/v1/runs/$run/pin"
	local_call DELETE "/api/v1/runs/$run"
	same "$status" 200 "of a paused one ($(cat out))"
	json_is .removed true
	run_is_gone "$run" || fail "it is there"
	local_call DELETE "/api/v1/runs/$run"
	same "$status" 404
	local_call GET /api/v1/actions
	same "$(cat out)" "[]"
	# One that waits, and one that has just ended and still closes.
	question_mode
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/sleeps.jsonl\"}"
	wait_for 20 state_is waiting
	waiting=$run
	working_mode
	begin_run "{\"mode\":\"working\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 state_is completed
	spent=$(muster usage --json | jq '[.[].usd] | add * 1e6 | round')
	[ "$spent" -gt 0 ] || fail "it spent nothing"
	local_call DELETE "/api/v1/runs/$waiting"
	same "$status" 200 "of one that waits ($(cat out))"
	local_call DELETE "/api/v1/runs/$run"
	same "$status" 200 "of one that has ended ($(cat out))"
	local_call GET /api/v1/runs
	same "$(cat out)" "[]"
	same "$(muster usage --json | jq '[.[].usd] | add * 1e6 | round')" "$spent"
	same "$(find "$MUSTER_DATA/copies" -mindepth 1 -maxdepth 1)" ""
	local_call GET "/api/v1/audit?what=run.removed"
	json_is length 3
	stop_serving
	is_status 0 muster verify
	is_status 0 muster verify --rebuild
}

test_a_run_is_renamed_and_lists_show_it()
{
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	local_call POST "/api/v1/runs/$run/commands" -d '{"kind":"rename","name":"Colours"}' -H 'Idempotency-Key: n'
	same "$status" 200 "status ($(cat out))"
	local_call POST "/api/v1/runs/$run/commands" -d '{"kind":"rename","name":"Colours"}' -H 'Idempotency-Key: n'
	same "$status" 200 "once more"
	local_call GET /api/v1/runs
	json_is '.[0].title' Colours
	json_is '.[0].state' waiting
	same "$(muster log "$run" --json | jq -r 'select(.type == "run.renamed").data.name')" Colours
	local_call POST "/api/v1/runs/$run/commands" -d '{"kind":"rename","name":" "}'
	same "$status" 400
	local_call POST "/api/v1/runs/$run/commands" -d '{"kind":"answer","action":"colour","option":"red"}'
	wait_for 20 state_is completed
	local_call POST "/api/v1/runs/$run/commands" -d '{"kind":"rename","name":"Red"}'
	same "$status" 200 "of one that has ended ($(cat out))"
	local_call GET "/api/v1/runs/$run"
	json_is .title Red
	json_is .state completed
	stop_serving
	is_status 0 muster verify
}

run_tests
