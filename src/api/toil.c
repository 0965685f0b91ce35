/* toil: one after the other. */
#include "api/toil.h"

void toils_init(struct toils *all, size_t most)
{
	*all = (struct toils){.most = most};
	list_init(&all->waiting);
}

static void next(struct toils *all);

static void ended(struct work *w)
{
	struct toil *t = container_of(w, struct toil, work);
	t->all->busy = false;
	next(t->all);
	t->done(w);
}

static void next(struct toils *all)
{
	struct list *link;
	while (!all->busy && (link = list_shift(&all->waiting))) {
		struct toil *t = list_entry(link, struct toil, link);
		all->count--;
		all->busy = work_start(&t->work, t->loop, t->run, ended, &t->why) == 0;
		if (!all->busy)
			t->done(&t->work);
	}
}

int toil_start(struct toil *t, struct toils *all, struct loop *l, void (*run)(struct work *w),
	void (*done)(struct work *w), struct err *e)
{
	if (all->busy && all->count >= all->most)
		return err_set(e, ERR_OVERLOADED, "too much of this kind is being worked on; ask again later");
	t->all = all;
	t->loop = l;
	t->run = run;
	t->done = done;
	if (all->busy) {
		list_push(&all->waiting, &t->link);
		all->count++;
		return 0;
	}
	if (work_start(&t->work, l, run, ended, e))
		return -1;
	all->busy = true;
	return 0;
}
