/* templates: what projects may begin with. */
#include "api/private.h"
#include "base/mem.h"

struct listing {
	struct work work;
	struct ask *q;
	struct template_places places;
	json_t *out;
	struct err why;
};

static void run(struct work *w)
{
	struct listing *l = container_of(w, struct listing, work);
	l->out = templates_list(&l->places, &l->why);
}

static void done(struct work *w)
{
	struct listing *l = container_of(w, struct listing, work);
	ask_end(l->q, l->out, &l->why);
	mem_free(l);
}

static json_t *list_templates(struct ask *q, struct err *e)
{
	struct listing *l = MEM_NEW(struct listing);
	if (!l) {
		err_nomem(e);
		return NULL;
	}
	*l = (struct listing){.q = q, .places = q->needs->templates};
	if (work_start(&l->work, q->needs->loop, run, done, e)) {
		mem_free(l);
		return NULL;
	}
	return NULL;
}

const struct route routes_templates[] = {
	{"GET", "/api/v1/templates", WHO_KNOWN, "files that a project may begin with", NULL, NULL, "[@template]", 0,
		list_templates},
	{0},
};
