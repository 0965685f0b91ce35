/* tail: subscriptions to streams, on the loop's thread.
 *
 *   CATCHING ──(read to the end)──▶ LIVE ──(an event that is not the next)──▶ CATCHING
 *
 * A catching tail reads from the database in ticks; it needs no notices, because what was committed before its read it
 * reads, and what is committed after it is told by a notice that comes later. A live one takes events from the notices
 * of commits; those it has already are passed over. Callbacks may start and stop any tail: walks over a list are known
 * to the store, and stopping a tail moves a walk on that would come to it next. */
#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/private.h"

#define POLL_MS 200

struct tail_group {
	struct list tails;
};

void tails_release(struct store *s)
{
	BUG_ON(map_count(&s->groups) || !list_empty(&s->everything));
	timer_stop(&s->poll);
	map_release(&s->groups, mem_free);
}

/* Forget the list of a stream nobody follows any more. */
static void tidy(struct store *s, const char *stream)
{
	struct tail_group *g = map_get(&s->groups, span_of(stream));

	if (g && list_empty(&g->tails))
		mem_free(map_del(&s->groups, span_of(stream)));
	if (map_count(&s->groups) == 0)
		timer_stop(&s->poll);
}

static void stop_with(struct tail *t, const struct err *why)
{
	tail_stop(t);
	if (t->failed)
		t->failed(t, why);
	else
		log_error("store", "no longer following %s: %s", t->stream, why->text);
}

static void catch_up(struct tick *tick)
{
	struct tail *t = container_of(tick, struct tail, tick);
	struct store *s = t->store;
	struct event events[CAP_TAIL_BATCH];
	struct err e = ERR_INIT;
	int n = store_read(s, t->stream, t->sent, events, CAP_TAIL_BATCH, &e);

	if (n < 0) {
		stop_with(t, &e);
		return;
	}
	s->pumping = t;
	for (int i = 0; i < n; i++) {
		if (s->pumping == t) {
			t->sent = events[i].seq;
			t->cb(t, t->stream, &events[i]);
		}
		event_release(&events[i]);
	}
	if (s->pumping == t) {
		if (n < CAP_TAIL_BATCH)
			t->state = TAIL_LIVE;
		else
			tick_start(&t->tick);
	}
	s->pumping = NULL;
}

/* A store beside an owner hears of no commits: look again now and then. */
static void poll_again(struct timer *timer)
{
	struct store *s = container_of(timer, struct store, poll);
	struct map_entry *entry;
	struct err e = ERR_INIT;

	for (size_t i = 0; (entry = map_next(&s->groups, &i));) {
		struct tail_group *g = entry->value;
		list_for (link, &g->tails) {
			struct tail *t = list_entry(link, struct tail, link);
			t->state = TAIL_CATCHING;
			tick_start(&t->tick);
		}
	}
	if (map_count(&s->groups) && timer_start(timer, POLL_MS, &e))
		log_error("store", "cannot look for new events: %s", e.text);
}

void tails_init(struct store *s)
{
	map_init(&s->groups, CAP_STORE_ROWS);
	list_init(&s->everything);
	timer_init(&s->poll, s->loop, poll_again);
}

int tail_start(struct tail *t, struct store *s, struct err *e)
{
	struct tail_group *g;

	t->store = s;
	t->sent = t->stream ? t->after : s->shows;
	t->state = t->stream ? TAIL_CATCHING : TAIL_LIVE;
	list_init(&t->link);
	tick_init(&t->tick, s->loop, catch_up);
	if (!t->stream) {
		list_push(&s->everything, &t->link);
		return 0;
	}
	g = map_get(&s->groups, span_of(t->stream));
	if (!g) {
		g = MEM_NEW(struct tail_group);
		if (!g)
			return err_nomem(e);
		list_init(&g->tails);
		if (map_set(&s->groups, span_of(t->stream), g, NULL, e)) {
			mem_free(g);
			return err_wrap(e, "tails");
		}
		if (s->access == STORE_READ && !s->poll.at) {
			if (timer_start(&s->poll, POLL_MS, e)) {
				tidy(s, t->stream);
				return -1;
			}
		}
	}
	list_push(&g->tails, &t->link);
	tick_start(&t->tick);
	return 0;
}

void tail_stop(struct tail *t)
{
	if (!t->store || t->state == TAIL_STOPPED)
		return;
	t->state = TAIL_STOPPED;
	tick_stop(&t->tick);
	for (struct walk *w = t->store->walks; w; w = w->outer)
		if (w->next == &t->link)
			w->next = t->link.next;
	list_remove(&t->link);
	if (t->store->pumping == t)
		t->store->pumping = NULL;
	if (t->stream)
		tidy(t->store, t->stream);
}

static void show_one(struct tail *t, const char *stream, const struct event *ev)
{
	if (t->state != TAIL_LIVE)
		return;
	if (t->stream && ev->seq) {
		if (ev->seq <= t->sent)
			return;
		if (ev->seq != t->sent + 1) {
			t->state = TAIL_CATCHING;
			tick_start(&t->tick);
			return;
		}
		t->sent = ev->seq;
	}
	t->cb(t, stream, ev);
}

/* To each tail that is in the list now. */
static void show_list(struct store *s, struct list *tails, const char *stream, const struct event *ev)
{
	struct walk walk = {s->walks, tails->next};
	int64_t number = ++s->shows;

	s->walks = &walk;
	while (walk.next != tails) {
		struct tail *t = list_entry(walk.next, struct tail, link);
		walk.next = walk.next->next;
		if (t->stream || t->sent < number)
			show_one(t, stream, ev);
	}
	s->walks = walk.outer;
}

void store_show(struct store *s, const char *stream, const struct event *ev)
{
	struct tail_group *g = map_get(&s->groups, span_of(stream));

	if (g)
		show_list(s, &g->tails, stream, ev);
	if (!list_empty(&s->everything))
		show_list(s, &s->everything, stream, ev);
}

void tails_show(struct store *s, const char *stream, const struct event *events, size_t count)
{
	for (size_t i = 0; i < count; i++)
		store_show(s, stream, &events[i]);
}
