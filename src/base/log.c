/* log: a line is formatted, masked, made visible, cut to CAP_LOG_LINE and written with one write.
 * Masking comes before cutting; where formatting itself had to cut, the beginning of a secret at the very end is masked
 * too. When memory is short a fixed line says so. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/utf8.h"

#define SECRET_MIN 6

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static _Atomic int lowest = LOG_WARN;
static _Atomic bool as_json;

/* What the lines of the program begin with; the first argument of log_write and its likes is one of them. */
static const char *const known[] = {"accounts", "api", "backup", "batch", "budget", "follow", "house", "http", "mail",
	"notify", "queue", "retention", "run", "sandbox", "serve", "store", "traces", "view"};
#define KNOWN (sizeof known / sizeof *known)

static struct area {
	char name[24];
	int level;
} areas[CAP_LOG_AREAS]; /* set at start, before there are threads */
static size_t area_count;

static pthread_mutex_t file_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next */
static struct {
	char path[PATH_MAX];
	int fd; /* -1: standard error */
	int64_t size, most;
	int keep;
} file = {.fd = -1};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the two below */
static struct span secrets[CAP_LOG_SECRETS];
static size_t secret_count;

void log_level_set(enum log_level level)
{
	lowest = (int)level;
}

enum log_level log_level_named(const char *name, enum log_level otherwise)
{
	for (int i = LOG_DEBUG; name && i <= LOG_OFF; i++)
		if (strcmp(level_names[i], name) == 0)
			return (enum log_level)i;
	return otherwise;
}

static int area_parse(struct span pair, struct area *out)
{
	const char *equals = memchr(pair.p, '=', pair.n);
	size_t n = equals ? (size_t)(equals - pair.p) : 0;
	if (n == 0 || n >= sizeof out->name)
		return -1;
	memcpy(out->name, pair.p, n);
	out->name[n] = 0;
	for (int i = LOG_DEBUG; i <= LOG_OFF; i++)
		if (span_is(span_n(equals + 1, pair.n - n - 1), level_names[i])) {
			out->level = i;
			return 0;
		}
	return -1;
}

static int area_check(const struct area *a, struct err *e)
{
	cleanup_buf struct buf all = BUF_INIT(1024);

	for (size_t i = 0; i < KNOWN; i++) {
		if (strcmp(known[i], a->name) == 0)
			return 0;
		buf_addf(&all, "%s%s", i ? ", " : "", known[i]);
	}
	return err_set(e, ERR_INVALID, "the log has no area \"%s\"; there are: %s", a->name, all.data ? all.data : "");
}

int log_areas_set(const char *text, struct err *e)
{
	struct area found[CAP_LOG_AREAS];
	size_t count = 0, n;

	for (text += strspn(text, " "); *text; text += n, text += strspn(text, " ")) {
		n = strcspn(text, " ");
		if (count == CAP_LOG_AREAS)
			return err_set(e, ERR_INVALID, "more than %d areas of the log", CAP_LOG_AREAS);
		if (area_parse(span_n(text, n), &found[count]))
			return err_set(e, ERR_INVALID,
				"\"%.*s\" is no area and level (debug, info, warn, error, off) such as api=debug",
				n < 80 ? (int)n : 80, text);
		if (area_check(&found[count], e))
			return -1;
		count++;
	}
	memcpy(areas, found, count * sizeof *found);
	area_count = count;
	return 0;
}

static int level_of(const char *area)
{
	for (size_t i = 0; i < area_count; i++)
		if (strcmp(areas[i].name, area) == 0)
			return areas[i].level;
	return lowest;
}

void log_json(bool on)
{
	as_json = on;
}

int log_secret(const char *secret, struct err *e)
{
	struct span s = span_of(secret);
	int rc = 0;

	if (s.n < SECRET_MIN)
		return err_set(e, ERR_INVALID, "a secret of %zu bytes is too short to be masked in the log", s.n);
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < secret_count; i++)
		if (span_eq(secrets[i], s))
			goto done;
	if (secret_count == CAP_LOG_SECRETS) {
		rc = err_set(e, ERR_TOO_LARGE, "more than %d secrets cannot be masked in the log", CAP_LOG_SECRETS);
		goto done;
	}
	s.p = span_dup(s);
	if (s.p)
		secrets[secret_count++] = s;
	else
		rc = err_nomem(e);
done:
	pthread_mutex_unlock(&lock);
	return rc;
}

/* Length of the longest secret that stands at the front of s; with `cut`, also of one that s ends in the middle of. */
static size_t secret_at(struct span s, bool cut)
{
	size_t longest = 0;

	for (size_t i = 0; i < secret_count; i++) {
		size_t n = secrets[i].n;
		if (n > s.n) {
			if (!cut)
				continue;
			n = s.n;
		}
		if (n > longest && secrets[i].p[0] == s.p[0] && memcmp(secrets[i].p, s.p, n) == 0)
			longest = n;
	}
	return longest;
}

static void mask(struct span text, bool cut, struct buf *out)
{
	size_t from = 0, n;

	if (text.n == 0)
		return;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; secret_count && i < text.n; i += n ? n : 1) {
		n = secret_at(span_n(text.p + i, text.n - i), cut);
		if (n == 0)
			continue;
		buf_add(out, text.p + from, i - from);
		buf_adds(out, "***");
		from = i + n;
	}
	pthread_mutex_unlock(&lock);
	buf_add(out, text.p + from, text.n - from);
}

void log_mask(struct span text, struct buf *out)
{
	mask(text, false, out);
}

/* ---- where lines go ---- */

/* One write, so that lines of several threads and processes do not mix. */
static int put(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = fd == STDERR_FILENO || !fault_hit(FAULT_IO) ? write(fd, p, n) : -1;
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return -1;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* Under the lock. The file that is open stays when there is no other. */
static int open_file(struct err *e)
{
	int fd = fs_open(file.path, O_WRONLY | O_APPEND | O_CREAT, 0600, e);
	struct stat st;

	if (fd < 0)
		return -1;
	if (file.fd >= 0)
		close(file.fd);
	file.fd = fd;
	file.size = fstat(fd, &st) == 0 ? st.st_size : 0;
	return 0;
}

/* Under the lock. What cannot be renamed is written on. */
static void rotate(void)
{
	char from[PATH_MAX + 16], to[PATH_MAX + 16];

	for (int i = file.keep - 1; i >= 1; i--) {
		snprintf(from, sizeof from, "%s.%d", file.path, i);
		snprintf(to, sizeof to, "%s.%d", file.path, i + 1);
		(void)rename(from, to);
	}
	snprintf(to, sizeof to, "%s.1", file.path);
	if (file.keep ? rename(file.path, to) : unlink(file.path))
		file.size = 0; /* not again with each line */
	else
		(void)open_file(NULL);
}

/* An error has nowhere to be reported. */
static void emit(const char *p, size_t n)
{
	pthread_mutex_lock(&file_lock);
	if (file.fd >= 0 && file.size && file.size + (int64_t)n > file.most)
		rotate();
	file.size += (int64_t)n;
	if (file.fd < 0 || put(file.fd, p, n))
		(void)put(STDERR_FILENO, p, n);
	pthread_mutex_unlock(&file_lock);
}

int log_file(const char *path, int64_t most, int keep, struct err *e)
{
	size_t n = strlen(path);
	int rc;

	if (n >= sizeof file.path)
		return err_set(e, ERR_TOO_LARGE, "the path of the log has more than %d bytes", PATH_MAX);
	pthread_mutex_lock(&file_lock);
	memcpy(file.path, path, n + 1);
	file.most = most;
	file.keep = keep;
	rc = open_file(e);
	pthread_mutex_unlock(&file_lock);
	return rc;
}

int log_reopen(struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&file_lock);
	if (file.fd >= 0)
		rc = open_file(e);
	pthread_mutex_unlock(&file_lock);
	return rc;
}

void log_file_end(void)
{
	pthread_mutex_lock(&file_lock);
	if (file.fd >= 0)
		close(file.fd);
	file.fd = -1;
	pthread_mutex_unlock(&file_lock);
}

/* ---- a line ---- */

static void add_id(struct buf *line, const char *name, const char *id)
{
	if (!id)
		return;
	buf_addf(line, as_json ? ",\"%s\":\"" : " %s=", name);
	if (as_json)
		buf_add_json(line, span_of(id));
	else
		utf8_visible(span_of(id), false, line);
	if (as_json)
		buf_addc(line, '"');
}

static void compose(
	struct buf *line, enum log_level level, const char *area, struct log_about about, struct span message)
{
	char now[CLOCK_TEXT];

	clock_text(now, clock_wall(&clock_real));
	if (as_json) {
		buf_addf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"area\":\"", now, level_names[level]);
		buf_add_json(line, span_of(area));
		buf_adds(line, "\",\"message\":\"");
		buf_add_json(line, message);
		buf_addc(line, '"');
	} else {
		buf_addf(line, "%s %s %s ", now, level_names[level], area);
		buf_addspan(line, message);
	}
	add_id(line, "request", about.request);
	add_id(line, "run", about.run);
	buf_adds(line, as_json ? "}\n" : "\n");
}

__attribute__((format(printf, 4, 0))) static void write_line(
	enum log_level level, const char *area, struct log_about about, const char *fmt, va_list ap)
{
	static const char lost[] = "muster: a log line was lost: out of memory\n";
	cleanup_buf struct buf masked = BUF_INIT(2 * CAP_LOG_LINE), seen = BUF_INIT(8 * CAP_LOG_LINE),
			       line = BUF_INIT(4 * CAP_LOG_LINE);
	char raw[CAP_LOG_LINE];
	struct span text;
	int n, saved = errno;
	bool cut;

	if (level >= LOG_OFF || (int)level < level_of(area))
		return;
	n = vsnprintf(raw, sizeof raw, fmt, ap);
	cut = n >= (int)sizeof raw;
	mask(span_n(raw, n < 0 ? 0 : cut ? sizeof raw - 1 : (size_t)n), cut, &masked);
	utf8_visible(buf_span(&masked), false, &seen);
	text = buf_span(&seen);
	text.n = utf8_cut(text, CAP_LOG_LINE);
	compose(&line, level, area, about, text);
	if (masked.failed || seen.failed || line.failed)
		emit(lost, sizeof lost - 1);
	else
		emit(line.data, line.len);
	errno = saved;
}

void log_write(enum log_level level, const char *area, const char *fmt, ...)
{
	struct log_about nothing = {NULL, NULL};
	va_list ap;

	va_start(ap, fmt);
	write_line(level, area, nothing, fmt, ap);
	va_end(ap);
}

void log_write_about(enum log_level level, const char *area, struct log_about about, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	write_line(level, area, about, fmt, ap);
	va_end(ap);
}
