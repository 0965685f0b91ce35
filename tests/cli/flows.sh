# Small modes and scripts that tests of runs are made of; sourced behind lib.sh.
# shellcheck shell=bash

# mode ID <flow.lua: a mode of the data folder with one text input `task`, the gate `start` and the role `worker`.
mode()
{
	local dir=$MUSTER_DATA/modes/$1
	mkdir -p "$dir/roles"
	cat >"$dir/mode.yaml" <<-END
		id: $1
		name: Test mode $1
		description: For tests.
		engine: planning
		inputs:
		  - {name: task, type: text}
		gates: [start]
		settings: {colour: green}
		roles: [worker]
	END
	cat >"$dir/roles/worker.md" <<-END
		---
		id: worker
		name: Worker
		class: strong
		tools: [read_file, write_file, list, shell, ask_human, finish]
		check: none
		limits: {turns: 50, output_tokens: 1000, minutes: 5}
		---
		You work.
	END
	cat >"$dir/flow.lua"
}

# script: lines on standard input become script.jsonl, behind a header with prices.
script()
{
	{
		echo '{"recording":{"v":1,"model":"scripted","date":"2026-11-20","prices":{"input":1,"output":5}}}'
		cat
	} >script.jsonl
}

# call ROLE TOOL ARGUMENTS [MORE]: a script line: this role calls this tool; MORE: further members, like ',"repeat":true'.
call()
{
	printf '{"match":{"role":"%s"},"reply":{"text":"","tool_calls":[{"name":"%s","arguments":%s}],"usage":{"input":1000,"output":100}}%s}\n' \
		"$1" "$2" "$3" "${4:-}"
}

# reply AGENT TOOL ARGUMENTS [MORE [MATCH]]: a line for one agent, in its order; MATCH: further keys, like ',"status":"lost"'.
reply()
{
	printf '{"match":{"agent":"%s"%s},"reply":{"text":"","tool_calls":[{"name":"%s","arguments":%s}],"usage":{"input":1000,"output":100}}%s}\n' \
		"$1" "${5:-}" "$2" "$3" "${4:-}"
}

# A gate, a question, a file, a command: nothing of it asks a model.
asking_mode()
{
	mode asking <<-'END'
		return function(run)
		  phase "gate"
		  local go = gate { name = "start", title = "Shall it begin?", show = "the plan" }
		  if not go.approved then return { summary = "revised: " .. go.reason } end
		  phase "question"
		  local answer = ask { name = "colour", title = "Which colour?", options = { "red", "blue" } }
		  write("colour.txt", (answer.option or answer.text) .. "\n")
		  local result = exec { command = "cat colour.txt" }
		  return { summary = result.output }
		end
	END
	script </dev/null
}

# An agent that runs a command for some time, turn after turn, until it is told to finish.
slow_mode()
{
	mode slow <<-'END'
		return function(run)
		  phase "work"
		  local work = agent { role = "worker", task = run.inputs.task or "work" }
		  return { summary = work.result, status = work.status }
		end
	END
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		call worker shell '{"command":"sleep 0.4; echo tick '$i' | tee -a ticks"}'
	done | script
	call worker finish '{"result":"ticked"}' ',"repeat":true' >>script.jsonl
}

# newest: the short id of the newest run.
newest()
{
	muster runs --names --limit 1
}

# state RUN: its state.
state()
{
	muster runs --json | jq -r ".[] | select(.run | endswith(\"$1\")) | .state"
}

tool_started()
{
	[ -n "$(newest)" ] && muster log "$(newest)" --type tool.started | grep -q .
}

# began: until a run exists and its first turn is over; sets $run.
began()
{
	wait_for 20 tool_started
	# shellcheck disable=SC2034  # for the tests
	run=$(newest)
}

# told RUN: per agent what it was told, in its order; of a lost call what came of doing it again.
told()
{
	muster log "$1" --json | jq -rs '
		([.[] | select(.type == "tool.lost") | {key: "\(.data.agent) \(.data.call)", value: true}] | from_entries) as $lost
		| [.[] | select(.type == "tool.finished" or .type == "tool.answered") | .data
			| select($lost["\(.agent) \(.call)"] | not)]
		| group_by(.agent)[] | .[] | "\(.agent) \(.status) \(.content | tostring | gsub("again\n?"; "") | gsub("\n"; " "))"'
}

# spent RUN: what its answers cost but for the turns that lost commands caused, and how many there were.
spent()
{
	muster log "$1" --json | jq -rs '
		[.[] | select(.type == "model.answered") | .data | select(tostring | contains("again") | not) | .usd]
		| "\(length) answers, \(add // 0 | . * 10000 | round)"'
}

# altered FROM TO: somebody changed this string in the journal.
altered()
{
	command -v python3 >/dev/null || skip "no python3"
	python3 - "$MUSTER_DATA/muster.db" "\"$1\"" "\"$2\"" <<-'END'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[1])
		changed = 0
		for table, in db.execute("select name from sqlite_master where type = 'table'").fetchall():
		    columns = [row[1] for row in db.execute(f'pragma table_info("{table}")')]
		    if "data" in columns and "seq" in columns:
		        changed += db.execute(f"""update "{table}" set data = replace(data, ?1, ?2)
		            where instr(data, ?1)""", sys.argv[2:]).rowcount
		db.commit()
		sys.exit(0 if changed else 1)
	END
}
