# A fork of a finished run from its question, which is then answered otherwise.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
more=(--answer colour=blue)

prepare()
{
	asking_mode
	is_status 0 muster run asking --script script.jsonl --project p --yes all --answer colour=red
	newest >id
	muster log "$(cat id)" --type action.opened --json | jq .seq | tail -n 1 >seq
}

scenario()
{
	muster fork "$(cat id)" --at "$(cat seq)"
}

recovery()
{
	[ "$(newest)" != "$(cat id)" ] || scenario
	[ "$(state "$(newest)")" = completed ] || muster resume "$(newest)" "${more[@]}"
}

after()
{
	! $said_done || [ "$(newest)" != "$(cat id)" ] || fail "there is no fork"
	said_done=false
	whole < <(asked blue)
	file_has p/colour.txt red # the fork has a branch of its own
	is_status 0 muster diff "$run"
	out_has "+blue"
}
