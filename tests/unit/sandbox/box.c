#include "box.h"

#include <dirent.h>
#include <fcntl.h>
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
#include "sandbox/attack_image.h"

/* The processes of a uid are counted: each test program has one of its own, however many run at once. */
enum { FIRST_UID = 100000, WAIT_US = 150000000 };

int64_t now_us(void)
{
	return clock_mono(&clock_real);
}

static char attack_dir[32], attack_file[48];

const char *attack_path(void)
{
	return attack_file;
}

static void make_attack(void)
{
	struct err e = ERR_INIT;
	snprintf(attack_dir, sizeof(attack_dir), "/tmp/muster-attack-XXXXXX");
	assert_non_null(mkdtemp(attack_dir));
	assert_int_equal(chmod(attack_dir, 0755), 0);
	snprintf(attack_file, sizeof(attack_file), "%s/attack", attack_dir);
	must(fs_replace(attack_file, span_n((const char *)attack_image, attack_image_size), 0755, &e), &e);
	assert_int_equal(chmod(attack_file, 0755), 0);
}

uid_t box_uid(void)
{
	return FIRST_UID + (uid_t)getpid();
}

void box_init(struct box *b)
{
	struct err e = ERR_INIT;
	static const char *read_only[2];
	*b = (struct box){.loop = loop_new(&e)};
	assert_non_null(b->loop);
	snprintf(b->copy, sizeof(b->copy), "/tmp/muster-test-XXXXXX");
	assert_non_null(mkdtemp(b->copy));
	b->spec = (struct sandbox_spec){.copy = b->copy};
	if (geteuid() == 0) {
		b->spec.uid = box_uid();
		must(sandbox_own(b->copy, b->spec.uid, &e), &e);
	}
	make_attack();
	read_only[0] = attack_path();
	b->spec.read_only = read_only;
	sandbox_limits_default(&b->spec.limits);
	b->spec.limits.cpus = 2;
}

void box_open(struct box *b)
{
	struct err e = ERR_INIT;
	b->sandbox = sandbox_new(b->loop, &b->spec, &e);
	if (!b->sandbox)
		fail_msg("sandbox_new: %s", e.text);
}

static void on_freed(void *ctx)
{
	((struct box *)ctx)->freed++;
}

void box_close(struct box *b)
{
	int64_t end = now_us() + WAIT_US;
	if (!b->sandbox)
		return;
	b->freed = 0;
	sandbox_free(b->sandbox, on_freed, b);
	b->sandbox = NULL;
	while (!b->freed && now_us() < end)
		loop_turn(b->loop, 100);
	assert_int_equal(b->freed, 1);
}

void box_release(struct box *b)
{
	struct err e = ERR_INIT;
	box_close(b);
	must(fs_remove_tree(b->copy, &e), &e);
	must(fs_remove_tree(attack_dir, &e), &e);
	loop_free(b->loop);
}

void result_release(struct result *r)
{
	buf_release(&r->out);
}

bool result_output(struct sandbox_exec *x, struct span bytes)
{
	struct result *r = container_of(x, struct result, x);
	size_t room = r->keep > r->out.len ? r->keep - r->out.len : 0;
	r->total += bytes.n;
	buf_add(&r->out, bytes.p, bytes.n < room ? bytes.n : room);
	return true;
}

void result_done(struct sandbox_exec *x, const struct err *why)
{
	struct result *r = container_of(x, struct result, x);
	r->why = *why;
	r->done++;
}

void box_start(struct box *b, struct result *r, const char *line)
{
	struct err e = ERR_INIT;
	r->done = 0;
	r->total = 0;
	if (!r->keep)
		r->keep = MIB;
	buf_release(&r->out);
	buf_init(&r->out, r->keep + 1);
	r->x.line = line;
	if (!r->x.on_output)
		r->x.on_output = result_output;
	r->x.on_done = result_done;
	must(sandbox_exec_start(&r->x, b->sandbox, &e), &e);
	assert_int_equal(r->done, 0);
}

void box_wait(struct box *b, struct result *r)
{
	int64_t end = now_us() + WAIT_US;
	while (!r->done && now_us() < end)
		loop_turn(b->loop, 100);
	assert_int_equal(r->done, 1);
}

void box_run(struct box *b, struct result *r, const char *line)
{
	box_start(b, r, line);
	box_wait(b, r);
	if (r->why.code != ERR_OK)
		fail_msg("%s: %s", line, r->why.text);
}

void box_expect(struct box *b, const char *line, int status, const char *output)
{
	struct result r = {0};
	box_run(b, &r, line);
	if (r.x.status != status || (output && strcmp(r.out.data ? r.out.data : "", output) != 0))
		fail_msg("%s: status %d (wanted %d), signal %d, output: %s", line, r.x.status, status, r.x.signal,
			r.out.data ? r.out.data : "");
	result_release(&r);
}

void box_turn(struct box *b, int ms)
{
	int64_t end = now_us() + (int64_t)ms * 1000;
	while (now_us() < end)
		loop_turn(b->loop, (int)((end - now_us()) / 1000) + 1);
}

/* Every process of this uid that is not dead already. */
static int each_process(uid_t uid, void (*fn)(pid_t pid, const char *name, const void *ctx), const void *ctx)
{
	int n = 0;
	char path[300], text[512];
	struct stat st;
	DIR *d = opendir("/proc");
	assert_non_null(d);
	for (struct dirent *it; (it = readdir(d));) {
		snprintf(path, sizeof(path), "/proc/%s/task", it->d_name);
		if (it->d_name[0] < '1' || it->d_name[0] > '9' || stat(path, &st) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%s/status", it->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		text[got > 0 ? got : 0] = 0;
		char *state = strstr(text, "\nState:\t"), *owner = strstr(text, "\nUid:\t");
		if (!state || !owner || (uid_t)strtoul(owner + 6, NULL, 10) != uid || state[8] == 'Z' ||
			state[8] == 'X')
			continue;
		n++;
		text[strcspn(text, "\n")] = 0;
		if (fn)
			fn(atoi(it->d_name), text + 6, ctx);
	}
	closedir(d);
	return n;
}

int box_processes(struct box *b)
{
	return each_process(b->spec.uid ? b->spec.uid : geteuid(), NULL, NULL);
}

static void kill_named(pid_t pid, const char *name, const void *wanted)
{
	if (strcmp(name, wanted) == 0)
		kill(pid, SIGKILL);
}

void box_kill(struct box *b, const char *name)
{
	each_process(b->spec.uid ? b->spec.uid : geteuid(), kill_named, name);
}

int box_setup(void **state)
{
	struct box *b = MEM_NEW(struct box);
	assert_non_null(b);
	box_init(b);
	box_open(b);
	*state = b;
	return 0;
}

int box_teardown(void **state)
{
	box_release(*state);
	mem_free(*state);
	return 0;
}
