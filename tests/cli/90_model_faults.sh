#!/bin/bash
# shellcheck disable=SC2154  # started: by start
# The program against an endpoint that misbehaves: what people see, what is tried again, what it costs, and that nothing of a broken
# answer is done.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

PEER=${MUSTER%/*}/tests/peer/fault_peer

# endpoint DIALECT ANSWER…: a peer that answers so, and the installation's configuration for it; the mode `task`.
endpoint()
{
	local dialect=$1
	shift
	[ -x "$PEER" ] || fail "$PEER does not exist; build it: ninja -C ${MUSTER%/*} tests/peer/fault_peer"
	mode task <<-'END'
		return function(run)
		  local work = agent { role = "worker", task = "work" }
		  return { summary = work.result, status = work.status }
		end
	END
	start "$PEER" port seen "$@"
	wait_for 20 test -s port
	cat >"$MUSTER_DATA/config.yaml" <<-END
		model: peer:m
		model_call: {first_byte_s: 2, idle_s: 2}
		providers:
		  peer: {kind: $dialect, base_url: "http://127.0.0.1:$(cat port)", key: sk-canary-4711}
		prices:
		  "peer:m": {input: 1, output: 5}
	END
}

# http STATUS HEADERS…: the head of an answer.
http()
{
	printf 'HTTP/1.1 %s\r\n' "$1"
	shift
	printf '%s\r\n' "$@" "Connection: close" ""
}

# refusal STATUS HEADER [BODY]
refusal()
{
	http "$1" "$2"
	printf '%s' "${3:-{\}}"
}

# anthropic, openai, compatible TOOL ARGUMENTS: an answer that calls a tool, for 1,000 tokens in and 100 out.
anthropic()
{
	http "200 OK" "Content-Type: text/event-stream"
	event '{"type":"message_start","message":{"model":"m-1","usage":{"input_tokens":1000,"output_tokens":1}}}'
	event '{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"'"$1"'","input":{}}}'
	event '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":'"$(jq -Rn --arg a "$2" '$a')"'}}'
	event '{"type":"content_block_stop","index":0}'
	event '{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":100}}'
	event '{"type":"message_stop"}'
}

openai()
{
	http "200 OK" "Content-Type: text/event-stream"
	event '{"model":"m-1","choices":[{"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"'"$1"'","arguments":'"$(jq -Rn --arg a "$2" '$a')"'}}]}}]}'
	event '{"choices":[{"delta":{},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1000,"completion_tokens":100}}'
	printf 'data: [DONE]\n\n'
}

compatible()
{
	openai "$@"
}

event()
{
	printf 'data: %s\n\n' "$1"
}

work='{"path":"a.txt","content":"a\n"}'

# log_count TYPE: how many events of it the newest run has.
log_count()
{
	muster log "$(newest)" --json --type "$1" | wc -l
}

# nothing_done: no tool was begun and no file written.
nothing_done()
{
	same "$(log_count tool.started)" 0 "tools begun"
	[ ! -e p/a.txt ] || fail "a file of a broken answer was written"
}

requests()
{
	wc -l <seen
}

# endures DIALECT: refused in all ways, then answered: each refusal is tried again, what is paid is the two answers.
endures()
{
	refusal "429 Too Many Requests" "retry-after-ms: 20" '{"error":{"type":"rate_limit_error","message":"too fast"}}' >limit
	refusal "529 Overloaded" "Retry-After: 0" >overloaded
	refusal "502 Bad Gateway" "Content-Type: text/html" "<html><h1>Bad gateway</h1></html>" >gateway
	refusal "503 Unavailable" "Retry-After: Thu, 01 Jan 2026 00:00:00 GMT" >past
	"$1" write_file "$work" >edit
	"$1" finish '{"result":"all done"}' >end
	endpoint "$1" limit overloaded edit gateway past end
	is_status 0 muster run task --project p --json
	file_has p/a.txt a
	same "$(requests)" 6 "requests"
	same "$(log_count model.failed)" 4 "failures"
	same "$(log_count model.answered)" 2 "answers"
	same "$(log_count tool.started)" 1 "tools begun"
	tail -n 1 out >last
	json_is .state completed last
	json_is .cost 0.003 last # 2 × (1,000 × $1 + 100 × $5) / 1,000,000
	run=$(newest)
	muster log "$run" >events
	file_has events "too fast"
	! grep -q canary events "$T/err" out || fail "the key was shown"
	is_status 0 muster verify
}

test_storms_of_refusals_anthropic()
{
	endures anthropic
}

test_storms_of_refusals_openai()
{
	endures openai
}

test_storms_of_refusals_compatible()
{
	endures compatible
}

# breaks ANSWER TEXT: three tries, then the run says why and rests; once the endpoint answers, it goes on and pays once.
breaks()
{
	anthropic finish '{"result":"all done"}' >end
	endpoint anthropic "$1" "$1" "$1" end
	is_status 4 muster run task --project p --unattended
	nothing_done
	same "$(requests)" 3 "requests"
	same "$(log_count model.failed)" 3 "failures"
	out_has "$2"
	is_status 0 muster resume "$(newest)"
	same "$(state "$(newest)")" completed
	same "$(log_count model.answered)" 1 "answers"
	is_status 0 muster show "$(newest)" --json
	json_is ".agents[0].usd" 0.0015
}

test_an_answer_cut_inside_a_call_is_never_done()
{
	anthropic write_file "$work" >edit
	breaks "edit,cut=$(($(wc -c <edit) - 40))" "cut off"
}

test_an_answer_reset_inside_a_call_is_never_done()
{
	anthropic write_file "$work" >edit
	breaks "edit,cut=$(($(wc -c <edit) - 40)),reset" "127.0.0.1"
}

test_silence_inside_a_call_is_given_up()
{
	anthropic write_file "$work" >edit
	breaks "edit,cut=$(($(wc -c <edit) - 40)),hang" "stopped sending for 2.0 s"
}

test_silence_is_given_up()
{
	breaks silent "sent nothing of an answer for 2.0 s"
}

test_a_redirect_is_not_followed_nor_tried_again()
{
	refusal "307 Temporary Redirect" "Location: http://127.0.0.1:1/" >redirect
	endpoint anthropic redirect
	is_status 4 muster run task --project p --unattended
	nothing_done
	same "$(requests)" 1 "requests"
	out_has "redirects"
}

# A hundred megabytes without a line end, and compressed ones: given up at the caps, in little memory.
test_endless_answers_are_given_up_in_little_memory()
{
	{
		http "200 OK" "Content-Type: text/event-stream"
		head -c 1000000 /dev/zero | tr '\0' x
	} >endless
	{
		http "200 OK" "Content-Type: text/event-stream" "Content-Encoding: gzip"
		head -c 209715200 /dev/zero | gzip -9c
	} >bomb
	most=100000
	! grep -q __asan_init "$MUSTER" || most=600000 # sanitizers keep what was freed
	endpoint anthropic endless,times=1600 bomb
	for _ in 1 2; do
		start muster run task --project p --unattended
		peak=0
		while kill -0 "$started" 2>/dev/null; do
			now=$(sed -n 's/^VmHWM: *\([0-9]*\) kB/\1/p' "/proc/$started/status" 2>/dev/null || true)
			peak=${now:-$peak}
			sleep 0.02
		done
		! ended || fail "an endless answer was an answer"
		file_has bg.out "larger than the allowed"
		nothing_done
		[ "$peak" -lt "$most" ] || fail "$peak KiB of memory"
		rm -rf p
	done
	same "$(requests)" 2 "requests"
}

run_tests
