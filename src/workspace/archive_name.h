/* archive_name: what an entry of an archive is called, checked and brought to a normal form. Pure.
 *
 * A good name is UTF-8, relative, without "..", at most CAP_ARCHIVE_PATH bytes and CAP_ARCHIVE_DEPTH folders; "." and
 * empty parts are dropped. What another system would read as something else than Linux does is no good name either: a
 * drive, "..\", and all that is `.git` to a file system which ignores case, trailing dots, streams or invisible
 * characters. */
#ifndef MUSTER_WORKSPACE_ARCHIVE_NAME_H
#define MUSTER_WORKSPACE_ARCHIVE_NAME_H

#include <locale.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/err.h"

struct archive_name {
	char path[CAP_ARCHIVE_PATH + 1]; /* "" for the root itself */
	bool git;			 /* it is, or lies in, a folder named exactly `.git` */
};
/* ERR_INVALID or ERR_TOO_LARGE: the reason, which names the name. */
int archive_name(struct span text, struct archive_name *out, struct err *e);

/* May a symbolic link at `path` (a good name) point to `target`: relative, never above the root, not into `.git`? Only
 * the words are looked at; links on the way are the caller's matter. */
bool archive_link_ok(const char *path, struct span target);

/* For messages: at most 200 bytes, nothing that a terminal obeys. */
#define ARCHIVE_SHOWN 256
void archive_shown(struct span name, char out[ARCHIVE_SHOWN]);

/* libarchive tells and takes names in the thread's locale: UTF-8 from enter (which may fail) to leave. */
struct archive_locale {
	locale_t utf8, was;
};
int archive_locale_enter(struct archive_locale *l, struct err *e);
void archive_locale_leave(struct archive_locale *l);

#endif
