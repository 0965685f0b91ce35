#!/bin/bash
# shellcheck disable=SC2154  # started, run: set by the helpers
# Many inputs: `muster batch` runs a mode over the lines of a file, and goes on where it stopped.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

# What a line's task begins with decides what becomes of it.
work_mode()
{
	mode work <<-'END'
		return function(run)
		  local task = run.inputs.task
		  if task:find("^bad") then error("no good: " .. task) end
		  if task:find("^ask") then
		    local answer = ask { name = "colour", title = "Which colour?", options = { "red", "blue" } }
		    return { summary = "it is " .. answer.option }
		  end
		  if task:find("^slow") then exec { command = "sleep 0.5; echo ran >>ran" } end
		  if task:find("^long") then sleep(60) end
		  if task:find("^nap") then sleep(0.4) end
		  local work = agent { role = "worker", task = task }
		  write("task.txt", task .. "\n")
		  return { summary = work.result .. ": " .. task }
		end
	END
	sed -i 's/type: text}/type: text, required: true}/' "$MUSTER_DATA/modes/work/mode.yaml"
	call worker finish '{"result":"done"}' | script
}

# lines TASK…: in.jsonl, a line for each.
lines()
{
	jq -nc '$ARGS.positional[] | {task: .}' --args "$@" >in.jsonl
}

# batch STATUS [MORE…]: in.jsonl with the mode work, as JSON.
batch()
{
	local status=$1
	shift
	is_status "$status" muster batch work --inputs in.jsonl --script script.jsonl --projects p --json "$@"
}

# of NUMBER FIELD: what the last batch told of a line.
of()
{
	json_get "select(.line == $1).$2"
}

runs()
{
	muster runs --limit -1 --json
}

test_each_line_runs_in_its_own_project()
{
	work_mode
	lines one two three four five six seven
	echo >>in.jsonl
	printf '{"task":"the last, without an end"}' >>in.jsonl
	is_status 0 muster batch work --inputs in.jsonl --script script.jsonl --concurrency 3
	same "$(grep -c 'completed' out)" 9 "lines with results"
	grep -qE '^3 +completed, unchecked +[0-9a-f]{8} +[$]0.0015 +[0-9.]+ s +done: three$' out || fail "line 3$(shown)"
	out_has "8 lines: 8 completed; \$0.0120; "
	same "$(cat work-in/4/task.txt)" four
	same "$(cat work-in/9/task.txt)" "the last, without an end"
	same "$(runs | jq -c '[length, (map(.dir) | unique | length)]')" '[8,8]'
	same "$(runs | jq -r '.[0].title')" "Test mode work 9"
	is_status 0 muster verify
	is_status 0 muster replay "$(newest)"
}

test_results_are_objects_a_line()
{
	work_mode
	lines one two
	batch 0 --input task=other
	same "$(wc -l <out)" 3 "lines"
	same "$(of 2 name)" 2
	same "$(of 2 state)" completed
	same "$(of 2 status)" 0
	same "$(of 2 evidence)" unchecked
	same "$(of 2 usd)" 0.0015
	same "$(of 2 result.summary)" "done: two"
	same "$(of 2 error)" null
	same "$(of 2 project)" "$PWD/p/2"
	same "$(of 2 run)" "$(runs | jq -r '.[] | select(.dir | endswith("/2")) | .run')"
	json_is 'select(.total).total | [.lines, .completed, .left, .usd, .status] | tostring' '[2,2,0,0.003,0]'
}

test_ids_name_the_lines()
{
	work_mode
	printf '{"id":"%s","task":"about %s"}\n' b-2 b-2 a.1 a.1 >in.jsonl
	printf '{"id":17}\n' >>in.jsonl
	batch 0 --input "task=for those without"
	same "$(of 1 name)" b-2
	same "$(cat p/a.1/task.txt)" "about a.1"
	same "$(cat p/17/task.txt)" "for those without"
	sort in.jsonl >sorted # the order is of no matter
	mv sorted in.jsonl
	batch 0 --input "task=for those without"
	same "$(runs | jq length)" 3 "runs"
}

test_so_many_runs_are_live_at_once()
{
	local most
	work_mode
	lines nap1 nap2 nap3 nap4 nap5 nap6 nap7 nap8 nap9 nap10
	batch 0 --concurrency 3
	for run in $(runs | jq -r '.[].run'); do
		muster log "$run" --json
	done >events
	most=$(jq -s '[.[] | if .type == "run.created" then {at, n: 1} elif .type == "run.completed" then {at, n: -1} else empty end]
		| sort_by(.at, .n) | reduce .[] as $e ({live: 0, most: 0}; .live += $e.n | .most = ([.most, .live] | max)) | .most' events)
	same "$most" 3 "runs live at once"
}

# refused TEXT [MORE…]: the file's lines are refused with this text, and nothing was made.
refused()
{
	local text=$1
	shift
	batch 2 "$@"
	err_has "$text"
	[ ! -e p ] || fail "projects were made"
	[ ! -e "$MUSTER_DATA/muster.db" ] || fail "a journal was made"
}

test_a_bad_line_is_refused_before_anything_runs()
{
	work_mode
	lines one two
	echo '{"task":' >>in.jsonl
	refused "in.jsonl:3: not valid JSON"
	lines one two
	echo '["task"]' >>in.jsonl
	refused "in.jsonl:3: an object is expected"
	lines one
	echo '{"tsak":"two"}' >>in.jsonl
	refused 'in.jsonl:2: the mode work has no input "tsak"; did you mean "task"?'
	echo '{}' >in.jsonl
	refused 'in.jsonl:1: the mode work needs the input "task"'
	: >in.jsonl
	refused "holds no line"
	printf '{"task":"%*s"}\n' 1048577 x >in.jsonl
	refused "in.jsonl:1: the line is longer"
}

test_bad_ids_are_refused_before_anything_runs()
{
	work_mode
	printf '{"id":"%s","task":"x"}\n' a b a >in.jsonl
	refused 'in.jsonl:3: line 1 has the id "a" too'
	printf '{"id":"%s","task":"x"}\n' a ../b >in.jsonl
	refused "in.jsonl:2: the id names the project's folder"
	printf '{"id":%s,"task":"x"}\n' 1 true >in.jsonl
	refused "in.jsonl:2: the id names the project's folder"
	echo '{"id":"a","task":"x"}' >in.jsonl
	echo '{"task":"x"}' >>in.jsonl
	refused "in.jsonl:2: this line has no id"
}

test_an_input_file_must_be_there()
{
	work_mode
	sed -i 's/^gates:/  - {name: data, type: file, multiple: true}\ngates:/' "$MUSTER_DATA/modes/work/mode.yaml"
	echo hello >there.txt
	jq -nc '{task: "x", data: ["there.txt"]}' >in.jsonl
	jq -nc '{task: "y", data: ["there.txt", "absent.txt"]}' >>in.jsonl
	refused 'in.jsonl:2: input "data": there is no file absent.txt'
	sed -i 2d in.jsonl
	batch 0
}

# few_files -HS|-S …: muster, with a hard or soft limit of 500 open files.
few_files()
{
	(
		ulimit "$1" -n 500
		shift
		muster "$@"
	)
}

test_wrong_usage()
{
	local status=0
	work_mode
	lines one
	is_status 2 muster batch work
	err_has "--inputs FILE"
	is_status 2 muster batch
	refused "--concurrency" --concurrency 0
	refused "--concurrency" --concurrency 100000
	refused "--yes stat" --yes stat
	is_status 2 muster batch work --inputs absent.jsonl
	err_has absent.jsonl
	is_status 2 muster batch work --inputs /
	err_has "no ordinary file"
	mkfifo pipe
	is_status 2 muster batch work --inputs pipe
	err_has "no ordinary file"
	few_files -HS batch work --inputs in.jsonl --script script.jsonl --concurrency 50 2>err || status=$?
	same "$status" 2 "exit status"
	err_has "ulimit -n"
	few_files -S batch work --inputs in.jsonl --script script.jsonl --concurrency 50 >out
	rm -r work-in
	is_status 2 muster batch no-such-mode --inputs in.jsonl
	err_has no-such-mode
	is_status 2 muster batch work --inputs in.jsonl
	err_has ANTHROPIC_API_KEY
}

test_again_it_tells_the_results_and_begins_what_is_new()
{
	work_mode
	lines one bad three
	batch 4
	runs | jq -c 'map([.run, .seq])' >before
	lines one bad three four
	batch 4
	same "$(of 1 result.summary)" "done: one"
	same "$(of 3 usd)" 0.0015
	same "$(of 4 result.summary)" "done: four"
	runs | jq -c 'map(select(.dir | endswith("/4") | not)) | map([.run, .seq])' >after
	cmp before after || fail "runs that had ended moved on"
	same "$(runs | jq length)" 4 "runs"
}

test_a_changed_line_is_refused()
{
	work_mode
	lines one two
	batch 0
	lines one too three
	batch 2
	err_has "in.jsonl:2: this line was changed after its run"
	err_has 'the input "task" was "two" and is now "too"'
	same "$(wc -c <out)" 0 "output"
	[ ! -e p/3 ] || fail "a line was begun"
	is_status 0 muster batch work --inputs in.jsonl --script script.jsonl --projects q
	same "$(runs | jq length)" 5 "runs"
}

test_one_that_fails_does_not_stop_the_others()
{
	work_mode
	lines one bad1 three ask
	batch 4 # is worse than 3
	same "$(of 1 state)" completed
	same "$(of 2 state)" failed
	same "$(of 2 status)" 4
	[[ $(of 2 error) == *"no good: bad1"* ]] || fail "the error: $(of 2 error)"
	same "$(of 3 state)" completed
	same "$(of 4 status)" 3
	json_is 'select(.total).total | [.completed, .failed, .waiting] | tostring' '[2,1,1]'
}

test_a_failed_call_is_made_again_with_another_script()
{
	work_mode
	lines one two
	mv script.jsonl good.jsonl
	script </dev/null
	batch 4
	[[ $(of 1 error) == *"has no line left"* ]] || fail "the error: $(of 1 error)"
	mv good.jsonl script.jsonl
	cp script.jsonl another.jsonl
	is_status 0 muster batch work --inputs in.jsonl --script another.jsonl --projects p --json
	same "$(of 2 result.summary)" "done: two"
	same "$(runs | jq length)" 2 "runs"
}

test_a_line_whose_project_cannot_be_made_is_its_own_error()
{
	work_mode
	lines one two three
	mkdir p
	echo "no folder" >p/2
	batch 2
	same "$(of 1 state)" completed
	same "$(of 2 run)" null
	same "$(of 2 status)" 2
	[[ $(of 2 error) == *p/2* ]] || fail "the error: $(of 2 error)"
	same "$(of 3 state)" completed
	rm p/2
	batch 0
	same "$(runs | jq length)" 3 "runs"
}

test_one_that_waits_goes_on_once_it_is_answered()
{
	local waits
	work_mode
	lines one ask three
	batch 3
	waits=$(of 2 run)
	same "$(of 2 state)" waiting
	same "$(of 2 waiting_on)" person
	same "$(of 2 'actions[0].name')" colour
	same "$(of 2 'actions[0].options' | tr -d '\n ')" '["red","blue"]'
	same "$(of 3 state)" completed
	is_status 0 muster answer "$waits" colour blue
	batch 0
	same "$(of 2 result.summary)" "it is blue"
	same "$(of 2 run)" "$waits"
}

test_answers_of_the_command_line_are_for_every_run()
{
	work_mode
	lines ask1 ask2 ask3
	batch 0 --answer colour=red --concurrency 2
	same "$(json_get 'select(.line).result.summary' | sort -u)" "it is red"
	asking_mode
	is_status 0 muster batch asking --inputs in.jsonl --script script.jsonl --yes all --answer colour=blue
	file_has asking-in/3/colour.txt blue
}

test_each_run_has_its_budget()
{
	work_mode
	lines one two
	batch 5 --budget 0.0001
	same "$(of 1 status)" 5
	same "$(of 1 waiting_on)" budget
}

test_the_total_budget_begins_no_more_lines()
{
	work_mode
	lines one two three four five
	batch 5 --total-budget 0.003 --concurrency 1
	json_is 'select(.total).total | [.completed, .left, .status] | tostring' '[2,3,5]'
	json_is 'select(.total).total.why_left' '--total-budget 0.003 is reached'
	batch 5 --total-budget 0.003 # what was spent before counts
	same "$(runs | jq length)" 2 "runs"
	batch 0 --total-budget 1
	same "$(runs | jq length)" 5 "runs"
}

# in_state STATE NUMBER: so many runs are in this state.
in_state()
{
	[ "$(runs | jq --arg s "$1" 'map(select(.state == $s)) | length')" = "$2" ]
}

test_a_second_terminal_sees_and_answers()
{
	local status=0
	work_mode
	lines ask long three
	start muster batch work --inputs in.jsonl --script script.jsonl --projects p --json --concurrency 1
	wait_for 20 in_state waiting 2 # for a person, and for a timer
	is_status 2 muster batch work --inputs in.jsonl --script script.jsonl
	err_has "$started"
	is_status 0 muster answer "$(muster actions --json | jq -r '.[0].run')" colour red
	out_has "noted"
	is_status 0 muster cancel "$(runs | jq -r '.[] | select(.dir | endswith("/2")) | .run')"
	ended || status=$?
	same "$status" 6 "exit status"
	same "$(jq -c 'select(.line) | [.line, .status]' bg.out | tr -d '\n')" '[1,3][2,6][3,0]'
	batch 6
	same "$(of 1 result.summary)" "it is red"
	json_is 'select(.total).total | [.completed, .cancelled] | tostring' '[2,1]'
}

test_interrupted_it_pauses_and_goes_on()
{
	local status=0
	work_mode
	lines slow1 slow2 slow3 slow4 slow5
	start muster batch work --inputs in.jsonl --script script.jsonl --projects p --json --concurrency 2
	wait_for 20 in_state running 2
	kill -INT "$started"
	ended || status=$?
	same "$status" 130 "exit status"
	file_has bg.err "go on with the same command"
	same "$(jq -r 'select(.total).total | [.paused, .left] | tostring' bg.out)" '[2,3]'
	same "$(jq -r 'select(.line).status' bg.out | sort -u)" 130
	same "$(jq -r 'select(.total).total.why_left' bg.out)" interrupted
	same "$(runs | jq -r '.[].state' | sort -u)" paused
	batch 0
	same "$(runs | jq length)" 5 "runs"
	same "$(sort -u p/*/ran)" ran
	same "$(wc -l <p/1/ran)" 1
}

test_interrupted_twice_it_stops_at_once()
{
	local status=0 before=$SECONDS
	mode nap <<-'END'
		return function(run) exec { command = "sleep 30" } return {} end
	END
	script </dev/null
	lines one two
	start muster batch nap --inputs in.jsonl --script script.jsonl --projects p
	wait_for 20 in_state running 2
	kill -INT "$started"
	wait_for 10 grep -q pausing bg.err
	kill -INT "$started"
	ended || status=$?
	same "$status" 130 "exit status"
	[ $((SECONDS - before)) -lt 20 ] || fail "it took $((SECONDS - before)) s"
}

test_killed_it_goes_on_and_runs_nothing_twice()
{
	local kills=0
	work_mode
	lines slow1 two slow3 ask4 five slow6 seven slow8
	start muster batch work --inputs in.jsonl --script script.jsonl --projects p --json --answer colour=blue
	while [ "$kills" -lt 6 ] && kill_between 50 900; do
		kills=$((kills + 1))
		start muster batch work --inputs in.jsonl --script script.jsonl --projects p --json --answer colour=blue
	done
	ended || true
	batch 0 --answer colour=blue
	same "$(runs | jq length)" 8 "runs"
	for run in $(runs | jq -r '.[].run'); do
		muster log "$run" --json
	done | jq -r .type | sort | uniq -c >types
	same "$(awk '$2 == "run.completed" {print $1}' types)" 8 "runs completed"
	same "$(awk '$2 == "agent.started" {print $1}' types)" 7 "agents started"
	same "$(cat p/5/task.txt)" five
	is_status 0 muster verify
	[ "$kills" -gt 0 ] || fail "it was never killed"
}

run_tests
