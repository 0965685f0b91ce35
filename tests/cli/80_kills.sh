#!/bin/bash
# The program itself, killed at random instants of a run with files, commands, a question and parallel agents, and resumed each
# time: what is left at the end is what an undisturbed run leaves. KILLS=n: how many (default 100).
# soak (random kills)
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

AGENTS=3
ROUNDS=5 # of an agent: three turns each

# Three agents, each with 16 turns; the middle one asks a person. A command that was lost is done again by building everything
# that the agent's files so far ask for.
sixty_steps()
{
	local agent round
	mode steps <<-'END'
		return function(run)
		  phase "work"
		  write("list.txt", "begin\n")
		  local out = parallel({ "a", "b", "c" }, function(name)
		    return agent { role = "worker", name = name, task = "part " .. name }.result
		  end)
		  phase "end"
		  for i = 1, 5 do exec { command = "cat part*/out* | sort > all" .. i .. ".txt", again = true } end
		  edit("list.txt", { { from = "begin", to = "end" } })
		  commit { message = "everything" }
		  return { parts = out }
		end
	END
	for ((agent = 0; agent < AGENTS; agent++)); do
		for ((round = 1; round <= ROUNDS; round++)); do
			reply "$agent" write_file "{\"path\":\"part$agent/in$round.txt\",\"content\":\"$agent $round\\n\"}"
			reply "$agent" shell "{\"command\":\"for f in part$agent/in*; do tr 0-9 a-j <\$f >\${f%/*}/out\${f##*/in}; done\"}"
			[ "$round" = 2 ] && [ "$agent" = 1 ] &&
				reply "$agent" ask_human '{"name":"colour","title":"Which colour?","options":["red","blue"]}'
			reply "$agent" read_file "{\"path\":\"part$agent/out$round.txt\"}"
		done
		reply "$agent" finish "{\"result\":\"part $agent\"}" ',"repeat":true'
	done >lines
	{
		for ((agent = 0; agent < AGENTS; agent++)); do
			reply "$agent" shell "{\"command\":\"echo again; for f in part$agent/in*; do tr 0-9 a-j <\$f >\${f%/*}/out\${f##*/in}; done\"}" \
				',"repeat":true' ',"status":"lost"'
		done
		cat lines
		echo '{"match":{"action":"colour"},"answer":"blue"}'
	} | script
}

test_killed_at_a_hundred_instants_it_ends_the_same()
{
	local wanted=${KILLS:-100} kills=0 rounds=0 lost=0 longest run
	sixty_steps
	is_status 0 muster run steps --project whole --script script.jsonl --json
	run=$(muster runs --json | jq -r '.[0].run')
	told "$run" >told.whole
	spent "$run" >spent.whole
	[ "$(wc -l <told.whole)" -ge 48 ] || fail "the run is too short: $(wc -l <told.whole) calls"
	while [ "$kills" -lt "$wanted" ]; do
		rounds=$((rounds + 1))
		rm -rf project
		longest=250
		start muster run steps --project project --script script.jsonl --title "round $rounds" --json
		while [ "$kills" -lt "$wanted" ] && kill_between 5 "$longest"; do
			kills=$((kills + 1))
			longest=$((longest * 9 / 8)) # on a slow machine it must get on, too
			run=$(muster runs --json | jq -r --arg t "round $rounds" 'map(select(.title == $t)) | .[0].run // empty')
			if [ -n "$run" ]; then
				start muster resume "$run" --json
			else # killed before there was a run
				start muster run steps --project project --script script.jsonl --title "round $rounds" --json
			fi
		done
		ended || true
		run=$(muster runs --json | jq -r --arg t "round $rounds" 'map(select(.title == $t)) | .[0].run // empty')
		same "$(muster runs --json | jq -r --arg r "$run" '.[] | select(.run == $r).state')" completed "round $rounds, the state"
		same "$(git -C project log -1 --format=%T)" "$(git -C whole log -1 --format=%T)" "round $rounds, the tree"
		told "$run" >told.killed
		diff told.whole told.killed >&3 || fail "round $rounds, agents were told something else"
		spent "$run" >spent.killed
		diff spent.whole spent.killed >&3 || fail "round $rounds, the cost differs"
		lost=$((lost + $(muster log "$run" --json | jq -r 'select(.type == "tool.lost").type' | wc -l)))
		is_status 0 muster replay "$run"
	done
	is_status 0 muster verify
	echo "$kills kills in $rounds runs, $lost commands lost" | tee -a "${FIGURES:-/dev/null}" >figures
	cat figures >&2
}

run_tests
