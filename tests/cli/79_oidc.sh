#!/bin/bash
# shellcheck disable=SC2154  # out, url, status: set by the helpers
# Signing in with an OpenID provider: Glewlwyd, as Debian packages it, and a browser made of curl.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/server.sh"

words='four plain words here'
provider_words='words at the provider'
visit=(-H 'Sec-Fetch-Site: cross-site' -H 'Sec-Fetch-Mode: navigate' -H 'Sec-Fetch-Dest: document' -H 'Accept: text/html,*/*')

free_port()
{
	/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# at_provider PATH [curl option…]: as its administrator.
at_provider()
{
	local path=$1
	shift
	curl -sS --fail --max-time 30 -b admin -c admin -o provider.out -H 'Content-Type: application/json' "$@" \
		"http://localhost:$provider/api$path" 2>provider.curl || fail "the provider, $path: $(cat provider.curl provider.out)"
}

provider_up()
{
	[ "$(curl -s --max-time 5 -o provider.out -w '%{http_code}' "http://localhost:$provider/api/mod/type")" = 401 ]
}

# with_provider: Glewlwyd; its port is $provider, and $issuer what it calls itself.
with_provider()
{
	provider=$(free_port)
	issuer=http://localhost:$provider/api/oidc
	sqlite3 provider.db </usr/share/dbconfig-common/data/glewlwyd/install/sqlite3
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem
	openssl pkey -in key.pem -pubout -out public.pem
	cat >provider.conf <<-END
		port=$provider
		bind_address="127.0.0.1"
		external_url="http://localhost:$provider"
		login_url="login.html"
		api_prefix="api"
		static_files_path="/usr/share/glewlwyd/webapp/"
		log_mode="console"
		log_level="INFO"
		cookie_domain="localhost"
		cookie_secure=0
		session_expiration=2419200
		session_key="GLEWLWYD2_SESSION_ID"
		admin_scope="g_admin"
		profile_scope="g_profile"
		login_api_enabled=true
		user_module_path="/usr/lib/glewlwyd/user"
		user_middleware_module_path="/usr/lib/glewlwyd/user_middleware"
		client_module_path="/usr/lib/glewlwyd/client"
		user_auth_scheme_module_path="/usr/lib/glewlwyd/scheme"
		plugin_module_path="/usr/lib/glewlwyd/plugin"
		hash_algorithm="SHA512"
		database = { type = "sqlite3" path = "$T/provider.db" };
		static_files_mime_types = ( { extension = ".html" mime_type = "text/html" compress = 1 } )
	END
	glewlwyd --config-file=provider.conf >provider.log 2>&1 </dev/null 3>&- &
	provider_pid=$!
	echo "$provider_pid" >>"$T.pids"
	wait_for 30 provider_up
	at_provider /auth/ -d '{"username":"admin","password":"password"}'
	# Whether an address is verified is a property of its people; "picture" is one that they have anyway.
	jq -n --arg iss "$issuer" --rawfile key key.pem --rawfile cert public.pem '{module: "oidc", name: "oidc",
		display_name: "oidc", order_rank: 0, readonly: false, parameters: {iss: $iss, "jwt-type": "rsa", "jwt-key-size": "256",
		key: $key, cert: $cert, "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 600,
		"auth-type-code-enabled": true, "auth-type-token-enabled": false, "auth-type-none-enabled": false,
		"auth-type-refresh-enabled": true, "jwks-show": true, "pkce-allowed": true, "pkce-required": true,
		"oauth-as-iss-id": true, "name-claim": "mandatory", "email-claim": "mandatory", claims: [{name: "email_verified",
		"user-property": "picture", type: "boolean", "boolean-value-true": "yes", "boolean-value-false": "no",
		mandatory: true}]}}' >plugin.json
	at_provider /mod/plugin/ -d @plugin.json
}

# call METHOD PATH [curl option…]
call()
{
	local method=$1 path=$2
	shift 2
	status=$(curl -sS --max-time 60 -X "$method" -o "$T/out" -D "$T/head" -w '%{http_code}' \
		-H 'Content-Type: application/json' "$@" "$url/api/v1$path" 2>"$T/err") || fail "curl $method $path: $(cat "$T/err")"
	is_described "$method" "/api/v1$path"
}

gives()
{
	same "$status" "$1" "status ($(cat "$T/out"))"
}

location()
{
	tr -d '\r' <"$T/head" | sed -n 's/^[Ll]ocation: //p'
}

# leads_to WHERE: the last reply sends the browser there.
leads_to()
{
	gives 303
	same "$(location)" "$1" location
}

# with_house [REGISTER]: a server that knows the provider, which knows it; its owner is Ada, with the token $ada.
with_house()
{
	export MUSTER_OIDC_ISSUER=$issuer MUSTER_OIDC_CLIENT_ID=house MUSTER_OIDC_SECRET=a-secret-between-us
	mkdir -p "$MUSTER_DATA"
	printf 'oidc:\n  name: Our login\n  register: %s\n' "${1:-true}" >"$MUSTER_DATA/config.yaml"
	serving
	wait_for 20 grep -q 'setup token' bg.out
	call POST /auth/setup -d "{\"token\":\"$(sed -n 's/.*until there is one: //p' bg.out)\",\"name\":\"Ada\",\"email\":\"ada@example.org\",\"password\":\"$words\"}"
	gives 201
	ada=$(json_get .access)
	at_provider /client/ -d "{\"client_id\":\"house\",\"password\":\"$MUSTER_OIDC_SECRET\",\"confidential\":true,\"enabled\":true,
		\"name\":\"house\",\"redirect_uri\":[\"$url/api/v1/auth/oidc/callback\"],\"authorization_type\":[\"code\"],\"scope\":[],
		\"token_endpoint_auth_method\":[\"client_secret_basic\"]}"
}

# account NAME VERIFIED: somebody at the provider, signed in there; their browser's cookies are in NAME.jar.
account()
{
	at_provider /user/ -d "{\"username\":\"$1\",\"password\":\"$provider_words\",\"name\":\"$1 of there\",\"email\":\"$1@example.org\",
		\"enabled\":true,\"scope\":[\"openid\",\"g_profile\"],\"picture\":\"$2\"}"
	curl -sS --fail -b "$1.jar" -c "$1.jar" -H 'Content-Type: application/json' "http://localhost:$provider/api/auth/" \
		-d "{\"username\":\"$1\",\"password\":\"$provider_words\"}"
	curl -sS --fail -b "$1.jar" -c "$1.jar" -H 'Content-Type: application/json' -X PUT \
		"http://localhost:$provider/api/auth/grant/house" -d '{"scope":"openid"}'
}

# go NAME: to the provider and back; $back is the path and query with which the browser returns.
go()
{
	call GET /auth/oidc -b "$1.jar" -c "$1.jar"
	gives 303
	back=$(curl -sS --max-time 30 -b "$1.jar" -c "$1.jar" -o provider.out -w '%{redirect_url}' "$(location)&g_continue")
	[ "${back#"$url/api/v1/auth/oidc/callback?"}" != "$back" ] || fail "the provider sent the browser to $back: $(cat provider.out)"
	back=${back#"$url/api/v1"}
}

# signs_in NAME WHERE: the whole way; the browser ends there.
signs_in()
{
	go "$1"
	call GET "$back" -b "$1.jar" -c "$1.jar" "${visit[@]}"
	leads_to "$2"
}

# audit_has WHAT COUNT
audit_has()
{
	call GET "/audit?what=$1" -H "Authorization: Bearer $ada"
	json_is length "$2"
}

test_somebody_comes_in_and_is_the_same_the_next_time()
{
	with_provider
	with_house
	call GET /auth/settings
	json_is .oidc.name 'Our login'
	account bob yes
	call GET /auth/oidc
	location | grep -q "^$issuer/auth?response_type=code&client_id=house&.*&code_challenge_method=S256$" || fail "$(location)"
	grep -qi '^set-cookie: muster-oidc=.*; HttpOnly; SameSite=Lax; Max-Age=600' head || fail "no cookie: $(cat head)"
	signs_in bob /
	grep -q 'muster-oidc' bob.jar && fail "the cookie of the login stays: $(cat bob.jar)"
	call GET /auth/me -b bob.jar
	gives 200
	json_is .name 'bob of there'
	json_is .role member
	json_is .person.email bob@example.org
	json_is .person.verified true
	bob_id=$(json_get .person.id)
	# Nobody knows a password of theirs, not even none.
	for word in '' "$provider_words"; do
		call POST /auth/login -d "{\"email\":\"bob@example.org\",\"password\":\"$word\"}"
		[ "$status" = 400 ] || [ "$status" = 401 ] || fail "the password \"$word\": $status $(cat out)"
	done
	# Another address there is the same person here.
	at_provider /user/bob -X PUT -d '{"name":"bob of there","email":"robert@example.org","enabled":true,"scope":["openid","g_profile"],"picture":"no"}'
	signs_in bob /
	call GET /auth/me -b bob.jar
	json_is .person.id "$bob_id"
	audit_has oidc.registered 1
	audit_has oidc.login 1
	json_is '.[0].who' "$bob_id"
	grep -qF -e "$MUSTER_OIDC_SECRET" bg.err bg.out && fail "the secret is in the log"
	call POST "/people/$bob_id/disable" -d '{}' -H "Authorization: Bearer $ada"
	gives 200
	signs_in bob '/?error=denied'
	call GET /auth/me -b bob.jar
	gives 401
}

test_an_address_joins_accounts_only_when_both_sides_have_verified_it()
{
	with_provider
	with_house
	account ada no
	signs_in ada '/?error=denied'
	at_provider /user/ada -X PUT -d '{"name":"ada","email":"ada@example.org","enabled":true,"scope":["openid","g_profile"],"picture":"yes"}'
	signs_in ada /
	call GET /auth/me -b ada.jar
	json_is .role owner
	audit_has oidc.linked 1
	# Another account there with the same address does not take it over.
	account eve yes
	at_provider /user/eve -X PUT -d '{"name":"eve","email":"ADA@example.org","enabled":true,"scope":["openid","g_profile"],"picture":"yes"}'
	signs_in eve '/?error=denied'
	# Somebody registered first with the address of another, and has not verified it.
	call PATCH /auth/settings -d '{"registration":true}' -H "Authorization: Bearer $ada"
	gives 204
	call POST /auth/register -d "{\"name\":\"Mallory\",\"email\":\"carol@example.org\",\"password\":\"$words\"}"
	gives 201
	account carol yes
	signs_in carol '/?error=denied'
	audit_has oidc.linked 1
	audit_has oidc.registered 0
}

test_the_provider_is_left_only_with_a_password()
{
	with_provider
	with_house
	account ada yes
	signs_in ada /
	call GET /auth/me/identity -H "Authorization: Bearer $ada"
	gives 200
	json_is .linked true
	json_is .issuer "$issuer"
	call DELETE /auth/me/identity -H "Authorization: Bearer $ada"
	gives 204
	call GET /auth/me/identity -H "Authorization: Bearer $ada"
	json_is .linked false
	call GET /auth/me -b ada.jar # a session of before
	gives 401
	call POST /auth/login -d "{\"email\":\"ada@example.org\",\"password\":\"$words\"}"
	gives 200
	call DELETE /auth/me/identity -H "Authorization: Bearer $ada"
	gives 404
	account bob yes
	signs_in bob /
	call GET /auth/me -b bob.jar
	call DELETE /auth/me/identity -b bob.jar -H "X-CSRF-Token: $(json_get .csrf)"
	gives 409
	out_has "there is no password"
	audit_has oidc.unlink 1
}

test_who_has_no_account_stays_out_where_nobody_registers()
{
	with_provider
	with_house false
	account bob yes
	signs_in bob '/?error=denied'
	go bob
	call GET "$back" -b bob.jar
	gives 403
	json_is .code denied
	call GET /people -H "Authorization: Bearer $ada"
	json_is length 1
}

test_what_was_not_begun_here_or_was_used_is_refused()
{
	with_provider
	with_house
	account bob yes
	account eve yes
	# The answer of one login in another browser, without a cookie, with a changed state, for another issuer.
	go bob
	call GET "$back" -b eve.jar "${visit[@]}"
	leads_to '/?error=invalid'
	go eve
	go bob
	call GET "$back" -b eve.jar "${visit[@]}"
	leads_to '/?error=invalid'
	call GET "$back" -b bob.jar -H 'Sec-Fetch-Site: cross-site' -H 'Sec-Fetch-Mode: cors'
	gives 403
	call GET "${back/state=/state=A}" -b bob.jar
	gives 400
	call GET "${back/iss=/iss=x}" -b bob.jar
	gives 400
	call GET "$back&error=access_denied" -b bob.jar
	gives 403
	call GET "${back/code=/nocode=}" -b bob.jar
	gives 400
	call GET "${back/code=/code=x}" -b bob.jar
	gives 401
	json_is .code unauthenticated
	# All this left the login as it was, since curl gave the cookie each time; it counts once.
	call GET "$back&more=of+theirs" -b bob.jar "${visit[@]}"
	leads_to /
	call GET "$back" -b bob.jar "${visit[@]}"
	leads_to '/?error=unauthenticated'
	audit_has oidc.registered 1
	audit_has login.failed 2
	# A page of another site may lead to ours.
	same "$(curl -s -o page -w '%{http_code}' "${visit[@]}" "$url/")" 200 'a link to the page'
	same "$(curl -s -o page -w '%{http_code}' "${visit[@]}" "$url/api/v1/auth/me")" 403 'a link to a resource'
}

test_a_provider_that_is_away_and_one_that_is_another()
{
	with_provider
	with_house
	account bob yes
	go bob
	kill -KILL "$provider_pid"
	wait "$provider_pid" 2>/dev/null && fail "the provider ended by itself"
	call GET "$back" -b bob.jar "${visit[@]}"
	leads_to '/?error=network'
	call GET /auth/oidc # what it said of itself is still known
	gives 303
	kill -TERM "$started"
	ended || fail "the server ended with $?: $(cat bg.err)"
	serving
	call GET /auth/oidc
	gives 502
	json_is .code network
	kill -TERM "$started"
	ended || fail "the server ended with $?: $(cat bg.err)"
	MUSTER_OIDC_ISSUER=http://login.example is_status 2 muster serve --listen 127.0.0.1:0
	err_has oidc.issuer
}

test_without_a_provider_there_is_no_such_login()
{
	serving
	local_call GET /api/v1/auth/settings
	json_is .oidc null
	local_call GET /api/v1/auth/oidc
	same "$status" 404 status
}

run_tests
