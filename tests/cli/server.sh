# What tests of the server share: one in the background, and calls of it as the owner of its data folder.
# shellcheck shell=bash disable=SC2034,SC2154

# A run that only asks.
question_mode()
{
	mode asking <<-'END'
		return function(run)
		  local answer = ask { name = "colour", title = "Which colour?", options = { "red", "blue" } }
		  return { summary = answer.option }
		end
	END
	script </dev/null
}

# serving: a server in the background; its address is $url.
serving()
{
	rm -f bg.out # of a server before it
	start muster serve --listen 127.0.0.1:0
	wait_for 20 grep -q ' at http' bg.out
	url=$(sed -n 's/.* at http/http/p' bg.out)
}

# local_call METHOD PATH [curl option…]: as the owner of the data folder; the status is $status, the body in $T/out.
local_call()
{
	local method=$1 path=$2
	shift 2
	status=$(curl -sS --max-time 30 --unix-socket "$MUSTER_DATA/sock" -X "$method" -o "$T/out" -D "$T/head" -w '%{http_code}' \
		-H 'Content-Type: application/json' "$@" "http://muster$path" 2>"$T/err") || fail "curl $method $path: $(cat "$T/err")"
	is_described "$method" "$path"
}

# is_described METHOD PATH: $status, $T/head and $T/out are what the server's OpenAPI document says.
is_described()
{
	local type
	[ -s "$T/api.json" ] || curl -sS --unix-socket "$MUSTER_DATA/sock" http://muster/api/v1/openapi.json >"$T/api.json"
	type=$(tr -d '\r' <"$T/head" | sed -n 's/^[Cc]ontent-[Tt]ype: //p')
	"$SOURCE/tests/peer/described.py" "$T/api.json" "$1" "$2" "$status" "$type" "$T/out" >&3 2>&3 || fail "not as described"
}

# begin_run JSON [curl option…]: sets $run.
begin_run()
{
	local body=$1
	shift
	local_call POST /api/v1/runs -d "$body" "$@"
	same "$status" 201 "status ($(cat out))"
	run=$(json_get .run)
}

state_is()
{
	[ "$(curl -sS --unix-socket "$MUSTER_DATA/sock" "http://muster/api/v1/runs/$run" | jq -r .state)" = "$1" ]
}

