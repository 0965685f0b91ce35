# Reading: a run with everything about it.
# shellcheck shell=bash source=/dev/null
. "$SOURCE/tests/cli/flows.sh"

prepare()
{
	asking_mode
	is_status 3 muster run asking --script script.jsonl --project p --yes all
}

scenario()
{
	muster show "$(ls "$MUSTER_DATA/copies" | grep -v git)"
}

after()
{
	is_status 0 muster verify
	is_status 3 muster resume "$(newest)"
}
