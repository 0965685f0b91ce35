#!/bin/bash
# shellcheck disable=SC2154,SC2317  # started, out: set by the helpers; functions called by name
# What leaves the server for people and programs: webhooks, push messages and mail, to a receiver of the test's own.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# receiving [ANSWER]: a receiver in the background; its ports are $web and $smtp.
receiving()
{
	mkdir -p "$T/got"
	/usr/bin/python3 -B "$SOURCE/tests/peer/receiver.py" "$T/got" "$@" &
	receiver=$!
	trap 'kill $receiver' EXIT
	wait_for 20 test -f "$T/got/ports"
	read -r web smtp <"$T/got/ports"
}

# settings TEXT: the configuration.
settings()
{
	mkdir -p "$MUSTER_DATA"
	printf '%s\n' "$1" >"$MUSTER_DATA/config.yaml"
}

# hook: a webhook to the receiver; sets $id and $secret.
hook()
{
	local_call POST /api/v1/webhooks -d "{\"url\":\"http://127.0.0.1:$web/hook\"}"
	same "$status" 201 "status ($(cat out))"
	id=$(json_get .id) secret=$(json_get .secret)
}

# signed FILE SECRET: is the message in this file signed with it?
signed()
{
	/usr/bin/python3 - "$1" "$2" <<-'END'
		import base64, hashlib, hmac, json, sys
		m = json.load(open(sys.argv[1]))
		h = m["headers"]
		text = f'{h["webhook-id"]}.{h["webhook-timestamp"]}.'.encode() + base64.b64decode(m["body"])
		mac = hmac.new(base64.b64decode(sys.argv[2][6:]), text, hashlib.sha256).digest()
		sys.exit("v1," + base64.b64encode(mac).decode() not in h["webhook-signature"].split())
	END
}

body() { jq -r .body "$1" | base64 -d; }

test_an_action_and_the_end_of_a_run_are_told()
{
	question_mode
	receiving
	settings "outbound: {exempt: [127.0.0.1]}
notify: {url: \"https://house.example\"}
mail: {url: \"smtp://localhost:$smtp\", from: muster@house.example, to: ann@example.org, plain: true}"
	serving
	hook
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 test -f got/post-1.json
	signed got/post-1.json "$secret" || fail "the signature is wrong"
	same "$(body got/post-1.json | jq -r .type)" action.opened
	same "$(body got/post-1.json | jq -r .data.subject)" "Which colour?"
	same "$(body got/post-1.json | jq -r .data.run)" "$run"
	wait_for 30 test -f got/mail-1.txt
	grep -q '^Subject: Question: Which colour?$' got/mail-1.txt || fail "$(cat got/mail-1.txt)"
	grep -q '^To: <ann@example.org>$' got/mail-1.txt || fail "$(cat got/mail-1.txt)"
	local_call POST "/api/v1/runs/$run/actions/colour" -d '{"option":"red"}'
	wait_for 30 test -f got/post-2.json
	same "$(body got/post-2.json | jq -r .type)" run.ended
	same "$(body got/post-2.json | jq -r .data.state)" completed
	is_status 0 muster verify
}

test_a_secret_is_exchanged()
{
	receiving
	settings 'outbound: {exempt: [127.0.0.1]}'
	serving
	hook
	local_call POST "/api/v1/webhooks/$id/secret"
	same "$status" 200 "status ($(cat out))"
	new=$(json_get .secret)
	local_call POST "/api/v1/webhooks/$id/test"
	same "$status" 202 "status ($(cat out))"
	wait_for 30 test -f got/post-1.json
	signed got/post-1.json "$secret" || fail "not signed with the old secret"
	signed got/post-1.json "$new" || fail "not signed with the new secret"
	local_call GET /api/v1/webhooks
	json_is length 1
	! grep -q "$new" out || fail "the list shows the secret"
	! grep -rqa -e "${secret#whsec_}" -e "${new#whsec_}" "$MUSTER_DATA" || fail "a secret lies in the data folder"
	local_call DELETE "/api/v1/webhooks/$id"
	same "$status" 200
	local_call POST "/api/v1/webhooks/$id/test"
	same "$status" 404
}

# Rows 30 and 32 of the threat table.
test_addresses_inside_are_refused()
{
	serving
	for url in http://127.0.0.1/ http://0x7f.1/ http://169.254.169.254/ http://10.0.0.1/ 'http://[::1]/' \
		'http://[::ffff:10.0.0.1]/'; do
		local_call POST /api/v1/webhooks -d "{\"url\":\"$url\"}"
		same "$status" 403 "$url"
	done
	for url in file:///etc/passwd http://ok@127.0.0.1/ gopher://x/ ''; do
		local_call POST /api/v1/webhooks -d "{\"url\":\"$url\"}"
		same "$status" 400 "$url"
	done
	local_call GET /api/v1/webhooks
	same "$(cat out)" "[]"
	local_call POST /api/v1/mail/test -d '{"to":"ann@example.org"}' # no mail server is configured
	same "$status" 400
}

test_a_browser_subscribes()
{
	receiving 201
	settings 'outbound: {exempt: [127.0.0.1]}'
	serving
	local_call GET /api/v1/push/key
	same "$(json_get .key | wc -c)" 88
	local_call POST /api/v1/push/subscriptions -d "{\"endpoint\":\"http://127.0.0.1:$web/push\",\"keys\":{\"p256dh\":\"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4\",\"auth\":\"BTBZMqHH6r4Tts7J_aSIgg\"}}"
	same "$status" 201 "status ($(cat out))"
	id=$(json_get .id)
	local_call GET /api/v1/push/subscriptions
	json_is '.[0].host' "127.0.0.1:$web"
	question_mode
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 test -f got/post-1.json
	same "$(jq -r '.headers["content-encoding"]' got/post-1.json)" aes128gcm
	local_call DELETE "/api/v1/push/subscriptions/$id"
	same "$status" 200
	local_call POST /api/v1/push/subscriptions -d '{"endpoint":"https://x.example/","keys":{"p256dh":"x","auth":"y"}}'
	same "$status" 400
}

test_mail_is_tried()
{
	receiving
	settings "mail: {url: \"smtp://localhost:$smtp\", from: muster@house.example, plain: true}"
	serving
	local_call POST /api/v1/mail/test -d '{"to":"ann@example.org"}'
	same "$status" 200 "status ($(cat out))"
	test -f got/mail-1.txt
	local_call POST /api/v1/mail/test -d '{"to":"nobody@example.org"}'
	same "$status" 403
	grep -q 550 out || fail "$(cat out)"
	local_call POST /api/v1/mail/test -d '{"to":"a@b.c\r\nRCPT TO:<x@y.z>"}'
	same "$status" 400
}

# over TCP, as the person with the token $token: METHOD PATH [curl option…]; the status is $status, the body in $T/out.
as_person()
{
	local method=$1 path=$2
	shift 2
	status=$(curl -sS --max-time 30 -X "$method" -o "$T/out" -D "$T/head" -w '%{http_code}' -H 'Content-Type: application/json' \
		-H "Authorization: Bearer $token" "$@" "$url/api/v1$path")
	is_described "$method" "/api/v1$path"
}

test_people_choose_what_they_are_told()
{
	question_mode
	receiving
	settings "model: \"script:$T/script.jsonl\"
notify: {url: \"https://house.example\"}
mail: {url: \"smtp://localhost:$smtp\", from: muster@house.example, plain: true}"
	serving
	wait_for 20 grep -q 'setup token' bg.out
	token=none
	as_person POST /auth/setup -d "{\"token\":\"$(sed -n 's/.*until there is one: //p' bg.out)\",\"name\":\"Ada\",\"email\":\"ada@example.org\",\"password\":\"four plain words here\"}"
	token=$(json_get .access)
	as_person GET /auth/me/notices
	json_is '.push | join(" ")' "question approval failed finished budget"
	json_is '.mail | join(" ")' "failed budget"
	for bad in '{"push":[]}' '{"push":[],"mail":["everything"]}' '{"push":["failed","failed"],"mail":[]}' '{"push":[],"mail":"failed"}'; do
		as_person PUT /auth/me/notices -d "$bad"
		same "$status" 400 "$bad"
	done
	as_person POST /projects -d '{"name":"mine"}'
	project=$(json_get .id)
	as_person POST /runs -d "{\"mode\":\"asking\",\"project\":\"$project\"}"
	same "$status" 201 "$(cat out)"
	run=$(json_get .run)
	wait_for 20 state_is waiting
	as_person PUT /auth/me/notices -d '{"push":[],"mail":["finished"]}'
	same "$status" 204 "$(cat out)"
	kill -9 "$started" # the choice is kept
	ended || true
	serving
	as_person GET /auth/me/notices
	same "$(jq -c . out)" '{"mail":["finished"],"push":[]}'
	as_person POST "/runs/$run/actions/colour" -d '{"option":"red"}'
	same "$status" 200 "$(cat out)"
	wait_for 30 test -f got/mail-1.txt
	grep -q '^To: <ada@example.org>$' got/mail-1.txt || fail "$(cat got/mail-1.txt)"
	grep -q '^Subject: Done: ' got/mail-1.txt || fail "she was told of the question, too: $(cat got/mail-1.txt)"
	grep -q "https://house.example/runs/$run" got/mail-1.txt || fail "no link: $(cat got/mail-1.txt)"
}

# What somebody needs to come in again is in the mail, once, and nowhere else.
test_a_forgotten_password_is_set_anew_by_mail()
{
	local words='four plain words here' token
	receiving
	settings "notify: {url: \"https://house.example\"}
mail: {url: \"smtp://localhost:$smtp\", from: muster@house.example, plain: true}"
	serving
	wait_for 20 grep -q 'setup token' bg.out
	token=$(sed -n 's/.*until there is one: //p' bg.out)
	# over TCP: METHOD PATH JSON
	tcp()
	{
		curl -sS --max-time 30 -o "$T/out" -w '%{http_code}' -X "$1" -H 'Content-Type: application/json' -d "$3" "$url/api/v1$2"
	}
	same "$(tcp POST /auth/setup "{\"token\":\"$token\",\"name\":\"Ada\",\"email\":\"ada@example.org\",\"password\":\"$words\"}")" 201
	same "$(tcp POST /auth/password/forgot '{"email":"ada@example.org"}')" 204
	wait_for 30 test -f got/mail-1.txt
	grep -q '^To: <ada@example.org>' got/mail-1.txt || fail "$(cat got/mail-1.txt)"
	token=$(tr -d '\r' <got/mail-1.txt | sed ':a;/=$/{N;s/=\n//;ba}' | sed -n 's|^https://house.example/reset#||p')
	[ -n "$token" ] || fail "no token: $(cat got/mail-1.txt)"
	! grep -rqF "$token" "$MUSTER_DATA" bg.err || fail "the token lies in the data folder or the log"
	same "$(tcp POST /auth/password/reset "{\"token\":\"$token\",\"password\":\"four other words here\"}")" 204 "$(cat out)"
	same "$(tcp POST /auth/password/reset "{\"token\":\"$token\",\"password\":\"$words\"}")" 400
	same "$(tcp POST /auth/login "{\"email\":\"ada@example.org\",\"password\":\"$words\"}")" 401
	same "$(tcp POST /auth/login '{"email":"ada@example.org","password":"four other words here"}')" 200
	same "$(tcp POST /auth/password/forgot '{"email":"nobody@example.org"}')" 204
}

# A notice that was not delivered when the server died is delivered by the next.
test_a_kill_loses_no_notice()
{
	receiving 0
	settings 'outbound: {exempt: [127.0.0.1]}'
	serving
	hook
	question_mode
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 30 test -f got/post-1.json
	kill -KILL "$started"
	wait "$started" 2>/dev/null || true
	serving
	wait_for 30 test -f got/post-2.json
	same "$(jq -r '.headers["webhook-id"]' got/post-2.json)" "$(jq -r '.headers["webhook-id"]' got/post-1.json)"
	same "$(jq -r .body got/post-2.json)" "$(jq -r .body got/post-1.json)"
}

run_tests
