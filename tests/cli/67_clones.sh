#!/bin/bash
# shellcheck disable=SC2154  # out: set by the helpers
# Projects made of git repositories elsewhere: cloned in a sandbox, taken over without what is hostile in them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# A host of repositories, which lie in $T/repositories: $https and $http are where it is. The server may go there.
host()
{
	mkdir -p repositories "$MUSTER_DATA"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>openssl.err || fail "$(cat openssl.err)"
	start /usr/bin/python3 "$SOURCE/tests/peer/git_host.py" "$T/repositories" cert.pem key.pem "$T/ports"
	wait_for 20 [ -f ports ]
	read -r https http <ports
	https=https://localhost:$https http=http://localhost:$http
	printf 'outbound: {exempt: [%s], ca_file: %s/cert.pem}\n' "${1:-localhost}" "$T" >"$MUSTER_DATA/config.yaml"
}

# repository NAME: a bare one with two branches, a tag and two files, of which another clone is $T/NAME.
repository()
{
	git -c init.defaultBranch=trunk init -q "$1"
	echo 'int main(void) { return 0; }' >"$1/main.c"
	mkdir "$1/docs"
	printf '#!/bin/sh\n' >"$1/docs/run"
	chmod +x "$1/docs/run"
	ln -s docs/run "$1/link"
	commit "$1" first
	git -C "$1" tag -a -m one v1
	git -C "$1" branch other
	echo more >"$1/more"
	commit "$1" second
	publish "$1"
}

commit()
{
	git -C "$1" add -A
	git -C "$1" commit -qm "$2"
}

publish()
{
	git clone -q --bare "$1" "repositories/$1.git"
	git -C "repositories/$1.git" update-server-info
}

export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t

# clone JSON [curl option…]: sets $id and $dir.
clone()
{
	local body=$1
	shift
	local_call POST /api/v1/projects -d "$body" "$@"
	same "$status" 201 "status ($(cat "$T/out"))"
	json_is .state importing
	id=$(json_get .id)
	dir=$(json_get .dir)
}

# refused URL STATUS: as an answer to the request itself.
refused()
{
	local_call POST /api/v1/projects -d "$(jq -nc --arg url "$1" '{git: $url}')"
	same "$status" "$2" "status of $1 ($(cat "$T/out"))"
}

project_is()
{
	curl -sS --unix-socket "$MUSTER_DATA/sock" "http://muster/api/v1/projects/$id" >"$T/project" &&
		[ "$(jq -r .state project)" = "$1" ]
}

# rests STATE: the import ends, in this state; the record is in $T/out.
rests()
{
	wait_for 60 is_at_rest
	local_call GET "/api/v1/projects/$id"
	json_is .state "$1"
}

is_active()
{
	muster projects show "$1" | grep -q '^state *active$'
}

is_at_rest()
{
	! project_is importing
}

nothing_left()
{
	same "$(find "$MUSTER_DATA/projects" -mindepth 1 -maxdepth 1)" ""
}

test_a_clone_has_files_and_history()
{
	host
	repository shop
	serving
	clone "{\"git\": \"$https/shop.git\", \"tags\": [\"x\"]}" -H 'Idempotency-Key: k'
	local first=$id
	rests active
	json_is .name shop
	json_is .origin git
	json_is .source "$https/shop.git"
	json_is .trusted false
	json_is .import.branches 2
	json_is .import.tags 1
	json_is .import.entries 5
	json_is .import.commit "$(git -C shop rev-parse HEAD)"
	same "$(git -C "$dir" symbolic-ref HEAD)" refs/heads/trunk
	same "$(git -C "$dir" for-each-ref)" "$(git -C repositories/shop.git for-each-ref)"
	same "$(git -C "$dir" status --porcelain)" ""
	git -C "$dir" fsck --strict 2>fsck.err || fail "$(cat fsck.err)"
	same "$(diff -r -x .git shop "$dir")" ""
	[ -x "$dir/docs/run" ] || fail "it cannot be run"
	same "$(git -C "$dir" remote)" ""
	same "$(ls "$MUSTER_DATA/projects")" "${dir##*/}"
	local_call POST /api/v1/projects -d "{\"git\": \"$https/shop.git\"}" -H 'Idempotency-Key: k'
	same "$status" 201
	json_is .id "$first"
	local_call GET "/api/v1/projects/$id/stats"
	json_is '.languages[0].name' C
	is_status 0 muster projects create Second --git "$https/shop.git"
	out_has importing
	wait_for 60 is_active Second
}

# Plain files over http: where an administrator lists the host, by its name or its network.
test_http_is_for_hosts_that_an_administrator_lists()
{
	host 127.0.0.0/8
	repository shop
	serving
	clone "{\"git\": \"$http/shop.git\", \"name\": \"Plain\"}"
	rests active
	json_is .name Plain
	same "$(git -C "$dir" log --format=%s)" "$(printf 'second\nfirst')"
	same "$(diff -r -x .git shop "$dir")" ""
	git -C "$dir" fsck --strict 2>fsck.err || fail "$(cat fsck.err)"
}

test_urls_that_are_refused()
{
	host none.example
	repository shop
	serving
	local url
	for url in "$T/repositories/shop.git" "file://$T/repositories/shop.git" ssh://git@localhost/shop.git git@localhost:shop.git \
		localhost:shop.git git://localhost/shop.git 'ext::sh -c touch% ran' 'ext::https://a.example/' --upload-pack=touch \
		"-c https://a.example/" https://me:secret@a.example/x https://me@a.example/x 'https://a.example/x;id?y' \
		'https://a.example/x#@b.example' 'https://a.example\@b.example/x' "https://a.example/\$(id) x" 'https://a.example/%0aHost:x' \
		'https://8.8.8.8/x.git' 'https://a.example./x' https:///x 'https://a.example:0x1bb/x' 'https://a..example/x' http:a.example; do
		refused "$url" 400
	done
	for url in https://127.0.0.1/x https://127.1/x https://0x7f000001/x https://2130706433/x https://0177.0.0.1/x \
		https://10.0.0.1/x https://169.254.169.254/x 'https://[::1]/x' 'https://[::ffff:10.0.0.1]/x' https://192.168.1.1/x; do
		refused "$url" 403
	done
	refused "https://a.example/$(head -c 3000 /dev/zero | tr '\0' x)" 413
	local_call POST /api/v1/projects -d '{"git": "https://a.example/x", "template": "c_program"}'
	same "$status" 400
	local_call GET /api/v1/projects
	same "$(cat "$T/out")" "[]"
	# What a name leads to is seen only when it is asked for.
	clone "{\"git\": \"$https/shop.git\"}"
	rests failed
	json_is .problem.code denied
	out_has outbound.exempt
	clone "{\"git\": \"$http/shop.git\"}"
	rests failed
	json_is .problem.code denied
	nothing_left
	[ ! -e ran ] || fail "it ran"
}

test_what_a_host_may_answer()
{
	host
	repository shop
	serving
	clone "{\"git\": \"$https/away/shop.git\"}"
	rests failed
	json_is .problem.code denied
	out_has 'localhost:1 is not on this project'
	clone "{\"git\": \"$https/private/shop.git\"}"
	rests failed
	json_is .problem.code denied
	out_has 'only public repositories'
	clone "{\"git\": \"$https/none.git\"}"
	rests failed
	json_is .problem.code network
	out_has 'not found'
	git init -q --bare repositories/empty.git
	clone "{\"git\": \"$https/empty.git\"}"
	rests active
	json_is .import.entries 0
	same "$(git -C "$dir" status --porcelain)" ""
	local_call GET '/api/v1/projects?state=failed'
	json_is length 3
}

# Nothing of it runs, and nothing but objects and refs is taken.
test_a_hostile_repository()
{
	host
	git -c init.defaultBranch=main init -q evil
	printf '* filter=evil diff=evil merge=evil\n' >evil/.gitattributes
	printf '[submodule "x"]\n\tpath = x\n\turl = https://localhost:1/x\n\tupdate = !touch %s/ran\n' "$T" >evil/.modules
	echo "import os; os.system('touch $T/ran')" >evil/app.py
	echo upper >evil/NAME
	echo lower >evil/name
	git -C evil add -A
	git -C evil update-index --add --cacheinfo "160000,$(git -C evil hash-object -w app.py),x"
	git -C evil commit -qm evil
	git -C evil branch muster/taken
	publish evil
	local hook=repositories/evil.git/hooks/post-checkout
	printf '#!/bin/sh\ntouch %s/ran\n' "$T" >"$hook"
	chmod +x "$hook"
	git -C repositories/evil.git config core.fsmonitor "touch $T/ran"
	git -C repositories/evil.git config filter.evil.smudge "touch $T/ran"
	serving
	clone "{\"git\": \"$https/evil.git\"}"
	rests active
	json_is .import.risks.high 0
	[ "$(json_get .import.risks.medium)$(json_get .import.risks.low)" != 00 ] || fail "nothing risky was found"
	json_is .import.left_out 1
	same "$(git -C "$dir" for-each-ref --format='%(refname)')" refs/heads/main
	same "$(cat "$dir/NAME" "$dir/name")" "$(printf 'upper\nlower')"
	same "$(find "$dir/.git/hooks" -type f ! -name '*.sample' 2>/dev/null)" ""
	! grep -q evil "$dir/.git/config" || fail "its configuration was taken"
	same "$(find "$dir/.git/info" "$dir/.git/objects/info" -name attributes -o -name alternates)" "" "what was taken"
	[ ! -e ran ] || fail "it ran"
}

# hostile NAME WORDS: the clone of the repository fails, and says so in these words.
hostile()
{
	publish "$1"
	clone "{\"git\": \"$https/$1.git\"}"
	rests failed
	out_has "$2"
}

test_files_that_are_refused()
{
	local tree
	host
	serving
	git init -q link
	ln -s /etc/passwd link/link
	commit link link
	hostile link 'leads out of its folder'
	git init -q dots
	tree=$(printf '40000 ..\0%b' "$(git -C dots mktree </dev/null | sed 's/../\\x&/g')" |
		git -C dots hash-object -t tree -w --stdin --literally)
	git -C dots update-ref refs/heads/master "$(git -C dots commit-tree -m x "$tree")"
	hostile dots 'hasDotdot'
	git init -q twice
	tree=$(printf '100644 a\0%b100644 a\0%b' "$(printf a | git -C twice hash-object -w --stdin | sed 's/../\\x&/g')" \
		"$(printf b | git -C twice hash-object -w --stdin | sed 's/../\\x&/g')" |
		git -C twice hash-object -t tree -w --stdin --literally)
	git -C twice update-ref refs/heads/master "$(git -C twice commit-tree -m x "$tree")"
	hostile twice 'duplicateEntries'
	git init -q giant
	truncate -s 600M giant/giant
	git -C giant -c core.compression=1 add giant
	git -C giant commit -qm giant
	hostile giant 'has more than'
	nothing_left
}

test_progress_and_the_end_are_in_the_projects_stream()
{
	host
	repository shop
	serving
	clone "{\"git\": \"$https/never/shop.git\"}"
	curl -sS -N --max-time 50 --unix-socket "$MUSTER_DATA/sock" "http://muster/api/v1/events?stream=project/$id" >events &
	local curl=$!
	wait_for 20 grep -q '"state":"importing"' events
	local_call GET "/api/v1/projects/$id/export"
	same "$status" 409
	local_call GET "/api/v1/projects/$id/stats"
	same "$status" 409
	local_call POST /api/v1/runs -d "{\"mode\": \"build\", \"project\": \"$id\", \"inputs\": {\"task\": \"x\"}}"
	same "$status" 409
	local_call POST "/api/v1/projects/$id/retry"
	same "$status" 200
	local_call GET /api/v1/projects
	json_is '.[0].state' importing
	# A delete ends it; brought back, it is one that failed, and can be begun anew.
	local_call DELETE "/api/v1/projects/$id"
	same "$status" 200
	wait_for 20 nothing_is_left
	local_call POST "/api/v1/projects/$id/restore"
	json_is .state failed
	local_call POST "/api/v1/projects/$id/unarchive"
	same "$status" 409
	kill "$curl"
	clone "{\"git\": \"$https/shop.git\"}"
	local shop=$id
	rests active
	timeout 10 curl -sS -N --unix-socket "$MUSTER_DATA/sock" "http://muster/api/v1/events?stream=project/$shop" >events || true
	same "$(sed -n 's/^data: //p' events | jq -r .data.state | paste -sd,)" importing,active
	local_call POST "/api/v1/projects/$shop/retry"
	same "$status" 409
}

nothing_is_left()
{
	[ -z "$(ls "$MUSTER_DATA/projects")" ]
}

test_one_that_failed_is_begun_anew()
{
	host
	repository shop
	mv repositories/shop.git away
	serving
	clone "{\"git\": \"$https/shop.git\"}"
	rests failed
	mv away repositories/shop.git
	local_call POST "/api/v1/projects/$id/retry"
	same "$status" 200
	json_is .state importing
	json_is .problem null
	rests active
	same "$(diff -r -x .git shop "$dir")" ""
}

# kill -9 and SIGTERM alike: it is told that it failed, nothing of it lies about, and it can be begun anew.
test_a_stop_in_the_middle()
{
	local signal
	host
	repository shop
	serving
	for signal in KILL TERM; do
		clone "{\"git\": \"$https/never/shop.git\"}"
		wait_for 20 [ -d "$dir.clone" ]
		touch "$dir.clone/left"
		mkdir -p "$dir" "$dir.new/.git"
		kill "-$signal" "$started"
		wait "$started" 2>/dev/null || true
		serving
		rests failed
		json_is .problem.code cancelled
		nothing_left
	done
	is_status 0 muster projects --json
}

run_tests
