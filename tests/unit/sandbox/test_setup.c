/* What is pure or nearly so: the list of operations as text, placeholders, cgroup v2 on a fake tree, the filter. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "sandbox/cgroup.h"
#include "sandbox/filter.h"
#include "sandbox/protect.h"
#include "sandbox/setup.h"
#include "unit.h"

/* One operation a line, words separated by spaces. */
static char *plan_text(const struct sandbox_spec *spec, const struct setup_facts *f, bool staged)
{
	struct err e = ERR_INIT;
	struct arena arena;
	struct setup plan;
	struct buf words = BUF_INIT(MIB), text = BUF_INIT(MIB);
	arena_init(&arena, MIB);
	must(setup_plan(&plan, spec, f, &arena, &e), &e);
	size_t n = setup_arguments(&plan, staged, 5, &words), seen = 0;
	for (size_t at = 0; at < words.len; at += strlen(words.data + at) + 1, seen++) {
		const char *word = words.data + at;
		buf_addf(&text, "%s%s", at == 0 ? "" : word[0] == '-' && word[1] == '-' ? "\n" : " ", word);
	}
	assert_int_equal(n, seen);
	buf_adds(&text, "\n");
	must(buf_check(&text, "text", &e), &e);
	buf_release(&words);
	arena_release(&arena);
	char *whole = buf_take(&text);
	assert_non_null(whole);
	return whole;
}

static const struct setup_facts facts = {
	.entries = {{"usr", NULL}, {"bin", "usr/bin"}, {"lib", "usr/lib"}}, .entry_count = 3};

static void has(const char *text, const char *line)
{
	char whole[300];
	snprintf(whole, sizeof(whole), "\n%s\n", line);
	if (!strstr(text, whole) && strncmp(text, whole + 1, strlen(whole) - 1) != 0)
		fail_msg("missing: %s\nin:\n%s", line, text);
}

static size_t place(const char *text, const char *line)
{
	const char *at = strstr(text, line);
	assert_non_null(at);
	return (size_t)(at - text);
}

static void plan_as_text(void **state)
{
	(void)state;
	struct sandbox_spec spec = {.copy = "/data/copies/7"};
	sandbox_limits_default(&spec.limits);
	char *text = plan_text(&spec, &facts, false);
	static const char *const lines[] = {"--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net",
		"--unshare-uts", "--disable-userns", "--as-pid-1", "--die-with-parent", "--clearenv", "--cap-drop ALL",
		"--uid 1000", "--gid 1000", "--ro-bind /usr /usr", "--symlink usr/bin /bin", "--symlink usr/lib /lib",
		"--proc /proc", "--dev /dev", "--remount-ro /dev", "--tmpfs /dev/shm", "--size 67108864",
		"--tmpfs /tmp", "--bind /data/copies/7 /work", "--remount-ro /", "--chdir /work",
		"--ro-bind-try /etc/ld.so.cache /etc/ld.so.cache", "--file 5 /etc/passwd",
		"--file 8 /etc/nsswitch.conf"};
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		has(text, lines[i]);
	assert_null(strstr(text, "/root"));
	assert_null(strstr(text, "/var/lib"));
	assert_true(place(text, "--bind /data") < place(text, "--remount-ro /\n"));
	assert_true(place(text, "--tmpfs /dev/shm") < place(text, "--remount-ro /dev"));
	assert_null(strstr(text, "/tmp/etc"));
	mem_free(text);
}

static void plan_with_everything(void **state)
{
	(void)state;
	static const char *const protect[] = {".git", "muster.yaml", "a/b/.env", NULL}, *const tools[] = {
												"/opt/go", NULL};
	struct sandbox_spec spec = {.copy = "/data/copies/7",
		.git_dir = "/data/git/7",
		.home = "/data/homes/7",
		.protect = protect,
		.read_only = tools};
	struct setup_facts with_git = facts;
	sandbox_limits_default(&spec.limits);
	with_git.git_at = "/work/.git";
	char *text = plan_text(&spec, &with_git, true);
	has(text, "--bind /tmp/0 /home/muster");
	has(text, "--ro-bind /tmp/2 /opt/go");
	has(text, "--bind /tmp/1 /work");
	has(text, "--ro-bind /tmp/1/muster.yaml /work/muster.yaml");
	has(text, "--bind /tmp/1/a /work/a");
	has(text, "--bind /tmp/1/a/b /work/a/b");
	has(text, "--ro-bind /tmp/1/a/b/.env /work/a/b/.env");
	has(text, "--ro-bind /tmp/3 /work/.git");
	has(text, "--ro-bind /tmp/etc /etc"); /* put together by the launcher */
	assert_null(strstr(text, "--ro-bind-try"));
	assert_null(strstr(text, "--file"));
	assert_true(place(text, "--ro-bind /usr") < place(text, "--ro-bind /tmp/2 /opt/go"));
	assert_true(place(text, "--bind /tmp/1 /work") < place(text, "--ro-bind /tmp/1/muster.yaml"));
	assert_null(strstr(text, "/tmp/1/.git")); /* the git directory covers it */
	mem_free(text);
	with_git.git_at = "/data/git/7";
	text = plan_text(&spec, &with_git, false);
	has(text, "--ro-bind /data/copies/7/.git /work/.git");
	has(text, "--ro-bind /data/git/7 /data/git/7");
	mem_free(text);
}

static void plan_refuses(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct arena arena;
	struct setup plan;
	arena_init(&arena, MIB);
	struct sandbox_spec spec = {.copy = "relative"};
	sandbox_limits_default(&spec.limits);
	assert_int_equal(setup_plan(&plan, &spec, &facts, &arena, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	const char *many[40];
	for (int i = 0; i < 39; i++)
		many[i] = "/opt/x";
	many[39] = NULL;
	spec.copy = "/data";
	spec.read_only = many;
	assert_int_equal(setup_plan(&plan, &spec, &facts, &arena, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	arena_release(&arena);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = fs_join(dir, name);
	must(fs_replace(path, span_of(text), 0644, &e), &e);
}

static void where_git_goes(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct arena arena;
	struct setup_facts f;
	char copy[] = "/tmp/muster-setup-XXXXXX";
	arena_init(&arena, MIB);
	assert_non_null(mkdtemp(copy));
	struct sandbox_spec spec = {.copy = copy, .git_dir = "/data/git/7"};
	must(setup_facts_read(&f, &spec, &arena, &e), &e);
	assert_string_equal(f.git_at, "/work/.git");
	assert_true(f.entry_count > 2);
	write_file(copy, ".git", "gitdir: /data/git/7/worktrees/x\n");
	must(setup_facts_read(&f, &spec, &arena, &e), &e);
	assert_string_equal(f.git_at, "/data/git/7");
	write_file(copy, ".git", "gitdir: /git\n");
	must(setup_facts_read(&f, &spec, &arena, &e), &e);
	assert_string_equal(f.git_at, "/git");
	static const char *const wrong[] = {
		"gitdir: /usr/bin", "gitdir: /proc", "gitdir: relative", "gitdir: /x/../etc", "nonsense", "gitdir: /"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		write_file(copy, ".git", wrong[i]);
		if (setup_facts_read(&f, &spec, &arena, &e) == 0)
			fail_msg("%s: accepted as %s", wrong[i], f.git_at);
	}
	must(fs_remove_tree(copy, &e), &e);
	arena_release(&arena);
}

static void placeholders(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct stat st;
	char copy[] = "/tmp/muster-setup-XXXXXX", path[300];
	static const char *const names[] = {".git", "a/b/.env", "file", NULL};
	assert_non_null(mkdtemp(copy));
	write_file(copy, "file", "x");
	must(protect_make(copy, names, &e), &e);
	must(protect_make(copy, names, &e), &e); /* after a crash */
	snprintf(path, sizeof(path), "%s/a/b/.env", copy);
	assert_true(stat(path, &st) == 0 && S_ISDIR(st.st_mode));
	protect_remove(copy, names);
	assert_int_equal(stat(path, &st), -1);
	snprintf(path, sizeof(path), "%s/file", copy);
	assert_true(stat(path, &st) == 0 && st.st_size == 1);
	static const char *const wrong[] = {"/etc", "..", "a/../../b", "", "a//b", "./a", "a/"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const char *const one[] = {wrong[i], NULL};
		if (protect_make(copy, one, &e) == 0)
			fail_msg("\"%s\" was accepted", wrong[i]);
		assert_int_equal(e.code, ERR_INVALID);
	}
	snprintf(path, sizeof(path), "%s/link", copy);
	assert_int_equal(symlink("/tmp", path), 0);
	static const char *const through[] = {"link/x", NULL}, *const itself[] = {"link", NULL};
	assert_int_equal(protect_make(copy, through, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(protect_make(copy, itself, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	must(fs_remove_tree(copy, &e), &e);
}

static void file_is(const char *dir, const char *name, const char *want)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(4096);
	cleanup_free char *path = fs_join(dir, name);
	must(fs_read(path, &text, &e), &e);
	assert_string_equal(text.data, want);
	buf_release(&text);
}

static void cgroup2_on_a_fake_tree(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct cgroup_host h;
	struct cgroup c;
	struct leaf f;
	struct sandbox_stats st = {0};
	struct sandbox_limits l;
	char root[] = "/tmp/muster-cgroup-XXXXXX", dir[CGROUP_PATH];
	assert_non_null(mkdtemp(root));
	cgroup_discover(&h, root);
	assert_int_equal(cgroup_level(&h), SANDBOX_CGROUP2);
	file_is(root, "cgroup.subtree_control", "+memory +cpu +pids");
	sandbox_limits_default(&l);
	l.cpus = 1.5;
	must(cgroup_new(&c, &h, &l, 0, &e), &e);
	cgroup_path(&c, CGROUP_UNIFIED, dir);
	file_is(dir, "memory.max", "536870912");
	file_is(dir, "cpu.max", "150000 100000");
	file_is(dir, "pids.max", "272");
	file_is(dir, "cgroup.subtree_control", "+memory +pids");
	assert_true(fs_is_dir(dir));
	must(leaf_new(&f, &c, 12, 1048576, &e), &e);
	cleanup_free char *leaf = fs_join(dir, "c12");
	file_is(leaf, "memory.max", "1048576");
	assert_false(leaf_populated(&f));
	write_file(leaf, "cgroup.events", "populated 1\nfrozen 0\n");
	assert_true(leaf_populated(&f));
	assert_true(leaf_remove(&f, &c));
	assert_false(fs_is_dir(leaf));
	must(cgroup_freeze(&c, true, &e), &e);
	file_is(dir, "cgroup.freeze", "1");
	cgroup_kill(&c);
	file_is(dir, "cgroup.kill", "1");
	write_file(dir, "memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\n");
	assert_int_equal(cgroup_ooms(&c), 2);
	write_file(dir, "memory.current", "12345\n");
	write_file(dir, "cpu.stat", "usage_usec 77\nuser_usec 1\n");
	cgroup_stats(&c, &st);
	assert_int_equal(st.memory, 12345);
	assert_int_equal(st.cpu_us, 77);
	/* While its owner lives it is left alone; a dead one's goes. */
	cgroup_sweep(&h);
	assert_true(fs_is_dir(dir));
	must(leaf_new(&f, &c, 13, 0, &e), &e);
	close(f.dir);
	char stale[CGROUP_PATH + 16];
	snprintf(stale, sizeof(stale), "%s/muster-999999-1", root);
	must(fs_mkdirs(stale, 0755, &e), &e);
	cgroup_sweep(&h);
	assert_false(fs_is_dir(stale));
	assert_true(cgroup_remove(&c));
	assert_false(fs_is_dir(dir));
	must(fs_remove_tree(root, &e), &e);
}

static bool says(const char *dir, const char *name, const char *want)
{
	struct err e = ERR_INIT;
	cleanup_buf struct buf text = BUF_INIT(4096);
	cleanup_free char *path = fs_join(dir, name);
	if (path && fs_read(path, &text, &e) == 0 && span_is(buf_span(&text), want))
		return true;
	print_message("%s/%s: \"%s\" instead of \"%s\"\n", dir, name, text.data ? text.data : e.text, want);
	return false;
}

/* Every limit is in its file before anything runs, those of a command in its own leaf, and all of it can be ended. */
static bool v2_holds(const char *root)
{
	struct err e = ERR_INIT;
	struct cgroup_host h;
	struct cgroup c;
	struct leaf f;
	struct sandbox_limits l = {.memory = 64 * MIB, .cpus = 0.25, .processes = 10};
	cgroup_discover(&h, root);
	if (cgroup_level(&h) != SANDBOX_CGROUP2 || cgroup_new(&c, &h, &l, geteuid(), &e) != 0 ||
		leaf_new(&f, &c, 3, 32 * MIB, &e) != 0) {
		print_message("%s\n", e.text);
		return false;
	}
	char dir[CGROUP_PATH];
	cgroup_path(&c, CGROUP_UNIFIED, dir);
	cleanup_free char *init = fs_join(dir, "init"), *leaf = fs_join(dir, "c3"),
			  *inside = fs_join(leaf, "cgroup.kill");
	bool written = says(dir, "memory.max", "67108864") && says(dir, "memory.swap.max", "0") &&
		       says(dir, "cpu.max", "25000 100000") && says(dir, "pids.max", "26") &&
		       says(leaf, "memory.max", "33554432") && fs_is_dir(init) &&
		       fs_replace(inside, SPAN_NONE, 0644, &e) == 0; /* the kernel's own, by which the leaf is ended */
	leaf_kill(&f);
	cgroup_kill(&c);
	bool ended = says(leaf, "cgroup.kill", "1") && says(dir, "cgroup.kill", "1");
	return leaf_remove(&f, &c) && cgroup_remove(&c) && !fs_is_dir(dir) && written && ended;
}

static void row43_limits_at_v2(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char root[] = "/tmp/muster-cgroup-XXXXXX";
	assert_non_null(mkdtemp(root));
	assert_true(v2_holds(root));
	must(fs_remove_tree(root, &e), &e);
}

/* The same for an ordinary user who was given the directory. */
static void row43_limits_at_v2_of_a_user(void **state)
{
	(void)state;
	enum { SOMEBODY = 71902 };
	struct err e = ERR_INIT;
	int status = 0;
	char root[] = "/tmp/muster-cgroup-XXXXXX";
	assert_non_null(mkdtemp(root));
	if (geteuid() == 0)
		assert_int_equal(chown(root, SOMEBODY, SOMEBODY), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit((geteuid() == 0 && setresuid(SOMEBODY, SOMEBODY, SOMEBODY) != 0) || !v2_holds(root));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	must(fs_remove_tree(root, &e), &e);
}

/* Only a leaf that was neither limited nor killed serves the next command (test_exec.c has the reason for the second).
 */
static void a_leaf_serves_again(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct cgroup_host h;
	struct cgroup c;
	struct leaf plain, limited, second;
	struct sandbox_limits l;
	char root[] = "/tmp/muster-cgroup-XXXXXX", dir[CGROUP_PATH];
	assert_non_null(mkdtemp(root));
	cgroup_discover(&h, root);
	sandbox_limits_default(&l);
	must(cgroup_new(&c, &h, &l, 0, &e), &e);
	assert_true(cgroup_path(&c, CGROUP_UNIFIED, dir) < CGROUP_PATH);
	must(leaf_new(&limited, &c, 1, MIB, &e), &e);
	leaf_keep(&limited, &c);
	assert_true(limited.dir >= 0);
	assert_true(leaf_remove(&limited, &c));
	must(leaf_new(&plain, &c, 2, 0, &e), &e);
	int fd = plain.dir;
	leaf_keep(&plain, &c);
	assert_int_equal(plain.dir, -1);
	assert_true(leaf_remove(&plain, &c)); /* ours no more: it stays */
	must(leaf_new(&limited, &c, 3, MIB, &e), &e);
	assert_string_equal(limited.name, "c3");
	must(leaf_new(&plain, &c, 4, 0, &e), &e);
	assert_int_equal(plain.dir, fd);
	assert_string_equal(plain.name, "c2");
	must(leaf_new(&second, &c, 5, 0, &e), &e);
	assert_string_equal(second.name, "c5");
	leaf_keep(&plain, &c);
	leaf_keep(&second, &c); /* one is enough */
	assert_true(leaf_remove(&second, &c));
	must(leaf_new(&second, &c, 6, 0, &e), &e);
	leaf_kill(&second);
	leaf_keep(&second, &c);
	assert_true(second.dir >= 0);
	assert_true(leaf_remove(&second, &c));
	assert_true(leaf_remove(&limited, &c));
	assert_true(cgroup_remove(&c));
	assert_false(fs_is_dir(dir));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	must(fs_remove_tree(root, &e), &e);
}

static _Atomic bool swept_enough;

static void *sweep_on(void *host)
{
	while (!swept_enough)
		cgroup_sweep(host);
	return NULL;
}

/* Another muster that starts at the same moment looks for what dead owners left. */
static void cgroups_are_made_beside_a_sweep(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct cgroup_host h;
	struct cgroup c;
	struct sandbox_limits l;
	pthread_t sweeper;
	char root[] = "/tmp/muster-cgroup-XXXXXX", dir[CGROUP_PATH];
	assert_non_null(mkdtemp(root));
	cgroup_discover(&h, root);
	sandbox_limits_default(&l);
	assert_int_equal(pthread_create(&sweeper, NULL, sweep_on, &h), 0);
	for (int i = 0; i < 2000; i++) {
		must(cgroup_new(&c, &h, &l, 0, &e), &e);
		cgroup_path(&c, CGROUP_UNIFIED, dir);
		assert_true(fs_is_dir(dir));
		assert_true(cgroup_remove(&c));
	}
	swept_enough = true;
	assert_int_equal(pthread_join(sweeper, NULL), 0);
	must(fs_remove_tree(root, &e), &e);
}

static void cgroup_faults(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct cgroup_host h;
	struct cgroup c;
	struct sandbox_limits l;
	char root[] = "/tmp/muster-cgroup-XXXXXX";
	assert_non_null(mkdtemp(root));
	cgroup_discover(&h, root);
	sandbox_limits_default(&l);
	fault_arm(FAULT_IO, UINT64_MAX, false);
	must(cgroup_new(&c, &h, &l, 0, &e), &e);
	uint64_t calls = fault_seen();
	fault_disarm();
	assert_true(cgroup_remove(&c));
	assert_true(calls > 5);
	int failed = 0;
	for (uint64_t i = 1; i <= calls; i++) {
		fault_arm(FAULT_IO, i, false);
		int rc = cgroup_new(&c, &h, &l, 0, &e);
		fault_disarm();
		failed += rc != 0;
		if (rc == 0)
			assert_true(cgroup_remove(&c));
	}
	assert_true(failed > 5);
	/* Nothing is left of those that failed. */
	cleanup_free char *control = fs_join(root, "cgroup.subtree_control");
	must(fs_unlink(control, &e), &e);
	assert_int_equal(rmdir(root), 0);
}

static void filter_is_made_once(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct stat st;
	fault_arm(FAULT_IO, 1, false);
	assert_int_equal(filter_fd(&e), -1);
	fault_disarm();
	int fd = filter_fd(&e);
	assert_true(fd >= 0);
	assert_int_equal(filter_fd(&e), fd);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size > 100 * 8 && st.st_size % 8 == 0);
	assert_int_equal(ftruncate(fd, 0), -1); /* sealed */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_as_text),
		cmocka_unit_test(plan_with_everything),
		cmocka_unit_test(plan_refuses),
		cmocka_unit_test(where_git_goes),
		cmocka_unit_test(placeholders),
		cmocka_unit_test(cgroup2_on_a_fake_tree),
		cmocka_unit_test(row43_limits_at_v2),
		cmocka_unit_test(row43_limits_at_v2_of_a_user),
		cmocka_unit_test(a_leaf_serves_again),
		cmocka_unit_test(cgroups_are_made_beside_a_sweep),
		cmocka_unit_test(cgroup_faults),
		cmocka_unit_test(filter_is_made_once),
	};
	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
