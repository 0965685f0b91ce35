#!/bin/bash
# shellcheck disable=SC2154  # started, run: set by the helpers
# A second terminal: list, tail, steer, answer, pause, cancel a run that another process works on; and interrupts.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

# A slow run in the background; sets $run.
slow_run()
{
	slow_mode
	start muster run slow --script script.jsonl --project p
	began
}

# served: a run exists, and its process serves the socket.
served()
{
	[ -n "$(newest)" ] && [ -S "$MUSTER_DATA/sock" ]
}

sleeping()
{
	muster log "$(newest)" --type flow.step | grep -q sleep
}

# over STATUS: the background run ends with this exit status.
over()
{
	local status=0
	ended || status=$?
	same "$status" "$1" "exit status of the run ($(tail -n 20 bg.out bg.err))"
}

test_a_second_run_is_refused_naming_the_holder()
{
	slow_run
	is_status 2 muster run slow --script script.jsonl --project p2
	err_has "$started"
	is_status 2 muster resume "$run"
	err_has "$started"
	is_status 0 muster runs
	out_has "running"
	is_status 0 muster show "$run"
	out_has worker
}

test_pause_and_resume()
{
	slow_run
	is_status 0 muster pause "$run"
	over 7
	same "$(state "$run")" paused
	is_status 0 muster resume "$run"
	out_has "ticked"
	same "$(wc -l <p/ticks)" 10
	is_status 0 muster replay "$run"
}

test_cancel_is_final()
{
	slow_run
	is_status 0 muster cancel "$run"
	over 6
	same "$(state "$run")" cancelled
	is_status 2 muster resume "$run"
	err_has "fork"
}

test_cancel_and_pause_without_an_owner()
{
	asking_mode
	is_status 3 muster run asking --script script.jsonl --project p
	run=$(newest)
	is_status 0 muster pause "$run"
	same "$(state "$run")" paused
	is_status 4 muster pause "$run"
	err_has "paused already"
	is_status 3 muster resume "$run"
	is_status 0 muster cancel "$run"
	same "$(state "$run")" cancelled
	is_status 0 muster replay "$run"
}

test_steer_reaches_the_agent()
{
	slow_run
	is_status 0 muster steer "$run" "use blue ink"
	wait_for 20 eval "muster log $run --type message.added | grep -q 'use blue ink'"
	is_status 2 muster steer "$run" --agent 7 hello
	err_has '"7"'
	is_status 0 muster cancel "$run"
	over 6
}

test_redirect_hands_a_task_over()
{
	slow_run
	is_status 2 muster redirect "$run" 0 nobody
	err_has nobody
	is_status 0 muster redirect "$run" 0 worker --text "be quick"
	wait_for 20 eval "muster log $run --type agent.started | grep -q 'be quick\|take this task over\|work'"
	wait_for 20 eval "[ \$(muster log $run --type agent.started | wc -l) = 2 ]"
	is_status 0 muster cancel "$run"
	over 6
}

test_modify_changes_a_value_of_the_flow()
{
	mode watch <<-'END'
		return function(run)
		  vars.limit = 1
		  while vars.limit == 1 do sleep(0.1) end
		  return { summary = "limit " .. vars.limit }
		end
	END
	script </dev/null
	start muster run watch --script script.jsonl --project p
	wait_for 20 served
	run=$(newest)
	is_status 0 muster modify "$run" limit=3
	over 0
	file_has bg.out "limit 3"
	is_status 0 muster replay "$run"
}

test_an_action_is_answered_from_elsewhere()
{
	slow_mode
	mode both <<-'END'
		return function(run)
		  background(function() agent { role = "worker", task = "work" } end)
		  local answer = ask { name = "go", title = "Go?", options = { "yes", "no" } }
		  return { summary = "answered " .. answer.option }
		end
	END
	start muster run both --script script.jsonl --project p
	wait_for 20 eval 'muster actions --json | jq -e "length == 1"'
	run=$(newest)
	is_status 0 muster answer "$run" go yes
	out_has "answered"
	over 0
	file_has bg.out "answered yes"
}

get()
{
	run curl -sS --unix-socket "$MUSTER_DATA/sock" "$@"
}

test_the_socket_speaks_http()
{
	local api=http://muster/api/v1
	command -v curl >/dev/null || skip "no curl"
	slow_run
	get "$api/runs"
	json_is '.[0].state' running
	get "$api/runs/$run"
	json_is .mode slow
	get "$api/runs/$run/events?after=2"
	same "$(head -n 1 out | jq .seq)" 3
	get "$api/nothing"
	json_is .status 404
	get "$api/runs/nosuchrun"
	json_is .status 404
	get "$api/runs/$run/commands" -d '{"kind":"dance"}'
	json_is '.status >= 400' true
	get "$api/runs/$run/commands" -d '{'
	json_is .status 400
	get "$api/runs/$run/commands" -d '{"kind":"cancel","by":"curl"}'
	json_is .ok true
	over 6
	muster log "$run" | grep -q "cancelled by curl"
}

test_log_follow_shows_events_until_the_end()
{
	slow_run
	muster log "$run" --follow --json >followed &
	local follower=$!
	echo "$follower" >>"$T.pids"
	is_status 0 muster cancel "$run"
	over 6
	wait "$follower" || fail "log --follow: $?"
	same "$(tail -n 1 followed | jq -r .type)" run.cancelled
	same "$(jq .seq followed)" "$(seq "$(wc -l <followed)")"
}

test_interrupted_once_it_pauses()
{
	slow_run
	kill -INT "$started"
	over 130
	same "$(state "$run")" paused
	file_has bg.err "muster resume $run"
	is_status 0 muster resume "$run"
	same "$(wc -l <p/ticks)" 10
}

test_interrupted_twice_it_stops_at_once()
{
	mode nap <<-'END'
		return function(run) exec { command = "sleep 30" } return {} end
	END
	script </dev/null
	start muster run nap --script script.jsonl --project p
	wait_for 20 sleeping
	sleep 0.3
	local before=$SECONDS
	kill -INT "$started"
	sleep 0.5
	kill -INT "$started"
	over 130
	[ $((SECONDS - before)) -lt 10 ] || fail "it took $((SECONDS - before)) s"
	sleep 0.5
	! pgrep -f "sleep 30" >/dev/null || fail "the command lives on"
}

test_terminated_it_pauses()
{
	slow_run
	kill -TERM "$started"
	over 130
	same "$(state "$run")" paused
}

test_killed_it_can_be_resumed()
{
	slow_run
	kill -9 "$started"
	ended || true
	is_status 0 muster resume "$run"
	out_has "goes on after a stop"
	is_status 0 muster replay "$run"
	is_status 0 muster verify
}

run_tests
