/* A tree written once more: what is kept, what is left out, and each failure on the way. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duplicate.h"
#include "base/fault.h"
#include "base/fs.h"
#include "unit.h"

static char root[64];

static int enter(void **state)
{
	(void)state;
	strcpy(root, "/tmp/muster-duplicate-XXXXXX");
	return mkdtemp(root) ? chdir(root) : -1;
}

static int leave(void **state)
{
	(void)state;
	return chdir("/") || fs_remove_tree(root, NULL);
}

static void put(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	must(fs_replace(path, span_of(text), 0640, &e), &e);
}

static void make_tree(void)
{
	struct err e = ERR_INIT;
	must(fs_mkdirs("a/b/c", 0750, &e), &e);
	put("outside", "secret");
	put("a/one", "1");
	put("a/b/c/two", "2");
	put("a/b/no.lock", "");
	assert_int_equal(symlink("../outside", "a/link"), 0);
	assert_int_equal(symlink("/etc", "a/b/folder"), 0);
	assert_int_equal(mkfifo("a/pipe", 0600), 0);
}

static bool no_locks(const char *path)
{
	return !strcmp(path, "b/no.lock");
}

static void files_folders_and_links_are_kept(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf text = BUF_INIT(100);
	char target[100] = "";
	struct stat st;
	make_tree();
	must(duplicate_tree("a", "to", no_locks, &e), &e);
	must(fs_read("to/b/c/two", &text, &e), &e);
	assert_true(span_is(buf_span(&text), "2"));
	assert_int_equal(stat("to/one", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(stat("to/b/c", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	assert_int_equal(readlink("to/link", target, sizeof(target) - 1), 10);
	assert_string_equal(target, "../outside");
	assert_int_equal(lstat("to/b/folder", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_false(fs_exists("to/pipe"));
	assert_false(fs_exists("to/b/no.lock"));
	must(sync_all("to", &e), &e);
}

static void what_is_not_there_is_no_error(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	must(duplicate_tree("nothing", "to", NULL, &e), &e);
	assert_false(fs_exists("to"));
}

/* A folder of the target that somebody made a link leads nowhere. */
static void links_of_the_target_are_not_followed(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	make_tree();
	must(fs_mkdirs("to", 0700, &e), &e);
	must(fs_mkdirs("elsewhere", 0700, &e), &e);
	assert_int_equal(symlink("../elsewhere", "to/b"), 0);
	assert_int_equal(duplicate_tree("a", "to", NULL, &e), -1);
	assert_false(fs_exists("elsewhere/c"));
}

static void every_failure_is_told(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	make_tree();
	fault_arm(FAULT_IO, UINT64_MAX, false);
	must(duplicate_tree("a", "to", NULL, &e), &e);
	int calls = (int)fault_seen();
	assert_true(calls > 20);
	for (int i = 1; i <= calls; i++) {
		fault_disarm();
		must(fs_remove_tree("to", &e), &e);
		fault_arm(FAULT_IO, (uint64_t)i, false);
		assert_int_equal(duplicate_tree("a", "to", NULL, &e), -1);
		assert_int_equal(e.code, ERR_IO);
		err_clear(&e);
	}
	fault_disarm();
}

int main(void)
{
#define in_folder(t) cmocka_unit_test_setup_teardown(t, enter, leave)
	const struct CMUnitTest tests[] = {
		in_folder(files_folders_and_links_are_kept),
		in_folder(what_is_not_there_is_no_error),
		in_folder(links_of_the_target_are_not_followed),
		in_folder(every_failure_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
