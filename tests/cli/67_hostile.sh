#!/bin/bash
# shellcheck disable=SC2016,SC2154,SC2317  # inner shells; started, out, url: set by the helpers; functions called by name
# Attacks of docs/security.md on a running server, through every route of its own table, with bytes, crowds and secrets.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# settings TEXT: the configuration; requests are not slowed down unless it says so.
settings()
{
	mkdir -p "$MUSTER_DATA"
	printf '%s\n' "$1" >"$MUSTER_DATA/config.yaml"
}

# attacking [TEXT]: a server to be attacked, with settings, and a mode that leaves a file and asks.
attacking()
{
	settings "${1:-server: {requests_per_s: 0\}}"
	mode asking <<-'END'
		return function(run)
		  write("left.txt", "left behind\n")
		  return { summary = ask { name = "colour", title = "Which colour?", options = { "red", "blue" } }.option }
		end
	END
	script </dev/null
	export SCRIPT=$T/script.jsonl
	muster describe >described.json
	serving
}

# attack PROGRAM NAME [WORD…]: the attack of tests/peer/PROGRAM.py; what it says is $T/out.
attack()
{
	local program=$1 name=$2
	shift 2
	TIME_LIMIT=150 is_status 0 "$SOURCE/tests/peer/$program.py" "$name" "$url" "$MUSTER_DATA/sock" described.json "$@"
	[ -z "${FIGURES:-}" ] || sed "s/^/$name: /" out >>"$FIGURES"
	kill -0 "$started" || fail "the server has ended: $(cat bg.err)"
}

test_row1_every_route_without_credentials()
{
	attacking
	attack hostile anonymous
}

test_row2_every_route_with_what_another_has()
{
	attacking
	attack hostile tenants
	is_status 0 muster verify
}

test_row4_a_viewer_changes_nothing()
{
	attacking
	attack hostile viewer
}

test_row8_a_hundred_logins_at_once()
{
	attacking
	attack flood logins "$started"
}

test_row9_what_lasts_ends_with_the_right_to_it()
{
	attacking
	attack flood ended "$started"
}

test_row14_requests_that_can_be_read_in_two_ways()
{
	attacking
	attack flood bytes "$started"
}

test_row15_thousands_who_are_slow()
{
	export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1:thread_local_quarantine_size_kb=64 # freed memory is none of it
	attacking
	attack flood crowd "$started"
}

test_row16_sizes_and_shapes()
{
	export ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=1:thread_local_quarantine_size_kb=64 # freed memory is none of it
	attacking
	attack flood sizes "$started"
}

test_row18_filters_are_no_sql()
{
	attacking
	attack hostile sql
}

test_row3_a_key_by_header_cookie_and_query()
{
	attacking
	attack hostile credentials
}

test_rows_5_and_6_no_account_by_itself_and_tokens_that_are_none()
{
	attacking
	attack hostile tokens
}

test_row7_guessing_tells_nothing()
{
	attacking
	attack hostile guessing
}

test_rows_10_11_17_pages_of_other_sites_other_names_and_types()
{
	attacking 'server: {requests_per_s: 0, hosts: "127.0.0.1"}'
	attack hostile origins
}

test_row19_claims_of_a_client()
{
	attacking
	attack hostile claims
}

# peering: a model provider, collector of traces and receiver of webhooks in one; what comes is kept in prompts, traces and hooks.
peering()
{
	mkdir -p prompts traces hooks
	/usr/bin/python3 -B - "$T/port" <<-'END' &
		import http.server, itertools, json, os, sys
		numbers = itertools.count()
		class Peer(http.server.BaseHTTPRequestHandler):
		    def log_message(self, *a): pass
		    def do_POST(self):
		        body = self.rfile.read(int(self.headers["Content-Length"]))
		        folder = "hooks" if "hook" in self.path else "traces" if "traces" in self.path else "prompts"
		        del self.headers["webhook-signature"]
		        key = self.headers.get("Authorization")
		        del self.headers["Authorization"]
		        with open(f"{folder}/{next(numbers)}", "wb") as f:
		            f.write(str(self.headers).encode() + body)
		        good = folder != "prompts" or key in ("Bearer " + os.environ["GOOD"], "Bearer " + os.environ["CANARY_0"])
		        self.send_response(200 if good else 401)
		        self.send_header("Content-Type", "text/event-stream" if good and folder == "prompts" else "application/json")
		        self.end_headers()
		        if folder != "prompts" or not good:
		            self.wfile.write(b'{}' if good else json.dumps({"error": {"message": "no such key: " + str(key)}}).encode())
		            return
		        asked = json.loads(body)
		        told = any(m["role"] == "tool" for m in asked["messages"])
		        do = ("finish", {"result": "ok"}) if told else ("shell", {"command": "env; cat /proc/self/environ /proc/1/environ; ls -R /proc/1/fd ~"})
		        call = {"index": 0, "id": "t", "function": {"name": do[0], "arguments": json.dumps(do[1])}}
		        delta = {"tool_calls": [call]} if asked.get("tools") else {"content": "1 2 3"}
		        self.wfile.write(b"data: " + json.dumps({"model": "m", "choices": [{"delta": delta}]}).encode() + b"\n\n")
		        end = {"choices": [{"delta": {}, "finish_reason": "tool_calls" if asked.get("tools") else "stop"}],
		               "usage": {"prompt_tokens": 10, "completion_tokens": 10}}
		        self.wfile.write(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
		with open(sys.argv[1] + ".new", "w") as f:
		    f.write(str(server.server_port))
		os.rename(sys.argv[1] + ".new", sys.argv[1])
		server.serve_forever()
	END
	echo $! >>"$T.pids"
	wait_for 20 test -s port
	PEER=http://127.0.0.1:$(cat port)
	export PEER
}

test_row48_secrets_are_nowhere()
{
	local n
	for n in 0 1 2 3; do
		export "CANARY_$n=canary0$n$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')"
	done
	GOOD=canary99$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
	export GOOD MUSTER_MAIL_PASSWORD=$CANARY_1 MUSTER_OIDC_SECRET=$CANARY_2
	peering
	export OTEL_EXPORTER_OTLP_ENDPOINT=$PEER MUSTER_LOG_FILE=$T/log MUSTER_LOG=debug
	settings "server: {requests_per_s: 0}
outbound: {exempt: [127.0.0.1]}
providers:
  peer: {kind: compatible, base_url: \"$PEER\", model: m}
  env: {kind: compatible, base_url: \"$PEER\", model: m, key: \$CANARY_0}
prices: {\"peer:m\": {input: 1, output: 5}, \"env:m\": {input: 1, output: 5}}"
	mode asking <<-'END'
		return function(run)
		  local r = exec { command = "env; cat /proc/self/environ" }
		  local work = agent { role = "worker", task = run.inputs.task }
		  return { summary = work.result .. r.output, status = work.status }
		end
	END
	muster describe >described.json
	serving
	wait_for 20 grep -q 'setup token' bg.out
	SETUP=$(sed -n 's/.*until there is one: //p' bg.out)
	export SETUP
	attack canaries plant
	told()
	{
		[ -n "$(ls -A "traces")" ] && [ -n "$(ls -A "hooks")" ]
	}
	wait_for 20 told
	is_status 0 muster backup "$T/kept"
	sed -i '/setup token/d' bg.out # that one is told here
	attack canaries search data kept prompts traces hooks log bg.out bg.err export.zip
	kill -TERM "$started"
	ended || fail "the server ended with $?"
	! grep -raqF canary data log || fail "$(grep -raoF -m 1 -e canary data log)"
}

# as TOKEN METHOD PATH [curl option…]: over TCP; the status is $status, the body in $T/out.
as()
{
	local token=$1 method=$2 path=$3
	shift 3
	status=$(curl -sS --max-time 30 -X "$method" -o "$T/out" -D "$T/head" -w '%{http_code}' -H "Authorization: Bearer $token" \
		-H 'Content-Type: application/json' "$@" "$url/api/v1$path" 2>"$T/err") || fail "curl $method $path: $(cat "$T/err")"
	is_described "$method" "/api/v1$path"
}

# person NAME ROLE: sets $id and $token.
person()
{
	local body="{\"name\":\"$1\",\"email\":\"$1@example.org\",\"password\":\"four plain words here\",\"role\":\"$2\"}"
	local_call POST /api/v1/people -d "$body"
	same "$status" 201 "status ($(cat out))"
	id=$(json_get .person)
	as none POST /auth/login -d "{\"email\":\"$1@example.org\",\"password\":\"four plain words here\"}"
	token=$(json_get .access)
}

open_action()
{
	as "$ann" GET "/runs/$run/actions"
	action=$(json_get '.[0].action')
	[ "$action" != null ]
}

# did: what the approved calls have done, from the journal.
did()
{
	muster log "$run" --json | jq -r 'select(.type=="tool.finished" and (.data.tool=="shell" or .data.name=="shell" or (.data.call|tostring|length)>0))|.data.content|tostring' |
		grep -o 'did [a-z]*' | xargs
}

# An approval is of one call, given once, by who may.
test_row49_an_approval_counts_for_one_call()
{
	local ann eve bob first
	settings 'policy: [{ask: "shell(*)"}]'
	mode asking <<-'END'
		return function(run)
		  return { summary = agent { role = "worker", task = "work" }.result }
		end
	END
	{
		call worker shell '{"command":"echo did one"}'
		call worker shell '{"command":"echo did one"}'
		call worker shell '{"command":"echo did two"}'
		call worker finish '{"result":"ok"}'
	} | script
	serving
	person ann member
	ann=$token
	person eve member
	eve=$token eve_id=$id
	person bob member
	bob=$token
	as "$ann" POST /projects -d '{"name":"p"}'
	project=$(json_get .id)
	as "$ann" PUT "/projects/$project/members/$eve_id" -d '{"role":"viewer"}'
	same "$status" 204
	begin_run "{\"mode\":\"asking\",\"project\":\"$project\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 open_action
	first=$action
	as "$bob" POST "/runs/$run/actions/$first" -d '{"option":"approve"}'
	same "$status" 404
	as "$eve" POST "/runs/$run/actions/$first" -d '{"option":"approve"}'
	same "$status" 403
	as "$ann" POST "/runs/$run/actions/$first" -d '{"option":"approve","arguments":{"command":"echo did three"}}'
	same "$status" 400
	as "$ann" POST "/runs/$run/actions/$first" -d '{"option":"approve","by":"eve"}'
	[ "$status" = 400 ] || [ "$status" = 200 ] || fail "$status"
	[ "$status" = 200 ] || as "$ann" POST "/runs/$run/actions/$first" -d '{"option":"approve"}'
	same "$status" 200 "status ($(cat out))"
	another()
	{
		open_action && [ "$action" != "$first" ]
	}
	wait_for 30 another # the same call again is another
	for caller in "$ann" "$eve" "$bob"; do
		as "$caller" POST "/runs/$run/actions/$first" -d '{"option":"approve"}'
		[ "$status" -ge 400 ] || fail "an approval was taken twice: $(cat out)"
	done
	same "$(did)" "did one" "what was done"
	as "$ann" POST "/runs/$run/actions/$action" -d '{"option":"deny"}'
	same "$status" 200
	first=$action
	wait_for 30 another
	as "$ann" GET "/runs/$run/actions"
	json_is 'length' 1
	as "$ann" POST "/runs/$run/actions/$action" -d '{"option":"approve"}'
	wait_for 30 state_is completed
	same "$(did)" "did one did two" "what was done"
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -r 'select(.type=="action.resolved")|.data.by' out | sort -u)" ann "who approved"
}

# What a client says of itself, in what the server writes down about it.
test_row51_lines_of_the_log_are_lines()
{
	export MUSTER_LOG_FILE=$T/log MUSTER_LOG=debug
	attacking
	printf 'GET /api/v1/runs/%%0d%%0aforged%%1b%%5b31m?x=%%0aforged HTTP/1.1\r\nHost: %s\r\nUser-Agent: a\033[31mforged\r\nConnection: close\r\n\r\n' \
		"${url#http://}" >asked
	local_call GET /health
	same "$(timeout 20 bash -c 'exec 4<>"/dev/tcp/127.0.0.1/${1##*:}"; cat asked >&4; head -n 1 <&4' - "$url" | cut -c1-12)" "HTTP/1.1 400"
	curl -sS -o out -H "Authorization: Bearer $(printf 'a\033[31mforged')" "$url/api/v1/runs/%0aforged%1b%5b31m%e2%80%aeforged" || true
	curl -sS --unix-socket "$MUSTER_DATA/sock" -o out "http://muster/api/v1/runs/a%0aforged%1b%5b31m%e2%80%aeforged"
	json_is .status 404
	grep -q forged log || fail "nothing of it is in the log: $(cat log)"
	! grep -q '^forged' log || fail "a line was forged: $(cat log)"
	! LC_ALL=C grep -q -e $'\033' -e $'\342\200\256' log || fail "a control sequence is in the log"
}

run_tests
