/* Projects: every kind of folder is opened or refused as it should be, nothing of a hostile configuration runs, and the
 * person's files stay untouched; copies, and git in them. */
#include "world.h"

#include "base/fault.h"
#include "vcs/project.h"

/* Open <top>/name; NULL with the error. */
static struct project *try(struct world *w, const char *name, struct project_state *st, struct err *e)
{
	return project_open(at(&w->top, name), st, e);
}

static struct project *open_fine(struct world *w, const char *name, struct project_state *st)
{
	struct err e = ERR_INIT;
	struct project *p = try(w, name, st, &e);

	if (!p)
		fail_msg("%s: %s", name, e.text);
	return p;
}

static void refused(struct world *w, const char *name, enum err_code code, const char *says)
{
	struct project_state st;
	struct err e = ERR_INIT;
	struct project *p = try(w, name, &st, &e);

	assert_null(p);
	if (e.code != code || !strstr(e.text, says))
		fail_msg("%s: %s: %s", name, err_name(e.code), e.text);
}

static void is(struct project_state *st, const char *branch, bool head, bool created, bool empty, bool dirty)
{
	assert_string_equal(st->branch, branch);
	assert_int_equal(strlen(st->head), head ? 40 : 0);
	assert_int_equal(st->created, created);
	assert_int_equal(st->empty, empty);
	assert_int_equal(st->dirty, dirty);
}

static void a_repository(struct world *w, const char *name)
{
	assert_int_equal(mkdir(at(&w->top, name), 0755), 0);
	mem_free(shell(at(&w->top, name),
		"git init -q -b trunk && echo 1 > a && mkdir d && echo 2 > d/b && git add . && "
		"git commit -q -m first"));
}

static void folders_that_are_no_repository(void **state)
{
	struct world *w = *state;
	struct project_state st;

	project_close(open_fine(w, "missing/deep", &st));
	is(&st, "main", false, true, true, false);
	project_close(open_fine(w, "missing/deep", &st));
	is(&st, "main", false, false, true, false);

	assert_int_equal(mkdir(at(&w->top, "empty"), 0755), 0);
	project_close(open_fine(w, "empty", &st));
	is(&st, "main", false, true, true, false);

	put(&w->top, "plain/a", "1\n");
	put(&w->top, "plain/d/b", "2\n");
	put(&w->top, "plain/.gitignore", "*.o\nout/\n");
	put(&w->top, "plain/x.o", "object");
	put(&w->top, "plain/out/y", "output");
	put(&w->top, "plain/run.sh", "#!/bin/sh\n");
	chmod(at(&w->top, "plain/run.sh"), 0755);
	assert_int_equal(symlink("a", at(&w->top, "plain/ln")), 0);
	assert_int_equal(mkfifo(at(&w->top, "plain/fifo"), 0600), 0);
	alarm(20);
	project_close(open_fine(w, "plain", &st));
	is(&st, "main", true, true, false, false);
	alarm(0);
	char *out = shell(at(&w->top, "plain"),
		"git ls-tree -r HEAD | cut -c1-6,53-; git log --format='%an %s'; git status "
		"--short; git fsck --strict && ls -A");
	assert_string_equal(out,
		"100644\t.gitignore\n100644\ta\n100644\td/b\n120000\tln\n100755\trun.sh\nmuster Initial "
		"import\n.git\n.gitignore\na\nd\nfifo\nln\nout\nrun.sh\nx.o\n");
	mem_free(out);
	project_close(open_fine(w, "plain", &st));
	is(&st, "main", true, false, false, false);

	put(&w->top, "file", "x");
	refused(w, "file", ERR_INVALID, "is a file");
	refused(w, "file/below", ERR_IO, "Not a directory");
	struct err e = ERR_INIT;
	assert_null(project_open("", &st, &e));
}

static void repositories(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct project *p;

	a_repository(w, "clean");
	p = open_fine(w, "clean", &st);
	is(&st, "trunk", true, false, false, false);
	assert_string_equal(project_dir(p), at(&w->top, "clean"));
	assert_string_equal(project_git_dir(p), at(&w->top, "clean/.git"));
	assert_string_equal(project_objects(p)[0], at(&w->top, "clean/.git/objects"));
	assert_null(project_objects(p)[1]);
	project_close(p);

	a_repository(w, "dirty");
	put(&w->top, "dirty/a", "changed");
	project_close(open_fine(w, "dirty", &st));
	is(&st, "trunk", true, false, false, true);

	a_repository(w, "untracked");
	put(&w->top, "untracked/new", "x");
	project_close(open_fine(w, "untracked", &st));
	is(&st, "trunk", true, false, false, true);

	a_repository(w, "detached");
	mem_free(shell(at(&w->top, "detached"), "git checkout -q --detach"));
	project_close(open_fine(w, "detached", &st));
	is(&st, "", true, false, false, false);

	assert_int_equal(mkdir(at(&w->top, "unborn"), 0755), 0);
	mem_free(shell(at(&w->top, "unborn"), "git init -q -b start"));
	project_close(open_fine(w, "unborn", &st));
	is(&st, "start", false, false, true, false);
	put(&w->top, "unborn/a", "1");
	project_close(open_fine(w, "unborn", &st));
	is(&st, "start", false, false, true, true);

	mem_free(shell(w->top.dir, "git init -q --bare bare.git"));
	refused(w, "bare.git", ERR_INVALID, "bare");
	refused(w, "bare.git/objects", ERR_INVALID, "bare");
	refused(w, "clean/d", ERR_INVALID, at(&w->top, "clean/"));
	refused(w, "clean/new/folder", ERR_INVALID, "lies inside");
	assert_false(there(&w->top, "clean/new"));
	refused(w, "clean/.git", ERR_INVALID, "");
	refused(w, "clean/.git/hooks", ERR_INVALID, "");

	/* By a link, and by a worktree of git. */
	assert_int_equal(symlink("clean", at(&w->top, "by-link")), 0);
	p = open_fine(w, "by-link", &st);
	assert_string_equal(project_dir(p), at(&w->top, "clean"));
	project_close(p);
	mem_free(shell(at(&w->top, "clean"), "git worktree add -q ../tree -b other"));
	p = open_fine(w, "tree", &st);
	is(&st, "other", true, false, false, false);
	assert_string_equal(project_git_dir(p), at(&w->top, "clean/.git"));
	project_close(p);

	put(&w->top, "broken/.git/HEAD", "nonsense");
	refused(w, "broken", ERR_NOT_FOUND, "repair it");
	assert_string_equal(got(&w->top, "broken/.git/HEAD"), "nonsense");

	/* Borrowed objects. */
	mem_free(shell(w->top.dir, "git clone -q --shared clean borrower"));
	p = open_fine(w, "borrower", &st);
	assert_string_equal(project_objects(p)[1], at(&w->top, "clean/.git/objects"));
	assert_null(project_objects(p)[2]);
	project_close(p);
}

/* Everything of the person's is as before: HEAD, index, configuration, refs, files; .git compared byte by byte. */
static void existing_repository_is_untouched(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	struct copy *copy;
	static const char sums[] = "cat .git/index .git/HEAD .git/config a d/b new | sha256sum; git rev-parse trunk; "
				   "stat -c '%n %Y %Z %i' .git/index .git/HEAD a d/b new";

	a_repository(w, "r");
	put(&w->top, "r/a", "staged\n");
	mem_free(shell(at(&w->top, "r"), "git add a"));
	put(&w->top, "r/d/b", "changed\n");
	put(&w->top, "r/new", "untracked\n");
	cleanup_free char *before = shell(at(&w->top, "r"), sums);
	struct project *p = open_fine(w, "r", &st);
	assert_true(st.dirty);
	must(project_checkout(p, st.head, at(&w->top, "c1"), "muster/r1", 0, &copy, w->store, &e), &e);
	assert_string_equal(got(&w->top, "c1/a"), "1\n"); /* from HEAD, not from the dirty files */
	assert_false(there(&w->top, "c1/new"));
	put(&w->top, "c1/a", "work\n");
	struct snapshot s;
	must(snapshot_take(copy, NULL, 0, &s, &e), &e);
	char oid[OID_TEXT];
	struct commit_author who = {"Ada", "ada@example.org", 1700000000000000};
	must(project_commit(p, w->store, &s.root, "muster/r1", st.head, &who, "Work", oid, &e), &e);
	put(&w->top, "c1.git/index.lock", ""); /* of a kill */
	must(project_copy_update(p, copy, "muster/r1", &e), &e);
	snapshot_release(&s);
	copy_close(copy);
	project_close(p);
	cleanup_free char *after = shell(at(&w->top, "r"), sums);
	assert_string_equal(before, after);
	cleanup_free char *log = shell(at(&w->top, "r"), "git log --format='%an <%ae> %at %s' muster/r1");
	assert_non_null(strstr(log, "Ada <ada@example.org> 1700000000 Work\n"));
}

/* Each of these would run `touch <top>/owned` if git, or we, followed it. */
static void hostile_configuration(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	struct copy *copy;
	struct snapshot s;
	char oid[OID_TEXT], merged[OID_TEXT], script[PATH_MAX + 64];
	bool already;
	struct commit_author who = {"a\nfake <x@y>\n", "e\nvil>", 0};

	a_repository(w, "h");
	put(&w->top, "h/.gitattributes", "* filter=x diff=x merge=x text=auto eol=crlf ident\n");
	put(&w->top, "h/.gitmodules",
		"[submodule \"s\"]\n\tpath = s\n\turl = ext::sh -c touch% owned\n\tupdate = !touch owned\n");
	put(&w->top, "h/id", "$Id$\n");
	mem_free(shell(at(&w->top, "h"), "git add . && git commit -q -m attributes"));
	snprintf(script, sizeof(script), "#!/bin/sh\ntouch '%s/owned'\ncat\n", w->top.dir);
	for (const char *const *hook = (const char *const[]){"post-checkout", "pre-commit", "commit-msg", "post-commit",
		     "post-merge", "pre-merge-commit", "reference-transaction", "post-index-change",
		     "fsmonitor-watchman", "prepare-commit-msg", "post-rewrite", NULL};
		*hook; hook++) {
		char name[64];
		snprintf(name, sizeof(name), "h/.git/hooks/%s", *hook);
		put(&w->top, name, script);
		chmod(at(&w->top, name), 0755);
		snprintf(name, sizeof(name), "hooks/%s", *hook);
		put(&w->top, name, script);
		chmod(at(&w->top, name), 0755);
	}
	put(&w->top, "script", script);
	chmod(at(&w->top, "script"), 0755);
	mem_free(shell(at(&w->top, "h"),
		"S=$(cd .. && pwd)/script; git config core.fsmonitor \"$S\"; git config core.hooksPath $(cd .. && "
		"pwd)/hooks; "
		"git config filter.x.clean \"$S\"; git config filter.x.smudge \"$S\"; git config filter.x.process "
		"\"$S\"; "
		"git config filter.x.required true; git config core.sshCommand \"$S\"; git config core.editor \"$S\"; "
		"git config core.pager \"$S\"; git config credential.helper \"!$S\"; git config diff.x.textconv "
		"\"$S\"; "
		"git config diff.external \"$S\"; git config merge.x.driver \"$S\"; git config gpg.program \"$S\"; "
		"git config commit.gpgSign true; git config core.alternateRefsCommand \"$S\"; "
		"git config remote.origin.url \"ext::$S\"; git config core.gitProxy \"$S\"; git config "
		"uploadpack.packObjectsHook "
		"\"$S\"; git config submodule.s.update \"!$S\"; git config core.worktree ..; git config --unset "
		"core.worktree; "
		"git config include.path ../../no-such-file"));
	struct project *p = open_fine(w, "h", &st);
	must(project_checkout(p, st.head, at(&w->top, "hc"), "muster/h", 0, &copy, w->store, &e), &e);
	assert_string_equal(got(&w->top, "hc/id"), "$Id$\n");
	assert_string_equal(got(&w->top, "hc/a"), "1\n");
	put(&w->top, "hc/a", "one\nline\n");
	put(&w->top, "hc/.git/hooks/post-checkout", script); /* as a sandbox might, were it not bound read-only */
	must(snapshot_take(copy, NULL, 0, &s, &e), &e);
	must(project_commit(p, w->store, &s.root, "muster/h", st.head, &who, "m", oid, &e), &e);
	must(project_copy_update(p, copy, "muster/h", &e), &e);
	must(project_merge(p, "muster/h", &who, merged, &already, NULL, &e), &e);
	assert_string_equal(got(&w->top, "h/a"), "one\nline\n");
	cleanup_buf struct buf diff = BUF_INIT(10000);
	must(project_diff_text(p, "HEAD~1", "HEAD", NULL, &diff, &e), &e);
	assert_non_null(strstr(diff.data, "+one\n+line\n"));
	json_decref(project_log(p, "HEAD", 10, &e));
	snapshot_release(&s);
	copy_close(copy);
	project_close(p);
	project_close(open_fine(w, "h", &st));
	assert_false(there(&w->top, "owned"));
	assert_false(there(&w->top, "h/owned"));
	/* The commit is well formed in spite of the author's name. */
	cleanup_free char *head =
		shell(at(&w->top, "h"), "git cat-file -p HEAD | sed '/^$/q' | cut -d' ' -f1 | tr '\\n' ' '");
	assert_string_equal(head, "tree parent author committer  ");

	/* core.worktree would make us write elsewhere. */
	a_repository(w, "elsewhere");
	assert_int_equal(mkdir(at(&w->top, "victim"), 0755), 0);
	mem_free(shell(at(&w->top, "elsewhere"), "git config core.worktree \"$(cd ../victim && pwd)\""));
	refused(w, "elsewhere", ERR_DENIED, "core.worktree");
}

static void hostile_names(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	char oid[OID_TEXT];
	struct commit_author who = {"a", "b", 0};
	cleanup_buf struct buf out = BUF_INIT(1000);
	static const char *const names[] = {"--upload-pack=touch owned", "-c", "--", "ext::sh -c id", ";id", "a b",
		"a;id", "$(id)", "`id`", "a..b", "../../x", "a.lock", "", "HEAD", "a\nb", "a~1", "a^", "a:b", "a?",
		"a*", "a[", "/a", "a//b", "a/", ".a", "@{-1}", "\\", "\xff"};

	a_repository(w, "n");
	struct project *p = open_fine(w, "n", &st);
	struct hash root = snap(w, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!project_branch(p, names[i], oid, &e) ||
			!project_commit(p, w->store, &root, names[i], st.head, &who, "m", oid, &e))
			fail_msg("branch \"%s\" was accepted", names[i]);
		assert_int_equal(e.code, ERR_INVALID);
	}
	for (const char *const *r = (const char *const[]){"--output=x", "-p", ":/first", "HEAD;id", "HEAD:a",
		     "HEAD@{1}", "@{u}", "$(id)", "none", "HEAD~99", "HEAD^{/first}", NULL};
		*r; r++)
		if (!project_resolve(p, *r, oid, &e) || !project_diff_text(p, *r, "HEAD", NULL, &out, &e) ||
			project_log(p, *r, 1, &e))
			fail_msg("revision \"%s\" was accepted", *r);
	must(project_resolve(p, "HEAD", oid, &e), &e);
	must(project_resolve(p, "trunk", oid, &e), &e);
	assert_string_equal(oid, st.head);
	must(project_resolve(p, "HEAD~0", oid, &e), &e);
	oid[10] = 0;
	must(project_resolve(p, oid, oid, &e), &e);
	assert_string_equal(oid, st.head);
	assert_int_equal(project_commit(p, w->store, &root, "b", "HEAD", &who, "m", oid, &e), -1);
	project_close(p);

	/* Trees that no honest git makes. */
	for (const char *const *bad = (const char *const[]){"..", ".git", ".", "a/b", NULL}; *bad; bad++) {
		char command[600];
		struct copy *copy = NULL;
		snprintf(command, sizeof(command),
			"B=$(echo owned | git hash-object -w --stdin); T=$(python3 -c \"import sys,binascii; "
			"sys.stdout.buffer.write(b'100644 %s\\\\0'+binascii.unhexlify('$B'))\" | git hash-object -w -t "
			"tree --stdin "
			"--literally); git commit-tree $T -m evil",
			*bad);
		cleanup_free char *commit = shell(at(&w->top, "n"), command);
		commit[40] = 0;
		p = open_fine(w, "n", &st);
		assert_int_equal(
			project_checkout(p, commit, at(&w->top, "evil"), "muster/e", 0, &copy, w->store, &e), -1);
		if (e.code != ERR_DENIED && e.code != ERR_GIT)
			fail_msg("%s", e.text);
		project_close(p);
		assert_false(there(&w->top, "owned"));
	}
}

static void checkouts(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	struct copy *copy;
	struct stat s;

	a_repository(w, "p");
	mem_free(shell(at(&w->top, "p"),
		"ln -s a ln; echo x > run; chmod +x run; printf 'crlf\\r\\n' > crlf; "
		"mkdir sorted sorted.d sorted-d; touch sorted/1 sorted.d/2 sorted-d/3; git add .; git commit "
		"-q -m more; git tag v1; git branch other"));
	struct project *p = open_fine(w, "p", &st);
	uid_t uid = geteuid() == 0 ? 12345 : 0;
	must(project_checkout(p, st.head, at(&w->top, "c"), "muster/x", uid, &copy, w->store, &e), &e);
	same_tree(at(&w->top, "c"), at(&w->top, "p"));
	assert_non_null(copy_snapshot(copy));
	if (uid) {
		for (const char *const *f = (const char *const[]){"c", "c/a", "c/d", "c/ln", "c/.git", "c.git", NULL};
			*f; f++) {
			assert_int_equal(lstat(at(&w->top, *f), &s), 0);
			assert_int_equal(s.st_uid, uid);
		}
	}
	/* What a commit is as a snapshot: the same, whichever way it came about. */
	struct hash root, walked;
	must(project_tree(p, w->store, st.head, &root, &e), &e);
	assert_memory_equal(&root, copy_snapshot(copy), sizeof(root));
	struct snapshot snapped;
	struct copy *cold = copy_open(w->store, at(&w->top, "p"), NULL, &e);
	must(snapshot_take(cold, NULL, 0, &snapped, &e), &e);
	walked = snapped.root;
	snapshot_release(&snapped);
	copy_close(cold);
	assert_true(hash_eq(&root, &walked));
	/* Again over the remains of a crash. */
	copy_close(copy);
	mem_free(shell(w->top.dir, "echo garbage > c/a; rm -r c/d; echo x > c/left-over; rm c.git/HEAD"));
	must(project_checkout(p, st.head, at(&w->top, "c"), "muster/x", uid, &copy, w->store, &e), &e);
	same_tree(at(&w->top, "c"), at(&w->top, "p"));
	copy_close(copy);
	/* Of nothing. */
	must(project_checkout(p, "", at(&w->top, "nothing"), "muster/y", 0, &copy, w->store, &e), &e);
	assert_int_equal(rmdir(at(&w->top, "nothing/.git")), 0);
	assert_int_equal(rmdir(at(&w->top, "nothing")), 0);
	copy_close(copy);
	assert_int_equal(project_checkout(p, "0000000000000000000000000000000000000001", at(&w->top, "c2"), "muster/x",
				 0, &copy, w->store, &e),
		-1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	project_close(p);
}

static void submodules(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	struct copy *copy;
	struct snapshot s;
	char oid[OID_TEXT];
	struct commit_author who = {"a", "b", 0};

	a_repository(w, "lib");
	a_repository(w, "sup");
	mem_free(shell(at(&w->top, "sup"),
		"git -c protocol.file.allow=always submodule add -q ../lib sub && git commit -q -m sub"));
	struct project *p = open_fine(w, "sup", &st);
	is(&st, "trunk", true, false, false, false);
	must(project_checkout(p, st.head, at(&w->top, "sc"), "muster/s", 0, &copy, w->store, &e), &e);
	assert_true(there(&w->top, "sc/sub"));
	assert_false(there(&w->top, "sc/sub/a"));
	put(&w->top, "sc/a", "changed\n");
	put(&w->top, "sc/sub/ignored", "not part of the project\n");
	must(snapshot_take(copy, NULL, 0, &s, &e), &e);
	must(project_commit(p, w->store, &s.root, "muster/s", st.head, &who, "m", oid, &e), &e);
	snapshot_release(&s);
	cleanup_free char *diff =
		shell(at(&w->top, "sup"), "git diff --raw trunk muster/s | cut -c1-14,32-; git fsck --strict");
	assert_non_null(strstr(diff, "M\ta\n"));
	assert_null(strstr(diff, "sub"));
	copy_close(copy);
	project_close(p);
}

/* git itself, as it runs in the sandbox: the copy's git directory bound at .git. */
static char *git_in_copy(struct world *w, const char *copy, const char *command)
{
	char line[2048];

	snprintf(line, sizeof(line), "GIT_DIR='%s/%s.git' GIT_WORK_TREE='%s/%s' && export GIT_DIR GIT_WORK_TREE && %s",
		w->top.dir, copy, w->top.dir, copy, command);
	return shell(at(&w->top, copy), line);
}

static void git_inside(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	struct copy *copy;
	struct snapshot s;
	char oid[OID_TEXT], *out;
	struct commit_author who = {"Ada", "ada@example.org", 1700000000000000};

	a_repository(w, "g");
	mem_free(shell(at(&w->top, "g"), "git tag v1"));
	struct project *p = open_fine(w, "g", &st);
	must(project_checkout(p, st.head, at(&w->top, "gc"), "muster/g", 0, &copy, w->store, &e), &e);
	out = git_in_copy(w, "gc", "git status --short --branch; git log --format=%s; git branch; git tag");
	assert_string_equal(out, "## muster/g\nfirst\n* muster/g\n  trunk\nv1\n");
	mem_free(out);
	put(&w->top, "gc/a", "1\n2\n");
	put(&w->top, "gc/n", "new\n");
	out = git_in_copy(w, "gc", "git status --short; git diff --stat | head -1");
	assert_string_equal(out, " M a\n?? n\n a | 1 +\n");
	mem_free(out);
	must(snapshot_take(copy, NULL, 0, &s, &e), &e);
	must(project_commit(p, w->store, &s.root, "muster/g", st.head, &who, "second", oid, &e), &e);
	snapshot_release(&s);
	out = git_in_copy(w, "gc", "git status --short");
	assert_string_equal(out, " M a\n?? n\n"); /* not yet told */
	mem_free(out);
	must(project_copy_update(p, copy, "muster/g", &e), &e);
	out = git_in_copy(w, "gc",
		"git status --short; git log --format=%s; git show --stat --format= HEAD; git blame -s a | "
		"cut -c10-; git fsck 2>&1");
	assert_string_equal(out, "second\nfirst\n a | 1 +\n n | 1 +\n 2 files changed, 2 insertions(+)\n1) 1\n2) 2\n");
	mem_free(out);
	copy_close(copy);
	project_close(p);
}

static void copy_changes(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	struct changes c;

	a_repository(w, "k");
	struct project *p = open_fine(w, "k", &st);
	put(&w->s, "a", "1\n");
	put(&w->s, "d/b", "other\n");
	put(&w->s, "d/.gitignore", "*.log\n!keep.log\nout/\n/top\n");
	put(&w->s, ".gitignore", "*.o\n");
	put(&w->s, "x.o", "");
	put(&w->s, "d/x.log", "");
	put(&w->s, "d/keep.log", "");
	put(&w->s, "d/out/deep/x", "");
	put(&w->s, "d/sub/top", "");
	put(&w->s, "d/top", "");
	struct hash root = snap(w, NULL);
	must(project_changes(p, w->store, st.head, &root, &c, &e), &e);
	cleanup_buf struct buf text = BUF_INIT(1000);
	for (size_t i = 0; i < c.count; i++)
		buf_addf(&text, "%c%s ", "+~-"[c.items[i].kind], c.items[i].path);
	assert_string_equal(text.data, "+.gitignore +d/.gitignore ~d/b +d/keep.log +d/sub/top ");
	changes_release(&c);
	project_close(p);
}

/* Every call that opening makes fails once: afterwards the folder is either no repository or a whole one. */
static void failures_while_opening(void **state)
{
	struct world *w = *state;
	struct project_state st;
	int failures = 0;

	for (int kind = 0; kind < 2; kind++)
		for (uint64_t n = 1;; n++) {
			struct err e = ERR_INIT;
			mem_free(shell(w->top.dir, "rm -rf f; mkdir f; echo 1 > f/a"));
			fault_arm(kind ? FAULT_IO : FAULT_ALLOC, n, false);
			struct project *p = try(w, "f", &st, &e);
			bool hit = fault_seen() >= n;
			fault_disarm();
			assert_true(p || (hit && e.code != ERR_OK));
			project_close(p);
			p = open_fine(w, "f", &st);
			assert_int_equal(strlen(st.head), 40);
			assert_false(st.dirty);
			project_close(p);
			if (!hit)
				break;
			failures++;
		}
	assert_true(failures > 20);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
	const struct CMUnitTest tests[] = {T(folders_that_are_no_repository), T(repositories),
		T(existing_repository_is_untouched), T(hostile_configuration), T(hostile_names), T(checkouts),
		T(submodules), T(git_inside), T(copy_changes), T(failures_while_opening)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
