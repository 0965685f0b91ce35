/* problem: what went wrong at a provider, told in its own words with our code. Pure. */
#ifndef MUSTER_LLM_PROBLEM_H
#define MUSTER_LLM_PROBLEM_H

#include "base/json.h"

/* The code for an HTTP status and the provider's own type and message (both may be ""): 429 ERR_RATE_LIMITED unless it
 * is about a used-up quota, 408 ERR_TIMEOUT, 413 and context-length texts ERR_TOO_LARGE, 5xx ERR_OVERLOADED, other
 * ERR_MODEL; status 0 goes by the type alone. */
enum err_code problem_code(int status, struct span type, struct span message);
/* Append what a provider said as it may be shown: secrets masked, control bytes visible, cut. */
void problem_show(struct span message, struct buf *out);
/* Set e from an answer that is no success: the provider's message out of its JSON, or the beginning of its text.
 * Registered secrets are masked. Returns -1. */
int problem_from_body(struct err *e, const char *provider, int status, struct span body);
/* Set e from an error inside a stream: {"type", "message"} or {"error": …}. Returns -1. */
int problem_from_event(struct err *e, const json_t *v);
/* Milliseconds to wait: `retry-after-ms`, else `retry-after` as seconds or HTTP date (RFC 9110, 10.2.3); -1: neither.
 * wall_us is now. */
int64_t problem_retry_ms(const char *retry_after, const char *retry_after_ms, int64_t wall_us);

#endif
