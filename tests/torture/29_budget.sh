# A budget that is reached, extended by whoever is there, and reached by nobody again.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
more=(--answer "budget=extend: 5")

prepare()
{
	slow_mode
	{
		call worker write_file '{"path":"a","content":"1\n"}'
		call worker write_file '{"path":"b","content":"2\n"}'
		call worker finish '{"result":"ok"}'
	} | script
}

scenario()
{
	muster run slow --script script.jsonl --project p --budget 0.008 "${more[@]}"
}

after()
{
	whole <<-'END'
		0 ok created a (2 bytes)
		0 ok created b (2 bytes)
		0 ok finished
		agent 0 done
		budget budget
		decided extend
		evidence unchecked
		phase work
		3 answers, 45
		commit Test mode slow
		1
		2
		a
		b
	END
}
