/* url: the request target of a server (RFC 9112 3.2, RFC 3986): its path and query, decoded strictly; and their parts
 * encoded. */
#ifndef MUSTER_HTTP_URL_H
#define MUSTER_HTTP_URL_H

#include "base/buf.h"
#include "base/err.h"

/* Append with %XX decoded (and + as a space when plus). -1 with ERR_INVALID: a broken escape, a NUL, not UTF-8. */
int url_decode(struct span text, bool plus, struct buf *out, struct err *e);
/* Append text so that it may stand in a path's segment or a query's value, and in a form (RFC 3986 2.3: all but
 * unreserved bytes as %XX). */
void url_encode(const char *text, struct buf *out);
/* Cut a target in origin form (/path?query) or absolute form (http://host/path?query, where the path may be missing)
 * into its raw parts; both views into target, or "/". -1 with ERR_INVALID for any other form. */
int url_split(struct span target, struct span *path, struct span *query, struct err *e);
/* Append the decoded path. -1 with ERR_INVALID also for "." and ".." segments, escaped or not. */
int url_path(struct span path, struct buf *out, struct err *e);
/* Append the decoded value of the first `name` in a raw query: 1, 0 when there is none, -1 with ERR_INVALID. */
int url_query(struct span query, const char *name, struct buf *out, struct err *e);

#endif
