/* reply: an answer as programs and scripts write it: {"reply": …} or {"error": …} (docs/contracts.md). */
#ifndef MUSTER_LLM_REPLY_H
#define MUSTER_LLM_REPLY_H

#include "llm/llm.h"

/* Put the answer into the call, telling on_text and on_arguments first. -1: what "error" says (status, retry_ms and,
 * with a reply beside it, the first cut_after_bytes of its text are told too), or ERR_MODEL_REPLY when it is neither.
 * `what` names the source in messages. The callbacks may cancel the call: then *cancelled is set by them, and nothing
 * more is told. */
int reply_take(struct llm_call *c, const json_t *v, const char *what, const bool *cancelled, struct err *e);
/* The "reply" object of a call's results, for recordings. New reference; NULL: no memory. */
json_t *reply_make(const struct llm_call *c, struct err *e);
/* Is this a well-formed {"reply"} or {"error"}? `strict` also refuses unknown members: for scripts, where they are
 * mistyped ones; a program may say more than we know. */
int reply_check(const json_t *v, const char *what, bool strict, struct err *e);

#endif
