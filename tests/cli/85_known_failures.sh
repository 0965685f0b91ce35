#!/bin/bash
# shellcheck disable=SC2154  # started, run: set by the helpers
# What runs of other systems were lost by, one by one (faults that were reported of them in public): here none of them happens.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

killed()
{
	kill -9 "$started" 2>/dev/null || true
	ended 2>/dev/null || true
}

# A flow whose command leaves a trace that shows how often it ran, and then takes its time.
tracing_mode()
{
	mode tracing <<-'END'
		return function(run)
		  local go = gate { name = "start", title = "Shall it begin?" }
		  local did = exec { command = "echo ran >> trace; sleep 2" }
		  local again = exec { command = "echo after >> after", again = true }
		  return { lost = did.lost == true }
		end
	END
	: | script
}

traced()
{
	muster log "$(newest)" --json 2>/dev/null | jq -e 'select(.type == "flow.step") | tostring | select(contains("echo ran"))' | grep -q .
}

# The first line that names a run is the promise: it is there after whatever comes.
test_an_accepted_run_is_never_lost()
{
	local i accepted
	slow_mode
	for i in 1 2 3 4 5 6; do
		rm -f bg.out
		start muster run slow --script script.jsonl --project "p$i" --json
		wait_for 20 test -s bg.out
		killed
		accepted=$(head -n 1 bg.out | jq -r '.run // .stream' | sed 's,^run/,,')
		[ -n "$accepted" ] || fail "no run was named: $(head -n 1 bg.out)"
		is_status 0 muster show "$accepted"
		is_status 0 muster resume "$accepted"
		file_has "p$i/ticks" "tick 10"
	done
	is_status 0 muster verify
}

# The command was announced before it ran, so after the kill its end is unknown, which is said; it does not run again.
test_a_side_effect_is_not_repeated()
{
	tracing_mode
	start muster run tracing --script script.jsonl --project p --yes all
	wait_for 20 traced
	sleep 0.5
	killed
	run=$(newest)
	is_status 0 muster resume "$run" --yes all
	same "$(grep -c ran p/trace)" 1 "times the command ran"
	same "$(muster show "$run" --json | jq '.result.lost')" true "the flow was told"
	muster log "$run" | grep -q 'interrupted and not run again' || fail "nobody is told that the command's end is lost: $(muster log "$run")"
}

# Journal, heads and lists of runs change in one transaction: a kill before any change of a file leaves them agreeing.
test_a_kill_between_an_event_and_its_head_leaves_both_or_none()
{
	local shim=${MUSTER%/*}/tests/torture/libcrash.so at calls step kills=0
	[ -f "$shim" ] || shim=$SOURCE/build/tests/torture/libcrash.so
	if ! [ -f "$shim" ] || nm "$MUSTER" 2>/dev/null | grep -q __asan_init; then
		skip "needs a program without sanitizers, and ninja -C build tests/torture/libcrash.so"
	fi
	asking_mode
	is_status 0 env LD_PRELOAD="$shim" CRASH_SEEN="$T/calls" "$MUSTER" run asking --script script.jsonl --project p0 --yes all --answer colour=red
	calls=$(sed -n 's/^kill //p' calls)
	[ "$calls" -gt 100 ] || fail "only $calls changes of files were seen"
	step=$((calls / 25 + 1))
	for ((at = 1 + RANDOM % step; at <= calls; at += step)); do
		rm -rf "$MUSTER_DATA/muster.db"* "$MUSTER_DATA/heads"
		if run env LD_PRELOAD="$shim" CRASH="kill:$at" "$MUSTER" run asking --script script.jsonl --project "p$at" --yes all --answer colour=red; then
			continue # this one made fewer changes
		fi
		kills=$((kills + 1))
		[ -e "$MUSTER_DATA/muster.db" ] || continue
		run=$(newest 2>/dev/null) || continue
		[ -n "$run" ] || continue
		is_status 0 muster verify
	done
	[ "$kills" -ge 20 ] || fail "only $kills kills"
}

# Somebody approved; the program died at once. They are not asked again, and what they approved happens once.
test_an_approved_action_is_not_asked_or_done_again()
{
	tracing_mode
	is_status 3 muster run tracing --script script.jsonl --project p
	run=$(newest)
	is_status 0 muster answer "$run" start approve
	start muster resume "$run"
	wait_for 20 traced
	killed
	is_status 0 muster resume "$run"
	same "$(muster log "$run" --type action.opened | wc -l)" 1 "times somebody was asked"
	same "$(muster log "$run" --type action.resolved | wc -l)" 1 "answers"
	touch p/trace # the command may not have come so far
	same "$(tail -n +2 p/trace)" "" "what was done again"
	same "$(grep -c after p/after)" 1 "what came after"
}

# A frozen process keeps its folder: nobody else runs the same run meanwhile. Thawed it goes on; killed while frozen, another goes on.
test_a_frozen_run_is_neither_doubled_nor_stuck()
{
	slow_mode
	start muster run slow --script script.jsonl --project p
	began
	kill -STOP "$started"
	is_status 2 muster resume "$run"
	err_has "$started"
	kill -CONT "$started"
	ended || fail "the thawed run failed: $(cat bg.err)"
	same "$(wc -l <p/ticks)" 10 ticks
	start muster run slow --script script.jsonl --project q
	wait_for 20 test -n "$(newest)"
	sleep 0.7
	run=$(newest)
	kill -STOP "$started"
	kill -9 "$started"
	ended 2>/dev/null || true
	is_status 0 muster resume "$run"
	same "$(state "$run")" completed
	file_has q/ticks "tick 10"
	same "$(sort q/ticks | uniq -d)" "" "what was done twice"
}

# Whatever was killed when: each call has one end in the journal, and the model is told of it once.
test_no_result_is_told_twice()
{
	local i
	slow_mode
	start muster run slow --script script.jsonl --project p
	began
	for i in 1 2 3 4 5 6 7 8; do
		kill_between 100 700 || break
		start muster resume "$run"
	done
	ended 2>/dev/null || true
	[ "$(state "$run")" = completed ] || is_status 0 muster resume "$run"
	same "$(muster log "$run" --json | jq -rs '[.[] | select(.type == "tool.finished" or .type == "tool.lost") | "\(.data.agent) \(.data.call)"] | group_by(.) | map(select(length > 1)) | length')" 0 "calls with two ends"
	same "$(sort p/ticks | uniq -d | wc -l)" 0 "ticks that were done twice"
	is_status 0 muster replay "$run"
}

# The mode of a finished run is changed, then removed: what happened is still all there, and plays again.
test_an_upgrade_hides_no_history()
{
	asking_mode
	is_status 0 muster run asking --script script.jsonl --project p --yes all --answer colour=red
	run=$(newest)
	muster log "$run" --json >before
	echo 'return function(run) return { summary = "something else" } end' >"$MUSTER_DATA/modes/asking/flow.lua"
	muster log "$run" --json >after
	diff before after >&3 || fail "its history is another one"
	rm -r "$MUSTER_DATA/modes/asking"
	muster log "$run" --json >after
	diff before after >&3 || fail "its history is another one"
	is_status 0 muster show "$run"
	is_status 0 muster replay "$run"
}

run_tests
