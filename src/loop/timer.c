#include "loop/private.h"

#include "base/caps.h"
#include "base/mem.h"

/* Purpose: all timers of a loop over one timer of libuv (or none: a simulated loop asks timers_next itself).
 * A binary heap by (at, order): order is the number of the start, so that equal times fire in the order of their start
 * and a timer started by a callback of this turn does not fire in it. */

static void on_alarm(uv_timer_t *h);

static bool before(const struct timer *a, const struct timer *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(struct loop *l, size_t slot, struct timer *t)
{
	l->timers[slot] = t;
	t->slot = slot;
}

static void sift_up(struct loop *l, size_t slot, struct timer *t)
{
	while (slot > 0) {
		size_t parent = (slot - 1) / 2;
		if (!before(t, l->timers[parent]))
			break;
		put(l, slot, l->timers[parent]);
		slot = parent;
	}
	put(l, slot, t);
}

static void sift_down(struct loop *l, size_t slot, struct timer *t)
{
	for (;;) {
		size_t child = 2 * slot + 1;
		if (child >= l->timer_count)
			break;
		if (child + 1 < l->timer_count && before(l->timers[child + 1], l->timers[child]))
			child++;
		if (!before(l->timers[child], t))
			break;
		put(l, slot, l->timers[child]);
		slot = child;
	}
	put(l, slot, t);
}

static void heap_remove(struct loop *l, struct timer *t)
{
	struct timer *last = l->timers[--l->timer_count];
	t->at = 0;
	if (last == t)
		return;
	size_t slot = t->slot;
	if (slot > 0 && before(last, l->timers[(slot - 1) / 2]))
		sift_up(l, slot, last);
	else
		sift_down(l, slot, last);
}

/* Set libuv's timer for the earliest of ours; it may come early, never late. */
static void arm(struct loop *l, int64_t least_ms)
{
	if (l->sim)
		return;
	if (l->timer_count == 0) {
		uv_timer_stop(&l->alarm);
		return;
	}
	int64_t wait = l->timers[0]->at - clock_mono(l->clock);
	int64_t ms = wait <= 0 ? 0 : (wait + 999) / 1000;
	uv_timer_start(&l->alarm, on_alarm, (uint64_t)(ms < least_ms ? least_ms : ms), 0);
}

static void on_alarm(uv_timer_t *h)
{
	struct loop *l = h->data;
	timers_fire(l);
	loop_stay_awake(l);
	arm(l, 1); /* 0 would fire again in this very turn */
}

void timers_fire(struct loop *l)
{
	int64_t now = clock_mono(l->clock);
	uint64_t newest = l->timer_order;
	while (l->timer_count > 0) {
		struct timer *t = l->timers[0];
		if (t->at > now || t->order > newest)
			break;
		heap_remove(l, t);
		t->cb(t);
	}
}

int64_t timers_next(const struct loop *l)
{
	return l->timer_count ? l->timers[0]->at : INT64_MAX;
}

void timer_init(struct timer *t, struct loop *l, void (*cb)(struct timer *t))
{
	*t = (struct timer){.loop = l, .cb = cb};
}

int timer_start(struct timer *t, int64_t ms, struct err *e)
{
	struct loop *l = t->loop;
	if (t->at == 0 && l->timer_count == l->timer_room) {
		if (l->timer_count >= CAP_TIMERS)
			return err_set(e, ERR_OVERLOADED, "more than %d timers are running", CAP_TIMERS);
		size_t room = l->timer_room ? l->timer_room * 2 : 64;
		struct timer **heap = mem_realloc(l->timers, room * sizeof(struct timer *));
		if (!heap)
			return err_nomem(e);
		l->timers = heap;
		l->timer_room = room;
	}
	if (t->at != 0)
		heap_remove(l, t);
	int64_t now = clock_mono(l->clock);
	int64_t us;
	if (ms < 0)
		ms = 0;
	if (__builtin_mul_overflow(ms, 1000, &us) || __builtin_add_overflow(now, us, &t->at))
		t->at = INT64_MAX - 1;
	t->order = ++l->timer_order;
	sift_up(l, l->timer_count++, t);
	if (l->timers[0] == t)
		arm(l, 0);
	return 0;
}

void timer_stop(struct timer *t)
{
	if (t->at == 0)
		return;
	heap_remove(t->loop, t);
	if (t->loop->timer_count == 0)
		arm(t->loop, 0);
}
