#!/bin/bash
# shellcheck disable=SC2094,SC2317  # a terminal's output is read while it is written; functions that wait_for calls
# Talking with an agent about a project: the conversation goes on with each answer, over any time, and can have work done.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

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
	out_has "next      muster chat send $run"
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
	is_status 2 muster run chat --input message=hello --input role=architekt --project q --script script.jsonl
	err_has 'did you mean "architect"?'
	is_status 2 muster run chat --input message=hello --input role=../roles/architect --project q --script script.jsonl
	err_has "a role's id"
	[ ! -e q ] || fail "a project was made"
	# One of the house's own.
	mkdir -p "$MUSTER_DATA/roles"
	sed 's/^id: .*/id: poet/; s/^name: .*/name: Poet/' "$SOURCE/roles/assistant.md" >"$MUSTER_DATA/roles/poet.md"
	call poet finish '{"result":"A file is a file."}' | script
	is_status 0 muster chat hello --role poet --project p --script script.jsonl
	same "$(cat out)" "A file is a file."
}

# answers TEXT…: a script in which the assistant says these, one after the other.
answers()
{
	local text
	for text; do
		call assistant finish "{\"result\":\"$text\"}"
	done | script
}

test_the_verb_begins_and_goes_on()
{
	local id
	answers "There is one file." "It sells tea." "Nothing else."
	mkdir p
	echo 'print("tea")' >p/shop.py
	is_status 0 muster chat "What is" here? --project p --script script.jsonl
	same "$(cat out)" "There is one file."
	id=$(sed -n 's/^chat \([0-9a-f]*\); go on with: muster chat send \([0-9a-f]*\) .*/\1/p' err)
	same "$id" "$(newest)"
	is_status 0 muster chat send "$id" "What does it sell?"
	same "$(cat out)" "It sells tea."
	# What would be an option of an action is a message here.
	is_status 0 muster chat send "$id" - <<<"end of it?"
	same "$(cat out)" "Nothing else."
	same "$(state "$id")" waiting
	is_status 0 muster chat history "$id" --json
	same "$(jq -r '.[].text' out)" "What is here?
There is one file.
What does it sell?
It sells tea.
end of it?
Nothing else."
	same "$(jq -r '.[1].from' out)" assistant
	is_status 0 muster chat history "$id"
	out_has "assistant, "
	is_status 0 muster chat list
	out_has "$id"
	out_has "your turn"
	out_has "What is here?"
	is_status 0 muster replay "$id"
	is_status 2 muster chat send "$id" " "
	is_status 2 muster chat send
	err_has "a word is missing"
	is_status 4 muster chat send "$id" "And now?"
	same "$(state "$id")" failed
}

test_an_answer_is_shown_as_it_is_written()
{
	{
		call assistant list '{"path":"."}'
		call assistant finish '{"result":"It \"is\"\nempty."}'
	} | script
	is_status 0 muster chat hello --project p --script script.jsonl --json
	same "$(jq -r 'select(.type == "answer.delta").data | "\(.agent) \(.turn)"' out | sort -u)" "0 2"
	same "$(jq -js 'map(select(.type == "answer.delta").data.text) | add' out)" "$(printf 'It "is"\nempty.')"
	same "$(jq -r .type out | grep -x -e answer.delta -e flow.said | uniq | paste -sd' ')" "answer.delta flow.said"
	same "$(tail -n 1 out | jq -r '"\(.state) \(.exit)"')" "waiting 0"
}

test_the_verb_says_what_else_a_chat_waits_for()
{
	{
		call assistant work '{"task":"sell coffee"}'
		call assistant finish '{"result":"Then not."}'
		call assistant finish '{"result":"You are welcome."}'
	} | script
	is_status 3 muster chat "coffee, please" --project p --script script.jsonl
	err_has "muster answer"
	run=$(newest)
	is_status 0 muster answer "$run" work revise "tea will do"
	is_status 0 muster chat send "$run" "Thanks"
	same "$(cat out)" "Then not.
You are welcome."
}

# typed LINES command…: the command on a pseudo-terminal, with these lines typed, the later ones before it asks for them.
typed()
{
	local lines=$1
	shift
	{
		printf '%b' "$lines"
		wait_for 40 grep -q 'Three' "$T/out"
		printf '\004'
	} | TERM=xterm timeout 50 script -qec "$(printf '%q ' "$@")" /dev/null >"$T/out" 2>"$T/err"
}

test_on_a_terminal_it_goes_on_line_by_line()
{
	answers One. Two. Three.
	typed 'first\nsecond\nthird\n' "$MUSTER" chat --project p --script script.jsonl || fail "status $?: $(cat out)"
	run=$(newest)
	out_has "muster chat send $run"
	same "$(state "$run")" waiting
	is_status 0 muster chat history "$run" --json
	same "$(jq -r '.[].text' out | paste -sd' ')" "first One. second Two. third Three."
}

# A model that waits for a file before it answers.
waiting_model()
{
	cat >model <<-'END'
		#!/bin/bash
		request=$(cat)
		n=$(($(grep -o '"role":"assistant"' <<<"$request" | wc -l) - 1)) # it is the agent's role, too
		until [ -e "${0%/*}/go$n" ]; do sleep 0.05; done
		echo '{"reply":{"text":"","tool_calls":[{"name":"finish","arguments":{"result":"Answer '"$n"'."}}],"usage":{"input":1,"output":1}}}'
	END
	chmod +x model
}

newest_runs()
{
	[ -n "$(newest)" ] && [ "$(state "$(newest)")" = running ]
}

test_a_message_that_comes_meanwhile_is_sent_once()
{
	local first second
	waiting_model
	serving
	mkdir p
	muster chat "Message 0." --project p --model "exec:$T/model" >first 2>&1 &
	first=$!
	wait_for 20 newest_runs
	run=$(newest)
	muster chat send "$run" "Message 1." >second 2>second.err &
	second=$!
	wait_for 20 grep -q "still at work" second.err
	touch go1 go0
	wait "$first" || fail "the first: $?: $(cat first)"
	wait "$second" || fail "the second: $?: $(cat second second.err)"
	is_status 0 muster chat history "$run" --json
	same "$(jq -r '.[].text' out | paste -sd' ')" "Message 0. Answer 0. Message 1. Answer 1."
	head -n 1 first | grep -q "Answer 0." || fail "$(cat first)"
	same "$(tail -n 1 second)" "Answer 1."
}

test_two_messages_at_once_are_sent_one_after_the_other()
{
	local first second third
	waiting_model
	serving
	mkdir p
	muster chat "Message 0." --project p --model "exec:$T/model" >first 2>&1 &
	first=$!
	wait_for 20 newest_runs
	run=$(newest)
	muster chat send "$run" "Message 1." >second 2>second.err &
	second=$!
	muster chat send "$run" "Message 2." >third 2>third.err &
	third=$!
	wait_for 20 grep -q "still at work" second.err
	wait_for 20 grep -q "still at work" third.err
	touch go2 go1 go0
	wait "$first" || fail "the first: $?: $(cat first)"
	wait "$second" || fail "the second: $?: $(cat second second.err)"
	wait "$third" || fail "the third: $?: $(cat third third.err)"
	is_status 0 muster chat history "$run" --json
	same "$(jq -r '[.[].text] | sort | join(" ")' out)" "Answer 0. Answer 1. Answer 2. Message 0. Message 1. Message 2."
	same "$(jq -r '[.[] | .text[0:1]] | join("")' out)" MAMAMA
}

test_a_chat_is_renamed_and_cleared()
{
	local spent
	answers One. Two.
	is_status 0 muster chat "What do you make of a rather long first message, which no list can show?" --project p --script script.jsonl
	run=$(newest)
	is_status 0 muster chat list --json
	json_is '.[0].title' "What do you make of a rather long first message, which no…"
	is_status 0 muster chat rename "$run" About tea
	is_status 0 muster chat list --json
	json_is '.[0].title' "About tea"
	json_is '.[0].state' waiting
	is_status 2 muster rename "$run" "$(printf 'two\nlines')"
	err_has "one line"
	is_status 2 muster rename "$run" "$(head -c 201 /dev/zero | tr '\0' x)"
	same "$(muster log "$run" --json | jq -r .type | tail -n 1)" run.renamed
	is_status 0 muster chat send "$run" "And now?"
	same "$(cat out)" Two.
	is_status 0 muster replay "$run"
	is_status 0 muster verify --rebuild
	is_status 0 muster chat list --json
	json_is '.[0].title' "About tea"
	# One that has ended is renamed, too; a fork has the name that it had.
	is_status 0 muster answer "$run" message end
	is_status 0 muster resume "$run"
	is_status 0 muster rename "$run" "Tea, once"
	is_status 0 muster fork "$run"
	is_status 0 muster runs --json
	json_is '[.[].title] | sort | join("|")' "About tea|Tea, once"
	spent=$(muster usage --json | jq '[.[].usd] | add * 1e6 | round')
	is_status 0 muster chat clear "$run"
	is_status 2 muster chat history "$run"
	same "$(muster usage --json | jq '[.[].usd] | add * 1e6 | round')" "$spent"
	is_status 0 muster verify
	[ "$(find "$MUSTER_DATA/copies" -maxdepth 1 -name "*$run" | wc -l)" = 0 ] || fail "its working copy is there"
}

test_a_chat_that_waits_is_cleared()
{
	answers One.
	is_status 0 muster chat hello --project p --script script.jsonl
	run=$(newest)
	is_status 0 muster chat clear "$run"
	is_status 0 muster runs --json
	same "$(cat out)" "[]"
	is_status 2 muster delete "$run"
	is_status 0 muster verify
	is_status 0 muster verify --rebuild
}

# told: what the agent was told, as text.
told_all()
{
	muster log "$run" --json | jq -r 'select(.type == "message.added" or .type == "tool.answered").data | .text // .content'
}

test_files_are_shown_to_the_agent()
{
	answers One. Two. Three.
	mkdir -p p/src
	echo 'print("tea")' >p/shop.py
	echo 'int main;' >p/src/a.c
	head -c 100000 /dev/zero | tr '\0' x >p/large.txt
	printf 'a\0b' >p/binary.bin
	is_status 0 muster chat "What do (@shop.py) and @src/a.c. do? @decorated me@shop.py" --project p --script script.jsonl
	same "$(cat out)" One.
	run=$(newest)
	told_all >told
	has_lines told '--- shop.py ---' 'print("tea")' '--- end of shop.py ---' '--- src/a.c ---' 'int main;'
	same "$(grep -c 'end of shop.py' told)" 1
	grep -q "decorated is" err && fail "$(cat err)"
	is_status 0 muster chat send "$run" "And @large.txt @nothing.py @src @binary.bin @/etc/passwd @../p/shop.py?"
	same "$(cat out)" Two.
	err_has "@nothing.py is no file of this project; the message went on without it."
	err_has "@src is a folder"
	err_has "@binary.bin is no text"
	err_has "@/etc/passwd is no file"
	err_has "@../p/shop.py is no file"
	told_all >told
	has_lines told '--- large.txt ---' '(the rest is left out; read_file shows it)'
	grep -q 'root:' told && fail "a file of the host was shown"
	is_status 0 muster chat history "$run" --json
	same "$(jq -r '[.[] | select(.from == "muster")] | length' out)" 5
	is_status 0 muster replay "$run"
}

# has_lines FILE LINE…: these are lines of it.
has_lines()
{
	local line file=$1
	shift
	for line; do
		grep -qxF -e "$line" "$file" || fail "no line \"$line\" in $(cut -c 1-200 "$file")"
	done
}

test_what_is_no_chat_is_not_talked_to()
{
	question_mode
	is_status 3 muster run asking --project p --script script.jsonl
	run=$(newest)
	is_status 2 muster chat send "$run" hello
	err_has "is no chat"
	is_status 2 muster chat history "$run"
	is_status 0 muster chat list
	out_has "no chats"
	is_status 2 muster chat hello --role nobody --project p --script script.jsonl
	err_has "muster roles"
}

run_tests
