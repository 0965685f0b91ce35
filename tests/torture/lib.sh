# What scenarios share; sourced by point behind tests/cli/lib.sh and tests/cli/flows.sh.
# shellcheck shell=bash

# True when the tortured command ended with success: what it was to do must be there.
said_done=false

# What `muster resume` is given besides the run.
more=()

# recovery: what a person does after a stop: the command once more when it made no run, else going on with the newest.
recovery()
{
	local run
	run=$(newest)
	if [ -z "$run" ]; then
		scenario
	elif [ "$(state "$run")" != completed ]; then
		muster resume "$run" "${more[@]}"
	fi
}

# whole: the newest run is brought to its end, where it is what an undisturbed one is, as told by `facts` and given on
# standard input; it can be replayed, and the journal is whole. Sets $run. An undisturbed one also has no lost calls and none that
# ended in error: they are there for all to see, and what agents then do differs. A run that failed because its flow or
# an agent was told of a fault can be forked from its beginning instead, or is begun anew.
whole()
{
	local status=0
	if $said_done; then
		same "$(state "$(newest)")" completed "the state that was told"
	fi
	recovery >"$T/out" 2>"$T/err" || status=$?
	run=$(newest)
	if [ $status != 0 ] && [ "$(state "$run")" = failed ]; then
		muster fork "$run" --at "$(beginning "$run")" >"$T/out" 2>"$T/err" || err_has "was never quiet"
		if [ "$(newest)" = "$run" ]; then
			scenario >"$T/out" 2>"$T/err" || fail "another run: exit status $?$(shown)"
		else
			is_status 0 muster resume "$(newest)" "${more[@]}"
			muster merge "$(newest)" >"$T/out" 2>"$T/err" || err_has "nothing was merged"
		fi
		run=$(newest)
	elif [ $status != 0 ]; then
		fail "exit status $status of going on$(shown)"
	fi
	same "$(state "$run")" completed "the state of $run"
	if log_has "$run" '.data.key == "end.land" and .data.ok == false'; then
		is_status 0 muster merge "$run"
	fi
	facts "$run" >"$T/facts"
	if ! troubled "$run"; then
		diff - "$T/facts" >"$T/differs" || fail "the run is not what an undisturbed one is: $(cat "$T/differs")"
	fi
	is_status 0 muster replay "$run"
	is_status 0 muster verify
}

# beginning RUN: the last event of it before anything was done. (Before a model was asked is not enough: what the flow wrote may
# have gone with the power.)
beginning()
{
	muster log "$1" --json | jq -s 'map(select(.type == "flow.step" or .type == "action.resolved"))[0].seq // 2 | . - 1'
}

# log_has RUN CONDITION: it has such an event.
log_has()
{
	[ -n "$(muster log "$1" --json | jq "select($2)")" ]
}

# troubled RUN: something in it says openly that it failed.
troubled()
{
	log_has "$1" '.data.status == "error" or (.data.value | .lost?) == true or (.data.ok == false and .data.key != "end.land")
		or (.type == "run.recovered" and (.data.lost // [] | any(startswith("snap:"))))'
}

# facts RUN: what a person would look at, one thing a line.
facts()
{
	told "$1" | cut -c -100
	muster log "$1" --json | jq -r '
		if .type == "run.phase" then "phase \(.data.name)"
		elif .type == "action.opened" then "\(.data.kind) \(.data.name)"
		elif .type == "action.resolved" then "decided \(.data.option // .data.text)"
		elif .type == "agent.finished" then "agent \(.data.agent) \(.data.status)"
		elif .type == "flow.result" and .data.value.exit? then "exit \(.data.value.exit)"
		elif .type == "run.completed" then "evidence \(.data.evidence)"
		else empty end' | sort
	spent "$1"
	git -C p log --format='commit %s' | sed 's/muster.[0-9a-f]*$/its branch/' | sort
	git -C p grep -I -h -e '' HEAD | cut -c -100
	git -C p ls-files
}

# asked COLOUR: the facts of a run of the mode `asking` that was told this colour, its project having red.
asked()
{
	cat <<-END
		decided approve
		decided $1
		evidence unchecked
		exit 0
		gate start
		phase gate
		phase question
		question colour
		0 answers, 0
		commit Test mode asking
		red
		colour.txt
	END
}
