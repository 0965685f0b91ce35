#!/bin/bash
# Journals of every release: this program reads them, finds their chains whole, and does again exactly what they recorded.
# tests/golden/make made them.
. "$(dirname "$0")/lib.sh"

# restore VERSION: the data folder as it was.
restore()
{
	mkdir -m 700 data
	cp "$SOURCE/tests/golden/$1"/{format,heads,vault,vault.key} data/
	chmod 600 data/*
	python3 - "$SOURCE/tests/golden/$1/journal.sql" data/muster.db <<-'END'
		import sqlite3, sys
		db = sqlite3.connect(sys.argv[2])
		db.executescript(open(sys.argv[1]).read())
		db.close()
	END
}

test_every_golden_journal_is_read_and_replayed()
{
	local folder run
	command -v python3 >/dev/null || skip "python3 is missing"
	for folder in "$SOURCE"/tests/golden/*/; do
		rm -rf data
		restore "$(basename "$folder")"
		is_status 0 muster verify
		is_status 0 muster runs --json
		jq 'map({run, mode, state, evidence, usd, seq, agents}) | sort_by(.run)' out >runs
		diff "$folder/runs.json" runs >&3 || fail "$folder: the runs are not what they were"
		for run in $(jq -r '.[].run' runs); do
			is_status 0 muster replay "$run"
			is_status 0 muster log "$run"
			is_status 0 muster show "$run"
		done
	done
}

run_tests
