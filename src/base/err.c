/* err: the error value and the table of codes.
 * Messages are formatted aside and then copied, so the arguments may point into the error itself. The text always is
 * valid UTF-8: bytes that are not become '?', and a cut never splits a character. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

static const struct {
	const char *upper, *text;
	int http, exit;
	bool retryable;
} codes[ERR_CODES] = {
#define X(name, text, http, exit, retryable) {#name, text, http, exit, retryable},
#include "base/errors.def"
#undef X
};

static char names[ERR_CODES][24];

__attribute__((constructor)) static void names_lower(void)
{
	for (size_t i = 0; i < ERR_CODES; i++)
		for (size_t j = 0; codes[i].upper[j] && j < sizeof names[i] - 1; j++) {
			char c = codes[i].upper[j];
			names[i][j] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
		}
}

/* Format into out[ERR_TEXT_MAX] as clean UTF-8; the length. */
__attribute__((format(printf, 2, 0), nonnull)) static size_t format(char *out, const char *fmt, va_list ap)
{
	int wanted = vsnprintf(out, ERR_TEXT_MAX, fmt, ap);
	size_t n = wanted < 0 ? 0 : strnlen(out, ERR_TEXT_MAX - 1), step;

	for (size_t i = 0; i < n; i += step) {
		uint32_t cp;
		step = utf8_char(span_n(out + i, n - i), &cp);
		if (cp != UTF8_BAD)
			continue;
		if (wanted >= ERR_TEXT_MAX && i + step == n)
			n = i; /* half a character at the cut */
		else
			memset(out + i, '?', step);
	}
	out[n] = 0;
	return n;
}

int err_setv(struct err *e, enum err_code code, const char *fmt, va_list ap)
{
	char text[ERR_TEXT_MAX];
	size_t n;

	if (!e)
		return -1;
	n = format(text, fmt, ap);
	e->code = code;
	memcpy(e->text, text, n + 1);
	return -1;
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_setv(e, code, fmt, ap);
	va_end(ap);
	return -1;
}

/* "front: text" in place; what does not fit is lost at the end. */
static void prepend(struct err *e, const char *front, size_t n)
{
	size_t have = strnlen(e->text, ERR_TEXT_MAX - 1), keep;

	if (n + 2 > ERR_TEXT_MAX - 1)
		n = utf8_cut(span_n(front, n), ERR_TEXT_MAX - 3);
	keep = ERR_TEXT_MAX - 1 - n - 2;
	if (have > keep)
		have = utf8_cut(span_n(e->text, have), keep);
	memmove(e->text + n + 2, e->text, have);
	memcpy(e->text, front, n);
	e->text[n] = ':';
	e->text[n + 1] = ' ';
	e->text[n + 2 + have] = 0;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char front[ERR_TEXT_MAX];
	va_list ap;
	size_t n;

	if (!e)
		return -1;
	va_start(ap, fmt);
	n = format(front, fmt, ap);
	va_end(ap);
	prepend(e, front, n);
	return -1;
}

static enum err_code code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOMEM:
		return ERR_NOMEM;
	case ENOSPC:
	case EDQUOT:
		return ERR_DISK_FULL;
	case EROFS:
		return ERR_READ_ONLY;
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ETIMEDOUT:
		return ERR_TIMEOUT;
	case ELOOP:
	case EXDEV:
		return ERR_OUTSIDE;
	default:
		return ERR_IO;
	}
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
	char front[ERR_TEXT_MAX], room[128];
	const char *reason;
	va_list ap;
	size_t n;

	if (!e)
		return -1;
	va_start(ap, fmt);
	n = format(front, fmt, ap);
	va_end(ap);
	reason = strerror_r(errnum, room, sizeof room);
	e->code = code_of_errno(errnum);
	snprintf(e->text, sizeof e->text, "%s", reason);
	prepend(e, front, n);
	return -1;
}

int err_nomem(struct err *e)
{
	return err_set(e, ERR_NOMEM, "%s", codes[ERR_NOMEM].text);
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	e->code = ERR_OK;
	e->text[0] = 0;
}

static size_t known(enum err_code code)
{
	return (size_t)code < ERR_CODES ? (size_t)code : ERR_INTERNAL;
}

static const struct err none = ERR_INIT, no_memory = {.code = ERR_NOMEM, .text = "out of memory"};

void err_drop(const struct err **kept)
{
	if (*kept != &no_memory)
		mem_free((void *)*kept);
	*kept = NULL;
}

void err_keep(const struct err **kept, const struct err *e)
{
	struct err *copy = MEM_NEW(struct err);

	if (copy)
		*copy = *e;
	err_drop(kept); /* not before: e may be it */
	*kept = copy ? copy : &no_memory;
}

const struct err *err_kept(const struct err *kept)
{
	return kept ? kept : &none;
}

const char *err_name(enum err_code code)
{
	return names[known(code)];
}

const char *err_text(enum err_code code)
{
	return codes[known(code)].text;
}

int err_http(enum err_code code)
{
	return codes[known(code)].http;
}

int err_exit(enum err_code code)
{
	return codes[known(code)].exit;
}

bool err_retryable(enum err_code code)
{
	return codes[known(code)].retryable;
}

enum err_code err_code_named(const char *name)
{
	for (size_t i = 0; name && i < ERR_CODES; i++)
		if (strcmp(names[i], name) == 0)
			return (enum err_code)i;
	return ERR_CODES;
}

noreturn void bug_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "muster: BUG at %s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
