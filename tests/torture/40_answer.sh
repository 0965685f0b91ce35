# Answering while nobody owns the folder.
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
	muster answer "$(cat id)" colour red
}

after()
{
	is_status 0 muster verify
	is_status 0 muster resume "$(cat id)" --answer colour=red
	file_has p/colour.txt red
}
