# A question of an agent and one of the flow, both answered while the run goes on.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
more=(--answer colour=red --answer size=big)

prepare()
{
	mode questions <<-'END'
		return function(run)
		  local work = agent { role = "worker", task = "paint" }
		  local size = ask { name = "size", title = "Which size?", options = { "big", "small" } }
		  write("size.txt", size.option .. " " .. work.result .. "\n")
		  return { summary = "asked" }
		end
	END
	{
		call worker ask_human '{"name":"colour","title":"Which colour?","options":["red","blue"]}'
		call worker finish '{"result":"painted"}'
	} | script
}

scenario()
{
	muster run questions --script script.jsonl --project p "${more[@]}"
}

after()
{
	whole <<-'END'
		0 ok {"option":"red","text":null}
		0 ok finished
		agent 0 done
		decided big
		decided red
		evidence unchecked
		question colour
		question size
		2 answers, 30
		commit Test mode questions
		big painted
		size.txt
	END
}
