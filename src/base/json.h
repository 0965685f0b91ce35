/* json: jansson with our limits, strictness and errors; the only file that includes jansson.h.
 *
 * Parsing: strict UTF-8, exact 64-bit integers, duplicate keys refused, NUL in strings refused, depth and size capped.
 * Printing: compact, keys sorted, so that equal values print to equal bytes (hashes are taken over this form).
 * Getters never fail on shape: they return a default. Ownership follows jansson: json_get borrows, what is put
 * into a value is consumed. */
#ifndef MUSTER_BASE_JSON_H
#define MUSTER_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* jansson with mem.h as its allocator; once, at program start, before any other call here. */
void json_setup(void);

/* A new reference, or NULL with ERR_PARSE (line, column, reason), ERR_TOO_LARGE or ERR_NOMEM. `what` names the source.
 */
json_t *json_parse(struct span text, const char *what, struct err *e);
/* Append the canonical text. Failure shows in buf_check. */
void json_print(const json_t *v, struct buf *out);
/* Canonical text, mem_free it; NULL: no memory, or larger or deeper than json_parse would take back. */
char *json_text(const json_t *v) __attribute__((warn_unused_result));

/* Borrowed member by key; NULL when obj is no object or has none. */
json_t *json_get(const json_t *obj, const char *key);
/* NULL / 0 / false when absent or of another type. A real without a fraction (5.0) counts as an integer. */
const char *json_str(const json_t *obj, const char *key);
struct span json_span(const json_t *obj, const char *key);
int64_t json_int(const json_t *obj, const char *key, int64_t otherwise);
double json_num(const json_t *obj, const char *key, double otherwise);
bool json_bool(const json_t *obj, const char *key, bool otherwise);

/* Build a value with a format as json_pack's ("{s:s, s:I, s:o?}"). NULL with ERR_NOMEM, or ERR_INVALID (a string that
 * is no UTF-8, an object where none may be NULL); o arguments are consumed all the same. */
json_t *json_make(struct err *e, const char *fmt, ...);
/* json_copy and json_deep_copy, but whole or NULL: those leave out what there is no memory for. NULL gives NULL. */
json_t *json_clone(const json_t *v);
json_t *json_clone_deep(const json_t *v);
/* Whether there was no memory for some value on this thread since it was last asked: what was built meanwhile may lack
 * members whose setting nobody checked. */
bool json_starved(void);
/* Set key to a new string / value; 0 or -1 (no memory, bad UTF-8). `v` is always consumed. */
int json_put(json_t *obj, const char *key, json_t *v);
int json_put_span(json_t *obj, const char *key, struct span text); /* bad UTF-8 becomes U+FFFD */
int json_put_int(json_t *obj, const char *key, int64_t v);
/* A string value from bytes that may not be UTF-8. */
json_t *json_from_span(struct span text);

static inline void json_cleanup(json_t **v)
{
	json_decref(*v);
}
#define cleanup_json __attribute__((cleanup(json_cleanup)))

#endif
