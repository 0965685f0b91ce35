#include "loop/private.h"

#include "base/mem.h"

/* Purpose: the simulated loop. A turn draws one ready thing (a post, the oldest job of the pool, or the end of a job
 * that ran) by the seed; with nothing ready the clock jumps to the next timer. Then due timers and ticks run, as in a
 * real turn. No threads: whatever is not in these lists can never happen. */

struct loop *sim_new(uint64_t seed, int64_t wall_us, struct err *e)
{
	cleanup_free struct loop *l = MEM_NEW(struct loop);
	cleanup_free struct sim *s = MEM_NEW(struct sim);
	if (!l || !s) {
		err_nomem(e);
		return NULL;
	}
	clock_fake(&s->clock, wall_us);
	s->clock.fake_mono = 1; /* a timer at 0 would be one that does not run */
	s->rng.state = seed;
	list_init(&s->jobs);
	list_init(&s->finished);
	list_init(&l->ticks);
	list_init(&l->posts);
	pthread_mutex_init(&l->lock, NULL);
	l->clock = &s->clock;
	l->sim = steal(&s);
	return steal(&l);
}

void sim_free(struct loop *l)
{
	mem_free(l->sim);
}

int sim_refuse(const char *what, struct err *e)
{
	return err_set(e, ERR_INVALID, "%s needs a real event loop, this one is simulated", what);
}

bool sim_alive(struct loop *l)
{
	return l->timer_count || l->works || l->keeps || !list_empty(&l->ticks) || posts_waiting(l);
}

static size_t length(const struct list *head)
{
	size_t n = 0;
	for (const struct list *it = head->next; it != head; it = it->next)
		n++;
	return n;
}

static struct list *nth(struct list *head, size_t n)
{
	struct list *it = head->next;
	while (n--)
		it = it->next;
	list_remove(it);
	return it;
}

static void post_call(struct loop *l, size_t n)
{
	pthread_mutex_lock(&l->lock);
	struct post *p = list_entry(nth(&l->posts, n), struct post, link);
	p->posted = 0;
	pthread_mutex_unlock(&l->lock);
	p->cb(p);
}

static void work_end(struct loop *l, struct work *w)
{
	l->works--;
	w->done(w);
}

/* Returns false when nothing is ready. */
static bool draw(struct loop *l)
{
	struct sim *s = l->sim;
	pthread_mutex_lock(&l->lock);
	size_t posts = length(&l->posts);
	pthread_mutex_unlock(&l->lock);
	size_t finished = length(&s->finished), jobs = list_empty(&s->jobs) ? 0 : 1;
	if (posts + finished + jobs == 0)
		return false;
	size_t pick = rng_below(&s->rng, posts + finished + jobs);
	if (pick < posts) {
		post_call(l, pick);
	} else if (pick < posts + finished) {
		work_end(l, list_entry(nth(&s->finished, pick - posts), struct work, link));
	} else {
		struct work *w = list_entry(list_shift(&s->jobs), struct work, link);
		w->run(w);
		list_push(&s->finished, &w->link);
	}
	return true;
}

static void jump(struct loop *l, int timeout_ms)
{
	int64_t wait = timers_next(l);
	if (wait != INT64_MAX)
		wait -= clock_mono(l->clock);
	if (timeout_ms >= 0 && wait > (int64_t)timeout_ms * 1000)
		wait = (int64_t)timeout_ms * 1000;
	if (wait > 0 && wait != INT64_MAX)
		clock_advance(&l->sim->clock, wait);
}

bool sim_turn(struct loop *l, int timeout_ms)
{
	if (!draw(l) && list_empty(&l->ticks))
		jump(l, timeout_ms);
	timers_fire(l);
	ticks_run(l);
	return sim_alive(l);
}
