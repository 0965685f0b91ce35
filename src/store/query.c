/* query: what the store answers in JSON: lists of the projections, budgets, and commands that wait. */
#include "base/caps.h"
#include "base/mem.h"
#include "store/private.h"
#include "store/spool.h"

struct listing {
	enum table_id table;
	json_t *array;
};

static int add_row(void *ctx, const struct cell *cells, struct err *e)
{
	struct listing *l = ctx;
	json_t *row = row_json(l->table, cells, e);

	if (!row)
		return -1;
	return json_array_append_new(l->array, row) ? err_nomem(e) : 0;
}

json_t *store_list(struct store *s, enum table_id t, const struct filter *f, int limit, struct err *e)
{
	cleanup_json json_t *array = json_array();
	struct listing l = {t, array};
	struct reader *r;
	int rc;

	if (!array) {
		err_nomem(e);
		return NULL;
	}
	r = store_reader(s, false, e);
	if (!r)
		return NULL;
	rc = s->driver->ops->rows(r, t, f, limit, add_row, &l, e);
	store_reader_end(s, r);
	return rc ? NULL : steal(&array);
}

static json_t *list_rows(
	struct store *s, enum table_id t, const json_t *filter, int time, int64_t before, int limit, struct err *e)
{
	struct filter f;

	if (filter_from(t, filter, &f, e))
		return NULL;
	f.no_deleted = t == TABLE_RUNS;
	if (before) {
		f.ranges[f.range_count].column = time;
		f.ranges[f.range_count++].below = before;
	}
	return store_list(s, t, &f, limit, e);
}

json_t *store_runs_before(struct store *s, const json_t *filter, int64_t before, int limit, struct err *e)
{
	return list_rows(s, TABLE_RUNS, filter, RUNS_created, before, limit, e);
}

json_t *store_runs(struct store *s, const json_t *filter, int limit, struct err *e)
{
	return store_runs_before(s, filter, 0, limit, e);
}

json_t *store_actions_before(struct store *s, const json_t *filter, int64_t before, int limit, struct err *e)
{
	return list_rows(s, TABLE_ACTIONS, filter, ACTIONS_opened, before, limit, e);
}

json_t *store_actions(struct store *s, const json_t *filter, int limit, struct err *e)
{
	return store_actions_before(s, filter, 0, limit, e);
}

/* ---- one run ---- */

struct search {
	struct span part;
	json_t *found;
	int count;
	struct buf names;
};

static int look_at_run(void *ctx, const struct cell *cells, struct err *e)
{
	struct search *s = ctx;
	struct span id = cells[RUNS_run].text;

	if (id.n < s->part.n ||
		(memcmp(id.p, s->part.p, s->part.n) != 0 && memcmp(id.p + id.n - s->part.n, s->part.p, s->part.n) != 0))
		return 0;
	if (s->count++ < 4) {
		buf_adds(&s->names, s->count > 1 ? ", " : "");
		buf_addspan(&s->names, id);
	}
	if (s->found)
		return 0;
	s->found = row_json(TABLE_RUNS, cells, e);
	return s->found ? 0 : -1;
}

static json_t *search_run(struct store *s, const char *part, struct err *e)
{
	struct search search = {.part = span_of(part), .names = BUF_INIT(1024)};
	struct filter all = {.no_deleted = true};
	struct reader *r = store_reader(s, false, e);
	int rc = r ? s->driver->ops->rows(r, TABLE_RUNS, &all, -1, look_at_run, &search, e) : -1;

	if (r)
		store_reader_end(s, r);
	if (rc == 0 && search.count == 0)
		rc = err_set(e, ERR_NOT_FOUND, "there is no run %s; muster runs lists them", part);
	if (rc == 0 && search.count > 1)
		rc = err_set(e, ERR_INVALID, "%d runs match %s (%s%s); write more of the id", search.count, part,
			search.names.data ? search.names.data : "", search.count > 4 ? ", …" : "");
	if (rc) {
		json_decref(search.found);
		search.found = NULL;
	}
	buf_release(&search.names);
	return search.found;
}

json_t *store_run(struct store *s, const char *id, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "run", id), *rows = NULL;

	if (!filter)
		return NULL;
	rows = store_runs(s, filter, 1, e);
	if (!rows)
		return NULL;
	if (json_array_size(rows))
		return json_incref(json_array_get(rows, 0));
	if (strlen(id) < 4) {
		err_set(e, ERR_NOT_FOUND, "there is no run %s; write at least 4 characters of its id", id);
		return NULL;
	}
	return search_run(s, id, e);
}

/* ---- budgets ---- */

static int add_shared(void *ctx, const struct cell *cells, struct err *e)
{
	return span_starts(cells[BUDGETS_scope].text, "run/") ? 0 : add_row(ctx, cells, e);
}

static json_t *budgets(struct store *s, const char *month,
	int (*each)(void *ctx, const struct cell *cells, struct err *e), struct err *e)
{
	cleanup_json json_t *array = json_array();
	struct listing l = {TABLE_BUDGETS, array};
	struct filter f = {.conditions = {{BUDGETS_month, cell_text("")}, {BUDGETS_month, cell_text(month)}},
		.count = month ? 2 : 1};
	struct reader *r = array ? store_reader(s, false, e) : NULL;
	int rc = array ? -1 : err_nomem(e);

	if (r) {
		rc = s->driver->ops->rows(r, TABLE_BUDGETS, &f, -1, each, &l, e);
		store_reader_end(s, r);
	}
	return rc ? NULL : steal(&array);
}

json_t *store_budgets(struct store *s, struct err *e)
{
	return budgets(s, NULL, add_row, e);
}

json_t *store_budgets_shared(struct store *s, const char *month, struct err *e)
{
	return budgets(s, month, add_shared, e);
}

/* ---- commands ---- */

static int put_command(struct store *s, const char *id, const char *stream, const json_t *command, struct err *e)
{
	cleanup_free char *text = json_text(command);
	struct write w = {.kind = WRITE_COMMAND, .command = {id, stream, text}};

	return text ? writer_call(&s->writer, &w, e) : err_nomem(e);
}

static int known(struct store *s, const char *id, struct err *e)
{
	struct reader *r = store_reader(s, false, e);
	int rc = r ? s->driver->ops->command_known(r, id, e) : -1;

	if (r)
		store_reader_end(s, r);
	return rc;
}

int store_command(struct store *s, const char *id, const char *stream, const json_t *command, struct err *e)
{
	int rc;

	if (!id || !*id || !stream || !*stream || strlen(stream) >= EVENT_STREAM_MAX || !json_is_object(command))
		return err_set(e, ERR_INVALID, "a command needs an id, a stream and an object");
	if (s->access == STORE_OWN)
		return put_command(s, id, stream, command, e);
	rc = known(s, id, e);
	return rc ? (rc < 0 ? -1 : 0) : spool_put(s->dir, id, stream, command, e);
}

static int take_in(void *ctx, const char *id, const char *stream, const json_t *command, struct err *e)
{
	return put_command(ctx, id, stream, command, e);
}

static int add_command(void *ctx, const struct command_row *row, struct err *e)
{
	json_t *command = json_parse(row->text, "a command", e);
	json_t *id = json_from_span(row->id), *stream = json_from_span(row->stream), *whole;

	if (!command) {
		json_decref(id);
		json_decref(stream);
		return -1;
	}
	whole = json_make(
		e, "{s:I, s:o, s:o, s:o}", "n", (json_int_t)row->n, "id", id, "stream", stream, "command", command);
	return !whole ? -1 : json_array_append_new(ctx, whole) ? err_nomem(e) : 0;
}

struct waiting {
	struct store *store;
	const char *stream;
	json_t *array;
};

static int add_waiting(void *ctx, const char *id, const char *stream, const json_t *command, struct err *e)
{
	struct waiting *w = ctx;
	int rc = w->stream && strcmp(w->stream, stream) != 0 ? 1 : known(w->store, id, e);
	json_t *whole;

	if (rc)
		return rc < 0 ? -1 : 0;
	whole = json_make(e, "{s:n, s:s, s:s, s:O}", "n", "id", id, "stream", stream, "command", (json_t *)command);
	return !whole ? -1 : json_array_append_new(w->array, whole) ? err_nomem(e) : 0;
}

json_t *store_commands(struct store *s, const char *stream, struct err *e)
{
	cleanup_json json_t *array = json_array();
	struct waiting w = {s, stream, array};
	struct reader *r;
	int rc;

	if (!array) {
		err_nomem(e);
		return NULL;
	}
	if (s->dir && s->access == STORE_OWN && spool_each(s->dir, true, take_in, s, e))
		return NULL;
	r = store_reader(s, false, e);
	rc = r ? s->driver->ops->commands(r, stream, add_command, array, e) : -1;
	if (r)
		store_reader_end(s, r);
	if (rc == 0 && s->access == STORE_READ)
		rc = spool_each(s->dir, false, add_waiting, &w, e);
	return rc ? NULL : steal(&array);
}
