#!/bin/bash
# `muster run`: what it needs, what it prints, how it ends.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

one_shot()
{
	{
		call engineer write_file '{"path":"hello.txt","content":"hello\n"}'
		call engineer run_tests '{}'
		call engineer finish '{"result":"Wrote hello.txt"}'
	} | script
	run muster run one_shot --input task=hello --script script.jsonl --check "grep -q hello hello.txt" --project p "$@"
}

test_a_run_ends_with_files_a_check_and_a_commit()
{
	one_shot || fail "exit status $?$(shown)"
	out_has "phase work"
	out_has "its check passes on the final files"
	out_has "grep -q hello hello.txt: exit 0"
	out_has "\$0.0045"
	file_has p/hello.txt hello
	same "$(git -C p log --oneline | wc -l)" 1
	same "$(git -C p status --porcelain)" ""
}

test_json_prints_every_event_and_a_last_line()
{
	one_shot --json || fail "exit status $?$(shown)"
	tail -n 1 out >last
	json_is .state completed last
	json_is .evidence 'done' last
	json_is .exit 0 last
	json_is .cost 0.0045 last
	head -n -1 out | jq -c 'select(.seq != null) | .seq' >seqs
	same "$(cat seqs)" "$(seq "$(wc -l <seqs)")" "the seqs"
	head -n 1 out >first
	json_is .type run.created first
	json_is .actor.kind person first
}

test_without_a_model_it_says_what_helps()
{
	is_status 2 muster run one_shot --input task=x --project p
	err_has ANTHROPIC_API_KEY
	err_has MUSTER_MODEL_URL
	err_has "muster demo"
	[ ! -e p ]
}

test_a_missing_input_is_named()
{
	is_status 2 muster run one_shot --project p
	err_has "task"
	[ ! -e p ]
	[ ! -e "$MUSTER_DATA" ]
}

test_an_unknown_input_gets_the_nearest_name()
{
	is_status 2 muster run one_shot --input tsak=x
	err_has 'did you mean "task"'
}

test_an_unknown_mode_gets_the_nearest_name()
{
	is_status 2 muster run one_shott --input task=x
	err_has 'did you mean "one_shot"'
}

test_an_unknown_gate_gets_the_nearest_name()
{
	is_status 2 muster run build --input requirements=x --yes structur
	err_has 'did you mean "structure"'
}

test_values_that_are_no_values_are_usage_errors()
{
	is_status 2 muster run one_shot --input task
	err_has "NAME=VALUE"
	is_status 2 muster run one_shot --input task=x --budget much
	err_has "--budget much"
	is_status 2 muster run one_shot --input task=x --model
	err_has "needs a value"
	is_status 2 muster run one_shot --input task=x --unattended=1
	err_has "takes no value"
	is_status 2 muster run one_shot --input task=x --title a --title b
	err_has "twice"
	is_status 2 muster run one_shot two
	err_has '"two"'
	is_status 2 muster run one_shot -x
	err_has "two dashes"
	is_status 2 muster run one_shot --input task=x --script nothing.jsonl
	err_has "nothing.jsonl"
	is_status 2 muster run one_shot --input task=x --script a --model b:c
	err_has "exclude"
	is_status 2 muster run one_shot --input task=@nothing.txt
	err_has "nothing.txt"
}

test_inputs_come_from_files_and_standard_input()
{
	mode say <<-'END'
		return function(run) return { summary = run.inputs.task } end
	END
	script </dev/null
	echo "from a file" >text
	is_status 0 muster run say --input task=@text --script script.jsonl --project p1
	out_has "from a file"
	echo "from a pipe" | is_status 0 muster run say --input task=- --script script.jsonl --project p2
	out_has "from a pipe"
}

test_settings_are_json_where_they_parse()
{
	mode say <<-'END'
		return function(run) return { summary = type(run.settings.n) .. " " .. run.settings.colour } end
	END
	script </dev/null
	is_status 0 muster run say --set n=5 --set colour=red --script script.jsonl --project p
	out_has "number red"
	is_status 0 muster run say --set n=five --script script.jsonl --project p
	out_has "string green"
}

# The agent's run_tests and the flow's last check both run it; nothing else in the project could be run.
test_the_check_of_the_input_is_what_runs()
{
	{
		call engineer write_file '{"path":"hello.txt","content":"hello\n"}'
		call engineer run_tests '{}'
		call engineer finish '{"result":"Wrote hello.txt"}'
	} | script
	is_status 0 muster run one_shot --input task=hello --input check="grep -q hello hello.txt" --script script.jsonl --project p --json
	json_is 'select(.type == "run.completed").data.evidence' "done"
	json_is 'select(.type == "run.completed").data.check.command' "grep -q hello hello.txt"
}

test_the_project_is_named_by_default()
{
	mode say <<-'END'
		return function(run) return { summary = "ok" } end
	END
	script </dev/null
	is_status 0 muster run say --script script.jsonl
	[ -d say-"$(newest)"/.git ] || fail "no folder say-$(newest): $(ls)"
}

test_an_existing_project_is_not_touched_until_merge()
{
	mkdir p
	(cd p && git init -q && git config user.email a@b && git config user.name a && echo one >a && git add a && git commit -qm one)
	mode touch <<-'END'
		return function(run) write("a", "two\n"); return { summary = "changed" } end
	END
	script </dev/null
	is_status 0 muster run touch --script script.jsonl --project p
	out_has "muster merge"
	same "$(cat p/a)" one
	is_status 0 muster diff "$(newest)"
	out_has "+two"
	is_status 0 muster merge "$(newest)"
	same "$(cat p/a)" two
	same "$(git -C p status --porcelain)" ""
	is_status 0 muster merge "$(newest)"
	out_has "merged already"
	is_status 0 muster show "$(newest)" --json
	json_is '.run.merged | length > 6' true
}

test_a_merge_into_changed_files_is_refused()
{
	mkdir p
	(cd p && git init -q && git config user.email a@b && git config user.name a && echo one >a && git add a && git commit -qm one)
	mode touch <<-'END'
		return function(run) write("a", "two\n"); return { summary = "changed" } end
	END
	script </dev/null
	is_status 0 muster run touch --script script.jsonl --project p
	echo mine >p/a
	is_status 4 muster merge "$(newest)"
	err_has "nothing was merged"
	same "$(cat p/a)" mine
}

test_a_flow_that_fails_names_file_and_line()
{
	mode bad <<-'END'
		return function(run)
		  local x = nil
		  return x.y
		end
	END
	script </dev/null
	is_status 4 muster run bad --script script.jsonl --project p
	out_has "flow.lua:3"
	same "$(state "$(newest)")" failed
}

test_an_endless_loop_is_ended()
{
	mode loop <<-'END'
		return function(run) pcall(function() while true do end end) return {} end
	END
	script </dev/null
	is_status 4 muster run loop --script script.jsonl --project p
}

test_a_mode_with_an_unknown_field_names_the_line()
{
	mode odd <<<'return function() end'
	echo "rolse: [worker]" >>"$MUSTER_DATA/modes/odd/mode.yaml"
	is_status 2 muster run odd
	err_has "mode.yaml:10"
	err_has "roles"
}

test_a_script_that_ends_too_early_says_for_whom()
{
	slow_mode
	script </dev/null
	is_status 4 muster run slow --script script.jsonl --project p
	out_has "worker"
	out_has "script"
}

test_a_run_waits_on_its_budget()
{
	slow_mode
	is_status 5 muster run slow --script script.jsonl --budget 0.000001 --project p
	out_has "budget"
	run=$(newest)
	same "$(state "$run")" waiting
	is_status 0 muster answer "$run" budget extend 5
	is_status 0 muster resume "$run"
	out_has "ticked"
}

test_escape_sequences_of_agents_do_not_reach_the_terminal()
{
	mode say <<-'END'
		return function(run) say("\27[31mred\27]0;title\7") return { summary = "ok" } end
	END
	script </dev/null
	is_status 0 muster run say --script script.jsonl --project p
	! grep -q $'\033' out || fail "an escape sequence came through$(shown)"
	out_has 'x1b[31mred'
}

run_tests
