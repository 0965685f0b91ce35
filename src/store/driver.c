/* driver: the rules every driver keeps in the same way: places, fences, leases, the chain, folding everything. */
#include "store/driver.h"

#include "base/caps.h"
#include "base/mem.h"
#include "store/projection.h"

#define HEADS_BATCH 64
#define EVENTS_BATCH 64

struct err write_no_memory = {ERR_NOMEM, "out of memory"};

void write_fail(struct write *w, const struct err *why)
{
	if (w->why)
		return;
	w->why = mem_alloc(sizeof *w->why);
	if (w->why)
		*w->why = *why;
	else
		w->why = &write_no_memory;
}

void write_forget(struct write *w)
{
	if (w->why != &write_no_memory)
		mem_free(w->why);
	w->why = NULL;
}

static int elsewhere(const struct write *w, int64_t head, struct err *e)
{
	return err_set(e, ERR_CONFLICT, "%s is at seq %lld, but the append begins at %lld; read it again",
		w->append.stream, (long long)head, (long long)w->append.events[0].seq);
}

int driver_check_seqs(const struct write *w, int64_t head, struct err *e)
{
	struct event *events = w->append.events;

	if (w->append.event_count && events[0].seq == APPEND_AT_END)
		for (size_t i = 0; i < w->append.event_count; i++)
			events[i].seq = head + 1 + (int64_t)i;
	for (size_t i = 1; i < w->append.event_count; i++)
		if (events[i].seq != events[0].seq + (int64_t)i)
			return err_set(e, ERR_CONFLICT, "events %lld and %lld of %s follow each other in one append",
				(long long)events[i - 1].seq, (long long)events[i].seq, w->append.stream);
	if (!w->append.event_count || events[0].seq == head + 1)
		return 0;
	if (events[0].seq > 0 && events[w->append.event_count - 1].seq <= head)
		return 1;
	return elsewhere(w, head, e);
}

int driver_check_stored(const struct write *w, int64_t head, const char *first_id, const char *last_id, struct err *e)
{
	const struct event *events = w->append.events;

	if (strcmp(events[0].id, first_id) == 0 && strcmp(events[w->append.event_count - 1].id, last_id) == 0)
		return 0;
	return elsewhere(w, head, e);
}

int driver_check_drop(const struct write *w, int64_t head, struct err *e)
{
	return head == w->append.drop_seq
		       ? 0
		       : err_set(e, ERR_CONFLICT, "%s goes on at seq %lld", w->append.drop_stream, (long long)head);
}

int driver_check_fence(const char *stream, int64_t mine, int64_t current, struct err *e)
{
	if (mine == current)
		return 0;
	return err_set(e, ERR_FENCED,
		"the lease on %s was lost: the append carries fence %lld, the present one is %lld", stream,
		(long long)mine, (long long)current);
}

int64_t driver_lease(
	const struct write *w, int64_t now, int64_t fence, struct span holder, int64_t until, struct err *e)
{
	bool mine = span_is(holder, w->lease.owner);

	if (mine && fence > 0 && until > now)
		return fence;
	if (!mine && holder.n > 0 && until > now)
		return err_set(e, ERR_LOCKED, "%s is leased to %.*s for another %lld ms", w->lease.stream,
			(int)holder.n, holder.p ? holder.p : "", (long long)((until - now + 999) / 1000));
	return fence + 1;
}

int driver_check_event(const struct event *ev, const char *stream, const char *type, int64_t seq,
	const uint8_t key[KEY_SIZE], struct hash *prev, struct err *e)
{
	if (ev->type == EVENT_TYPES)
		return err_set(e, ERR_NEWER,
			"event %lld of %s is of the kind %s, version %d, which this program does not know; use a newer "
			"muster",
			(long long)ev->seq, stream, type, ev->v);
	if (ev->v > event_kinds[ev->type].version)
		return err_set(e, ERR_NEWER,
			"event %lld of %s is %s version %d; this program knows version %d; use a newer muster",
			(long long)ev->seq, stream, type, ev->v, event_kinds[ev->type].version);
	if (ev->seq != seq)
		return err_set(e, ERR_CORRUPT, "%s has a gap: event %lld is missing; restore a backup", stream,
			(long long)seq);
	event_chain(ev, stream, key, prev, prev);
	if (!hash_eq(prev, &ev->hash))
		return err_set(e, ERR_CORRUPT,
			"event %lld of %s is not what was written (its chain value differs); restore a backup",
			(long long)seq, stream);
	return 0;
}

int driver_each_event(struct driver *d, struct reader *r, const char *stream, int64_t after,
	int (*each)(void *ctx, const char *stream, const struct event *ev, struct err *e), void *ctx, struct err *e)
{
	struct event events[EVENTS_BATCH];
	int n = EVENTS_BATCH, rc = 0;

	while (rc == 0 && n == EVENTS_BATCH) {
		n = d->ops->read(r, stream, after, events, EVENTS_BATCH, e);
		if (n < 0)
			return -1;
		for (int i = 0; i < n; i++) {
			if (rc == 0)
				rc = each(ctx, stream, &events[i], e);
			after = events[i].seq;
			event_release(&events[i]);
		}
	}
	return rc;
}

int driver_each_stream(struct driver *d, struct reader *r,
	int (*each)(void *ctx, const struct stream_head *head, struct err *e), void *ctx, struct err *e)
{
	cleanup_free struct stream_head *heads = mem_calloc(HEADS_BATCH, sizeof *heads);
	char after[EVENT_STREAM_MAX] = "";
	int n = HEADS_BATCH;

	if (!heads)
		return err_nomem(e);
	while (n == HEADS_BATCH) {
		n = d->ops->heads(r, after, heads, HEADS_BATCH, e);
		if (n < 0)
			return -1;
		for (int i = 0; i < n; i++)
			if (each(ctx, &heads[i], e))
				return -1;
		if (n)
			memcpy(after, heads[n - 1].name, sizeof after);
	}
	return 0;
}

enum pass { PASS_CREATED, PASS_RUNS, PASS_OTHERS };

struct folding {
	struct driver *driver;
	struct reader *reader;
	struct rows *rows;
	bool all;
	int64_t until; /* of the present stream */
	enum pass pass;
};

static int fold_event(void *ctx, const char *stream, const struct event *ev, struct err *e)
{
	struct folding *f = ctx;
	cleanup_json json_t *data = NULL;

	if (!projection_wants(ev->type) || ev->seq > f->until)
		return 0;
	if (f->pass != PASS_OTHERS && (ev->type == EVENT_RUN_CREATED) != (f->pass == PASS_CREATED))
		return 0;
	data = event_data(ev, e);
	if (!data || projection_fold(f->rows, stream, ev, data, e))
		return err_wrap(e, "event %lld of %s", (long long)ev->seq, stream);
	return 0;
}

static int fold_stream(void *ctx, const struct stream_head *head, struct err *e)
{
	struct folding *f = ctx;
	struct event first;
	int n, rc;

	if (span_starts(span_of(head->name), "run/") == (f->pass == PASS_OTHERS))
		return 0;
	f->until = f->all ? head->seq : head->folded;
	if (f->pass != PASS_CREATED)
		return driver_each_event(f->driver, f->reader, head->name, 0, fold_event, f, e);
	n = f->driver->ops->read(f->reader, head->name, 0, &first, 1, e);
	if (n <= 0)
		return n;
	rc = fold_event(f, head->name, &first, e);
	event_release(&first);
	return rc;
}

int driver_fold_stream(
	struct driver *d, struct reader *r, const char *stream, int64_t after, struct rows *rows, struct err *e)
{
	struct folding f = {.driver = d, .reader = r, .rows = rows, .until = INT64_MAX, .pass = PASS_OTHERS};

	return driver_each_event(d, r, stream, after, fold_event, &f, e);
}

int driver_fold_all(struct driver *d, struct reader *r, bool all, struct rows *rows, struct err *e)
{
	struct folding f = {.driver = d, .reader = r, .rows = rows, .all = all};
	int rc = 0;

	rows->again = true;
	for (; rc == 0 && f.pass <= PASS_OTHERS; f.pass++)
		rc = driver_each_stream(d, r, fold_stream, &f, e);
	rows->again = false;
	return rc;
}
