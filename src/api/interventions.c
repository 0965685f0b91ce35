/* interventions: people's commands to a run, its forks and its merge. */
#include "api/aside.h"
#include "api/intervene.h"

/* Nothing begins anew in a project that was put aside or deleted. */
static int check_active(struct ask *q, struct err *e)
{
	struct err none = ERR_INIT;
	const json_t *known = book_get(q->api->book, q->project, &none);
	const char *state = json_str(known, "state");
	return !state || !strcmp(state, "active")
		       ? 0
		       : err_set(e, ERR_CONFLICT, "the project is %s; bring it back first", state);
}

static json_t *command(struct ask *q, struct err *e)
{
	bool now;
	const char *kind = json_str(q->body, "kind");
	cleanup_json json_t *whole = json_clone(q->body);
	if (!whole || ask_sign(q, whole)) {
		err_nomem(e);
		return NULL;
	}
	if (!strcmp(kind, "record") && q->caller.kind != CALLER_LOCAL) {
		err_set(e, ERR_DENIED,
			"a recording is a file of the host; only the data folder's owner may ask for it");
		return NULL;
	}
	if (!strcmp(kind, "resume") && check_active(q, e))
		return NULL;
	if (!strcmp(kind, "resume") && !q->needs->serving) { /* it ends with its own run */
		err_set(e, ERR_OWNED,
			"this process works on runs of its own and goes on with no others; `muster serve` does");
		return NULL;
	}
	if (!strcmp(kind, "model") && ask_model(q, json_str(q->body, "model"), e))
		return NULL;
	if (!strcmp(kind, "answer") && money_may_answer(q, json_str(q->body, "action"), json_str(q->body, "option"), e))
		return NULL;
	return intervene_apply(q->needs, q->run, q->command_id, whole, &now, e)
		       ? NULL
		       : json_make(e, "{s:b, s:b}", "ok", 1, "queued", !now);
}

static void forked(void *ctx, json_t *out, const struct err *why)
{
	ask_end(ctx, out, why);
}

static json_t *fork_run(struct ask *q, struct err *e)
{
	struct house_job *j =
		check_active(q, e) ? NULL
				   : house_fork_job(q->needs->house, q->run_id, json_int(q->body, "at", INT64_MAX), e);
	return j ? aside_job(q, j, forked, q, e) : NULL;
}

static void merged(void *ctx, json_t *out, const struct err *why)
{
	struct ask *q = ctx;
	struct err e = *why;
	if (out)
		out = intervene_merged(q->needs, q->run_id, q->caller.name, out, &e);
	ask_end(q, out, &e);
}

static json_t *merge(struct ask *q, struct err *e)
{
	struct house_job *j = house_merge_job(q->needs->house, q->run_id, e);
	return j ? aside_job(q, j, merged, q, e) : NULL;
}

const struct route routes_interventions[] = {
	{"POST", API "/runs/{run}/commands", WHO_MEMBER,
		"an intervention: pause, resume, cancel, steer, redirect, modify, budget, model, answer, rename", NULL,
		"kind:(pause|resume|cancel|steer|redirect|modify|budget|model|record|answer|rename) agent:s? text:s? "
		"when:s? "
		"role:s? "
		"name:s? "
		"value:x? model:s? usd:n? action:s? option:s? record:s? by:s?",
		"@taken", 0, command, .spoken = true},
	{"POST", API "/runs/{run}/fork", WHO_MEMBER,
		"a new, paused run with files and conversation of the last quiet event at or before `at`", NULL,
		"at:i?", "@fork", 0, fork_run},
	{"POST", API "/runs/{run}/merge", WHO_MEMBER, "bring the run's branch into its project", NULL, "", "@merge", 0,
		merge},
	{0},
};
