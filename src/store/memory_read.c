/* memory_read: the reading side of the driver without a disk. A reader holds the driver's lock; lists are put in order
 * as they are asked for. */
#include "store/memory.h"

#include "base/mem.h"

struct reader *memory_reader(struct driver *d, bool view, struct err *e)
{
	struct memory *m = memory_of(d);

	(void)view, (void)e;
	pthread_mutex_lock(&m->lock);
	return &m->reader;
}

void memory_reader_end(struct reader *r)
{
	pthread_mutex_unlock(&r->memory->lock);
}

int64_t memory_head(struct reader *r, const char *stream, struct err *e)
{
	struct memory_stream *st = map_get(&r->memory->streams, span_of(stream));

	(void)e;
	return st ? (int64_t)st->count : 0;
}

int memory_read(struct reader *r, const char *stream, int64_t after, struct event *out, int max, struct err *e)
{
	struct memory_stream *st = map_get(&r->memory->streams, span_of(stream));
	struct hash prev = {{0}};
	int n = 0;

	if (!st || after < 0 || (size_t)after >= st->count)
		return 0;
	if (after > 0)
		prev = st->events[after - 1].hash;
	while (n < max && (size_t)after < st->count) {
		const struct event *ev = &st->events[after++];
		if (driver_check_event(ev, stream, event_kinds[ev->type].type, after, r->memory->base.key, &prev, e))
			break;
		event_copy(&out[n++], ev);
	}
	if (n == max || (size_t)after == st->count)
		return n;
	while (n > 0)
		event_release(&out[--n]);
	return -1;
}

static void head_of(const struct map_entry *entry, struct stream_head *out)
{
	const struct memory_stream *st = entry->value;

	memset(out, 0, sizeof *out);
	memcpy(out->name, entry->key, entry->key_len);
	out->seq = out->folded = (int64_t)st->count;
	if (st->count)
		out->hash = st->events[st->count - 1].hash;
}

int memory_heads(struct reader *r, const char *after, struct stream_head *out, int max, struct err *e)
{
	struct map_entry *entry;
	int n = 0;

	(void)e;
	for (size_t i = 0; (entry = map_next(&r->memory->streams, &i));) {
		int at = n < max ? n : max;
		if (strcmp(entry->key, after) <= 0)
			continue;
		while (at > 0 && strcmp(out[at - 1].name, entry->key) > 0)
			at--;
		if (at == max)
			continue;
		if (n < max)
			n++;
		memmove(&out[at + 1], &out[at], (size_t)(n - at - 1) * sizeof *out);
		head_of(entry, &out[at]);
	}
	return n;
}

int memory_stream(struct reader *r, const char *stream, struct stream_head *out, struct err *e)
{
	struct memory_stream *st = map_get(&r->memory->streams, span_of(stream));
	struct map_entry entry = {.key = (char *)stream, .key_len = strlen(stream), .value = st};

	(void)e;
	if (!st)
		return 0;
	head_of(&entry, out);
	return 1;
}

int memory_hash_at(struct reader *r, const char *stream, int64_t seq, struct hash *out, struct err *e)
{
	struct memory_stream *st = map_get(&r->memory->streams, span_of(stream));

	(void)e;
	if (!st || seq < 1 || (size_t)seq > st->count)
		return 0;
	*out = st->events[seq - 1].hash;
	return 1;
}

int memory_blob(struct reader *r, const struct hash *h, struct blob_info *info, struct blob **out, struct err *e)
{
	struct memory_blob *b = map_get(&r->memory->blobs, hash_span(h));

	(void)e;
	if (!b)
		return 0;
	*info = (struct blob_info){(int64_t)b->bytes->size, b->at, b->named};
	if (out)
		*out = blob_ref(b->bytes);
	return 1;
}

int memory_unnamed(struct reader *r, int64_t before, const struct hash *after, struct hash *out, int max, struct err *e)
{
	struct map_entry *entry;
	int n = 0;

	(void)e;
	for (size_t i = 0; (entry = map_next(&r->memory->blobs, &i));) {
		struct memory_blob *b = entry->value;
		int at = n < max ? n : max;
		if (b->named || b->at >= before || memcmp(entry->key, after->b, HASH_SIZE) <= 0)
			continue;
		while (at > 0 && memcmp(out[at - 1].b, entry->key, HASH_SIZE) > 0)
			at--;
		if (at == max)
			continue;
		if (n < max)
			n++;
		memmove(&out[at + 1], &out[at], (size_t)(n - at - 1) * sizeof *out);
		memcpy(out[at].b, entry->key, HASH_SIZE);
	}
	return n;
}

/* Does row a come before row b in a list? */
static bool comes_before(enum table_id t, const struct cell *a, const struct cell *b)
{
	const struct table *table = &store_tables[t];
	int newest = table->newest;

	if (newest >= 0 && a[newest].i != b[newest].i)
		return a[newest].i > b[newest].i;
	for (int k = 0; k < table->keys; k++) {
		size_t n = a[k].text.n < b[k].text.n ? a[k].text.n : b[k].text.n;
		int order = n ? memcmp(a[k].text.p, b[k].text.p, n) : 0;
		if (order == 0)
			order = a[k].text.n < b[k].text.n ? -1 : a[k].text.n > b[k].text.n;
		if (order == 0)
			order = a[k].i < b[k].i ? -1 : a[k].i > b[k].i;
		if (order)
			return newest >= 0 ? order > 0 : order < 0;
	}
	return false;
}

/* A row with the columns that are not stored. */
static void whole_row(struct memory *m, enum table_id t, const struct cell *stored, struct cell out[ROW_CELLS])
{
	char name[EVENT_STREAM_MAX + 8] = "run/";
	struct memory_stream *st = NULL;

	memcpy(out, stored, ROW_CELLS * sizeof *out);
	if (t != TABLE_RUNS)
		return;
	if (stored[0].text.n < EVENT_STREAM_MAX) {
		memcpy(name + 4, stored[0].text.p, stored[0].text.n);
		st = map_get(&m->streams, span_n(name, stored[0].text.n + 4));
	}
	out[RUNS_seq] = cell_int(st ? (int64_t)st->count : 0);
	out[RUNS_updated] = cell_int(st && st->count ? st->events[st->count - 1].at : 0);
}

int memory_rows(struct reader *r, enum table_id t, const struct filter *f, int limit,
	int (*each)(void *ctx, const struct cell *cells, struct err *e), void *ctx, struct err *e)
{
	struct memory *m = r->memory;
	size_t count = map_count(&m->rows.tables[t]), n = 0;
	cleanup_free const struct cell **picked = mem_calloc(count + 1, sizeof *picked);
	struct cell whole[ROW_CELLS];
	const struct cell *cells;

	if (!picked)
		return err_nomem(e);
	for (size_t i = 0; (cells = rows_memory_next(&m->rows, t, &i));) {
		size_t at = n;
		whole_row(m, t, cells, whole);
		if (!filter_matches(f, whole))
			continue;
		for (; at > 0 && comes_before(t, cells, picked[at - 1]); at--)
			picked[at] = picked[at - 1];
		picked[at] = cells;
		n++;
	}
	for (size_t i = 0; i < n && (limit < 0 || i < (size_t)limit); i++) {
		whole_row(m, t, picked[i], whole);
		if (each(ctx, whole, e))
			return -1;
	}
	return 0;
}

int memory_commands(struct reader *r, const char *stream,
	int (*each)(void *ctx, const struct command_row *row, struct err *e), void *ctx, struct err *e)
{
	struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&r->memory->commands, &i));) {
		struct memory_command *c = entry->value;
		struct command_row row = {c->n, span_of(c->id), span_of(c->stream), span_of(c->text)};
		if (c->done || (stream && strcmp(stream, c->stream) != 0))
			continue;
		if (each(ctx, &row, e))
			return -1;
	}
	return 0;
}

int memory_command_known(struct reader *r, const char *id, struct err *e)
{
	(void)e;
	return map_get(&r->memory->commands, span_of(id)) != NULL;
}

int memory_check(struct reader *r, struct err *e)
{
	(void)r, (void)e;
	return 0;
}
