/* verify: checks that the journal holds what was written and that the projections follow from it, and makes these anew.
 *
 * Everything is read from one view, so that an owner may go on writing meanwhile. Reading checks each chain value;
 * here come the ends of the streams, the signed heads, the blobs, and a fold of all events into memory. */
#include "base/caps.h"
#include "base/mem.h"
#include "store/blobs.h"
#include "store/heads.h"
#include "store/private.h"
#include "store/projection.h"
#include "store/rows_memory.h"

struct verify {
	struct store *store;
	struct reader *reader;
	struct store_verified *out;
	struct map seen; /* blobs that were checked */
	int64_t count;	 /* of the present stream */
	struct hash last;
};

static int check_blob(struct verify *v, const char *stream, const struct event *ev, const struct hash *h, struct err *e)
{
	struct span key = span_n((const char *)h->b, HASH_SIZE);
	struct blob_info info;
	struct blob *b = NULL;
	struct hash is;
	char hex[HASH_HEX];
	int known;

	if (map_get(&v->seen, key))
		return 0;
	hash_hex(h, hex);
	known = v->store->driver->ops->blob(v->reader, h, &info, &b, e);
	if (known < 0)
		return -1;
	if (b)
		hash_bytes(&is, NULL, blob_span(b));
	else if (known && blob_file_hash(v->store->dir, h, &is, e)) {
		if (e && e->code != ERR_NOT_FOUND)
			return -1;
		known = 0;
	}
	blob_unref(b);
	if (!known)
		return err_set(e, ERR_VERIFY_DIFFERS, "event %lld of %s names the blob %s, which is missing or damaged",
			(long long)ev->seq, stream, hex);
	if (!hash_eq(&is, h))
		return err_set(e, ERR_VERIFY_DIFFERS,
			"event %lld of %s names the blob %s, whose content is not what was written", (long long)ev->seq,
			stream, hex);
	v->out->blobs++;
	return map_set(&v->seen, key, v, NULL, e);
}

static int check_event(void *ctx, const char *stream, const struct event *ev, struct err *e)
{
	struct verify *v = ctx;
	cleanup_json json_t *data = NULL;
	struct event_names names = {.count = 0};

	v->count++;
	v->last = ev->hash;
	v->out->events++;
	if (event_names_blobs(ev)) {
		data = event_data(ev, e);
		if (!data || event_blobs(ev, data, &names, e))
			return -1;
	}
	for (int i = 0; i < names.count; i++)
		if (check_blob(v, stream, ev, &names.hashes[i], e))
			return -1;
	return 0;
}

static int check_stream(void *ctx, const struct stream_head *head, struct err *e)
{
	struct verify *v = ctx;

	v->count = 0;
	memset(&v->last, 0, sizeof v->last);
	if (driver_each_event(v->store->driver, v->reader, head->name, 0, check_event, v, e))
		return -1;
	v->out->streams++;
	if (v->count != head->seq)
		return err_set(e, ERR_VERIFY_DIFFERS, "%s holds %lld events, but its head says seq %lld", head->name,
			(long long)v->count, (long long)head->seq);
	if (!hash_eq(&v->last, &head->hash))
		return err_set(e, ERR_VERIFY_DIFFERS, "the head of %s has another chain value than event %lld",
			head->name, (long long)head->seq);
	if (head->folded > head->seq)
		return err_set(e, ERR_VERIFY_DIFFERS,
			"%s ends at seq %lld, but the projections follow it to %lld: events were removed", head->name,
			(long long)head->seq, (long long)head->folded);
	return 0;
}

/* ---- projections ---- */

struct compare {
	const struct rows_memory *fresh;
	enum table_id table;
	size_t count;
};

static int compare_row(void *ctx, const struct cell *cells, struct err *e)
{
	struct compare *c = ctx;
	const struct table *t = &store_tables[c->table];
	const struct cell *want = rows_memory_find(c->fresh, c->table, cells);

	c->count++;
	for (int i = 0; i < t->count; i++) {
		if (t->columns[i].type == COLUMN_SEQ || t->columns[i].type == COLUMN_AT)
			continue;
		if (!want || !cell_eq(&want[i], &cells[i]))
			return err_set(e, ERR_VERIFY_DIFFERS,
				"the projection %s does not follow from the events: row %.*s, column %s; muster verify "
				"--rebuild makes it anew",
				t->name, (int)cells[0].text.n, cells[0].text.p, want ? t->columns[i].name : "(all)");
	}
	return 0;
}

static int check_projections(struct verify *v, struct err *e)
{
	struct driver *d = v->store->driver;
	struct filter all = {.count = 0};
	struct rows_memory fresh;
	int rc;

	rows_memory_init(&fresh);
	rc = driver_fold_all(d, v->reader, false, &fresh.rows, e);
	rows_memory_keep(&fresh);
	for (int t = 0; rc == 0 && t < TABLES; t++) {
		struct compare c = {&fresh, (enum table_id)t, 0};
		size_t want = 0;
		for (size_t i = 0; rows_memory_next(&fresh, c.table, &i);)
			want++;
		rc = d->ops->rows(v->reader, c.table, &all, -1, compare_row, &c, e);
		if (rc == 0 && c.count != want)
			rc = err_set(e, ERR_VERIFY_DIFFERS,
				"the projection %s has %zu rows, the events give %zu; muster verify --rebuild makes it "
				"anew",
				store_tables[t].name, c.count, want);
	}
	rows_memory_release(&fresh);
	return rc;
}

static int verify(struct verify *v, struct span heads, const char *stream, struct err *e)
{
	struct driver *d = v->store->driver;
	struct stream_head head;
	int found;

	if (v->store->dir && heads_verify(d, v->reader, heads, stream, e))
		return -1;
	if (!stream) {
		if (d->ops->check(v->reader, e) || driver_each_stream(d, v->reader, check_stream, v, e))
			return -1;
		return check_projections(v, e);
	}
	found = d->ops->stream(v->reader, stream, &head, e);
	if (found == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no stream %s", stream);
	return found < 0 ? -1 : check_stream(v, &head, e);
}

int store_verify(struct store *s, const char *stream, struct store_verified *out, struct err *e)
{
	cleanup_buf struct buf heads = BUF_INIT(0);
	struct verify v = {.store = s, .out = out};
	struct err why = ERR_INIT;
	int rc;

	memset(out, 0, sizeof *out);
	if (s->dir && heads_load(s->dir, s->key, &heads, e))
		return -1;
	v.reader = store_reader(s, true, e);
	if (!v.reader)
		return -1;
	map_init(&v.seen, CAP_STORE_ROWS);
	rc = verify(&v, buf_span(&heads), stream, &why);
	map_release(&v.seen, NULL);
	store_reader_end(s, v.reader);
	if (why.code == ERR_CORRUPT)
		why.code = ERR_VERIFY_DIFFERS;
	if (rc && e)
		*e = why;
	return rc;
}

int store_settle(struct store *s, struct err *e)
{
	struct write w = {.kind = WRITE_FOLD};

	return store_writable(s, e) ? -1 : writer_call(&s->writer, &w, e);
}

int store_rebuild(struct store *s, struct err *e)
{
	struct write w = {.kind = WRITE_REBUILD};

	return store_writable(s, e) ? -1 : writer_call(&s->writer, &w, e);
}
