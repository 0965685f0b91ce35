#!/bin/bash
# shellcheck disable=SC2154  # run, status, url: set by the helpers
# What a project says of all its runs, and a person of theirs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# A mode whose agent does as the script says: two commands; $model is what answers.
obeying()
{
	mode obey <<-'END'
		return function(run)
		  local work = agent { role = "worker", task = "obey" }
		  return { summary = run.settings.word or "none", work = work.result }
		end
	END
	{
		call worker shell '{"command":"touch allowed"}'
		call worker shell '{"command":"touch forbidden"}'
		call worker finish '{"result":"done"}'
	} | script
	model="script:$T/script.jsonl"
	serving
	local_call POST /api/v1/projects -d '{"name":"shop"}'
	project=$(json_get .id)
}

# denied_by SCOPE: what the run's second command was told.
denied_by()
{
	wait_for 30 state_is completed
	local_call GET "/api/v1/runs/$run/events"
	jq -r 'select(.type == "tool.denied" or .type == "tool.finished") | .data | tostring' out >results
	grep -q "of the $1 policy" results || fail "no rule of the $1 spoke: $(cat results)"
}

test_a_run_has_what_its_project_says()
{
	obeying
	local_call PATCH "/api/v1/projects/$project" -d "{\"settings\":{\"model\":\"$model\",\"values\":{\"word\":\"its own\"},
		\"budget_usd\":3,\"policy\":[{\"deny\":\"shell(touch forbidden)\"}]}}"
	same "$status" 200 "status ($(cat out))"
	begin_run "{\"mode\":\"obey\",\"project\":\"$project\"}"
	denied_by project
	local_call GET "/api/v1/runs/$run"
	json_is .budget_usd 3
	local_call GET "/api/v1/runs/$run/events"
	grep -q '"summary":"its own"' out || fail "the project's value did not come"

	begin_run "{\"mode\":\"obey\",\"project\":\"$project\",\"budget_usd\":2,\"settings\":{\"word\":\"the run's\"}}"
	wait_for 30 state_is completed
	local_call GET "/api/v1/runs/$run"
	json_is .budget_usd 2
	local_call GET "/api/v1/runs/$run/events"
	grep -q "\"summary\":\"the run's\"" out || fail "the run's own value does not go before"
}

test_settings_that_are_none_are_refused()
{
	obeying
	while IFS='|' read -r want settings says; do
		local_call PATCH "/api/v1/projects/$project" -d "{\"settings\":$settings}"
		same "$status" "$want" "$settings ($(cat out))"
		out_has "$says"
	done <<-'END'
		400|{"modell":"x:y"}|modell
		400|{"policy":[{"deny":"shell(x)"},{"forbid":"shell(x)"}]}|rule 2
		400|{"policy":"none"}|policy
		400|{"gates_off":"plan"}|gates_off
		400|{"budget_usd":"much"}|budget_usd
	END
	local_call GET "/api/v1/projects/$project"
	json_is .settings null
}

test_a_person_has_rules_of_their_own()
{
	obeying
	local_call PATCH "/api/v1/projects/$project" -d "{\"settings\":{\"model\":\"$model\"}}"
	wait_for 20 grep -q 'setup token' bg.out
	local token
	token=$(sed -n 's/.*until there is one: //p' bg.out)
	token=$(curl -sS "$url/api/v1/auth/setup" -H 'Content-Type: application/json' -d "{\"token\":\"$token\",\"name\":\"Ada\",
		\"email\":\"ada@example.org\",\"password\":\"four plain words here\"}" | jq -r .access)
	local auth="Authorization: Bearer $token"
	status=$(curl -sS -o out -w '%{http_code}' -X PATCH "$url/api/v1/auth/me" -H "$auth" -H 'Content-Type: application/json' \
		-d '{"policy":[{"allow":"shell(*)"}]}')
	same "$status" 403
	out_has "rule 1 allows"
	status=$(curl -sS -o out -w '%{http_code}' -X PATCH "$url/api/v1/projects/$project" -H "$auth" \
		-H 'Content-Type: application/json' -d '{"settings":{"model":"exec:/bin/sh"}}')
	same "$status" 403 "a program of the host"
	curl -sSf -X PATCH "$url/api/v1/auth/me" -H "$auth" -H 'Content-Type: application/json' \
		-d '{"policy":[{"deny":"shell(touch forbidden)"}]}' >out || fail "rules of one's own"
	run=$(curl -sS "$url/api/v1/runs" -H "$auth" -H 'Content-Type: application/json' \
		-d "{\"mode\":\"obey\",\"project\":\"$project\"}" | jq -r .run)
	denied_by user
}

run_tests
