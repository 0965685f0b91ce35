/* The attacks of the security page that concern sandboxes (rows 35-46 and 54), each run inside for real, at every level
 * of limits that can be had and as root and as an ordinary user (level.h). Rows 55 to 57 and what a run leaves are in
 * tests/cli/47_attacks.sh. Above 600 lines because the rows of one page stand together. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "box.h"
#include "level.h"
#include "sandbox/internal.h"

static int setup(void **state)
{
	setenv("CANARY", "sk-canary-0123456789", 1);
	return box_setup(state);
}

static void attack(struct box *b, const char *name, const char *arg)
{
	char line[512];
	snprintf(line, sizeof(line), "%s %s %s", attack_path(), name, arg);
	box_expect(b, line, 0, "");
}

static void row35_network(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "muster-test-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)),
		0);
	assert_int_equal(listen(fd, 1), 0);
	attack(*state, "network", a.sun_path + 1);
	close(fd);
	/* Nothing but the loopback device, and no packet through it. */
	box_expect(
		*state, "grep -c : /proc/net/dev; awk '/:/ {n += $3 + $11} END {print n}' /proc/net/dev", 0, "1\n0\n");
	box_expect(*state, "getent hosts example.com", 2, "");
}

static void row36_secrets(void **state)
{
	struct box *b = *state;
	char secret[] = "/tmp/muster-secret-XXXXXX";
	int fd = mkstemp(secret);
	assert_true(fd >= 0 && fchmod(fd, 0644) == 0);
	close(fd);
	attack(b, "files", secret);
	unlink(secret);
	box_expect(b, "env | cut -d= -f1 | sort | tr '\\n' ' '", 0,
		"GIT_TERMINAL_PROMPT HOME LANG LOGNAME PATH PWD SHELL TERM TMPDIR USER ");
	box_expect(b, "ls -a /home /home/muster", 0, "/home:\n.\n..\nmuster\n\n/home/muster:\n.\n..\n");
	box_expect(b, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c CANARY; true", 0, "0\n");
}

static void row37_other_processes(void **state)
{
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	attack(*state, "processes", pid);
	box_expect(*state, "ls -d /proc/[0-9]* | wc -l", 0, NULL);
}

static void row38_descriptors(void **state)
{
	attack(*state, "descriptors", "");
}

static bool term_says(struct box *b, const char *line, const char *want);

static void row39_terminal_injection(void **state)
{
	char line[300];
	attack(*state, "terminal", "");
	snprintf(line, sizeof(line), "%s terminal && echo de''nied", attack_path());
	assert_true(term_says(*state, line, "denied"));
}

static void row40_system_calls(void **state)
{
	struct result r = {0};
	char line[300];
	attack(*state, "calls", "");
	static const char *const foreign[] = {"foreign32", "foreign_x32"};
	for (size_t i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), "exec %s %s", attack_path(), foreign[i]);
		box_run(*state, &r, line);
		assert_int_equal(r.x.signal, SIGSYS);
	}
	result_release(&r);
}

static void row41_status(void **state)
{
	box_expect(*state,
		"grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'",
		0,
		"CapInh:0000000000000000\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\n"
		"CapAmb:0000000000000000\nNoNewPrivs:1\nSeccomp:2\n");
}

static void row42_kernel_files(void **state)
{
	attack(*state, "kernel", "");
}

/* Everything of the sandbox but bubblewrap and init is gone: in two seconds, or in more where the machine is busy. */
static void gone(struct box *b, int before)
{
	int64_t end = now_us() + 20000000;
	while (box_processes(b) > before && now_us() < end)
		box_turn(b, 10);
	assert_in_range(box_processes(b), 0, before);
}

static void bomb(struct box *b, struct result *r, const char *name, const char *arg)
{
	char line[300];
	snprintf(line, sizeof(line), "%s %s %s", attack_path(), name, arg);
	box_start(b, r, line);
	box_wait(b, r);
	if (r->why.code != ERR_OK)
		print_message("%s: %s\n", name, r->why.text);
}

static void row43_fork_bomb(void **state)
{
	struct box *b = *state;
	struct result r = {.x = {.timeout_ms = 300}};
	box_expect(b, "true", 0, "");
	int before = box_processes(b);
	bomb(b, &r, "fork_bomb", "");
	assert_int_equal(r.why.code, ERR_TIMEOUT);
	gone(b, before);
	bomb(b, &r, "count_forks", "");
	assert_int_equal(r.why.code, ERR_OK);
	int forks = atoi(r.out.data);
	assert_true(forks > 200 && forks <= b->spec.limits.processes);
	gone(b, before);
	box_expect(b, "echo alive", 0, "alive\n");
	result_release(&r);
}

static void row43_memory_bomb(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct result r = {.x = {.timeout_ms = 30000}};
	box_expect(b, "true", 0, "");
	int before = box_processes(b);
	bomb(b, &r, "memory_bomb", "2000");
	assert_int_equal(r.why.code, ERR_OK);
	if (sandbox_probe(&e)->level > SANDBOX_RLIMITS)
		assert_true(r.x.out_of_memory);
	else
		assert_int_equal(r.x.status, 3); /* its own limit: the allocation fails */
	assert_true(r.out.len == 0 || !strstr(r.out.data, "took"));
	gone(b, before);
	box_expect(b, "echo alive", 0, "alive\n");
	result_release(&r);
}

/* What `muster doctor` says of this name. */
static bool told(const char *name, bool ok, const char *text)
{
	struct err e = ERR_INIT;
	json_t *list = sandbox_report(&e), *row;
	bool found = false;
	size_t i;
	assert_non_null(list);
	json_array_foreach(list, i, row)
	{
		if (strcmp(json_str(row, "name"), name) != 0)
			continue;
		found = json_bool(row, "ok", !ok) == ok && strstr(json_str(row, "detail"), text);
		if (!found)
			print_message("%s: %s\n", name, json_str(row, "detail"));
	}
	json_decref(list);
	return found;
}

static void with_memory(struct box *b, uint64_t bytes)
{
	box_close(b);
	b->spec.limits.memory = bytes;
	box_open(b);
}

static void row43_memory_bomb_of_many(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct result r = {.x = {.timeout_ms = 30000}};
	char line[400];
	if (sandbox_probe(&e)->level == SANDBOX_RLIMITS) {
		/* That is what makes this level the weak one, and what `muster doctor` says of it. */
		assert_true(told("limits", false, "of memory, what each process has for itself is limited"));
		with_memory(b, 64 * MIB);
		snprintf(line, sizeof(line), "for i in 1 2 3; do %s memory_bomb 40; done", attack_path());
		box_run(b, &r, line);
		assert_string_equal(r.out.data, "took 40 MiB\ntook 40 MiB\ntook 40 MiB\n");
		with_memory(b, 512 * MIB);
	} else {
		snprintf(line, sizeof(line), "for i in 1 2 3 4 5 6 7 8; do %s held_bomb 200 & done; wait",
			attack_path());
		box_run(b, &r, line);
		assert_true(r.x.out_of_memory);
	}
	box_expect(b, "echo alive", 0, "alive\n");
	result_release(&r);
}

/* Memory that a process shares is nobody's data: only a cgroup counts it. */
static void row43_shared_memory_bomb(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct result r = {.x = {.timeout_ms = 30000}};
	bool counted = sandbox_probe(&e)->level > SANDBOX_RLIMITS;
	with_memory(b, 64 * MIB);
	bomb(b, &r, "shared_bomb", "100");
	assert_int_equal(r.why.code, ERR_OK);
	assert_int_equal(r.x.out_of_memory, counted);
	if (!counted)
		assert_true(told("limits", false, "not what it shares"));
	with_memory(b, 512 * MIB);
	box_expect(b, "echo alive", 0, "alive\n");
	result_release(&r);
}

static void row43_disk_bomb(void **state)
{
	struct box *b = *state;
	struct result r = {.x = {.timeout_ms = 120000}};
	box_close(b);
	b->spec.limits.disk = 100 * MIB;
	b->spec.limits.file_size = 20 * MIB;
	box_open(b);
	bomb(b, &r, "disk_bomb", "6000"); /* 6 GB at up to 500 MB/s */
	assert_int_equal(r.why.code, ERR_DISK_FULL);
	box_expect(b, "rm -f bomb*; ls | wc -l", 0, "0\n");
	box_turn(b, 1500);
	box_run(b, &r, "sleep 0.1");
	char line[300];
	snprintf(line, sizeof(line), "%s big_file big; rm big", attack_path());
	box_expect(b, line, 0, "20 File too large\n");
	snprintf(line, sizeof(line), "%s big_file /tmp/big; rm /tmp/big", attack_path());
	r.x.timeout_ms = 0;
	box_run(b, &r, line);
	assert_true(atoi(r.out.data) <= 64);
	snprintf(line, sizeof(line), "%s big_file /dev/shm/big; rm /dev/shm/big", attack_path());
	box_run(b, &r, line);
	assert_true(atoi(r.out.data) <= 64);
	result_release(&r);
	box_close(b);
	sandbox_limits_default(&b->spec.limits);
	b->spec.limits.cpus = 2;
	box_open(b);
}

static void row43_inode_bomb(void **state)
{
	struct box *b = *state;
	struct result r = {.x = {.timeout_ms = 20000}};
	box_expect(b, "true", 0, "");
	int before = box_processes(b);
	bomb(b, &r, "inode_bomb", "/tmp");
	/* The RAM disk's own limit or time ends it; or the limit of memory, which what lies on a RAM disk counts for:
	 * it cannot be freed but by ending the sandbox. */
	assert_true(r.why.code == ERR_TIMEOUT || r.why.code == ERR_SANDBOX || r.x.out_of_memory || r.x.status == 3);
	if (r.why.code == ERR_SANDBOX)
		assert_non_null(strstr(r.why.text, "out of memory"));
	gone(b, before);
	result_release(&r);
	box_expect(b, "echo alive", 0, "alive\n");
}

/* What is watched is all that a command can fill and that stays: the home too, and entries that take no block. */
static void row43_bombs_elsewhere(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct result r = {.x = {.timeout_ms = 120000}};
	cleanup_free char *home = mem_printf("%s.home", b->copy);
	char line[300];
	box_close(b);
	must(fs_mkdirs(home, 0700, &e), &e);
	if (b->spec.uid)
		must(sandbox_own(home, b->spec.uid, &e), &e);
	b->spec.home = home;
	b->spec.limits.disk = 100 * MIB;
	box_open(b);
	snprintf(line, sizeof(line), "cd && %s disk_bomb 3000", attack_path());
	box_start(b, &r, line);
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_DISK_FULL);
	box_expect(b, "rm -f ~/bomb*; ls ~ | wc -l", 0, "0\n");
	box_turn(b, 1500);
	bomb(b, &r, "inode_bomb", "/work");
	assert_int_equal(r.why.code, ERR_DISK_FULL);
	box_expect(b, "find . -name 'i*' -delete; ls | wc -l", 0, "0\n");
	box_turn(b, 1500);
	snprintf(line, sizeof(line), /* below more folders than are looked into */
		"i=0; while [ $i -lt 300 ]; do mkdir d && cd d || exit 4; i=$((i + 1)); done; %s disk_bomb 3000",
		attack_path());
	box_start(b, &r, line);
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_DISK_FULL);
	assert_non_null(strstr(r.why.text, "nested"));
	box_expect(b, "rm -rf d; ls | wc -l", 0, "0\n");
	result_release(&r);
	box_close(b);
	must(fs_remove_tree(home, &e), &e);
	b->spec.home = NULL;
	sandbox_limits_default(&b->spec.limits);
	b->spec.limits.cpus = 2;
	box_open(b);
}

/* A limit that is watched sees what lies where it is hard to look. */
static void row43_bombs_out_of_sight(void **state)
{
	struct box *b = *state;
	struct result r = {.x = {.timeout_ms = 120000}};
	box_close(b);
	b->spec.limits.disk = 100 * MIB;
	box_open(b);
	bomb(b, &r, "hidden_bomb", "3000");
	assert_int_equal(r.why.code, ERR_DISK_FULL);
	box_expect(b, "chmod 700 hidden; rm -r hidden", 0, "");
	box_turn(b, 1500);
	bomb(b, &r, "deep_bomb", "3000");
	assert_int_equal(r.why.code, ERR_DISK_FULL);
	assert_non_null(strstr(r.why.text, "nested deeper"));
	box_expect(b, "rm -r d", 0, "");
	result_release(&r);
	box_close(b);
	sandbox_limits_default(&b->spec.limits);
	b->spec.limits.cpus = 2;
	box_open(b);
}

static void row43_output_bomb(void **state)
{
	struct box *b = *state;
	struct result r = {.keep = 1000, .x = {.timeout_ms = 500}};
	size_t before = mem_in_use();
	int processes;
	box_expect(b, "true", 0, "");
	processes = box_processes(b);
	box_start(b, &r, "yes & yes & yes");
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_TIMEOUT);
	assert_true(r.total > MIB);
	assert_true(mem_in_use() < before + MIB);
	gone(b, processes);
	result_release(&r);
}

/* This program again, which has not probed yet. */
static int probe_without_isolation(void)
{
	struct err e = ERR_INIT;
	struct loop *l = loop_new(&e);
	struct sandbox_spec spec = {.copy = "/tmp"};
	sandbox_limits_default(&spec.limits);
	struct sandbox *s = l ? sandbox_new(l, &spec, &e) : NULL;
	bool refused = !s && e.code == ERR_NO_SANDBOX && strstr(e.text, "To mend it: apt-get install");
	if (!refused)
		print_message("%s\n", s ? "a sandbox was made" : e.text);
	loop_free(l);
	return refused ? 0 : 1;
}

static void refused_without(const char *bwrap)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		setenv("MUSTER_BWRAP", bwrap, 1);
		execl("/proc/self/exe", "test_sandbox_attacks", "probe", NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void row44_no_isolation_no_run(void **state)
{
	struct err e = ERR_INIT;
	(void)state;
	char script[] = "/tmp/muster-bwrap-XXXXXX";
	int fd = mkstemp(script);
	const char text[] = "#!/bin/sh\necho 'bwrap: No permissions to create a new namespace' >&2\nexit 1\n";
	must(fs_write_fd(fd, span_of(text), &e), &e);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
	refused_without("/nonexistent/bwrap");
	refused_without(script);
	refused_without("/bin/true"); /* runs, isolates nothing, starts nothing */
	unlink(script);
}

/* A weak host is told as one, and takes only projects that somebody trusts. */
static void row44_weak_hosts_take_trusted_projects_only(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	static const char *const levels[] = {"", "rlimits only", "cgroup v1", "cgroup v2"};
	const struct sandbox_host *h = sandbox_probe(&e);
	bool strong = h->level > SANDBOX_RLIMITS;
	assert_int_equal(h->level, level_wanted(h->level));
	assert_true(told("limits", strong, levels[h->level]));
	assert_true(told("private uids", geteuid() == 0, geteuid() == 0 ? "a uid of their own" : "your own uid"));
	assert_true(told("ending commands", h->kill_cgroup || h->landlock >= 6,
		h->kill_cgroup	   ? "cgroup"
		: h->landlock >= 6 ? "Landlock"
				   : "tree of processes"));
	struct sandbox_spec spec = b->spec;
	spec.untrusted = true;
	struct sandbox *s = sandbox_new(b->loop, &spec, &e);
	assert_int_equal(s != NULL, strong);
	if (s)
		sandbox_free(s, NULL, NULL);
	else
		assert_true(e.code == ERR_NO_SANDBOX && strstr(e.text, "To mend it: trust the project"));
}

static void row45_the_model_cannot_widen(void **state)
{
	struct box *b = *state;
	struct result r = {.x = {.cwd = "out"}};
	box_expect(b, "ln -s /etc out; ln -s / root; ln -s .. up", 0, "");
	static const char *const folders[] = {"out", "root/etc", "up"};
	for (size_t i = 0; i < 3; i++) {
		r.x.cwd = folders[i];
		box_start(b, &r, "pwd");
		box_wait(b, &r);
		assert_int_equal(r.why.code, ERR_SPAWN);
	}
	const char *env[] = {"LD_PRELOAD=/work/x.so", "PATH=/work", "HOME=/", NULL};
	r.x = (struct sandbox_exec){.env = env};
	box_run(b, &r, "echo $HOME; /bin/grep CapEff /proc/self/status");
	assert_non_null(strstr(r.out.data, "CapEff:\t0000000000000000"));
	result_release(&r);
	box_expect(b, "rm out root up", 0, "");
}

static void row45_protected_names(void **state)
{
	struct box *b = *state;
	static const char *const protect[] = {".git", "muster.yaml", "sub/dir/.env", "there", NULL};
	box_close(b);
	b->spec.protect = protect;
	struct result r = {0};
	box_open(b);
	box_expect(b, "true", 0, "");
	box_close(b);
	assert_int_equal(access("x", F_OK), -1);
	char path[128];
	snprintf(path, sizeof(path), "%s/.git", b->copy);
	assert_int_equal(access(path, F_OK), -1); /* the placeholders went with it */
	snprintf(path, sizeof(path), "%s/there", b->copy);
	int fd = open(path, O_CREAT | O_WRONLY, 0666);
	assert_true(fd >= 0 && fchown(fd, b->spec.uid ? b->spec.uid : geteuid(), (gid_t)-1) == 0);
	close(fd);
	box_open(b);
	static const char *const tries[] = {"mkdir -p .git/hooks", "echo x > .git/config", "echo x > muster.yaml",
		"rmdir muster.yaml", "mv muster.yaml y", "mv sub other", "mv sub/dir sub/other",
		"echo x > sub/dir/.env/x", "rm -rf sub", "echo x > there", "rm -f there", "mv there gone",
		"ln -sf /etc there", "chmod 777 .git"};
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		box_run(b, &r, tries[i]);
		if (r.x.status == 0)
			fail_msg("%s: succeeded", tries[i]);
	}
	box_expect(b, "echo x > sub/dir/y && cat sub/dir/y && mkdir z && rmdir z", 0, "x\n");
	box_close(b);
	snprintf(path, sizeof(path), "%s/link", b->copy);
	assert_int_equal(symlink("/etc", path), 0);
	static const char *const linked[] = {"link", NULL};
	b->spec.protect = linked;
	box_open(b);
	box_start(b, &r, "true");
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_DENIED);
	box_close(b);
	unlink(path);
	b->spec.protect = NULL;
	box_open(b);
	result_release(&r);
}

static void owner_until_killed(struct box *b, int ready)
{
	struct result r = {.x = {.background = true}};
	b->loop = NULL;
	struct err e = ERR_INIT;
	b->loop = loop_new(&e);
	b->sandbox = NULL;
	box_open(b);
	box_run(b, &r, "trap '' TERM HUP; setsid sleep 300 & sleep 300");
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		loop_turn(b->loop, 1000);
}

static void row46_owner_killed(void **state)
{
	struct box *b = *state;
	int ready[2];
	char byte;
	box_close(b);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	int before = box_processes(b);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		owner_until_killed(b, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	int64_t end = now_us() + 5000000;
	while (box_processes(b) <= before + 3 && now_us() < end)
		usleep(1000);
	assert_true(box_processes(b) > before + 3);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	gone(b, before);
	/* Its cgroups stay until the next start, which knows by their lock that nobody has them any more. */
	char left[CGROUP_PATH + 64];
	snprintf(left, sizeof(left), "%s/muster-%d-", sandbox_cgroups()->at[CGROUP_UNIFIED], (int)pid);
	cgroup_sweep(sandbox_cgroups());
	for (int i = 0; i < 100; i++) {
		char path[CGROUP_PATH + 80];
		snprintf(path, sizeof(path), "%s%d", left, i);
		assert_false(fs_is_dir(path));
	}
	box_open(b);
	box_expect(b, "echo next", 0, "next\n");
}

static void row54_forged_results(void **state)
{
	struct box *b = *state;
	struct result victim = {0};
	struct err e = ERR_INIT;
	(void)e;
	box_start(b, &victim, "sleep 1; echo honest; exit 5");
	box_turn(b, 200);
	attack(b, "processes", "999999");
	char line[300];
	/* Ends with kill(-1): of its own, only itself is left to die. */
	snprintf(line, sizeof(line), "exec %s neighbours", attack_path());
	struct result r = {0};
	box_run(b, &r, line);
	assert_string_equal(r.out.data ? r.out.data : "", "");
	box_expect(b, "kill -9 1; kill -9 -1; echo still here", 0, NULL);
	box_wait(b, &victim);
	assert_int_equal(victim.why.code, ERR_OK);
	assert_int_equal(victim.x.status, 5);
	assert_string_equal(victim.out.data, "honest\n");
	assert_int_equal(sandbox_state(b->sandbox), SANDBOX_RUNNING);
	result_release(&victim);
	result_release(&r);
}

struct screen {
	struct sandbox_term t;
	struct buf text;
	int done;
	struct err why;
};

static void screen_output(struct sandbox_term *t, struct span bytes)
{
	buf_addspan(&container_of(t, struct screen, t)->text, bytes);
}

static void screen_done(struct sandbox_term *t, const struct err *why)
{
	struct screen *s = container_of(t, struct screen, t);
	s->why = *why;
	s->done++;
}

static bool term_says(struct box *b, const char *line, const char *want)
{
	struct screen s = {.t = {.rows = 24, .cols = 80, .on_output = screen_output, .on_done = screen_done}};
	struct err e = ERR_INIT;
	buf_init(&s.text, MIB);
	must(sandbox_term_start(&s.t, b->sandbox, &e), &e);
	must(sandbox_term_write(&s.t, span_of(line), &e), &e);
	must(sandbox_term_write(&s.t, span_of("\nexit\n"), &e), &e);
	int64_t end = now_us() + 20000000;
	while (!s.done && now_us() < end)
		loop_turn(b->loop, 100);
	assert_int_equal(s.done, 1);
	bool said = span_find(buf_span(&s.text), span_of(want), 0) != (size_t)-1;
	if (!said)
		print_message("%s\n", s.text.data ? s.text.data : "nothing");
	buf_release(&s.text);
	return said;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "probe") == 0)
		return probe_without_isolation();
	level_enter(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row35_network),
		cmocka_unit_test(row36_secrets),
		cmocka_unit_test(row37_other_processes),
		cmocka_unit_test(row38_descriptors),
		cmocka_unit_test(row39_terminal_injection),
		cmocka_unit_test(row40_system_calls),
		cmocka_unit_test(row41_status),
		cmocka_unit_test(row42_kernel_files),
		cmocka_unit_test(row43_fork_bomb),
		cmocka_unit_test(row43_memory_bomb),
		cmocka_unit_test(row43_memory_bomb_of_many),
		cmocka_unit_test(row43_shared_memory_bomb),
		cmocka_unit_test(row43_disk_bomb),
		cmocka_unit_test(row43_inode_bomb),
		cmocka_unit_test(row43_bombs_elsewhere),
		cmocka_unit_test(row43_bombs_out_of_sight),
		cmocka_unit_test(row43_output_bomb),
		cmocka_unit_test(row44_no_isolation_no_run),
		cmocka_unit_test(row44_weak_hosts_take_trusted_projects_only),
		cmocka_unit_test(row45_the_model_cannot_widen),
		cmocka_unit_test(row45_protected_names),
		cmocka_unit_test(row46_owner_killed),
		cmocka_unit_test(row54_forged_results),
	};
	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, setup, box_teardown);
}
