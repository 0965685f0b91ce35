/* remove: a run that has ended goes, with its events; what it spent is said where that is noted. */
#include <math.h>
#include <stdio.h>

#include "base/id.h"
#include "base/mem.h"
#include "store/private.h"

json_t *store_runs_ended(struct store *s, int64_t ended, int64_t begun, int limit, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:[s, s, s]}", "state", "completed", "failed", "cancelled");
	cleanup_free struct filter *f = filter ? MEM_NEW(struct filter) : NULL;

	if (!f)
		return filter ? (err_nomem(e), NULL) : NULL;
	if (filter_from(TABLE_RUNS, filter, f, e))
		return NULL;
	f->ranges[0].column = RUNS_updated;
	f->ranges[0].below = ended;
	f->ranges[1].column = RUNS_created;
	f->ranges[1].below = begun;
	f->range_count = 2;
	return store_list(s, TABLE_RUNS, f, limit, e);
}

static json_t *first_row(struct store *s, enum table_id t, const char *column, const char *value, struct err *e)
{
	struct filter f;
	cleanup_json json_t *filter = json_make(e, "{s:s}", column, value);
	cleanup_json json_t *rows = filter && !filter_from(t, filter, &f, e) ? store_list(s, t, &f, 1, e) : NULL;

	return rows ? json_array_size(rows) ? json_incref(json_array_get(rows, 0)) : json_null() : NULL;
}

static int check_over(struct store *s, const json_t *row, const json_t *budget, struct err *e)
{
	const char *id = json_str(row, "run"), *run_state = json_str(row, "state");
	bool ended = run_state && (!strcmp(run_state, "completed") || !strcmp(run_state, "failed") ||
					  !strcmp(run_state, "cancelled"));

	if (!ended)
		return err_set(e, ERR_CONFLICT, "the run %s has not ended", id);
	cleanup_json json_t *child = first_row(s, TABLE_RUNS, "parent", id, e);
	if (!child)
		return -1;
	if (json_is_object(child) || json_str(row, "parent") || json_num(budget, "reserved", 0) != 0)
		return err_set(e, ERR_CONFLICT, "the run %s is part of another, or a call of it is not paid", id);
	return 0;
}

/* Dollars as they are counted. */
static json_int_t nano(const json_t *row, const char *name)
{
	return llround(json_num(row, name, 0) * 1e9);
}

/* What it spent itself, as projection.c takes it back. */
static json_t *usage_of(struct store *s, const json_t *run, struct err *e)
{
	struct filter f;
	cleanup_json json_t *filter = json_make(e, "{s:O}", "run", json_get(run, "run"));
	cleanup_json json_t *rows =
		filter && !filter_from(TABLE_USAGE, filter, &f, e) ? store_list(s, TABLE_USAGE, &f, -1, e) : NULL;
	cleanup_json json_t *out = rows ? json_make(e, "[]") : NULL;
	json_t *row;
	size_t i;

	json_array_foreach(out ? rows : NULL, i, row)
	{
		json_t *one = json_make(e, "{s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:I, s:I}", "role",
			json_get(row, "role"), "model", json_get(row, "model"), "day", json_get(row, "day"), "calls",
			json_get(row, "calls"), "input", json_get(row, "input"), "output", json_get(row, "output"),
			"cached", json_get(row, "cached"), "usd_nano", nano(row, "usd"), "unknown_nano",
			nano(row, "usd_unknown"));
		if (!one)
			return NULL;
		if (json_array_append_new(out, one)) {
			err_nomem(e);
			return NULL;
		}
	}
	return steal(&out);
}

static json_t *deleted_of(struct store *s, const char *stream, const json_t *row, int64_t *seq, struct err *e)
{
	struct stream_head head;
	char hex[HASH_HEX];
	cleanup_json json_t *usage = usage_of(s, row, e);
	struct reader *r = usage ? store_reader(s, false, e) : NULL;
	int found = r ? s->driver->ops->stream(r, stream, &head, e) : -1;

	if (r)
		store_reader_end(s, r);
	if (found <= 0) {
		if (found == 0)
			err_set(e, ERR_NOT_FOUND, "there is no stream %s", stream);
		return NULL;
	}
	*seq = head.seq;
	hash_hex(&head.hash, hex);
	return json_make(e, "{s:s, s:s, s:I, s:s?, s:s?, s:O}", "run", json_str(row, "run"), "hash", hex, "seq",
		(json_int_t)head.seq, "project", json_str(row, "project"), "user", json_str(row, "user"), "usage",
		usage);
}

int store_run_delete(
	struct store *s, const char *id, void (*cb)(void *ctx, const struct err *why), void *ctx, struct err *e)
{
	char stream[EVENT_STREAM_MAX], project[EVENT_STREAM_MAX];
	struct event ev = {.seq = APPEND_AT_END,
		.type = EVENT_RUN_DELETED,
		.v = 1,
		.at = clock_wall(s->clock),
		.actor = ACTOR_SYSTEM};
	struct append a = {
		.stream = project, .events = &ev, .event_count = 1, .drop_stream = stream, .cb = cb, .ctx = ctx};
	snprintf(stream, sizeof stream, "run/%s", id);
	/* Sums of the run may be a moment behind. */
	cleanup_json json_t *row = store_settle(s, e) ? NULL : store_run(s, id, e);
	cleanup_json json_t *budget = row ? first_row(s, TABLE_BUDGETS, "scope", stream, e) : NULL;
	cleanup_json json_t *data =
		budget && !check_over(s, row, budget, e) ? deleted_of(s, stream, row, &a.drop_seq, e) : NULL;
	cleanup_free char *text = data ? json_text(data) : NULL;
	if (!data)
		return -1;
	snprintf(project, sizeof project, "project/%s", json_str(row, "project"));
	id_new(ev.id, ev.at, NULL);
	ev.data = text ? blob_new(text, strlen(text)) : NULL;
	int rc = ev.data ? store_append(s, &a, e) : err_nomem(e);
	event_release(&ev);
	return rc;
}
