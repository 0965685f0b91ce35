# A gate, a question, a file and a command: all that a flow does without an agent.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
more=(--yes all --answer colour=red)

prepare()
{
	asking_mode
}

scenario()
{
	muster run asking --script script.jsonl --project p "${more[@]}"
}

after()
{
	whole < <(asked red)
}
