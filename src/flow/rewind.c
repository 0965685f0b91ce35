/* rewind: the branches of a run in a copy of its project, set back to what the journal knows of them.
 *
 * A project is copied after the journal was, so that it holds every commit that the journal names; by then the run may
 * have committed more, on which it could not build. */
#include "flow/private.h"

#include "flow/house_private.h"

static int rewind_run(const struct run *r, const char *dir, struct err *e)
{
	size_t count = 0, n = 0;
	list_for (it, &r->copies)
		count++;
	struct branch_at *known = mem_calloc(count, sizeof(*known));
	struct project *p = known ? project_open(dir, NULL, e) : NULL;
	if (!known)
		return err_nomem(e);
	list_for (it, &r->copies) {
		const struct workcopy *c = list_entry(it, struct workcopy, link);
		known[n++] = (struct branch_at){.name = c->branch, .commit = c->head};
	}
	int rc = p ? project_rewind(p, r->main->branch, known, n, e) : -1;
	project_close(p);
	mem_free(known);
	return rc;
}

int house_rewind(struct house *h, const char *id, const char *dir, struct err *e)
{
	struct run *r = run_open(h, id, true, e);
	if (!r)
		return -1;
	int rc = rewind_run(r, dir, e);
	house_discard(r);
	return rc;
}
