#!/bin/bash
# shellcheck disable=SC2154,SC2317  # started, out, status: set by the helpers; functions called by name
# Money over HTTP: what was spent, budgets that runs share, keys of providers; and what administrators upload: configuration, modes, roles.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

words='four plain words here'

# settings TEXT: the configuration; the model of everybody's runs is the script.
settings()
{
	mkdir -p "$MUSTER_DATA"
	printf 'model: "script:%s/script.jsonl"\n%s\n' "$T" "$1" >"$MUSTER_DATA/config.yaml"
}

# stop: end the server, and wait for that.
stop()
{
	kill -TERM "$started"
	ended || fail "the server ended with $?: $(cat bg.err)"
}

# spending_mode: a run asks the model twice, each time for $0.0015, of 1000 input tokens.
spending_mode()
{
	mode spend <<-'END'
		return function(run)
		  local work = agent { role = "worker", task = "work" }
		  return { summary = work.result, status = work.status }
		end
	END
	{
		call worker write_file '{"path":"a","content":"b"}'
		call worker finish '{"result":"ok"}'
	} | script
}

# as TOKEN METHOD PATH [curl option…]: over TCP; the status is $status, the body in $T/out.
as()
{
	local token=$1 method=$2 path=$3
	shift 3
	status=$(curl -sS --max-time 60 -X "$method" -o "$T/out" -D "$T/head" -w '%{http_code}' -H 'Content-Type: application/json' \
		-H "Authorization: Bearer $token" "$@" "$url/api/v1$path" 2>"$T/err") || fail "curl $method $path: $(cat "$T/err")"
	is_described "$method" "/api/v1$path"
}

# gives STATUS: the last call did.
gives()
{
	same "$status" "$1" "status ($(cat "$T/out"))"
}

# with_people: a server with the owner Ada ($ada) and the members Bob ($bob, $bob_id) and Eve ($eve), each of whom has a project
# ($ps, $pe).
with_people()
{
	serving
	wait_for 20 grep -q 'setup token' bg.out
	setup=$(sed -n 's/.*until there is one: //p' bg.out)
	as none POST /auth/setup -d "{\"token\":\"$setup\",\"name\":\"Ada\",\"email\":\"ada@example.org\",\"password\":\"$words\"}"
	gives 201
	ada=$(json_get .access)
	member Bob
	bob=$token bob_id=$id pb=$project
	member Eve
	eve=$token pe=$project
}

# member NAME: sets $id, $token and $project.
member()
{
	as "$ada" POST /people -d "{\"name\":\"$1\",\"email\":\"$1@example.org\",\"password\":\"$words\",\"role\":\"member\"}"
	gives 201
	id=$(json_get .person)
	as none POST /auth/login -d "{\"email\":\"$1@example.org\",\"password\":\"$words\"}"
	gives 200
	token=$(json_get .access)
	as "$token" POST /projects -d "{\"name\":\"of $1\"}"
	gives 201
	project=$(json_get .id)
}

# runs_of TOKEN PROJECT [STATE]: a run to its end, or to another state; sets $run.
runs_of()
{
	as "$1" POST /runs -d "{\"mode\":\"spend\",\"project\":\"$2\"}"
	gives 201
	run=$(json_get .run)
	wait_for 30 state_is "${3:-completed}"
}

test_usage_is_added_up_and_shown_to_whom_it_concerns()
{
	spending_mode
	settings ''
	with_people
	runs_of "$bob" "$pb"
	runs_of "$bob" "$pb"
	runs_of "$eve" "$pe"
	as "$ada" GET '/usage?group=user'
	gives 200
	json_is length 2
	as "$ada" GET '/usage?group=project'
	json_is '(map(.usd) | add) * 10000 | round' 90
	json_is 'map(.calls) | add' 6
	as "$ada" GET "/usage?group=user,model&user=$bob_id"
	json_is '.[0].usd' 0.006
	json_is '.[0].input' 4000
	json_is '.[0].cache_rate' 0
	today=$(date -u +%F)
	as "$ada" GET "/usage?group=day&from=$today"
	json_is length 1
	as "$ada" GET "/usage?group=day&to=2026-01-01"
	json_is length 0
	as "$ada" GET "/usage?group=day&from=yesterday"
	gives 400
	as "$ada" GET "/usage?group=title"
	gives 400
	as "$ada" GET "/usage?group=run&limit=2"
	json_is length 2
	next=$(sed -n 's/^[Ll]ink: <\/api\/v1\([^>]*\)>.*/\1/p' head)
	[ -n "$next" ] || fail "no Link to what follows"
	as "$ada" GET "$next"
	json_is length 1
	# the same as the command line says
	same "$(muster usage --json | jq -c 'map({run, role, model, usd})')" "$(as "$ada" GET /usage && jq -c 'map({run, role, model, usd})' out)"
	# of others nothing
	as "$eve" GET '/usage?group=project'
	json_is length 1
	json_is '.[0].project' "$pe"
	as "$eve" GET "/usage?group=project&project=$pb"
	gives 404
	as "$eve" GET "/usage?group=run&user=$bob_id"
	json_is length 0
	curl -sS -o csv -D head -H "Authorization: Bearer $ada" "$url/api/v1/usage/export?group=user,day"
	grep -qi '^content-type: text/csv' head || fail "$(cat head)"
	same "$(head -1 csv | tr -d '\r')" user,day,calls,input,output,cached,cache_rate,usd,usd_unknown
	same "$(grep -c "\"$today\",2,2000,200,0,0.000000000,0.003000000,0.000000000" csv)" 1 "Eve's line ($(cat csv))"
	is_status 0 muster verify
}

# paid N: so many answers were paid in the house's budget.
paid()
{
	as "$ada" GET /budget
	[ "$(json_get '.spent / 0.0015 | round')" = "$1" ]
}

test_a_fork_pays_only_for_itself()
{
	spending_mode
	settings ''
	with_people
	runs_of "$bob" "$pb"
	paid 2 || fail "the run: $(cat out)"
	as "$bob" POST "/runs/$run/fork" -d '{}' # of the turn before the last, which it still asks for
	gives 200
	fork=$(json_get .run)
	wait_for 20 paid 3
	stop
	serving
	paid 3 || fail "after a restart: $(cat out)"
	as "$bob" GET "/runs/$fork/usage"
	json_is '.[0].calls' 1
	is_status 0 muster verify
	is_status 0 muster replay "$fork"
}

test_a_shared_budget_stops_runs_and_is_extended_by_who_keeps_it()
{
	spending_mode
	settings ''
	with_people
	as "$ada" PUT "/projects/$pb/budget" -d '{"limit_usd":0.003}'
	gives 200
	as "$bob" PUT "/people/$bob_id/budget" -d '{"limit_usd":5}'
	gives 403
	as "$bob" PUT /budget -d '{"limit_usd":5}'
	gives 403
	as "$ada" PUT "/people/$bob_id/budget" -d '{"limit_usd":-5}'
	gives 400
	as "$ada" PUT /budget -d '{"alerts":[0]}'
	gives 400
	as "$eve" GET "/projects/$pb/budget"
	gives 404
	as "$eve" GET "/people/$bob_id/budget"
	gives 403
	as "$ada" PUT "/people/$bob_id/budget" -d '{"limit_usd":0.004,"period":"month"}'
	gives 200
	json_is .period month
	runs_of "$bob" "$pb" waiting
	as "$bob" GET "/runs/$run/actions"
	json_is '.[0].kind' budget
	json_is '.[0].title' "The budget of project/$pb is reached"
	as "$bob" POST "/runs/$run/actions/budget" -d '{"option":"extend","text":"1"}' # Bob owns the project
	gives 200
	budget_of_person() { as "$bob" GET "/runs/$run/actions" && [ "$(json_get '.[0].title')" = "The budget of user/$bob_id is reached" ]; }
	wait_for 20 budget_of_person
	as "$bob" POST "/runs/$run/actions/budget" -d '{"option":"extend","text":"1"}'
	gives 403
	as "$bob" POST "/runs/$run/commands" -d '{"kind":"answer","action":"budget","option":"extend","text":"1"}'
	gives 403
	as "$ada" PUT "/people/$bob_id/budget" -d '{"limit_usd":2}'
	as "$ada" POST "/runs/$run/actions/budget" -d '{"option":"extend"}' # it was raised meanwhile: once is enough
	gives 200
	wait_for 30 state_is completed
	as "$bob" GET "/people/$bob_id/budget"
	json_is .limit_usd 2
	json_is .spent 0.003
	as "$bob" GET "/projects/$pb/budget"
	json_is .limit_usd 1.003
	as "$bob" GET /budgets
	json_is 'map(.scope) | sort | join(" ")' "project/$pb user/$bob_id"
	as "$eve" GET /budgets
	json_is length 0
	as "$ada" GET '/audit?what=budget.changed'
	json_is length 4
	stop
	serving
	as "$ada" GET "/people/$bob_id/budget"
	json_is '"\(.limit_usd) \(.period) \(.spent)"' "2 month 0.003"
	is_status 0 muster verify
	is_status 0 muster replay "$run"
}

test_shares_of_a_budget_are_told_once()
{
	spending_mode
	mkdir got
	/usr/bin/python3 -B "$SOURCE/tests/peer/receiver.py" "$T/got" &
	receiver=$!
	trap 'kill $receiver' EXIT
	wait_for 20 test -f got/ports
	read -r web _ <got/ports
	settings 'outbound: {exempt: [127.0.0.1]}'
	with_people
	as "$ada" POST /webhooks -d "{\"url\":\"http://127.0.0.1:$web/hook\",\"events\":[\"budget.alert\"]}"
	gives 201
	as "$ada" PUT /budget -d '{"limit_usd":0.03,"alerts":[5,10,50]}'
	gives 200
	runs_of "$bob" "$pb" # 5 % and 10 %
	wait_for 30 test -f got/post-2.json
	same "$(jq -r .body got/post-[12].json | while read -r b; do base64 -d <<<"$b" | jq -c '[.type, .data.budget, .data.share]'; done | sort | tr -d '\n')" \
		'["budget.alert","house",10]["budget.alert","house",5]'
	runs_of "$bob" "$pb" # 20 %: nothing new
	stop
	serving
	runs_of "$bob" "$pb" # 30 %
	as "$ada" GET '/audit?what=budget.alert'
	json_is length 2
	as "$ada" PUT /budget -d '{"limit_usd":0.025}' # another limit: 36 % of it
	runs_of "$bob" "$pb" # 48 %
	runs_of "$bob" "$pb" # 60 %
	as "$ada" GET '/audit?what=budget.alert'
	json_is length 3
	json_is '.[0].detail.share' 50
	wait_for 30 test -f got/post-3.json
	[ ! -e got/post-4.json ] || fail "told once more: $(jq -r .body got/post-4.json | base64 -d)"
}

run_tests
