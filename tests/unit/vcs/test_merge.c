/* Commits, merges of branches, and a run's branch into the person's checkout. Above 600 lines because all of them begin
 * from the same project and look at it in the same way. */
#include "world.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/fault.h"
#include "vcs/project.h"

static const struct commit_author who = {"Ada", "ada@example.org", 1700000000000000};

/* A project <top>/p with a first commit, opened, and a working copy of it on muster/run. */
struct run {
	struct project *p;
	struct project_state st;
	struct copy *copy;
	struct scratch c, dir; /* of the copy, of the person's checkout */
	char head[OID_TEXT];   /* of the run's branch */
};

static void begin(struct world *w, struct run *r, const char *prepare)
{
	struct err e = ERR_INIT;

	memset(r, 0, sizeof(*r));
	assert_int_equal(mkdir(at(&w->top, "p"), 0755), 0);
	mem_free(shell(at(&w->top, "p"), prepare));
	snprintf(r->c.dir, sizeof(r->c.dir), "%.200s/c", w->top.dir);
	snprintf(r->dir.dir, sizeof(r->dir.dir), "%.200s/p", w->top.dir);
	r->p = project_open(at(&w->top, "p"), &r->st, &e);
	if (!r->p)
		fail_msg("%s", e.text);
	memcpy(r->head, r->st.head, OID_TEXT);
	must(project_checkout(r->p, r->st.head, r->c.dir, "muster/run", 0, &r->copy, w->store, &e), &e);
}

static void end(struct run *r)
{
	copy_close(r->copy);
	project_close(r->p);
}

static int commit_at(
	struct world *w, struct run *r, const char *branch, const char *parent, char oid[OID_TEXT], struct err *e)
{
	struct snapshot s;
	int rc;

	must(snapshot_take(r->copy, NULL, 0, &s, e), e);
	rc = project_commit(r->p, w->store, &s.root, branch, parent, &who, "Work", oid, e);
	snapshot_release(&s);
	return rc;
}

static void commit(struct world *w, struct run *r)
{
	struct err e = ERR_INIT;
	char oid[OID_TEXT];

	must(commit_at(w, r, "muster/run", r->head, oid, &e), &e);
	memcpy(r->head, oid, OID_TEXT);
}

#define BASE                                                                                                           \
	"git init -q -b trunk && seq 1 20 > a && mkdir d && seq 1 20 > d/b && echo 3 > c && git add . && git commit "  \
	"-q -m "                                                                                                       \
	"first"

static int merge(struct run *r, bool *already, json_t **conflicts, struct err *e)
{
	char oid[OID_TEXT];

	*conflicts = NULL;
	return project_merge(r->p, "muster/run", &who, oid, already, conflicts, e);
}

/* The person's side: the log's subjects, the state, and whether fsck is content. */
static void person_is(struct run *r, const char *want)
{
	cleanup_free char *out = shell(r->dir.dir,
		"git log --first-parent --format=%s; git status --short; git fsck --strict --no-dangling 2>&1");

	assert_string_equal(out, want);
}

static char *fingerprint(struct run *r)
{
	return shell(r->dir.dir,
		"cat .git/HEAD .git/index; git rev-parse HEAD || true; find . -path ./.git -prune -o -type f "
		"-print0 | sort -z | xargs -0 sha256sum; git status --short");
}

static void committing(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	char first[OID_TEXT], again[OID_TEXT], second[OID_TEXT], branch[OID_TEXT];

	begin(w, &r, BASE);
	/* Nothing changed: no commit, but the branch begins. */
	must(commit_at(w, &r, "muster/run", r.head, first, &e), &e);
	assert_string_equal(first, r.head);
	must(project_branch(r.p, "muster/run", branch, &e), &e);
	assert_string_equal(branch, r.head);
	must(project_branch(r.p, "muster/none", branch, &e), &e);
	assert_string_equal(branch, "");

	put(&r.c, "a", "changed\n");
	put(&r.c, "new/file", "x\n");
	chmod(at(&r.c, "c"), 0755);
	must(commit_at(w, &r, "muster/run", r.head, first, &e), &e);
	assert_string_not_equal(first, r.head);
	/* After a crash: the same again is the same commit; also when more was committed on top. */
	must(commit_at(w, &r, "muster/run", r.head, again, &e), &e);
	assert_string_equal(again, first);
	struct snapshot old;
	must(snapshot_take(r.copy, NULL, 0, &old, &e), &e);
	put(&r.c, "a", "changed again\n");
	must(commit_at(w, &r, "muster/run", first, second, &e), &e);
	must(project_commit(r.p, w->store, &old.root, "muster/run", r.head, &who, "Work", again, &e), &e);
	assert_string_equal(again, first);
	snapshot_release(&old);
	/* But another tree on an old parent is a conflict, and the branch stays. */
	put(&r.c, "a", "something else\n");
	assert_int_equal(commit_at(w, &r, "muster/run", r.head, again, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	must(project_branch(r.p, "muster/run", branch, &e), &e);
	assert_string_equal(branch, second);
	assert_int_equal(commit_at(w, &r, "muster/other", "1234", again, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	cleanup_free char *out =
		shell(r.dir.dir, "git log --format=%s muster/run; git diff --summary --stat trunk~0 muster/run~1; "
				 "git fsck --strict --no-dangling 2>&1");
	assert_string_equal(out,
		"Work\nWork\nfirst\n a        | 21 +--------------------\n c        |  0\n new/file |  1 +\n 3 "
		"files changed, 2 insertions(+), 20 deletions(-)\n mode change 100644 => 100755 c\n create mode "
		"100644 new/file\n");
	/* A stale lock of a crash on our own branch does not stop us. */
	put(&r.dir, ".git/refs/heads/muster/run.lock", "");
	must(commit_at(w, &r, "muster/run", second, again, &e), &e);
	end(&r);
}

static void ignored_files_stay_out(void **state)
{
	struct world *w = *state;
	struct run r;

	begin(w, &r,
		BASE "; echo x > kept.log; mkdir out; echo y > out/kept; git add -f . && git commit -q -m tracked");
	mem_free(shell(r.c.dir,
		"printf '*.log\\nout/\\n!not.log\\nbuild\\n' > .gitignore; echo 1 > a.log; echo 2 > not.log; "
		"echo 3 > kept.log; echo 4 > out/new; echo 5 > out/kept; mkdir -p build/deep; echo 6 > build/deep/x; "
		"mkdir -p d/build/q s; echo 7 > d/build/q/x; printf '/only\\n' > s/.gitignore; echo 8 > s/only; mkdir "
		"s/t; echo 9 > s/t/only; mkdir void"));
	commit(w, &r);
	cleanup_free char *out =
		shell(r.dir.dir, "git ls-tree -r --name-only muster/run | tr '\\n' ' '; git diff --stat "
				 "trunk muster/run -- out kept.log | tail -1");
	assert_string_equal(out,
		".gitignore a c d/b kept.log not.log out/kept s/.gitignore s/t/only  2 files changed, 2 "
		"insertions(+), 2 deletions(-)\n");
	/* The same as git would have it. */
	mem_free(shell(r.dir.dir, "git checkout -q muster/run && git checkout -q trunk"));
	cleanup_free char *git =
		shell(r.c.dir, "cp -a . ../x && cd ../x && rm -rf .git && cp -a ../p/.git .git && git add -A && "
			       "git write-tree && git rev-parse muster/run^{tree}");
	assert_memory_equal(git, git + 41, 41);
	end(&r);
}

static void names_that_git_refuses(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	char oid[OID_TEXT];

	begin(w, &r, BASE);
	put(&r.c, "sub/.GIT/config", "x");
	assert_int_equal(commit_at(w, &r, "muster/run", r.head, oid, &e), -1);
	assert_non_null(strstr(e.text, "sub/.GIT"));
	mem_free(shell(r.c.dir, "rm -r sub"));
	put(&r.c, "ok", "x");
	commit(w, &r);
	end(&r);
}

static void fast_forward(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts;

	begin(w, &r, BASE);
	must(merge(&r, &already, &conflicts, &e), &e); /* the run has done nothing */
	assert_true(already);
	mem_free(shell(r.c.dir, "echo new > n; rm c; mv d e; ln -s a ln; chmod +x a"));
	commit(w, &r);
	must(merge(&r, &already, &conflicts, &e), &e);
	assert_false(already);
	same_tree(r.c.dir, r.dir.dir);
	person_is(&r, "Work\nfirst\n");
	cleanup_free char *branch = shell(r.dir.dir, "git symbolic-ref HEAD; git reflog -1 --format='%gs %gn'");
	assert_string_equal(branch, "refs/heads/trunk\nmerge by muster: fast-forward Ada\n");
	cleanup_free char *before = fingerprint(&r);
	must(merge(&r, &already, &conflicts, &e), &e);
	assert_true(already);
	cleanup_free char *after = fingerprint(&r);
	assert_string_equal(before, after);
	/* The person goes on: still merged. */
	mem_free(shell(r.dir.dir, "echo more > m && git add m && git commit -q -m more"));
	must(merge(&r, &already, &conflicts, &e), &e);
	assert_true(already);
	/* And so does the run. */
	put(&r.c, "n", "newer\n");
	commit(w, &r);
	must(merge(&r, &already, &conflicts, &e), &e);
	assert_false(already);
	assert_string_equal(got(&r.dir, "n"), "newer\n");
	assert_string_equal(got(&r.dir, "m"), "more\n");
	person_is(&r, "Merge trunk into muster/run\nWork\nWork\nfirst\n");
	end(&r);
}

static void into_nothing(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts;

	begin(w, &r, "true");
	assert_true(r.st.created && r.st.empty);
	put(&r.c, "src/a", "1\n");
	commit(w, &r);
	/* A file of the person in the way. */
	put(&r.dir, "src/a", "mine\n");
	assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_string_equal(got(&r.dir, "src/a"), "mine\n");
	assert_string_equal(json_str(json_array_get(conflicts, 0), "path"), "src/a");
	json_decref(conflicts);
	mem_free(shell(r.dir.dir, "rm -r src"));
	must(merge(&r, &already, &conflicts, &e), &e);
	assert_false(already);
	assert_string_equal(got(&r.dir, "src/a"), "1\n");
	person_is(&r, "Work\n");
	end(&r);
}

static void diverged_without_conflict(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts;

	begin(w, &r, BASE);
	mem_free(shell(r.c.dir, "sed -i 's/^2$/two/' a; echo run > run"));
	commit(w, &r);
	mem_free(shell(r.dir.dir, "sed -i 's/^19$/nineteen/' a; echo mine > mine; git add .; git commit -q -m mine"));
	must(merge(&r, &already, &conflicts, &e), &e);
	assert_false(already);
	assert_non_null(strstr(got(&r.dir, "a"), "\ntwo\n"));
	assert_non_null(strstr(got(&r.dir, "a"), "\nnineteen\n"));
	assert_string_equal(got(&r.dir, "run"), "run\n");
	person_is(&r, "Merge trunk into muster/run\nWork\nfirst\n");
	cleanup_free char *parents =
		shell(r.dir.dir, "git log -1 --format='%s|%an' HEAD^1; git log -1 --format=%s HEAD^2");
	assert_string_equal(parents, "Work|Ada\nmine\n");
	end(&r);
}

static void conflicts_change_nothing(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts;
	char tip[OID_TEXT];

	begin(w, &r, BASE);
	mem_free(shell(r.c.dir, "sed -i 's/^2$/two/' a; rm c; printf 'x\\0y' > d/b"));
	commit(w, &r);
	mem_free(shell(r.dir.dir, "sed -i 's/^2$/zwei/' a; echo mine > c; echo mine > d/b; git commit -q -a -m mine"));
	cleanup_free char *before = fingerprint(&r);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
		assert_int_equal(e.code, ERR_CONFLICT);
		assert_non_null(strstr(e.text, "3 files: a, c, d/b"));
		assert_int_equal(json_array_size(conflicts), 3);
		const json_t *a = json_array_get(conflicts, 0);
		assert_string_equal(json_str(a, "path"), "a");
		assert_non_null(strstr(json_str(a, "base"), "\n2\n"));
		assert_non_null(strstr(json_str(a, "ours"), "\ntwo\n"));
		assert_non_null(strstr(json_str(a, "theirs"), "\nzwei\n"));
		const json_t *c = json_array_get(conflicts, 1);
		assert_true(json_is_null(json_get(c, "ours")));
		assert_string_equal(json_str(c, "theirs"), "mine\n");
		assert_string_equal(json_str(json_array_get(conflicts, 2), "ours"), "(binary)");
		json_decref(conflicts);
		cleanup_free char *after = fingerprint(&r);
		assert_string_equal(before, after);
		must(project_branch(r.p, "muster/run", tip, &e), &e);
		assert_string_equal(tip, r.head);
	}
	end(&r);
}

static void dirty_checkouts(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts;
	static const struct {
		const char *dirt, *path;
	} touching[] = {
		{"echo mine > a", "a"},
		{"echo mine > a; git add a", "a"},
		{"rm a; mkdir a; echo x > a/x", "a"},
		{"chmod +x a", "a"},
		{"echo mine > new", "new"},
		{"echo mine > ign", "ign"},
		{"mkdir new; echo mine > new/x", "new"},
		{"echo mine > d/b", "d/b"},
		{"ln -sf nowhere a", "a"},
	};

	begin(w, &r, BASE "; echo ign > .gitignore; git add . ; git commit -q -m ignore");
	mem_free(shell(r.c.dir, "echo run > a; echo run > new; rm d/b; rm .gitignore; echo run > ign"));
	commit(w, &r);
	for (size_t i = 0; i < sizeof(touching) / sizeof(*touching); i++) {
		mem_free(shell(r.dir.dir, touching[i].dirt));
		cleanup_free char *before = fingerprint(&r);
		if (merge(&r, &already, &conflicts, &e) == 0)
			fail_msg("merged over: %s", touching[i].dirt);
		assert_int_equal(e.code, ERR_CONFLICT);
		if (!strstr(e.text, touching[i].path) || !strstr(e.text, "Nothing was changed"))
			fail_msg("%s: %s", touching[i].dirt, e.text);
		assert_true(json_array_size(conflicts) > 0);
		json_decref(conflicts);
		cleanup_free char *after = fingerprint(&r);
		assert_string_equal(before, after);
		mem_free(shell(r.dir.dir, "git reset -q --hard; git clean -qfdx"));
	}
	/* What the merge does not touch may be as dirty as it likes. */
	mem_free(shell(r.dir.dir, "echo mine > c; echo mine > untracked; echo s > staged; git add staged"));
	must(merge(&r, &already, &conflicts, &e), &e);
	assert_string_equal(got(&r.dir, "a"), "run\n");
	assert_string_equal(got(&r.dir, "c"), "mine\n");
	assert_false(there(&r.dir, "d/b"));
	person_is(&r, "Work\nignore\nfirst\n M c\nA  staged\n?? untracked\n");
	end(&r);
}

static void checkouts_in_the_wrong_state(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts;

	begin(w, &r, BASE);
	put(&r.c, "a", "run\n");
	commit(w, &r);
	mem_free(shell(r.dir.dir, "git checkout -q --detach"));
	assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_non_null(strstr(e.text, "detached"));
	mem_free(shell(r.dir.dir,
		"git checkout -q trunk; git checkout -q -b side; echo s > a; git commit -q -a -m s; git checkout "
		"-q trunk; echo t > a; git commit -q -a -m t; git merge side || true"));
	assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
	assert_non_null(strstr(e.text, "in the middle of a merge"));
	mem_free(shell(r.dir.dir, "git merge --abort; git reset -q --hard HEAD~1"));
	put(&r.dir, ".git/index.lock", "");
	assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_LOCKED);
	assert_string_not_equal(got(&r.dir, "a"), "run\n");
	unlink(at(&r.dir, ".git/index.lock"));
	must(merge(&r, &already, &conflicts, &e), &e);
	end(&r);
}

/* A link of the checkout where the merge has a folder: nothing is written behind it. */
static void links_in_the_checkout(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts;

	begin(w, &r, BASE "; ln -s ../outside ln; git add ln; git commit -q -m link");
	assert_int_equal(mkdir(at(&w->top, "outside"), 0755), 0);
	mem_free(shell(r.c.dir, "rm ln; mkdir ln; echo evil > ln/file; mkdir fresh; echo evil > fresh/file"));
	commit(w, &r);
	assert_int_equal(symlink("../outside", at(&r.dir, "fresh")), 0); /* untracked */
	assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	json_decref(conflicts);
	assert_false(there(&w->top, "outside/file"));
	unlink(at(&r.dir, "fresh"));
	must(merge(&r, &already, &conflicts, &e), &e);
	assert_false(there(&w->top, "outside/file"));
	assert_string_equal(got(&r.dir, "ln/file"), "evil\n");
	end(&r);
}

static void merging_branches(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	char ours[OID_TEXT], theirs[OID_TEXT], oid[OID_TEXT], again[OID_TEXT], tip[OID_TEXT];
	json_t *conflicts;
	struct hash root;

	begin(w, &r, BASE);
	cleanup_free char *before = fingerprint(&r);
	put(&r.c, "one", "1\n");
	must(commit_at(w, &r, "muster/run", r.head, ours, &e), &e);
	unlink(at(&r.c, "one"));
	put(&r.c, "two", "2\n");
	must(commit_at(w, &r, "muster/run-x", r.head, theirs, &e), &e);
	must(project_merge_branches(r.p, "muster/run", ours, theirs, &who, "Both", oid, &conflicts, &e), &e);
	/* Once more, as after a crash. */
	must(project_merge_branches(r.p, "muster/run", ours, theirs, &who, "Both", again, &conflicts, &e), &e);
	assert_string_equal(oid, again);
	/* The commit before it again, with the branch already at the merge. */
	put(&r.c, "one", "1\n");
	unlink(at(&r.c, "two"));
	must(commit_at(w, &r, "muster/run", r.head, again, &e), &e);
	assert_string_equal(again, ours);
	must(project_tree(r.p, w->store, oid, &root, &e), &e);
	must(snapshot_restore(r.copy, &root, &e), &e);
	assert_string_equal(got(&r.c, "one"), "1\n");
	assert_string_equal(got(&r.c, "two"), "2\n");
	/* Already in; fast-forward, twice. */
	must(project_merge_branches(r.p, "muster/run", oid, theirs, &who, "Both", again, &conflicts, &e), &e);
	assert_string_equal(oid, again);
	for (int i = 0; i < 2; i++) {
		must(project_merge_branches(r.p, "muster/run-x", theirs, oid, &who, "Both", again, &conflicts, &e), &e);
		assert_string_equal(oid, again);
		must(project_branch(r.p, "muster/run-x", tip, &e), &e);
		assert_string_equal(tip, oid);
	}
	/* Conflict: the branch stays. */
	put(&r.c, "one", "ours\n");
	must(commit_at(w, &r, "muster/run", oid, ours, &e), &e);
	put(&r.c, "one", "theirs\n");
	must(commit_at(w, &r, "muster/run-x", oid, theirs, &e), &e);
	assert_int_equal(
		project_merge_branches(r.p, "muster/run", ours, theirs, &who, "Both", again, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_string_equal(json_str(json_array_get(conflicts, 0), "theirs"), "theirs\n");
	json_decref(conflicts);
	must(project_branch(r.p, "muster/run", tip, &e), &e);
	assert_string_equal(tip, ours);
	/* Not where it should be. */
	assert_int_equal(
		project_merge_branches(r.p, "muster/run-x", oid, ours, &who, "Both", again, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	assert_null(conflicts);
	assert_int_equal(project_merge_branches(r.p, "muster/nix", oid, ours, &who, "Both", again, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	cleanup_free char *after = fingerprint(&r);
	assert_string_equal(before, after);
	end(&r);
}

/* Each call fails once during a merge into the checkout; merging again completes it. */
static void failures_while_merging(void **state)
{
	struct world *w = *state;
	struct run r;
	int failures = 0;

	begin(w, &r, BASE);
	mem_free(shell(r.c.dir, "echo run > run; sed -i s/^2$/two/ a"));
	commit(w, &r);
	mem_free(shell(r.dir.dir,
		"echo mine > mine; git add .; git commit -q -m mine; git branch person; git branch back muster/run"));
	for (uint64_t n = 1;; n++) {
		struct err e = ERR_INIT;
		bool already;
		json_t *conflicts;

		fault_arm(FAULT_IO, n, false);
		int rc = merge(&r, &already, &conflicts, &e);
		bool hit = fault_seen() >= n;
		fault_disarm();
		assert_true(rc == 0 || (hit && e.code != ERR_OK));
		json_decref(conflicts);
		must(merge(&r, &already, &conflicts, &e), &e);
		assert_string_equal(got(&r.dir, "run"), "run\n");
		assert_string_equal(got(&r.dir, "mine"), "mine\n");
		person_is(&r, "Merge trunk into muster/run\nWork\nfirst\n");
		if (!hit)
			break;
		failures++;
		mem_free(shell(r.dir.dir, "git reset -q --hard person; git branch -qf muster/run back"));
	}
	print_message("%d failures\n", failures);
	assert_true(failures > 15);
	end(&r);
}

/* Large files are written past libgit2: with their modes and folders, and known to git as unchanged; never over what
 * the person has changed; and after a kill at any of the moments between, merging again completes it. */
static void large_files_land(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts = NULL;
	int failures = 0;

	begin(w, &r,
		BASE
		" && seq 100000 >old && seq 100000 >gone && ln -s a turned && git add . && git commit -q -m second");
	mem_free(shell(r.c.dir,
		"seq 150000 >old; rm gone turned; mkdir -p new/deep; head -c 900000 /dev/urandom >new/deep/big; "
		"seq 200000 >run.sh; chmod +x run.sh; seq 120000 >turned; echo run >a"));
	commit(w, &r);
#define AS_COMMITTED                                                                                                   \
	"for f in old new/deep/big run.sh turned a; do git show muster/run:$f | cmp - $f; done && test -x run.sh && "  \
	"test ! -x old && test ! -e gone && test ! -L turned && git diff-index --cached "                              \
	"--quiet HEAD && git fsck && test -z \"$(git status --porcelain)\""
	mem_free(shell(r.dir.dir, "git branch back; echo mine >>old"));
	assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	json_decref(conflicts);
	mem_free(shell(r.dir.dir, "git diff --stat | grep -q old && test ! -e new && git checkout -q old"));
	err_clear(&e);
	must(merge(&r, &already, &conflicts, &e), &e);
	mem_free(shell(r.dir.dir, "git diff-files --quiet && " AS_COMMITTED));

	static const char *const left[] = {
		"git show muster/run:old >old",
		"git show muster/run:old | head -c 300000 >old",
		"mkdir -p new/deep; git show muster/run:new/deep/big | head -c 1 >new/deep/big; : >run.sh",
		"mkdir -p new/deep; git show muster/run:new/deep/big >new/deep/big; touch .git/index.lock; rm old",
	};
	for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++) {
		mem_free(shell(r.dir.dir, "git reset -q --hard back; date +%s%N > .git/muster-landing; sleep 0.02"));
		mem_free(shell(r.dir.dir, left[i]));
		must(merge(&r, &already, &conflicts, &e), &e);
		mem_free(shell(r.dir.dir, AS_COMMITTED));
	}
	for (uint64_t n = 1;; n++) {
		mem_free(shell(r.dir.dir, "git reset -q --hard back"));
		fault_arm(FAULT_IO, n, false);
		int rc = merge(&r, &already, &conflicts, &e);
		bool hit = fault_seen() >= n;
		fault_disarm();
		assert_true(rc == 0 || (hit && e.code != ERR_OK));
		json_decref(conflicts);
		err_clear(&e);
		must(merge(&r, &already, &conflicts, &e), &e);
		mem_free(shell(r.dir.dir, "git diff --quiet HEAD muster/run && test -z \"$(git status --porcelain)\""));
		if (!hit)
			break;
		failures++;
	}
	assert_true(failures > 40);
	end(&r);
}

/* Killed after the files were written and before the ref moved. */
static void crash_between_files_and_ref(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts;

	begin(w, &r, BASE);
	mem_free(shell(r.c.dir, "echo run > run; echo run > a; rm c"));
	commit(w, &r);
	static const char *const done[] = {
		"git read-tree -m -u HEAD muster/run",	     /* files and index */
		"git --work-tree=. restore -s muster/run .", /* all files, nothing of the index */
		"echo run > run",			     /* one file */
		"echo run > a; rm c",			     /* others */
	};
	for (size_t i = 0; i < sizeof(done) / sizeof(*done); i++) {
		mem_free(shell(r.dir.dir, done[i]));
		must(merge(&r, &already, &conflicts, &e), &e);
		assert_false(already);
		person_is(&r, "Work\nfirst\n");
		mem_free(shell(r.dir.dir, "git reset -q --hard HEAD~1"));
	}
	/* One file as it should be and another the person's own. */
	mem_free(shell(r.dir.dir, "echo run > run; echo mine > a"));
	assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
	assert_int_equal(e.code, ERR_CONFLICT);
	json_decref(conflicts);
	assert_string_equal(got(&r.dir, "a"), "mine\n");
	end(&r);
}

/* Killed in the middle: the locks of git and a half-written file are the dead program's; a person's file is not. */
static void crash_in_the_middle(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct run r;
	bool already;
	json_t *conflicts = NULL;

	begin(w, &r, BASE);
	mem_free(shell(r.c.dir, "echo a longer text > run; echo run > a; mkdir d; echo run > d/run"));
	commit(w, &r);
	static const char *const left[] = {
		"touch .git/refs/heads/trunk.lock",
		"touch .git/index.lock .git/HEAD.lock",
		": > run",
		"printf 'a lon' > run; echo run > a",
		"mkdir d; : > d/run; touch .git/index.lock",
		": > .git/index", /* the power went: named before it was written */
		"head -c 100 /dev/zero > .git/index; echo run > a",
		"truncate -s -30 .git/index",
	};
	for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++) {
		mem_free(shell(r.dir.dir, "date +%s%N > .git/muster-landing; sleep 0.02"));
		mem_free(shell(r.dir.dir, left[i]));
		project_close(r.p); /* it had read the index */
		r.p = project_open(r.dir.dir, &r.st, &e);
		if (!r.p)
			fail_msg("%s: %s", left[i], e.text);
		must(merge(&r, &already, &conflicts, &e), &e);
		assert_false(already);
		person_is(&r, "Work\nfirst\n");
		assert_false(there(&r.dir, ".git/muster-landing"));
		mem_free(shell(r.dir.dir, "git reset -q --hard HEAD~1"));
	}
	/* Older than the landing, or no beginning of what was to be written: somebody else's. */
	static const char *const others[] = {
		"touch -d '1 hour ago' .git/index.lock",
		"date -d '1 hour ago' +%s%N > .git/muster-landing; touch .git/index.lock", /* of a git that works now */
		"echo mine > run", ": > run; touch -d '1 hour ago' run",
		": > run; echo mine > a",				     /* one of each: then nothing is removed */
		"date -d '1 hour ago' +%s%N > .git/muster-landing; : > run", /* emptied by a person later */
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		mem_free(shell(r.dir.dir, "date +%s%N > .git/muster-landing; sleep 0.02"));
		mem_free(shell(r.dir.dir, others[i]));
		assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
		assert_int_equal(e.code, i < 2 ? ERR_LOCKED : ERR_CONFLICT);
		assert_true(i < 2 || there(&r.dir, "run"));
		err_clear(&e);
		json_decref(conflicts);
		conflicts = NULL;
		mem_free(shell(r.dir.dir, "rm -f run .git/index.lock; git checkout -q a"));
	}
	/* Another program is at it right now. */
	int fd = open(at(&r.dir, ".git/muster-landing"), O_CREAT | O_RDWR, 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(merge(&r, &already, &conflicts, &e), -1);
	assert_non_null(strstr(e.text, "another muster program"));
	close(fd);
	err_clear(&e);
	must(merge(&r, &already, &conflicts, &e), &e);
	end(&r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
	const struct CMUnitTest tests[] = {T(committing), T(ignored_files_stay_out), T(names_that_git_refuses),
		T(fast_forward), T(into_nothing), T(diverged_without_conflict), T(conflicts_change_nothing),
		T(dirty_checkouts), T(checkouts_in_the_wrong_state), T(links_in_the_checkout), T(merging_branches),
		T(failures_while_merging), T(large_files_land), T(crash_between_files_and_ref), T(crash_in_the_middle)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
