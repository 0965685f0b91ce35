#!/bin/bash
# Modes of other people, and modes that change while a run waits.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

# A folder that somebody made: its own role, library, template, and a tool that its flow fulfils.
test_a_mode_of_others_works_as_it_is()
{
	local dir=$MUSTER_DATA/modes/jury run
	mkdir -p "$dir/roles" "$dir/lib" "$dir/templates"
	cat >"$dir/mode.yaml" <<-'END'
		id: jury
		name: Jury
		description: A judge weighs things.
		engine: team
		inputs:
		  - {name: things, type: text, required: true}
		roles: [judge]
		outputs: [{name: verdict, type: markdown}]
	END
	cat >"$dir/roles/judge.md" <<-'END'
		---
		id: judge
		name: Judge
		class: strong
		tools: [write_file, finish]
		---
		You weigh {things} with the tool weigh.
	END
	echo 'return { heavier = function(a, b) return a > b and a or b end }' >"$dir/lib/scale.lua"
	echo '# Verdict: {winner}' >"$dir/templates/verdict.md"
	cat >"$dir/flow.lua" <<-'END'
		local scale = require "scale"
		return function(run)
		  local weighed = 0
		  local work = agent { role = "judge", task = "weigh", vars = { things = run.inputs.things }, on = {
		    weigh = { summary = "Weigh two numbers.", schema = { type = "object", required = json.array { "a", "b" },
		        additionalProperties = false, properties = { a = { type = "integer" }, b = { type = "integer" } } },
		      run = function(args) weighed = weighed + 1; return scale.heavier(args.a, args.b) .. " is heavier" end } } }
		  artifact { name = "verdict", type = "markdown", content = template("verdict.md", { winner = work.result }) }
		  return { weighed = weighed, winner = work.result }
		end
	END
	{
		call judge weigh '{"a":3,"b":"x"}'
		call judge weigh '{"a":3,"b":7}'
		call judge finish '{"result":"7"}'
	} | script
	is_status 0 muster modes jury
	out_has things
	is_status 0 muster run jury --input things=stones --project p --script script.jsonl --json
	run=$(muster runs --json | jq -r '.[0].run')
	json_is 'select(.type == "run.completed").data.result.winner' 7
	json_is 'select(.type == "run.completed").data.result.weighed' 1
	muster log "$run" --json >events
	grep -q '7 is heavier' events || fail "the tool did not answer"
	same "$(jq -s 'map(select(.type == "tool.answered" and .data.status == "error")) | length' events)" 1 "refused calls"
	is_status 0 muster replay "$run"
}

# A waiting run keeps to the flow, the role and the template with which it began.
test_a_waiting_run_keeps_to_its_mode()
{
	local run dir=$MUSTER_DATA/modes/steady
	mode steady <<-'END'
		return function(run)
		  local before = agent { role = "worker", task = "first" }
		  local answer = ask { name = "go", title = "Go on?" }
		  local after = agent { role = "worker", task = "second" }
		  return { said = answer.text, version = "old" }
		end
	END
	{
		call worker finish '{"result":"one"}'
		call worker finish '{"result":"two"}'
	} | script
	is_status 3 muster run steady --project p --script script.jsonl
	run=$(muster runs --json | jq -r '.[0].run')
	cp -r "$dir" kept
	echo 'return function(run) return { version = "new" } end' >"$dir/flow.lua"
	sed -i 's/You work\./You do something else entirely./' "$dir/roles/worker.md"
	is_status 0 muster replay "$run"
	is_status 0 muster resume "$run" --answer go=yes --json
	json_is 'select(.type == "run.completed").data.result.version' old
	muster log "$run" --json | jq -r 'select(.type == "agent.started").data.agent' >agents
	same "$(wc -l <agents)" 2 "agents"
	muster log "$run" --json | jq -r 'select(.type == "model.requested").data.own' >prompts.changed
	cp -r kept/. "$dir/" # the mode as it was: an undisturbed run asks the same
	is_status 0 muster run steady --project p2 --script script.jsonl --answer go=yes
	muster log "$(newest)" --json | jq -r 'select(.type == "model.requested").data.own' >prompts.whole
	diff prompts.whole prompts.changed >&3 || fail "the changed role reached the waiting run"
	is_status 0 muster replay "$run"
	rm -r "$dir" # not even the mode itself is needed any more
	is_status 0 muster replay "$run"
	is_status 2 muster run steady --project p --script script.jsonl
}

test_a_flows_command_runs_in_the_folder_it_names()
{
	mode inside <<-'END'
		return function(run)
		  write("sub/a.txt", "a")
		  say(exec { command = "pwd; ls", cwd = "sub" }.output)
		  local fine, why = pcall(exec, { command = "ls", cwd = "../.." })
		  return fine and "left" or why.code
		end
	END
	script </dev/null
	is_status 0 muster run inside --script script.jsonl --unattended
	out_has "/work/sub"
	out_has ": the folder ../.. is not below /work"
	same "$(muster show "$(newest)" --json | jq -r .result)" outside
}

run_tests
