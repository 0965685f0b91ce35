#!/bin/bash
# shellcheck disable=SC2154,SC2317  # started, run, chosen: set by the helpers
# Commands to a server that is killed while it takes them: what was acknowledged took effect, once.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# give N: command N, with a key of its own; succeeds when it was acknowledged.
give()
{
	local status
	status=$(curl -sS --max-time 20 --unix-socket "$MUSTER_DATA/sock" -o given -w '%{http_code}' -H 'Content-Type: application/json' \
		-H "Idempotency-Key: key $1" -d "{\"kind\":\"budget\",\"usd\":$1,\"value\":$1}" \
		"http://muster/api/v1/runs/$run/commands" 2>/dev/null) || true
	[ "$status" = 200 ]
}

test_commands_take_effect_once_however_often_the_server_is_killed()
{
	local n caller kills=${KILLS:-25}
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	for n in $(seq "$kills"); do
		(give "$n" || true) &
		caller=$!
		random 0 30
		sleep "0.$(printf %03d "$chosen")"
		kill -9 "$started"
		ended 2>/dev/null || true
		wait "$caller" || true
		serving
		wait_for 20 give "$n"
		give "$n" || fail "said once more, it was refused: $(cat given)"
	done
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -r 'select(.type=="run.intervened" and .data.kind=="budget")|.data.value' out | sort -n | uniq -c | awk '{print $1 ":" $2}' |
		tr '\n' ' ')" "$(seq -f '1:%g' "$kills" | tr '\n' ' ')" "commands in the journal"
	is_status 0 muster verify
}

test_starting_a_run_is_done_once_however_often_the_server_is_killed()
{
	local n caller body="{\"mode\":\"asking\",\"model\":\"script:$T/script.jsonl\",\"project\":\"$T/p"
	question_mode
	serving
	for n in $(seq 10); do
		curl -sS --max-time 20 --unix-socket "$MUSTER_DATA/sock" -o given -H 'Content-Type: application/json' \
			-H "Idempotency-Key: run $n" -d "$body$n\"}" http://muster/api/v1/runs 2>/dev/null &
		caller=$!
		random 0 60
		sleep "0.$(printf %03d "$chosen")"
		kill -9 "$started"
		ended 2>/dev/null || true
		wait "$caller" || true
		serving
		begin_run "$body$n\"}" -H "Idempotency-Key: run $n"
	done
	is_status 0 muster runs --json --limit -1
	json_is length 10
	json_is '[.[].project]|unique|length' 10
	all_wait()
	{
		muster runs --json --limit -1 | jq -e 'all(.[]; .state == "waiting")'
	}
	wait_for 30 all_wait
	is_status 0 muster verify
}

# caller N: gives one command after the other to the runs, each until it is acknowledged, until the file "over" is there.
caller()
{
	local n=0 run answer
	while [ ! -e over ]; do
		n=$((n + 1))
		run=${runs[n % ${#runs[@]}]}
		until answer=$(curl -sS --max-time 20 --unix-socket "$MUSTER_DATA/sock" -o "given.$1" -w '%{http_code}' \
			-H 'Content-Type: application/json' -H "Idempotency-Key: key $1 $n" \
			-d "{\"kind\":\"budget\",\"usd\":$(($1 * 100000 + n)),\"value\":$(($1 * 100000 + n))}" \
			"http://muster/api/v1/runs/$run/commands" 2>/dev/null) && [ "$answer" = 200 ]; do
			sleep 0.02
		done
		echo "1 $run $(($1 * 100000 + n))" >>"accepted.$1"
	done
}

test_stops_and_kills_under_load_with_live_runs()
{
	local n callers=() stops=${STOPS:-10}
	mode busy <<-'END'
		return function(run)
		  for i = 1, 100000 do exec { command = "sleep 0.05", again = true } end
		end
	END
	script </dev/null
	echo 'server: {drain_s: 1}' >"$MUSTER_DATA/config.yaml"
	serving
	runs=()
	for n in 1 2 3; do
		begin_run "{\"mode\":\"busy\",\"project\":\"$T/p$n\",\"model\":\"script:$T/script.jsonl\"}"
		runs+=("$run")
	done
	for n in 1 2 3 4; do
		caller "$n" &
		callers+=($!)
		echo $! >>"$T.pids"
	done
	for n in $(seq "$stops"); do
		random 200 900
		sleep "0.$chosen"
		kill "-$([ $((n % 2)) = 0 ] && echo TERM || echo KILL)" "$started"
		ended 2>/dev/null || true
		serving
	done
	touch over
	wait "${callers[@]}"
	for run in "${runs[@]}"; do
		local_call GET "/api/v1/runs/$run/events"
		[ "$(grep -c '"tool.started"\|"flow.called"\|exec' out)" -gt "$stops" ] || fail "the run was not at work: $(tail -n 3 out)"
		jq -r --arg run "$run" 'select(.type=="run.intervened" and .data.kind=="budget")|"\($run) \(.data.value)"' out >>effects
		local_call POST "/api/v1/runs/$run/commands" -d '{"kind":"cancel"}'
		wait_for 30 state_is cancelled
	done
	sort effects | uniq -c | awk '{print $1, $2, $3}' >counted
	cat accepted.* | sort -k 2 >wanted
	[ "$(wc -l <wanted)" -gt $((2 * stops)) ] || fail "only $(wc -l <wanted) commands"
	cmp <(sort counted) <(sort wanted) || fail "$(diff <(sort counted) <(sort wanted) | head)"
	[ -z "${FIGURES:-}" ] || echo "$stops stops and kills, 3 live runs, $(wc -l <wanted) commands, each once" >>"$FIGURES"
	is_status 0 muster verify
}

run_tests
