#!/bin/bash
# Runs that wait for people: exit statuses, actions, answers, --yes, --answer, interactive prompts.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

waiting()
{
	asking_mode
	is_status 3 muster run asking --script script.jsonl --project p
	run=$(newest)
}

test_unattended_it_stays_open_and_exits_with_3()
{
	waiting
	out_has "Shall it begin?"
	out_has "muster answer $run a1 approve"
	out_has "muster resume $run"
	same "$(state "$run")" waiting
	is_status 0 muster actions --json
	json_is 'length' 1
	json_is '.[0].name' start
	json_is '.[0].kind' gate
	is_status 0 muster actions
	out_has "Shall it begin?"
	is_status 0 muster actions "$run"
	out_has "the plan"
	out_has "approve, revise"
}

test_answers_are_taken_up_by_resume()
{
	waiting
	is_status 0 muster answer "$run" start approve
	out_has "muster resume $run"
	is_status 0 muster actions
	out_has "nothing to decide"
	is_status 3 muster resume "$run"
	out_has "Which colour?"
	is_status 0 muster answer "$run" colour 2
	is_status 0 muster resume "$run"
	out_has "completed"
	file_has p/colour.txt blue
	is_status 0 muster replay "$run"
	is_status 0 muster verify
	is_status 0 muster show "$run"
	out_has "blue"
}

test_wrong_answers_are_refused()
{
	waiting
	is_status 2 muster answer "$run" a1 approved
	err_has approve
	is_status 2 muster answer "$run" a9 approve
	err_has a9
	is_status 2 muster answer "$run" a1
	is_status 2 muster answer nosuchrun a1 approve
	err_has nosuchrun
	is_status 0 muster answer "$run" a1 approve
	is_status 3 muster resume "$run"
	is_status 4 muster answer "$run" a1 approve
	err_has "resolved"
}

test_a_gate_is_revised_with_a_reason()
{
	waiting
	is_status 0 muster answer "$run" start revise --text "too soon"
	is_status 0 muster resume "$run"
	out_has "revised: too soon"
}

test_yes_approves_gates_and_nothing_else()
{
	asking_mode
	is_status 3 muster run asking --script script.jsonl --project p --yes all
	out_has "Which colour?"
	out_lacks "muster answer $(newest) a1"
	is_status 3 muster run asking --script script.jsonl --project p2 --yes start
	out_has "Which colour?"
}

test_answer_flags_answer_by_name()
{
	asking_mode
	is_status 0 muster run asking --script script.jsonl --project p --yes start --answer colour=red
	file_has p/colour.txt red
	is_status 0 muster run asking --script script.jsonl --project p2 --answer start=approve --answer "colour=a dark green"
	file_has p2/colour.txt "a dark green"
	is_status 0 muster run asking --script script.jsonl --project p3 --answer "start=revise: not so"
	out_has "revised: not so"
}

test_a_script_answers_too()
{
	asking_mode
	{
		echo '{"match":{"action":"start"},"answer":"approve"}'
		echo '{"match":{"action":"colour"},"answer":"red"}'
	} | script
	is_status 0 muster run asking --script script.jsonl --project p
	file_has p/colour.txt red
}

test_gates_are_switched_on_again_in_a_resumed_run()
{
	waiting
	is_status 0 muster resume "$run" --yes all --answer colour=blue
	file_has p/colour.txt blue
}

test_a_final_run_cannot_be_resumed()
{
	asking_mode
	is_status 0 muster run asking --script script.jsonl --project p --yes all --answer colour=red
	is_status 2 muster resume "$(newest)"
	err_has "muster fork"
	is_status 2 muster cancel "$(newest)"
	err_has completed
}

# typed LINES command…: the command on a pseudo-terminal, with these lines typed.
typed()
{
	local lines=$1
	shift
	{
		sleep 2
		printf '%b' "$lines" | while IFS= read -r line; do
			printf '%s\n' "$line"
			sleep 1.5
		done
		sleep 1
	} | TERM=xterm timeout 50 script -qec "$(printf '%q ' "$@")" /dev/null >"$T/out" 2>"$T/err"
}

# What stands in the way of the result in the person's folder stays, and how to get the result is said.
test_a_result_that_cannot_land_says_how_to_merge_it()
{
	waiting
	echo mine >p/colour.txt
	is_status 0 muster resume "$run" --yes all --answer colour=blue
	out_has "muster merge $run"
	out_lacks "git log --stat"
	file_has p/colour.txt mine
	rm p/colour.txt
	is_status 0 muster merge "$run"
	file_has p/colour.txt blue
}

test_on_a_terminal_it_asks()
{
	command -v script >/dev/null || skip "no script(1)"
	asking_mode
	unset -f script
	typed 'approve\nblue\n' "$MUSTER" run asking --script script.jsonl --project p || fail "exit status $?$(shown)"
	out_has "1 approve"
	out_has "Which colour?"
	file_has p/colour.txt blue
}

test_on_a_terminal_words_that_are_no_option_revise_a_gate()
{
	command -v script >/dev/null || skip "no script(1)"
	asking_mode
	unset -f script
	typed 'smaller please\n' "$MUSTER" run asking --script script.jsonl --project p || fail "exit status $?$(shown)"
	out_has "revised: smaller please"
}

run_tests
