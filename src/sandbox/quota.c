#include "sandbox/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"

/* The watched disk limit: what the working copy and the home take is measured on the worker pool after commands and
 * while some run, at most every second, and rarely enough that it costs no more than a twentieth of a core; but every
 * ten seconds at least, however long a command makes it take. Above the limit everything that runs is ended, unless
 * they shrink (somebody is deleting). A command can write past the limit for as long as one measurement and the pause
 * before it take, and what it deleted but holds open is not seen; the hard limit is a disk of the copy's own (disk.h).
 */

enum { PERIOD_US = 1000000, LONGEST_US = 10000000, COST = 20, DEPTH = 256, ENTRY = 4096 };
#define TOO_DEEP (UINT64_MAX / 2)

/* A folder that a command made unreadable is still its own to fill: as its owner we take the right to read it. */
static int open_folder(int dir, const char *name)
{
	enum { FLAGS = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };
	int fd = openat(dir, name, O_RDONLY | FLAGS);
	if (fd >= 0 || errno != EACCES)
		return fd;
	char self[32];
	struct stat st;
	cleanup_fd int there = openat(dir, name, O_PATH | FLAGS);
	if (there < 0 || fstat(there, &st) != 0)
		return -1;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", there);
	return chmod(self, (st.st_mode & 07777) | 0500) == 0 ? openat(dir, name, O_RDONLY | FLAGS) : -1;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > TOO_DEEP - b ? TOO_DEEP : a + b;
}

/* Of the whole file system: where folders are too deep to be looked into, it tells at least whether somebody deletes.
 */
static uint64_t used(const char *path)
{
	struct statvfs fs;
	return statvfs(path, &fs) == 0 ? (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize : 0;
}

/* Allocated bytes below an open folder, which is closed; an entry counts as ENTRY at least, since a file system has
 * only so many. Links are not followed; other file systems are not entered. Folders nested too deep count as more than
 * any limit. */
static uint64_t measure(int fd, dev_t device, int depth)
{
	uint64_t sum = depth > 0 ? 0 : TOO_DEEP;
	DIR *d = depth > 0 ? fdopendir(fd) : NULL;
	if (!d) {
		close(fd);
		return sum;
	}
	for (struct dirent *it; (it = readdir(d));) {
		struct stat st;
		if (strcmp(it->d_name, ".") == 0 || strcmp(it->d_name, "..") == 0)
			continue;
		if (fstatat(fd, it->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_dev != device)
			continue;
		uint64_t bytes = (uint64_t)st.st_blocks * 512;
		sum = plus(sum, bytes > ENTRY ? bytes : ENTRY);
		int below = S_ISDIR(st.st_mode) ? open_folder(fd, it->d_name) : -1;
		if (below >= 0)
			sum = plus(sum, measure(below, device, depth - 1));
	}
	closedir(d);
	return sum;
}

static uint64_t measure_at(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0; /* it is gone: the next start says so */
	if (fstat(fd, &st) == 0)
		return measure(fd, st.st_dev, DEPTH);
	close(fd);
	return 0;
}

static void run(struct work *w)
{
	struct sandbox *s = container_of(w, struct sandbox, du);
	s->du_result = plus(measure_at(s->spec.copy), s->spec.home ? measure_at(s->spec.home) : 0);
	if (s->du_result == TOO_DEEP)
		s->du_result += used(s->spec.copy);
}

static void done(struct work *w);

static void begin(struct sandbox *s)
{
	struct err e = ERR_INIT;
	s->du_started = clock_mono(loop_clock(s->loop));
	if (sm_is(&s->sm) == BOX_RUNNING && work_start(&s->du, s->loop, run, done, &e) == 0)
		s->du_state = DU_RUNNING;
}

static void on_timer(struct timer *t)
{
	begin(container_of(t, struct sandbox, du_timer));
}

static void end_all(struct sandbox *s)
{
	list_for (it, &s->commands) {
		struct command *c = list_entry(it, struct command, link);
		if (sm_is(&c->sm) != COMMAND_RUNNING)
			continue;
		if (c->why.code == ERR_OK)
			quota_explain(s, &c->why);
		command_signal(c, SIGKILL);
	}
}

static void done(struct work *w)
{
	struct sandbox *s = container_of(w, struct sandbox, du);
	uint64_t before = s->disk;
	int64_t now = clock_mono(loop_clock(s->loop)), pause = COST * (now - s->du_started);
	s->du_state = DU_IDLE;
	pause = pause > LONGEST_US ? LONGEST_US : pause;
	s->du_next = now + (pause > PERIOD_US ? pause : PERIOD_US);
	if (!w->cancelled)
		s->disk = s->du_result;
	if (sm_is(&s->sm) != BOX_RUNNING)
		return; /* the sandbox's end waits for us by its timer */
	if (s->disk > s->spec.limits.disk && s->disk >= before)
		end_all(s);
	if (s->command_count > 0)
		quota_poke(s);
}

void quota_poke(struct sandbox *s)
{
	struct err e = ERR_INIT;
	int64_t wait = s->du_next - clock_mono(loop_clock(s->loop));
	if (sm_is(&s->sm) != BOX_RUNNING || s->du_state != DU_IDLE || s->du_timer.at)
		return;
	if (wait <= 0)
		begin(s);
	else if (timer_start(&s->du_timer, wait / 1000 + 1, &e) != 0)
		begin(s); /* too early rather than not at all */
}

void quota_explain(const struct sandbox *s, struct err *e)
{
	if (s->disk >= TOO_DEEP) {
		err_set(e, ERR_DISK_FULL,
			"the working copy or the home has folders nested deeper than %d: delete those first", DEPTH);
		return;
	}
	err_set(e, ERR_DISK_FULL, "the working copy and the home take %llu of their %llu MiB: delete files first",
		(unsigned long long)(s->disk / MIB), (unsigned long long)(s->spec.limits.disk / MIB));
}

void quota_stop(struct sandbox *s)
{
	timer_stop(&s->du_timer);
	if (s->du_state != DU_IDLE)
		work_cancel(&s->du);
}

void quota_init(struct sandbox *s)
{
	timer_init(&s->du_timer, s->loop, on_timer);
}
