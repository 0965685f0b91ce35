/* clone: what a store has committed, in a new one: all that a killed process leaves behind. */
#include "base/mem.h"
#include "store/memory.h"
#include "store/private.h"
#include "world.h"

static int copy_stream(struct memory *to, const char *name, const struct memory_stream *from, struct err *e)
{
	struct memory_stream *st = MEM_NEW(struct memory_stream);
	if (!st || map_set(&to->streams, span_of(name), st, NULL, e)) {
		mem_free(st);
		return err_nomem(e);
	}
	st->events = mem_calloc(from->count + 16, sizeof(*st->events));
	st->holder = from->holder ? mem_strdup(from->holder) : NULL;
	if (!st->events || (from->holder && !st->holder))
		return err_nomem(e);
	st->room = from->count + 16;
	for (size_t i = 0; i < from->count; i++)
		event_copy(&st->events[st->count++], &from->events[i]);
	st->fence = from->fence;
	st->until = from->until;
	return 0;
}

static int copy_blob(struct memory *to, struct span hash, const struct memory_blob *from, struct err *e)
{
	struct memory_blob *b = MEM_NEW(struct memory_blob);
	if (!b)
		return err_nomem(e);
	*b = (struct memory_blob){.bytes = blob_ref(from->bytes), .at = from->at, .named = from->named};
	return map_set(&to->blobs, hash, b, NULL, e);
}

static int copy_command(struct memory *to, const struct memory_command *from, struct err *e)
{
	struct memory_command *c = MEM_NEW(struct memory_command);
	if (!c)
		return err_nomem(e);
	*c = (struct memory_command){.n = from->n,
		.done = from->done,
		.id = mem_strdup(from->id),
		.stream = mem_strdup(from->stream),
		.text = mem_strdup(from->text)};
	return c->id && c->stream && c->text ? map_set(&to->commands, span_of(c->id), c, NULL, e) : err_nomem(e);
}

struct store *clone_store(struct store *from, struct loop *l, const uint8_t key[KEY_SIZE], struct err *e)
{
	struct store_options o = {.access = STORE_OWN, .chain_key = key};
	struct store *s = store_open(l, &o, e);
	if (!s || !from)
		return s;
	struct memory *old = memory_of(from->driver), *new = memory_of(s->driver);
	struct map_entry *it;
	int bad = 0;
	for (size_t i = 0; !bad && (it = map_next(&old->streams, &i));)
		bad = copy_stream(new, it->key, it->value, e);
	for (size_t i = 0; !bad && (it = map_next(&old->blobs, &i));)
		bad = copy_blob(new, span_n(it->key, it->key_len), it->value, e);
	for (size_t i = 0; !bad && (it = map_next(&old->commands, &i));)
		bad = copy_command(new, it->value, e);
	new->last_command = old->last_command;
	if (!bad && !store_rebuild(s, e))
		return s;
	store_close(s);
	return NULL;
}

int clone_export(struct store *from, struct store *to, const char *run, struct err *e)
{
	struct memory *old = memory_of(from->driver);
	struct map_entry *it;
	char stream[EVENT_STREAM_MAX];
	int64_t fence;
	for (size_t i = 0; (it = map_next(&old->blobs, &i));) {
		const struct memory_blob *b = it->value;
		struct store_blob one = {.bytes = b->bytes};
		memcpy(one.hash.b, it->key, HASH_SIZE);
		if (store_put_blobs(to, &one, 1, e))
			return -1;
	}
	snprintf(stream, sizeof(stream), "run/%s", run);
	const struct memory_stream *st = map_get(&old->streams, span_of(stream));
	if (!st || store_lease(to, stream, "folder", 1000, &fence, e))
		return -1;
	struct append a = {.stream = stream, .fence = fence, .events = st->events, .event_count = st->count};
	return store_append_wait(to, &a, e);
}
