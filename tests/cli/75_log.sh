#!/bin/bash
# shellcheck disable=SC2154  # started: set by the helpers
# What a server writes down about itself.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"


test_lines_name_request_and_run_and_the_file_can_be_moved_away()
{
	local id
	question_mode
	export MUSTER_LOG_FILE=$T/log MUSTER_LOG_JSON=true MUSTER_LOG_AREAS="api=debug"
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	local_call GET "/api/v1/runs/$run"
	id=$(tr -d "\r" <"$T/head" | sed -n 's/^X-Request-Id: //p')
	same "$(jq -r --arg id "$id" 'select(.request==$id)|.message' log)" "GET /api/v1/runs/$run"
	same "$(jq -r --arg id "$id" 'select(.request==$id)|.run' log)" "$run"
	local_call GET /api/v1/runs/none
	same "$status" 404
	same "$(jq -r 'select(.level=="info" and .area=="api")|.message' log)" 'GET /api/v1/runs/none: there is no run none; muster runs lists them'
	mv log moved
	kill -HUP "$started"
	wait_for 20 test -e log
	local_call GET "/api/v1/runs/$run"
	same "$(jq -r 'select(.request)|.run' log)" "$run"
	same "$(cat bg.err)" ""
	kill -TERM "$started"
	ended || fail "exit status $?"
}

test_what_the_settings_cannot_mean_is_said()
{
	is_status 2 muster runs --option log.areas=api=loud
	err_has 'log.areas (command line): "api=loud" is no area and level'
	is_status 2 muster runs --option log.areas=apj=debug
	err_has 'log.areas (command line): the log has no area "apj"; there are: accounts, api, '
	is_status 2 muster serve --listen 127.0.0.1:0 --option "log.file=$T/not/there"
	err_has 'log.file: '
}

# The table of areas is what the sources write.
test_every_area_of_the_log_is_known()
{
	tr '\n\t' '  ' < <(cat "$SOURCE"/src/*/*.c) | grep -oE '\blog_(debug|info|warn|error|write|write_about)\( *(LOG_[A-Z]+, *)?"[a-z]+"' |
		grep -oE '"[a-z]+"' | tr -d '"' | sort -u >used
	[ "$(wc -l <used)" -gt 10 ] || fail "the sources were not understood: $(cat used)"
	is_status 2 muster runs --option log.areas=none=debug
	sed -n 's/.*there are: //p' err | tr -d ' ' | tr ',' '\n' | sort -u >known
	cmp used known || fail "areas: $(diff used known)"
}

run_tests
