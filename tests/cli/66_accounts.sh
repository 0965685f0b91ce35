#!/bin/bash
# shellcheck disable=SC2154  # out, url, status: set by the helpers
# Accounts, driven only over HTTP: coming in, roles, keys, cookies, what is refused, and that it is all in the audit.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

words='four plain words here'

# stop: end the server, and wait for that.
stop()
{
	kill -TERM "$started"
	ended || fail "the server ended with $?: $(cat bg.err)"
}

# call METHOD PATH [curl option…]: over TCP; the status is $status, the body in $T/out, the head in $T/head.
call()
{
	local method=$1 path=$2
	shift 2
	status=$(curl -sS --max-time 60 -X "$method" -o "$T/out" -D "$T/head" -w '%{http_code}' \
		-H 'Content-Type: application/json' "$@" "$url/api/v1$path" 2>"$T/err") || fail "curl $method $path: $(cat "$T/err")"
	is_described "$method" "/api/v1$path"
}

# as TOKEN METHOD PATH [curl option…]
as()
{
	local token=$1
	shift
	call "$@" -H "Authorization: Bearer $token"
}

# gives STATUS: the last call did.
gives()
{
	same "$status" "$1" "status ($(cat "$T/out"))"
}

# with_owner: a server whose first owner is Ada; $ada is her token.
with_owner()
{
	serving
	wait_for 20 grep -q 'setup token' bg.out
	setup=$(sed -n 's/.*until there is one: //p' bg.out)
	call POST /auth/setup -d "{\"token\":\"$setup\",\"name\":\"Ada\",\"email\":\"ada@example.org\",\"password\":\"$words\"}"
	gives 201
	ada=$(json_get .access)
	ada_id=$(json_get .person)
}

# a_project: sets $p1.
a_project()
{
	as "$ada" POST /projects -d '{"name":"first"}'
	gives 201
	p1=$(json_get .id)
}

# person NAME ROLE: sets $id, and $token of a session of theirs.
person()
{
	as "$ada" POST /people -d "{\"name\":\"$1\",\"email\":\"$1@example.org\",\"password\":\"$words\",\"role\":\"$2\"}"
	gives 201
	id=$(json_get .person)
	call POST /auth/login -d "{\"email\":\"$1@example.org\",\"password\":\"$words\"}"
	gives 200
	token=$(json_get .access)
}

# project TOKEN NAME: sets $project to a new one.
project()
{
	as "$1" POST /projects -d "{\"name\":\"$2\"}"
	gives 201
	project=$(json_get .id)
}

test_the_first_owner_comes_in_with_the_printed_token()
{
	with_owner
	call POST /auth/setup -d "{\"token\":\"$setup\",\"name\":\"Eve\",\"email\":\"eve@example.org\",\"password\":\"$words\"}"
	gives 400
	as "$ada" GET /auth/me
	gives 200
	json_is .role owner
	json_is .person.name Ada
	json_is .person.password null
	as "$ada" GET /runs
	gives 200
	call GET /runs
	gives 401
	as "${ada}x" GET /runs
	gives 401
	call GET "/runs?token=$ada"
	gives 401
	as "$ada" GET "/runs?key=$ada"
	gives 400
	stop
	serving
	grep -q 'setup token' bg.out && fail "a setup token although there is an owner"
	as "$ada" GET /auth/me
	gives 200
}

test_passwords_tokens_and_sessions()
{
	with_owner
	call POST /auth/login -d '{"email":"ada@example.org","password":"a wrong word"}'
	gives 401
	cp out wrong
	call POST /auth/login -d '{"email":"nobody@example.org","password":"a wrong word"}'
	gives 401
	cmp out wrong || fail "who there is shows: $(cat out wrong)"
	call POST /auth/login -d "{\"email\":\"ADA@example.org\",\"password\":\"$words\",\"agent\":\"curl\"}"
	gives 200
	second=$(json_get .access) refresh=$(json_get .refresh)
	as "$ada" GET /auth/sessions
	json_is length 2
	call POST /auth/refresh -d "{\"refresh\":\"$refresh\"}"
	gives 200
	third=$(json_get .access)
	as "$second" GET /auth/me
	gives 401
	as "$third" GET /auth/me
	gives 200
	call POST /auth/refresh -d "{\"refresh\":\"$refresh\"}"
	gives 401
	as "$third" GET /auth/me
	gives 401
	as "$ada" POST /auth/password -d '{"old":"a wrong word","password":"some other plain words"}'
	gives 401
	as "$ada" POST /auth/password -d "{\"old\":\"$words\",\"password\":\"password1\"}"
	gives 400
	as "$ada" POST /auth/password -d "{\"old\":\"$words\",\"password\":\"some other plain words\"}"
	gives 204
	for body in '{"token":null,"password":"x"}' '{"token":"","password":"four plain words"}' '{"password":"four plain words"}'; do
		call POST /auth/password/reset -d "$body"
		gives 400
	done
	call POST /auth/password/forgot -d '{"email":"ada@example.org"}'
	gives 204
	call POST /auth/password/forgot -d '{"email":"nobody@example.org"}'
	gives 204
	as "$ada" GET /auth/links
	json_is length 1
	link=$(json_get '.[0].token')
	call POST /auth/password/reset -d "{\"token\":\"$link\",\"password\":\"the newest plain words\"}"
	gives 204
	call POST /auth/password/reset -d "{\"token\":\"$link\",\"password\":\"the very newest words\"}"
	gives 400
	as "$ada" GET /auth/me
	gives 401
	call POST /auth/login -d '{"email":"ada@example.org","password":"the newest plain words"}'
	gives 200
	ada=$(json_get .access)
	as "$ada" POST /auth/logout
	gives 204
	as "$ada" GET /auth/me
	gives 401
}

test_guessing_is_slowed_down_and_nobody_is_locked_out()
{
	local limited=0
	with_owner
	for _ in $(seq 20); do
		call POST /auth/login -d '{"email":"ada@example.org","password":"a wrong word"}'
		[ "$status" = 429 ] && limited=$((limited + 1))
		[ "$status" = 429 ] || gives 401
	done
	[ "$limited" -gt 0 ] || fail "20 wrong passwords and no 429"
	call POST /auth/login -d '{"email":"ada@example.org","password":"a wrong word"}'
	while [ "$status" != 429 ]; do
		call POST /auth/login -d '{"email":"ada@example.org","password":"a wrong word"}'
	done
	grep -qi '^retry-after: [1-9]' head || fail "no Retry-After: $(cat head)"
	# shellcheck disable=SC2317  # called by wait_for
	signs_in()
	{
		call POST /auth/login -d "{\"email\":\"ada@example.org\",\"password\":\"$words\"}"
		[ "$status" = 200 ]
	}
	wait_for 90 signs_in
}

test_roles_are_kept()
{
	local method path
	with_owner
	a_project
	person bob member
	bob=$token bob_id=$id
	person eve viewer
	eve=$token
	while read -r method path; do
		as "$bob" "$method" "$path" -d '{"role":"owner","name":"x","email":"x@example.org","password":"four plain words"}'
		[ "$status" = 403 ] || fail "$method $path by a member: $status $(cat out)"
		call "$method" "$path" -d '{}'
		gives 401
	done <<-END
		GET /people
		POST /people
		GET /people/$ada_id
		PATCH /people/$ada_id
		DELETE /people/$ada_id
		PUT /people/$ada_id/role
		POST /people/$ada_id/disable
		GET /people/$ada_id/sessions
		DELETE /people/$ada_id/sessions
		GET /invites
		POST /invites
		GET /audit
		GET /audit/export
		GET /auth/links
		PATCH /auth/settings
	END
	as "$bob" GET "/projects/$p1/members"
	gives 404
	as "$ada" PUT "/projects/$p1/members/$bob_id" -d '{"role":"admin"}'
	gives 204
	as "$bob" GET "/projects/$p1/members"
	json_is '.[1].name' bob
	as "$eve" GET "/projects/$p1/members"
	gives 404
	as "$bob" POST "/projects/$p1/invites" -d '{"project_role":"viewer"}'
	gives 201
	invite=$(json_get .token)
	as "$eve" POST /auth/join -d "{\"token\":\"$invite\"}"
	gives 204
	as "$eve" POST /auth/join -d "{\"token\":\"$invite\"}"
	gives 400
	as "$eve" GET "/projects/$p1/members"
	json_is length 3
	as "$eve" PUT "/projects/$p1/members/$bob_id" -d '{"role":"viewer"}'
	gives 403
	project "$bob" his
	as "$bob" GET "/projects/$project/members"
	json_is '.[0].role' owner
	as "$eve" GET "/projects/$project"
	gives 404
	as "$ada" PUT "/people/$ada_id/role" -d '{"role":"member"}'
	gives 409
	as "$ada" POST "/people/$bob_id/disable" -d '{}'
	gives 200
	as "$bob" GET /auth/me
	gives 401
	as "$ada" GET "/people?limit=2"
	json_is length 2
	grep -qi '^link: .*cursor=' head || fail "no link to the next page"
}

test_runs_of_others_are_not_there()
{
	local what
	question_mode
	with_owner
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	project=$(json_get .project)
	person bob member
	for what in /runs /actions; do
		as "$ada" GET "$what"
		json_is length 1
		as "$token" GET "$what"
		gives 200
		json_is length 0
	done
	for what in "/runs/$run" "/runs/$run/events" "/runs/$run/actions" "/events?stream=run/$run" "/projects/$project/members" \
		"/runs?project=$project" "/runs/$run/messages" "/runs/$run/agents" "/runs/$run/tasks" "/runs/$run/cost" \
		"/runs/$run/artifacts" "/runs/$run/artifacts/x" "/runs/$run/artifacts/x/content"; do
		as "$token" GET "$what"
		gives 404
	done
	as "$token" POST "/runs/$run/actions/colour" -d '{"option":"red"}'
	gives 404
	as "$token" PUT "/runs/$run/pin"
	gives 404
	as "$token" POST /runs/estimate -d "{\"mode\":\"asking\",\"project\":\"$project\"}"
	gives 404
	as "$ada" PUT "/projects/$project/members/$id" -d '{"role":"viewer"}'
	gives 204
	for what in /runs /actions "/runs?project=$project"; do
		as "$token" GET "$what"
		json_is length 1
	done
	as "$token" GET "/runs?project=another"
	gives 404
	as "$token" GET "/runs/$run/messages"
	gives 200
	as "$token" PUT "/runs/$run/pin"
	gives 403
	as "$token" POST "/runs/$run/actions/colour" -d '{"option":"red"}'
	gives 403
	as "$ada" PUT "/projects/$project/members/$id" -d '{"role":"member"}'
	as "$token" POST "/runs/$run/actions/colour" -d '{"option":"red"}'
	gives 200
	wait_for 20 state_is completed
}

test_keys_are_what_they_say()
{
	with_owner
	a_project
	as "$ada" POST /keys -d '{"name":"reads","scopes":["read"]}'
	gives 201
	key=$(json_get .key) key_id=$(json_get .id)
	as "$key" GET /auth/me
	json_is .by key
	as "$key" GET /people
	gives 403
	as "$key" POST /runs -d '{"mode":"x","project":"y"}'
	gives 403
	as "$key" POST /keys -d '{"name":"more","scopes":["admin"]}'
	gives 403
	as "$ada" POST /keys -d "{\"name\":\"one\",\"scopes\":[\"admin\"],\"project\":\"$p1\"}"
	one=$(json_get .key)
	as "$one" GET "/projects/$p1/members"
	gives 200
	project "$ada" second
	as "$one" GET "/projects/$project/members"
	gives 404
	as "$one" GET /people
	gives 403
	while read -r method path body; do
		as "$one" "$method" "$path" -d "$body"
		[ "$status" = 403 ] || fail "$method $path by a key of one project: $status $(cat out)"
	done <<-END
		GET /auth/sessions {}
		DELETE /auth/sessions {}
		GET /keys {}
		DELETE /keys/$key_id {}
		PATCH /auth/me {"name":"x"}
		GET /push/subscriptions {}
		POST /push/subscriptions {"endpoint":"https://push.example","keys":{}}
		DELETE /push/subscriptions/x {}
	END
	as "$ada" GET /keys
	json_is length 2
	grep -q mk_ out && fail "a key is shown twice"
	as "$ada" DELETE "/keys/$key_id"
	gives 204
	as "$key" GET /auth/me
	gives 401
}

test_cookies_need_the_token_and_the_own_page()
{
	with_owner
	call POST /auth/login -c jar -d "{\"email\":\"ada@example.org\",\"password\":\"$words\",\"cookies\":true}"
	gives 200
	json_is .access null
	json_is .refresh null
	csrf=$(json_get .csrf)
	same "$(grep -ci '^set-cookie: .*; httponly; samesite=strict' head)" 2 "cookies"
	call GET /auth/me -b jar
	json_is .csrf "$csrf"
	call PATCH /auth/me -b jar -d '{"name":"Mallory"}'
	gives 403
	call PATCH /auth/me -b jar -H "X-CSRF-Token: ${csrf}0" -d '{"name":"Mallory"}'
	gives 403
	call PATCH /auth/me -b jar -H "X-CSRF-Token: $csrf" -H 'Origin: https://evil.example' -d '{"name":"Mallory"}'
	gives 403
	call GET /auth/me -b jar -H 'Origin: null'
	gives 403
	call PATCH /auth/me -b jar -H "X-CSRF-Token: $csrf" -H "Origin: $url" -d '{"name":"Ada L."}'
	gives 200
	call POST /auth/refresh -b jar -H 'Origin: https://evil.example' -d '{}'
	gives 403
	call POST /auth/refresh -b jar -c jar -d '{"cookies":true}'
	gives 200
	call POST /auth/refresh -b jar -c jar -d '{}'
	gives 200
	json_is .access null
	json_is .refresh null
	same "$(grep -ci '^set-cookie: .*; httponly; samesite=strict' head)" 2 "cookies"
	call GET /auth/me -b jar
	json_is .name 'Ada L.'
	call POST /auth/logout -b jar -c jar -H "X-CSRF-Token: $csrf"
	gives 204
	call GET /auth/me -b jar
	gives 401
	same "$(curl -sS -o out -w '%{http_code}' -H 'Content-Type: text/plain' -d '{}' "$url/api/v1/auth/login")" 415
	same "$(curl -sS -o out -w '%{http_code}' -d 'email=a&password=b' "$url/api/v1/auth/login")" 415
}

test_what_lasts_ends_when_the_session_does()
{
	with_owner
	person bob admin
	curl -sS -N --max-time 60 -H "Authorization: Bearer $token" "$url/api/v1/events?stream=house" >stream 2>/dev/null &
	local reader=$!
	wait_for 20 test -s stream
	as "$ada" POST "/people/$id/disable" -d '{}'
	gives 200
	# shellcheck disable=SC2317  # called by wait_for
	gone()
	{
		! kill -0 "$reader" 2>/dev/null
	}
	wait_for 20 gone
}

test_runs_are_removed_by_who_began_them_and_by_administrators()
{
	local eve
	with_owner
	a_project
	person bob member
	bob=$token
	as "$ada" PUT "/projects/$p1/members/$id" -d '{"role":"member"}'
	gives 204
	person eve member
	eve=$token
	question_mode
	as "$bob" POST /runs -d "{\"mode\":\"asking\",\"project\":\"$p1\"}"
	gives 201
	run=$(json_get .run)
	wait_for 20 state_is waiting
	as "$eve" DELETE "/runs/$run"
	gives 404
	as "$ada" PUT "/projects/$p1/members/$id" -d '{"role":"member"}'
	gives 204
	as "$eve" DELETE "/runs/$run"
	gives 403
	as "$eve" POST "/runs/$run/commands" -d '{"kind":"rename","name":"Which"}'
	gives 200
	as "$bob" DELETE "/runs/$run"
	gives 200
	json_is .removed true
	as "$bob" GET "/runs/$run"
	gives 404
	as "$bob" POST /runs -d "{\"mode\":\"asking\",\"project\":\"$p1\"}"
	gives 201
	run=$(json_get .run)
	wait_for 20 state_is waiting
	as "$ada" DELETE "/runs/$run"
	gives 200
}

# What others have is not there: in no list, by no id, with no change.
# asked_over_socket TOKEN PATH BODY: prints "ok", or the problem's code.
asked_over_socket()
{
	/usr/bin/python3 - "$url" "$@" <<-'END'
		import asyncio, json, sys
		from websockets.client import connect
		url, token, path, body = sys.argv[1:]
		async def main():
		    headers = {"Authorization": "Bearer " + token}
		    async with connect(url.replace("http", "ws", 1) + "/api/v1/ws", extra_headers=headers) as ws:
		        await ws.send(json.dumps({"ask": "1", "path": "/api/v1" + path, "body": json.loads(body)}))
		        reply = json.loads(await asyncio.wait_for(ws.recv(), 20))
		        print("ok" if "body" in reply else reply["problem"]["code"])
		asyncio.run(main())
	END
}

test_projects_of_others_are_not_there()
{
	with_owner
	a_project
	person bob member
	bob=$token
	question_mode
	as "$bob" POST /runs -d "{\"mode\":\"asking\",\"project\":\"$p1\"}"
	gives 404
	as "$ada" POST /runs -d "{\"mode\":\"asking\",\"project\":\"$p1\",\"model\":\"script:$T/script.jsonl\"}"
	gives 403
	as "$ada" POST /runs -d "{\"mode\":\"asking\",\"project\":\"$p1\",\"model\":\"exec:/bin/sh\"}"
	gives 403
	local_call POST /api/v1/runs -d "{\"mode\":\"asking\",\"project\":\"$p1\",\"model\":\"script:$T/script.jsonl\"}"
	same "$status" 201
	run=$(json_get .run)
	wait_for 20 state_is waiting
	as "$ada" GET /actions
	json_is length 1
	action=$(json_get '.[0].action')
	as "$ada" GET /runs
	json_is length 1
	for list in /runs /actions /projects; do
		as "$bob" GET "$list"
		gives 200
		json_is length 0
	done
	for path in "/runs?project=$p1" "/actions?project=$p1" "/runs/$run" "/runs/$run/events" "/runs/$run/actions" \
		"/runs/$run/usage" "/projects/$p1" "/projects/$p1/stats" "/projects/$p1/export" "/projects/$p1/members" \
		"/events?stream=run/$run" "/events?stream=project/$p1" "/events?stream=house"; do
		as "$bob" GET "$path"
		gives 404
	done
	as "$bob" POST "/runs/$run/commands" -d '{"kind":"cancel"}'
	gives 404
	as "$bob" POST "/runs/$run/actions/$action" -d '{"option":"red"}'
	gives 404
	same "$(asked_over_socket "$bob" "/runs/$run/commands" '{"kind":"cancel"}')" not_found "over a WebSocket"
	as "$bob" POST "/runs/$run/fork" -d '{}'
	gives 404
	as "$bob" POST "/runs/$run/merge" -d '{}'
	gives 404
	as "$ada" PUT "/projects/$p1/members/$id" -d '{"role":"viewer"}'
	gives 204
	as "$bob" GET "/runs/$run"
	gives 200
	as "$bob" POST "/runs/$run/commands" -d '{"kind":"cancel"}'
	gives 403
	same "$(asked_over_socket "$bob" "/runs/$run/commands" '{"kind":"cancel"}')" denied "over a WebSocket"
	as "$ada" PUT "/projects/$p1/members/$id" -d '{"role":"member"}'
	for power in '"policy":[]' '"gates_off":["x"]' '"settings":{"sandbox":{}}' '"settings":{"approvals":"deny"}'; do
		as "$bob" POST /runs -d "{\"mode\":\"asking\",\"project\":\"$p1\",$power}"
		gives 403
	done
	same "$(asked_over_socket "$bob" "/runs/$run/actions/$action" '{"option":"red"}')" ok "over a WebSocket"
	wait_for 20 state_is completed
	local_call GET "/api/v1/runs/$run/events"
	same "$(jq -r 'select(.type=="action.resolved")|.data.by' out)" bob
}

# The audit's stream is for those who may read the audit, and holds nobody's password or token, not even sealed.
test_the_stream_of_the_house_is_the_audit()
{
	with_owner
	as "$ada" POST /keys -d '{"name":"reads","scopes":["read"]}'
	reads=$(json_get .token)
	[ "$reads" != null ] || reads=$(json_get .key)
	as "$reads" GET '/events?stream=house'
	gives 404
	curl -sSN --max-time 2 -H "Authorization: Bearer $ada" "$url/api/v1/events?stream=house" >house 2>/dev/null || true
	grep -q '"what":"' house || fail "nothing came: $(cat house)"
	! grep -q '"records"' house || fail "$(grep -m1 records house)"
}

test_metrics_are_for_administrators()
{
	with_owner
	person bob member
	same "$(curl -sS -o "$T/out" -w '%{http_code}' "$url/metrics")" 401
	same "$(curl -sS -o "$T/out" -w '%{http_code}' -H "Authorization: Bearer $token" "$url/metrics")" 403
	same "$(curl -sS -o "$T/out" -w '%{http_code}' -H "Authorization: Bearer $ada" "$url/metrics")" 200
	out_has 'muster_replies_total{class="4xx"} 2'
	out_has 'muster_runs_live 0'
	same "$(curl -sS "$url/ready" | jq -r .status)" ready
}

test_a_flood_by_one_caller_is_slowed_down()
{
	mkdir -p "$MUSTER_DATA"
	echo 'server: {requests_per_s: 0.01, requests_burst: 20}' >"$MUSTER_DATA/config.yaml"
	with_owner
	person bob member
	for _ in $(seq 20); do
		as "$ada" GET /auth/me
	done
	same "$(curl -sS -o "$T/out" -D "$T/head" -w '%{http_code}' -H "Authorization: Bearer $ada" "$url/api/v1/auth/me")" 429
	json_is .code rate_limited
	file_has "$T/head" Retry-After
	as "$token" GET /auth/me
	gives 200
}

test_everything_is_in_the_audit()
{
	with_owner
	person bob member
	call POST /auth/login -d '{"email":"bob@example.org","password":"a wrong word"}'
	as "$token" GET /people
	gives 403
	as "$ada" GET "/audit?what=person.create"
	json_is length 1
	json_is '.[0].who' "$ada_id"
	json_is '.[0].object' "person/$id"
	as "$ada" GET "/audit?what=login.failed"
	json_is '.[0].detail.address' 127.0.0.1
	as "$ada" GET "/audit?what=denied"
	json_is '.[0].who' "$id"
	as "$ada" GET "/audit?limit=2"
	json_is length 2
	next=$(sed -n 's/^[Ll]ink: <.*?\(.*\)>.*/\1/p' head | tr -d '\r')
	as "$ada" GET "/audit?$next"
	json_is length 2
	as "$ada" GET "/audit?cursor=1'--"
	gives 400
	as "$ada" GET "/audit?nonsense=1"
	gives 400
	as "$ada" GET /audit
	total=$(json_get length)
	as "$ada" GET /audit/export
	same "$(wc -l <out)" "$total"
	as "$ada" GET "/audit/export?format=csv"
	same "$(wc -l <out)" $((total + 1))
	head -1 out | grep -q '^seq,at,who,what,object,detail' || fail "$(head -1 out)"
	strings "$MUSTER_DATA/muster.db" | grep -E "$words|argon2" && fail "a password is in the journal"
	stop
	is_status 0 muster verify
}

run_tests
