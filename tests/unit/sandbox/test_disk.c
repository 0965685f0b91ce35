/* Working copies on disks of their own: what fits, what is left, what a crash leaves. For root. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "box.h"
#include "sandbox/disk.h"

#define SIZE (32 * MIB)

static char *home_of(const struct box *b)
{
	char *home = mem_printf("%s.home", b->copy);
	assert_non_null(home);
	return home;
}

static void open_disk(struct box *b)
{
	struct err e = ERR_INIT;
	cleanup_free char *home = home_of(b);
	must(disk_open(b->copy, home, SIZE, b->spec.uid, &e), &e);
}

static bool is_seen(const char *path)
{
	struct buf mounts = BUF_INIT(4 * MIB);
	struct err e = ERR_INIT;
	must(fs_read("/proc/self/mountinfo", &mounts, &e), &e);
	bool seen = span_find(buf_span(&mounts), span_of(path), 0) != (size_t)-1;
	buf_release(&mounts);
	return seen;
}

static int setup(void **state)
{
	static struct box b;
	if (geteuid() != 0)
		return 0;
	disk_private();
	box_init(&b);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	if (!b)
		return 0;
	box_close(b);
	cleanup_free char *home = home_of(b);
	must(disk_remove(b->copy, home, &e), &e);
	assert_false(disk_is_there(b->copy));
	box_release(b);
	return 0;
}

static struct box *needs_root(void **state)
{
	if (!*state)
		skip();
	return *state;
}

static void commands_meet_the_end_of_the_disk(void **state)
{
	struct box *b = needs_root(state);
	struct result r = {.x = {.timeout_ms = 60000}};
	struct stat image;
	char line[300];
	open_disk(b);
	cleanup_free char *home = home_of(b), *file = mem_printf("%s.img", b->copy);
	b->spec.home = home;
	b->spec.limits.disk = 1000 * MIB; /* not what ends it here */
	box_open(b);
	snprintf(line, sizeof(line), "%s big_file big | cut -d' ' -f2-; cd && %s big_file more; rm /work/big more",
		attack_path(), attack_path());
	box_expect(b, line, 0, "No space left on device\n0 No space left on device\n");
	box_expect(b, "echo x > ~/small && cat ~/small", 0, "x\n");
	snprintf(line, sizeof(line), "mkdir /work/many && %s inode_bomb /work/many; echo $?; ls /work/many | wc -l",
		attack_path());
	box_run(b, &r, line);
	assert_int_equal(r.why.code, ERR_OK);
	int entries = 0, status = 0;
	assert_int_equal(sscanf(r.out.data, "%d\n%d\n", &status, &entries), 2);
	assert_int_equal(status, 3);
	assert_true(entries > 2000 && entries < 5000); /* one for 8 KiB */
	box_expect(b, "rm -r /work/many; ls /work ~", 0, "/home/muster:\nsmall\n\n/work:\n");
	assert_int_equal(stat(file, &image), 0);
	assert_true((uint64_t)image.st_blocks * 512 <= SIZE);
	result_release(&r);
	box_close(b);
}

/* Closed and opened again, and after a process that was killed, the same files are there; outside nothing was seen. */
static void files_outlive_the_process(void **state)
{
	struct box *b = needs_root(state);
	struct err e = ERR_INIT;
	cleanup_free char *home = home_of(b), *file = fs_join(b->copy, "kept"),
			  *fresh = mem_printf("%s.img.new", b->copy);
	int ready[2];
	char one;
	disk_close(b->copy, home);
	assert_false(is_seen(b->copy));
	must(fs_replace(fresh, span_of("half made"), 0600, &e), &e);
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		disk_private();
		bool good = !disk_open(b->copy, home, SIZE, b->spec.uid, &e) &&
			    !fs_replace(file, span_of("words"), 0600, &e);
		ssize_t n = write(ready[1], good ? "y" : "n", 1);
		_exit(n == 1 && pause());
	}
	assert_int_equal(read(ready[0], &one, 1), 1);
	assert_int_equal(one, 'y');
	assert_false(is_seen(b->copy));
	assert_false(fs_exists(file));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(ready[0]);
	close(ready[1]);
	open_disk(b);
	open_disk(b); /* again: nothing to do */
	struct buf text = BUF_INIT(100);
	must(fs_read(file, &text, &e), &e);
	assert_string_equal(text.data, "words");
	buf_release(&text);
	disk_close(b->copy, home);
	assert_false(is_seen(b->copy));
}

static void what_cannot_be_is_said(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	assert_int_equal(disk_open("/nonexistent/copy", "/nonexistent/home", MIB, 0, &e), -1);
	assert_non_null(strstr(e.text, "at least 16 MiB"));
	if (!b) {
		assert_int_equal(disk_try("/tmp", &e), -1);
		assert_int_equal(e.code, ERR_NO_SANDBOX);
		assert_non_null(strstr(e.text, "as root"));
		return;
	}
	must(disk_try("/tmp", &e), &e);
	cleanup_free char *nowhere = fs_join(b->copy, "no/such/copy"), *home = home_of(b);
	assert_int_equal(disk_open(nowhere, home, SIZE, 0, &e), -1);
	assert_non_null(strstr(e.text, nowhere));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_meet_the_end_of_the_disk),
		cmocka_unit_test(files_outlive_the_process),
		cmocka_unit_test(what_cannot_be_is_said),
	};
	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, setup, teardown);
}
