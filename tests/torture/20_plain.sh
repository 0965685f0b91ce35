# A run of one agent, from its creation to its commit: a file, a check, the end.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
prepare()
{
	{
		echo '{"match":{"agent":"0","status":"lost"},"repeat":true,"reply":{"text":"again","tool_calls":[{"name":"run_tests","arguments":{}}]}}'
		call engineer write_file '{"path":"hello.txt","content":"hello\n"}'
		call engineer run_tests '{}'
		call engineer finish '{"result":"Wrote hello.txt"}'
	} | script
}

scenario()
{
	muster run one_shot --input task=hello --script script.jsonl --check "grep -q hello hello.txt" --project p
}

after()
{
	whole <<-'END'
		0 ok created hello.txt (6 bytes)
		0 ok [exit status 0]
		0 ok finished
		agent 0 done
		evidence done
		phase check
		phase work
		3 answers, 45
		commit One shot
		hello
		hello.txt
	END
}
