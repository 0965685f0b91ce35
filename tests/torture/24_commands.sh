# Commands of an agent, done again when it is told that one was lost, and one of the flow that may be run again.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
prepare()
{
	mode commands <<-'END'
		return function(run)
		  agent { role = "worker", task = "build" }
		  exec { command = "sort one two >both", again = true }
		  return { summary = "built" }
		end
	END
	{
		reply 0 shell '{"command":"echo again; echo 1 >one; [ ! -e both ] && echo 2 >two"}' ',"repeat":true' ',"status":"lost"'
		call worker shell '{"command":"echo 1 >one"}'
		call worker shell '{"command":"echo 2 >two"}'
		call worker finish '{"result":"ok"}'
	} | script
}

scenario()
{
	muster run commands --script script.jsonl --project p
}

after()
{
	whole <<-'END'
		0 ok [exit status 0]
		0 ok [exit status 0]
		0 ok finished
		agent 0 done
		evidence unchecked
		exit 0
		3 answers, 45
		commit Test mode commands
		1
		2
		1
		2
		both
		one
		two
	END
}
