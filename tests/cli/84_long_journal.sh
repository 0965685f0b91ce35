#!/bin/bash
# shellcheck disable=SC2154  # started: set by the helpers
# A run killed at random instants while its journal holds very many events goes on from where it was. EVENTS (100000), KILLS (3); FIGURES=FILE
# gets the milliseconds from each start until the run had a new event.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

SEGMENT=9000 # events in each: a flow may not make more than 10,000 host calls without continue_as

long_mode()
{
	mode long <<-END
		return function(run)
		  local at = run.state and run.state.at or 0
		  if at < $1 then
		    for i = 1, $SEGMENT do phase("p" .. i) end
		    sleep(0)
		    continue_as { at = at + 1 }
		  end
		  for i = 1, 40 do exec { command = "sleep 0.2; echo " .. i .. " >tick", again = true } end
		  return { summary = "done" }
		end
	END
	script </dev/null
}

# There are at least so many events, or a later run of the process than that which made them.
grown()
{
	[ "$(wc -l <bg.out)" -gt "$1" ]
}

test_a_run_of_very_many_events_goes_on_after_kills()
{
	local events=${EVENTS:-100000} kills=0 begin run
	long_mode $(((events + SEGMENT - 1) / SEGMENT))
	start muster run long --script script.jsonl --project p --json
	wait_for 120 grown "$events"
	run=$(newest)
	while [ $kills -lt "${KILLS:-3}" ]; do
		kill_between 50 900 || fail "it had ended before kill $kills"
		kills=$((kills + 1))
		begin=${EPOCHREALTIME/./}
		start muster resume "$run" --json
		wait_for 60 grep -q '"seq":[0-9]' bg.out
		echo "$(((${EPOCHREALTIME/./} - begin) / 1000)) ms" >>"${FIGURES:-figures}"
	done
	ended || fail "exit status $? of the last$(tail -n 3 bg.err)"
	same "$(state "$run")" completed
	same "$(git -C p show HEAD:tick)" 40 "the last command's file"
	same "$(muster log "$run" --json | jq -r 'select(.type == "run.phase").type' | wc -l)" $(((events + SEGMENT - 1) / SEGMENT * SEGMENT)) "phases"
	is_status 0 muster replay "$run"
	is_status 0 muster verify
}

run_tests
