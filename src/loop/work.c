#include "loop/private.h"

#include "base/mem.h"

/* Purpose: blocking jobs on libuv's pool. The request is a heap struct that points back, freed before done() is called,
 * so that done() may free the work. A simulated loop keeps the job in its list instead. */

static void on_run(uv_work_t *req)
{
	struct work *w = req->data;
	w->run(w);
}

static void on_done(uv_work_t *req, int status)
{
	struct work *w = req->data;
	mem_free(req);
	w->req = NULL;
	w->cancelled = status == UV_ECANCELED;
	w->loop->works--;
	w->done(w);
}

int work_start(struct work *w, struct loop *l, void (*run)(struct work *w), void (*done)(struct work *w), struct err *e)
{
	w->loop = l;
	w->run = run;
	w->done = done;
	w->cancelled = false;
	w->req = NULL;
	list_init(&w->link);
	if (l->sim) {
		list_push(&l->sim->jobs, &w->link);
	} else {
		uv_work_t *req = MEM_NEW(uv_work_t);
		if (!req)
			return err_nomem(e);
		req->data = w;
		int rc = uv_queue_work(&l->uv, req, on_run, on_done);
		if (rc != 0) {
			mem_free(req);
			return err_errno(e, -rc, "cannot queue work on the pool");
		}
		w->req = req;
	}
	l->works++;
	return 0;
}

void work_cancel(struct work *w)
{
	if (w->req) {
		uv_cancel((uv_req_t *)w->req); /* too late is fine: done() then sees cancelled = false */
	} else if (w->loop && w->loop->sim) {
		list_for (it, &w->loop->sim->jobs) {
			if (it != &w->link)
				continue;
			list_remove(it);
			w->cancelled = true;
			list_push(&w->loop->sim->finished, it);
		}
	}
}
