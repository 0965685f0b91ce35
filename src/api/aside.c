/* aside: see aside.h. */
#include "api/aside.h"

#include "base/mem.h"

struct taken {
	struct toil toil;
	struct aside how;
	struct ask *q;
	json_t *out;
	struct err why;
};

static void on_pool(struct work *w)
{
	struct taken *t = container_of(w, struct taken, toil.work);
	t->out = t->how.work(t->q, t->how.ctx, &t->why);
}

static json_t *end(const struct aside *how, struct ask *q, json_t *out, struct err *e)
{
	return how->end ? how->end(q, how->ctx, out, e) : out;
}

static void on_done(struct work *w)
{
	struct taken *t = container_of(w, struct taken, toil.work);
	struct ask *q = t->q;
	struct err why = t->toil.why.code == ERR_OK ? t->why : t->toil.why;
	json_t *out = end(&t->how, q, t->out, &why);
	mem_free(t);
	if (out || why.code != ERR_OK)
		ask_end(q, out, &why);
}

json_t *aside_start(struct ask *q, struct toils *line, struct aside how, struct err *e)
{
	struct taken *t = MEM_NEW(struct taken);
	if (!t)
		err_nomem(e);
	else
		*t = (struct taken){.how = how, .q = q};
	if (t && !toil_start(&t->toil, line, q->needs->loop, on_pool, on_done, e))
		return NULL;
	mem_free(t);
	return end(&how, q, NULL, e);
}

/* ---- runs ---- */

struct laboured {
	struct toil toil;
	struct house_job *job;
	void (*cb)(void *ctx, json_t *out, const struct err *why);
	void *ctx;
};

static void job_on_pool(struct work *w)
{
	house_job_work(container_of(w, struct laboured, toil.work)->job);
}

static void job_on_done(struct work *w)
{
	struct laboured l = *container_of(w, struct laboured, toil.work);
	mem_free(container_of(w, struct laboured, toil.work));
	if (l.toil.why.code == ERR_OK) {
		house_job_end(l.job, l.cb, l.ctx);
		return;
	}
	house_job_free(l.job);
	l.cb(l.ctx, NULL, &l.toil.why);
}

json_t *aside_job(struct ask *q, struct house_job *j, void (*cb)(void *ctx, json_t *out, const struct err *why),
	void *ctx, struct err *e)
{
	struct laboured *l = MEM_NEW(struct laboured);
	if (!l)
		err_nomem(e);
	else
		*l = (struct laboured){.job = j, .cb = cb, .ctx = ctx};
	if (l && !toil_start(&l->toil, &q->api->works, q->needs->loop, job_on_pool, job_on_done, e))
		return NULL;
	mem_free(l);
	house_job_free(j);
	return NULL;
}
