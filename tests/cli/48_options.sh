#!/bin/bash
# shellcheck disable=SC2154  # started, run: set by the helpers
# What is given beside a mode: policy and network of a run, where modes come from; the owner's socket with all it serves; a terminal that
# shows agents at work.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

obeying_mode()
{
	mode obey <<-'END'
		return function(run) return { summary = agent { role = "worker", task = "obey" }.result } end
	END
	{
		call worker shell '{"command":"touch forbidden"}'
		call worker shell '{"command":"touch allowed"}'
		call worker finish '{"result":"obeyed"}' ',"repeat":true'
	} | script
}

test_a_run_has_the_policy_of_a_file()
{
	obeying_mode
	echo '[{deny: "shell(touch forbidden)"}]' >policy.yaml
	is_status 0 muster run obey --script script.jsonl --project p --policy policy.yaml
	out_has 'shell "touch forbidden" matches "deny: shell(touch forbidden)" of the run policy'
	same "$(cd p && echo *)" allowed "the project"
	printf 'policy:\n  - {deny: "shell(touch allowed)"}\n' >policy.yaml
	is_status 0 muster run obey --script script.jsonl --project q --policy policy.yaml
	same "$(cd q && echo *)" forbidden "the project"
}

test_a_policy_that_is_none_is_refused()
{
	obeying_mode
	echo 'deny: everything' >policy.yaml
	is_status 2 muster run obey --script script.jsonl --policy policy.yaml
	err_has "policy.yaml"
	err_has "a list of rules is expected"
	echo '[{forbid: "shell(x)"}]' >policy.yaml
	is_status 2 muster run obey --script script.jsonl --policy policy.yaml
	err_has 'unknown key "forbid"'
	is_status 2 muster run obey --script script.jsonl --policy nowhere.yaml
	err_has nowhere.yaml
	mkdir -p "$MUSTER_DATA"
	echo 'policy: [{forbid: "shell(x)"}]' >"$MUSTER_DATA/config.yaml"
	is_status 2 muster run obey --script script.jsonl
	err_has 'unknown key "forbid"'
	same "$(muster runs --names | wc -l)" 0 runs
}

test_the_network_of_sandboxes_is_a_list_of_hosts()
{
	mode reach <<-'END'
		return function(run) return { summary = exec { command = "echo via $https_proxy" }.output } end
	END
	: | script
	mkdir -p "$MUSTER_DATA"
	echo 'sandbox: {network: ["example.com:443"]}' >"$MUSTER_DATA/config.yaml"
	is_status 0 muster run reach --script script.jsonl --project p
	out_has "via http://127.0.0.1:3128"
	for wrong in example.com :443 example.com:0 example.com:99999 example.com:44x; do
		echo "sandbox: {network: [\"$wrong\"]}" >"$MUSTER_DATA/config.yaml"
		is_status 2 muster run reach --script script.jsonl --project q
		err_has '"host:port" is expected'
		err_has "config.yaml:1"
	done
	echo 'sandbox: {network: []}' >"$MUSTER_DATA/config.yaml"
	is_status 0 muster run reach --script script.jsonl --project q
	out_lacks "via http"
}

test_a_share_without_modes_is_named()
{
	mkdir empty
	MUSTER_SHARE=$T/empty is_status 2 muster modes
	err_has "MUSTER_SHARE=$T/empty has no folder modes"
}

get()
{
	run curl -sS --unix-socket "$MUSTER_DATA/sock" "$@"
}

# All that people do with a run can be done over the socket of whoever owns it.
test_the_socket_serves_actions_forks_and_merges()
{
	local api=http://muster/api/v1 fork
	command -v curl >/dev/null || skip "no curl"
	git init -q -b main p
	echo one >p/a.txt
	git -C p add . && git -C p -c user.email=a@b -c user.name=a commit -qm one
	mode both <<-'END'
		return function(run)
		  write("b.txt", "two\n")
		  local answer = ask { name = "go", title = "Go?", options = { "yes", "no" } }
		  agent { role = "worker", task = "work" }
		  ask { name = "end", title = "End?" }
		end
	END
	{
		call worker shell '{"command":"echo at work"}'
		call worker finish '{"result":"worked"}' ',"repeat":true'
	} | script
	is_status 0 muster run both --script script.jsonl --project p --answer go=yes --answer end=now
	run=$(newest)
	muster run both --script script.jsonl --project p >/dev/null 2>&1 || true
	echo 'return function(run) exec { command = "sleep 300" } end' | mode owner
	start muster run owner --script script.jsonl --project owned
	wait_for 20 curl -sf --unix-socket "$MUSTER_DATA/sock" "$api/runs"
	get "$api/actions"
	json_is 'length' 1
	json_is '.[0].title' "Go?"
	get "$api/actions?state=closed"
	json_is 'map(.name) | sort | join(" ")' ""
	get "$api/runs/$run/actions?state=resolved"
	json_is 'map(.name) | sort | join(" ")' "end go"
	get "$api/runs/$run/usage"
	json_is 'length > 0' true
	get "$api/runs/$run/fork" -d "{\"at\":$(muster log "$run" --type action.opened --json | head -n 1 | jq .seq)}"
	fork=$(json_get .run)
	get "$api/runs/${fork: -8}"
	json_is .state paused
	get "$api/runs/$run/merge" -d '{}'
	file_has p/b.txt two
	get "$api/runs/$run/actions/go" -d '{"option":"no"}'
	json_is '.status >= 400' true
	kill -9 "$started"
	ended 2>/dev/null || true
	is_status 0 muster log "$run"
	out_has "merged into main"
	is_status 0 muster log "${fork: -8}"
	out_has "forked from $run"
}

test_a_terminal_shows_agents_at_work()
{
	local words
	command -v script >/dev/null || skip "no script(1)"
	slow_mode
	words=$(printf '%q ' "$MUSTER" run slow --script script.jsonl --project p)
	unset -f script
	TERM=xterm timeout "$TIME_LIMIT" script -qec "stty cols 100 rows 30; $words" /dev/null </dev/null >out 2>err || fail "exit status $?$(shown)"
	out_has "▸ 0 worker"
	out_has "sleep 0.4"
	out_has "ticked"
}

run_tests
