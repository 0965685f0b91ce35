/* store: opening, appending, reading, blobs. The rest of the interface is in tail.c, query.c, verify.c and backup.c.
 *
 * An append is copied into one block and queued to the writer; when it has ended, the loop's thread shows its events to
 * the tails, then calls back. Reads go straight to the driver on the caller's thread. */
#include "store/store.h"

#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/blobs.h"
#include "store/heads.h"
#include "store/owner.h"
#include "store/private.h"

#define GRACE_US ((int64_t)3600 * 1000000)
#define COLLECT_BATCH 256

int store_writable(const struct store *s, struct err *e)
{
	return s->access == STORE_OWN ? 0
				      : err_set(e, ERR_READ_ONLY,
						"%s is open for reading only; another process owns it, or may", s->dir);
}

static bool stream_ok(const char *name)
{
	return name && *name && strnlen(name, EVENT_STREAM_MAX) < EVENT_STREAM_MAX;
}

/* ---- appending ---- */

static void append_free(struct write *w)
{
	for (size_t i = 0; i < w->append.event_count; i++)
		event_release(&w->append.events[i]);
	for (size_t i = 0; i < w->append.also_count; i++)
		event_release(&w->append.also[i]);
	for (size_t i = 0; i < w->blob_count; i++)
		blob_unref(w->blobs[i].bytes);
	write_forget(w);
	mem_free(w);
}

static int check_events(const struct event *events, size_t count, const char *stream, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (event_check(&events[i], e))
			return err_wrap(e, "append to %s", stream);
	return 0;
}

static struct event *copy_events(struct event *to, const struct event *from, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		event_copy(&to[i], &from[i]);
		to[i].v = event_kinds[to[i].type].version;
	}
	return to;
}

static struct write *append_new(const struct append *a, struct err *e)
{
	size_t events = a->event_count + a->also_count, blobs = a->blob_count;
	struct store_blob *blob;
	struct event *event;
	struct write *w;
	int64_t *command;

	if (!stream_ok(a->stream) || (a->also_count && !stream_ok(a->also_stream)) ||
		(a->also_count && strcmp(a->stream, a->also_stream) == 0) ||
		(a->drop_stream && !stream_ok(a->drop_stream))) {
		err_set(e, ERR_INVALID,
			"an append needs the name of a stream (and of another one for what goes along)");
		return NULL;
	}
	if (check_events(a->events, a->event_count, a->stream, e) ||
		check_events(a->also, a->also_count, a->also_stream, e))
		return NULL;
	w = mem_calloc(
		1, sizeof *w + events * sizeof *event + blobs * sizeof *blob + a->command_count * sizeof *command);
	if (!w) {
		err_nomem(e);
		return NULL;
	}
	list_init(&w->link);
	w->kind = WRITE_APPEND;
	event = (struct event *)(w + 1);
	blob = (struct store_blob *)(event + events);
	command = (int64_t *)(blob + blobs);
	memcpy(w->append.stream, a->stream, strlen(a->stream) + 1);
	if (a->also_count)
		memcpy(w->append.also_stream, a->also_stream, strlen(a->also_stream) + 1);
	if (a->drop_stream)
		memcpy(w->append.drop_stream, a->drop_stream, strlen(a->drop_stream) + 1);
	w->append.drop_seq = a->drop_seq;
	w->append.fence = a->fence;
	w->append.event_count = a->event_count;
	w->append.events = copy_events(event, a->events, a->event_count);
	w->append.also_count = a->also_count;
	w->append.also = copy_events(event + a->event_count, a->also, a->also_count);
	for (size_t i = 0; i < blobs; i++) {
		blob[i].hash = a->blobs[i].hash;
		blob[i].bytes = blob_ref(a->blobs[i].bytes);
	}
	w->blobs = blob;
	w->blob_count = blobs;
	for (size_t i = 0; i < a->command_count; i++)
		command[i] = a->commands[i];
	w->append.commands = command;
	w->append.command_count = a->command_count;
	w->append.cb = a->cb;
	w->append.ctx = a->ctx;
	return w;
}

static struct write *append_put(struct store *s, const struct append *a, bool wake, struct err *e)
{
	struct write *w;

	if (store_writable(s, e))
		return NULL;
	w = append_new(a, e);
	if (!w)
		return NULL;
	/* Before it is queued: an inline writer ends it at once. */
	if (s->undelivered++ == 0)
		loop_keep(s->loop);
	if (writer_put(&s->writer, w, wake, e) == 0)
		return w;
	if (--s->undelivered == 0)
		loop_unkeep(s->loop);
	append_free(w);
	return NULL;
}

int store_append(struct store *s, const struct append *a, struct err *e)
{
	if (!append_put(s, a, false, e))
		return -1;
	tick_start(&s->wake);
	return 0;
}

int store_append_wait(struct store *s, const struct append *a, struct err *e)
{
	struct write *w = append_put(s, a, true, e);

	if (!w)
		return -1;
	w->append.cb = NULL;
	return writer_wait(&s->writer, w, e);
}

static void deliver(struct store *s)
{
	const struct err fine = ERR_INIT;
	struct write *w;

	while ((w = writer_done(&s->writer))) {
		if (!w->why && !w->append.known) {
			tails_show(s, w->append.stream, w->append.events, w->append.event_count);
			tails_show(s, w->append.also_stream, w->append.also, w->append.also_count);
		}
		if (--s->undelivered == 0)
			loop_unkeep(s->loop);
		if (w->append.cb)
			w->append.cb(w->append.ctx, w->why ? w->why : &fine);
		append_free(w);
	}
}

/* What this turn of the loop appends is one group. */
static void on_wake(struct tick *t)
{
	writer_wake(&container_of(t, struct store, wake)->writer);
}

static void on_done(struct post *p)
{
	deliver(container_of(p, struct store, writer.post));
}

int store_flush(struct store *s, struct err *e)
{
	return writer_flush(&s->writer, e);
}

int store_lease(struct store *s, const char *stream, const char *owner, int64_t ttl_ms, int64_t *fence, struct err *e)
{
	struct write w = {.kind = WRITE_LEASE, .lease = {.stream = stream, .owner = owner, .ttl_ms = ttl_ms}};

	if (store_writable(s, e))
		return -1;
	if (!stream_ok(stream) || !owner || !*owner || ttl_ms <= 0)
		return err_set(e, ERR_INVALID, "a lease needs a stream, an owner and a time");
	if (writer_call(&s->writer, &w, e))
		return -1;
	*fence = w.lease.fence;
	return 0;
}

/* ---- opening ---- */

static int open_folder(struct store *s, const struct store_options *o, struct err *e)
{
	s->dir = mem_strdup(o->dir);
	if (!s->dir)
		return err_nomem(e);
	if (o->access == STORE_READ) {
		if (owner_check(s->dir, e))
			return -1;
	} else {
		s->lock = owner_take(s->dir, e);
		if (s->lock < 0)
			return -1;
	}
	if (o->chain_key)
		memcpy(s->key, o->chain_key, KEY_SIZE);
	else if (owner_chain_key(s->dir, o->access == STORE_OWN, s->key, e))
		return -1;
	s->driver = sqlite_open(s->dir, o->access, o->no_sync, s->key, s->clock, e);
	return s->driver ? 0 : -1;
}

static int write_heads(struct store *s, struct err *e)
{
	struct reader *r = store_reader(s, true, e);
	int rc = r ? heads_write(s->driver, r, s->dir, e) : -1;

	if (r)
		store_reader_end(s, r);
	return rc;
}

/* From the first moment on there are signed heads, so that their absence means something. */
static int first_heads(struct store *s, struct err *e)
{
	cleanup_free char *path = fs_join(s->dir, "heads");
	struct stream_head head;
	struct reader *r;
	int streams;

	if (!path)
		return err_nomem(e);
	if (fs_exists(path))
		return 0;
	r = store_reader(s, false, e);
	if (!r)
		return -1;
	streams = s->driver->ops->heads(r, "", &head, 1, e);
	store_reader_end(s, r);
	return streams < 0 ? -1 : streams == 0 ? write_heads(s, e) : 0;
}

struct store *store_open(struct loop *l, const struct store_options *o, struct err *e)
{
	struct store *s = MEM_NEW(struct store);
	int rc;

	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->loop = l;
	s->clock = o->clock ? o->clock : loop_clock(l);
	s->access = o->access;
	s->lock = -1;
	s->writer.state = WRITER_STOPPED;
	tails_init(s);
	tick_init(&s->wake, l, on_wake);
	if (o->dir) {
		rc = open_folder(s, o, e);
	} else {
		if (o->chain_key)
			memcpy(s->key, o->chain_key, KEY_SIZE);
		s->driver = memory_open(s->key, s->clock, e);
		rc = s->driver ? 0 : -1;
	}
	if (rc == 0 && s->dir && s->access == STORE_OWN)
		rc = first_heads(s, e);
	if (rc == 0 && s->access == STORE_OWN)
		rc = writer_start(&s->writer, s->driver, l, on_done, e);
	if (rc == 0 && s->access == STORE_OWN && s->driver->rows_stale) {
		log_info("store", "another muster made the lists of runs; they are made anew from the journal");
		rc = store_rebuild(s, e);
	}
	if (rc == 0)
		return s;
	if (s->writer.state == WRITER_RUNNING) {
		writer_stop(&s->writer);
		post_stop(&s->writer.post);
	}
	store_close(s); /* which has nothing to settle or to sign then */
	return NULL;
}

void store_close(struct store *s)
{
	bool wrote;

	if (!s)
		return;
	wrote = s->writer.state == WRITER_RUNNING;
	if (wrote && store_settle(s, &(struct err)ERR_INIT))
		log_warn("store", "the lists of runs are left behind the journal; the next owner brings them up");
	tick_stop(&s->wake);
	if (s->writer.state != WRITER_STOPPED) {
		writer_stop(&s->writer);
		post_stop(&s->writer.post);
		deliver(s);
	}
	tails_release(s);
	if (wrote) {
		struct err e = ERR_INIT;
		if (!s->writer.failed.code && write_heads(s, &e))
			log_warn("store", "the signed heads could not be written: %s", e.text);
	}
	if (s->driver)
		s->driver->ops->close(s->driver);
	owner_leave(s->lock);
	crypt_wipe(s->key, sizeof s->key);
	mem_free(s->dir);
	mem_free(s);
}

/* ---- reading ---- */

int64_t store_head(struct store *s, const char *stream, struct err *e)
{
	struct reader *r = store_reader(s, false, e);
	int64_t head = r ? s->driver->ops->head(r, stream, e) : -1;

	if (r)
		store_reader_end(s, r);
	return head;
}

int store_read(struct store *s, const char *stream, int64_t after, struct event *out, int max, struct err *e)
{
	struct reader *r = store_reader(s, false, e);
	int n = r ? s->driver->ops->read(r, stream, after, out, max, e) : -1;

	if (r)
		store_reader_end(s, r);
	return n;
}

/* ---- blobs ---- */

void store_blob_hash(struct span bytes, struct hash *out)
{
	hash_bytes(out, NULL, bytes);
}

int store_look_up(struct store *s, const struct hash *h, struct blob_info *info, struct blob **out, struct err *e)
{
	struct reader *r = store_reader(s, false, e);
	int known = r ? s->driver->ops->blob(r, h, info, out, e) : -1;

	if (r)
		store_reader_end(s, r);
	return known;
}

struct blob *store_blob(struct store *s, const struct hash *h, struct err *e)
{
	struct blob_info info;
	struct blob *b = NULL;
	struct hash is;
	char hex[HASH_HEX];
	int known = store_look_up(s, h, &info, &b, e);

	hash_hex(h, hex);
	if (known <= 0) {
		if (known == 0)
			err_set(e, ERR_NOT_FOUND, "there is no blob %s", hex);
		return NULL;
	}
	if (!b)
		b = blob_file_get(s->dir, h, info.size, e);
	if (!b)
		return NULL;
	hash_bytes(&is, NULL, blob_span(b));
	if (hash_eq(&is, h))
		return b;
	blob_unref(b);
	err_set(e, ERR_CORRUPT, "the content of blob %s is not what was written; restore a backup", hex);
	return NULL;
}

bool store_has_blob(struct store *s, const struct hash *h)
{
	struct blob_info info;

	return store_look_up(s, h, &info, NULL, NULL) > 0;
}

bool store_blob_stays(const struct store *s, const struct blob_info *info)
{
	return info->named || info->at > clock_wall(s->clock) - GRACE_US / 2;
}

int store_put_blobs(struct store *s, const struct store_blob *blobs, size_t count, struct err *e)
{
	cleanup_free struct store_blob *fresh = mem_calloc(count + 1, sizeof *fresh);
	struct write w = {.kind = WRITE_BLOBS, .blobs = fresh};
	struct blob_info info;

	if (!fresh)
		return err_nomem(e);
	if (store_writable(s, e))
		return -1;
	for (size_t i = 0; i < count; i++) {
		int known = store_look_up(s, &blobs[i].hash, &info, NULL, e);
		if (known < 0)
			return -1;
		if (known && store_blob_stays(s, &info))
			continue;
		/* The file here, so that its sync does not hold up the writer. */
		if (!known && s->dir && blobs[i].bytes && blobs[i].bytes->size > CAP_BLOB_INLINE &&
			blob_file_put(s->dir, &blobs[i].hash, blob_span(blobs[i].bytes), e))
			return -1;
		fresh[w.blob_count++] = blobs[i];
	}
	return w.blob_count ? writer_call(&s->writer, &w, e) : 0;
}

/* ---- collecting ---- */

struct collect {
	struct store *store;
	struct hash batch[COLLECT_BATCH];
	size_t count;
	int64_t before;
};

static int64_t collect_batch(struct collect *c, enum write_kind kind, struct err *e)
{
	struct write w = {.kind = kind, .drop = {.hashes = c->batch, .count = c->count, .before = c->before}};

	if (!c->count)
		return 0;
	c->count = 0;
	return writer_call(&c->store->writer, &w, e) ? -1 : w.drop.dropped;
}

static int collect_file(void *ctx, const struct hash *h, struct err *e)
{
	struct collect *c = ctx;
	struct blob_info info;
	int known = store_look_up(c->store, h, &info, NULL, e);

	if (known)
		return known < 0 ? -1 : 0;
	c->batch[c->count++] = *h;
	return c->count == COLLECT_BATCH && collect_batch(c, WRITE_SWEEP, e) < 0 ? -1 : 0;
}

int64_t store_collect(struct store *s, bool (*live)(void *ctx, const struct hash *h), void *ctx, struct err *e)
{
	cleanup_free struct collect *c = MEM_NEW(struct collect);
	cleanup_free struct hash *found = mem_calloc(COLLECT_BATCH, sizeof *found);
	struct hash after = {{0}};
	int64_t total = 0, dropped;
	int n = COLLECT_BATCH;

	if (!c || !found)
		return err_nomem(e);
	if (store_writable(s, e))
		return -1;
	c->store = s;
	c->before = clock_wall(s->clock) - GRACE_US;
	while (n == COLLECT_BATCH) {
		struct reader *r = store_reader(s, false, e);
		n = r ? s->driver->ops->unnamed(r, c->before, &after, found, COLLECT_BATCH, e) : -1;
		if (r)
			store_reader_end(s, r);
		if (n < 0)
			return -1;
		for (int i = 0; i < n; i++) {
			after = found[i];
			if (!live(ctx, &found[i]))
				c->batch[c->count++] = found[i];
		}
		dropped = collect_batch(c, WRITE_DROP, e);
		if (dropped < 0)
			return -1;
		total += dropped;
	}
	if (s->dir && (blob_files_each(s->dir, c->before, collect_file, c, e) || collect_batch(c, WRITE_SWEEP, e) < 0))
		return -1;
	return total;
}
