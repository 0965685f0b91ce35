#!/bin/bash
# shellcheck disable=SC2154  # started, run: set by the helpers
# What the machine does to the program: it stops, its clock is set, its disk is full of bytes or of files, the program stands still.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

# --- the machine stops: nothing of a working copy is synced, so its files may be anything ---

# A run that waits between two writes, in a copy with an agent's branch.
waiting_run()
{
	mode writes <<-'END'
		return function(run)
		  write("first/one.txt", "one\n")
		  local answer = ask { name = "colour", title = "Which colour?", options = { "red", "blue" } }
		  write("second.txt", answer.option .. "\n")
		  local did = exec { command = "cat first/one.txt second.txt >both.txt && git status --short" }
		  return { summary = did.output }
		end
	END
	script </dev/null
	is_status 3 muster run writes --script script.jsonl --project p
	run=$(newest)
	copy=$(echo "$MUSTER_DATA"/copies/*"$run")
	[ -f "$copy/first/one.txt" ] || fail "$copy/first/one.txt is not there"
}

goes_on()
{
	is_status 0 muster resume "$run" --answer colour=red
	same "$(git -C p show HEAD:both.txt)" "one"$'\n'"red" "the committed file"
	same "$(cat p/first/one.txt)" one "the file in the project"
	is_status 0 muster replay "$run"
	is_status 0 muster verify
}

test_after_the_machine_stopped_a_copy_is_made_again()
{
	waiting_run
	: >"$copy/first/one.txt"
	echo stray >"$copy/stray"
	: >"$copy.git/HEAD"
	echo another >"$copy.git/boot"
	goes_on
	! git -C p cat-file -e HEAD:stray 2>git.err || fail "what the power cut left was committed"
}

test_after_the_machine_stopped_a_copy_may_be_gone()
{
	waiting_run
	rm -rf "$copy" "$copy.git" "$copy.home"
	goes_on
}

test_while_the_machine_runs_a_persons_edit_of_a_copy_is_kept()
{
	waiting_run
	echo edited >"$copy/edited"
	is_status 0 muster resume "$run" --answer colour=red
	same "$(git -C p show HEAD:edited)" edited "the person's file"
}

# --- its clock is set ---

# faked command…: it sees the time that the file `clock` says (faketime's words), others do not.
faked()
{
	local lib=
	for lib in /usr/lib/*/faketime/libfaketimeMT.so.1; do :; done
	[ -f "$lib" ] || skip "faketime is not installed (scripts/install check)"
	timeout --kill-after=5 "$TIME_LIMIT" env ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" LD_PRELOAD="$lib" FAKETIME_TIMESTAMP_FILE="$T/clock" FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 \
		FAKETIME_DONT_RESET=1 "$MUSTER" "$@"
}

# It takes seconds; at each STEP of the clock in its middle it goes on as if nothing was.
stepped()
{
	slow_mode
	echo +0 >clock
	faked run slow --script script.jsonl --project p --json >bg.out 2>bg.err 3>&- &
	started=$!
	echo "$started" >>"$T.pids"
	wait_for 20 grep -qs 'tool.finished' bg.out
	echo "$1" >clock
	wait_for 20 grep -qs "$2" bg.out
	ended || fail "the run whose clock was set by $1: exit status $?: $(cat bg.err)"
	run=$(newest)
	same "$(state "$run")" completed
	same "$(git -C p show HEAD:ticks | tail -n 1)" "tick 10"
	is_status 0 muster show "$run"
	is_status 0 muster log "$run"
	is_status 0 muster replay "$run"
	is_status 0 muster verify
	# Another run, with the right clock: that the journal knows other times is no harm.
	is_status 0 muster run slow --script script.jsonl --project p2
	is_status 0 muster verify
}

test_the_clock_is_set_ten_years_ahead()
{
	stepped +3650d '"at":21[0-9]*'
}

test_the_clock_is_set_back_ten_years()
{
	stepped -3650d '"at":14[0-9]*'
}

# A deadline is a moment of the clock; waiting for it is not.
test_a_deadline_holds_over_a_step_of_the_clock()
{
	mode naps <<-'END'
		return function(run) sleep(2); return { summary = "slept" } end
	END
	script </dev/null
	echo -3650d >clock
	faked run naps --script script.jsonl --project p --json >bg.out 2>bg.err 3>&- &
	started=$!
	echo "$started" >>"$T.pids"
	wait_for 20 grep -qs 'flow.step' bg.out
	echo +3650d >clock
	wait_for 30 grep -qs 'run.completed' bg.out
	ended || fail "exit status $?: $(cat bg.err)"
	is_status 0 muster replay "$(newest)"
}

# Set back while nobody works on the run: it sleeps as long as it was to, not until the clock is there again.
test_a_sleep_ends_although_the_clock_was_set_back_meanwhile()
{
	mode naps <<-'END'
		return function(run) sleep(3); return { summary = "slept" } end
	END
	script </dev/null
	start muster run naps --script script.jsonl --project p --json
	wait_for 20 grep -qs 'flow.step' bg.out
	kill -9 "$started"
	ended 2>/dev/null || true
	echo -3650d >clock
	run=$(newest)
	TIME_LIMIT=40 faked resume "$run" >out 2>err || fail "exit status $? of going on$(shown)"
	same "$(state "$run")" completed
	is_status 0 muster replay "$run"
}

# --- it stands still ---

test_a_program_that_stood_still_goes_on()
{
	slow_mode
	start muster run slow --script script.jsonl --project p
	began
	kill -STOP "$started"
	sleep 3
	is_status 0 muster runs
	out_has slow
	kill -CONT "$started"
	ended || fail "exit status $?: $(cat bg.err)"
	same "$(state "$run")" completed
	same "$(git -C p show HEAD:ticks | tail -n 1)" "tick 10"
	is_status 0 muster replay "$run"
}

# --- its disk is full ---

# small SIZE INODES: the folder `small` is a file system of its own.
small()
{
	[ "$(id -u)" = 0 ] || skip "only root can mount a file system of its own"
	mkdir -p small
	mount -t tmpfs -o "size=$1,nr_inodes=$2,mode=755" tmpfs small 2>mount.err || skip "no tmpfs can be mounted here: $(cat mount.err)"
	trap 'umount -l "$T/small"' EXIT
	export MUSTER_DATA=$T/small/data
}

# filled COMMAND…: a run there, while the room is taken away by the command; it stops and says so, it can be read, and with
# room again it goes on.
filled()
{
	local run freed
	slow_mode
	start muster run slow --script script.jsonl --project p
	began
	"$@"
	! ended || fail "a run on a full disk ended as if nothing was"
	grep -qi "no space\|disk is full\|quota" bg.err bg.out || fail "the full disk is not named: $(cat bg.err)"
	is_status 0 muster runs
	out_has "$run"
	is_status 0 muster show "$run"
	is_status 0 muster log "$run"
	rm -rf small/filler*
	freed=$EPOCHREALTIME
	start muster resume "$run" --json
	wait_for 30 grep -q '"seq":[0-9]' bg.out
	echo "resumed $(((${EPOCHREALTIME/./} - ${freed/./}) / 1000)) ms after there was room" | tee -a "${FIGURES:-/dev/null}" >figures
	ended || fail "with room again: exit status $?: $(cat bg.err)"
	same "$(state "$run")" completed
	# Commands of the agent may have been told of the full disk.
	muster log "$run" --json >told
	grep -q "No space" told || same "$(git -C p show HEAD:ticks | tail -n 1)" "tick 10"
	is_status 0 muster replay "$run"
	is_status 0 muster verify
}

fill_bytes()
{
	head -c 100M /dev/zero >small/filler 2>filling.err || true
}

fill_inodes()
{
	local i=0
	while : >"small/filler$i"; do
		i=$((i + 1))
	done 2>filling.err
}

test_a_disk_without_room()
{
	small 24m 4000
	filled fill_bytes
}

test_a_disk_without_inodes()
{
	small 64m 300
	filled fill_inodes
}

run_tests
