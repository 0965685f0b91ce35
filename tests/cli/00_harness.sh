#!/bin/bash
# The harness itself: a test that ought to fail does, and says why.
# shellcheck disable=SC2016  # bodies are expanded by the inner shell
. "$(dirname "$0")/lib.sh"

# inner BODY: a test file with this one test, run by itself; its report is in $T/out.
inner()
{
	printf '. %s/tests/cli/lib.sh\ntest_it()\n{\n%s\n}\nrun_tests\n' "$SOURCE" "$1" >inner.sh
	run env -u ONLY bash inner.sh
}

test_a_true_check_passes()
{
	inner 'is_status 0 echo hello; out_has hello; out_lacks bye; json_is .a 1 <(echo "{\"a\":1}")'
	out_has "ok 1 - it"
	out_lacks "not ok"
}

test_every_false_check_fails()
{
	local body
	for body in 'is_status 0 false' 'is_status 1 true' 'is_status 0 echo a; out_has b' 'is_status 0 echo a; out_lacks a' \
		'is_status 0 echo a; err_has a' 'same 1 2' 'file_has nothing x' 'is_status 0 echo "{"; json_is .a ""' \
		'is_status 0 echo "{\"a\":1}"; json_is .a 2' 'wait_for 0 false' 'false; true' 'start sleep 60; kill_between 0 5; ended'; do
		inner "$body" && fail "passed: $body"
		out_has "not ok 1 - it"
	done
}

test_a_command_that_hangs_is_ended()
{
	inner 'TIME_LIMIT=0.2; is_status 0 sleep 30' && fail "passed"
	out_has "exit status 124 instead of 0"
}

test_what_was_started_is_killed_at_the_end()
{
	inner 'start sleep 300; echo "$started" >&4; false' 4>pid && fail "passed"
	[ -s pid ]
	! grep '^State:.*[RS] ' "/proc/$(cat pid)/status" || fail "process $(cat pid) lives on"
}

test_a_skipped_test_says_why()
{
	inner 'skip "no reason"; false'
	out_has "ok 1 - it # SKIP no reason"
}

test_the_seed_decides_what_is_random()
{
	inner 'random 1 1000000; first=$chosen; random 1 1000000; [ $first != $chosen ]; echo $first $chosen >&4; ' 4>first
	inner 'random 1 1000000; first=$chosen; random 1 1000000; echo $first $chosen >&4; ' 4>second
	same "$(cat first)" "$(cat second)"
	[ -s first ]
}

test_what_a_person_has_set_for_muster_is_not_there()
{
	export OPENROUTER_API_KEY=k OPENAI_BASE_URL=u MUSTER_MODEL_NAME=n MUSTER_MODEL=m MUSTER_CONFIG=c MUSTER_BUDGET_USD=1 MUSTER_LOG=debug
	inner 'same "$(env | sed -nE "/^(OPENROUTER|OPENAI|MUSTER_(MODEL|CONFIG|BUDGET|LOG))/p")" ""'
}

run_tests
