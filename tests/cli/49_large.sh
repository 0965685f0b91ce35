#!/bin/bash
# Large things at sizes that a commit can afford; `make bench` measures larger ones.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

# Twenty thousand rows: were each cell compared with all others, this would not end within the time limit.
test_a_table_of_many_rows_is_shown()
{
	mode plans <<-'END'
		return function(run)
		  for part = 1, 4 do
		    local tasks = {}
		    for i = 1, 5000 do tasks[i] = { id = part .. "." .. i, title = "t" } end
		    plan(tasks)
		  end
		end
	END
	script </dev/null
	is_status 0 muster run plans --project p --script script.jsonl
	is_status 0 muster show "$(newest)"
	same "$(grep -cE '^[1-4]\.[0-9]+ ' "$T/out")" 20000
}

test_open_actions_are_shown_in_pages()
{
	mode many <<-'END'
		return function(run)
		  local list = {}
		  for i = 1, 60 do list[i] = i end
		  parallel(list, function(i) return ask { name = "q" .. i, title = "Question " .. i } end)
		end
	END
	script </dev/null
	is_status 3 muster run many --project p --script script.jsonl
	run=$(newest)
	is_status 0 muster actions --json
	json_is length 50
	is_status 0 muster actions --limit 7 --json
	json_is length 7
	is_status 0 muster answer "$run" q60 --text yes
	is_status 0 muster actions --limit 7 --json
	json_is length 7
	json_is 'map(select(.name == "q60")) | length' 0
	is_status 0 muster actions --limit -1 --json
	json_is length 59
	is_status 0 muster actions
	out_has "Question 59"
	out_has "muster actions --limit -1 shows all"
}

# A run of 120 steps in six segments, each with an agent of its own: what it did is replayed, and a fork goes on from the
# first of them.
test_a_long_run_goes_on_in_segments()
{
	local i fork
	mode long <<-'END'
		return function(run)
		  local n = run.state and run.state.n or 1
		  local old = run.state and pcall(await, run.state.agent)
		  local a = agent { role = "worker", task = "part " .. n }
		  if n < 6 then continue_as { n = n + 1, agent = a.agent, old = old } end
		  return { summary = "parts: " .. n .. ", old agents known: " .. tostring(old) }
		end
	END
	for i in $(seq 19); do
		printf '{"match":{"turn":%d},"repeat":true,"reply":{"text":"","tool_calls":[{"name":"write_file","arguments":{"path":"%d.txt","content":"%d"}}]}}\n' \
			"$i" $((i % 7)) "$i"
	done | script
	call worker finish '{"result":"x"}' ',"repeat":true' >>script.jsonl
	is_status 0 muster run long --project p --script script.jsonl
	out_has "parts: 6, old agents known: false"
	run=$(newest)
	same "$(muster log "$run" --type model.answered | wc -l)" 120
	is_status 0 muster replay "$run"
	is_status 0 muster fork "$run" --at 60 --json
	fork=$(json_get .run)
	is_status 0 muster resume "$fork"
	out_has "parts: 6"
	same "$(muster log "$fork" --type model.answered | wc -l)" 120
	is_status 0 muster replay "$fork"
	is_status 0 muster verify
}

# 820 agents at three levels below one; nine of each 81 ask a person, and each is told the answer to its own question.
test_a_tree_of_hundreds_of_agents_works()
{
	mode tree <<-'END'
		local list = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }
		local function fan(depth)
		  return { fan = { summary = "s", schema = { type = "object", properties = {} }, run = function(_, info)
		    local done = 0
		    parallel(list, function(i)
		      local a = agent { role = "worker", task = depth .. " " .. i, parent = info.agent,
		        tools = depth == 3 and { "ask_human", "finish" } or { "fan", "finish" }, on = depth < 3 and fan(depth + 1) or nil }
		      if a.status == "done" then done = done + 1 end
		    end)
		    return "done " .. done
		  end } }
		end
		return function(run)
		  return { summary = agent { role = "worker", task = "0", tools = { "fan", "finish" }, on = fan(1) }.result }
		end
	END
	{
		printf '{"match":{"turn":1,"contains":"3 %d"},"repeat":true,"reply":{"text":"","tool_calls":[{"name":"ask_human","arguments":{"name":"q","title":"Which?"}}]}}\n' 5
		printf '{"match":{"turn":1,"contains":"3 "},"repeat":true,"reply":{"text":"","tool_calls":[{"name":"finish","arguments":{"result":"ok"}}]}}\n'
		printf '{"match":{"turn":1},"repeat":true,"reply":{"text":"","tool_calls":[{"name":"fan","arguments":{}}]}}\n'
	} | script
	call worker finish '{"result":"ok"}' ',"repeat":true' >>script.jsonl
	is_status 3 muster run tree --project p --script script.jsonl --budget 100
	run=$(newest)
	is_status 0 muster actions --limit -1 --json
	json_is length 81
	is_status 0 muster show "$run" --json
	json_is '.agents | length' 820
	json_is '[.agents[] | select(.agent | split(".") | length == 4)] | length' 729
	is_status 0 muster resume "$run" --answer q=red
	muster log "$run" --json >log.json
	same "$(jq -rs '[.[] | select(.type == "tool.answered" and (.data.content | tostring | contains("red"))) | .data.agent] | unique | length' log.json)" 81
	same "$(jq -rs '[.[] | select(.type == "tool.answered" and (.data.content | tostring | contains("done 9")))] | length' log.json)" 91
	is_status 0 muster show "$run"
	out_has 0.8.8.8
	is_status 0 muster replay "$run"
	is_status 0 muster verify
}

test_a_project_of_thousands_of_files_is_worked_on()
{
	local i fork
	mode files <<-'END'
		return function(run)
		  local a = agent { role = "worker", task = "go", tools = { "list", "glob", "search", "write_file", "shell", "finish" } }
		  return { summary = a.result }
		end
	END
	for i in $(seq 40); do
		mkdir -p "p/d$i"
		(cd "p/d$i" && seq 100 | split -l 1 -a 3 - f)
	done
	{
		call worker list '{}'
		call worker glob '{"pattern":"**/f*"}'
		call worker search '{"pattern":"7"}'
		call worker write_file '{"path":"d7/new.txt","content":"by a tool\n"}'
		call worker shell '{"command":"rm -r d40; echo by a command >d8/new.txt"}'
		call worker finish '{"result":"done"}'
	} | script
	is_status 0 muster run files --project p --script script.jsonl
	run=$(newest)
	muster log "$run" --json >log.json
	same "$(jq -r 'select(.type == "snapshot.taken") | .data.files' log.json | xargs)" "4001 3902"
	same "$(jq -rs '[.[] | select(.type == "tool.finished") | .data.content | length < 40000] | all' log.json)" true
	is_status 0 muster diff "$run"
	is_status 0 muster fork "$run" --json
	fork=$(json_get .run)
	fork=$(muster show "$fork" --json | jq -r .run.copy)
	same "$(find "$fork" -type f | wc -l)" 3902
	same "$(cat "$fork/d7/new.txt" "$fork/d8/new.txt" | xargs)" "by a tool by a command"
	is_status 0 muster merge "$run"
	[ ! -e p/d40 ] || fail "d40 is still there"
	file_has p/d8/new.txt "by a command"
}

# 24 MB from a command: kept, restored, brought home; what shows it to a model shows parts.
test_a_large_file_is_kept_and_never_shown_whole()
{
	local fork
	mode large <<-'END'
		return function(run)
		  local a = agent { role = "worker", task = "go", tools = { "read_file", "search", "shell", "finish" } }
		  return { summary = a.result }
		end
	END
	{
		call worker shell '{"command":"seq -f %.0f 1000000 3999999 >large.txt"}'
		call worker read_file '{"path":"large.txt"}'
		call worker search '{"pattern":"2345678"}'
		call worker finish '{"result":"done"}'
	} | script
	is_status 0 muster run large --project p --script script.jsonl
	run=$(newest)
	seq -f %.0f 1000000 3999999 | cmp - p/large.txt
	muster log "$run" --json >log.json
	same "$(jq -rs '[.[] | select(.type == "tool.finished") | .data.content | length < 40000] | all' log.json)" true
	is_status 0 muster fork "$run" --json
	fork=$(muster show "$(json_get .run)" --json | jq -r .run.copy)
	cmp p/large.txt "$fork/large.txt"
	is_status 0 muster diff "$run"
	[ "$(wc -c <"$T/out")" -lt 4000000 ] || fail "the diff has $(wc -c <"$T/out") bytes"
	is_status 0 muster verify
}

# in_memory NAME LIMIT muster's words…: it succeeds, and had at no time more memory than LIMIT KiB; sets $peak.
in_memory()
{
	local name=$1 limit=$2
	shift 2
	is_status 0 python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as out:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=out)
sys.exit(status)' "$T/peak" "$MUSTER" "$@"
	peak=$(cat "$T/peak")
	[ "$peak" -le "$limit" ] || fail "$name: $peak KiB of memory, more than $limit"
}

# Whatever is done with 64 MB that nothing makes smaller, they are never in memory; without them it is as much but for
# a few buffers.
test_a_large_file_is_never_in_memory()
{
	local limit fork
	command -v python3 >/dev/null || skip "no python3"
	mode large <<-'END'
		return function(run) return { summary = agent { role = "worker", task = "go" }.result } end
	END
	works()
	{
		{
			call worker shell "{\"command\":\"$1\"}"
			call worker finish '{"result":"done"}'
		} | script
	}
	works true
	in_memory "a run without it" 1000000 run large --project small --script script.jsonl
	limit=$((peak + 12 * 1024))
	works "mkdir d; head -c 64000000 /dev/urandom >d/large; cp d/large first"
	in_memory "made by a command" "$limit" run large --project p --script script.jsonl
	run=$(newest)
	cmp p/d/large p/first
	in_memory "a fork" "$limit" fork "$run" --json
	fork=$(muster show "$(json_get .run)" --json | jq -r .run.copy)
	diff -r -x .git p "$fork"
	works "cmp d/large first && truncate -s 60000000 first && printf x | dd of=d/large bs=1 seek=7777777 conv=notrunc"
	in_memory "a later run" "$limit" run large --project p --script script.jsonl
	run=$(newest)
	in_memory "its merge" "$limit" merge "$run"
	! cmp -s p/d/large p/first || fail "nothing was merged"
	same "$(stat -c %s p/first) $(cmp -l p/d/large "$fork/d/large" | wc -l)" "60000000 1"
	same "$(git -C p status --porcelain)" ""
	in_memory "its difference" "$limit" diff "$run"
	mkdir new
	mv p/d new
	works true
	in_memory "a folder that has it" "$limit" run large --project new --script script.jsonl
	in_memory "verify" "$limit" verify
}

test_a_conversation_of_two_megabytes_goes_on()
{
	local i
	mode talk <<-'END'
		return function(run)
		  return { summary = agent { role = "worker", task = "go", limits = { turns = 200 } }.result }
		end
	END
	mkdir -p data p
	printf 'models:\n  "script:%s/script.jsonl": {context: 4000000, max_output: 1000}\n' "$PWD" >data/config.yaml
	for i in $(seq 90); do
		seq -f "line %.0f of a file that an agent reads, $i" 500 >"p/$i.txt"
		call worker read_file "{\"path\":\"$i.txt\"}"
	done | script
	call worker finish '{"result":"read"}' >>script.jsonl
	is_status 0 muster run talk --project p --script script.jsonl
	run=$(newest)
	same "$(muster log "$run" --json --type model.requested | tail -n 1 | jq '.data.input > 400000')" true
	same "$(muster log "$run" --json | jq -r 'select(.type == "agent.compacted") | .type')" ""
	is_status 0 muster replay "$run"
}

run_tests
