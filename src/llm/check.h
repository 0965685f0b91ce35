/* check: is a real endpoint what muster needs? Three small calls, live, for `muster doctor --provider P`.
 *
 * Rows, in this order: "stream" (text comes, in pieces), "usage" (it says what it cost), "tools" (it calls an offered
 * tool with valid arguments), "result" (it takes a tool's result and goes on). After a failure that the rest cannot
 * survive the rows left are told as not tried. */
#ifndef MUSTER_LLM_CHECK_H
#define MUSTER_LLM_CHECK_H

#include "base/sm.h"
#include "llm/llm.h"

struct llm_check {
	/* Set by the caller. */
	struct llm *llm;
	const char *model; /* "provider:model", a class, or a provider's name: then its fast model */
	int64_t total_ms;  /* for each call; 0: only the usual time-outs */
	bool brief;	   /* the first call alone: rows "stream" and "usage" */
	/* One row of the report; name and detail are valid during the call. */
	void (*on_row)(struct llm_check *k, const char *name, bool ok, const char *detail);
	/* The end, exactly once, never from inside llm_check_start; `passed`: every row was ok. */
	void (*on_done)(struct llm_check *k, bool passed);
	void *ctx;
	/* private */
	struct sm sm;
	struct llm_model chosen;
	struct llm_call call;
	struct llm_message *messages[3];
	size_t message_count;
	json_t *tools;
	int pieces; /* of text told */
	bool failed, cancelled;
	enum err_code why; /* of the call that failed; ERR_OK: none */
	int status;	   /* its HTTP status, 0 none */
};

/* -1: no such model or provider, no key, or the first call cannot be made; then no callback. */
int llm_check_start(struct llm_check *k, struct err *e);
void llm_check_cancel(struct llm_check *k); /* the rows left are told as not tried, then on_done */

#endif
