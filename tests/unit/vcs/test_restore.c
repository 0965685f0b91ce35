/* Restoring: the files are equal to the snapshot whatever was there before, and no failure loses anything. */
#include "world.h"

#include "base/fault.h"

static void build_one(const struct scratch *s)
{
	mem_free(shell(s->dir,
		"mkdir -p a/b c empty/er && echo 1 > a/1 && echo 2 > a/b/2 && echo 3 > c/3 && "
		"ln -s a/1 l && ln -s dir-to-come x && echo run > run && chmod +x run && echo kind > k && "
		"mkdir m && echo 4 > m/4 && echo same > same"));
}

static void build_two(const struct scratch *s)
{
	mem_free(shell(s->dir,
		"rm -rf ./* && mkdir -p a/b c/new x && echo 1 > a/1 && echo two > a/b/2 && echo 5 > c/new/5 && "
		"ln -s elsewhere l && echo run > run && mkdir k && echo in > k/in && echo file > m && "
		"echo same > same && echo x > x/x"));
}

static void both_ways(void **state)
{
	struct world *w = *state;
	struct scratch one = {""}, two = {""};

	snprintf(one.dir, sizeof(one.dir), "%.200s/one", w->top.dir);
	snprintf(two.dir, sizeof(two.dir), "%.200s/two", w->top.dir);
	mkdir(one.dir, 0755);
	mkdir(two.dir, 0755);
	build_one(&one);
	build_two(&two);
	build_one(&w->s);
	struct hash first = snap(w, NULL);
	build_two(&w->s);
	struct hash second = snap(w, NULL);
	for (int i = 0; i < 3; i++) {
		restore_to(w, first);
		same_tree(w->s.dir, one.dir);
		snap_is(w, NULL, "");
		if (i == 1)
			reopen(w);
		restore_to(w, second);
		same_tree(w->s.dir, two.dir);
		struct hash h = snap_is(w, NULL, "");
		assert_true(hash_eq(&h, &second));
	}
	/* Over a copy somebody has changed, without a snapshot of that. */
	for (int i = 0; i < 2; i++) {
		mem_free(shell(w->s.dir,
			"echo dirty > a/1; rm -rf c; mkdir -p new/stuff; echo x > new/stuff/x; chmod +x same; "
			"rm -f l; mkdir l; echo y > l/y; mkfifo pipe"));
		if (i)
			reopen(w);
		restore_to(w, i ? first : second);
		same_tree(w->s.dir, i ? one.dir : two.dir);
	}
	/* Into an empty folder, as a fork does it. */
	struct err e = ERR_INIT;
	mkdir(at(&w->top, "fork"), 0755);
	struct copy *fork = copy_open(w->store, at(&w->top, "fork"), NULL, &e);
	must(snapshot_restore(fork, &first, &e), &e);
	same_tree(at(&w->top, "fork"), one.dir);
	copy_close(fork);
}

static void git_folders_stay(void **state)
{
	struct world *w = *state;

	put(&w->s, "sub/a", "1");
	struct hash first = snap(w, NULL);
	put(&w->s, ".git/HEAD", "ref");
	put(&w->s, "sub/.git/HEAD", "ref");
	put(&w->s, "other/.git/HEAD", "ref");
	put(&w->s, "other/file", "1");
	restore_to(w, first);
	assert_string_equal(got(&w->s, ".git/HEAD"), "ref");
	assert_string_equal(got(&w->s, "sub/.git/HEAD"), "ref");
	assert_false(there(&w->s, "other"));
}

static void links_never_lead_out(void **state)
{
	struct world *w = *state;

	put(&w->top, "outside/file", "secret");
	put(&w->s, "d/file", "1");
	struct hash h = snap(w, NULL);
	mem_free(shell(w->s.dir, "rm -r d && ln -s ../outside d"));
	snap_is(w, "d/file", "+d -d/file");
	snap_is(w, NULL, "");
	restore_to(w, h);
	assert_string_equal(got(&w->top, "outside/file"), "secret");
	assert_string_equal(got(&w->s, "d/file"), "1");
}

static void owner_is_given(void **state)
{
	struct world *w = *state;
	struct stat st;

	put(&w->s, "d/file", "1");
	assert_int_equal(symlink("x", at(&w->s, "ln")), 0);
	struct hash h = snap(w, NULL);
	mem_free(shell(w->s.dir, "rm -r d ln"));
	if (geteuid() == 0)
		assert_int_equal(chown(w->s.dir, 12345, 23456), 0);
	restore_to(w, h);
	for (const char *const *p = (const char *const[]){"d", "d/file", "ln", NULL}; *p; p++) {
		assert_int_equal(lstat(at(&w->s, *p), &st), 0);
		assert_int_equal(st.st_uid, geteuid() == 0 ? 12345 : geteuid());
		assert_int_equal(st.st_gid, geteuid() == 0 ? 23456 : getegid());
	}
}

/* ---- every single failure ---- */

static void failures_lose_nothing(void **state)
{
	struct world *w = *state;
	int failures = 0;

	build_one(&w->s);
	struct hash first = snap(w, NULL);
	build_two(&w->s);
	struct hash second = snap(w, NULL);
	for (int kind = 0; kind < 3; kind++) {
		enum fault_kind kinds[] = {FAULT_ALLOC, FAULT_IO, FAULT_DB};
		for (uint64_t n = 1;; n++) {
			struct err e = ERR_INIT;
			struct snapshot s = {.files = 0};
			bool to_first = n % 2;
			struct hash want = to_first ? first : second;

			fault_arm(kinds[kind], n, false);
			int rc = snapshot_restore(w->copy, &want, &e);
			if (rc == 0) {
				rc = snapshot_take(w->copy, NULL, 0, &s, &e);
			}
			bool hit = fault_seen() >= n;
			fault_disarm();
			snapshot_release(&s);
			assert_true(rc == 0 || (hit && e.code != ERR_OK));
			/* Once more, without: it must be whole. */
			if (rc)
				restore_to(w, want);
			struct hash h = snap_is(w, NULL, "");
			assert_true(hash_eq(&h, &want));
			if (!hit)
				break;
			failures++;
		}
	}
	assert_true(failures > 100);
	print_message("%d failures\n", failures);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
#define D(f)                                                                                                           \
	{                                                                                                              \
#f " on disk", f, world_new_disk, world_free, NULL                                                     \
	}
	const struct CMUnitTest tests[] = {T(both_ways), T(git_folders_stay), T(links_never_lead_out),
		T(owner_is_given), T(failures_lose_nothing), D(both_ways)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
