# What every test of the command line stands on. A test file is tests/cli/NN_name.sh:
#
#	#!/bin/bash
#	. "$(dirname "$0")/lib.sh"
#	test_unknown_verb_is_a_usage_error()
#	{
#		is_status 2 muster frobnicate
#		err_has "frobnicate"
#	}
#	run_tests
#
# Every function test_* is one test, in the order of the file. It runs in a subshell, in an empty folder $T that is also
# HOME and holds the data folder $MUSTER_DATA; the first check or command that fails ends it. What it started is killed at
# its end, $T is removed when it passed and kept below build-check/cli/ when it failed. Standard input is empty unless redirected.
# MUSTER is the program (default build/muster), MUSTER_SEED seeds $RANDOM, $SOURCE is the repository.
# shellcheck shell=bash

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export MUSTER=${MUSTER:-$SOURCE/build/muster}
KEPT=$SOURCE/build-check/cli
TIME_LIMIT=${TIME_LIMIT:-60} # seconds, of one command
. "$SOURCE/scripts/env"

# --- checks: each ends the test when it does not hold ---

# fail MESSAGE: end this test as failed.
fail()
{
	echo "$*" >&3
	exit 1
}

# skip REASON: end this test as skipped; only for what this machine cannot do.
skip()
{
	echo "$*" >"$T.skip"
	exit 0
}

# is_status N command…: run the command to its end; its exit status must be N. Output: $T/out and $T/err.
is_status()
{
	local wanted=$1 status=0
	shift
	run "$@" || status=$?
	[ "$status" = "$wanted" ] || fail "exit status $status instead of $wanted: $*$(shown)"
}

# run command…: run it with the time limit; output to $T/out and $T/err; returns its exit status.
run()
{
	local command=$1
	shift
	[ "$command" = muster ] && command=$MUSTER
	timeout --kill-after=5 "$TIME_LIMIT" "$command" "$@" >"$T/out" 2>"$T/err"
}

# muster …: the program itself, for pipelines and substitutions.
muster()
{
	timeout --kill-after=5 "$TIME_LIMIT" "$MUSTER" "$@"
}

shown()
{
	printf '\n--- out\n%s\n--- err\n%s' "$(head -c 4000 "$T/out")" "$(head -c 4000 "$T/err")"
}

# out_has TEXT / out_lacks TEXT / err_has TEXT: about the last is_status or run.
out_has()
{
	grep -qF -e "$1" "$T/out" || fail "the output lacks: $1$(shown)"
}

out_lacks()
{
	! grep -qF -e "$1" "$T/out" || fail "the output has: $1$(shown)"
}

err_has()
{
	grep -qF -e "$1" "$T/err" || fail "the error output lacks: $1$(shown)"
}

# json_get FILTER [FILE]: what the jq filter gives for the last output (JSON or NDJSON), as raw text.
json_get()
{
	jq -r "$1" "${2:-$T/out}" 2>"$T/jq" || fail "jq '$1': $(cat "$T/jq")$(shown)"
}

# json_is FILTER VALUE [FILE]
json_is()
{
	same "$(json_get "$1" "${3:-$T/out}")" "$2" "$1"
}

# same IS WANTED [WHAT]
same()
{
	[ "$1" = "$2" ] || fail "${3:-value} is '$1' instead of '$2'"
}

# file_has FILE TEXT
file_has()
{
	[ -f "$1" ] || fail "$1 does not exist"
	grep -qF -e "$2" "$1" || fail "$1 lacks: $2"
}

# --- processes ---

# start command…: in the background; its pid is $started, its output $T/bg.out and $T/bg.err.
start()
{
	local command=$1
	shift
	[ "$command" = muster ] && command=$MUSTER
	"$command" "$@" >"$T/bg.out" 2>"$T/bg.err" </dev/null 3>&- &
	started=$!
	echo "$started" >>"$T.pids"
}

# ended: wait for $started; returns its exit status.
ended()
{
	wait "$started"
}

# random LOW HIGH: $chosen becomes a number between them, both included, from the seed.
random()
{
	chosen=$(($1 + (RANDOM * 32768 + RANDOM) % ($2 - $1 + 1)))
}

# kill_between LOW HIGH: kill -9 $started after so many milliseconds, or let it end by itself before.
# Returns 0 when it was killed, 1 when it had ended.
kill_between()
{
	local status=0
	random "$1" "$2"
	echo "kill -9 $started after $chosen ms" >>"$T/kills"
	sleep "$((chosen / 1000)).$(printf %03d $((chosen % 1000)))"
	kill -9 "$started" 2>/dev/null || true
	ended 2>/dev/null || status=$?
	[ "$status" = 137 ]
}

# wait_for SECONDS command…: until the command succeeds; fails the test when it does not in time.
wait_for()
{
	local until=$((SECONDS + $1)) seconds=$1
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || fail "not within $seconds s: $*"
		sleep 0.05
	done
}

# --- running the tests of a file ---

run_tests()
{
	local file number=0 bad=0 name tests seed set status
	file=$(basename "$0" .sh)
	seed=${MUSTER_SEED:-1}
	mapfile -t tests < <(sed -n 's/^\(test_[a-z0-9_]*\)().*/\1/p' "$0")
	if [ -n "${ONLY:-}" ]; then
		mapfile -t tests < <(printf '%s\n' "${tests[@]}" | grep -e "$ONLY")
	fi
	[ ${#tests[@]} -gt 0 ] || { echo "$file: no function test_*" >&2; exit 2; }
	[ -x "$MUSTER" ] || { echo "$file: $MUSTER does not exist; build it with: make build" >&2; exit 2; }
	# What a person has set for the program is not for tests, above all keys: none may ask a real model.
	mapfile -t set < <(compgen -e | grep -E '_API_KEY$|_BASE_URL$|^XDG_|^MUSTER_(BUDGET|CA|CONFIG|FAULT|KEY|LOG|MODEL|STORE|URL|VAULT)')
	unset "${set[@]}"
	echo "1..${#tests[@]}"
	for name in "${tests[@]}"; do
		number=$((number + 1))
		T=$(mktemp -d "${TMPDIR:-/tmp}/muster-cli.XXXXXX")
		(
			set -eE
			trap 'echo "line $LINENO: failed: $BASH_COMMAND" >&3' ERR
			export HOME=$T MUSTER_DATA=$T/data T
			RANDOM=$seed
			cd "$T"
			"$name"
		) </dev/null 3>"$T.why"
		status=$?
		[ ! -s "$T.why" ] || [ $status != 0 ] || status=1 # a check failed inside $(…)
		finish "$file" "$name" "$number" "$status" "$seed" || bad=1
	done
	exit $bad
}

# end_left: end what the test left running, in good order (so that leaks are looked for, and lines counted), but soon.
end_left()
{
	local pid try left signal
	for try in {1..60}; do
		left=
		signal=0
		[ "$try" != 1 ] || signal=TERM
		[ "$try" != 20 ] || signal=TERM # the second one ends what waits for its work
		[ "$try" != 60 ] || signal=KILL
		while read -r pid; do
			grep -qs '^State:.[^Z]' "/proc/$pid/status" || continue # gone, or only not yet waited for
			kill "-$signal" "$pid" 2>/dev/null && left=yes
		done <"$T.pids"
		[ -n "$left" ] || return 0
		sleep 0.05
	done
}

# finish FILE NAME NUMBER STATUS SEED: end what is left, print the TAP line, keep or remove the folder.
finish()
{
	local kept=$KEPT/$1-${2#test_} text=${2#test_}
	[ ! -f "$T.pids" ] || end_left
	if [ -f "$T/bg.err" ] && [ "$4" = 0 ] && grep -E 'ERROR: [A-Za-z]*Sanitizer|runtime error:' "$T/bg.err" >"$T.why"; then
		set -- "$1" "$2" "$3" 1 "$5"
	fi
	text=${text//_/ }
	if [ -f "$T.skip" ]; then
		echo "ok $3 - $text # SKIP $(cat "$T.skip")"
	elif [ "$4" = 0 ]; then
		echo "ok $3 - $text"
	else
		mkdir -p "$KEPT"
		rm -rf "$kept"
		cp -a "$T" "$kept" 2>/dev/null
		echo "not ok $3 - $text"
		sed 's/^/# /' "$T.why"
		echo "# exit status $4 of the test; seed $5; its folder is kept: ${kept#"$SOURCE"/}"
	fi
	rm -rf "$T" "$T.why" "$T.pids" "$T.skip"
	return "$4"
}
