/* playing: scripts as models: their files, loaded once, what the callers tell and ask of them, and the service that
 * plays a line as an answer. */
#include "llm/playing.h"

#include <stdio.h>

#include "base/mem.h"
#include "llm/reply.h"
#include "llm/script.h"

struct script *playing_script(struct llm *l, const char *file, struct err *e)
{
	struct script *s;

	if (strncmp(file, "script:", 7) == 0)
		file += 7;
	s = map_get(&l->scripts, span_of(file));
	if (s)
		return s;
	s = script_load(file, e);
	if (s && map_set(&l->scripts, span_of(file), s, NULL, e)) {
		script_free(s);
		return NULL;
	}
	return s;
}

int llm_script_used_in(struct llm *l, const char *script, const char *play, int64_t line, struct err *e)
{
	struct script *s = playing_script(l, script, e);

	return s ? script_mark(s, play, line, e) : -1;
}

int llm_script_used(struct llm *l, const char *script, int64_t line, struct err *e)
{
	return llm_script_used_in(l, script, NULL, line, e);
}

int llm_script_answer_in(struct llm *l, const char *script, const char *play, const char *action, char **answer,
	int64_t *line, struct err *e)
{
	struct script *s = playing_script(l, script, e);
	cleanup_json json_t *v = NULL;
	int64_t n = s ? script_take_answer(s, play, action, &v, e) : -1;

	*answer = NULL;
	*line = 0;
	if (n <= 0)
		return (int)n;
	*answer = mem_strdup(json_str(v, "answer"));
	*line = n;
	return *answer ? 1 : err_nomem(e);
}

int llm_script_answer(
	struct llm *l, const char *script, const char *action, char **answer, int64_t *line, struct err *e)
{
	return llm_script_answer_in(l, script, NULL, action, answer, line, e);
}

void llm_script_forget(struct llm *l, const char *play)
{
	struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&l->scripts, &i));)
		script_forget(entry->value, play);
}

const json_t *llm_script_header(struct llm *l, const char *script, struct err *e)
{
	const struct script *s = playing_script(l, script, e);

	return s ? script_header(s) : NULL;
}

/* ---- the service ---- */

struct playing {
	struct tick tick;
	struct llm_call *call;
	struct llm *llm;
	json_t *line;	/* NULL: there was none */
	struct err why; /* then */
	int64_t began;
	bool cancelled;
};

static void play(struct tick *t)
{
	struct playing *p = container_of(t, struct playing, tick);
	struct llm_call *c = p->call;
	struct llm *l = p->llm;
	struct err why = p->why;
	int64_t began = p->began;
	char what[600];

	snprintf(what, sizeof what, "%s, line %lld", c->model->name, (long long)c->line);
	if (p->line && !p->cancelled)
		reply_take(c, p->line, what, &p->cancelled, &why);
	if (p->cancelled) {
		/* A run that is resumed finds the line unused; so must one that goes on. */
		script_give_back(call_target(c)->provider->script, c->play, c->line);
		c->line = 0;
		err_set(&why, ERR_CANCELLED, "the model call was cancelled");
	}
	if (!c->answered_by[0])
		snprintf(c->answered_by, sizeof c->answered_by, "%.*s", (int)sizeof c->answered_by - 1, c->model->name);
	json_decref(p->line);
	mem_free(p);
	call_end(c, l, began, &why);
}

/* Without a line left the call still ends by on_done, as any other failure of a model does. */
static int script_start(struct llm_call *c, struct llm *l, struct err *e)
{
	struct playing *p = MEM_NEW(struct playing);
	int64_t line;

	if (!p)
		return err_nomem(e);
	*p = (struct playing){.call = c, .llm = l, .began = clock_mono(loop_clock(l->loop))};
	line = script_take(call_target(c)->provider->script, c, &p->line, &p->why);
	c->line = line < 0 ? 0 : line;
	c->priv = p;
	tick_init(&p->tick, l->loop, play);
	tick_start(&p->tick);
	return 0;
}

static void script_cancel(struct llm_call *c)
{
	struct playing *p = c->priv;

	p->cancelled = true;
}

const struct service service_script = {"script", script_start, script_cancel};
