/* sqlite_fold: decides when events reach the projections' rows, in the transaction that appends them or in a later one.
 *
 *   append ──▶ only sums? ──yes──▶ checked, waits ──▶ folded after LATE_EVENTS or LATE_US, or when idle
 *                     └──no──▶ what waits is folded, then this, in its transaction
 *
 * A step of a run moves a dozen sums (the run's, its budgets', its usage) in three transactions, each a page of the
 * log; waiting, they are added up first, and most commits write events only (docs/decisions/0008-sums-follow-later.md).
 * streams.folded says up to where a stream's events are in the rows; it is written in the transaction that folds, for
 * all streams alike, so that an owner after a crash folds exactly what is missing. What waits is of committed events
 * once the commit of its group succeeded (late_kept), and is forgotten only when that of its folding did (late_folded).
 */
#include "base/mem.h"
#include "store/projection.h"
#include "store/sqlite.h"

#define LATE_EVENTS 2048
#define LATE_BYTES ((size_t)4 * 1024 * 1024)
#define LATE_US 1000000
#define NAMES_BATCH 256

struct late_event {
	char stream[EVENT_STREAM_MAX];
	struct event ev; /* without its payload as text */
	json_t *data;
};

static void cut(struct sqlite *s, size_t count)
{
	while (s->late_count > count)
		json_decref(s->late[--s->late_count].data);
	if (count == 0)
		s->late_bytes = 0;
}

int sqlite_fold_add(struct sqlite *s, const char *stream, const struct event *ev, json_t *data, struct err *e)
{
	struct late_event *late;

	if (s->folds_now)
		return projection_fold(&s->rows.rows, stream, ev, data, e);
	if (projection_check(&s->rows.rows, stream, ev, data, e))
		return -1;
	if (s->late_count == s->late_room) {
		size_t room = s->late_room ? s->late_room * 2 : 64;
		late = mem_realloc(s->late, room * sizeof *late);
		if (!late)
			return err_nomem(e);
		s->late = late;
		s->late_room = room;
	}
	if (s->late_count == 0)
		s->late_since = clock_mono(s->base.clock);
	late = &s->late[s->late_count++];
	late->ev = *ev;
	late->ev.data = NULL;
	late->data = json_incref(data);
	memcpy(late->stream, stream, strlen(stream) + 1);
	s->late_bytes += ev->data->size;
	return 0;
}

void sqlite_fold_undo(struct sqlite *s, size_t count)
{
	cut(s, count);
}

int sqlite_fold_late(struct sqlite *s, struct err *e)
{
	s->folds_now = true;
	for (; s->late_folded < s->late_count; s->late_folded++) {
		const struct late_event *late = &s->late[s->late_folded];
		struct head *h = sqlite_head_get(s, late->stream, e);
		if (!h || projection_fold(&s->rows.rows, late->stream, &late->ev, late->data, e))
			return -1;
		sqlite_head_moved(s, h);
	}
	return 0;
}

bool sqlite_fold_due(const struct sqlite *s)
{
	return s->late_count > 0 && (s->late_count >= LATE_EVENTS || s->late_bytes >= LATE_BYTES ||
					    clock_mono(s->base.clock) >= s->late_since + LATE_US);
}

int sqlite_fold_flush(struct sqlite *s, struct err *e)
{
	struct list *link;

	if (!s->folds_now)
		return 0;
	if (rows_sqlite_flush(&s->rows, e))
		return -1;
	while ((link = list_shift(&s->dirty))) {
		struct head *h = list_entry(link, struct head, dirty);
		if (db_do(&s->db, e, "UPDATE streams SET folded = ? WHERE id = ?", "ii", h->seq, h->id))
			return -1;
	}
	return 0;
}

void sqlite_fold_committed(struct sqlite *s)
{
	if (s->folds_now)
		cut(s, 0);
	s->late_kept = s->late_count;
	s->late_folded = 0;
	s->folds_now = false;
}

void sqlite_fold_lost(struct sqlite *s)
{
	cut(s, s->late_kept);
	s->late_folded = 0;
	s->folds_now = false;
}

void sqlite_fold_release(struct sqlite *s)
{
	cut(s, 0);
	mem_free(s->late);
	s->late = NULL;
	s->late_room = s->late_kept = 0;
}

/* ---- what an owner before left ---- */

static int fold_stream(struct sqlite *s, struct reader *r, const char *stream, int64_t after, struct err *e)
{
	struct head *h = sqlite_head_get(s, stream, e);

	if (!h || driver_fold_stream(&s->base, r, stream, after, &s->rows.rows, e))
		return -1;
	sqlite_head_moved(s, h);
	return 0;
}

/* Some streams that are behind, after this name. */
static int names_behind(struct sqlite *s, char (*names)[EVENT_STREAM_MAX], int64_t *folded, struct err *e)
{
	sqlite3_stmt *st;
	int n = 0, rc;

	if (db_query(&s->db, &st, e,
		    "SELECT name, folded FROM streams WHERE name > ? AND "
		    "folded < (SELECT max(seq) FROM events WHERE stream = streams.id) ORDER BY name LIMIT ?",
		    "si", names[NAMES_BATCH], (int64_t)NAMES_BATCH))
		return -1;
	while ((rc = db_step(&s->db, st, e)) > 0) {
		struct span name = db_span(st, 0);
		if (name.n < EVENT_STREAM_MAX) {
			memcpy(names[n], name.p, name.n);
			names[n][name.n] = '\0';
			folded[n++] = sqlite3_column_int64(st, 1);
		}
	}
	if (n)
		memcpy(names[NAMES_BATCH], names[n - 1], EVENT_STREAM_MAX);
	return rc ? -1 : n;
}

static int fold_rest(struct sqlite *s, struct reader *r, struct err *e)
{
	cleanup_free char(*names)[EVENT_STREAM_MAX] = mem_calloc(NAMES_BATCH + 1, EVENT_STREAM_MAX);
	int64_t folded[NAMES_BATCH];
	int n = NAMES_BATCH;

	if (!names)
		return err_nomem(e);
	if (sqlite_begin(&s->base, e))
		return -1;
	s->folds_now = true;
	while (n == NAMES_BATCH) {
		n = names_behind(s, names, folded, e);
		for (int i = 0; i < n; i++)
			if (fold_stream(s, r, names[i], folded[i], e))
				n = -1;
	}
	return n < 0 ? -1 : sqlite_commit(&s->base, e);
}

int sqlite_fold_rest(struct sqlite *s, struct err *e)
{
	struct reader *r = sqlite_reader(&s->base, true, e);
	int rc;

	if (!r)
		return -1;
	rc = fold_rest(s, r, e);
	sqlite_reader_end(r);
	return rc;
}
