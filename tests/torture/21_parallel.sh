# Two agents at once, and what they wrote joined by the flow.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
prepare()
{
	mode pair <<-'END'
		return function(run)
		  parallel({ "a", "b" }, function(name)
		    return agent { role = "worker", name = name, task = "part " .. name }.result
		  end)
		  write("all.txt", read("a.txt") .. read("b.txt"))
		  return { summary = "joined" }
		end
	END
	for agent in 0 1; do
		for round in 1 2; do
			reply $agent write_file "{\"path\":\"$(tr 01 ab <<<$agent).txt\",\"content\":\"$agent $round\\n\"}"
		done
		reply $agent finish '{"result":"done"}' ',"repeat":true'
	done | script
}

scenario()
{
	muster run pair --script script.jsonl --project p
}

after()
{
	whole <<-'END'
		0 ok created a.txt (4 bytes)
		0 ok overwrote a.txt (4 bytes)
		0 ok finished
		1 ok created b.txt (4 bytes)
		1 ok overwrote b.txt (4 bytes)
		1 ok finished
		agent 0 done
		agent 1 done
		evidence unchecked
		6 answers, 90
		commit Test mode pair
		0 2
		0 2
		1 2
		1 2
		a.txt
		all.txt
		b.txt
	END
}
