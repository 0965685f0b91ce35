#!/bin/bash
# Verbs about muster itself: help, completion, modes, roles, doctor, version, demo.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

verbs()
{
	muster describe | jq -r '.verbs[].name'
}

test_every_verb_has_help()
{
	local verb
	for verb in $(verbs); do
		is_status 0 muster "$verb" --help
		out_has "usage: muster $verb"
		is_status 0 muster help "$verb"
	done
	[ ! -e "$MUSTER_DATA" ]
	is_status 0 muster --help
	for verb in $(verbs); do
		out_has "$verb"
	done
}

test_every_verb_refuses_unknown_options_and_words()
{
	local verb
	for verb in $(verbs); do
		is_status 2 muster "$verb" --frobnicate
		err_has "frobnicate"
		is_status 2 muster "$verb" --hlep
		err_has '"help"'
	done
	is_status 2 muster
	is_status 2 muster runs extra
	is_status 2 muster pause
}

test_a_mistyped_verb_gets_the_nearest()
{
	is_status 2 muster rusume
	err_has 'did you mean "resume"'
}

test_version()
{
	is_status 0 muster version
	out_has "muster 0."
	cp out version
	is_status 0 muster --version
	cmp out version
}

test_completion_of_bash_completes()
{
	is_status 0 muster completion bash
	mv out completion.bash
	# shellcheck disable=SC2016
	is_status 0 bash -c '. ./completion.bash; COMP_WORDS=(muster re); COMP_CWORD=1; _muster; echo "${COMPREPLY[@]}"
		COMP_WORDS=(muster run --unat); COMP_CWORD=2; _muster; echo "${COMPREPLY[@]}"'
	out_has "resume redirect rename replay"
	out_has "--unattended"
	is_status 0 muster completion zsh
	out_has "#compdef muster"
	is_status 0 muster completion fish
	out_has "complete -c muster"
	is_status 2 muster completion tcsh
	err_has bash
}

test_modes_lists_and_shows()
{
	is_status 0 muster modes --names
	out_has one_shot
	is_status 0 muster modes --json
	json_is 'map(.id) | index("build") != null' true
	is_status 0 muster modes one_shot
	out_has "--input task="
	is_status 2 muster modes one-shot
	err_has "one_shot"
}

test_a_mode_dropped_in_is_there()
{
	mode mine <<<'return function() end'
	is_status 0 muster modes
	out_has "mine "
	is_status 0 muster roles --json
	json_is 'map(select(.id == "worker" and .mode == "mine")) | length' 1
	printf 'id: worse\nname: [\n' >"$MUSTER_DATA/modes/mine/mode.yaml"
	is_status 0 muster modes
	out_has broken
	out_has one_shot
}

test_roles_lists_shared_ones_and_those_of_modes()
{
	is_status 0 muster roles
	out_has engineer
	is_status 0 muster roles --json
	json_is 'map(select(.error)) | length' 0
	json_is 'map(select(.id == "coder")) | .[0].mode' build
}

test_doctor_reports()
{
	run muster doctor || [ $? = 4 ] || fail "exit status$(shown)"
	out_has "sandbox"
	out_has "$MUSTER_DATA"
	run muster doctor --json || true
	json_is '.checks | map(.part) | unique | length' 3
	is_status 2 muster doctor --provider anthropic
	err_has ANTHROPIC_API_KEY
	[ ! -e "$MUSTER_DATA" ]
}

test_describe_has_names_and_summaries_everywhere()
{
	is_status 0 muster describe
	json_is '[.routes, .events, .tools, .errors, .verbs] | flatten | all((.name | length > 0) and (.summary | length > 0))' true
	json_is '.modes | map(.id) | index("build") != null' true
	json_is '.roles | map(.id) | index("engineer") != null' true
	json_is '.options | all(.name | length > 0)' true
	json_is '[.events, .tools] | flatten | all(.schema.type == "object")' true
}

test_demo_names_a_missing_recording()
{
	is_status 2 muster demo --recording nothing.jsonl
	err_has nothing.jsonl
}

test_demo_plays_a_recording()
{
	asking_mode
	{
		echo '{"recording":{"v":1,"mode":"asking","inputs":{"task":"x"},"model":"m","date":"2026-11-20","prices":{"input":1,"output":1}}}'
		echo '{"match":{"action":"start"},"answer":"approve"}'
		echo '{"match":{"action":"colour"},"answer":"blue"}'
	} >recording.jsonl
	is_status 0 muster demo --recording recording.jsonl --project p
	file_has p/colour.txt blue
	out_has "muster show $(newest) --data $MUSTER_DATA"
}

run_tests
