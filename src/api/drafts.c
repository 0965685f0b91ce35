/* drafts: see drafts.h. One row for each open subject, keyed by stream, kind and subject.
 *
 * Failure modes: where there is no memory for a row, or above the caps, a subject is not kept: its pieces still go to
 * those who follow. A piece whose offset is not the end of what is known begins the subject anew there. */
#include "api/drafts.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define CAP_DRAFTS 20000
#define CAP_DRAFT_ALL ((size_t)64 * MIB)

/* The fields that tell a subject from others of its kind, and the durable kind that ends it. */
static const struct kind {
	enum event_type piece, end;
	const char *subject; /* beside the agent */
} kinds[] = {
	{EVENT_MESSAGE_DELTA, EVENT_MODEL_ANSWERED, "turn"},
	{EVENT_ANSWER_DELTA, EVENT_MODEL_ANSWERED, "turn"},
	{EVENT_TOOL_OUTPUT, EVENT_TOOL_FINISHED, "call"},
	{EVENT_FILE_STREAM, EVENT_TOOL_STARTED, "path"},
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

struct draft {
	enum event_type type;
	char stream[EVENT_STREAM_MAX];
	json_t *subject; /* the piece's fields but offset and text */
	int64_t offset;	 /* of the text's first byte */
	struct buf text;
};

struct drafts {
	struct store *store;
	struct tail tail;
	struct map rows;
	size_t bytes;
};

static void free_row(struct drafts *d, struct draft *row)
{
	d->bytes -= row->text.len;
	json_decref(row->subject);
	buf_release(&row->text);
	mem_free(row);
}

static void key_of(const char *stream, const struct kind *k, const json_t *data, struct buf *out)
{
	const json_t *subject = json_get(data, k->subject);
	buf_addf(out, "%s %d %s ", stream, (int)k->piece, json_str(data, "agent") ? json_str(data, "agent") : "");
	if (json_is_integer(subject))
		buf_addf(out, "%lld", (long long)json_integer_value(subject));
	else
		buf_adds(out, json_string_value(subject) ? json_string_value(subject) : "");
}

static struct draft *row_of(
	struct drafts *d, const char *stream, const struct kind *k, const json_t *data, struct span key)
{
	struct err e = ERR_INIT;
	struct draft *row = map_get(&d->rows, key);
	if (row)
		return row;
	row = MEM_NEW(struct draft);
	if (!row)
		return NULL;
	row->type = k->piece;
	row->subject = json_clone(data);
	buf_init(&row->text, CAP_DRAFT);
	snprintf(row->stream, sizeof(row->stream), "%s", stream);
	if (!row->subject || map_set(&d->rows, key, row, NULL, &e)) {
		free_row(d, row);
		return NULL;
	}
	json_object_del(row->subject, "text");
	return row;
}

static void add_piece(struct drafts *d, const char *stream, const struct kind *k, const json_t *data)
{
	cleanup_buf struct buf key = BUF_INIT(CAP_EVENT_DATA);
	int64_t offset = json_int(data, "offset", 0);
	struct span text = json_span(data, "text");
	key_of(stream, k, data, &key);
	struct draft *row = key.failed ? NULL : row_of(d, stream, k, data, buf_span(&key));
	if (!row)
		return;
	if (offset != row->offset + (int64_t)row->text.len || row->text.len + text.n > CAP_DRAFT) {
		d->bytes -= row->text.len;
		buf_clear(&row->text);
		row->offset = offset;
	}
	if (d->bytes + text.n > CAP_DRAFT_ALL || text.n > CAP_DRAFT)
		return;
	buf_addspan(&row->text, text);
	d->bytes += text.n;
}

static void end_one(struct drafts *d, const char *stream, const struct kind *k, const json_t *data)
{
	cleanup_buf struct buf key = BUF_INIT(CAP_EVENT_DATA);
	key_of(stream, k, data, &key);
	struct draft *row = key.failed ? NULL : map_del(&d->rows, buf_span(&key));
	if (row)
		free_row(d, row);
}

/* Of the run, or (agent not NULL) of one of its agents; kind NULL: all kinds. */
static void end_many(struct drafts *d, const char *stream, const char *agent, const struct kind *k)
{
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&d->rows, &i));) {
		struct draft *row = it->value;
		const char *of = json_str(row->subject, "agent");
		if (strcmp(row->stream, stream) != 0 || (k && row->type != k->piece) ||
			(agent && (!of || strcmp(of, agent) != 0)))
			continue;
		map_del(&d->rows, span_n(it->key, it->key_len));
		free_row(d, row);
	}
}

static const struct kind *kind_of(enum event_type type, bool end)
{
	for (size_t i = 0; i < KINDS; i++)
		if ((end ? kinds[i].end : kinds[i].piece) == type)
			return &kinds[i];
	return NULL;
}

static bool ends_agent(enum event_type t)
{
	return t == EVENT_AGENT_FINISHED || t == EVENT_MODEL_FAILED;
}

static bool ends_run(enum event_type t)
{
	return t == EVENT_RUN_COMPLETED || t == EVENT_RUN_FAILED || t == EVENT_RUN_CANCELLED ||
	       t == EVENT_RUN_RECOVERED;
}

static void on_event(struct tail *t, const char *stream, const struct event *ev)
{
	struct drafts *d = container_of(t, struct drafts, tail);
	const struct kind *piece = kind_of(ev->type, false), *end = kind_of(ev->type, true);
	bool any = piece || (map_count(&d->rows) && (end || ends_agent(ev->type) || ends_run(ev->type)));
	struct err e = ERR_INIT;
	if (!any)
		return;
	cleanup_json json_t *data = event_data(ev, &e);
	if (!data)
		return;
	if (piece)
		add_piece(d, stream, piece, data);
	else if (end && end->piece == EVENT_FILE_STREAM) /* the answer is whole: its files are written now */
		end_many(d, stream, json_str(data, "agent"), end);
	else if (end)
		for (size_t i = 0; i < KINDS; i++) {
			if (kinds[i].end == ev->type)
				end_one(d, stream, &kinds[i], data);
		}
	else
		end_many(d, stream, ends_agent(ev->type) ? json_str(data, "agent") : NULL, NULL);
}

void drafts_each(struct drafts *d, const char *stream, int (*each)(void *ctx, const struct event *ev), void *ctx)
{
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&d->rows, &i));) {
		const struct draft *row = it->value;
		cleanup_json json_t *data = strcmp(row->stream, stream) != 0 ? NULL : json_clone(row->subject);
		if (!data || json_put_int(data, "offset", row->offset) ||
			json_put_span(data, "text", buf_span(&row->text)))
			continue;
		cleanup_free char *text = json_text(data);
		struct event ev = {.type = row->type, .v = event_kinds[row->type].version};
		ev.data = text ? blob_new(text, strlen(text)) : NULL;
		int stop = ev.data ? each(ctx, &ev) : 0;
		event_release(&ev);
		if (stop)
			return;
	}
}

struct drafts *drafts_new(struct store *s, struct err *e)
{
	struct drafts *d = MEM_NEW(struct drafts);
	if (!d) {
		err_nomem(e);
		return NULL;
	}
	d->store = s;
	map_init(&d->rows, CAP_DRAFTS);
	d->tail = (struct tail){.cb = on_event};
	if (tail_start(&d->tail, s, e)) {
		drafts_free(d);
		return NULL;
	}
	return d;
}

void drafts_free(struct drafts *d)
{
	struct map_entry *it;
	if (!d)
		return;
	tail_stop(&d->tail);
	for (size_t i = 0; (it = map_next(&d->rows, &i));)
		free_row(d, it->value);
	map_release(&d->rows, NULL);
	mem_free(d);
}
