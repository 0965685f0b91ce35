#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"

static const char *bench;
static char *folder;
static struct arena paths;
/* Gathered by stdio, whose memory is not in the mem_in_use that a benchmark may print. */
static FILE *line;
static char *line_text;
static size_t line_size;

void must(int failed, const struct err *e)
{
	if (!failed)
		return;
	fprintf(stderr, "bench_%s: %s\n", bench, e->text);
	exit(1);
}

void must_sys(int failed, const char *what)
{
	struct err e = ERR_INIT;

	if (failed)
		must(err_errno(&e, errno, "%s", what), &e);
}

void rig_setup(const char *name)
{
	struct err e = ERR_INIT;

	bench = name;
	json_setup();
	must(crypt_setup(&e), &e);
	line = open_memstream(&line_text, &line_size);
	must_sys(!line, "open_memstream");
}

/* ---- time and memory ---- */

double rig_ms(void)
{
	return (double)clock_mono(&clock_real) / 1e3;
}

double rig_cpu_s(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

double rig_own_cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return rig_cpu_s(&u);
}

long rig_private_bytes(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char row[256];
	long kib = 0, n;

	must_sys(!f, "/proc/self/smaps_rollup");
	while (fgets(row, sizeof row, f))
		if (sscanf(row, "Private_Clean: %ld", &n) == 1 || sscanf(row, "Private_Dirty: %ld", &n) == 1)
			kib += n;
	fclose(f);
	return kib * 1024;
}

void sample_add(struct sample *s, double v)
{
	if (s->n < SAMPLE_MAX)
		s->v[s->n++] = v;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double sample_at(struct sample *s, double share)
{
	if (s->n == 0)
		return 0;
	qsort(s->v, s->n, sizeof *s->v, by_size);
	return s->v[(size_t)((double)(s->n - 1) * share + 0.5)];
}

/* ---- the folder ---- */

/* Spread what is made in this folder, as rig.h says. Other file systems have no such attribute, and need none. */
static void spread(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), flags;

	if (fd < 0)
		return;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
		flags |= FS_TOPDIR_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	close(fd);
}

void rig_folder(void)
{
	struct err e = ERR_INIT;
	const char *tmp = getenv("TMPDIR");

	cleanup_free char *above = mem_printf("%s/muster-bench", tmp && *tmp ? tmp : "/var/tmp");
	must(fs_mkdirs(above, 0755, &e), &e);
	spread(above);
	folder = mem_printf("%s/XXXXXX", above);
	if (!mkdtemp(folder) || chmod(folder, 0755))
		must(err_errno(&e, errno, "no folder in %s; name another with TMPDIR", above), &e);
	arena_init(&paths, MIB);
}

void rig_folder_remove(void)
{
	struct err e = ERR_INIT;

	must(fs_remove_tree(folder, &e), &e);
	arena_release(&paths);
	mem_free(steal(&folder));
}

const char *rig_path(const char *fmt, ...)
{
	char name[1024];
	va_list ap;

	va_start(ap, fmt);
	int n = snprintf(name, sizeof name, "%s/", folder);
	n += vsnprintf(name + n, sizeof name - (size_t)n, fmt, ap);
	va_end(ap);
	BUG_ON(n >= (int)sizeof name);
	if (name[n - 1] == '/')
		n--;
	char *path = arena_dup(&paths, span_n(name, (size_t)n));
	BUG_ON(!path);
	return path;
}

void rig_put(const char *name, struct span text)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = mem_printf("%s/%s", folder, name), *dir = mem_strdup(path);

	*strrchr(dir, '/') = '\0';
	must(fs_mkdirs(dir, 0755, &e), &e);
	cleanup_fd int fd = fs_open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644, &e);
	must(fd < 0 || fs_write_fd(fd, text, &e), &e);
}

double rig_megabytes(const char *name)
{
	struct stat st;

	return stat(rig_path("%s", name), &st) ? 0 : (double)st.st_size / 1e6;
}

void sample_sync(struct sample *s, int times, int appends, size_t bytes)
{
	static const char block[4096];

	BUG_ON(bytes > sizeof block);
	rig_folder();
	const char *path = rig_path("floor");
	int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	must_sys(fd < 0, path);
	for (int i = 0; i < times; i++) {
		double begin = rig_ms();
		for (int k = 0; k < appends; k++)
			must_sys(write(fd, block, bytes) < 0 || fdatasync(fd), path);
		sample_add(s, rig_ms() - begin);
	}
	close(fd);
	rig_folder_remove();
}

/* ---- what is printed ---- */

const char *rig_machine(void)
{
	static char text[256];
	struct utsname u;

	must_sys(uname(&u), "uname");
	snprintf(text, sizeof text, "%.60s %.60s %.60s, %ld processors", u.sysname, u.release, u.machine,
		sysconf(_SC_NPROCESSORS_ONLN));
	return text;
}

/* Three digits that count. */
static int decimals(double v)
{
	return fabs(v) >= 1000 ? 0 : fabs(v) >= 100 ? 1 : fabs(v) >= 10 ? 2 : 3;
}

void rig_row(const char *what, const char *key, double value, const char *unit, struct sample *spread, const char *note)
{
	printf("  %-44s %10.*f%s%s", what, decimals(value), value, *unit ? " " : "", unit);
	if (spread && spread->n > 1) {
		double low = sample_at(spread, 0.1), high = sample_at(spread, 0.9);
		printf("  (%.*f-%.*f)", decimals(low), low, decimals(high), high);
	}
	printf("%s%s\n", *note ? "  " : "", note);
	fflush(stdout);
	if (key)
		rig_json(key, value);
}

void rig_median(const char *what, const char *key, const char *unit, struct sample *s, const char *note)
{
	rig_row(what, key, sample_at(s, 0.5), unit, s, note);
}

void rig_json(const char *key, double value)
{
	fprintf(line, ",\"%s\":%.*f", key, value == trunc(value) ? 0 : 4, value);
}

void rig_finish(void)
{
	fclose(line);
	printf("{\"bench\":\"%s\",\"machine\":\"%s\"%s}\n", bench, rig_machine(), line_text);
	free(line_text);
}
