# A run's branch merged into a project that went on meanwhile.
# shellcheck shell=bash disable=SC2154  # set by point and lib.sh
commit()
{
	git -C p add . && git -C p -c user.email=a@b -c user.name=a commit -qm "$1"
}

prepare()
{
	git init -q -b main p
	echo one >p/mine
	commit one
	mode touch <<-'END'
		return function(run) write("a", "two\n"); return { summary = "changed" } end
	END
	script </dev/null
	is_status 0 muster run touch --script script.jsonl --project p
	echo three >p/mine
	commit three
}

scenario()
{
	muster merge "$(newest)"
}

recovery()
{
	scenario
}

after()
{
	whole <<-'END'
		evidence unchecked
		0 answers, 0
		commit Merge main into its branch
		commit Test mode touch
		commit one
		commit three
		two
		three
		a
		mine
	END
	same "$(git -C p status --porcelain)" "" "the state of the project"
}
