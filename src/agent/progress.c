/* progress: notices when an agent is not getting anywhere.
 *
 * A turn makes progress when the workspace changed, the plan or the scratchpad changed, or a result was seen for the
 * first time (knowledge). The same call with the same result in a row, or many turns without progress, first bring a
 * nudge and then an action for a person; turns that wait for others (people, children) are no sign of either. */
#include "agent/private.h"

#include <stdio.h>

static bool waits_for_others(const struct agent_call *c)
{
	return c->handler || !strcmp(c->name, "wait") || !strcmp(c->name, "ask_human");
}

static bool new_to(struct agent *a, uint64_t mark)
{
	size_t room = sizeof(a->seen) / sizeof(a->seen[0]);
	for (size_t i = 0; i < room && i < a->seen_count; i++)
		if (a->seen[i] == mark)
			return false;
	a->seen[a->seen_count++ % room] = mark;
	return true;
}

void progress_call(struct agent *a, const struct agent_call *c)
{
	if (waits_for_others(c) || !strcmp(c->status, "lost")) { /* a stop of the program is no fault of the agent's */
		progress_reset(a);
		return;
	}
	struct hash_stream h;
	struct hash call, result;
	char *args = c->args ? json_text(c->args) : NULL;
	hash_start(&h, NULL);
	hash_update(&h, c->name, strlen(c->name) + 1);
	if (args)
		hash_update(&h, args, strlen(args) + 1);
	hash_update(&h, c->status, strlen(c->status) + 1);
	hash_update(&h, c->content, c->content_len);
	hash_end(&h, &call);
	mem_free(args);
	hash_bytes(&result, NULL, span_n(c->content, c->content_len));
	a->same_calls = hash_eq(&call, &a->last_call) ? a->same_calls + 1 : 1;
	a->nudge |= a->same_calls == AGENT_SAME_NUDGE; /* told at the end of the turn */
	a->last_call = call;
	uint64_t mark;
	memcpy(&mark, result.b, sizeof(mark));
	if (new_to(a, mark) || !strcmp(c->name, "note") || !strcmp(c->name, "plan"))
		a->idle_turns = -1;
}

void progress_reset(struct agent *a)
{
	a->same_calls = 0;
	a->nudge = false;
	a->idle_turns = -1;
	memset(&a->last_call, 0, sizeof(a->last_call));
}

static int ask_person(struct agent *a, const char *how, struct err *e)
{
	cleanup_free char *title = mem_printf("Agent %s (%s) seems stuck", a->id, a->role->id);
	cleanup_free char *body =
		mem_printf("%s Answer `continue`, with advice for it as text if you like, or `stop`.", how);
	json_t *options = json_pack("[s,s]", "continue", "stop");
	if (!title || !body || !options) {
		json_decref(options);
		return err_nomem(e);
	}
	sm_move(&a->sm, AGENT_BLOCKED);
	a->block = BLOCK_STUCK;
	a->host->open_action(a, "stuck", "escalation", title, body, options, "high", NULL, a->action);
	return 0;
}

int progress_turn(struct agent *a, struct err *e)
{
	uint64_t tree = a->host->tree_version(a);
	a->idle_turns = tree != a->last_tree ? 0 : a->idle_turns + 1;
	a->last_tree = tree;
	char how[160];
	if (a->same_calls >= AGENT_SAME_STUCK) {
		snprintf(how, sizeof(how), "It has made the same call with the same result %d times in a row.",
			a->same_calls);
		return ask_person(a, how, e);
	}
	if (a->idle_turns >= AGENT_IDLE_STUCK) {
		snprintf(how, sizeof(how), "Its last %d turns changed no file and learned nothing new.", a->idle_turns);
		return ask_person(a, how, e);
	}
	bool nudge = a->nudge && a->same_calls >= AGENT_SAME_NUDGE;
	a->nudge = false;
	if (nudge)
		return agent_tell(a, "muster",
			span_of("You have made the same call with the same result several times. Doing it again will "
				"not help: look "
				"for the cause, try something else, or ask."),
			e);
	if (a->idle_turns == AGENT_IDLE_NUDGE)
		return agent_tell(a, "muster",
			span_of("For many turns now nothing has changed and nothing new was learned. Say what is in "
				"the way, then take "
				"the next real step, ask a person, or finish."),
			e);
	return 0;
}
