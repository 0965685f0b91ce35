/* resume: goes on with a run that stopped, failed, was paused, or waited. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/asking.h"
#include "cmd/drive.h"
#include "cmd/request.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"model", "PROVIDER:MODEL", false, "from now on, for every agent"},
	{"script", "FILE", false, "answers from a file instead of a model, from now on"},
	{"record", "FILE", false, "append the models' and people's answers to this file"},
	{"yes", "NAME", true, "approve the gate of this name; \"all\": every gate"},
	{"answer", "NAME=TEXT", true, "answer the action of this name with an option or a text"},
	{"unattended", NULL, false, "nobody answers: the run waits and this process exits"},
	{"json", NULL, false, "print the events as JSON lines"},
	{NULL},
};

/* Another model, another recording, from the moment in which it goes on. */
static json_t *changes(const struct args *args, struct err *e)
{
	cleanup_free char *model = request_model(args, e);
	cleanup_free char *record = args_get(args, "record") ? absolute_path(args_get(args, "record"), e) : NULL;
	json_t *list = e->code == ERR_OK ? json_array() : NULL;
	const char *kinds[] = {"model", "record"}, *values[] = {model, record};
	for (int i = 0; list && i < 2; i++)
		if (values[i] && json_array_append_new(list, json_make(e, "{s:s, s:s, s:s}", "kind", kinds[i], kinds[i],
								     values[i], "by", person_name()))) {
			json_decref(list);
			list = NULL;
		}
	if (!list && e->code == ERR_OK)
		err_nomem(e);
	return list;
}

static int check_model(struct app *a, const struct args *args, struct err *e)
{
	cleanup_free char *model = request_model(args, e);
	struct llm_model found[8];
	if (e->code != ERR_OK)
		return -1;
	return model && llm_resolve(a->llm, model, found, 8, e) < 0 ? -1 : 0;
}

static int resume(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	if (app_open(&a, args, APP_OWN, e))
		return -1;
	cleanup_json json_t *row = app_run(&a, args_word(args, 0), e);
	if (!row || check_model(&a, args, e))
		return -1;
	const char *id = json_str(row, "run"), *state = json_str(row, "state");
	if (!strcmp(state, "completed") || !strcmp(state, "cancelled"))
		return err_set(e, ERR_FINAL, "run %s is %s; fork it to go on: muster fork %s", run_short(id), state,
			run_short(id));
	bool unattended = args_has(args, "unattended") || !isatty(STDIN_FILENO);
	cleanup_json json_t *commands = changes(args, e);
	struct drive_options o = {
		.json = args_has(args, "json"), .unattended = unattended, .quiet_past = true, .commands = commands};
	return commands ? drive(&a, id, &o, e) : -1;
}

const struct verb verb_resume = {
	.name = "resume",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "go on with a run that stopped, failed, was paused or waited",
	.help = "RUN is a run's id, or at least four characters of its beginning or end. Completed and cancelled runs "
		"are\n"
		"final: `muster fork` them. Exit status as of `muster run`.",
	.options = options,
	.run = resume,
};
