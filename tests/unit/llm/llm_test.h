/* What the tests of llm/ share: a loop, one call run to its end, and what it told on the way. */
#ifndef MUSTER_TESTS_LLM_TEST_H
#define MUSTER_TESTS_LLM_TEST_H

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "llm/llm.h"
#include "loop/loop.h"

/* A call with everything it told. */
struct asked {
	struct llm_call call;
	struct llm_model model;
	struct loop *loop;
	struct buf streamed;  /* all on_text */
	struct buf arguments; /* all on_arguments, "index:tool=piece…" */
	int last_index;
	int done;
	struct err why;
	bool cancel_on_text;
};

static inline void asked_text(struct llm_call *c, struct span text)
{
	struct asked *a = c->ctx;

	assert_int_equal(a->done, 0);
	buf_addspan(&a->streamed, text);
	if (a->cancel_on_text)
		llm_call_cancel(c);
}

static inline void asked_arguments(struct llm_call *c, int index, const char *tool, struct span piece)
{
	struct asked *a = c->ctx;

	assert_int_equal(a->done, 0);
	if (index != a->last_index)
		buf_addf(&a->arguments, "[%d:%s]", index, tool);
	a->last_index = index;
	buf_addspan(&a->arguments, piece);
}

static inline void asked_done(struct llm_call *c, const struct err *why)
{
	struct asked *a = c->ctx;

	a->done++;
	a->why = *why;
	loop_stop(a->loop);
}

static inline void asked_init(struct asked *a, struct loop *loop)
{
	*a = (struct asked){.loop = loop, .last_index = -1};
	buf_init(&a->streamed, 64 * MIB);
	buf_init(&a->arguments, 64 * MIB);
	a->call = (struct llm_call){.model = &a->model,
		.run = "r1",
		.role = "coder",
		.agent = "0.1",
		.turn = 3,
		.temperature = -1,
		.on_text = asked_text,
		.on_arguments = asked_arguments,
		.on_done = asked_done,
		.ctx = a};
}

static inline void asked_release(struct asked *a)
{
	llm_call_release(&a->call);
	buf_release(&a->streamed);
	buf_release(&a->arguments);
}

/* Start and run the loop until on_done; fails the test when the start fails or on_done comes from inside it. */
static inline void asked_run(struct asked *a, struct llm *l)
{
	struct err e = ERR_INIT;

	must(llm_call_start(&a->call, l, &e), &e);
	assert_int_equal(a->done, 0);
	must(loop_run(a->loop, &e), &e);
	assert_int_equal(a->done, 1);
	assert_null(a->call.priv);
}

static inline struct llm_message *user(const char *text)
{
	struct err e = ERR_INIT;
	struct llm_message *m = llm_message_text(LLM_USER, span_of(text), &e);

	assert_non_null(m);
	return m;
}

#endif
