#!/bin/bash
# shellcheck disable=SC2154,SC2317  # started, out, url: set by the helpers; functions called by name
# The server behind a real nginx with the configuration of deploy/: TLS, streams, WebSocket, uploads, who is asking.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# proxied: a server and nginx in front of it; nginx's address is $front.
proxied()
{
	local port
	[ -x /usr/sbin/nginx ] || skip "nginx is not installed"
	mkdir -p "$MUSTER_DATA"
	echo 'server: {proxies: 127.0.0.1, hosts: "127.0.0.1 localhost"}' >"$MUSTER_DATA/config.yaml"
	serving
	random 20000 30000
	port=$chosen
	front=https://localhost:$port
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
	{
		echo "daemon off; master_process off; pid $T/nginx.pid; error_log $T/nginx.log; worker_processes 1; events {} http { access_log off;"
		echo "client_body_temp_path $T/n1; proxy_temp_path $T/n2; fastcgi_temp_path $T/n3; uwsgi_temp_path $T/n4; scgi_temp_path $T/n5;"
		sed "s|127.0.0.1:8080|${url#http://}|; s|listen 443|listen 127.0.0.1:$port|; s|muster.example|localhost|
			s|/etc/ssl/muster.pem|$T/cert.pem|; s|/etc/ssl/muster.key|$T/key.pem|" "$SOURCE/deploy/nginx.conf"
		echo "}"
	} >nginx.conf
	/usr/sbin/nginx -p "$T" -c "$T/nginx.conf" -e "$T/nginx.log" 2>nginx.err &
	echo $! >>"$T.pids"
	wait_for 20 curl -sS --cacert cert.pem "$front/health"
}

# owner: the first owner through the proxy; $ada is a token.
owner()
{
	local token words='four plain words here'
	token=$(sed -n 's/.*until there is one: //p' bg.out)
	ada=$(front_call POST /api/v1/auth/setup -d "{\"token\":\"$token\",\"name\":\"Ada\",\"email\":\"a@example.org\",\"password\":\"$words\"}" |
		jq -r .access)
}

# front_call METHOD PATH [curl option…]
front_call()
{
	local method=$1 path=$2
	shift 2
	curl -sS --max-time 60 --cacert cert.pem -X "$method" -H 'Content-Type: application/json' "$@" "$front$path"
}

test_streams_uploads_and_callers_come_through_nginx()
{
	question_mode
	proxied
	owner
	local_call POST /api/v1/runs -d "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	run=$(json_get .run)
	wait_for 20 state_is waiting
	front_call GET "/api/v1/events?stream=run/$run" --max-time 2 -N -H "Authorization: Bearer $ada" >sse 2>/dev/null || true
	grep -q '"action.opened"' sse || fail "no events came: $(cat sse)"
	/usr/bin/python3 - "$front" "$ada" "run/$run" <<-'END' || fail "the WebSocket"
		import asyncio, json, ssl, sys
		from websockets.client import connect
		async def main():
		    context = ssl.create_default_context(cafile="cert.pem")
		    async with connect(sys.argv[1].replace("https", "wss") + "/api/v1/ws", ssl=context,
		                       extra_headers={"Authorization": "Bearer " + sys.argv[2]}) as ws:
		        await ws.send(json.dumps({"follow": sys.argv[3], "after": 0}))
		        seen = [json.loads(await asyncio.wait_for(ws.recv(), 10)) for _ in range(3)]
		        assert seen[0]["following"] == sys.argv[3] and seen[1]["seq"] == 1, seen
		asyncio.run(main())
	END
	mkdir up
	head -c 20000000 /dev/urandom >up/large
	tar cf up.tar up
	curl -sS --max-time 60 --cacert cert.pem -H "Authorization: Bearer $ada" -H 'Content-Type: application/octet-stream' \
		--data-binary @up.tar "$front/api/v1/projects/import" >imported
	jq -e .id imported >/dev/null || fail "$(cat imported)"
	# who was asking is the client of nginx, and what a stranger says of that counts for nothing
	curl -sS "$url/api/v1/runs" -H 'X-Forwarded-For: 10.9.8.7' >/dev/null
	front_call POST /api/v1/auth/login -H 'X-Forwarded-For: 10.9.8.7' -d '{"email":"a@example.org","password":"wrong words here"}' >/dev/null
	front_call GET /api/v1/audit -H "Authorization: Bearer $ada" >audit
	! grep -q 10.9.8.7 audit || fail "a forged address was believed: $(cat audit)"
	same "$(front_call GET / -o page -w '%{http_code}' -D head)" 200
	grep -qi '^strict-transport-security' head || fail "no HSTS: $(cat head)"
}

run_tests
