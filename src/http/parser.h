/* parser: the bytes of one connection as requests (RFC 9112), over llhttp, stricter than it.
 *
 * Bytes go in by parser_feed, which stops at the end of a head and at the end of a message, so that its caller decides
 * when the body and the next request are read. What can be read in two ways is refused, and the connection with it:
 * Content-Length with Transfer-Encoding, either of them or Host twice, line endings other than CR LF and folded lines
 * in the head, control bytes, bad chunks. Private to http/. */
#ifndef MUSTER_HTTP_PARSER_H
#define MUSTER_HTTP_PARSER_H

#include <llhttp.h>

#include "base/buf.h"
#include "base/err.h"

enum parser_step {
	PARSER_MORE, /* all was used, more is needed */
	PARSER_HEAD, /* the head is complete; feed the rest for the body (no bytes are needed for an empty one) */
	PARSER_END,  /* the message is complete; what is left belongs to the next: parser_next first */
	PARSER_BAD   /* refused: the error says why, status what to answer; then nothing more can be fed */
};

enum parser_place { PARSER_IN_HEAD, PARSER_IN_BODY, PARSER_AT_END, PARSER_BROKEN };

struct parser {
	llhttp_t http;
	enum parser_place place;
	/* A piece of the body; set by the owner before the body is fed. */
	void (*on_body)(struct parser *p, struct span piece);
	/* of the message, from PARSER_HEAD until parser_next */
	int minor;	/* of HTTP/1.x */
	int64_t length; /* of the body; -1: chunked, not known */
	bool keep_alive, expects_continue;
	int status; /* to answer after PARSER_BAD */
	/* private */
	struct buf target, text, index;
	size_t head_bytes, line, lines, body_bytes, other_bytes;
	char last;
	int part;
	enum err_code code; /* and words: why it was refused; no struct err, which is larger than all the rest */
	const char *words;
};

void parser_init(struct parser *p);
void parser_release(struct parser *p);
void parser_next(struct parser *p);
/* Takes bytes from the front of *in. */
enum parser_step parser_feed(struct parser *p, struct span *in, struct err *e);
const char *parser_method(const struct parser *p);
/* The value of a header by lower-case name, or NULL; of several, the first. Valid until parser_next. */
const char *parser_header(const struct parser *p, const char *name);
size_t parser_header_count(const struct parser *p, const char *name);
const char *parser_header_nth(const struct parser *p, const char *name, size_t n); /* from 0; there are so many */

#endif
