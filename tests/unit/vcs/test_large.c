/* Files above CAP_FILE_WHOLE, which go everywhere piece by piece: byte for byte what they were, whatever happens on the
 * way, and nothing is left of what did not come to its end. On a store on disk, as the one in memory has no files. */
#include "world.h"

#include <fcntl.h>
#include <pthread.h>

#include "base/caps.h"
#include "base/fault.h"
#include "vcs/project.h"

static const struct commit_author who = {"Ada", "ada@example.org", 1700000000000000};

/* Sizes around the limits, with content that no compressor makes smaller, and one that it does. */
#define MANY                                                                                                           \
	"mkdir -p d/e; head -c 262144 /dev/urandom >d/at; head -c 262145 /dev/urandom >d/above; "                      \
	"head -c 3000001 /dev/urandom >d/e/big; head -c 5000000 /dev/zero >zeros; cp d/e/big again; chmod +x again; "  \
	"echo small >small"

/* Blobs on their way that never came to be one. */
static void nothing_left(struct world *w)
{
	char *left = shell(w->top.dir, "find data/blobs -name '*.tmp'");

	assert_string_equal(left, "");
	mem_free(left);
}

static void is_restored(struct world *w, const struct hash *h, const char *as)
{
	struct err e = ERR_INIT;
	struct copy *fork;

	must(fs_remove_tree(at(&w->top, "fork"), &e), &e);
	assert_int_equal(mkdir(at(&w->top, "fork"), 0755), 0);
	fork = copy_open(w->store, at(&w->top, "fork"), NULL, &e);
	assert_non_null(fork);
	must(snapshot_restore(fork, h, &e), &e);
	copy_close(fork);
	mem_free(shell(w->top.dir, as));
}

static void snapshots_and_forks(void **state)
{
	struct world *w = *state;

	mem_free(shell(w->s.dir, MANY));
	struct hash first = snap_is(w, NULL, "+again +d/above +d/at +d/e/big +small +zeros");
	snap_is(w, NULL, "");
	is_restored(w, &first, "diff -r copy fork && test -x fork/again && test ! -x fork/d/e/big");
	mem_free(shell(w->top.dir, "cp -a copy first"));

	static const struct {
		const char *command, *want;
	} steps[] = {
		{"chmod +x d/e/big", "~d/e/big"},
		{"touch d/e/big", ""},
		{"printf x | dd of=d/e/big bs=1 seek=2000000 conv=notrunc status=none", "~d/e/big"}, /* the same size */
		{"echo more >>d/e/big", "~d/e/big"},
		{"truncate -s 300000 d/e/big", "~d/e/big"},
		{"truncate -s 3 d/e/big", "~d/e/big"},
		{"cp zeros d/e/big", "~d/e/big"},
		{"cp again d/e/big", "~d/e/big"},
		{"rm d/e/big", "-d/e/big"},
	};
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		mem_free(shell(w->s.dir, steps[i].command));
		if (i % 2)
			reopen(w);
		struct hash h = snap_is(w, NULL, steps[i].want);
		is_restored(w, &h, "diff -r copy fork");
	}
	nothing_left(w);
	restore_to(w, first);
	mem_free(shell(w->top.dir, "diff -r copy first && test ! -x copy/d/e/big"));
}

/* A program that writes, grows and cuts a file for as long as it may. */
struct writer {
	pthread_t thread;
	char path[300];
	_Atomic bool stop;
};

static void *scribble(void *ctx)
{
	struct writer *t = ctx;
	static char text[70000];
	int fd = open(t->path, O_RDWR | O_CREAT, 0644);

	for (unsigned i = 1; fd >= 0 && !t->stop; i++) {
		memset(text, 'a' + (int)(i % 26), sizeof(text));
		if (pwrite(fd, text, sizeof(text), (off_t)(i * 7919 % 30) * 65536) < 0 ||
			(i % 16 == 0 && ftruncate(fd, (off_t)(i * 104729 % 1900000))))
			break;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Each snapshot has some content, of the size that it says, and all of it; the last has the last one. */
static void a_file_that_changes_while_it_is_read(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct writer t = {.stop = false};
	int taken = 0;

	snprintf(t.path, sizeof(t.path), "%.200s/moving", w->s.dir);
	mem_free(shell(w->s.dir, "head -c 1500000 /dev/urandom >moving"));
	assert_int_equal(pthread_create(&t.thread, NULL, scribble, &t), 0);
	for (int i = 0; i < 40; i++) {
		struct snapshot s;
		char as[100];

		if (snapshot_take(w->copy, NULL, 0, &s, &e)) { /* it may be too fast for us */
			assert_int_equal(e.code, ERR_CONFLICT);
			err_clear(&e);
			continue;
		}
		snprintf(as, sizeof(as), "test $(stat -c %%s fork/moving) = %llu", (unsigned long long)s.bytes);
		is_restored(w, &s.root, as);
		snapshot_release(&s);
		taken++;
	}
	t.stop = true;
	pthread_join(t.thread, NULL);
	assert_true(taken > 0);
	struct hash h = snap(w, NULL);
	is_restored(w, &h, "cmp copy/moving fork/moving");
	nothing_left(w);
}

/* Each call fails once in a snapshot and a restore; done again, they are whole. */
static void failures_lose_nothing(void **state)
{
	static const enum fault_kind kinds[] = {FAULT_ALLOC, FAULT_IO};
	struct world *w = *state;
	int failures = 0;

	mem_free(shell(w->s.dir, "head -c 700000 /dev/urandom >a; head -c 300000 /dev/urandom >b; cp a old"));
	struct hash first = snap(w, NULL);
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(*kinds); kind++) {
		for (uint64_t n = 1;; n++) {
			struct err e = ERR_INIT;
			struct snapshot s = {.files = 0};

			mem_free(shell(w->s.dir, "head -c 600000 /dev/urandom >a; cat a b >b.new; mv b.new b"));
			fault_arm(kinds[kind], n, false);
			int rc = snapshot_take(w->copy, NULL, 0, &s, &e);
			struct hash h = s.root;
			if (rc == 0)
				rc = snapshot_restore(w->copy, &first, &e);
			bool hit = fault_seen() >= n;
			fault_disarm();
			snapshot_release(&s);
			assert_true(rc == 0 || (hit && e.code != ERR_OK));
			nothing_left(w);
			mem_free(shell(w->s.dir, "head -c 300000 /dev/urandom >b"));
			h = snap(w, NULL);
			is_restored(w, &h, "diff -r copy fork");
			if (!hit)
				break;
			failures++;
		}
	}
	print_message("%d failures\n", failures);
	assert_true(failures > 60);
}

/* In a store of its own, which has none of the blobs: they come from git's objects. */
static int check_out(struct world *w, struct project *p, const char *commit, const char *name, struct err *e)
{
	struct store_options o = {.dir = at(&w->top, "other"), .access = STORE_OWN, .clock = &clock_real};
	struct store *store;
	struct copy *copy;
	int rc;

	must(fs_remove_tree(at(&w->top, name), e) || fs_remove_tree(o.dir, e), e);
	store = store_open(w->loop, &o, e);
	assert_non_null(store);
	rc = project_checkout(p, commit, at(&w->top, name), "muster/other", 0, &copy, store, e);
	if (rc == 0)
		copy_close(copy);
	store_close(store);
	return rc;
}

static void commits_and_copies(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	char oid[OID_TEXT];

	assert_int_equal(mkdir(at(&w->top, "p"), 0755), 0);
	mem_free(shell(at(&w->top, "p"), MANY));
	struct project *p = project_open(at(&w->top, "p"), &st, &e);
	if (!p)
		fail_msg("%s", e.text);
	assert_false(st.dirty);
	mem_free(shell(at(&w->top, "p"), "git fsck --strict && test -z \"$(git status --porcelain)\""));
	must(check_out(w, p, st.head, "c", &e), &e);
	mem_free(shell(w->top.dir, "diff -r -x .git p c && test -x c/again"));

	mem_free(shell(w->top.dir, "cp -a c/. copy; cd copy; rm -r .git; head -c 4000000 /dev/urandom >d/at"));
	struct hash h = snap(w, NULL);
	must(project_commit(p, w->store, &h, "muster/run", st.head, &who, "Work", oid, &e), &e);
	mem_free(shell(at(&w->top, "p"), "git fsck --strict && git show muster/run:d/at | cmp - ../copy/d/at"));
	must(check_out(w, p, oid, "c", &e), &e);
	mem_free(shell(w->top.dir, "diff -r -x .git copy c"));
	/* From a pack, as a clone has it. */
	mem_free(shell(at(&w->top, "p"), "git gc -q && test -z \"$(find .git/objects/?? -type f)\""));
	must(check_out(w, p, oid, "c", &e), &e);
	mem_free(shell(w->top.dir, "diff -r -x .git copy c"));
	project_close(p);
	nothing_left(w);
}

static void damage_is_seen(void **state)
{
	struct world *w = *state;
	struct project_state st;
	struct err e = ERR_INIT;
	char oid[OID_TEXT];
	struct copy *fork;

	assert_int_equal(mkdir(at(&w->top, "p"), 0755), 0);
	mem_free(shell(at(&w->top, "p"), "head -c 900000 /dev/urandom >big"));
	struct project *p = project_open(at(&w->top, "p"), &st, &e);
	if (!p)
		fail_msg("%s", e.text);
	static const char *const damage[] = {
		"printf XYZ | dd of=$f bs=1 seek=500000 conv=notrunc status=none",
		"truncate -s 500000 $f",
		"truncate -s 899990 $f",
		"printf XYZ | dd of=$f bs=1 seek=0 conv=notrunc status=none",
	};
	for (size_t i = 0; i < sizeof(damage) / sizeof(*damage); i++) {
		char command[300];

		snprintf(command, sizeof(command),
			"f=$(find .git/objects/?? -size +100k); cp $f ../kept; chmod u+w $f; %s", damage[i]);
		mem_free(shell(at(&w->top, "p"), command));
		assert_int_equal(check_out(w, p, st.head, "c", &e), -1);
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_non_null(strstr(e.text, "git fsck"));
		err_clear(&e);
		mem_free(shell(at(&w->top, "p"), "cat ../kept >$(find .git/objects/?? -size +100k)"));
	}
	must(check_out(w, p, st.head, "c", &e), &e);

	/* The store's file: neither a fork nor a commit takes it. */
	mem_free(shell(w->s.dir, "head -c 800000 /dev/urandom >big"));
	struct hash h = snap(w, NULL);
	mem_free(shell(
		w->top.dir, "printf XYZ | dd of=$(find data/blobs -type f) bs=1 seek=700000 conv=notrunc status=none"));
	assert_int_equal(mkdir(at(&w->top, "fork"), 0755), 0);
	fork = copy_open(w->store, at(&w->top, "fork"), NULL, &e);
	assert_int_equal(snapshot_restore(fork, &h, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	copy_close(fork);
	err_clear(&e);
	assert_int_equal(project_commit(p, w->store, &h, "muster/run", st.head, &who, "Work", oid, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	char *left = shell(at(&w->top, "p"), "git branch --list 'muster/*'; find .git -name 'tmp_*'");
	assert_string_equal(left, "");
	mem_free(left);
	project_close(p);
}

int main(void)
{
#define D(f) cmocka_unit_test_setup_teardown(f, world_new_disk, world_free)
	const struct CMUnitTest tests[] = {D(snapshots_and_forks), D(a_file_that_changes_while_it_is_read),
		D(failures_lose_nothing), D(commits_and_copies), D(damage_is_seen)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
