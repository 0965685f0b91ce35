/* err: what went wrong, as a value.
 *
 * A function that can fail takes a `struct err *` last and returns 0 or -1 (or NULL). On failure the error is set
 * exactly once where it happened and wrapped with context on its way up. The struct has a fixed buffer, so that it
 * can also say "out of memory". `e` may be NULL where the caller does not care. Codes, their HTTP and exit statuses
 * and whether a retry may help stand in errors.def. */
#ifndef MUSTER_BASE_ERR_H
#define MUSTER_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdnoreturn.h>

enum err_code {
#define X(name, text, http, exit, retryable) ERR_##name,
#include "base/errors.def"
#undef X
	ERR_CODES
};

#define ERR_TEXT_MAX 1024

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX]; /* UTF-8, NUL-terminated, cut at the end when too long */
};

#define ERR_INIT                                                                                                       \
	{                                                                                                              \
		.code = ERR_OK                                                                                         \
	}

/* Set the error; a message to a person: what happened, to what, what to do next. Returns -1. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

int err_setv(struct err *e, enum err_code code, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

/* Put "context: " before the message. Keeps the code. Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set from an errno value: ENOMEM, ENOSPC/EDQUOT, EROFS, ENOENT, EEXIST, EACCES/EPERM, ETIMEDOUT and ELOOP/EXDEV map to
 * their codes, the rest to ERR_IO. The message is "context: strerror". Returns -1. */
int err_errno(struct err *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Shorthand for ERR_NOMEM. Returns -1. */
int err_nomem(struct err *e);

void err_clear(struct err *e);

/* An error that is kept for long and seldom there: NULL, and no memory, until then. err_keep replaces it by a copy of
 * e, or, without memory for one, by ERR_NOMEM. */
void err_keep(const struct err **kept, const struct err *e);
void err_drop(const struct err **kept);
const struct err *err_kept(const struct err *kept); /* ERR_OK for NULL */

const char *err_name(enum err_code code); /* "not_found" */
const char *err_text(enum err_code code); /* "not found" */
int err_http(enum err_code code);
int err_exit(enum err_code code);
bool err_retryable(enum err_code code);
/* The code with this name, or ERR_CODES when there is none. */
enum err_code err_code_named(const char *name);

/* A broken invariant of the program itself: prints file, line and message, then aborts. Never for bad input. */
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(cond)                                                                                                   \
	do {                                                                                                           \
		if (__builtin_expect(!!(cond), 0))                                                                     \
			bug_at(__FILE__, __LINE__, "%s", #cond);                                                       \
	} while (0)
noreturn void bug_at(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
