#!/bin/bash
# shellcheck disable=SC2154,SC2317  # started, out: set by the helpers; functions called by name
# The server, driven only through HTTP and the command line, by the owner of the data folder over its socket.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

test_it_says_that_it_is_well_and_lets_nobody_else_in()
{
	serving
	same "$(curl -sS "$url/health" | jq -r .status)" ok
	same "$(curl -sS -o out -w '%{http_code}' "$url/api/v1/runs")" 401
	json_is .code unauthenticated
	local_call GET /api/v1/runs
	same "$status" 200
	same "$(cat out)" "[]"
}

test_a_run_is_started_and_answered()
{
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	local_call GET "/api/v1/runs/$run/actions"
	json_is '.[0].name' colour
	local_call POST "/api/v1/runs/$run/actions/colour" -d '{"option":"green"}'
	same "$status" 400
	local_call POST "/api/v1/runs/$run/actions/colour" -d '{"option":"red"}'
	same "$status" 200
	wait_for 20 state_is completed
	is_status 0 muster verify
	is_status 0 muster replay "$run"
}

test_what_is_said_twice_happens_once()
{
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}" -H 'Idempotency-Key: one'
	first=$run
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}" -H 'Idempotency-Key: one'
	same "$run" "$first"
	local_call GET /api/v1/runs
	json_is length 1
	wait_for 20 state_is waiting
	for _ in 1 2; do
		local_call POST "/api/v1/runs/$run/commands" -H 'Idempotency-Key: two' \
			-d '{"kind":"budget","usd":5,"value":5}'
		same "$status" 200 "$(cat out)"
	done
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -c 'select(.type=="run.intervened")' out | wc -l)" 1
}

test_several_answer_at_once_and_one_is_heard()
{
	local pids=() i
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	for i in 1 2 3 4 5 6 7 8; do
		curl -sS --unix-socket "$MUSTER_DATA/sock" -o "answer.$i" -w '%{http_code}\n' -H 'Content-Type: application/json' \
			-d '{"option":"red"}' "http://muster/api/v1/runs/$run/actions/colour" >"status.$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	same "$(cat status.* | grep -c 200)" 1 "answers that were taken ($(cat status.* answer.*))"
	wait_for 20 state_is completed
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -c 'select(.type=="action.resolved")' out | wc -l)" 1
}

# at_once N BODY [curl option…]: N callers give this command to the run at the same moment; @ in it is the caller's number.
at_once()
{
	local n=$1 body=$2 pids=() i
	shift 2
	for i in $(seq "$n"); do
		curl -sS --unix-socket "$MUSTER_DATA/sock" -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' "$@" \
			-d "${body//@/$i}" "http://muster/api/v1/runs/$run/commands" >"status.$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
}

test_several_steer_and_cancel_at_once_and_each_counts_once()
{
	slow_mode
	serving
	begin_run "{\"mode\":\"slow\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	at_work()
	{
		local_call GET "/api/v1/runs/$run/events" && grep -q '"tool.started"' out
	}
	wait_for 20 at_work
	at_once 8 '{"kind":"steer","agent":"0","text":"said by @"}'
	same "$(cat status.* | sort | uniq -c | xargs)" "8 200" "answers to steering"
	at_once 8 '{"kind":"steer","agent":"0","text":"said by all"}' -H 'Idempotency-Key: all'
	same "$(cat status.* | sort | uniq -c | xargs)" "8 200" "answers to what was said twice"
	at_once 8 '{"kind":"cancel"}'
	same "$(cat status.* | grep -cxv -e 200 -e 409 || true)" 0 "answers to cancelling ($(cat status.* | xargs))"
	grep -q 200 status.* || fail "nobody could cancel it: $(cat status.* | xargs)"
	wait_for 20 state_is cancelled
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -r 'select(.type=="run.intervened" and .data.kind=="steer")|.data.text' out | sort | uniq -c | sed 's/ *//' | tr '\n' ';')" \
		"$(printf '1 said by %s;' 1 2 3 4 5 6 7 8 all)" "what was said"
	same "$(jq -c 'select(.type=="run.cancelled")' out | wc -l)" 1 "ends"
	is_status 0 muster verify
	is_status 0 muster replay "$run"
}

test_runs_go_on_after_a_kill_and_after_a_stop()
{
	slow_mode
	serving
	begin_run "{\"mode\":\"slow\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is running
	kill -9 "$started"
	ended || true
	serving
	sleep 0.5
	kill -TERM "$started"
	ended || fail "exit status of the server: $(cat bg.err)"
	serving
	wait_for 60 state_is completed
	is_status 0 muster verify
	is_status 0 muster replay "$run"
}

test_a_waiting_run_is_answered_after_a_kill()
{
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	kill -9 "$started"
	ended || true
	is_status 0 muster answer "$run" colour red
	serving
	wait_for 20 state_is completed
}

test_an_action_that_nobody_answers_ends_also_after_a_kill()
{
	mode asking <<-'END'
		return function(run)
		  local answer = ask { name = "colour", options = { "red", "blue" }, expires = 4, otherwise = "blue" }
		  return { summary = answer.option .. " by " .. answer.by }
		end
	END
	script </dev/null
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	kill -9 "$started"
	ended || true
	serving
	local_call GET "/api/v1/runs/$run/actions?state=any"
	same "$(jq '.[0] | .expires - .opened' out)" 4000000
	wait_for 30 state_is completed
	local_call POST "/api/v1/runs/$run/actions/colour" -d '{"option":"red"}'
	same "$status" 409 "$(cat out)"
	out_has "nobody had answered it in time"
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -c 'select(.type=="action.resolved").data|{option,by,expired}' out)" '{"option":"blue","by":"system","expired":true}'
	is_status 0 muster verify
	is_status 0 muster replay "$run"
}

# A setting of the house; what a person would have to allow is denied.
test_a_house_says_how_long_actions_wait()
{
	mode asking <<-'END'
		return function(run)
		  local asked, why = pcall(gate, { name = "ship" })
		  return { summary = tostring(asked) .. ": " .. why.message }
		end
	END
	script </dev/null
	mkdir -p "$MUSTER_DATA"
	echo 'run: {answer_min: 60}' >"$MUSTER_DATA/config.yaml"
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	local_call GET "/api/v1/runs/$run/actions"
	same "$(jq '.[0] | .expires - .opened' out)" 3600000000
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/q\",\"model\":\"script:$T/script.jsonl\",\"settings\":{\"answer_seconds\":1}}"
	wait_for 30 state_is completed
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -r 'select(.type=="run.completed").data.result.summary' out)" 'false: nobody answered the gate "ship" in time'
}

test_more_runs_than_places_wait_their_turn()
{
	local i runs=()
	slow_mode
	echo 'server: {live_runs: 1}' >"$MUSTER_DATA/config.yaml"
	serving
	for i in 1 2 3; do
		begin_run "{\"mode\":\"slow\",\"project\":\"$T/p$i\",\"model\":\"script:$T/script.jsonl\",\"priority\":$i}"
		runs+=("$run")
	done
	run=${runs[0]}
	wait_for 20 state_is running
	run=${runs[1]}
	state_is created || fail "the second run began: $(cat out)"
	for run in "${runs[@]}"; do
		wait_for 60 state_is completed
	done
	same "$(muster runs --json --limit -1 | jq -r 'sort_by(.updated)|map(.priority)|join(" ")')" "1 3 2" "order of the ends"
}

test_a_run_that_is_paused_while_it_waits_its_turn_stays_so()
{
	local first second
	slow_mode
	echo 'server: {live_runs: 1}' >"$MUSTER_DATA/config.yaml"
	serving
	begin_run "{\"mode\":\"slow\",\"project\":\"$T/p1\",\"model\":\"script:$T/script.jsonl\"}"
	first=$run
	wait_for 20 state_is running
	begin_run "{\"mode\":\"slow\",\"project\":\"$T/p2\",\"model\":\"script:$T/script.jsonl\"}" -H 'Idempotency-Key: second'
	second=$run
	local_call POST "/api/v1/runs/$second/commands" -d '{"kind":"pause"}'
	same "$status" 200
	wait_for 20 state_is paused
	run=$first
	wait_for 60 state_is completed
	begin_run "{\"mode\":\"slow\",\"project\":\"$T/p2\",\"model\":\"script:$T/script.jsonl\"}" -H 'Idempotency-Key: second'
	same "$run" "$second"
	kill -9 "$started"
	ended || true
	serving
	sleep 1
	state_is paused || fail "it went on"
	local_call POST "/api/v1/runs/$second/commands" -d '{"kind":"resume"}'
	wait_for 60 state_is completed
}

# pages PATH MEMBER: this member of all rows, from one page with one row to the next.
pages()
{
	local next="$1?limit=1"
	while [ -n "$next" ]; do
		local_call GET "$next"
		same "$status" 200 "status ($(cat out))"
		jq -r ".[].$2" out
		next=$(tr -d '\r' <"$T/head" | sed -n 's/^[Ll]ink: <\(.*\)>; rel="next"$/\1/p')
	done
}

test_lists_go_on_from_page_to_page()
{
	question_mode
	serving
	for project in p q r; do
		begin_run "{\"mode\":\"asking\",\"project\":\"$T/$project\",\"model\":\"script:$T/script.jsonl\"}"
		wait_for 20 state_is waiting
	done
	local_call GET /api/v1/runs
	jq -r '.[].run' out >runs
	same "$(wc -l <runs)" 3 runs
	pages /api/v1/runs run >paged
	cmp runs paged || fail "$(cat paged)"
	local_call GET /api/v1/actions
	jq -r '.[].run' out >actions
	pages /api/v1/actions run >paged
	same "$(wc -l <actions)" 3 actions
	cmp actions paged || fail "$(cat paged)"
	for cursor in x 1 1.0 1.x -1.1 1.1001; do
		local_call GET "/api/v1/runs?cursor=$cursor"
		same "$status" 400 "$cursor"
	done
}

test_commands_at_the_same_moment_are_given_once_each()
{
	local pids=() i
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	for i in $(seq 40); do
		curl -sS --unix-socket "$MUSTER_DATA/sock" -o /dev/null -H 'Content-Type: application/json' \
			-d "{\"kind\":\"budget\",\"usd\":$i,\"value\":$i}" "http://muster/api/v1/runs/$run/commands" &
		pids+=($!)
	done
	wait "${pids[@]}"
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -r 'select(.type=="run.intervened")|.data.value' out | sort -n | uniq -c | awk '{print $1 ":" $2}' | tr '\n' ' ')" \
		"$(seq -f '1:%g' 40 | tr '\n' ' ')" "commands in the journal"
}

test_bad_input_is_named()
{
	serving
	local_call GET '/api/v1/runs?stat=x'
	same "$status" 400
	json_is .detail 'there is no parameter "stat" here; did you mean "state"?'
	local_call DELETE /api/v1/runs
	same "$status" 405
	local_call GET /api/v1/nothing
	same "$status" 404
	local_call POST /api/v1/runs -d '{"mode":"one_shot"}'
	same "$status" 400
	out_has project
	local_call POST /api/v1/runs -d 'x'
	same "$status" 400
	local_call POST /api/v1/runs -d '[]'
	same "$status" 400
	local_call GET /api/v1/runs/deadbeef
	same "$status" 404
	MUSTER_DATA=$T/other is_status 2 muster serve --listen nowhere
	err_has "127.0.0.1:8080"
}

test_its_pages_are_served_and_pages_of_others_refused()
{
	serving
	same "$(curl -sS -o out -D head -w '%{http_code} %{content_type}' "$url/")" "200 text/html; charset=utf-8"
	file_has head Content-Security-Policy
	same "$(curl -sS -o out -w '%{http_code}' -H "Origin: $url" "$url/health")" 200
	for origin in null http://evil.example "$url.evil.example" "https${url#http}"; do
		same "$(curl -sS -o out -w '%{http_code}' -H "Origin: $origin" "$url/api/v1/openapi.json")" 403 "$origin"
	done
	same "$(curl -sS -o out -w '%{http_code}' "$url/api/v1/nothing")" 404
}

# What the page says of /?error=CODE; node stands in for the browser.
test_the_page_says_what_went_wrong_and_repeats_nothing_of_the_address()
{
	says()
	{
		node -e 'const place = { hidden: true, textContent: "" };
			globalThis.location = { search: process.argv[2] };
			globalThis.document = { getElementById: id => id === "error" ? place : null };
			(0, eval)(require("fs").readFileSync(process.argv[1], "utf8"));
			console.log(place.hidden ? "nothing" : place.textContent);' "$T/error.js" "$1"
	}
	serving
	curl -sS "$url/" | grep -q '<p id="error" role="alert" hidden></p>' || fail "the page has no place for it"
	same "$(curl -sS -o error.js -w '%{http_code} %{content_type}' "$url/error.js")" "200 text/javascript; charset=utf-8"
	same "$(says '')" nothing
	same "$(says '?x=1')" nothing
	says '?error=denied' | grep -q '^You were not let in: ' || fail "$(says '?error=denied')"
	for code in denied invalid unauthenticated network timeout rate_limited overloaded not_found; do
		[ "$(says "?error=$code")" != "$(says '?error=x')" ] || fail "$code has no sentence"
	done
	for code in '<img src=x onerror=alert(1)>' '%3Cscript%3E' __proto__ constructor toString; do
		same "$(says "?error=$code")" "That did not work. Try again." "$code"
	done
}

test_https_with_a_certificate_that_is_renewed()
{
	certificate()
	{
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
			-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2>/dev/null
	}
	subject()
	{
		openssl s_client -connect "${url#https://}" </dev/null 2>/dev/null | openssl x509 -noout -subject
	}
	certificate first
	export MUSTER_TLS_CERTIFICATE=$T/cert.pem MUSTER_TLS_KEY=$T/key.pem
	serving
	same "${url%%:*}" https
	same "$(curl -sS --cacert cert.pem "$url/health" | jq -r .status)" ok
	same "$(subject)" "subject=CN = first"
	certificate second
	kill -HUP "$started"
	renewed()
	{
		[ "$(subject)" = "subject=CN = second" ]
	}
	wait_for 10 renewed
	echo damaged >key.pem
	kill -HUP "$started"
	wait_for 10 grep -q "stays" bg.err
	same "$(subject)" "subject=CN = second"
	unset MUSTER_TLS_KEY
	MUSTER_DATA=$T/other is_status 2 muster serve --listen 127.0.0.1:0
	err_has server.tls_key
}

test_a_second_owner_is_refused_and_a_taken_port_named()
{
	serving
	is_status 2 muster serve --listen 127.0.0.1:0
	err_has "$started"
	MUSTER_DATA=$T/other is_status 4 muster serve --listen "${url#http://}"
	err_has "${url##*:}"
}

run_tests
