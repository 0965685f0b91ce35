#include "loop/private.h"

#include <limits.h>
#include <signal.h>

#include "base/mem.h"

/* Purpose: the life and the turns of the loop. One turn of a real loop is libuv's: timers, then ready descriptors, then
 * ticks, then closed handles. Posts arrive as one ready descriptor.
 *
 * Failure modes: libuv aborts when the first descriptor table cannot be allocated (uv_loop_init); the allocator given
 * to it tries a second time for that. Later growth is done in watch.c, where failure is an error. */

static void *again_realloc(void *p, size_t n)
{
	void *q = mem_realloc(p, n);
	return q ? q : mem_realloc(p, n);
}

static void setup_once(void)
{
	BUG_ON(uv_replace_allocator(mem_alloc, again_realloc, mem_calloc, mem_free) != 0);
	signal(SIGPIPE, SIG_IGN); /* a broken pipe is an error of the write */
	signal(SIGCHLD, SIG_DFL); /* ignored, children could not be waited for */
}

static void on_idle(uv_idle_t *h)
{
	(void)h;
}

/* libuv would fire timers and then wait for descriptors, in one turn: whoever waits for what a timer did would sleep.
 */
void loop_stay_awake(struct loop *l)
{
	uv_idle_start(&l->awake, on_idle);
}

static void on_check(uv_check_t *h)
{
	struct loop *l = h->data;
	uv_idle_stop(&l->awake);
	ticks_run(l);
}

static void on_wake(uv_async_t *h)
{
	posts_run(h->data);
}

static void on_bound(uv_timer_t *h)
{
	loop_stay_awake(h->data); /* it may have been late already when the turn began */
}

struct loop *loop_new(struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, setup_once);
	cleanup_free struct loop *l = MEM_NEW(struct loop);
	if (!l) {
		err_nomem(e);
		return NULL;
	}
	int rc = uv_loop_init(&l->uv);
	if (rc == 0) {
		rc = uv_async_init(&l->uv, &l->wake, on_wake);
		if (rc != 0)
			uv_loop_close(&l->uv);
	}
	if (rc != 0) {
		err_errno(e, -rc, "cannot start the event loop");
		return NULL;
	}
	l->clock = &clock_real;
	list_init(&l->ticks);
	list_init(&l->posts);
	pthread_mutex_init(&l->lock, NULL);
	uv_unref((uv_handle_t *)&l->wake);
	uv_timer_init(&l->uv, &l->alarm);
	uv_timer_init(&l->uv, &l->bound);
	uv_unref((uv_handle_t *)&l->bound);
	uv_check_init(&l->uv, &l->check);
	uv_check_start(&l->check, on_check);
	uv_unref((uv_handle_t *)&l->check);
	uv_idle_init(&l->uv, &l->idle);
	uv_idle_init(&l->uv, &l->awake);
	l->wake.data = l->alarm.data = l->bound.data = l->check.data = l->idle.data = l;
	return steal(&l);
}

struct loop *loop_new_sim(uint64_t seed, int64_t wall_us, struct err *e)
{
	return sim_new(seed, wall_us, e);
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->timer_count || !list_empty(&l->ticks) || posts_waiting(l) || l->keeps || l->works || l->watches ||
		l->signs)
		BUG("loop freed with %zu timers, %s, %s, %zu keeps, %zu works, %zu watches, %zu signals alive",
			l->timer_count, list_empty(&l->ticks) ? "no ticks" : "ticks",
			posts_waiting(l) ? "posts" : "no posts", l->keeps, l->works, l->watches, l->signs);
	if (l->sim) {
		sim_free(l);
	} else {
		uv_close((uv_handle_t *)&l->alarm, NULL);
		uv_close((uv_handle_t *)&l->bound, NULL);
		uv_close((uv_handle_t *)&l->check, NULL);
		uv_close((uv_handle_t *)&l->idle, NULL);
		uv_close((uv_handle_t *)&l->awake, NULL);
		uv_close((uv_handle_t *)&l->wake, NULL);
		uv_run(&l->uv, UV_RUN_DEFAULT);
		int rc = uv_loop_close(&l->uv);
		if (rc != 0)
			BUG("loop freed while busy: %s", uv_strerror(rc));
	}
	pthread_mutex_destroy(&l->lock);
	mem_free(l->timers);
	mem_free(l);
}

bool loop_alive(struct loop *l)
{
	if (l->sim)
		return sim_alive(l);
	return uv_loop_alive(&l->uv) || posts_waiting(l);
}

bool loop_turn(struct loop *l, int timeout_ms)
{
	if (l->sim)
		return sim_turn(l, timeout_ms);
	if (!uv_loop_alive(&l->uv)) { /* libuv would not look at the posts */
		posts_run(l);
		ticks_run(l);
	} else if (timeout_ms == 0) {
		uv_run(&l->uv, UV_RUN_NOWAIT);
	} else {
		if (timeout_ms > 0) {
			uv_update_time(&l->uv);
			uv_timer_start(&l->bound, on_bound, (uint64_t)timeout_ms, 0);
		}
		uv_run(&l->uv, UV_RUN_ONCE);
		uv_timer_stop(&l->bound);
		uv_idle_stop(&l->awake); /* timers fire at the end of such a turn, too */
	}
	return loop_alive(l);
}

int loop_run(struct loop *l, struct err *e)
{
	while (!l->stopping && loop_alive(l)) {
		if (!l->sim) {
			if (uv_loop_alive(&l->uv))
				uv_run(&l->uv, UV_RUN_DEFAULT);
			else
				posts_run(l);
			continue;
		}
		if (l->keeps && timers_next(l) == INT64_MAX && list_empty(&l->ticks) && !posts_waiting(l) && !l->works)
			return err_set(e, ERR_INTERNAL,
				"the simulated loop is kept alive by %zu keeps, but nothing can happen any more",
				l->keeps);
		sim_turn(l, -1);
	}
	l->stopping = false;
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stopping = true;
	if (!l->sim)
		uv_stop(&l->uv);
}

const struct clock *loop_clock(const struct loop *l)
{
	return l->clock;
}

void loop_set_clock(struct loop *l, const struct clock *c)
{
	BUG_ON(l->timer_count || l->sim);
	l->clock = c;
}

void loop_keep(struct loop *l)
{
	if (l->keeps++ == 0 && !l->sim)
		uv_ref((uv_handle_t *)&l->wake);
}

void loop_unkeep(struct loop *l)
{
	BUG_ON(l->keeps == 0);
	if (--l->keeps == 0 && !l->sim)
		uv_unref((uv_handle_t *)&l->wake);
}

void tick_init(struct tick *t, struct loop *l, void (*cb)(struct tick *t))
{
	t->loop = l;
	t->cb = cb;
	list_init(&t->link);
}

void tick_start(struct tick *t)
{
	struct loop *l = t->loop;
	if (!list_empty(&t->link))
		return;
	list_push(&l->ticks, &t->link);
	if (!l->sim)
		uv_idle_start(&l->idle, on_idle);
}

void tick_stop(struct tick *t)
{
	if (!t->loop)
		return;
	list_remove(&t->link);
	if (list_empty(&t->loop->ticks) && !t->loop->sim)
		uv_idle_stop(&t->loop->idle);
}

void ticks_run(struct loop *l)
{
	struct list now, *link;
	if (list_empty(&l->ticks))
		return;
	/* Those asked for by these ticks run in the next turn. */
	list_init(&now);
	list_insert_before(&l->ticks, &now);
	list_remove(&l->ticks);
	while ((link = list_shift(&now))) {
		struct tick *t = list_entry(link, struct tick, link);
		t->cb(t);
	}
	if (list_empty(&l->ticks) && !l->sim)
		uv_idle_stop(&l->idle);
}
