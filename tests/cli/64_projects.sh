#!/bin/bash
# shellcheck disable=SC2154  # out: set by the helpers
# Projects of a server: made of nothing, a template, requirements, a folder, an archive; changed, put aside, deleted, given out.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/flows.sh"
. "$(dirname "$0")/server.sh"

# call METHOD PATH [curl option…]: as the owner of the data folder; the status is $status, the body in $T/out, the head in $T/head.
call()
{
	local method=$1 path=$2
	shift 2
	status=$(curl -sS --max-time 50 --unix-socket "$MUSTER_DATA/sock" -X "$method" -o "$T/out" -D "$T/head" -w '%{http_code}' \
		"$@" "http://muster/api/v1$path" 2>"$T/err") || fail "curl $method $path: $(cat "$T/err")"
	is_described "$method" "/api/v1$path"
}

# create JSON [curl option…]: sets $id and $dir.
create()
{
	local body=$1
	shift
	call POST /projects -H 'Content-Type: application/json' -d "$body" "$@"
	same "$status" 201 "status ($(cat "$T/out"))"
	id=$(json_get .id)
	dir=$(json_get .dir)
}

# upload FILE [query [curl option…]]: the status is $status.
upload()
{
	local file=$1 query=${2:-}
	shift $(($# < 2 ? $# : 2))
	call POST "/projects/import$query" -H 'Content-Type: application/octet-stream' --data-binary "@$file" "$@"
}

test_projects_are_made_of_nothing_of_templates_and_of_requirements()
{
	serving
	create '{"name": "Empty", "tags": ["a", "b"]}'
	same "$(git -C "$dir" status --porcelain)" ""
	grep -qi "^location: /api/v1/projects/$id" head || fail "no Location"
	call GET /templates
	same "$(jq -c 'map(.id)' out)" '["c_program","python_package","research","web_page"]'
	create '{"name": "C", "template": "c_program"}'
	same "$(git -C "$dir" log --format=%s)" "Initial import"
	same "$(git -C "$dir" status --porcelain)" ""
	[ -f "$dir/src/main.c" ] || fail "no files"
	call GET "/projects/$id/stats"
	json_is '.languages[0].name' C
	create '{"name": "R", "requirements": "A clock."}'
	same "$(cat "$dir/requirements.md")" "A clock."
	mkdir mine
	echo x >mine/x
	create "{\"dir\": \"$PWD/mine\"}"
	json_is .name mine
	json_is .origin folder
	call POST /projects -H 'Content-Type: application/json' -d "{\"dir\": \"$PWD/mine\"}"
	same "$status" 409
	mkdir keyed
	create "{\"dir\": \"$PWD/keyed\"}" -H 'Idempotency-Key: k'
	local first=$id
	create "{\"dir\": \"$PWD/keyed\"}" -H 'Idempotency-Key: k'
	same "$id" "$first"
	call POST /projects -H 'Content-Type: application/json' -d "{\"dir\": \"$PWD/keyed\"}" -H 'Idempotency-Key: l'
	same "$status" 409
	call POST /projects -H 'Content-Type: application/json' -d '{"template": "../../etc"}'
	same "$status" 404
	call POST /projects -H 'Content-Type: application/json' -d '{"template": "c_program", "requirements": "x"}'
	same "$status" 400
	same "$(find "$MUSTER_DATA/projects" -mindepth 1 -maxdepth 1 | wc -l)" 3 # what failed left nothing
}

test_the_same_key_makes_one_project()
{
	serving
	create '{"name": "Once"}' -H 'Idempotency-Key: k1'
	local first=$id
	create '{"name": "Once"}' -H 'Idempotency-Key: k1'
	same "$id" "$first"
	create '{"name": "Once"}' -H 'Idempotency-Key: k2'
	[ "$id" != "$first" ] || fail "the same project for another key"
}

# A retry that comes while the first request is still at work: it neither makes a second one nor takes the first one's away.
test_the_same_key_while_it_is_being_made()
{
	serving
	mkdir a
	seq 1000 >a/numbers
	tar -czf a.tgz a
	mkfifo slow
	curl -sSv --max-time 50 --unix-socket "$MUSTER_DATA/sock" -X POST -H 'Expect: 100-continue' -H 'Idempotency-Key: k' \
		-H 'Content-Type: application/gzip' -T slow -o first -w '%{http_code}' \
		'http://muster/api/v1/projects/import?name=Once' >first.status 2>first.err &
	local curl=$!
	exec 7>slow
	wait_for 20 grep -q '100 Continue' first.err
	head -c 100 a.tgz >&7
	upload a.tgz '' -H 'Idempotency-Key: k'
	same "$status" 423 "status ($(cat "$T/out"))"
	tail -c +101 a.tgz >&7
	exec 7>&-
	wait "$curl" || fail "curl: $(cat first.err)"
	same "$(cat first.status)" 201 "status ($(cat first))"
	upload a.tgz '' -H 'Idempotency-Key: k'
	same "$status" 201
	same "$(json_get .id)" "$(jq -r .id first)"
	cmp a/numbers "$(json_get .dir)/numbers" || fail "its files are gone"
	call GET /projects
	json_is length 1
}

# The folder is named by the key: another installation tells its name.
test_what_a_kill_left_of_a_project_is_made_anew()
{
	serving
	create '{"name": "P", "requirements": "A clock."}' -H 'Idempotency-Key: k'
	local name=${dir##*/}
	stop_serving
	MUSTER_DATA=$T/another
	mkdir -p "$MUSTER_DATA/projects/$name"
	chmod 700 "$MUSTER_DATA"
	echo half >"$MUSTER_DATA/projects/$name/half"
	serving
	create '{"name": "P", "requirements": "A clock."}' -H 'Idempotency-Key: k'
	same "${dir##*/}" "$name"
	same "$(ls "$dir")" requirements.md
}

test_a_data_folder_that_is_named_otherwise()
{
	MUSTER_DATA=$T/data/
	ln -s data named
	serving
	create '{"name": "P"}' -H 'Idempotency-Key: k'
	local first=$id
	create '{"name": "P"}' -H 'Idempotency-Key: k'
	same "$id" "$first"
	stop_serving
	MUSTER_DATA=$T/named
	serving
	create '{"name": "P"}' -H 'Idempotency-Key: k'
	same "$id" "$first"
	stop_serving
	mv data moved # for a while
	MUSTER_DATA=$T/moved
	serving
	create '{"name": "P"}' -H 'Idempotency-Key: k'
	same "$id" "$first"
	stop_serving
	mv moved data
	[ -d "$dir/.git" ] || fail "its folder is gone"
	MUSTER_DATA=$T/named
	serving
	call DELETE "/projects/$id"
	stop_serving
	after_a_month
	call GET "/projects/$id"
	same "$status" 404
	[ ! -e "$dir" ] || fail "the folder is still there"
}

# What is kept of a project has caps, whoever says it.
test_records_stay_small()
{
	serving
	jq -n '{name: "P", description: ("x" * 9000)}' >long.json
	jq -n '{name: "P", tags: [range(65) | tostring]}' >many.json
	jq -n '{name: "P", tags: ["x" * 65]}' >wide.json
	local what
	create '{"name": "P"}'
	for what in long many wide; do
		call POST /projects -H 'Content-Type: application/json' -d "@$what.json"
		same "$status" 400 "$what"
		call PATCH "/projects/$id" -H 'Content-Type: application/json' -d "@$what.json"
		same "$status" 400 "$what"
	done
	mkdir a
	jq -n '{format: "muster-project", version: 1, name: "Large", runs: [range(9000) | {run: "x\(.)", words: "0123456789"}]}' \
		>a/muster-project.json
	echo x >a/x
	tar -czf a.tgz a
	upload a.tgz
	same "$status" 201 "status ($(cat "$T/out"))"
	json_is .name Large
	json_is .about.name Large
	[ "$(wc -c <out)" -lt 4096 ] || fail "the record has $(wc -c <out) bytes"
}

test_lists_are_searched_and_go_on_behind_a_cursor()
{
	local i
	serving
	for i in 1 2 3 4 5; do
		create "{\"name\": \"Number $i\", \"tags\": [\"t$((i % 2))\"]}"
	done
	create '{"name": "Other", "description": "a number, too"}'
	call GET '/projects?q=number&limit=4'
	same "$(jq -r '.[].name' out | paste -sd,)" "Other,Number 5,Number 4,Number 3"
	local next
	next=$(sed -n 's/^[Ll]ink: <[^?]*?\(.*\)>.*/\1/p' head)
	call GET "/projects?$next"
	same "$(jq -r '.[].name' out | paste -sd,)" "Number 2,Number 1"
	! grep -qi '^link:' head || fail "a page behind the last"
	call GET '/projects?tag=t1'
	same "$(jq -r '.[].name' out | paste -sd,)" "Number 5,Number 3,Number 1"
	call GET '/projects?cursor=none'
	same "$status" 400
	call GET '/projects?sort=name'
	same "$status" 400
}

test_changes_know_what_they_change()
{
	serving
	create '{"name": "Before"}'
	call GET "/projects/$id"
	grep -qi '^etag: "1"' head || fail "no ETag"
	call PATCH "/projects/$id" -H 'Content-Type: application/json' -H 'If-Match: "1"' -d '{"name": "After"}'
	same "$status" 200
	json_is .name After
	grep -qi '^etag: "2"' head || fail "the ETag stayed"
	call PATCH "/projects/$id" -H 'Content-Type: application/json' -H 'If-Match: "1"' -d '{"name": "Lost"}'
	same "$status" 412
	call PATCH "/projects/$id" -H 'Content-Type: application/json' -d '{"dir": "/etc"}'
	same "$status" 400
	call GET "/projects/$id"
	json_is .name After
	call GET /projects/0123456789abcdef
	same "$status" 404
}

test_a_project_is_put_aside_deleted_and_comes_back_also_after_a_restart()
{
	mode asking <<-'END'
		return function(run) return { summary = "x" } end
	END
	script </dev/null
	serving
	create '{"name": "P"}'
	call POST "/projects/$id/archive"
	same "$status" 200
	call GET /projects
	same "$(cat "$T/out")" "[]"
	call GET '/projects?state=archived'
	json_is '.[0].id' "$id"
	call POST /runs -H 'Content-Type: application/json' -d "{\"mode\": \"asking\", \"project\": \"$id\", \"inputs\": {\"task\": \"x\"}}"
	same "$status" 409
	call DELETE "/projects/$id"
	same "$status" 200
	call POST "/projects/$id/unarchive"
	same "$status" 409
	stop_serving
	serving
	call GET "/projects/$id"
	json_is .state deleted
	json_is .name P
	[ -d "$dir/.git" ] || fail "the folder is gone"
	call POST "/projects/$id/restore"
	json_is .state active
	call POST /runs -H 'Content-Type: application/json' \
		-d "{\"mode\": \"asking\", \"project\": \"$id\", \"model\": \"script:$PWD/script.jsonl\", \"inputs\": {\"task\": \"x\"}}"
	same "$status" 201 "status ($(cat "$T/out"))"
	json_is .project "$id"
	stop_serving
	is_status 0 muster verify
}

stop_serving()
{
	local ended=0
	kill -TERM "$started"
	wait "$started" || ended=$?
	same "$ended" 0 "exit status of the server ($(cat bg.err))"
	rm -f bg.out
}

# A server to which 31 days have gone by.
after_a_month()
{
	local lib
	for lib in /usr/lib/*/faketime/libfaketimeMT.so.1; do :; done
	[ -f "$lib" ] || skip "faketime is not installed (scripts/install check)"
	start env ASAN_OPTIONS="$ASAN_OPTIONS:verify_asan_link_order=0" LD_PRELOAD="$lib" FAKETIME=+31d FAKETIME_DONT_FAKE_MONOTONIC=1 \
		"$MUSTER" serve --listen 127.0.0.1:0
	wait_for 20 grep -q ' at http' bg.out
}

# Its runs stay, and do not bring it back.
test_after_thirty_days_a_deleted_project_is_gone()
{
	mode asking <<-'END'
		return function(run) return { summary = "x" } end
	END
	script </dev/null
	serving
	create '{"name": "Old"}'
	begin_run "{\"mode\": \"asking\", \"project\": \"$id\", \"model\": \"script:$PWD/script.jsonl\", \"inputs\": {\"task\": \"x\"}}"
	wait_for 20 state_is completed
	call DELETE "/projects/$id"
	local old=$id gone=$dir
	create '{"name": "New"}'
	stop_serving
	after_a_month
	call GET "/projects/$old"
	same "$status" 404
	[ ! -e "$gone" ] || fail "the folder is still there"
	call GET "/runs/$run"
	json_is .project "$old"
	call GET "/projects/$id"
	same "$status" 200
	[ -d "$dir" ] || fail "the other one is gone"
}

test_out_and_in_again()
{
	serving
	create '{"name": "Round trip", "description": "There and back.", "template": "python_package"}'
	local first=$dir kind
	for kind in zip tar.gz; do
		call GET "/projects/$id/export?format=$kind&runs=1"
		same "$status" 200
		grep -qi "^content-disposition: attachment; filename=\"Round-trip.$kind\"" head || fail "$(cat head)"
		cp out export
		upload export
		same "$status" 201 "status ($(cat "$T/out"))"
		json_is .name "Round trip"
		json_is .description "There and back."
		json_is .origin archive
		json_is .trusted false
		json_is .import.risks.high 0
		same "$(diff -r -x .git "$first" "$(json_get .dir)")" ""
		same "$(git -C "$(json_get .dir)" log --format=%s)" "Initial import"
	done
}

# Names are a model's: they are made harmless.
test_an_export_with_artifacts()
{
	mode naming <<-'END'
		return function(run)
		  artifact { name = "../../notes: \"1\".md", type = "markdown", content = "# Done\n" }
		  artifact { name = "large", type = "text", content = string.rep("x", 150000) }
		  return { summary = "x" }
		end
	END
	script </dev/null
	serving
	create '{"name": "P"}'
	begin_run "{\"mode\": \"naming\", \"project\": \"$id\", \"model\": \"script:$PWD/script.jsonl\", \"inputs\": {\"task\": \"x\"}}"
	wait_for 20 state_is completed
	call GET "/projects/$id/export?format=tar.gz&artifacts=1"
	same "$status" 200
	tar -xzf out
	same "$(cd P && find muster-export -type f | sort)" "muster-export/artifacts/$run/1-..-..-notes---1-.md
muster-export/artifacts/$run/2-large"
	same "$(cat P/muster-export/artifacts/*/1-*)" "# Done"
	same "$(wc -c <"P/muster-export/artifacts/$run/2-large")" 150000
	call GET "/projects/$id/export?format=tar.gz&artifacts=1&runs=1"
	same "$(tar -tzf out | grep -c muster-export || true)" 3
	call GET "/projects/$id/export?format=tar.gz"
	same "$(tar -tzf out | grep -c muster-export || true)" 0
}

# What a browser sends; what it calls the file leads nowhere.
test_an_import_by_a_form()
{
	local size
	serving
	for size in 10 100000; do # in memory, and in a file
		mkdir -p a
		head -c $size /dev/urandom >a/bytes
		tar -cf a.tar a
		call POST /projects/import -F name=Form -F "archive=@a.tar;filename=../../\"x\"%0d%0aX-Y: 1.tar" -F "description=Of a form, ä"
		same "$status" 201 "status ($(cat "$T/out"))"
		json_is .name Form
		json_is .description "Of a form, ä"
		json_is .origin archive
		cmp a/bytes "$(json_get .dir)/bytes" || fail "other bytes"
	done
	call GET /projects
	same "$(find "$MUSTER_DATA/projects" -mindepth 1 -maxdepth 1 | wc -l)" 2
	call POST /projects/import -F name=Form
	same "$status" 400
	out_has archive
	call POST /projects/import -F "name=$(head -c 300 /dev/zero | tr '\0' x)" -F archive=@a.tar
	same "$status" 400
	call POST /projects/import -F "name=<a.tar" -F archive=@a.tar
	same "$status" 400
	call POST /projects/import -F a=1 -F b=2 -F c=3 -F d=4 -F e=5 -F f=6 -F g=7 -F h=8 -F archive=@a.tar
	same "$status" 413
	same "$(find "$MUSTER_DATA/projects" -mindepth 1 -maxdepth 1 | wc -l)" 2
}

# What was begun and cannot be ended is cut; and who asks for a copy makes nothing.
test_an_export_that_fails()
{
	serving
	create '{"name": "Large"}'
	head -c 4000000 /dev/urandom >"$dir/a"
	head -c 4000000 /dev/urandom >"$dir/b"
	git -C "$dir" add a b
	git -C "$dir" -c user.name=t -c user.email=t@t commit -qm large
	local object
	object=$(git -C "$dir" rev-parse HEAD:b)
	object=$dir/.git/objects/${object:0:2}/${object:2}
	chmod u+w "$object"
	truncate -s 2000000 "$object"
	! curl -sS --max-time 50 --unix-socket "$MUSTER_DATA/sock" -o cut -w '%{http_code}' \
		"http://muster/api/v1/projects/$id/export" >status 2>err || fail "it looks whole"
	same "$(cat status)" 200
	mv "$dir/.git" away
	call GET "/projects/$id/export"
	same "$status" 404
	[ ! -e "$dir/.git" ] || fail "a repository was made"
}

# Who hangs up in the middle leaves nothing, and takes nothing down.
test_clients_that_hang_up()
{
	serving
	create '{"name": "Large"}'
	head -c 8000000 /dev/urandom >"$dir/large"
	git -C "$dir" add large
	git -C "$dir" -c user.name=t -c user.email=t@t commit -qm large
	! curl -s --max-time 1 --limit-rate 200k --unix-socket "$MUSTER_DATA/sock" -o cut "http://muster/api/v1/projects/$id/export" ||
		fail "the client took it all"
	! curl -s --max-time 1 --limit-rate 200k --unix-socket "$MUSTER_DATA/sock" -o cut \
		-H 'Content-Type: application/zip' --data-binary "@$dir/large" http://muster/api/v1/projects/import ||
		fail "the client sent it all"
	call GET "/projects/$id/export"
	same "$status" 200
	cp out export
	upload export
	same "$status" 201
	cmp "$(json_get .dir)/large" "$dir/large" || fail "another file"
	same "$(find "$MUSTER_DATA/projects" -mindepth 1 -maxdepth 1 | wc -l)" 2
	# In the middle of what the pool does for them.
	for path in export stats risks; do
		curl -s --max-time 0.05 --unix-socket "$MUSTER_DATA/sock" -o cut "http://muster/api/v1/projects/$id/$path" || true
	done
	stop_serving
}

# follow FILE QUERY: an import whose lines go to $T/out.
follow()
{
	curl -sS --max-time 50 --unix-socket "$MUSTER_DATA/sock" -H 'Content-Type: application/gzip' --data-binary "@$1" \
		"http://muster/api/v1/projects/import$2" >out || fail "curl: $?"
}

test_an_import_tells_how_far_it_is()
{
	serving
	mkdir a
	seq 100000 >a/numbers
	tar -czf a.tgz a
	follow a.tgz '?progress=1&name=A'
	same "$(head -1 out | jq -c keys)" '["bytes","entries"]'
	same "$(tail -1 out | jq -r .project.name)" A
	same "$(tail -1 out | jq -r .project.import.bytes)" 588895
	head -c 100 a.tgz >cut.tgz
	follow cut.tgz '?progress=1'
	same "$(tail -1 out | jq -r .problem.status)" 400
	call GET /projects
	json_is length 1
}

test_a_hostile_archive_is_refused_whole()
{
	serving
	mkdir a
	echo x >a/fine
	ln -s /etc/passwd a/link
	tar -czf evil.tgz a
	upload evil.tgz
	same "$status" 400
	out_has 'link'
	out_has 'leads out of its folder'
	head -c 100 evil.tgz >cut.tgz
	upload cut.tgz
	same "$status" 400
	call POST /projects/import -H 'Content-Type: application/json' -d '{}'
	same "$status" 415
	call POST /projects/import -H 'Content-Type: multipart/form-data' -d 'x'
	same "$status" 415
	call POST /projects/import -H 'Content-Type: multipart/form-data; boundary=x' -d 'x'
	same "$status" 400
	same "$(ls -A "$MUSTER_DATA/projects")" ""
	call GET /projects
	same "$(cat "$T/out")" "[]"
}

test_what_an_import_brings_along_is_said()
{
	serving
	mkdir -p b/.git/hooks b/.husky
	printf '#!/bin/sh\ntouch %s\n' "$PWD/ran" >b/.git/hooks/post-checkout
	chmod +x b/.git/hooks/post-checkout
	{
		head -c 30000 /dev/zero | tr '\0' '#'
		echo
		echo "import os; os.system('touch $PWD/ran')"
	} >b/app.py
	echo 'KEY = "ghp_0123456789abcdefghijABCDEFGHIJ012345"' >b/key.py
	tar -cf b.tar b
	upload b.tar '?name=Brought'
	same "$status" 201
	json_is .name Brought
	json_is .import.left_out 3 # .git holds nothing that is history
	json_is .import.risks.high 1
	json_is .import.risks.found null # one project's record is read with every other
	id=$(json_get .id)
	dir=$(json_get .dir)
	call GET "/projects/$id/risks"
	same "$(jq -r '.found[] | "\(.file):\(.line) \(.rule)"' out)" "app.py:2 code.os_system
key.py:1 secret.github"
	out_lacks ghp_0123
	json_is .high 1
	[ ! -e "$dir/.git/hooks/post-checkout" ] || fail "a hook came along"
	[ ! -e ran ] || fail "it ran"
}

# with_history FOLDER: two commits on trunk, a branch and a tag, and a file that is not committed; with what is hostile.
with_history()
{
	git -c init.defaultBranch=trunk init -q "$1"
	git -C "$1" config user.name t
	git -C "$1" config user.email t@t
	for name in one two; do
		echo $name >"$1/$name"
		git -C "$1" add .
		git -C "$1" commit -qm $name
		git -C "$1" tag -a -m $name v-$name
	done
	git -C "$1" branch other HEAD~1
	echo new >"$1/new"
	printf '#!/bin/sh\ntouch %s/ran\n' "$PWD" >evil
	chmod +x evil
	cp evil "$1/.git/hooks/post-upload-pack"
	git -C "$1" config core.fsmonitor "$PWD/evil"
	git -C "$1" config core.sshCommand "$PWD/evil"
	git -C "$1" config uploadpack.packObjectsHook "$PWD/evil"
	echo '* filter=evil' >"$1/.git/info/attributes"
	git -C "$1" config filter.evil.clean "$PWD/evil"
}

test_an_archive_brings_its_history_along()
{
	local how
	serving
	with_history shop
	for how in loose packed flat; do
		[ $how = loose ] || git -C shop gc -q
		rm -f ran
		if [ $how = flat ]; then
			tar -C shop -czf shop.tgz .
		else
			tar -czf shop.tgz shop
		fi
		upload shop.tgz
		same "$status" 201 "status ($(cat "$T/out"))"
		json_is .import.no_history null
		dir=$(json_get .dir)
		same "$(git -C "$dir" for-each-ref)" "$(git -C shop for-each-ref)"
		same "$(git -C "$dir" symbolic-ref HEAD)" refs/heads/trunk
		same "$(git -C "$dir" status --porcelain)" "?? new"
		git -C "$dir" fsck --strict 2>fsck.err || fail "$(cat fsck.err)"
		same "$(diff -r -x .git shop "$dir")" ""
		! grep -q evil "$dir/.git/config" || fail "its configuration was taken"
		[ ! -e "$dir/.git/info/attributes" ] || fail "its attributes were taken"
		[ ! -e ran ] || fail "it ran"
	done
	same "$(find "$MUSTER_DATA/projects" -mindepth 1 -maxdepth 1 | wc -l)" 3
}

# Its files come all the same, as a first commit, and the reply says why.
test_a_history_that_is_not_whole()
{
	local damage object outside
	serving
	with_history other
	outside=$(git -C other rev-parse HEAD)
	for damage in missing borrowed shallow foreign; do
		rm -rf shop
		with_history shop
		object=.git/objects/$(git -C shop rev-parse HEAD:one | sed 's,..,&/,')
		case $damage in
		missing) rm -f "shop/$object" ;;
		borrowed)
			rm -f "shop/$object"
			echo "$PWD/other/.git/objects" >shop/.git/objects/info/alternates
			;;
		shallow)
			git clone -q --depth 1 "file://$PWD/shop" cut
			rm -rf shop
			mv cut shop
			;;
		foreign) echo "$outside" >shop/.git/refs/heads/none && rm -f shop/.git/objects/"${outside:0:2}"/* ;;
		esac
		tar -czf shop.tgz shop
		upload shop.tgz
		same "$status" 201 "$damage ($(cat "$T/out"))"
		[ -n "$(json_get '.import.no_history // empty')" ] || fail "$damage: nothing is said ($(cat out))"
		dir=$(json_get .dir)
		same "$(git -C "$dir" log --format=%s)" "Initial import"
		same "$(cat "$dir/two")" two
	done
	same "$(find "$MUSTER_DATA/projects" -mindepth 1 -maxdepth 1 | wc -l)" 4
}

run_tests
