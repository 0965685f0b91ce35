/* actions: what people must decide, and their answers. */
#include "api/intervene.h"
#include "api/private.h"
#include "base/mem.h"

static json_t *list_of(struct ask *q, struct err *e)
{
	cleanup_json json_t *filter = json_clone(q->query);
	struct ask_page page;
	if (ask_page(q, q->caller.kind == CALLER_LOCAL ? -1 : 200, &page, e))
		return NULL;
	if (!filter || (!json_get(filter, "state") && json_put(filter, "state", json_string("open"))) ||
		(q->run_id && json_put(filter, "run", json_string(q->run_id)))) {
		err_nomem(e);
		return NULL;
	}
	json_object_del(filter, "limit");
	json_object_del(filter, "cursor");
	if (json_str(filter, "state") && !strcmp(json_str(filter, "state"), "any"))
		json_object_del(filter, "state");
	if (!q->run_id && ask_visible(q, filter, e))
		return NULL;
	return ask_paged(
		q, &page, store_actions_before(q->needs->store, filter, page.before, page.fetch, e), "opened", e);
}

static json_t *answer(struct ask *q, struct err *e)
{
	bool now;
	cleanup_free char *action = ask_param(q, "action");
	cleanup_json json_t *command = json_clone(q->body);
	if (!command || !action || json_put(command, "kind", json_string("answer")) ||
		json_put(command, "action", json_string(action)) || ask_sign(q, command)) {
		err_nomem(e);
		return NULL;
	}
	if (money_may_answer(q, action, json_str(command, "option"), e))
		return NULL;
	return intervene_apply(q->needs, q->run, q->command_id, command, &now, e)
		       ? NULL
		       : json_make(e, "{s:b, s:b}", "ok", 1, "queued", !now);
}

const struct route routes_actions[] = {
	{"GET", API "/actions", WHO_KNOWN, "what people must decide; state: open (else), resolved, closed or any",
		"state:s? kind:s? priority:s? project:s? limit:i? cursor:s?", NULL, "[@action]", 0, list_of},
	{"GET", API "/runs/{run}/actions", WHO_VIEWER, "a run's actions",
		"state:s? kind:s? priority:s? limit:i? cursor:s?", NULL, "[@action]", 0, list_of},
	{"POST", API "/runs/{run}/actions/{action}", WHO_MEMBER,
		"answer an action with one of its options, a text, or both", NULL, "option:s? text:s? by:s?", "@taken",
		0, answer, .spoken = true},
	{0},
};
