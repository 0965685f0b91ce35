/* negotiate: what a client's headers say of the form in which it wants an answer: coding, freshness, a part of it, and
 * the name to keep it by. Pure: texts in, choices out. A header that is malformed is as if it were not there. */
#ifndef MUSTER_HTTP_NEGOTIATE_H
#define MUSTER_HTTP_NEGOTIATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Content codings, by what they save; bits of a set. */
enum { CODING_IDENTITY = 1, CODING_GZIP = 2, CODING_BROTLI = 4 };

/* The best of the offered codings by Accept-Encoding (RFC 9110 12.5.3): the highest q, of equals the smallest answer;
 * identity when nothing else may be. header may be NULL. */
int negotiate_coding(const char *header, int offered);
/* Does If-None-Match (RFC 9110 13.1.2) name this entity tag (with its quotes)? Weakly compared. */
bool negotiate_unchanged(const char *header, const char *etag);

enum range { RANGE_ALL, RANGE_PART, RANGE_NONE /* of it is there: 416 */ };
/* One range of Range (RFC 9110 14.2) over so many bytes: from and length. Several ranges, or an If-Range (13.1.5) that
 * is not this very tag, make it all. */
enum range negotiate_range(
	const char *range, const char *if_range, const char *etag, int64_t size, int64_t *from, int64_t *length);

/* Append the value of Content-Disposition (RFC 6266, RFC 8187) for a file of this name, which may be anything: of a
 * path the last part; what could end a line or a quote, climb a folder, or show a name as another (control bytes, marks
 * of writing direction) becomes _. */
void negotiate_disposition(const char *kind, struct span name, struct buf *out);

#endif
