#!/bin/bash
# shellcheck disable=SC2154,SC2317  # started, run, out: set by the helpers
# A data folder copied while it is at work, and made again of the copy.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# A run that writes and commits, step after step, without a model.
busy_mode()
{
	mode asking <<-'END'
		return function(run)
		  for i = 1, 60 do
		    write("step.txt", run.inputs.task .. " " .. i .. " " .. now() .. "\n") -- another content each time it is done
		    commit { message = "step " .. i }
		    if i == 3 then phase "going" end
		    sleep(0.05)
		  end
		  return { summary = "done" }
		end
	END
	script </dev/null
}

# begin_busy N: sets $run. Its project takes a while to be copied, so that the runs are ahead of the journal's copy by then.
begin_busy()
{
	local_call POST /api/v1/projects -d "{\"name\": \"P$1\", \"requirements\": \"$1\"}"
	same "$status" 201 "status ($(cat out))"
	seq 1500 | (cd "$(json_get .dir)" && split -l 1 -a 4)
	begin_run "{\"mode\":\"asking\",\"project\":\"$(json_get .id)\",\"model\":\"script:$T/script.jsonl\",\"inputs\":{\"task\":\"$1\"}}"
}

stop()
{
	kill -TERM "$started"
	ended || fail "the server's exit status ($(cat bg.err))"
}

has_gone_on()
{
	[ "$(curl -sS --unix-socket "$MUSTER_DATA/sock" "http://muster/api/v1/runs/$run" | jq -r .phase)" = going ]
}

# is_prefix RUN OF IN: RUN's events in the data folder IN are the beginning of those in OF; how many: $count.
is_prefix()
{
	muster log "$1" --json --data "$2" >all
	muster log "$1" --json --data "$3" >part
	count=$(wc -l <part)
	head -n "$count" all | cmp - part || fail "the events of $1 are not the first $count of $2"
}

test_a_backup_under_load_is_a_prefix_with_which_work_goes_on()
{
	local first second clients=() n r
	busy_mode
	serving
	begin_busy one
	first=$run
	begin_busy two
	second=$run
	wait_for 30 has_gone_on
	for n in 1 2; do
		while curl -sS --max-time 20 --unix-socket "$MUSTER_DATA/sock" -o /dev/null -H 'Content-Type: application/json' \
			-d '{"name": "Q", "requirements": "x"}' http://muster/api/v1/projects 2>/dev/null; do :; done &
		clients+=($!)
	done
	is_status 0 muster backup "$T/kept"
	out_has "backed up $MUSTER_DATA to $T/kept"
	[ ! -e "$T/kept.incomplete" ] || fail "something is left beside it"
	is_status 0 muster verify --data "$T/kept"
	stop
	kill "${clients[@]}" 2>/dev/null || true
	wait "${clients[@]}" || true
	mv "$MUSTER_DATA" gone
	is_status 0 muster restore kept
	out_has "verified"
	is_status 0 muster verify
	for r in "$first" "$second"; do
		is_prefix "$r" gone "$MUSTER_DATA"
		[ "$count" -gt 5 ] || fail "only $count events of $r"
	done
	serving
	for run in "$first" "$second"; do
		wait_for 60 state_is completed
	done
	for n in "$MUSTER_DATA"/projects/*/.git; do # one that was just being made has none
		git -C "$n" fsck --no-dangling --no-progress >git.out 2>&1 || fail "$n: $(cat git.out)"
	done
	stop
	for r in "$first" "$second"; do
		same "$(muster log "$r" --json | jq -r 'select(.type=="flow.result" and .data.ok==false)|.seq' | wc -l)" 0 "failed calls"
		same "$(git -C "$(muster log "$r" --json | jq -r 'select(.type=="run.created")|.data.dir')" log --format=%s "muster/${r: -8}" | head -1)" "step 60"
	done
	is_status 0 muster verify
}

test_what_was_restored_elsewhere_is_looked_at_only()
{
	question_mode
	serving
	begin_run "{\"mode\":\"asking\",\"project\":\"$T/p\",\"model\":\"script:$T/script.jsonl\"}"
	wait_for 20 state_is waiting
	is_status 0 muster backup kept --json
	json_is '.elsewhere[0]' "$T/p"
	stop
	is_status 0 muster restore kept --data "$T/other"
	is_status 0 muster show "$run" --data "$T/other"
	is_status 4 muster serve --data "$T/other" --listen 127.0.0.1:0
	err_has "was restored from a backup of $T/data"
	rm -r "$MUSTER_DATA"
	ln -s "$T/other" "$MUSTER_DATA"
	serving
	wait_for 20 state_is waiting
	answer_red
	wait_for 20 state_is completed
}

answer_red()
{
	is_status 0 muster answer "$run" a1 red
}

test_nothing_is_written_over()
{
	question_mode
	is_status 2 muster backup "$T/kept"
	is_status 3 muster run asking --project p --model "script:$T/script.jsonl"
	mkdir full
	echo mine >full/file
	is_status 2 muster backup full
	err_has "full is not empty"
	is_status 2 muster backup "$MUSTER_DATA/projects/kept"
	err_has "outside of it"
	is_status 0 muster backup kept
	is_status 2 muster backup kept
	is_status 2 muster restore kept --data "$T/full"
	same "$(cat full/file)" mine
	is_status 2 muster restore kept
	err_has "is not empty"
	is_status 2 muster restore full --data "$T/new"
	err_has "full is no backup"
	[ ! -e new ] || fail "something was made"
	echo x >>kept/heads
	is_status 1 muster restore kept --data "$T/new"
	[ ! -e new ] || fail "something was made of a damaged backup"
	[ ! -e new.incomplete ] || fail "something is left of a damaged backup"
}

test_a_backup_that_is_killed_is_whole_or_marked()
{
	local begin whole=0 marked=0 ms
	question_mode
	mkdir -p "$MUSTER_DATA/projects/many"
	seq 2000 | (cd "$MUSTER_DATA/projects/many" && split -l 1 -a 4)
	is_status 3 muster run asking --project "$MUSTER_DATA/projects/many" --model "script:$T/script.jsonl"
	begin=${EPOCHREALTIME/./}
	is_status 0 muster backup kept
	ms=$(((${EPOCHREALTIME/./} - begin) / 1000))
	rm -r kept
	for _ in $(seq 10); do
		start muster backup kept
		if kill_between 0 $((ms * 3 / 2)) && [ -e kept.incomplete ]; then
			[ ! -e kept ] || fail "both are there"
			is_status 2 muster backup kept
			err_has "an interrupted attempt"
			if [ ! -e kept.incomplete/origin ]; then
				is_status 2 muster restore kept.incomplete --data "$T/new"
			fi
			rm -r kept.incomplete
			marked=$((marked + 1))
		elif [ -e kept ]; then
			is_status 0 muster restore kept --data "$T/new"
			same "$(find new/projects/many -type f -name "x*" | wc -l)" 2000
			rm -r kept new
			whole=$((whole + 1))
		fi
	done
	is_status 0 muster backup kept
	[ "$marked" -gt 0 ] || fail "no kill came in the middle ($whole were whole, one takes $ms ms)"
}

run_tests
