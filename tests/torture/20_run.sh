# A run with a gate, a question, a file and a command, from its creation to its end.
# shellcheck shell=bash source=/dev/null
. "$SOURCE/tests/cli/flows.sh"

prepare()
{
	asking_mode
}

scenario()
{
	muster run asking --script script.jsonl --project p --yes all --answer colour=red
}

# Whatever happened: the run, if there is one, can be brought to its end, or forked when its flow has failed, and the
# journal is whole.
after()
{
	local run
	run=$(newest)
	[ -n "$run" ] || return 0
	if [ "$(state "$run")" = failed ] && ! muster resume "$run" --yes all --answer colour=red; then
		is_status 0 muster fork "$run" --at "$(muster log "$run" --type action.resolved --json | head -n 1 | jq '.seq - 1')"
		run=$(newest)
	fi
	[ "$(state "$run")" = completed ] || is_status 0 muster resume "$run" --yes all --answer colour=red
	is_status 0 muster diff "$run"
	out_has "+red"
	is_status 0 muster replay "$run"
	is_status 0 muster verify
}
