#!/bin/bash
# shellcheck disable=SC2154  # started, run: set by the helpers
# Attacks of the security page that go beyond one sandbox: what a run leaves in its working copy meets the host, the person's terminal,
# the project and other runs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"

# commanding NAME <commands: a mode that runs them in the sandbox, in one shell, and says what they printed.
commanding()
{
	local commands
	commands=$(cat)
	mode "$1" <<-END
		return function(run)
		  local r = exec { command = [==[
		$commands
		]==] }
		  return { summary = r.output, exit = r.exit }
		end
	END
	: | script
}

# said: what the newest run's commands printed.
said()
{
	muster show "$(newest)" --json | jq -r .result.summary | grep -v '^\[exit status'
}

# on_terminal command…: run it on a pseudo-terminal; what it shows is in $T/out.
on_terminal()
{
	local words
	words=$(printf '%q ' "$@")
	TERM=xterm timeout "$TIME_LIMIT" script -qec "$words" /dev/null </dev/null >"$T/out" 2>"$T/err"
}

# inert WHAT: what is on the terminal holds nothing that acts on it.
inert()
{
	local bytes
	for bytes in $'\033]0;owned' $'\033[31mowned' $'\302\233' $'\342\200\256'; do
		! grep -qF -e "$bytes" out || fail "$1 lets $(printf %q "$bytes") through$(shown)"
	done
}

# What an agent writes, a person looks at: none of it may drive the terminal.
test_row12_names_and_contents_are_inert_on_a_terminal()
{
	local verb
	command -v script >/dev/null || skip "no script(1)"
	commanding paint <<-'END'
		printf 'x\033]0;owned\007\033[31mowned\302\2332J\342\200\256\n' | tee painted
		touch "$(printf 'na\033]0;owned\007me\033[31mowned\342\200\256')" "$(printf 'two\nlines')"
	END
	is_status 0 muster run paint --script script.jsonl --project p
	run=$(newest)
	unset -f script
	for verb in diff show log; do
		on_terminal "$MUSTER" "$verb" "$run"
		out_has painted
		inert "$verb"
	done
	is_status 0 muster diff "$run" # for a program, byte for byte
	out_has $'\033[31mowned'
}

# What a person must decide is told in words of agents too, on the terminal that waits for the answer.
test_row12_a_question_is_inert_on_a_terminal()
{
	command -v script >/dev/null || skip "no script(1)"
	mode asks <<-'END'
		return function(run)
		  local evil = "\27]0;owned\7\27[31mowned\u{9b}2J\u{202e}"
		  phase(evil) say(evil) plan { { id = "0", title = evil } }
		  ask { name = "which", title = "Which? " .. evil, body = evil, options = { evil, "other" } }
		  gate { name = "start", title = "Start? " .. evil, show = evil, body = evil }
		end
	END
	: | script
	unset -f script
	on_terminal "$MUSTER" run asks --script script.jsonl --project p || true
	out_has "Which?"
	inert "the question"
	on_terminal "$MUSTER" actions
	out_has "Which?"
	inert actions
	is_status 3 muster resume "$(newest)" --answer which=other
	on_terminal "$MUSTER" resume "$(newest)" || true
	out_has "Start?"
	inert "the gate"
}

# Git's own ways to start programs: written into the copy, or into a git directory that the run may not write.
test_row27_a_repository_starts_nothing_on_the_host()
{
	git init -q -b main p
	echo one >p/a.txt
	git -C p add . && git -C p -c user.email=a@b -c user.name=a commit -qm one
	commanding plant <<-'END'
		evil="touch $HOME/ran /work/ran"
		printf '* filter=evil diff=evil merge=evil ident\n' >.gitattributes
		printf '[submodule "s"]\n\tpath = s\n\turl = ext::sh -c "%s"\n\tupdate = !%s\n' "$evil" "$evil" >.gitmodules
		mkdir s hooks && printf '#!/bin/sh\n%s\n' "$evil" | tee hooks/post-commit s/.git >/dev/null && chmod +x hooks/post-commit
		for key in filter.evil.clean filter.evil.smudge diff.evil.command diff.evil.textconv merge.evil.driver \
			core.fsmonitor core.sshCommand core.pager core.hooksPath include.path; do
			git config "$key" "$evil" 2>/dev/null && echo "set $key"
			git config --file .git/config "$key" "$evil" 2>/dev/null && echo "wrote $key"
		done
		for hook in pre-commit post-commit post-checkout post-merge post-rewrite reference-transaction; do
			{ mkdir -p .git/hooks && cp hooks/post-commit ".git/hooks/$hook"; } 2>/dev/null && echo "planted $hook"
		done
		mv .git elsewhere 2>/dev/null && echo "moved .git"
		rm -rf .git 2>/dev/null && echo "removed .git"
		echo two >a.txt
		echo done
	END
	is_status 0 muster run plant --script script.jsonl --project p
	run=$(newest)
	same "$(said)" "done" "what could be planted"
	is_status 0 muster diff "$run"
	is_status 0 muster merge "$run"
	file_has p/a.txt two
	is_status 0 muster run plant --script script.jsonl --project p # and a copy is made of what was merged
	is_status 0 muster fork "$(newest)"
	same "$(find . -name ran | head -n 1)" "" "something was started by git"
	same "$(git -C p config --get-regexp 'filter|fsmonitor|sshcommand|hookspath|include' || true)" "" "the project's configuration"
}

# Whatever lies in the copy when its command ends: the host reads it without waiting, following or growing.
test_row22_strange_things_in_a_copy_harm_nobody()
{
	local size
	echo "top secret" >outside
	chmod 644 outside
	commanding strange <<-END
		mkfifo fifo package.json Makefile
		python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
		ln -s "$T/outside" link; ln -s / root; ln -s loop loop; ln -s /proc/self/environ environ
		ln link hard; ln /etc/passwd passwd 2>/dev/null && echo "linked /etc/passwd"
		mknod device b 7 0 2>/dev/null && echo "made a device"
		for i in 1 2 3 4 5 6 7 8; do truncate -s 500M hollow\$i; echo \$i >>hollow\$i; done
		cp /bin/true setuid && chmod 4755 setuid
		mkdir -p deep && cd deep && for i in \$(seq 200); do mkdir d && cd d || break; done
		echo done
	END
	is_status 0 muster run strange --script script.jsonl --project p
	run=$(newest)
	same "$(said)" "done" "what was possible inside"
	size=$(du -sm "$MUSTER_DATA" | cut -f 1)
	[ "$size" -lt 200 ] || fail "the data folder takes $size MiB"
	is_status 0 muster diff "$run"
	out_lacks "top secret"
	is_status 0 muster fork "$run"
	same "$(find p "$MUSTER_DATA" -perm /6000 -path '*setuid*' ! -path '*/copies/*' | head -n 1)" "" "a file that is more than executable"
	is_status 0 muster verify
}

# muster says of a weak host that it is one, and there its runs are as isolated as elsewhere but for what it says.
test_row44_a_host_without_cgroups_is_told()
{
	export MUSTER_CGROUPS=none
	run muster doctor --json || true
	json_is '.. | objects | select(.name? == "limits") | .ok' false
	out_has "rlimits only"
	commanding inside <<-'END'
		grep -E '^(NoNewPrivs|Seccomp|CapEff):' /proc/self/status | tr -d '\t' | tr '\n' ' '
		cat /etc/shadow 2>/dev/null && echo read
		ls /sys 2>/dev/null && echo sys
		echo end
	END
	is_status 0 muster run inside --script script.jsonl --project p
	same "$(said)" "CapEff:0000000000000000 NoNewPrivs:1 Seccomp:2 end" "inside"
}

# A check that an agent made pass says so to everybody, and counts for nothing.
test_row55_a_check_that_the_run_changed_is_no_evidence()
{
	git init -q -b main p
	echo 'exit 1' >p/test.sh
	git -C p add . && git -C p -c user.email=a@b -c user.name=a commit -qm one
	mode cheat <<-'END'
		return function(run)
		  exec { command = "echo 'exit 0' >test.sh" }
		  return { passed = check {}.passed }
		end
	END
	: | script
	is_status 0 muster run cheat --script script.jsonl --project p
	out_has "unchecked: test.sh says what the check runs, and was changed by the run"
	is_status 0 muster show "$(newest)" --json
	json_is .result.passed true
	json_is .run.evidence unchecked
}

# What a rule forbids is forbidden in every spelling; what cannot be taken apart is not run unasked.
test_row56_a_forbidden_command_is_found_in_every_line()
{
	local line
	mkdir -p "$MUSTER_DATA"
	echo 'policy: [{deny: "shell(touch forbidden*)"}]' >"$MUSTER_DATA/config.yaml"
	mode obey <<-'END'
		return function(run) return { summary = agent { role = "worker", task = "obey" }.result } end
	END
	while IFS= read -r line; do
		call worker shell "$(jq -nc --arg c "$line" '{command: $c}')"
	done <<-'END' | script
		cd . && touch forbidden1
		echo $(touch forbidden2)
		"to"uch 'forbidden3'
		sh -c "touch forbidden4"
		x=touch; $x forbidden5
		eval "$(echo dG91Y2ggZm9yYmlkZGVuNg== | base64 -d)"
		timeout 5 env A=b touch forbidden7
		echo allowed >allowed
	END
	call worker finish '{"result":"obeyed"}' ',"repeat":true' >>script.jsonl
	is_status 0 muster run obey --script script.jsonl --project p --answer approval=deny
	same "$(find . -name 'forbidden*' | head -n 1)" "" "what was done"
	file_has p/allowed allowed
	same "$(muster log "$(newest)" --type tool.denied | grep -c 'matches "deny: shell(touch forbidden\*)"')" 5 "commands that were found"
	same "$(muster log "$(newest)" --type action.opened | wc -l)" 2 "commands that nobody could take apart"
}

first_is_at_work()
{
	find "$MUSTER_DATA/copies" -name mine | grep -q .
}

# One process owns a data folder, so the two have one each; they see neither each other's files nor processes.
test_row57_two_runs_of_a_project_at_once_are_apart()
{
	git init -q -b main p
	echo one >p/a.txt
	git -C p add . && git -C p -c user.email=a@b -c user.name=a commit -qm one
	commanding first <<-'END'
		for at in /tmp/mark ~/mark /dev/shm/mark mine; do echo first >$at; done
		sh -c 'sleep 300; :' first-of-two
	END
	commanding second <<-'END'
		ls mine /tmp/mark ~/mark /dev/shm/mark 2>/dev/null
		cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep first-of-[t]wo
		echo second >mine; echo two >a.txt
		echo done
	END
	mkdir other && cp -r "$MUSTER_DATA/modes" other
	start muster run first --script script.jsonl --project p
	wait_for 30 first_is_at_work
	MUSTER_DATA=$T/other is_status 0 muster run second --script script.jsonl --project p
	same "$(MUSTER_DATA=$T/other said)" "done" "what the second saw"
	same "$(state "$(newest)")" running "the first"
	same "$(cat "$(find "$MUSTER_DATA/copies" -name mine)")" first "the first's file"
	file_has p/a.txt one
	is_status 0 muster cancel "$(newest)"
	ended || true
	MUSTER_DATA=$T/other is_status 0 muster merge "$(MUSTER_DATA=$T/other newest)"
	file_has p/mine second
}

run_tests
