#!/bin/bash
# shellcheck disable=SC2154,SC2016  # started, run: set by the helpers; $n is one of jq
# Traces of runs, sent to a collector that is there, and to one that is not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

working_mode()
{
	mode working <<-'END'
		return function(run)
		  local work = agent { role = "worker", task = "work" }
		  return { summary = work.result }
		end
	END
	{
		call worker write_file '{"path":"a.txt","content":"secret of the file"}'
		call worker read_file '{"path":"none.txt"}'
		call worker finish '{"result":"done"}'
	} | script
}

metric()
{
	curl -sS --unix-socket "$MUSTER_DATA/sock" http://muster/metrics | sed -n "s/^muster_$1 //p"
}

sent()
{
	[ "$(metric trace_spans_sent_total)" -ge "$1" ]
}

# spans FILTER: of all that the collector has, in the order of their ends.
spans()
{
	/usr/bin/python3 "$SOURCE/tests/peer/spans.py" collector >spans || fail "the spans are not as they should be"
	jq -rs "sort_by(.endTimeUnixNano) | $1" spans
}

work()
{
	begin_run "{\"mode\":\"working\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 state_is completed
}

test_a_run_is_a_trace_of_its_agents_and_their_calls()
{
	mkdir collector
	/usr/bin/python3 "$SOURCE/tests/peer/receiver.py" collector 200 &
	echo $! >>"$T.pids"
	wait_for 20 test -e collector/ports
	working_mode
	export OTEL_EXPORTER_OTLP_ENDPOINT
	OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$(cut -d' ' -f1 collector/ports)
	serving
	work
	wait_for 20 sent 7
	same "$(spans '[.[]|.traceId]|unique|length')" 1
	same "$(spans '[.[]|.spanId]|unique|length')" "$(spans length)"
	same "$(spans '[group_by(.attributes["gen_ai.operation.name"])[]|"\(.[0].attributes["gen_ai.operation.name"]) \(length)"]|join(", ")')" \
		"chat 3, execute_tool 2, invoke_agent 1, invoke_workflow 1"
	same "$(spans '[.[]|select(.parentSpanId==null)|.name]|join(" ")')" "invoke_workflow working"
	same "$(spans '(map({key:.spanId,value:.name})|from_entries) as $n|[.[]|select(.parentSpanId)|$n[.parentSpanId]]|unique|join(", ")')" \
		"invoke_agent worker, invoke_workflow working"
	same "$(spans '[.[]|select(.attributes["gen_ai.operation.name"]=="chat")|.attributes|"\(.["gen_ai.provider.name"]) \(.["gen_ai.usage.input_tokens"]) \(.["gen_ai.usage.output_tokens"])"]|unique|join("; ")')" \
		"script 1000 100"
	same "$(spans '[.[]|select(.attributes["error.type"])|.name]|join(" ")')" "execute_tool read_file"
	same "$(spans 'last|.attributes["gen_ai.conversation.id"]')" "$run"
	same "$(metric trace_spans_dropped_total)" 0
	! grep -q secret spans || fail "a file's content is in a span"
}

test_the_collector_is_shown_who_we_are_and_the_log_is_not()
{
	mkdir collector
	/usr/bin/python3 "$SOURCE/tests/peer/receiver.py" collector 401 &
	echo $! >>"$T.pids"
	wait_for 20 test -e collector/ports
	working_mode
	export OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer%20between-us%2C-only, x-tenant = house'
	OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$(cut -d' ' -f1 collector/ports)
	MUSTER_LOG=debug serving
	work
	wait_for 20 test -e collector/post-1.json
	same "$(jq -r '.headers.authorization' collector/post-1.json)" "Bearer between-us,-only"
	same "$(jq -r '.headers["x-tenant"]' collector/post-1.json)" house
	same "$(jq -r '.headers["content-type"]' collector/post-1.json)" application/json
	wait_for 20 grep -q "does not take spans" bg.err
	! grep -rqF between-us bg.err bg.out "$MUSTER_DATA" || fail "the secret is written down"
	kill -TERM "$started"
	ended || fail "exit status $?"
	for bad in between-us =between-us 'a b=between-us' 'x=between-us%0d%0ay:z' 'x=between-us%' a=,b=between-us; do
		OTEL_EXPORTER_OTLP_HEADERS=$bad is_status 2 muster serve --listen 127.0.0.1:0
		err_has "authorization=Bearer%20TOKEN"
		! grep -q between-us err || fail "the error shows the secret"
	done
}

test_no_run_waits_for_a_collector_that_is_away()
{
	working_mode
	export OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9
	serving
	work
	wait_for 20 grep -q "warn traces the collector at http://127.0.0.1:9/v1/traces does not take spans" bg.err
	same "$(metric trace_spans_sent_total)" 0
	same "$(grep -c traces bg.err)" 1 "lines about it"
	kill -TERM "$started"
	ended || fail "exit status $?"
	is_status 2 muster serve --listen 127.0.0.1:0 --option traces.url=collector:4318
	err_has 'traces.url: "collector:4318" is no address'
}

test_a_collector_that_never_answers_holds_nothing_up()
{
	mkdir collector
	/usr/bin/python3 "$SOURCE/tests/peer/receiver.py" collector 0 &
	echo $! >>"$T.pids"
	wait_for 20 test -e collector/ports
	working_mode
	export OTEL_EXPORTER_OTLP_ENDPOINT
	OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:$(cut -d' ' -f1 collector/ports)/
	serving
	work
	wait_for 20 test -e collector/post-1.json
	work
	kill -TERM "$started"
	ended || fail "exit status $?"
}

run_tests
