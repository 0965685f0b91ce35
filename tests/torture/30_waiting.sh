# Answering a run that waits while nobody owns the folder.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
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

# Who cannot know whether the answer was taken answers again; that it was taken is no harm.
recovery()
{
	[ "$(state "$(cat id)")" != completed ] || return 0
	[ -e taken ] || scenario || muster show "$(cat id)" | grep -q red
	muster resume "$(cat id)"
}

after()
{
	! $said_done || touch taken
	said_done=false
	whole < <(asked red)
}
