/* log: a line is formatted, masked, made visible, cut to CAP_LOG_LINE and written with one write.
 * Masking comes before cutting; where formatting itself had to cut, the beginning of a secret at the very end is masked
 * too. When memory is short a fixed line says so. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

#define SECRET_MIN 6

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static _Atomic int lowest = LOG_WARN;
static _Atomic bool as_json;

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

/* One write, so that lines of several threads and processes do not mix; an error has nowhere to be reported. */
static void emit(const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(STDERR_FILENO, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;
		p += done;
		n -= (size_t)done;
	}
}

static void compose(struct buf *line, enum log_level level, const char *area, struct span message)
{
	char now[CLOCK_TEXT];

	clock_text(now, clock_wall(&clock_real));
	if (as_json) {
		buf_addf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"area\":\"", now, level_names[level]);
		buf_add_json(line, span_of(area));
		buf_adds(line, "\",\"message\":\"");
		buf_add_json(line, message);
		buf_adds(line, "\"}\n");
	} else {
		buf_addf(line, "%s %s %s ", now, level_names[level], area);
		buf_addspan(line, message);
		buf_addc(line, '\n');
	}
}

void log_write(enum log_level level, const char *area, const char *fmt, ...)
{
	static const char lost[] = "muster: a log line was lost: out of memory\n";
	cleanup_buf struct buf masked = BUF_INIT(2 * CAP_LOG_LINE), seen = BUF_INIT(8 * CAP_LOG_LINE),
			       line = BUF_INIT(4 * CAP_LOG_LINE);
	char raw[CAP_LOG_LINE];
	struct span text;
	va_list ap;
	int n, saved = errno;
	bool cut;

	if ((int)level < lowest || level >= LOG_OFF)
		return;
	va_start(ap, fmt);
	n = vsnprintf(raw, sizeof raw, fmt, ap);
	va_end(ap);
	cut = n >= (int)sizeof raw;
	mask(span_n(raw, n < 0 ? 0 : cut ? sizeof raw - 1 : (size_t)n), cut, &masked);
	utf8_visible(buf_span(&masked), false, &seen);
	text = buf_span(&seen);
	text.n = utf8_cut(text, CAP_LOG_LINE);
	compose(&line, level, area, text);
	if (masked.failed || seen.failed || line.failed)
		emit(lost, sizeof lost - 1);
	else
		emit(line.data, line.len);
	errno = saved;
}
