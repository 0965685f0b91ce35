/* libgit: set-up once per process, and errors. */
#include "vcs/libgit.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CACHE_BYTES ((ssize_t)(8 * 1024 * 1024))

/* libgit2 parses every certificate of the system when it is set up, for a network side that is never used here: 6 of
 * the 20 ms from the program's start to its first request. The program exports this symbol (meson.build), so that
 * libgit2 finds it instead of mbedTLS's; a libgit2 built otherwise does not ask for it. */
int mbedtls_x509_crt_parse_file(void *chain, const char *path);
int mbedtls_x509_crt_parse_file(void *chain, const char *path)
{
	(void)chain, (void)path;
	return -1;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int setup_result;

static void setup(void)
{
	static const int levels[] = {
		GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL};

	setup_result = git_libgit2_init();
	for (size_t i = 0; i < sizeof levels / sizeof *levels && setup_result >= 0; i++)
		setup_result = git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, levels[i], "");
	if (setup_result >= 0)
		setup_result = git_libgit2_opts(GIT_OPT_SET_TEMPLATE_PATH, "");
	if (setup_result >= 0)
		setup_result = git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	if (setup_result >= 0) /* what is written survives a power cut, as far as the disk is honest */
		setup_result = git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, 1);
	if (setup_result >= 0) /* every object is looked up or written just before it is named; once is enough */
		setup_result = git_libgit2_opts(GIT_OPT_ENABLE_STRICT_OBJECT_CREATION, 0);
	if (setup_result >= 0)
		setup_result = git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, CACHE_BYTES);
}

int libgit_setup(struct err *e)
{
	pthread_once(&once, setup);
	return setup_result < 0 ? libgit_err(e, setup_result, "libgit2 cannot be set up") : 0;
}

static enum err_code code_of(int rc)
{
	switch (rc) {
	case GIT_ENOTFOUND:
		return ERR_NOT_FOUND;
	case GIT_EEXISTS:
		return ERR_EXISTS;
	case GIT_ELOCKED:
		return ERR_LOCKED;
	case GIT_ECONFLICT:
	case GIT_EMERGECONFLICT:
	case GIT_EMODIFIED:
	case GIT_ENONFASTFORWARD:
	case GIT_EUNCOMMITTED:
	case GIT_EINDEXDIRTY:
		return ERR_CONFLICT;
	case GIT_EINVALIDSPEC:
	case GIT_EAMBIGUOUS:
	case GIT_EINVALID:
		return ERR_INVALID;
	case GIT_EMISMATCH:
		return ERR_CORRUPT;
	default:
		return ERR_GIT;
	}
}

/* libgit2 tells errno only as the end of its text. */
static bool is_full(const git_error *last)
{
	return last && last->klass == GIT_ERROR_OS && last->message && strstr(last->message, strerror(ENOSPC));
}

int libgit_err(struct err *e, int rc, const char *fmt, ...)
{
	const git_error *last = git_error_last();
	enum err_code code = last && last->klass == GIT_ERROR_NOMEMORY ? ERR_NOMEM
			     : is_full(last)			       ? ERR_DISK_FULL
								       : code_of(rc);
	char context[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof context, fmt, ap);
	va_end(ap);
	err_set(e, code, "%s: %s", context, last && last->message ? last->message : "libgit2 gives no reason");
	git_error_clear();
	return -1;
}
