#!/bin/bash
# shellcheck disable=SC2154  # started, run: set by the helpers
# A server that is to end while calls are under way.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# thinking SECONDS: a mode whose model takes so long for each answer, and a run of it that waits for its first; sets $run.
thinking()
{
	mode thinking <<-'END'
		return function(run)
		  return { summary = agent { role = "worker", task = "work" }.result }
		end
	END
	cat >model <<-END
		#!/bin/sh
		cat >/dev/null
		echo asked >>$T/asked
		sleep $1
		if [ "\$(wc -l <$T/asked)" -lt 2 ]; then
			echo '{"reply":{"text":"","tool_calls":[{"name":"write_file","arguments":{"path":"a","content":"x"}}],"usage":{"input":1,"output":1}}}'
		else
			echo '{"reply":{"text":"","tool_calls":[{"name":"finish","arguments":{"result":"done"}}],"usage":{"input":1,"output":1}}}'
		fi
	END
	chmod +x model
	serving
	begin_run "{\"mode\":\"thinking\",\"project\":\"$T/p\",\"model\":\"exec:$T/model\"}"
	wait_for 20 test -e asked
}

events()
{
	muster log "$run" --json | jq -r .type | grep -e "$1" || true
}

test_a_call_under_way_comes_to_its_end_and_no_other_begins()
{
	thinking 2
	kill -TERM "$started"
	ended || fail "exit status $?: $(cat bg.err)"
	same "$(wc -l <asked)" 1 "calls"
	same "$(events 'model\|tool' | xargs)" "model.requested model.answered tool.started tool.finished"
	serving
	wait_for 30 state_is completed
	same "$(wc -l <asked)" 2 "calls"
	same "$(events 'failed\|lost' | xargs)" ""
}

test_what_takes_longer_is_cut_off_and_twice_is_at_once()
{
	local status=0
	echo 'server: {drain_s: 1}' >config.yaml
	export MUSTER_CONFIG=$T/config.yaml
	thinking 600
	kill -TERM "$started"
	ended || fail "exit status $?: $(cat bg.err)"
	same "$(events model | xargs)" "model.requested"
	echo 'server: {drain_s: 3600}' >config.yaml
	serving
	wait_for 30 asked_twice
	kill -TERM "$started"
	wait_for 20 gone_from_socket
	kill -TERM "$started"
	ended || status=$?
	same "$status" 130 "exit status"
	is_status 0 muster verify
}

asked_twice()
{
	[ "$(wc -l <asked)" -ge 2 ]
}

gone_from_socket()
{
	! curl -sS --max-time 5 "$url/api/v1/health" 2>/dev/null
}

run_tests
