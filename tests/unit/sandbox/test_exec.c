/* Commands in a sandbox: output, status, limits of time, background jobs, input, back-pressure. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "box.h"
#include "sandbox/internal.h"

static void output_and_status(void **state)
{
	struct box *b = *state;
	box_expect(b, "echo hello; echo there >&2", 0, "hello\nthere\n");
	box_expect(b, "exit 7", 7, "");
	box_expect(b, "pwd; id -u; echo $HOME", 0, "/work\n1000\n/home/muster\n");
	assert_int_equal(sandbox_state(b->sandbox), SANDBOX_RUNNING);
}

static void death_by_signal(void **state)
{
	struct result r = {0};
	box_run(*state, &r, "kill -TERM $$");
	assert_int_equal(r.x.status, -1);
	assert_int_equal(r.x.signal, SIGTERM);
	result_release(&r);
}

static void arguments_folder_and_variables(void **state)
{
	struct box *b = *state;
	box_expect(b, "mkdir -p a/b", 0, "");
	const char *argv[] = {"sh", "-c", "pwd; echo \"$X|$1|$LANG\"", "name", "one two  '\"", NULL};
	const char *env[] = {"X=a b", "LANG=C", NULL};
	struct result r = {.x = {.argv = argv, .env = env, .cwd = "a/b"}};
	box_run(b, &r, NULL);
	assert_string_equal(r.out.data, "/work/a/b\na b|one two  '\"|C\n");
	result_release(&r);
}

static void input(void **state)
{
	struct result r = {.x = {.input = span_of("some\ninput\n")}};
	box_run(*state, &r, "cat; echo end");
	assert_string_equal(r.out.data, "some\ninput\nend\n");
	r.x.input = SPAN_NONE;
	box_run(*state, &r, "cat; echo end");
	assert_string_equal(r.out.data, "end\n");
	result_release(&r);
}

static void program_that_is_not_there(void **state)
{
	const char *argv[] = {"no-such-program", NULL};
	struct result r = {.x = {.argv = argv}};
	box_start(*state, &r, NULL);
	box_wait(*state, &r);
	assert_int_equal(r.why.code, ERR_SPAWN);
	assert_non_null(strstr(r.why.text, "No such file"));
	r.x.cwd = "missing";
	box_start(*state, &r, "true");
	box_wait(*state, &r);
	assert_int_equal(r.why.code, ERR_SPAWN);
	assert_non_null(strstr(r.why.text, "folder"));
	result_release(&r);
}

static void time_out(void **state)
{
	struct box *b = *state;
	struct result r = {.x = {.timeout_ms = 200}};
	int64_t start = now_us();
	box_start(b, &r, "echo before; sleep 60");
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_TIMEOUT);
	assert_string_equal(r.out.data, "before\n");
	assert_true(now_us() - start < 30000000); /* of 60 s */
	/* One that ignores the first, polite signal, with a child that does too. */
	box_start(b, &r, "trap '' TERM; (trap '' TERM; sleep 60) & while :; do sleep 1; done");
	start = now_us();
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_TIMEOUT);
	assert_true(now_us() - start < 30000000);
	box_expect(b, "ps -e -o comm= 2>/dev/null | grep -c sleep; true", 0, "0\n");
	result_release(&r);
}

/* A caller that is told to stop in the middle, and wants to see no more of it. */
static bool no_more(struct sandbox_exec *x, struct span bytes)
{
	result_output(x, bytes);
	sandbox_exec_cancel(x);
	return false;
}

static void cancel(void **state)
{
	struct box *b = *state;
	struct result r = {0};
	box_start(b, &r, "sleep 60");
	sandbox_exec_cancel(&r.x); /* before it was sent */
	assert_int_equal(r.done, 0);
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_CANCELLED);
	box_start(b, &r, "trap '' TERM; echo up; sleep 60");
	while (r.total == 0 && !r.done)
		loop_turn(b->loop, 100);
	sandbox_exec_cancel(&r.x);
	sandbox_exec_cancel(&r.x);
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_CANCELLED);
	r.x.on_output = no_more;
	box_start(b, &r, "yes");
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_CANCELLED);
	result_release(&r);
}

static void leftovers_are_ended(void **state)
{
	struct box *b = *state;
	box_expect(b, "sleep 61 & setsid sleep 61 & (setsid sh -c 'sleep 61 & sleep 61' &) ; sleep 0.2; exit 3", 3, "");
	box_expect(b, "cat /proc/[0-9]*/comm | grep -c '^sleep'; true", 0, "0\n");
}

static void many_at_once(void **state)
{
	struct box *b = *state;
	enum { N = 200 };
	static struct result r[N];
	int left = N, next = 0, running = 0;
	memset(r, 0, sizeof(r));
	while (left > 0) {
		while (next < N && running < 40) {
			static char line[N][64];
			snprintf(line[next], sizeof(line[next]), "echo %d; exit %d", next, next % 100);
			box_start(b, &r[next], line[next]);
			next++;
			running++;
		}
		loop_turn(b->loop, 100);
		running = 0;
		left = N - next;
		for (int i = 0; i < next; i++)
			running += !r[i].done;
		left += running;
	}
	for (int i = 0; i < N; i++) {
		char want[16];
		snprintf(want, sizeof(want), "%d\n", i);
		assert_int_equal(r[i].why.code, ERR_OK);
		assert_int_equal(r[i].x.status, i % 100);
		assert_string_equal(r[i].out.data, want);
		result_release(&r[i]);
	}
}

static void background_jobs(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct result r = {.x = {.background = true}};
	box_run(b, &r, "echo started; seq 1 20000; echo last; sleep 100");
	uint32_t job = r.x.job;
	assert_int_not_equal(job, 0);
	box_turn(b, 300);
	box_expect(b, "cat /proc/[0-9]*/comm | grep -c '^sleep'", 0, "1\n");
	struct buf out = BUF_INIT(MIB);
	must(sandbox_job_output(b->sandbox, job, &out, &e), &e);
	assert_int_equal(out.len, CAP_SANDBOX_JOB_OUTPUT);
	assert_true(span_ends(buf_span(&out), "\n20000\nlast\n"));
	json_t *jobs = sandbox_jobs(b->sandbox, &e);
	assert_int_equal(json_array_size(jobs), 1);
	assert_true(json_bool(json_array_get(jobs, 0), "running", false));
	json_decref(jobs);
	must(sandbox_job_kill(b->sandbox, job, &e), &e);
	box_turn(b, 200);
	jobs = sandbox_jobs(b->sandbox, &e);
	assert_false(json_bool(json_array_get(jobs, 0), "running", true));
	assert_int_equal(json_int(json_array_get(jobs, 0), "signal", 0), SIGKILL);
	json_decref(jobs);
	box_expect(b, "cat /proc/[0-9]*/comm | grep -c '^sleep'; true", 0, "0\n");
	assert_int_equal(sandbox_job_kill(b->sandbox, 99999, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	const char *argv[] = {"no-such-program", NULL};
	r.x.argv = argv;
	box_start(b, &r, NULL);
	box_wait(b, &r);
	assert_int_equal(r.why.code, ERR_SPAWN);
	buf_release(&out);
	result_release(&r);
}

struct slow {
	struct result r;
	struct timer timer;
	size_t most;
	int pauses;
};

static void on_again(struct timer *t)
{
	sandbox_exec_resume(&container_of(t, struct slow, timer)->r.x);
}

static bool slow_output(struct sandbox_exec *x, struct span bytes)
{
	struct slow *s = container_of(x, struct slow, r.x);
	struct err e = ERR_INIT;
	s->r.total += bytes.n;
	if (mem_in_use() > s->most)
		s->most = mem_in_use();
	if (s->r.total / (4 * MIB) == (s->r.total - bytes.n) / (4 * MIB))
		return true;
	s->pauses++;
	must(timer_start(&s->timer, 2, &e), &e);
	return false;
}

static void much_output_in_little_memory(void **state)
{
	struct box *b = *state;
	struct slow s = {.r = {.x = {.on_output = slow_output}}};
	timer_init(&s.timer, b->loop, on_again);
	box_expect(b, "true", 0, "");
	size_t before = mem_in_use();
	box_run(b, &s.r, "head -c 200000000 /dev/zero");
	assert_int_equal(s.r.total, 200000000);
	assert_true(s.pauses > 40);
	assert_true(s.most < before + MIB);
	result_release(&s.r);
}

struct dial_result {
	struct sandbox_dial dial;
	int fd, done;
	struct err why;
};

static void dial_done(struct sandbox_dial *dial, int fd, const struct err *why)
{
	struct dial_result *d = container_of(dial, struct dial_result, dial);
	d->fd = fd;
	d->why = *why;
	d->done++;
}

static void dial_wait(struct box *b, struct dial_result *d)
{
	int64_t end = now_us() + 10000000;
	while (!d->done && now_us() < end)
		loop_turn(b->loop, 100);
	assert_int_equal(d->done, 1);
	d->done = 0;
}

static void start_refuses(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	const char *env[] = {"NOEQUALS", NULL};
	struct sandbox_exec x = {.line = "true", .on_done = result_done, .cwd = "a/../../b"};
	assert_int_equal(sandbox_exec_start(&x, b->sandbox, &e), -1);
	assert_int_equal(e.code, ERR_OUTSIDE);
	x.cwd = "/etc";
	assert_int_equal(sandbox_exec_start(&x, b->sandbox, &e), -1);
	assert_int_equal(e.code, ERR_OUTSIDE);
	x.cwd = NULL;
	x.env = env;
	assert_int_equal(sandbox_exec_start(&x, b->sandbox, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	x.env = NULL;
	x.line = NULL;
	assert_int_equal(sandbox_exec_start(&x, b->sandbox, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

static void statistics(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct sandbox_stats st;
	struct result r = {.x = {.background = true}};
	box_run(b, &r, "head -c 3000000 /dev/zero > file; sleep 60");
	box_turn(b, 1500);
	must(sandbox_stats(b->sandbox, &st, &e), &e);
	assert_true(st.processes >= 1);
	assert_true(st.disk >= 3000000 && st.disk < 4000000);
	if (sandbox_probe(&e)->level > SANDBOX_RLIMITS)
		assert_true(st.memory > 0 && st.memory_peak >= st.memory);
	must(sandbox_job_kill(b->sandbox, r.x.job, &e), &e);
	box_expect(b, "rm file", 0, "");
	result_release(&r);
}

static void memory_of_one_command(void **state)
{
	struct box *b = *state;
	struct result r = {.x = {.memory = 30 * MIB}};
	char line[300];
	snprintf(line, sizeof(line), "%s memory_bomb 100", attack_path());
	box_run(b, &r, line);
	assert_true(r.x.status != 0);
	r.x.memory = 0;
	snprintf(line, sizeof(line), "%s memory_bomb 100 | grep took", attack_path());
	box_run(b, &r, line);
	assert_int_equal(r.x.status, 0);
	result_release(&r);
}

static void port_inside(void **state)
{
	struct box *b = *state;
	struct dial_result d = {.fd = -1};
	struct err e = ERR_INIT;
	must(sandbox_dial_start(&d.dial, b->sandbox, 8099, dial_done, &e), &e);
	dial_wait(b, &d);
	assert_int_equal(d.why.code, ERR_NETWORK);
	struct result r = {.x = {.background = true}};
	char line[300];
	snprintf(line, sizeof(line), "%s serve 8099", attack_path());
	box_run(b, &r, line);
	box_turn(b, 200);
	must(sandbox_dial_start(&d.dial, b->sandbox, 8099, dial_done, &e), &e);
	dial_wait(b, &d);
	assert_int_equal(d.why.code, ERR_OK);
	struct pollfd p = {.fd = d.fd, .events = POLLIN};
	char text[16] = "";
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(d.fd, text, sizeof(text) - 1), 6);
	assert_string_equal(text, "served");
	close(d.fd);
	must(sandbox_job_kill(b->sandbox, r.x.job, &e), &e);
	result_release(&r);
}

/* An image instead of the host's /usr, a home on disk, a git directory: each where it should be, as it should be. */
static void image_home_and_git(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct sandbox_spec before = b->spec;
	char root[] = "/tmp/muster-image-XXXXXX", path[300];
	static const char *const dirs[] = {"image/bin", "image/etc", "home", "git"};
	box_close(b);
	assert_non_null(mkdtemp(root));
	assert_int_equal(chmod(root, 0755), 0);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, dirs[i]);
		must(fs_mkdirs(path, 0755, &e), &e);
	}
	struct buf program = BUF_INIT(16 * MIB);
	must(fs_read(attack_path(), &program, &e), &e);
	snprintf(path, sizeof(path), "%s/image/bin/tool", root);
	must(fs_replace(path, buf_span(&program), 0755, &e), &e);
	buf_release(&program);
	cleanup_free char *image = fs_join(root, "image"), *home = fs_join(root, "home"), *git = fs_join(root, "git");
	must(fs_replace(strcat(strcpy(path, git), "/HEAD"), span_of("ref: x\n"), 0644, &e), &e);
	if (b->spec.uid)
		must(sandbox_own(home, b->spec.uid, &e), &e);
	b->spec.image = image;
	b->spec.home = home;
	b->spec.git_dir = git;
	box_open(b);
	const char *const tries[][4] = {{"tool", "descriptors", NULL}, {"/bin/tool", "exists", "/work/.git/HEAD", NULL},
		{"tool", "writable", "/home/muster", NULL}, {"tool", "writable", "/work", NULL},
		{"tool", "readonly", "/work/.git", NULL}, {"tool", "readonly", "/bin", NULL},
		{"tool", "readonly", "/etc", NULL}};
	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++) {
		struct result r = {.x = {.argv = tries[i]}};
		box_run(b, &r, NULL);
		if (r.x.status != 0)
			fail_msg(
				"%s %s: %s", tries[i][1], tries[i][2] ? tries[i][2] : "", r.out.data ? r.out.data : "");
		result_release(&r);
	}
	box_close(b);
	b->spec = before;
	must(fs_remove_tree(root, &e), &e);
	snprintf(path, sizeof(path), "%s/.git", b->copy);
	rmdir(path);
	box_open(b);
}

/* What a kernel without Landlock or an ordinary user without cgroups gets: weaker, but commands are still ended whole.
 */
static void weaker_hosts(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	static const struct cgroup_host no_cgroups;
	static const int versions[] = {7, 3, 0};
	box_close(b);
	for (size_t i = 0; i < 3; i++) {
		struct sandbox_host host = *sandbox_probe(&e);
		host.landlock = versions[i] < host.landlock ? versions[i] : host.landlock;
		host.level = SANDBOX_RLIMITS;
		b->sandbox = sandbox_new_on(b->loop, &b->spec, &host, &no_cgroups, &e);
		assert_non_null(b->sandbox);
		box_expect(b, "mkdir p q; echo x > p/f; mv p/f q/f; cat q/f; rm -r p q", 0, "x\n");
		box_expect(b, "sleep 61 & setsid sleep 61 & (setsid sh -c 'sleep 61 & sleep 61' &) ; sleep 0.2; exit 3",
			3, "");
		box_expect(b, "cat /proc/[0-9]*/comm | grep -c '^sleep'; true", 0, "0\n");
		struct result r = {.x = {.timeout_ms = 300}}, other = {0};
		char line[300];
		box_start(b, &other, "sleep 5; echo unharmed");
		box_turn(b, 300); /* processes are limited for all together: it has its own by now */
		snprintf(line, sizeof(line), "%s fork_bomb", attack_path());
		box_start(b, &r, line);
		box_wait(b, &r);
		assert_int_equal(r.why.code, ERR_TIMEOUT);
		box_wait(b, &other);
		assert_string_equal(other.out.data, "unharmed\n");
		box_expect(b, "cat /proc/[0-9]*/comm | grep -c '^attack'; true", 0, "0\n");
		/* A command that kills what keeps it: fails, or ends the sandbox; never gets away. */
		r.x.timeout_ms = 0;
		box_start(b, &r, "setsid sleep 300 & kill -9 $PPID; echo survived");
		box_wait(b, &r);
		if (host.landlock >= 6)
			assert_non_null(strstr(r.out.data, "survived"));
		else
			assert_true(r.why.code == ERR_SANDBOX || r.why.code == ERR_OK);
		box_expect(b, "cat /proc/[0-9]*/comm | grep -c '^sleep'; true", 0, "0\n");
		must(sandbox_sleep(b->sandbox, &e), &e);
		must(sandbox_wake(b->sandbox, &e), &e);
		box_expect(b, "echo awake", 0, "awake\n");
		result_release(&r);
		result_release(&other);
		box_close(b);
	}
	box_open(b);
}

static void report(void **state)
{
	struct err e = ERR_INIT;
	(void)state;
	const struct sandbox_host *h = sandbox_probe(&e);
	json_t *list = sandbox_report(&e);
	assert_non_null(list);
	cleanup_free char *text = json_text(list);
	print_message("level %d: %s\n", (int)h->level, text);
	assert_true(json_array_size(list) >= 6);
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *row = json_array_get(list, i);
		assert_non_null(json_str(row, "name"));
		assert_non_null(json_str(row, "detail"));
		if (strcmp(json_str(row, "name"), "sandbox") == 0)
			assert_true(json_bool(row, "ok", false));
	}
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_and_status),
		cmocka_unit_test(death_by_signal),
		cmocka_unit_test(arguments_folder_and_variables),
		cmocka_unit_test(input),
		cmocka_unit_test(program_that_is_not_there),
		cmocka_unit_test(time_out),
		cmocka_unit_test(cancel),
		cmocka_unit_test(leftovers_are_ended),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(background_jobs),
		cmocka_unit_test(much_output_in_little_memory),
		cmocka_unit_test(start_refuses),
		cmocka_unit_test(statistics),
		cmocka_unit_test(memory_of_one_command),
		cmocka_unit_test(port_inside),
		cmocka_unit_test(image_home_and_git),
		cmocka_unit_test(weaker_hosts),
		cmocka_unit_test(report),
	};
	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, box_setup, box_teardown);
}
