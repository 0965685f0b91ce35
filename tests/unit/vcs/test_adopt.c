/* Repositories that came from elsewhere: what is whole is taken over, and nothing that is not what it says. */
#include "world.h"

#include "vcs/adopt.h"
#include "vcs/project.h"

/* In <top>/from: pack, refs and head of a repository with two commits on trunk, a branch and a tag; in <top>/to
 * nothing. */
#define MADE                                                                                                           \
	"rm -rf from to git; mkdir from to; export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t "       \
	"GIT_COMMITTER_EMAIL=t@t; git -c init.defaultBranch=trunk init -q git; cd git; echo a >a; git add a; "         \
	"git commit -qm one; git branch other; git tag -a -m v v1; echo b >b; git add b; git commit -qm two; "         \
	"git pack-objects -q --all --stdout </dev/null >../from/pack; "                                                \
	"git for-each-ref --format='%(objectname) %(refname)' >../from/refs; git symbolic-ref HEAD >../from/head; cd " \
	"..; "

static struct adopt a;

static enum err_code adopted(struct world *w, const char *change)
{
	struct err e = ERR_INIT;
	cleanup_free char *command = mem_printf("%s%s", MADE, change);

	mem_free(shell(w->top.dir, command));
	cleanup_free char *from = mem_strdup(at(&w->top, "from"));
	a = (struct adopt){.from = from, .cancel = a.cancel};
	if (adopt(&a, at(&w->top, "to"), &e))
		assert_int_not_equal(e.code, ERR_OK);
	a.from = NULL;
	return e.code;
}

static void a_whole_one(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;

	assert_int_equal(adopted(w, ""), ERR_OK);
	assert_int_equal(a.branches, 2);
	assert_int_equal(a.tags, 1);
	assert_int_equal(a.left_out, 0);
	assert_int_equal(a.objects, 7);
	mem_free(shell(w->top.dir,
		"test -z \"$(git -C to diff --cached)\" && git -C to fsck --strict && git -C to checkout -q .; "
		"diff -r -x .git git to && diff from/refs to/.git/packed-refs"));
	struct project *p = project_open(at(&w->top, "to"), &st, &e);
	assert_non_null(p);
	assert_string_equal(st.branch, "trunk");
	assert_string_equal(st.head, a.commit);
	assert_false(st.dirty);
	project_close(p);
}

static void which_branch_it_is_on(void **state)
{
	static const struct {
		const char *change, *want;
	} rows[] = {
		{"echo refs/heads/other >from/head", "refs/heads/other\n"},
		{"echo refs/heads/none >from/head", "refs/heads/other\n"}, /* the first */
		{": >from/head", "refs/heads/other\n"},
		{"echo ../../../etc/passwd >from/head", "refs/heads/other\n"},
		{": >from/head; sed -i s,heads/trunk,heads/master, from/refs", "refs/heads/master\n"},
		{": >from/head; sed -i 's,heads/trunk,heads/master,;s,heads/other,heads/main,' from/refs",
			"refs/heads/main\n"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(adopted(*state, rows[i].change), ERR_OK);
		cleanup_free char *is = shell(((struct world *)*state)->top.dir, "git -C to symbolic-ref HEAD");
		assert_string_equal(is, rows[i].want);
	}
}

/* Names that are not ours to give, and objects of another kind, are left out and counted. */
static void refs_that_are_left_out(void **state)
{
	struct world *w = *state;

	assert_int_equal(
		adopted(w, "one=$(git -C git rev-parse HEAD) tree=$(git -C git rev-parse HEAD:); "
			   "for name in heads/../x heads/-x heads/muster/run heads/a.lock tags/a..b 'heads/a b' "
			   "notes/x pull/1/head muster/x; do echo \"$one refs/$name\"; done >>from/refs; "
			   "echo \"$tree refs/heads/tree\" >>from/refs; "
			   "echo 0123456789012345678901234567890123456789 refs/heads/none >>from/refs"),
		ERR_OK);
	assert_int_equal(a.left_out, 11);
	assert_int_equal(a.branches, 2);
	mem_free(shell(w->top.dir, "test \"$(git -C to for-each-ref | wc -l)\" = 3"));
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *change;
		enum err_code want;
	} rows[] = {
		{"printf x | dd of=from/pack bs=1 seek=40 conv=notrunc status=none", ERR_GIT},
		{"truncate -s -1 from/pack", ERR_GIT},
		{"truncate -s 100 from/pack", ERR_GIT},
		{"echo more >>from/pack", ERR_GIT},
		{"echo none >from/pack", ERR_GIT},
		/* a file of the commit is missing */
		{"git -C git rev-list --objects --all | grep -v ' a$' | git -C git pack-objects -q --stdout >from/pack",
			ERR_GIT},
		{"rm from/pack", ERR_NOT_FOUND},
		{"rm from/pack; ln -s /dev/zero from/pack", ERR_OUTSIDE},
		{"rm from/refs; ln -s /etc/passwd from/refs", ERR_OUTSIDE},
		{"rm from/refs; mkfifo from/refs", ERR_INVALID},
		{"rm from/head; mkdir from/head", ERR_INVALID},
		{"echo x >>from/refs", ERR_INVALID},
		{"printf '%0.s-' $(seq 50) >>from/refs", ERR_INVALID},
		{"head -c 5000000 /dev/zero >>from/refs", ERR_TOO_LARGE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum err_code code = adopted(*state, rows[i].change);
		if (code != rows[i].want)
			fail_msg("%s: %s", rows[i].change, err_name(code));
	}
}

static void one_without_a_commit(void **state)
{
	assert_int_equal(
		adopted(*state, "git -C git pack-objects -q --stdout </dev/null >from/pack; : >from/refs"), ERR_OK);
	assert_string_equal(a.commit, "");
	mem_free(shell(((struct world *)*state)->top.dir, "git -C to fsck && test -z \"$(ls to/.git/objects/pack)\""));
}

static void one_that_is_cancelled(void **state)
{
	atomic_bool cancel = true;

	a.cancel = &cancel;
	assert_int_equal(adopted(*state, ""), ERR_CANCELLED);
	a.cancel = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_whole_one, world_new, world_free),
		cmocka_unit_test_setup_teardown(which_branch_it_is_on, world_new, world_free),
		cmocka_unit_test_setup_teardown(refs_that_are_left_out, world_new, world_free),
		cmocka_unit_test_setup_teardown(what_is_refused, world_new, world_free),
		cmocka_unit_test_setup_teardown(one_without_a_commit, world_new, world_free),
		cmocka_unit_test_setup_teardown(one_that_is_cancelled, world_new, world_free),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
