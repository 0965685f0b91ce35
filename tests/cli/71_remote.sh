#!/bin/bash
# shellcheck disable=SC2154,SC2317  # out, url, started: set by the helpers; functions that wait_for calls
# The command line at a server: MUSTER_URL and a key, and nothing else of the server's machine.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

words='four plain words here'

# ask METHOD PATH JSON: an account's beginning, before there is a key for the command line.
ask()
{
	curl -sS --max-time 60 -X "$1" -H 'Content-Type: application/json' "$url/api/v1$2" -d "$3" >asked || fail "$1 $2"
}

# client: from now on the commands are a client's: another home, another data folder, the server's address.
client()
{
	export HOME=$T/home MUSTER_DATA=$T/nowhere MUSTER_URL=$url
	mkdir -p "$HOME"
}

# at_server: a server whose models answer from script.jsonl, its owner Ada, and a client that is signed in as her.
at_server()
{
	local setup
	printf 'model: "script:%s"\n' "$T/script.jsonl" >"$MUSTER_DATA/config.yaml"
	serving
	wait_for 20 grep -q 'setup token' bg.out
	setup=$(sed -n 's/.*until there is one: //p' bg.out)
	ask POST /auth/setup "{\"token\":\"$setup\",\"name\":\"Ada\",\"email\":\"ada@example.org\",\"password\":\"$words\"}"
	client
	echo "$words" | is_status 0 muster auth login "$url" --email ada@example.org
}

# run_of: sets $run to the newest run of the server.
run_of()
{
	run=$(muster runs --names | head -n 1)
	[ "$run" ] || fail "no run"
}

test_a_login_keeps_a_key_and_a_logout_revokes_it()
{
	local key
	question_mode
	at_server
	out_has "signed in"
	same "$(stat -c %a "$HOME/.config/muster/credentials")" 600 "mode of the file"
	is_status 0 muster auth whoami
	out_has "Ada, owner at $url (read, write, admin)"
	echo "$words" | is_status 0 muster auth keys create reader --scopes read --expires 30 --email ada@example.org
	key=$(cat out)
	is_status 0 muster auth keys
	out_has reader
	MUSTER_KEY=$key is_status 0 muster auth whoami
	out_has "(read)"
	MUSTER_KEY=$key is_status 4 muster projects create mine
	err_has "the key lacks the scope write"
	is_status 0 muster auth logout "$url"
	out_has "revoked"
	is_status 4 muster runs
	err_has "muster auth login $url"
	is_status 2 muster auth logout "$url"
	echo "$key" | is_status 0 muster auth login --key -
	is_status 0 muster auth whoami
	out_has "(read)"
	same "$(jq length "$HOME/.config/muster/credentials")" 1 "servers"
	is_status 0 muster auth logout
	out_has "was not revoked there: the key lacks the scope write"
	is_status 2 muster auth logout
	chmod 644 "$HOME/.config/muster/credentials"
	is_status 4 muster runs
	err_has "chmod 600"
}

test_a_wrong_password_or_key_is_refused_and_nothing_is_kept()
{
	question_mode
	at_server
	is_status 0 muster auth logout
	echo wrong | is_status 4 muster auth login --email ada@example.org
	echo 'mk_wrong' | is_status 4 muster auth login --key -
	is_status 2 muster auth login --key mk_visible
	err_has "standard input"
	same "$(cat "$HOME/.config/muster/credentials")" '{}' "what is kept"
}

test_whoever_cannot_be_asked_is_named_with_what_to_do()
{
	mkdir -p home
	export HOME=$T/home
	MUSTER_URL=http://127.0.0.1:1 is_status 4 muster runs
	err_has "http://127.0.0.1:1 cannot be asked"
	err_has "MUSTER_URL"
	MUSTER_URL=127.0.0.1:1 is_status 2 muster runs
	err_has "is no server's address"
	MUSTER_URL=http://127.0.0.1:1 is_status 2 muster verify
	err_has "muster verify works in a data folder, not at a server"
	is_status 2 muster verify --url http://127.0.0.1:1
	err_has "not at a server"
	start /usr/bin/python3 -m http.server --bind 127.0.0.1 --directory "$HOME" 0
	wait_for 20 grep -q 'port [1-9]' bg.out bg.err
	is_status 2 muster runs --url "http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\).*/\1/p' bg.out bg.err)"
	err_has "does not answer as a muster server does"
	# A data folder that is named goes before the environment.
	MUSTER_URL=http://127.0.0.1:1 is_status 0 muster runs --data "$T/empty"
	out_has "no runs in $T/empty"
}

test_a_chat_at_a_server()
{
	local run
	{
		call assistant finish '{"result":"Nothing yet."}'
		call assistant finish '{"result":"Still nothing."}'
	} | script
	mkdir -p "$MUSTER_DATA"
	at_server
	is_status 0 muster chat "What is here?" --role assistant
	same "$(cat out)" "Nothing yet."
	run_of
	err_has "muster chat send $run"
	is_status 0 muster chat send "$run" "And now?"
	same "$(cat out)" "Still nothing."
	is_status 0 muster chat rename "$run" "An empty project"
	is_status 0 muster chat list
	out_has "An empty project"
	is_status 0 muster chat history "$run" --json
	same "$(jq -r '.[] | "\(.from): \(.text)"' out)" "$(jq -r '.[0].from' out): What is here?
assistant: Nothing yet.
Ada: And now?
assistant: Still nothing."
	is_status 0 muster chat clear "$run"
	is_status 0 muster chat list
	out_has "no chats"
	is_status 2 muster chat clear "$run"
}

test_a_run_is_started_shown_and_answered_at_a_server()
{
	local run
	question_mode
	at_server
	is_status 0 muster projects create first --description "the first"
	is_status 2 muster run asking --project none
	err_has "muster projects"
	is_status 3 muster run asking --project first --title "Which one" --json
	json_is 'select(.type == "run.waiting") | .data.on' person
	same "$(tail -n 1 out | jq -r .exit)" 3 "the last line"
	run_of
	is_status 0 muster runs
	out_has "Which one"
	is_status 0 muster runs --state waiting --json
	json_is '.[0].project' "$(muster projects show first --json | jq -r .id)"
	is_status 0 muster actions
	out_has "Which colour?"
	is_status 0 muster actions "$run"
	out_has "options: "
	is_status 2 muster answer "$run" colour green
	err_has 'is none of the options'
	is_status 3 muster resume "$run" --unattended
	is_status 0 muster answer "$run" colour red
	out_has answered
	is_status 0 muster log "$run" --follow
	out_has run.completed
	is_status 0 muster show "$run"
	out_has "Which one"
	out_has "a1"
	is_status 0 muster show "$run" --json
	json_is .result.summary red
	json_is '.actions[0].state' resolved
	is_status 0 muster usage "$run"
	out_has "nothing was spent"
	is_status 2 muster resume "$run"
	err_has "fork it"
	is_status 0 muster run asking --answer colour=blue
	out_has "answer" || true
	is_status 0 muster projects --json
	json_is 'map(.name) | length' 2
	# The events are the server's, byte for byte.
	muster log "$run" --json >seen
	MUSTER_URL='' MUSTER_DATA=$T/data muster log "$run" --json >kept
	same "$(cat seen)" "$(cat kept)" "the events"
}

test_people_intervene_in_a_run_at_a_server()
{
	local run fork
	mode talk <<-'END'
		return function(run)
		  vars.colour = "green"
		  ask { name = "one", title = "One?", options = { "yes" } }
		  agent { role = "worker", task = "work" }
		  ask { name = "two", title = "Two?" }
		end
	END
	{
		call worker shell '{"command":"echo made >made.txt"}'
		call worker finish '{"result":"worked"}' ',"repeat":true'
	} | script
	at_server
	is_status 3 muster run talk
	run_of
	is_status 0 muster modify "$run" --budget 7
	is_status 0 muster modify "$run" colour=red
	is_status 0 muster pause "$run"
	paused()
	{
		[ "$(muster show "$run" --json | jq -r .run.state)" = paused ]
	}
	wait_for 20 paused
	is_status 3 muster resume "$run"
	is_status 3 muster resume "$run" --answer one=yes
	is_status 0 muster log "$run"
	out_has "tool.finished"
	is_status 0 muster usage "$run" --json
	json_is '.[0].role' worker
	is_status 0 muster diff "$run"
	out_has "+made"
	is_status 0 muster fork "$run" --json
	fork=$(json_get .run)
	is_status 0 muster cancel "$fork"
	is_status 0 muster cancel "${run: -8}"
	ended_there()
	{
		[ "$(muster runs --json | jq -r 'map(.state) | unique | join(" ")')" = cancelled ]
	}
	wait_for 20 ended_there
	is_status 2 muster steer "$run" "too late"
	err_has cancelled
}

test_projects_people_and_the_audit_are_kept_at_a_server()
{
	local token
	question_mode
	at_server
	is_status 0 muster projects
	out_has "no projects"
	is_status 0 muster projects create mine --description "what it is"
	out_has mine
	is_status 0 muster projects change mine --name ours
	is_status 0 muster projects archive ours
	is_status 4 muster run asking --project ours
	err_has archived
	is_status 0 muster projects list --state archived
	out_has "what it is"
	is_status 0 muster projects unarchive ours
	is_status 0 muster projects delete ours
	is_status 0 muster projects restore ours
	out_has active
	is_status 2 muster projects frobnicate
	err_has "usage: muster projects"
	is_status 0 muster users
	out_has ada@example.org
	is_status 0 muster users invite bob@example.org --role admin
	token=$(cat out)
	ask POST /auth/invite "{\"token\":\"$token\",\"name\":\"Bob\",\"email\":\"bob@example.org\",\"password\":\"$words\"}"
	is_status 0 muster users role bob@example.org viewer
	is_status 0 muster users disable bob@example.org
	is_status 0 muster users --json
	json_is 'map(select(.name == "Bob")) | .[0] | "\(.role) \(.disabled)"' "viewer true"
	is_status 0 muster users delete bob@example.org
	is_status 2 muster users enable bob@example.org
	err_has "there is nobody with the id or address bob@example.org"
	is_status 0 muster audit --what person.disable
	out_has person.disable
	is_status 0 muster audit --limit 2 --json
	json_is length 2
	is_status 0 muster config set registration=true
	out_has "registration=true"
	is_status 0 muster config
	out_has "verify_email=false"
	is_status 0 muster modes asking
	out_has "Test mode asking"
	is_status 0 muster modes --names
	out_has asking
	is_status 0 muster roles
	out_has worker
	# Whoever serves the data folder is asked as its owner, without a key.
	MUSTER_URL='' MUSTER_DATA=$T/data is_status 0 muster auth whoami
	out_has "the owner of $T/data"
	MUSTER_URL='' is_status 2 muster users
	err_has "asks a server"
}

test_shells_complete_what_the_first_word_may_be()
{
	is_status 0 muster completion bash
	cp out completion
	# shellcheck disable=SC1091
	. ./completion
	COMP_WORDS=(muster users in) COMP_CWORD=2
	_muster
	same "${COMPREPLY[*]}" invite "what users is completed to"
	is_status 0 muster completion zsh
	out_has "names=(whoami login logout keys)"
	is_status 0 muster completion fish
	out_has "-a 'list show create change archive unarchive delete restore'"
}

test_a_run_is_shown_on_when_its_server_was_killed()
{
	local showing port=0
	echo 'return function(run) sleep(2) return { summary = "slept" } end' | mode nap
	script </dev/null
	at_server
	port=${url##*:}
	"$MUSTER" run nap --unattended >shown 2>shown.err &
	showing=$!
	echo "$showing" >>"$T.pids"
	wait_for 20 grep -q 'waits for timer' shown
	kill -9 "$started"
	ended 2>/dev/null || true
	MUSTER_DATA=$T/data start muster serve --listen "127.0.0.1:$port"
	wait "$showing" || fail "it ended with $?: $(cat shown shown.err)"
	file_has shown slept
	same "$(grep -c 'waits for timer' shown)" 1 "times that an event is shown"
}

test_a_password_is_not_shown_at_the_terminal()
{
	question_mode
	at_server
	is_status 0 muster auth logout
	cat >typed.py <<-'END'
		import os, pty, sys, time

		seen = b""
		pid, end = pty.fork()
		if pid == 0:
		    os.execv(sys.argv[1], [sys.argv[1], "auth", "login"])
		answers = [(b"e-mail: ", b"ada@example.org\n"), (b"password: ", sys.argv[2].encode() + b"\n")]
		while True:
		    if answers and answers[0][0] in seen:
		        os.write(end, answers.pop(0)[1])
		    try:
		        more = os.read(end, 4096)
		    except OSError:
		        break
		    if not more:
		        break
		    seen += more
		sys.stdout.buffer.write(seen)
		sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	END
	is_status 0 /usr/bin/python3 typed.py "$MUSTER" "$words"
	out_has "signed in"
	out_has "ada@example.org"
	out_lacks "$words"
}

test_interrupting_a_run_that_is_shown_pauses_it()
{
	local run
	echo 'return function(run) exec { command = "sleep 3" } ask { name = "q", title = "Q?" } end' | mode long
	script </dev/null
	at_server
	start muster run long --unattended
	begun()
	{
		muster log "$(muster runs --names | head -n 1)" | grep -q flow
	}
	wait_for 20 begun
	kill -INT "$started"
	local status=0
	ended || status=$?
	same "$status" 130 "status ($(cat bg.err))"
	run_of
	is_status 0 muster runs --json
	json_is '.[0].state' paused
}

test_a_run_goes_to_the_process_that_serves_the_data_folder()
{
	local run status
	question_mode
	serving
	is_status 3 muster run asking --script script.jsonl --project here --title Given
	[ -d here/.git ] || fail "the project is not where it was asked for"
	run=$(muster runs --names)
	is_status 0 muster runs --json
	json_is '.[0].state' waiting
	is_status 0 muster resume "$run" --answer colour=blue
	is_status 0 muster run asking --script script.jsonl --record again.jsonl --answer colour=red
	file_has again.jsonl red
	same "$(find . -maxdepth 1 -name 'asking-*' | wc -l)" 1 "projects made here"
	# What is named by a path is what stands here, not where the server was started.
	mkdir -p elsewhere
	echo given >elsewhere/notes.txt
	sed -i 's/^gates:/  - {name: notes, type: file}\ngates:/' "$MUSTER_DATA/modes/asking/mode.yaml"
	(cd elsewhere && muster run asking --script ../script.jsonl --input notes=notes.txt --answer colour=red --project p) >out
	out_has "elsewhere/p"
	[ -d elsewhere/p/.git ] || fail "the project is not where it was asked for"
	is_status 0 muster show "$(muster runs --names | head -n 1)" --json
	json_is '.created.files[0]' input_files/notes.txt
	local_call GET "/api/v1/runs/$(json_get .run.run)/diff"
	same "$status" 200 "status"
	kill -TERM "$started"
	ended
	is_status 0 muster verify
}

test_a_server_with_a_certificate_of_its_own_is_trusted_when_it_is_named()
{
	question_mode
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=muster \
		-addext 'subjectAltName=IP:127.0.0.1' -keyout key.pem -out cert.pem 2>openssl.err || fail "$(cat openssl.err)"
	export MUSTER_TLS_CERTIFICATE=$T/cert.pem MUSTER_TLS_KEY=$T/key.pem
	serving
	client
	is_status 4 muster runs
	err_has "$url cannot be asked"
	err_has "MUSTER_CA=FILE"
	export MUSTER_CA=$T/cert.pem
	is_status 4 muster runs
	err_has "muster auth login $url"
}

run_tests
