# Reading: a run with everything about it.
# shellcheck shell=bash source=/dev/null
. "$SOURCE/tests/cli/flows.sh"

prepare()
{
	asking_mode
	is_status 3 muster run asking --script script.jsonl --project p --yes all
	newest >id
}

scenario()
{
	muster show "$(cat id)"
}

after()
{
	is_status 0 muster verify
	is_status 3 muster resume "$(cat id)"
}
