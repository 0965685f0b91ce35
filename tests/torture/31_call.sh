# A mode that calls another, whose agent asks and writes.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
more=(--answer colour=red)

prepare()
{
	mode part <<-'END'
		return function(run)
		  local answer = ask { name = "colour", title = "Which colour?", options = { "red", "blue" } }
		  local work = agent { role = "worker", task = "paint it " .. answer.option }
		  return { colour = answer.option, said = work.result }
		end
	END
	mode outer <<-'END'
		return function(run)
		  local part = call("part", { task = "paint" })
		  write("colour.txt", part.colour .. "\n")
		  return { summary = part.said }
		end
	END
	echo "calls: [part]" >>"$MUSTER_DATA/modes/outer/mode.yaml"
	{
		call worker write_file '{"path":"painted","content":"yes\n"}'
		call worker finish '{"result":"painted"}'
	} | script
}

scenario()
{
	muster run outer --script script.jsonl --project p "${more[@]}"
}

after()
{
	whole <<-'END'
		0 ok created painted (4 bytes)
		0 ok finished
		agent 0 done
		decided red
		evidence unchecked
		question colour
		2 answers, 30
		commit Test mode outer
		red
		yes
		colour.txt
		painted
	END
}
