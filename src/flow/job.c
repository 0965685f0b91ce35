/* job: what makes, forks and merges runs, in parts.
 *
 *   made ──work (any thread)──▶ worked ──append──▶ durable ──end──▶ told, freed
 *
 * What fails keeps its reason until it is told. */
#include "flow/private.h"

#include "flow/house_private.h"

void house_job_free(struct house_job *j)
{
	if (j)
		j->release(j);
}

void house_job_work(struct house_job *j)
{
	if (j->work(j, &j->why) && j->why.code == ERR_OK)
		err_nomem(&j->why);
}

static json_t *finish(struct house_job *j)
{
	return j->why.code == ERR_OK ? j->end(j, &j->why) : NULL;
}

static void tell(struct house_job *j)
{
	void (*cb)(void *, json_t *, const struct err *) = j->cb;
	void *ctx = j->ctx;
	json_t *out = finish(j);
	struct err why = j->why;
	j->release(j);
	cb(ctx, out, &why);
}

static void appended(void *ctx, const struct err *why)
{
	struct house_job *j = ctx;
	j->why = *why;
	tell(j);
}

void house_job_end(struct house_job *j, void (*cb)(void *ctx, json_t *out, const struct err *why), void *ctx)
{
	j->cb = cb;
	j->ctx = ctx;
	j->append.cb = appended;
	j->append.ctx = j;
	bool appends = j->why.code == ERR_OK && j->append.event_count;
	if (!appends || store_append(j->house->store, &j->append, &j->why))
		tell(j);
}

json_t *house_job_wait(struct house_job *j, struct err *e)
{
	if (!j)
		return NULL;
	house_job_work(j);
	if (j->why.code == ERR_OK && j->append.event_count)
		store_append_wait(j->house->store, &j->append, &j->why);
	json_t *out = finish(j);
	if (!out)
		*e = j->why;
	j->release(j);
	return out;
}
