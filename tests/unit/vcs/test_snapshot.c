/* Snapshots: every kind of change is found, by a walk and by path; what they hold can be read and compared. */
#include "world.h"

#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "base/caps.h"

static void nothing_and_everything(void **state)
{
	struct world *w = *state;
	struct snapshot s;
	struct err e = ERR_INIT;

	assert_null(copy_snapshot(w->copy));
	struct hash empty = snap_is(w, NULL, "");
	put(&w->s, "a", "1");
	put(&w->s, "d/e/f", "22");
	put(&w->s, ".gitignore", "*\n");
	put(&w->s, ".git/config", "never");
	put(&w->s, "d/.git/config", "never");
	assert_int_equal(symlink("../nowhere", at(&w->s, "d/link")), 0);
	must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
	assert_int_equal(s.files, 4);
	assert_int_equal(s.bytes, 1 + 2 + 2 + 10);
	assert_string_equal(s.skipped, "");
	assert_int_equal(s.changes.count, 4);
	assert_string_equal(s.changes.items[3].path, "d/link");
	assert_false(hash_eq(&s.root, &empty));
	assert_memory_equal(copy_snapshot(w->copy), &s.root, sizeof(s.root));
	struct hash full = s.root;
	snapshot_release(&s);
	struct hash again = snap_is(w, NULL, "");
	assert_true(hash_eq(&again, &full));
	reopen(w);
	again = snap_is(w, NULL, "");
	assert_true(hash_eq(&again, &full));
	must(fs_remove_tree(at(&w->s, "a"), &e), &e);
	must(fs_remove_tree(at(&w->s, "d"), &e), &e);
	must(fs_remove_tree(at(&w->s, ".gitignore"), &e), &e);
	again = snap_is(w, NULL, "-.gitignore -a -d/e/f -d/link");
	assert_true(hash_eq(&again, &empty));
}

/* One change after another; each must be found by a walk with the cache, and the same root must come from a walk
 * without it, and from looking at the path alone. */
static void every_change(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	static const struct {
		const char *command, *paths, *want;
	} steps[] = {
		{"echo 1 > a; mkdir d; echo 2 > d/b; echo 3 > d/c", "a d", "+a +d/b +d/c"},
		{"echo x > a", "a", "~a"},
		{"printf 'y\\n' > a", "a", "~a"}, /* the same size */
		{"touch a d/b", "a d/b", ""},
		{"chmod +x a", "a", "~a"},
		{"chmod -x a", "a", "~a"},
		{"chmod 600 a", "a", ""},
		{"mv a z", "a z", "-a +z"},
		{"mv d f", "d f", "-d/b -d/c +f/b +f/c"},
		{"rm f/b", "f/b", "-f/b"},
		{"mkdir f/empty", "f/empty", ""},
		{"rmdir f/empty", "f/empty", ""},
		{"mkdir -p p/q/r && echo deep > p/q/r/s", "p/q/r/s", "+p/q/r/s"},
		{"ln -s f/c link", "link", "+link"},
		{"ln -sfn nowhere link", "link", "~link"},
		{"rm link && echo file > link", "link", "~link"},
		{"rm link && mkdir link && echo in > link/in", "link/in", "-link +link/in"},
		{"rm -r link && ln -s p link", "link", "+link -link/in"},
		{"rm -r p && echo file > p", "p", "~p"},
		{"rm p && mkdir p && echo in > p/in", "p", "-p +p/in"},
		{"ln f/c hard && echo more >> hard", "hard f/c", "~f/c +hard"},
		{"rm -rf ./* ./.[!.]*", "f hard link p z", "-f/c -hard -link -p/in -z"},
	};
	struct copy *by_path = copy_open(w->store, w->s.dir, NULL, &e);
	struct snapshot s;

	must(snapshot_take(by_path, NULL, 0, &s, &e), &e);
	snapshot_release(&s);
	snap(w, NULL);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		struct hash h, fresh;
		char want[256];

		if (i % 2)
			rest(); /* with settled stamps and with unsettled ones */
		mem_free(shell(w->s.dir, steps[i].command));
		snprintf(want, sizeof(want), "%s", steps[i].want);
		if (strcmp(steps[i].command, "rm -r p && echo file > p") == 0)
			snprintf(want, sizeof(want), "+p -p/q/r/s");
		h = snap_is(w, NULL, want);

		struct copy *cold = copy_open(w->store, w->s.dir, NULL, &e);
		must(snapshot_take(cold, NULL, 0, &s, &e), &e);
		fresh = s.root;
		snapshot_release(&s);
		copy_close(cold);
		assert_true(hash_eq(&h, &fresh));

		struct world p = *w;
		p.copy = by_path;
		fresh = snap_is(&p, steps[i].paths, want);
		if (!hash_eq(&h, &fresh))
			fail_msg("by path: %s", steps[i].command);
	}
	copy_close(by_path);
}

static void only_what_is_named(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct snapshot s;

	put(&w->s, "a", "1");
	put(&w->s, "d/b", "1");
	snap(w, NULL);
	put(&w->s, "a", "2");
	put(&w->s, "d/b", "2");
	put(&w->s, "d/new", "2");
	snap_is(w, "d/b", "~d/b");
	snap_is(w, "./d//b none none/below d/b/below", "");
	snap_is(w, "a", "~a");
	snap_is(w, ".", "+d/new");
	put(&w->s, "d/x/y", "3");
	snap_is(w, "d", "+d/x/y");
	snap_is(w, ".git/config d/.git", "");
	for (const char *const *p = (const char *const[]){"../x", "/etc/passwd", "d/../../x", NULL}; *p; p++) {
		assert_int_equal(snapshot_take(w->copy, p, 1, &s, &e), -1);
		assert_int_equal(e.code, ERR_OUTSIDE);
	}
	snap_is(w, NULL, "");
}

static void paths_over_links(void **state)
{
	struct world *w = *state;

	put(&w->s, "real/file", "1");
	put(&w->top, "outside/file", "secret");
	assert_int_equal(symlink("real", at(&w->s, "ln")), 0);
	assert_int_equal(symlink("ln/file", at(&w->s, "fl")), 0);
	assert_int_equal(symlink("../outside", at(&w->s, "out")), 0);
	assert_int_equal(symlink("real/made", at(&w->s, "dangling")), 0);
	snap(w, NULL);
	put(&w->s, "real/file", "2");
	snap_is(w, "ln/file", "~real/file");
	put(&w->s, "real/file", "3");
	snap_is(w, "fl", "~real/file");
	put(&w->s, "real/made", "4");
	snap_is(w, "dangling", "+real/made");
	unlink(at(&w->s, "real/made"));
	snap_is(w, "ln/made", "-real/made");
	snap_is(w, "out/file", "");
	snap_is(w, NULL, "");
}

/* The same size, and the modification time put back: only the change time tells. */
static void rewritten_with_its_times(void **state)
{
	struct world *w = *state;
	struct timespec times[2];
	struct stat st;

	put(&w->s, "a", "one");
	rest();
	snap(w, NULL);
	assert_int_equal(stat(at(&w->s, "a"), &st), 0);
	rest();
	put(&w->s, "a", "two");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, at(&w->s, "a"), times, 0), 0);
	snap_is(w, NULL, "~a");
}

/* Written again at once after the snapshot, perhaps within the same tick of the clock. */
static void rewritten_at_once(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 300; i++) {
		put(&w->s, "a", i % 2 ? "one" : "two");
		snap_is(w, i % 3 ? NULL : "a", i ? "~a" : "+a");
	}
}

static char *map_file(const char *path, size_t n)
{
	int fd = open(path, O_RDWR);
	char *map = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(map != MAP_FAILED);
	close(fd);
	return map;
}

static void memory_maps(void **state)
{
	struct world *w = *state;
	char *map;

	put(&w->s, "m", "0123456789");
	rest();
	snap(w, NULL);
	map = map_file(at(&w->s, "m"), 10);
	rest();
	map[0] = 'a';
	munmap(map, 10);
	snap_is(w, NULL, "~m");
	/* A map that stays open, its page writable: nothing moves the times but writing back. */
	copy_live(w->copy, true);
	map = map_file(at(&w->s, "m"), 10);
	for (int i = 0; i < 5; i++) {
		rest();
		map[2] = (char)('c' + i);
		rest();
		snap_is(w, NULL, "~m");
	}
	munmap(map, 10);
}

static void many_new_files(void **state)
{
	struct world *w = *state;
	struct snapshot s;
	struct err e = ERR_INIT;
	char name[64];

	snap(w, NULL);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "dir%02d/file%04d", i % 40, i);
		put(&w->s, name, name);
	}
	must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
	assert_int_equal(s.changes.count, 2000);
	assert_int_equal(s.files, 2000);
	struct hash full = s.root;
	snapshot_release(&s);
	struct hash again = snap_is(w, NULL, "");
	assert_true(hash_eq(&again, &full));
	reopen(w);
	again = snap_is(w, "dir07/file0007", "");
	assert_true(hash_eq(&again, &full));
}

static void large_files(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct snapshot s;
	char *big = malloc(20 << 20);

	memset(big, 'x', 20 << 20);
	put_bytes(&w->s, "big", big, 20 << 20);
	struct hash h = snap_is(w, NULL, "+big");
	put(&w->s, "big", "small");
	put(&w->s, "huge", "");
	assert_int_equal(truncate(at(&w->s, "huge"), (off_t)CAP_BLOB + 1), 0); /* sparse */
	must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
	assert_string_equal(s.skipped, "huge");
	assert_int_equal(s.files, 1);
	snapshot_release(&s);
	restore_to(w, h);
	assert_false(there(&w->s, "huge"));
	struct blob *b = snapshot_file(w->store, &h, "big", &e);
	assert_int_equal(b->size, 20 << 20);
	blob_unref(b);
	cleanup_buf struct buf text = BUF_INIT(32 << 20);
	must(fs_read(at(&w->s, "big"), &text, &e), &e);
	assert_memory_equal(text.data, big, 20 << 20);
	free(big);
}

/* A command that makes holes takes no disk itself: it must not take that of the store. */
static void hollow_files_are_named(void **state)
{
	struct world *w = *state;
	struct snapshot s;
	struct err e = ERR_INIT;
	char some[8192];

	memset(some, 'x', sizeof some);
	put(&w->s, "a", "1");
	put_bytes(&w->s, "hollow", some, 100);
	assert_int_equal(truncate(at(&w->s, "hollow"), 1 << 20), 0);
	put_bytes(&w->s, "small", some, 100);
	assert_int_equal(truncate(at(&w->s, "small"), 60000), 0);
	put_bytes(&w->s, "some", some, sizeof some);
	assert_int_equal(truncate(at(&w->s, "some"), 100000), 0);
	must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
	assert_string_equal(s.skipped, "hollow");
	assert_int_equal(s.files, 3);
	assert_true(s.bytes < 200000);
	snapshot_release(&s);
	static char whole[1 << 20]; /* filled, it counts */
	memset(whole, 'y', sizeof whole);
	put_bytes(&w->s, "hollow", whole, sizeof whole);
	must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
	assert_string_equal(s.skipped, "");
	assert_int_equal(s.files, 4);
	snapshot_release(&s);
}

static void strange_things_are_named(void **state)
{
	struct world *w = *state;
	struct snapshot s;
	struct err e = ERR_INIT;

	put(&w->s, "d/a", "1");
	assert_int_equal(mkfifo(at(&w->s, "d/fifo"), 0600), 0);
	put(&w->s, "d/.muster-0123456789abcdef.tmp", "being written");
	put(&w->s, "not \xff utf-8\n", "2");
	alarm(20);
	must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
	alarm(0);
	assert_string_equal(s.skipped, "d/fifo");
	assert_int_equal(s.files, 2);
	struct hash h = s.root;
	snapshot_release(&s);
	cleanup_free char *before = describe(w->s.dir);
	assert_non_null(strstr(before, "fifo"));
	restore_to(w, h); /* equal to the snapshot: what it does not hold goes */
	assert_false(there(&w->s, "d/fifo"));
	assert_false(there(&w->s, "d/.muster-0123456789abcdef.tmp"));
	assert_true(there(&w->s, "not \xff utf-8\n"));
	/* So many that not all are named. */
	for (int i = 0; i < 100; i++) {
		char name[32];
		snprintf(name, sizeof(name), "fifo%d", i);
		assert_int_equal(mkfifo(at(&w->s, name), 0600), 0);
	}
	must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
	assert_true(strlen(s.skipped) > 200);
	assert_non_null(strstr(s.skipped, "…"));
	assert_true(hash_eq(&s.root, &h));
	snapshot_release(&s);
	/* A file in the place of a pipe, and back. */
	unlink(at(&w->s, "fifo1"));
	put(&w->s, "fifo1", "now a file");
	snap_is(w, NULL, "+fifo1");
	unlink(at(&w->s, "fifo1"));
	assert_int_equal(mkfifo(at(&w->s, "fifo1"), 0600), 0);
	snap_is(w, "fifo1", "-fifo1");
}

static void deep_folders_end(void **state)
{
	struct world *w = *state;
	struct snapshot s;
	struct err e = ERR_INIT;
	int fd = open(w->s.dir, O_RDONLY | O_DIRECTORY), next;
	static const char name[] = "a-name-of-some-length-that-makes-the-path-too-long";

	put(&w->s, "file", "1");
	struct hash h = snap(w, NULL);
	for (int i = 0; i < 300; i++) {
		assert_int_equal(mkdirat(fd, i % 2 ? name : "d", 0755), 0);
		next = openat(fd, i % 2 ? name : "d", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
	assert_true(strlen(s.skipped) > 0);
	snapshot_release(&s);
	restore_to(w, h);
	assert_false(there(&w->s, "d"));
}

/* Paths that no call takes any more, long before the folders are too deep. */
static void long_paths_end(void **state)
{
	struct world *w = *state;
	struct snapshot s;
	struct err e = ERR_INIT;
	int fd = open(w->s.dir, O_RDONLY | O_DIRECTORY), next;
	char name[201];

	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = 0;
	put(&w->s, "a", "1");
	put(&w->s, "z", "1");
	struct hash h = snap(w, NULL);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(mkdirat(fd, "before", 0755), 0); /* the folders have several entries */
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		next = openat(fd, name, O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	for (int i = 0; i < 2; i++) { /* new, and known */
		must(snapshot_take(w->copy, NULL, 0, &s, &e), &e);
		assert_int_equal(s.files, 2);
		assert_non_null(strstr(s.skipped, "…"));
		snapshot_release(&s);
	}
	restore_to(w, h);
	assert_false(there(&w->s, name));
}

static void closed_doors(void **state)
{
	struct world *w = *state;
	struct stat st;

	put(&w->s, "d/a", "1");
	put(&w->s, "b", "2");
	assert_int_equal(chmod(at(&w->s, "d/a"), 0), 0);
	assert_int_equal(chmod(at(&w->s, "d"), 0), 0);
	struct hash h = snap_is(w, NULL, "+b +d/a");
	assert_int_equal(chmod(at(&w->s, "d"), 0500), 0);
	put(&w->s, "b", "3");
	if (geteuid() == 0)
		put(&w->s, "d/new", "3");
	restore_to(w, h);
	assert_int_equal(stat(at(&w->s, "d/a"), &st), 0);
	assert_string_equal(got(&w->s, "b"), "2");
	assert_false(there(&w->s, "d/new"));
}

/* ---- reading snapshots ---- */

static void count_mark(void *ctx, const struct hash *h)
{
	(void)h;
	++*(int *)ctx;
}

static void reading(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	int marks = 0;

	put(&w->s, "a", "1\n");
	put(&w->s, "d/b", "2\n");
	struct hash first = snap(w, NULL);
	put(&w->s, "d/b", "two\n");
	put(&w->s, "n", "new\n");
	unlink(at(&w->s, "a"));
	struct hash second = snap(w, NULL);

	struct blob *b = snapshot_file(w->store, &first, "d/b", &e);
	assert_string_equal(b->data, "2\n");
	blob_unref(b);
	b = snapshot_file(w->store, &second, "./d/b", &e);
	assert_null(b); /* "." is no entry */
	b = snapshot_file(w->store, &second, "d/b", &e);
	assert_string_equal(b->data, "two\n");
	blob_unref(b);
	assert_null(snapshot_file(w->store, &second, "a", &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_null(snapshot_file(w->store, &second, "n/below", &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_null(snapshot_file(w->store, &second, "d", &e));
	assert_int_equal(e.code, ERR_INVALID);
	assert_null(snapshot_file(w->store, &second, "", &e));

	struct changes c;
	must(snapshot_diff(w->store, &first, &second, &c, &e), &e);
	cleanup_json json_t *j = changes_json(&c, 2);
	cleanup_free char *text = json_text(j);
	assert_string_equal(text,
		"[{\"change\":\"deleted\",\"path\":\"a\"},{\"change\":\"modified\",\"hash\":"
		"\"a039bbae9b9eb60edbfcfc70b7a53af392e8f53fbc61493db7c77a66af7be097\",\"path\":\"d/b\",\"size\":4},"
		"{\"more\":1}]");
	changes_release(&c);
	must(snapshot_diff(w->store, NULL, &second, &c, &e), &e);
	assert_int_equal(c.count, 2);
	changes_release(&c);
	must(snapshot_diff(w->store, &second, NULL, &c, &e), &e);
	assert_int_equal(c.count, 2);
	assert_int_equal(c.items[0].kind, CHANGE_DELETED);
	changes_release(&c);
	must(snapshot_mark(w->store, &second, count_mark, &marks, &e), &e);
	assert_int_equal(marks, 4); /* two folders, two files */

	cleanup_buf struct buf diff = BUF_INIT(1000);
	must(snapshot_diff_text(w->store, &first, &second, &diff, &e), &e);
	assert_non_null(strstr(diff.data, "--- a/a\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"));
	assert_non_null(strstr(diff.data, "--- a/d/b\n+++ b/d/b\n@@ -1 +1 @@\n-2\n+two\n"));
	assert_non_null(strstr(diff.data, "--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+new\n"));
	cleanup_buf struct buf cut = BUF_INIT(160);
	must(snapshot_diff_text(w->store, &first, &second, &cut, &e), &e);
	assert_non_null(strstr(cut.data, "cut here\n"));
	assert_true(cut.len <= 160);

	struct hash none = {{1}};
	assert_int_equal(snapshot_diff(w->store, &none, &second, &c, &e), -1);
	assert_int_equal(snapshot_restore(w->copy, &none, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	snap_is(w, NULL, "");
}

static void diff_of_binary_and_modes(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;

	put_bytes(&w->s, "bin", "a\0b", 3);
	put(&w->s, "run", "x\n");
	struct hash first = snap(w, NULL);
	put_bytes(&w->s, "bin", "a\0c", 3);
	chmod(at(&w->s, "run"), 0755);
	struct hash second = snap_is(w, NULL, "~bin ~run");
	cleanup_buf struct buf diff = BUF_INIT(1000);
	must(snapshot_diff_text(w->store, &first, &second, &diff, &e), &e);
	assert_non_null(strstr(diff.data, "Binary files a/bin and b/bin differ"));
	assert_non_null(strstr(diff.data, "only the mode has changed"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_new, world_free)
#define D(f)                                                                                                           \
	{                                                                                                              \
#f " on disk", f, world_new_disk, world_free, NULL                                                     \
	}
	const struct CMUnitTest tests[] = {T(nothing_and_everything), T(every_change), T(only_what_is_named),
		T(paths_over_links), T(rewritten_with_its_times), T(rewritten_at_once), T(memory_maps),
		T(many_new_files), T(large_files), T(hollow_files_are_named), T(strange_things_are_named),
		T(deep_folders_end), T(long_paths_end), T(closed_doors), T(reading), T(diff_of_binary_and_modes),
		D(every_change), D(large_files), D(reading)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
