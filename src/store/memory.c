/* memory: the driver without a disk, for simulations and tests. Streams are arrays of events, blobs and commands live
 * in maps, projections in rows_memory. One recursive lock guards everything; a reader holds it.
 *
 * An append first makes room for all it adds, then folds (with undo), then adds, which cannot fail. */
#include "store/memory.h"

#include "base/caps.h"
#include "base/mem.h"
#include "store/projection.h"

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
		const struct event *first = &st->events[w->append.events[0].seq - 1];
		w->append.known = true;
		return driver_check_stored(w, (int64_t)st->count, first->id, first[w->append.event_count - 1].id, e);
	}
	const struct memory_stream *drop =
		*w->append.drop_stream ? map_get(&m->streams, span_of(w->append.drop_stream)) : NULL;
	if (*w->append.drop_stream && driver_check_drop(w, drop ? (int64_t)drop->count : 0, e))
		return -1;
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
	if (drop)
		stream_free(map_del(&m->streams, span_of(w->append.drop_stream)));
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
	if (driver_fold_all(&m->base, &m->reader, true, &fresh.rows, e)) {
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
	case WRITE_LEASE:
		rc = lease(m, w, &e);
		break;
	case WRITE_DROP:
		rc = drop(m, w);
		break;
	case WRITE_SWEEP: /* no files here */
	case WRITE_FOLD:  /* events are folded when they are appended */
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
	map_init(&m->commands, CAP_STORE_ROWS);
	rows_memory_init(&m->rows);
	return &m->base;
}
