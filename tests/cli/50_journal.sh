#!/bin/bash
# shellcheck disable=SC2154  # started, run: set by the helpers
# What is kept: log, show, replay, verify, fork, usage; and folders that cannot be used.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

finished()
{
	asking_mode
	is_status 0 muster run asking --script script.jsonl --project p --yes all --answer colour=red
	run=$(newest)
}

test_log_filters()
{
	finished
	is_status 0 muster log "$run" --type run --json
	same "$(jq -r '.type | split(".")[0]' out | sort -u)" run
	is_status 0 muster log "$run" --after 5 --json
	same "$(head -n 1 out | jq .seq)" 6
	is_status 2 muster log "$run" --type run.complete
	err_has 'did you mean "run.completed"'
	is_status 2 muster log "$run" --after x
}

test_runs_are_filtered()
{
	finished
	is_status 3 muster run asking --script script.jsonl --project p2
	is_status 0 muster runs --json
	json_is length 2
	is_status 0 muster runs --state waiting --json
	json_is length 1
	is_status 0 muster runs --limit 1 --json
	json_is length 1
	is_status 2 muster runs --state waitng
	err_has 'did you mean "waiting"'
}

test_runs_are_named_by_parts_of_their_id()
{
	finished
	local id
	id=$(muster runs --json | jq -r '.[0].run')
	is_status 0 muster show "${id: -6}"
	is_status 0 muster show "$id"
	is_status 2 muster show zzzz
	err_has zzzz
}

test_an_empty_folder_has_no_runs()
{
	is_status 0 muster runs
	out_has "no runs"
	is_status 0 muster runs --json
	json_is length 0
	is_status 0 muster actions --json
	json_is length 0
	is_status 0 muster usage --json
	json_is length 0
	is_status 2 muster show abcd
	err_has "$MUSTER_DATA"
	is_status 2 muster verify
	[ ! -e "$MUSTER_DATA" ]
}

test_replay_finds_an_altered_answer()
{
	finished
	is_status 0 muster replay "$run"
	out_has "events match"
	is_status 0 muster verify "$run"
	altered red ned
	is_status 1 muster replay "$run"
	err_has "$run"
}

# No model, no sandbox, no file of the run: all that is gone, and it replays.
test_a_replay_needs_nothing_but_the_journal()
{
	local run
	slow_mode
	{
		call worker write_file '{"path":"a","content":"b"}'
		call worker shell '{"command":"cat a; echo c > d"}'
		call worker finish '{"result":"ok"}'
	} | script
	is_status 0 muster run slow --script script.jsonl --project p
	run=$(newest)
	rm -rf "$MUSTER_DATA/copies" "$MUSTER_DATA/modes" p script.jsonl
	is_status 0 env PATH=/nowhere "$MUSTER" replay "$run"
}

test_verify_finds_an_altered_journal()
{
	finished
	is_status 0 muster verify
	altered red ned
	is_status 1 muster verify
	[ -s "$T/err" ]
}

test_a_fork_begins_at_a_quiet_event()
{
	finished
	local seq fork
	seq=$(muster log "$run" --json --type action.opened | tail -n 1 | jq .seq)
	is_status 0 muster fork "$run" --at "$seq" --json
	json_is '.at <= '"$seq" true
	fork=$(json_get .run)
	same "$(state "${fork: -8}")" paused
	is_status 0 muster resume "$fork" --answer colour=blue
	is_status 0 muster diff "$fork"
	out_has "+blue"
	file_has p/colour.txt red
	is_status 0 muster replay "$fork"
	is_status 0 muster verify
	is_status 2 muster fork "$run" --at 0
}

# Files of the instant come back whoever wrote them: a tool, a command, a command through a memory map.
# What it did at its end, committing and bringing it home, a fork does for itself.
test_a_run_that_has_ended_is_forked()
{
	local run fork
	mode lands <<-'END'
		return function(run)
		  write("one.txt", "one\n")
		  return { summary = ask { name = "last", title = "Anything else?" }.text }
		end
	END
	script </dev/null
	is_status 0 muster run lands --project p --script script.jsonl --answer last=no
	file_has p/one.txt one
	run=$(newest)
	is_status 0 muster fork "$run" --json
	fork=$(json_get .run)
	is_status 0 muster resume "$fork"
	same "$(state "$run")" completed
	same "$(state "${fork: -8}")" completed
	is_status 0 muster replay "$fork"
	is_status 0 muster verify
}

test_a_fork_restores_what_commands_wrote()
{
	local run seq fork map
	command -v python3 >/dev/null || skip "python3 is missing"
	map='import mmap; f = open(\"map\", \"r+b\"); m = mmap.mmap(f.fileno(), 0); m[0:5] = b\"%s\"; m.close()'
	slow_mode
	{
		call worker write_file '{"path":"tool","content":"1"}'
		call worker shell '{"command":"echo 1 > shell; mkdir d; echo 1 > d/x; printf 00000 > map"}'
		call worker shell "{\"command\":\"touch -d '1 hour ago' map; python3 -c '${map//%s/first}'\"}"
		call worker ask_human '{"name":"pause","title":"Go on?"}'
		call worker shell "{\"command\":\"echo 2 > shell; rm -r d; echo 2 > new; python3 -c '${map//%s/later}'\"}"
		call worker write_file '{"path":"tool","content":"2"}'
		call worker finish '{"result":"ok"}'
	} | script
	is_status 0 muster run slow --script script.jsonl --project p --answer pause=yes
	run=$(muster runs --json | jq -r '.[0].run')
	same "$(cat p/tool p/shell p/new p/map | tr -d '\n')" 222later "the run's own end"
	seq=$(muster log "$run" --json --type action.opened | jq .seq)
	is_status 0 muster fork "$run" --at "$seq" --json
	fork=$(muster show "$(json_get .run)" --json | jq -r .run.copy)
	same "$(cat "$fork/tool" "$fork/shell" "$fork/d/x" "$fork/map" | tr -d '\n')" 111first "the fork's files"
	[ ! -e "$fork/new" ] || fail "a file of later is there"
}

test_usage_adds_up()
{
	slow_mode
	{
		call worker write_file '{"path":"a","content":"b"}'
		call worker finish '{"result":"ok"}'
	} | script
	is_status 0 muster run slow --script script.jsonl --project p
	is_status 0 muster usage --json
	json_is '.[0].role' worker
	json_is '.[0].calls' 2
	json_is '.[0].usd' 0.003
	is_status 0 muster usage
	out_has "\$0.0030"
	is_status 0 muster usage "$(newest)"
	out_has worker
}

test_a_folder_of_a_newer_format_is_refused()
{
	finished
	sed -i 's/[0-9]\+/99/' "$MUSTER_DATA/format"
	is_status 2 muster runs
	err_has 99
	is_status 2 muster run asking --script script.jsonl
	err_has 99
}

test_a_folder_that_cannot_be_written_is_said()
{
	asking_mode
	run muster run one_shot --input task=x --script script.jsonl --data /proc/muster && fail "it ran$(shown)"
	err_has /proc/muster
}

# The disk with the data folder is full in the middle of a run: it is said, nothing is lost, and with room it goes on.
test_a_full_disk_is_survived()
{
	local run
	mkdir -p small
	mount -t tmpfs -o size=3m tmpfs small 2>/dev/null || skip "a small file system cannot be mounted here"
	trap 'umount -l "$T/small"' EXIT
	export MUSTER_DATA=$T/small
	slow_mode
	{
		for i in 1 2 3 4 5 6 7 8; do
			call worker shell "{\"command\":\"seq $i 90000 > big$i\"}"
			call worker write_file "{\"path\":\"f$i\",\"content\":\"$i\"}"
		done
		call worker finish '{"result":"ok"}'
	} | script
	is_status 4 muster run slow --script script.jsonl --project p
	grep -qi 'no space' "$T/err" "$T/out" || fail "the full disk is not named$(shown)"
	mount -o remount,size=64m "$T/small"
	run=$(muster runs --json | jq -r '.[0].run')
	is_status 0 muster resume "$run"
	for i in 1 2 3 4 5 6 7 8; do
		same "$(cat "p/f$i")" "$i" "f$i"
	done
	is_status 0 muster verify
	is_status 0 muster replay "$run"
}

test_a_read_only_folder_can_be_read()
{
	finished
	[ "$(id -u)" = 0 ] || skip "needs root to mount"
	unshare -m true 2>/dev/null || skip "no mount namespaces"
	# shellcheck disable=SC2016
	is_status 0 unshare -m sh -c 'mount --bind "$MUSTER_DATA" "$MUSTER_DATA" && mount -o remount,bind,ro "$MUSTER_DATA" && exec "$MUSTER" show '"$run"
	out_has "is done"
	# shellcheck disable=SC2016
	run unshare -m sh -c 'mount --bind "$MUSTER_DATA" "$MUSTER_DATA" && mount -o remount,bind,ro "$MUSTER_DATA" && exec "$MUSTER" run asking --script script.jsonl --project p9' && fail "it ran$(shown)"
	err_has "$MUSTER_DATA"
}

test_a_damaged_configuration_names_file_and_line()
{
	mkdir -p "$MUSTER_DATA"
	printf 'log:\n  levle: debug\n' >"$MUSTER_DATA/config.yaml"
	is_status 2 muster runs
	err_has "config.yaml:2"
	err_has level
	is_status 2 muster runs --option log.level=loud
}

sleeping()
{
	muster log "$(newest)" | grep -q 'sleep 2'
}

test_lists_of_runs_are_made_anew_when_asked_or_another_programs()
{
	command -v python3 >/dev/null || skip "python3 is missing"
	finished
	muster runs --json >before
	python3 -c 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute("UPDATE runs SET title = 1"); db.commit()' "$MUSTER_DATA/muster.db"
	is_status 1 muster verify
	err_has "muster verify --rebuild"
	is_status 0 muster verify --rebuild
	same "$(muster runs --json)" "$(cat before)"
	python3 -c 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute("UPDATE runs SET title = 1"); db.execute("PRAGMA application_id = 9"); db.commit()' "$MUSTER_DATA/muster.db"
	same "$(muster runs --json)" "$(cat before)"
	is_status 0 muster verify
}

# The kernel gives them up a little after the process.
no_loops()
{
	! losetup -a | grep -q "$T"
}

# Commands meet the end of the copy's own disk; a killed process leaves nothing mounted, and what was on the disk is there
# when the run goes on, also in its fork and in a branch.
test_a_hard_disk_limit()
{
	mkdir -p "$MUSTER_DATA"
	printf 'sandbox:\n  disk_limit: hard\n  disk_mb: 32\n' >"$MUSTER_DATA/config.yaml"
	mode filling <<-'END'
		return function(run)
		  local full = exec { command = "head -c 60000000 /dev/zero >big; head -c 60000000 /dev/zero >~/big; rm big ~/big; echo kept >kept" }
		  local side = branch { name = "side" }
		  exec { command = "head -c 60000000 /dev/zero >big; rm big; echo beside >beside", copy = side.copy }
		  merge { branch = side.branch }
		  exec { command = "sleep 2", again = true }
		  local answer = ask { name = "colour", title = "Which colour?", options = { "red", "blue" } }
		  write("colour.txt", (answer.option or answer.text) .. "\n")
		  return { summary = "said: " .. full.output }
		end
	END
	: | script
	if muster doctor --json | jq -e '.checks[] | select(.name == "disk limit") | .ok | not' >disk_limit; then
		is_status 4 muster run filling --script script.jsonl --project p
		err_has "sandbox.disk_limit is hard"
		return
	fi
	start muster run filling --script script.jsonl --project p
	wait_for 20 sleeping
	kill -KILL "$started"
	ended || true
	! grep -q "$T" /proc/mounts || fail "left mounted: $(grep "$T" /proc/mounts)"
	wait_for 20 no_loops
	is_status 0 muster resume "$(newest)" --answer colour=red
	out_has "No space left on device"
	file_has p/kept kept
	file_has p/beside beside
	file_has p/colour.txt red
	is_status 0 muster fork "$(newest)" --at "$(muster log "$(newest)" --type action.opened --json | jq .seq)"
	is_status 0 muster resume "$(newest)" --answer colour=blue
	is_status 0 muster verify
	! grep -q "$T" /proc/mounts || fail "left mounted: $(grep "$T" /proc/mounts)"
}

run_tests
