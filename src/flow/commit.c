/* commit: what a run has drafted goes to the journal in one append: its events, the blobs they name, references to them
 * in the project's stream, and the commands that are done. Once a tick, so that what one input causes is one commit;
 * when it is durable, what waited for that may begin. */
#include "flow/private.h"

#include <stdio.h>
#include <string.h>

#include "flow/house_private.h"

struct commit {
	struct run *run;
	int64_t upto;
};

static void committed(void *ctx, const struct err *why)
{
	struct commit *c = ctx;
	struct run *r = c->run;
	r->appends--;
	if (why->code == ERR_OK && !r->broken)
		r->durable = c->upto;
	else if (why->code != ERR_OK)
		run_break(r, why);
	mem_free(c);
	ops_start(r);
	run_changed(r);
}

static bool is_action(enum event_type type)
{
	return type == EVENT_ACTION_OPENED || type == EVENT_ACTION_RESOLVED || type == EVENT_ACTION_CLOSED;
}

static bool is_state(enum event_type type)
{
	return type == EVENT_RUN_CREATED || type == EVENT_RUN_STARTED || type == EVENT_RUN_WAITING ||
	       type == EVENT_RUN_RESUMED || type == EVENT_RUN_RENAMED || type == EVENT_RUN_PAUSED ||
	       type == EVENT_RUN_COMPLETED || type == EVENT_RUN_FAILED || type == EVENT_RUN_CANCELLED;
}

static int refer(struct run *r, const struct event *ev, struct event *ref, struct err *e)
{
	const char *name = strchr(event_kinds[ev->type].type, '.') + 1;
	cleanup_json json_t *from = event_data(ev, e);
	cleanup_json json_t *data =
		is_action(ev->type)
			? json_make(e, "{s:s, s:s, s:s, s:I, s:O?, s:O?, s:O?}", "run", r->id, "action",
				  json_str(from, "action"), "state", name, "seq", (json_int_t)ev->seq, "title",
				  json_get(from, "title"), "kind", json_get(from, "kind"), "priority",
				  json_get(from, "priority"))
			: json_make(e, "{s:s, s:s, s:I, s:s*}", "run", r->id, "state",
				  ev->type == EVENT_RUN_RENAMED ? run_state(r) : name, "seq", (json_int_t)ev->seq,
				  "title", ev->type == EVENT_RUN_RENAMED ? json_str(from, "name") : NULL);
	char *text = from && data ? json_text(data) : NULL;
	ref->data = text ? blob_new(text, strlen(text)) : NULL;
	mem_free(text);
	if (!ref->data)
		return err_nomem(e);
	ref->type = is_action(ev->type) ? EVENT_ACTION_STATE : EVENT_RUN_STATE;
	ref->v = event_kinds[ref->type].version;
	ref->at = ev->at;
	id_new(ref->id, ref->at, r->rng);
	snprintf(ref->cause, sizeof(ref->cause), "%s", ev->id);
	return 0;
}

/* The same changes by reference in the project's stream, for lists and inboxes. */
static int references(struct run *r, struct event **out, size_t *count, struct err *e)
{
	size_t n = 0;
	for (size_t i = 0; i < r->draft_count; i++)
		n += is_action(r->drafts[i].type) || is_state(r->drafts[i].type);
	*out = n ? mem_calloc(n, sizeof(**out)) : NULL;
	if (n && !*out)
		return err_nomem(e);
	for (size_t i = 0; i < r->draft_count; i++) {
		const struct event *ev = &r->drafts[i];
		if ((is_action(ev->type) || is_state(ev->type)) && refer(r, ev, &(*out)[(*count)++], e))
			return -1;
	}
	return 0;
}

int run_flush(struct run *r, struct err *e)
{
	size_t commands = json_array_size(r->done_commands);
	if (!r->draft_count && !commands)
		return 0;
	cleanup_free struct event *refs = NULL;
	size_t ref_count = 0;
	cleanup_free int64_t *rows = commands ? mem_alloc(commands * sizeof(*rows)) : NULL;
	struct commit *c = MEM_NEW(struct commit);
	int failed = !c || (commands && !rows) ? err_nomem(e) : references(r, &refs, &ref_count, e);
	for (size_t i = 0; i < commands && rows; i++)
		rows[i] = json_integer_value(json_array_get(r->done_commands, i));
	if (!failed) {
		*c = (struct commit){.run = r, .upto = r->seq};
		struct append a = {.stream = r->stream,
			.fence = r->fence,
			.events = r->drafts,
			.event_count = r->draft_count,
			.blobs = r->blobs,
			.blob_count = r->blob_count,
			.also_stream = ref_count ? r->project_stream : NULL,
			.also = refs,
			.also_count = ref_count,
			.commands = rows,
			.command_count = commands,
			.cb = committed,
			.ctx = c};
		failed = store_append(r->store, &a, e);
	}
	if (failed)
		mem_free(c);
	else
		r->appends++;
	for (size_t i = 0; i < ref_count; i++)
		event_release(&refs[i]);
	for (size_t i = 0; i < r->draft_count; i++)
		event_release(&r->drafts[i]);
	for (size_t i = 0; i < r->blob_count; i++)
		blob_unref(r->blobs[i].bytes);
	r->draft_count = r->blob_count = 0;
	json_array_clear(r->done_commands);
	return failed;
}

void run_tick(struct tick *t)
{
	struct run *r = container_of(t, struct run, flush);
	struct err e = ERR_INIT;
	requests_settle(r);
	ops_start_at_once(r);
	if (!r->broken && run_flush(r, &e))
		run_break(r, &e);
	ops_start(r);
	run_look(r);
}
