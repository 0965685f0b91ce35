#!/bin/bash
# What docs/contracts.md promises of wrong usage and of `muster describe`.
. "$(dirname "$0")/lib.sh"

test_unknown_verb_is_a_usage_error()
{
	is_status 2 muster frobnicate
	err_has "frobnicate"
}

test_unknown_option_is_a_usage_error()
{
	is_status 2 muster describe --frobnicate
	err_has "frobnicate"
}

test_run_needs_a_mode()
{
	is_status 2 muster run
	[ -s "$T/err" ]
}

test_unknown_mode_is_named()
{
	is_status 2 muster run no-such-mode --unattended
	err_has "no-such-mode"
}

test_a_fault_that_is_not_understood_is_refused()
{
	is_status 2 env MUSTER_FAULT=frobnicate:1 "$MUSTER" describe
	err_has "MUSTER_FAULT=frobnicate:1"
}

test_describe_prints_every_table()
{
	local table
	is_status 0 muster describe
	for table in routes events tools options errors verbs modes roles; do
		json_is ".$table | type" array
	done
	for table in events tools errors verbs; do
		json_is ".$table | length > 5 and all(.name | length > 0)" true
	done
}

test_describe_needs_no_data_folder()
{
	is_status 0 muster describe
	[ ! -e "$MUSTER_DATA" ]
}

run_tests
