# What is too large for the journal's rows: the output of a command, a file, one that goes piece by piece, a model's answer.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
prepare()
{
	slow_mode
	{
		reply 0 shell '{"command":"echo again; seq 30000; seq -s , 100000 >large.txt"}' ',"repeat":true' ',"status":"lost"'
		call worker shell '{"command":"seq 30000; seq -s , 100000 >large.txt"}'
		call worker write_file "{\"path\":\"big.txt\",\"content\":\"$(seq -s ' ' 250000)\"}"
		call worker finish '{"result":"ok"}'
	} | script
}

scenario()
{
	muster run slow --script script.jsonl --project p
}

after()
{
	whole <<-'END'
		0 ok 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35
		0 ok created big.txt (1638894 bytes)
		0 ok finished
		agent 0 done
		evidence unchecked
		phase work
		3 answers, 45
		commit Test mode slow
		1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 3
		1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,3
		big.txt
		large.txt
	END
}
