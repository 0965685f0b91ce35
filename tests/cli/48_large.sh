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

run_tests
