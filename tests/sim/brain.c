/* brain: the model of a simulation. What it answers follows from the conversation alone: so it needs no memory, and a
 * killed and resumed agent meets the same model. Calls are taken in place of llm_call_start by the linker (--wrap),
 * kept for as long as the seed wants, then answered from the scene's lines.
 *
 * A step whose result was lost is done again when nothing of it is to be seen, else taken as done. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "llm/llm.h"
#include "world.h"

struct thought {
	struct list link;
	struct llm_call *call;
	bool cancelled;
};

int __wrap_llm_call_start(struct llm_call *c, struct llm *l, struct err *e);
void __wrap_llm_call_cancel(struct llm_call *c);

int __wrap_llm_call_start(struct llm_call *c, struct llm *l, struct err *e)
{
	(void)l;
	world_visit(SPOT_MODEL);
	if (the_world->asked && the_world->asked(the_world, c, e))
		return -1;
	struct thought *t = MEM_NEW(struct thought);
	if (!t)
		return err_nomem(e);
	t->call = c;
	c->text = NULL;
	c->calls = NULL;
	c->call_count = c->text_len = 0;
	c->usage = (struct llm_usage){0};
	c->answered_by[0] = '\0';
	c->status = 0;
	c->retry_ms = -1;
	c->line = 0;
	c->priv = t;
	list_push(&the_world->thinking, &t->link);
	return 0;
}

void __wrap_llm_call_cancel(struct llm_call *c)
{
	if (c->priv)
		((struct thought *)c->priv)->cancelled = true;
}

/* Steps of this agent that were done. */
static int steps(const struct llm_call *c)
{
	int done = 0;
	for (size_t i = 0; i < c->message_count; i++) {
		if (c->messages[i]->role != LLM_ASSISTANT)
			continue;
		bool again = false;
		for (size_t k = i + 1; k < c->message_count && c->messages[k]->role != LLM_ASSISTANT; k++) {
			const struct llm_message *m = c->messages[k];
			bool lost = (m->role == LLM_TOOL && !strcmp(m->status, "lost")) ||
				    (m->role == LLM_USER && strstr(m->text, ": lost]"));
			again |= lost && strstr(m->text, "No file has changed");
		}
		done += !again;
	}
	return done;
}

static const struct line *say(const struct scene *s, const struct llm_call *c)
{
	int left = steps(c);
	for (const struct line *l = s->lines; l->role; l++)
		if (!strcmp(l->role, c->role) && (!l->task || strstr(c->messages[0]->text, l->task)) && !left--)
			return l;
	return NULL;
}

int brain_fill(struct llm_call *c, const struct line *l, struct err *e)
{
	cleanup_json json_t *calls = l->calls ? json_parse(span_of(l->calls), "a line of the scene", e) : NULL;
	size_t i, n = json_array_size(calls);
	json_t *one;
	if (l->calls && !calls)
		return -1;
	c->text = mem_strdup(l->text ? l->text : "");
	c->text_len = c->text ? strlen(c->text) : 0;
	c->calls = n ? mem_calloc(n, sizeof(*c->calls)) : NULL;
	if (!c->text || (n && !c->calls))
		return err_nomem(e);
	c->call_count = n;
	json_array_foreach(calls, i, one)
	{
		c->calls[i].id = mem_printf("c%d_%zu", c->turn, i);
		c->calls[i].name = mem_strdup(json_str(one, "name"));
		c->calls[i].arguments = json_incref(json_get(one, "arguments"));
		c->calls[i].bad = json_str(one, "bad") ? mem_strdup(json_str(one, "bad")) : NULL;
	}
	c->stop = n ? LLM_STOP_TOOLS : LLM_STOP_END;
	c->usage = (struct llm_usage){.input = 100, .output = 10};
	snprintf(c->answered_by, sizeof(c->answered_by), "brain");
	return 0;
}

/* Now and then a provider fails: at most twice for each turn, so that the third try answers. */
static bool fails_first(struct world *w, const struct llm_call *c)
{
	char key[100];
	struct err e = ERR_INIT;
	if (!w->model_faults || rng_below(&w->rng, (uint64_t)w->model_faults))
		return false;
	snprintf(key, sizeof(key), "%s:%d", c->agent, c->turn);
	int *n = map_get(&w->faulted, span_of(key));
	if (!n && (!(n = mem_calloc(1, sizeof(*n))) || map_set(&w->faulted, span_of(key), n, NULL, &e)))
		world_fail(w, "no memory");
	return ++*n <= 2;
}

static void answer(struct world *w, struct thought *t)
{
	struct llm_call *c = t->call;
	struct err why = ERR_INIT;
	const struct line *l = NULL;
	if (t->cancelled) {
		err_set(&why, ERR_CANCELLED, "the model call was cancelled");
	} else if (w->think) {
		w->think(w, c, &why);
	} else if (fails_first(w, c)) {
		c->status = 529;
		err_set(&why, ERR_OVERLOADED, "the model is busy");
	} else if (!(l = say(w->scene, c))) {
		err_set(&why, ERR_SCRIPT_EXHAUSTED, "the scene has no step %d for role %s, agent %s: %s", steps(c),
			c->role, c->agent, c->messages[0]->text);
	} else {
		brain_fill(c, l, &why);
	}
	list_remove(&t->link);
	mem_free(t);
	c->priv = NULL;
	c->on_done(c, &why);
}

void brain_think(struct world *w, bool all)
{
	size_t n = 0;
	list_for (it, &w->thinking)
		n++;
	if (!n || (!all && !w->plain && rng_below(&w->rng, 3)))
		return;
	struct list *it = w->thinking.next;
	if (!w->plain)
		for (size_t k = rng_below(&w->rng, n); k > 0; k--)
			it = it->next;
	answer(w, list_entry(it, struct thought, link));
}
