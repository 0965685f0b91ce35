/* memory: the driver without a disk, for simulations and tests. Streams are arrays of events, blobs and commands live
 * in maps, projections in rows_memory. One recursive lock guards everything; a reader holds it.
 *
 * An append first makes room for all it adds, then folds (with undo), then adds, which cannot fail. */
#include <pthread.h>

#include "base/caps.h"
#include "base/mem.h"
#include "store/driver.h"
#include "store/projection.h"
#include "store/rows_memory.h"

struct memory_stream {
	struct event *events;
	size_t count, room;
	int64_t fence, until;
	char *holder;
};

struct memory_blob {
	struct blob *bytes;
	int64_t at;
	bool named;
};

struct memory_command {
	int64_t n;
	bool done;
	char *id, *stream, *text;
};

struct reader {
	struct memory *memory;
};

struct memory {
	struct driver base;
	pthread_mutex_t lock;
	struct reader reader;
	struct map streams;  /* name → struct memory_stream */
	struct map blobs;    /* hash → struct memory_blob */
	struct map limits;   /* scope → int64_t * */
	struct map commands; /* id → struct memory_command, in order */
	int64_t last_command;
	struct rows_memory rows;
};

static struct memory *memory_of(struct driver *d)
{
	return container_of(d, struct memory, base);
}

static struct span hash_span(const struct hash *h)
{
	return span_n((const char *)h->b, HASH_SIZE);
}

static void stream_free(void *p)
{
	struct memory_stream *st = p;

	for (size_t i = 0; i < st->count; i++)
		event_release(&st->events[i]);
	mem_free(st->events);
	mem_free(st->holder);
	mem_free(st);
}

static void blob_free(void *p)
{
	struct memory_blob *b = p;

	blob_unref(b->bytes);
	mem_free(b);
}

static void command_free(void *p)
{
	struct memory_command *c = p;

	if (!c)
		return;
	mem_free(c->id);
	mem_free(c->stream);
	mem_free(c->text);
	mem_free(c);
}

static void memory_close(struct driver *d)
{
	struct memory *m = memory_of(d);

	map_release(&m->streams, stream_free);
	map_release(&m->blobs, blob_free);
	map_release(&m->limits, mem_free);
	map_release(&m->commands, command_free);
	rows_memory_release(&m->rows);
	pthread_mutex_destroy(&m->lock);
	mem_free(m);
}

/* ---- writing ---- */

static struct memory_stream *stream_make(struct memory *m, const char *name, struct err *e)
{
	struct memory_stream *st = map_get(&m->streams, span_of(name));

	if (st)
		return st;
	st = MEM_NEW(struct memory_stream);
	if (!st) {
		err_nomem(e);
		return NULL;
	}
	if (map_set(&m->streams, span_of(name), st, NULL, e)) {
		mem_free(st);
		return NULL;
	}
	return st;
}

static int stream_room(struct memory_stream *st, size_t more, struct err *e)
{
	size_t room = st->room ? st->room : 16;
	struct event *events;

	if (st->count + more <= st->room)
		return 0;
	while (room < st->count + more)
		room *= 2;
	events = mem_realloc(st->events, room * sizeof *events);
	if (!events)
		return err_nomem(e);
	st->events = events;
	st->room = room;
	return 0;
}

static int put_blobs(struct memory *m, const struct write *w, struct err *e)
{
	for (size_t i = 0; i < w->blob_count; i++) {
		struct memory_blob *b = map_get(&m->blobs, hash_span(&w->blobs[i].hash));
		if (b) {
			b->at = clock_wall(m->base.clock);
			continue;
		}
		b = MEM_NEW(struct memory_blob);
		if (!b)
			return err_nomem(e);
		b->bytes = blob_ref(w->blobs[i].bytes);
		b->at = clock_wall(m->base.clock);
		if (map_set(&m->blobs, hash_span(&w->blobs[i].hash), b, NULL, e)) {
			blob_free(b);
			return err_wrap(e, "blobs");
		}
	}
	return 0;
}

/* Check, fold and chain events that go to the end of a stream, with room made before; nothing is visible yet. */
static int prepare_events(struct memory *m, const char *stream, struct memory_stream *st, struct event *events,
	size_t count, struct err *e)
{
	struct hash prev = {{0}};

	if (st->count)
		prev = st->events[st->count - 1].hash;
	for (size_t i = 0; i < count; i++) {
		cleanup_json json_t *data = NULL;
		struct event_names names = {.count = 0};
		if (event_names_blobs(&events[i]) || projection_wants(events[i].type)) {
			data = event_data(&events[i], e);
			if (!data || event_blobs(&events[i], data, &names, e))
				return -1;
		}
		for (int b = 0; b < names.count; b++) {
			struct memory_blob *blob = map_get(&m->blobs, hash_span(&names.hashes[b]));
			char hex[HASH_HEX];
			hash_hex(&names.hashes[b], hex);
			if (!blob)
				return err_set(e, ERR_NOT_FOUND,
					"event %lld of %s names the blob %s, which is not stored; put it first",
					(long long)events[i].seq, stream, hex);
			blob->named = true;
		}
		if (projection_fold(&m->rows.rows, stream, &events[i], data, e))
			return -1;
		event_chain(&events[i], stream, m->base.key, &prev, &prev);
		events[i].hash = prev;
	}
	return stream_room(st, count, e);
}

static void add_events(struct memory_stream *st, const struct event *events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		event_copy(&st->events[st->count++], &events[i]);
}

static int append(struct memory *m, struct write *w, struct err *e)
{
	struct memory_stream *st = stream_make(m, w->append.stream, e), *also = NULL;
	int place;

	if (!st || driver_check_fence(w->append.stream, w->append.fence, st->fence, e))
		return -1;
	place = driver_check_seqs(w, (int64_t)st->count, e);
	if (place > 0) {
		const struct event *first = &w->append.events[0];
		if (strcmp(st->events[first->seq - 1].id, first->id) != 0)
			return err_set(e, ERR_CONFLICT,
				"%s is at seq %lld, but the append begins at %lld; read it again", w->append.stream,
				(long long)st->count, (long long)first->seq);
		w->append.known = true;
		return 0;
	}
	if (place < 0 || put_blobs(m, w, e) ||
		prepare_events(m, w->append.stream, st, w->append.events, w->append.event_count, e))
		return -1;
	if (w->append.also_count) {
		also = stream_make(m, w->append.also_stream, e);
		if (!also)
			return -1;
		for (size_t i = 0; i < w->append.also_count; i++)
			w->append.also[i].seq = (int64_t)(also->count + i + 1);
		if (prepare_events(m, w->append.also_stream, also, w->append.also, w->append.also_count, e))
			return -1;
	}
	add_events(st, w->append.events, w->append.event_count);
	if (also)
		add_events(also, w->append.also, w->append.also_count);
	for (size_t i = 0; i < w->append.command_count; i++) {
		struct map_entry *entry;
		for (size_t at = 0; (entry = map_next(&m->commands, &at));) {
			struct memory_command *c = entry->value;
			if (c->n == w->append.commands[i])
				c->done = true;
		}
	}
	return 0;
}

static int command(struct memory *m, const struct write *w, struct err *e)
{
	struct memory_command *c;

	if (map_get(&m->commands, span_of(w->command.id)))
		return 0;
	c = MEM_NEW(struct memory_command);
	if (!c)
		return err_nomem(e);
	c->id = mem_strdup(w->command.id);
	c->stream = mem_strdup(w->command.stream);
	c->text = mem_strdup(w->command.text);
	c->n = m->last_command + 1;
	if (!c->id || !c->stream || !c->text) {
		command_free(c);
		return err_nomem(e);
	}
	if (map_set(&m->commands, span_of(c->id), c, NULL, e)) {
		command_free(c);
		return err_wrap(e, "commands");
	}
	m->last_command = c->n;
	return 0;
}

static int limit(struct memory *m, const struct write *w, struct err *e)
{
	int64_t *nano = mem_alloc(sizeof *nano);
	void *old;

	if (!nano)
		return err_nomem(e);
	*nano = w->limit.nano;
	if (map_set(&m->limits, span_of(w->limit.scope), nano, &old, e)) {
		mem_free(nano);
		return err_wrap(e, "budget limits");
	}
	mem_free(old);
	return 0;
}

static int lease(struct memory *m, struct write *w, struct err *e)
{
	struct memory_stream *st = stream_make(m, w->lease.stream, e);
	int64_t now = clock_wall(m->base.clock), fence;
	char *holder;

	if (!st)
		return -1;
	fence = driver_lease(w, now, st->fence, span_of(st->holder), st->until, e);
	holder = fence > 0 ? mem_strdup(w->lease.owner) : NULL;
	if (fence < 0 || !holder)
		return fence < 0 ? -1 : err_nomem(e);
	mem_free(st->holder);
	st->holder = holder;
	st->fence = w->lease.fence = fence;
	st->until = now + w->lease.ttl_ms * 1000;
	return 0;
}

static int drop(struct memory *m, struct write *w)
{
	for (size_t i = 0; i < w->drop.count; i++) {
		struct memory_blob *b = map_get(&m->blobs, hash_span(&w->drop.hashes[i]));
		if (!b || b->named || b->at >= w->drop.before)
			continue;
		blob_free(map_del(&m->blobs, hash_span(&w->drop.hashes[i])));
		w->drop.dropped++;
	}
	return 0;
}

static int rebuild(struct memory *m, struct err *e)
{
	struct rows_memory fresh;

	rows_memory_init(&fresh);
	if (driver_fold_all(&m->base, &m->reader, &fresh.rows, e)) {
		rows_memory_release(&fresh);
		return -1;
	}
	rows_memory_keep(&fresh);
	rows_memory_release(&m->rows);
	m->rows = fresh;
	return 0;
}

static int memory_begin(struct driver *d, struct err *e)
{
	(void)e;
	pthread_mutex_lock(&memory_of(d)->lock);
	return 0;
}

static int memory_commit(struct driver *d, struct err *e)
{
	(void)e;
	pthread_mutex_unlock(&memory_of(d)->lock);
	return 0;
}

static void memory_apply(struct driver *d, struct write *w)
{
	struct memory *m = memory_of(d);
	struct err e = ERR_INIT;
	int rc = -1;

	switch (w->kind) {
	case WRITE_APPEND:
		rc = append(m, w, &e);
		break;
	case WRITE_BLOBS:
		rc = put_blobs(m, w, &e);
		break;
	case WRITE_COMMAND:
		rc = command(m, w, &e);
		break;
	case WRITE_LIMIT:
		rc = limit(m, w, &e);
		break;
	case WRITE_LEASE:
		rc = lease(m, w, &e);
		break;
	case WRITE_DROP:
		rc = drop(m, w);
		break;
	case WRITE_SWEEP: /* no files here */
		rc = 0;
		break;
	case WRITE_REBUILD:
		rc = rebuild(m, &e);
		break;
	}
	if (rc) {
		rows_memory_undo(&m->rows);
		write_fail(w, &e);
	} else {
		rows_memory_keep(&m->rows);
	}
}

static int memory_tidy(struct driver *d, bool busy, struct err *e)
{
	(void)d, (void)busy, (void)e;
	return 0;
}

/* ---- reading ---- */

static struct reader *memory_reader(struct driver *d, bool view, struct err *e)
{
	struct memory *m = memory_of(d);

	(void)view, (void)e;
	pthread_mutex_lock(&m->lock);
	return &m->reader;
}

static void memory_reader_end(struct reader *r)
{
	pthread_mutex_unlock(&r->memory->lock);
}

static int64_t memory_head(struct reader *r, const char *stream, struct err *e)
{
	struct memory_stream *st = map_get(&r->memory->streams, span_of(stream));

	(void)e;
	return st ? (int64_t)st->count : 0;
}

static int memory_read(struct reader *r, const char *stream, int64_t after, struct event *out, int max, struct err *e)
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
	out->seq = (int64_t)st->count;
	if (st->count)
		out->hash = st->events[st->count - 1].hash;
}

static int memory_heads(struct reader *r, const char *after, struct stream_head *out, int max, struct err *e)
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

static int memory_stream(struct reader *r, const char *stream, struct stream_head *out, struct err *e)
{
	struct memory_stream *st = map_get(&r->memory->streams, span_of(stream));
	struct map_entry entry = {.key = (char *)stream, .key_len = strlen(stream), .value = st};

	(void)e;
	if (!st)
		return 0;
	head_of(&entry, out);
	return 1;
}

static int memory_hash_at(struct reader *r, const char *stream, int64_t seq, struct hash *out, struct err *e)
{
	struct memory_stream *st = map_get(&r->memory->streams, span_of(stream));

	(void)e;
	if (!st || seq < 1 || (size_t)seq > st->count)
		return 0;
	*out = st->events[seq - 1].hash;
	return 1;
}

static int memory_blob(struct reader *r, const struct hash *h, struct blob_info *info, struct blob **out, struct err *e)
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

static int memory_unnamed(
	struct reader *r, int64_t before, const struct hash *after, struct hash *out, int max, struct err *e)
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

struct memory_pick {
	const struct cell *stored;
	struct cell cells[ROW_CELLS]; /* with the columns that are not stored */
};

static void pick(struct memory *m, enum table_id t, const struct cell *stored, struct memory_pick *out)
{
	char name[EVENT_STREAM_MAX + 8] = "run/";
	struct memory_stream *st = NULL;

	out->stored = stored;
	memcpy(out->cells, stored, sizeof out->cells);
	if (t != TABLE_RUNS)
		return;
	if (stored[0].text.n < EVENT_STREAM_MAX) {
		memcpy(name + 4, stored[0].text.p, stored[0].text.n);
		st = map_get(&m->streams, span_n(name, stored[0].text.n + 4));
	}
	out->cells[RUNS_seq] = cell_int(st ? (int64_t)st->count : 0);
	out->cells[RUNS_updated] = cell_int(st && st->count ? st->events[st->count - 1].at : 0);
}

static int memory_rows(struct reader *r, enum table_id t, const struct filter *f, int limit,
	int (*each)(void *ctx, const struct cell *cells, struct err *e), void *ctx, struct err *e)
{
	struct memory *m = r->memory;
	size_t count = map_count(&m->rows.tables[t]), n = 0;
	cleanup_free const struct cell **picked = mem_calloc(count + 1, sizeof *picked);
	const struct cell *cells;
	struct memory_pick p;

	if (!picked)
		return err_nomem(e);
	for (size_t i = 0; (cells = rows_memory_next(&m->rows, t, &i));) {
		size_t at = n;
		pick(m, t, cells, &p);
		if (!filter_matches(f, p.cells))
			continue;
		for (; at > 0 && comes_before(t, cells, picked[at - 1]); at--)
			picked[at] = picked[at - 1];
		picked[at] = cells;
		n++;
	}
	for (size_t i = 0; i < n && (limit < 0 || i < (size_t)limit); i++) {
		pick(m, t, picked[i], &p);
		if (each(ctx, p.cells, e))
			return -1;
	}
	return 0;
}

static int memory_limits(struct reader *r, int (*each)(void *ctx, struct span scope, int64_t nano, struct err *e),
	void *ctx, struct err *e)
{
	struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&r->memory->limits, &i));)
		if (each(ctx, span_n(entry->key, entry->key_len), *(int64_t *)entry->value, e))
			return -1;
	return 0;
}

static int memory_commands(struct reader *r, const char *stream,
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

static int memory_command_known(struct reader *r, const char *id, struct err *e)
{
	(void)e;
	return map_get(&r->memory->commands, span_of(id)) != NULL;
}

static int memory_check(struct reader *r, struct err *e)
{
	(void)r, (void)e;
	return 0;
}

static const struct driver_ops memory_ops = {
	.name = "memory",
	.close = memory_close,
	.begin = memory_begin,
	.apply = memory_apply,
	.commit = memory_commit,
	.tidy = memory_tidy,
	.reader = memory_reader,
	.reader_end = memory_reader_end,
	.head = memory_head,
	.read = memory_read,
	.heads = memory_heads,
	.stream = memory_stream,
	.hash_at = memory_hash_at,
	.blob = memory_blob,
	.unnamed = memory_unnamed,
	.rows = memory_rows,
	.limits = memory_limits,
	.commands = memory_commands,
	.command_known = memory_command_known,
	.check = memory_check,
};

struct driver *memory_open(const uint8_t *key, const struct clock *clock, struct err *e)
{
	struct memory *m = MEM_NEW(struct memory);
	pthread_mutexattr_t attr;

	if (!m) {
		err_nomem(e);
		return NULL;
	}
	m->base = (struct driver){&memory_ops, key, clock, NULL};
	m->reader.memory = m;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	map_init(&m->streams, CAP_STORE_ROWS);
	map_init(&m->blobs, CAP_STORE_ROWS);
	map_init(&m->limits, CAP_STORE_ROWS);
	map_init(&m->commands, CAP_STORE_ROWS);
	rows_memory_init(&m->rows);
	return &m->base;
}
