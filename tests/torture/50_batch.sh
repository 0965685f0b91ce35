# Three lines at once, one of them with a command, from their creation to their end.
# shellcheck shell=bash source=/dev/null
. "$SOURCE/tests/cli/flows.sh"

prepare()
{
	asking_mode
	printf '{"id":"%s","task":"%s"}\n' a 1 b 2 c 3 >in.jsonl
}

scenario()
{
	muster batch asking --inputs in.jsonl --script script.jsonl --yes all --answer colour=red --concurrency 2 "$@"
}

# Whatever happened: the same command again goes on, with no line run twice; a line that failed in its flow is told.
after()
{
	local run
	scenario --json >out 2>err || [ $? = 4 ] || fail "exit status of the same command again$(shown)"
	same "$(json_get 'select(.line).name' | sort | tr -d '\n')" abc
	same "$(json_get 'select(.line) | select(.state != "completed") | select(.error | contains("flow.lua") | not).line')" ""
	same "$(muster runs --json | jq -c '[length, (map(.dir) | unique | length)]')" '[3,3]'
	for run in $(json_get 'select(.state == "completed").run'); do
		is_status 0 muster diff "$run"
		troubled "$run" || out_has "+red" # changes that the power took are told
	done
	is_status 0 muster verify
}
