/* resume: goes on with a run that stopped, failed, was paused, or waited. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/asking.h"
#include "cmd/attend.h"
#include "cmd/drive.h"
#include "cmd/request.h"
#include "cmd/source.h"
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

static int check_final(const json_t *row, struct err *e)
{
	const char *id = run_short(json_str(row, "run")), *state = json_str(row, "state");
	return strcmp(state, "completed") != 0 && strcmp(state, "cancelled") != 0
		       ? 0
		       : err_set(e, ERR_FINAL, "run %s is %s; fork it to go on: muster fork %s", id, state, id);
}

static int command(struct remote *r, const char *run, const json_t *what, struct err *e)
{
	cleanup_free char *path = mem_printf("/api/v1/runs/%s/commands", run);
	cleanup_json json_t *reply = path ? remote_ask(r, "POST", path, what, e) : (err_nomem(e), NULL);
	return reply ? 0 : -1;
}

/* By another process, and shown here. What has failed takes no command before it goes on. */
static int resume_there(struct remote *r, const struct args *args, struct err *e)
{
	cleanup_json json_t *row = remote_run(r, args_word(args, 0), e);
	cleanup_json json_t *list = row && !check_final(row, e) ? changes(args, e) : NULL,
			    *go_on = json_make(e, "{s:s}", "kind", "resume");
	const char *run = json_str(row, "run"), *state = json_str(row, "state");
	size_t i;
	json_t *one;
	if (!list || !go_on)
		return -1;
	bool failed = !strcmp(state, "failed"), rests = failed || !strcmp(state, "paused");
	if (failed && command(r, run, go_on, e))
		return -1;
	json_array_foreach(list, i, one) if (command(r, run, one, e)) return -1;
	if (!failed && command(r, run, go_on, e))
		return -1;
	int64_t past = json_int(row, "seq", 0);
	struct attend_options o = {.args = args,
		.run = run,
		.past = past,
		.from = past + rests,
		.json = args_has(args, "json"),
		.unattended = args_has(args, "unattended") || !isatty(STDIN_FILENO)};
	return attend(r, &o, e);
}

static int resume(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	struct remote *r cleanup_remote = NULL;
	if (remote_find(args, &r, e))
		return -1;
	if (r) {
		int status = resume_there(r, args, e);
		if (status >= 0 || !remote_busy(r, e))
			return status;
	}
	if (app_open(&a, args, APP_OWN, e))
		return -1;
	cleanup_json json_t *row = app_run(&a, args_word(args, 0), e);
	if (!row || check_model(&a, args, e) || check_final(row, e))
		return -1;
	const char *id = json_str(row, "run");
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
