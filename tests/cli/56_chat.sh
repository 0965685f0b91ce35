#!/bin/bash
# Talking with an agent about a project: the conversation goes on with each answer, over any time, and can have work done.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

# said: what the agent said, a line each.
said()
{
	muster log "$run" --json | jq -r 'select(.type == "flow.said").data.text'
}

test_a_chat_goes_on_with_each_answer()
{
	{
		call assistant list '{"path":"."}'
		call assistant finish '{"result":"There is one file, shop.py."}'
		call assistant read_file '{"path":"shop.py"}'
		call assistant finish '{"result":"It sells tea."}'
	} | script
	mkdir p
	echo 'print("tea")' >p/shop.py
	is_status 3 muster run chat --input "message=What is here?" --project p --script script.jsonl
	run=$(newest)
	same "$(said)" "There is one file, shop.py."
	is_status 0 muster answer "$run" message --text "What does it sell?"
	is_status 3 muster resume "$run"
	same "$(said | tail -n 1)" "It sells tea."
	muster log "$run" --json | jq -r 'select(.type == "tool.answered" and .data.agent == "0").data | tostring' >told
	file_has told "What does it sell?"
	is_status 0 muster answer "$run" message end
	is_status 0 muster resume "$run"
	same "$(state "$run")" completed
	is_status 0 muster replay "$run"
	same "$(cat p/shop.py)" 'print("tea")'
}

test_a_chat_has_work_done_when_the_person_approves()
{
	{
		call assistant work '{"task":"sell coffee, too"}'
		call assistant work '{"task":"sell coffee instead"}'
		call engineer write_file '{"path":"shop.py","content":"print(\"coffee\")\n"}'
		call engineer run_tests '{}'
		call engineer finish '{"result":"It sells coffee."}'
		call assistant finish '{"result":"Done: coffee."}'
	} | script
	mkdir p
	echo 'print("tea")' >p/shop.py
	is_status 3 muster run chat --input message=coffee --project p --script script.jsonl --check "grep -q coffee shop.py"
	run=$(newest)
	is_status 0 muster answer "$run" work revise "no, instead of tea"
	is_status 3 muster resume "$run"
	is_status 0 muster answer "$run" work approve
	is_status 3 muster resume "$run"
	same "$(said)" "Done: coffee."
	is_status 0 muster answer "$run" message end
	is_status 0 muster resume "$run"
	same "$(cat p/shop.py)" 'print("coffee")'
}

test_a_chat_is_with_any_role()
{
	call architect finish '{"result":"It has no layers."}' | script
	is_status 3 muster run chat --input message=hello --input role=architect --project p --script script.jsonl
	run=$(newest)
	same "$(said)" "It has no layers."
	is_status 2 muster run chat --input message=hello --input role=nobody --project q --script script.jsonl
	err_has architect
}

run_tests
