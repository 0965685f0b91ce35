#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/fs.h"
#include "torture.h"
#include "unit.h"

static char root[64]; /* every test's own folder */

static int enter(void **state)
{
	(void)state;
	strcpy(root, "/tmp/muster-fs-XXXXXX");
	return mkdtemp(root) ? chdir(root) : -1;
}

static int leave(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	return chdir("/") || fs_remove_tree(root, &e);
}

static void put(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	cleanup_fd int fd = fs_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600, &e);

	if (fd < 0)
		fail_msg("%s", e.text);
	must(fs_write_fd(fd, span_of(text), &e), &e);
}

static void has(const char *path, const char *text)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	must(fs_read(path, &b, &e), &e);
	assert_string_equal(buf_span(&b).p, text);
}

static int entries(const char *path)
{
	char command[200];
	FILE *f;
	int n = 0;

	snprintf(command, sizeof command, "ls -A %s | wc -l", path);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

static void reads_whole_files(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(300000), small = BUF_INIT(5), proc = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	static char large[200001];

	memset(large, 'x', sizeof large - 1);
	put("large", large);
	buf_adds(&b, "before ");
	must(fs_read("large", &b, &e), &e);
	assert_int_equal(b.len, 7 + 200000);
	put("five", "12345");
	must(fs_read("five", &small, &e), &e); /* just fits */
	assert_string_equal(small.data, "12345");
	buf_clear(&small);
	put("six", "123456");
	assert_int_equal(fs_read("six", &small, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_non_null(strstr(e.text, "six"));
	assert_int_equal(small.len, 0);
	assert_int_equal(fs_read("absent", &b, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "absent"));
	assert_int_equal(fs_read(".", &b, &e), -1);
	assert_int_equal(b.len, 7 + 200000);
	must(fs_read("/proc/self/status", &proc, &e), &e); /* a size of 0 that is not true */
	assert_true(proc.len > 100);
}

static void descriptors_close_on_exec(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	cleanup_fd int fd = fs_open(".", O_RDONLY, 0, &e);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void replaces_atomically(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct stat st;

	must(fs_replace("file", span_of("one"), 0600, &e), &e);
	has("file", "one");
	assert_int_equal(stat("file", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	must(fs_replace("file", span_of("two"), 0600, &e), &e);
	has("file", "two");
	assert_int_equal(entries("."), 1);
	assert_int_equal(fs_replace("no/such", span_of("x"), 0600, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_int_equal(fs_replace("folder", span_of("x"), 0600, &e), -1);
	assert_int_equal(entries("."), 2); /* no temporary file is left */
}

static int replace(struct err *e)
{
	return fs_replace("file", span_of("new"), 0600, e);
}

static void replace_is_all_or_nothing(void **state)
{
	(void)state;
	struct err e;

	for (uint64_t n = 1;; n++) {
		put("file", "old");
		fault_arm(FAULT_IO, n, false);
		int rc = replace(&e);
		bool through = fault_seen() < n;
		fault_disarm();
		assert_int_equal(entries("."), 1);
		if (through) {
			assert_int_equal(rc, 0);
			assert_true(n > 5); /* open, write, fsync, rename, and the folder's */
			break;
		}
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, ERR_IO);
		cleanup_buf struct buf b = BUF_INIT(100);
		must(fs_read("file", &b, &e), &e);
		assert_true(span_is(buf_span(&b), "old") || span_is(buf_span(&b), "new"));
	}
	has("file", "new");
}

static int read_it(struct err *e)
{
	struct buf b = BUF_INIT(100);
	int rc = fs_read("file", &b, e);

	buf_release(&b);
	return rc;
}

static int make_and_remove(struct err *e)
{
	int rc = fs_mkdirs("tree/a/b", 0700, e) || fs_replace("tree/a/b/file", span_of("x"), 0600, e) ||
				 fs_rename("tree/a/b/file", "tree/file", e)
			 ? -1
			 : fs_remove_tree("tree", e);
	return rc || fs_unlink("tree", e) ? -1 : 0;
}

static void reports_every_failing_call(void **state)
{
	(void)state;
	put("file", "text");
	assert_true(torture(FAULT_IO, ERR_IO, read_it) >= 3);
	assert_int_equal(torture(FAULT_ALLOC, ERR_NOMEM, read_it), 1);
	assert_true(torture(FAULT_IO, ERR_IO, make_and_remove) >= 15);
}

static void makes_folders_with_parents(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char path[100];

	must(fs_mkdirs("a/b//c/", 0700, &e), &e);
	must(fs_mkdirs("a/b/c", 0700, &e), &e);
	assert_true(fs_is_dir("a/b/c"));
	must(fs_mkdirs("/", 0700, &e), &e);
	snprintf(path, sizeof path, "%s/x/y", root);
	must(fs_mkdirs(path, 0700, &e), &e);
	assert_true(fs_exists("x/y") && !fs_exists("x/z"));
	put("file", "");
	assert_false(fs_is_dir("file"));
	assert_int_equal(fs_mkdirs("file", 0700, &e), -1);
	assert_int_equal(fs_mkdirs("file/below", 0700, &e), -1);
	assert_int_equal(fs_mkdirs("", 0700, &e), -1);
}

static void removes_trees_without_following_links(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	must(fs_mkdirs("outside", 0700, &e), &e);
	put("outside/kept", "kept");
	must(fs_mkdirs("tree/a/b", 0700, &e), &e);
	put("tree/a/b/file", "x");
	assert_int_equal(symlink("../outside", "tree/link"), 0);
	assert_int_equal(symlink("/nowhere", "tree/dangling"), 0);
	must(fs_mkdirs("tree/closed/inside", 0700, &e), &e);
	put("tree/closed/inside/file", "x");
	assert_int_equal(chmod("tree/closed/inside", 0), 0);
	assert_int_equal(chmod("tree/closed", 0555), 0);
	must(fs_remove_tree("tree/", &e), &e);
	assert_false(fs_exists("tree"));
	must(fs_remove_tree("tree", &e), &e); /* absent is fine */
	assert_int_equal(symlink("outside", "link"), 0);
	must(fs_remove_tree("link/", &e), &e);
	has("outside/kept", "kept");
	assert_int_equal(entries("."), 1);
	must(fs_remove_tree("outside/kept", &e), &e); /* a file, too */
	assert_int_equal(entries("outside"), 0);
}

/* Deeper than any path can be written, with files on the way, and with more entries than one read gives. */
static void removes_deep_and_wide_trees(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char name[300];

	must(fs_mkdirs("tree", 0700, &e), &e);
	int at = fs_open("tree", O_RDONLY | O_DIRECTORY, 0, &e);
	memset(name, 'd', 100);
	name[100] = 0;
	for (int i = 0; i < 400; i++) {
		assert_int_equal(mkdirat(at, name, 0700), 0);
		assert_int_equal(mkdirat(at, "beside", i % 2 ? 0700 : 0), 0);
		int next = fs_openat(at, name, O_RDONLY | O_DIRECTORY, 0, &e);
		assert_true(next >= 0);
		if (i % 7 == 0)
			assert_int_equal(fchmod(at, 0500), 0);
		close(at);
		at = next;
	}
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "file-%d", i);
		cleanup_fd int fd = fs_openat(at, name, O_WRONLY | O_CREAT, 0600, &e);
		assert_true(fd >= 0);
	}
	close(at);
	must(fs_remove_tree("tree", &e), &e);
	assert_false(fs_exists("tree"));
}

static void joins_paths(void **state)
{
	(void)state;
	static const char *cases[][3] = {
		{"a", "b/c", "a/b/c"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}, {"", "b", "b"}, {"a", "/b", "a/b"}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *p = fs_join(cases[i][0], cases[i][1]);
		assert_string_equal(p, cases[i][2]);
		mem_free(p);
	}
}

static void reads_and_writes_pipes(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(100);
	struct err e = ERR_INIT;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	must(fs_write_fd(ends[1], span_of("through"), &e), &e);
	close(ends[1]);
	must(fs_read_fd(ends[0], &b, &e), &e);
	assert_string_equal(b.data, "through");
	assert_int_equal(fs_read_some(ends[0], 10, &b, &e), 0);
	close(ends[0]);
	assert_int_equal(fs_read_some(ends[0], 10, &b, &e), -1);
	assert_int_equal(fs_write_fd(-1, span_of("x"), &e), -1);
	assert_int_equal(fs_fsync(-1, &e), -1);
	must(fs_fsync_dir(".", &e), &e);
	assert_int_equal(fs_fsync_dir("absent", &e), -1);
}

static void reads_in_pieces(void **state)
{
	(void)state;
	cleanup_buf struct buf b = BUF_INIT(6);
	struct err e = ERR_INIT;

	must(fs_replace("file", span_of("12345678"), 0644, &e), &e);
	cleanup_fd int fd = fs_open("file", O_RDONLY, 0, &e);
	assert_int_equal(fs_read_some(fd, 5, &b, &e), 1);
	assert_string_equal(b.data, "12345");
	assert_int_equal(fs_read_some(fd, 5, &b, &e), -1); /* past its cap */
	assert_int_equal(e.code, ERR_TOO_LARGE);
	buf_clear(&b);
	assert_int_equal(fs_read_some(fd, 5, &b, &e), 1);
	assert_string_equal(b.data, "678");
	assert_int_equal(fs_read_some(fd, 3, &b, &e), 0);
}

static void finds_the_nearest_folder(void **state)
{
	static const char *const asked[][2] = {{"/no/such/path", "/"}, {"/", "/"}, {"/tmp", "/tmp"},
		{"/tmp/no such folder/x", "/tmp"}, {"no such folder", "."}};

	(void)state;
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		cleanup_free char *found = fs_existing_dir(asked[i][0]);
		assert_string_equal(found, asked[i][1]);
	}
	fault_arm(FAULT_IO, 1, true); /* where nothing can be looked at it ends, too */
	cleanup_free char *last = fs_existing_dir("/tmp/x");
	fault_disarm();
	assert_string_equal(last, "/");
}

#define test_in_folder(f) cmocka_unit_test_setup_teardown(f, enter, leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_in_folder(reads_whole_files),
		test_in_folder(reads_in_pieces),
		test_in_folder(descriptors_close_on_exec),
		test_in_folder(replaces_atomically),
		test_in_folder(replace_is_all_or_nothing),
		test_in_folder(reports_every_failing_call),
		test_in_folder(makes_folders_with_parents),
		test_in_folder(removes_trees_without_following_links),
		test_in_folder(removes_deep_and_wide_trees),
		test_in_folder(joins_paths),
		test_in_folder(finds_the_nearest_folder),
		test_in_folder(reads_and_writes_pipes),
	};
	struct err e = ERR_INIT;

	if (crypt_setup(&e))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
