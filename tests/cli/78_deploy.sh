#!/bin/bash
# The files of deploy/ against what they speak of: no image is built here.
. "$(dirname "$0")/lib.sh"

# group NAME: the packages of this group of packages.txt.
group()
{
	awk -F '\t' -v group="[$1]" '/^\[/ { in_it = $0 == group } in_it && NF == 2 && !/^#/ { print $1 }' "$SOURCE/packages.txt"
}

# linked: the packages of the libraries that the program is linked with, but for those that every Debian has and sanitizers.
linked()
{
	local name path
	readelf -d "$MUSTER" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^\(lib\(c\|m\|asan\|ubsan\)\.so\|ld-linux\)' | while read -r name; do
		path=$(ldconfig -p | awk -v name="$name" '$1 == name { print $NF; exit }')
		dpkg -S "$(readlink -f "$path")" 2>/dev/null || dpkg -S "$path" || dpkg -S "/usr$path"
	done | sed 's/:.*//'
}

test_the_image_has_the_packages_that_the_program_needs()
{
	sed -n '/--no-install-recommends/,/&&/p' "$SOURCE/deploy/Dockerfile" | tail -n +2 | grep -o '[a-z][a-z0-9.+-]*' | sort >named
	{
		group run
		linked
	} | sort -u >needed
	diff needed named >&3 || fail "packages: < missing in deploy/Dockerfile, > not needed there"
}

test_its_commands_and_paths_exist()
{
	local word
	for word in build install; do
		grep -q "make $word" "$SOURCE/deploy/Dockerfile" || fail "the image is not made by make $word"
		grep -q "^$word:" "$SOURCE/Makefile" || fail "there is no make $word"
	done
	grep -q 'scripts/install build' "$SOURCE/deploy/Dockerfile" || fail "the image does not install the packages of [build]"
	for word in "ENV.*MUSTER_DATA=" "VOLUME "; do
		grep -q "$word/var/lib/muster" "$SOURCE/deploy/Dockerfile" || fail "the image: $word"
	done
	file_has "$SOURCE/deploy/compose.yaml" 'data:/var/lib/muster'
	file_has "$SOURCE/deploy/muster.service" 'Environment=MUSTER_DATA=/var/lib/muster'
	file_has "$SOURCE/deploy/muster.service" 'ExecStart=/usr/local/bin/muster serve'
	is_status 0 muster describe
	json_is '[.options[]|select(.environment=="MUSTER_LISTEN")]|length' 1
}

run_tests
