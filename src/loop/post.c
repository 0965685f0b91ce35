#include "loop/private.h"

#include <stdatomic.h>

/* Purpose: callbacks on the loop's thread, asked for by other threads. The list is the loop's, under its lock; `posted`
 * lets several sends before the call cost one atomic exchange each. */

void post_init(struct post *p, struct loop *l, void (*cb)(struct post *p))
{
	p->loop = l;
	p->cb = cb;
	list_init(&p->link);
	p->posted = 0;
}

void post_send(struct post *p)
{
	struct loop *l = p->loop;
	if (atomic_exchange(&p->posted, 1))
		return;
	pthread_mutex_lock(&l->lock);
	list_push(&l->posts, &p->link);
	/* Under the lock: once the callback may run, the receiver may free the loop. */
	if (!l->sim)
		uv_async_send(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

void post_stop(struct post *p)
{
	if (!p->loop)
		return;
	pthread_mutex_lock(&p->loop->lock);
	list_remove(&p->link);
	p->posted = 0;
	pthread_mutex_unlock(&p->loop->lock);
}

bool posts_waiting(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	bool waiting = !list_empty(&l->posts);
	pthread_mutex_unlock(&l->lock);
	return waiting;
}

void posts_run(struct loop *l)
{
	struct list now, *link;
	pthread_mutex_lock(&l->lock);
	list_init(&now);
	if (!list_empty(&l->posts)) {
		list_insert_before(&l->posts, &now);
		list_remove(&l->posts);
	}
	while ((link = list_shift(&now))) {
		struct post *p = list_entry(link, struct post, link);
		p->posted = 0; /* a send from here on asks for another call */
		pthread_mutex_unlock(&l->lock);
		p->cb(p);
		pthread_mutex_lock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
}
