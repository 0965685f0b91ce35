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
	as "$bob" GET "/projects/$pb/stats"
	json_is .usd 0.006
	json_is .input_tokens 4000
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
	gives 404
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

# providing: an endpoint in the background that takes one key, key-of-the-house-4711; its port is $port.
providing()
{
	/usr/bin/python3 -B - "$T/port" <<-'END' &
		import http.server, json, os, sys
		class Peer(http.server.BaseHTTPRequestHandler):
		    def log_message(self, *a): pass
		    def do_POST(self):
		        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
		        good = self.headers.get("Authorization") == "Bearer key-of-the-house-4711"
		        self.send_response(200 if good else 401)
		        self.send_header("Content-Type", "text/event-stream" if good else "application/json")
		        self.end_headers()
		        if not good:
		            self.wfile.write(b'{"error":{"message":"wrong key"}}')
		            return
		        call = {"index": 0, "id": "t", "function": {"name": "finish", "arguments": '{"result":"ok"}'}}
		        delta = {"tool_calls": [call]} if asked.get("tools") else {"content": "1 2 3"}
		        self.wfile.write(b"data: " + json.dumps({"model": "m-1", "choices": [{"delta": delta}]}).encode() + b"\n\n")
		        end = {"choices": [{"delta": {}, "finish_reason": "tool_calls" if asked.get("tools") else "stop"}],
		               "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}
		        self.wfile.write(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")
		server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Peer)
		open(sys.argv[1] + ".new", "w").write(str(server.server_port))
		os.rename(sys.argv[1] + ".new", sys.argv[1])
		server.serve_forever()
	END
	provider=$!
	trap 'kill $provider 2>/dev/null || true' EXIT
	wait_for 20 test -s port
	port=$(cat port)
}

test_a_provider_s_key_is_tried_kept_and_never_shown()
{
	local key=key-of-the-house-4711
	spending_mode
	providing
	settings ''
	cat >"$MUSTER_DATA/config.yaml" <<-END
		model: "peer:m"
		providers: {peer: {kind: compatible, base_url: "http://127.0.0.1:$port", model: m}, own: {kind: compatible, base_url: "http://127.0.0.1:$port", key: sk-configured-1}}
		prices: {"peer:m": {input: 1, output: 5}}
	END
	with_people
	as "$bob" GET /providers/peer/key
	gives 403
	as "$bob" PUT /providers/peer/key -d "{\"key\":\"$key\"}"
	gives 403
	as "$ada" GET /providers/peer/key
	json_is .set false
	as "$ada" PUT /providers/nobody/key -d "{\"key\":\"$key\"}"
	gives 404
	for bad in short \$HOME-and-more 'with blanks in it' 'vault:push:key'; do
		as "$ada" PUT /providers/peer/key -d "{\"key\":\"$bad\"}"
		gives 400
	done
	as "$ada" PUT /providers/own/key -d "{\"key\":\"$key\"}"
	gives 409
	as "$ada" PUT /providers/peer/key -d '{"key":"another-key-altogether"}'
	gives 400
	out_of=$(json_get .detail)
	[[ $out_of == *"refuses the key"*"wrong key"* ]] || fail "the answer is not told: $out_of"
	as "$ada" GET /providers/peer/key
	json_is .set false
	as "$ada" PUT /providers/peer/key -d "{\"key\":\"$key\"}"
	gives 200
	json_is .tried true
	json_is .end 4711
	json_is .in vault
	runs_of "$bob" "$pb" # at once
	as "$ada" GET /providers
	grep -q 4711 out && fail "a part of the key: $(cat out)"
	as "$bob" GET /providers
	json_is 'map(select(.name == "peer"))[0] | "\(.key) \(.base_url)"' "true null"
	as "$bob" GET /models
	json_is 'map(select(.model == "peer:m"))[0] | "\(.price.input) \(.price.output) \(.ready)"' "1 5 true"
	json_is 'map(select(.model == "peer:m"))[0].classes | index("fast") != null' true
	stop
	grep -rqs "$key" "$MUSTER_DATA" bg.err bg.out && fail "the key lies open in $(grep -rls "$key" "$MUSTER_DATA")"
	serving
	runs_of "$bob" "$pb"
	as "$ada" DELETE /providers/peer/key
	gives 200
	json_is .set false
	as "$bob" POST /runs -d "{\"mode\":\"spend\",\"project\":\"$pb\"}"
	run=$(json_get .run)
	wait_for 30 state_is failed
	as "$ada" GET '/audit?what=provider.key_set'
	json_is '.[0].object' provider/peer
	kill "$provider"
	as "$ada" PUT /providers/peer/key -d "{\"key\":\"$key\"}" # nobody can say: kept, and said
	gives 200
	json_is .tried false
}

# config_is TOKEN METHOD PATH TEXT: sends the text as a configuration.
config_is()
{
	as "$1" "$2" "$3" -d "$(jq -n --arg t "$4" '{text: $t}')"
}

test_the_configuration_is_checked_and_exchanged()
{
	spending_mode
	settings 'run: {budget_usd: 1}'
	with_people
	config_is "$bob" PUT /config 'run: {budget_usd: 5}'
	gives 403
	config_is "$ada" POST /config/check $'run:\n  budget_usd: 5\n  budgt: 6\n'
	gives 200
	json_is .valid false
	json_is .line 3
	json_is '.message | test("run.budgt")' true
	config_is "$ada" POST /config/check $'model: a:b\nclasses:\n  fast:\n    - nonsense\n'
	json_is .valid false
	config_is "$ada" POST /config/check $'run: {budget_usd: 5}\nprices:\n  "x:y": {input: -1, output: 2}\nproviders: {x: {base_url: "http://x.example", model: y}}\n'
	json_is .valid false
	json_is .line 3
	config_is "$ada" POST /config/check $'\npolicy:\n  - {forbid: "shell(x)"}\n'
	json_is '"\(.valid) \(.line)"' "false 2"
	same_model="model: \"script:$T/script.jsonl\""
	config_is "$ada" POST /config/check "$same_model"$'\nrun: {budget_usd: 0.002}\ncommand: {timeout_s: 60}\n'
	json_is .valid true
	json_is '[.changes[] | "\(.name) \(.from) \(.to) \(.restart)"] | join(", ")' "run.budget_usd 1 0.002 false, command.timeout_s 120 60 true"
	same "$(grep -c budget_usd: "$MUSTER_DATA/config.yaml")" 1
	config_is "$ada" PUT /config "$same_model"$'\nrun: {budget_usd: 0.002}\ncommand: {timeout_s: 60}\n'
	gives 200
	grep -q 0.002 "$MUSTER_DATA/config.yaml" || fail "the file: $(cat "$MUSTER_DATA/config.yaml")"
	grep -q 'budget_usd: 1' "$MUSTER_DATA/config.yaml.before" || fail "the file before is gone"
	runs_of "$bob" "$pb" waiting # at once
	as "$ada" GET /config
	json_is '.[] | select(.name == "run.budget_usd") | .value' 0.002
	config_is "$ada" PUT /config $'run: {budget_usd: 5}\nwrong: 1\n'
	gives 400
	for text in 'providers: {mine: {kind: exec, command: [id]}}' 'sandbox: {network: ["10.0.0.1:80"]}' 'model: "exec:id"' \
		'classes: {fast: ["exec:id"]}' 'mail: {url: "smtp://mail.example"}'; do
		config_is "$ada" PUT /config "$text"
		gives 403
	done
	same "$(grep -c 0.002 "$MUSTER_DATA/config.yaml")" 1 "the file after what was refused"
	local_call PUT /api/v1/config -d "$(jq -n --arg t "$same_model"$'\nsandbox: {network: ["example.com:443"]}' '{text: $t}')"
	gives 200
	json_is '.changes | map(select(.name == "sandbox.network"))[0].restart' true
	as "$ada" GET '/audit?what=config.changed'
	json_is length 2
	stop
	serving
	as "$ada" GET /config
	json_is '.[] | select(.name == "run.budget_usd") | .value' 0
	config_is "$ada" PUT /config "$same_model"$'\nserver: {requests_per_s: 0.01, requests_burst: 1}\nsandbox: {network: ["example.com:443"]}'
	gives 200
	for _ in 1 2 3; do
		as "$bob" GET /modes
	done
	gives 429
}

# files_of FLOW SUMMARY: a mode as it is uploaded.
files_of()
{
	jq -n --arg id "$1" --arg flow "return function(run) return { summary = \"$2\" } end" '{files: {
		"mode.yaml": "id: \($id)\nname: Own\ndescription: A test.\nengine: planning\n", "flow.lua": $flow}}'
}

test_what_was_uploaded_can_be_taken_away()
{
	local role=$'---\nid: helper\nname: Helper\nclass: fast\ntools: [finish, TOOL]\ncheck: none\nlimits: {turns: 3}\n---\nYou help.\n'
	spending_mode
	settings ''
	with_people
	as "$ada" PUT /modes/own -d "$(files_of own one)"
	gives 200
	as "$bob" POST /runs -d "{\"mode\":\"own\",\"project\":\"$pb\"}"
	first=$(json_get .run) run=$first
	wait_for 30 state_is completed
	as "$bob" DELETE /modes/own
	gives 403
	as "$ada" DELETE /modes/own
	gives 204
	as "$ada" DELETE /modes/own
	gives 404
	as "$bob" POST /runs -d "{\"mode\":\"own\",\"project\":\"$pb\"}"
	[ "$status" != 201 ] || fail "it is there all the same"
	is_status 0 muster replay "$first"
	as "$ada" DELETE /modes/spend # made by hand
	gives 409
	as "$ada" DELETE /modes/one_shot # shipped
	gives 404
	as "$ada" DELETE /modes/..%2Fx
	gives 400
	as "$ada" PUT /modes/own -d "$(files_of own two)"
	json_is .version 2
	# a role, whose tools there must be
	as "$ada" PUT /roles/helper -d "$(jq -n --arg t "${role/TOOL/reed_file}" '{text: $t}')"
	gives 400
	json_is '.detail | test("there is no tool \"reed_file\"; there are: read_file, write_file, ")' true
	as "$ada" PUT /roles/helper -d "$(jq -n --arg t "${role/TOOL/read_file}" '{text: $t}')"
	gives 200
	as "$ada" DELETE /roles/helper
	gives 204
	as "$bob" GET /roles
	json_is 'map(select(.id == "helper")) | length' 0
	as "$ada" GET '/audit?what=role.deleted'
	json_is length 1
	# one that somebody puts there by hand afterwards is theirs
	mkdir -p "$MUSTER_DATA/roles"
	printf '%s' "${role/TOOL/read_file}" >"$MUSTER_DATA/roles/helper.md"
	as "$ada" PUT /roles/helper -d "$(jq -n --arg t "${role/TOOL/read_file}" '{text: $t}')"
	gives 409
}

# A role that is read from a file of the house is looked at as well.
test_a_role_of_the_house_names_tools_that_there_are()
{
	spending_mode
	settings ''
	with_people
	mkdir -p "$MUSTER_DATA/roles"
	printf -- '---\nid: worker\nname: W\ntools: [finish, telephone]\n---\nYou work.\n' >"$MUSTER_DATA/roles/worker.md"
	rm -f "$MUSTER_DATA"/modes/spend/roles/worker.md
	as "$bob" POST /runs -d "{\"mode\":\"spend\",\"project\":\"$pb\"}"
	gives 400
	json_is '.detail | test("there is no tool \"telephone\"; there are: ")' true
}

test_modes_and_roles_are_uploaded_and_none_is_replaced()
{
	local role=$'---\nid: helper\nname: Helper\nclass: fast\ntools: [finish]\ncheck: none\nlimits: {turns: 3}\n---\nYou help.\n'
	spending_mode
	settings ''
	with_people
	as "$bob" PUT /modes/own -d "$(files_of own one)"
	gives 403
	as "$ada" PUT /modes/own -d "$(files_of own one)"
	gives 200
	json_is .version 1
	as "$bob" POST /runs -d "{\"mode\":\"own\",\"project\":\"$pb\"}"
	gives 201
	first=$(json_get .run) run=$first
	wait_for 30 state_is completed
	as "$ada" PUT /modes/own -d "$(files_of own two)"
	json_is .version 2
	as "$bob" POST /runs -d "{\"mode\":\"own\",\"project\":\"$pb\"}"
	run=$(json_get .run)
	wait_for 30 state_is completed
	same "$(muster log "$run" --json --type run.completed | jq -r .data.result.summary)" two
	is_status 0 muster replay "$first"
	[ -f "$MUSTER_DATA/versions/modes/own.1/own/flow.lua" ] || fail "the first version is gone"
	as "$bob" GET /modes
	json_is 'map(select(.id == "own")) | length' 1
	# what is none is told with its place, and nothing changes
	as "$ada" PUT /modes/own -d '{"files":{"mode.yaml":"id: own\nname: x\ndescription: x\nengine: planning\n","flow.lua":"return function(run)\nreturn ] end"}}'
	gives 400
	json_is '.detail | test("flow.lua:2")' true
	for name in ../evil roles/../../evil /etc/evil .hidden lib/.x other.txt; do
		as "$ada" PUT /modes/own -d "$(files_of own x | jq --arg n "$name" '.files[$n] = "x"')"
		gives 400
	done
	as "$ada" PUT /modes/own -d "$(files_of other x)"
	gives 400
	as "$ada" PUT /modes/spend -d "$(files_of spend x)" # made by hand
	gives 409
	as "$ada" PUT /modes/one_shot -d "$(files_of one_shot x)" # shipped
	gives 409
	as "$ada" PUT "/modes/..%2Fx" -d "$(files_of own x)"
	gives 400
	as "$ada" PUT /modes/own -d "$(files_of own three)"
	json_is .version 3
	# roles
	as "$ada" PUT /roles/helper -d "$(jq -n --arg t "$role" '{text: $t}')"
	gives 200
	json_is .version 1
	as "$bob" GET /roles
	json_is 'map(select(.id == "helper" and .mode == null)) | length' 1
	as "$ada" PUT /roles/helper -d '{"text":"---\nid: helper\nlimits: {turns: 0}\n---\nx"}'
	gives 400
	as "$ada" PUT /roles/analyst -d "$(jq -n --arg t "${role//helper/analyst}" '{text: $t}')"
	gives 409
	as "$ada" PUT /roles/helper -d "$(jq -n --arg t "$role more" '{text: $t}')"
	json_is .version 2
	same "$(tail -1 "$MUSTER_DATA/roles/helper.md")" " more"
	as "$ada" GET '/audit?what=mode.uploaded'
	json_is length 3
}

run_tests
