# Files written, edited and removed, by an agent and by the flow.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
prepare()
{
	mode edits <<-'END'
		return function(run)
		  write("list.txt", "begin\n")
		  agent { role = "worker", task = "edit", tools = json.array { "write_file", "edit_file", "delete_path", "finish" } }
		  edit("list.txt", { { from = "middle", to = "end" } })
		  return { summary = "edited" }
		end
	END
	{
		call worker edit_file '{"path":"list.txt","edits":[{"from":"begin","to":"middle"}]}'
		call worker write_file '{"path":"d/e/kept.txt","content":"kept\n"}'
		call worker write_file '{"path":"d/gone.txt","content":"gone\n"}'
		call worker write_file '{"path":"d/e/kept.txt","content":"kept twice\n"}'
		call worker delete_path '{"path":"d/gone.txt"}'
		call worker finish '{"result":"ok"}'
	} | script
}

scenario()
{
	muster run edits --script script.jsonl --project p
}

after()
{
	whole <<-'END'
		0 ok 1 replacement made in list.txt
		0 ok created d/e/kept.txt (5 bytes)
		0 ok created d/gone.txt (5 bytes)
		0 ok overwrote d/e/kept.txt (11 bytes)
		0 ok deleted d/gone.txt
		0 ok finished
		agent 0 done
		evidence unchecked
		6 answers, 90
		commit Test mode edits
		kept twice
		end
		d/e/kept.txt
		list.txt
	END
}
