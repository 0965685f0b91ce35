/* project_past: see project_past.h. */
#include "api/project_past.h"

#include "base/fs.h"
#include "base/mem.h"
#include "vcs/adopt.h"

int past_prepare(struct past *p, const char *dir, struct err *e)
{
	p->stage = mem_printf("%s.clone", dir);
	p->source = mem_printf("%s.clone/source", dir);
	cleanup_free char *objects = p->source ? fs_join(p->source, "objects") : NULL;
	cleanup_free char *refs = p->source ? fs_join(p->source, "refs") : NULL;
	if (!p->stage || !objects || !refs)
		return err_nomem(e);
	return fs_remove_tree(p->stage, e) || fs_mkdirs(p->stage, 0700, e) || fs_mkdirs(objects, 0755, e) ||
			       fs_mkdirs(refs, 0755, e)
		       ? -1
		       : 0;
}

int past_give(struct past *p, struct err *e)
{
	return p->clone.uid ? sandbox_own(p->stage, p->clone.uid, e) : 0;
}

static void cloned(struct clone *c, const struct err *why)
{
	struct past *p = container_of(c, struct past, clone);
	p->why = *why;
	p->cb(p);
}

int past_start(struct past *p, struct loop *l, struct err *e)
{
	p->clone.dir = p->stage;
	p->clone.on_done = cloned;
	return clone_start(&p->clone, l, e);
}

int past_take(struct past *p, const char *dir, const atomic_bool *cancel)
{
	struct adopt a = {.from = p->stage, .cancel = cancel};
	struct err *e = &p->why;
	cleanup_free char *git = fs_join(dir, ".git");
	if (p->why.code == ERR_OK && adopt(&a, dir, e) == 0 && !*a.commit)
		err_set(e, ERR_INVALID, "it has no commit");
	if (p->why.code == ERR_OK)
		return 0;
	if (git)
		(void)fs_remove_tree(git, NULL);
	return -1;
}

void past_release(struct past *p)
{
	if (p->stage)
		(void)fs_remove_tree(p->stage, NULL);
	mem_free(p->stage);
	mem_free(p->source);
	p->stage = p->source = NULL;
}
