/* errand: see errand.h. */
#include "cmd/errand.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/asking.h"
#include "cmd/attend.h"
#include "cmd/drive.h"
#include "cmd/out.h"
#include "cmd/projects.h"
#include "cmd/request.h"
#include "cmd/source.h"
#include "flow/run.h"

static void name(const struct errand *errand, const char *run)
{
	if (errand->run)
		snprintf(errand->run, ID_TEXT, "%s", run);
}

/* ---- a new one, by another process ---- */

/* A path, or a list of them, whole; anything else is for the mode to refuse. */
static json_t *whole(json_t *value, struct err *e)
{
	cleanup_free char *path = json_is_string(value) ? absolute_path(json_string_value(value), e) : NULL;
	json_t *out = path ? json_string(path) : json_is_string(value) ? NULL : json_clone(value);
	size_t i;
	json_t *one;
	if (json_is_array(out))
		json_array_foreach(value, i, one) if (json_array_set_new(out, i, whole(one, e)))
		{
			json_decref(out);
			out = NULL;
			break;
		}
	if (!out && e->code == ERR_OK)
		err_nomem(e);
	return out;
}

/* A folder beside the others that runs made, as it would be called by a run of this process. */
static char *new_project(const json_t *request, struct err *e)
{
	char id[ID_TEXT];
	id_new(id, 0, NULL);
	char *out = mem_printf("%s-%s", json_str(request, "mode"), run_short(id));
	if (!out)
		err_nomem(e);
	return out;
}

/* Paths in a request to another process of this machine do not depend on where that one stands. */
static int complete_paths(const struct args *args, json_t *request, struct err *e)
{
	const char *given = args_get(args, "project"), *key;
	cleanup_free char *name = given ? mem_strdup(given) : new_project(request, e);
	cleanup_free char *project = name ? absolute_path(name, e) : NULL;
	struct mode *m = project ? request_mode(args, request, e) : NULL;
	json_t *inputs = json_get(request, "inputs"), *value;
	void *next;
	json_object_foreach_safe(inputs, next, key, value) if (m && mode_input_is_file(m, key) &&
							       json_put(inputs, key, whole(value, e)) &&
							       e->code == ERR_OK) err_nomem(e);
	mode_free(m);
	if (e->code == ERR_OK && (!m || json_put(request, "project", json_string(project))))
		err_nomem(e);
	return e->code == ERR_OK ? 0 : -1;
}

/* A project of the server: the one that is named, else a new one as a folder would be made here. */
static int choose_project(struct remote *r, const struct args *args, json_t *request, struct err *e)
{
	const char *given = args_get(args, "project");
	cleanup_free char *name = given ? NULL : new_project(request, e);
	cleanup_json json_t *body = name ? json_make(e, "{s:s}", "name", name) : NULL;
	cleanup_json json_t *known = given  ? project_named(r, given, e)
				     : body ? remote_ask(r, "POST", "/api/v1/projects", body, e)
					    : NULL;
	if (!known)
		return -1;
	return json_put(request, "project", json_incref(json_get(known, "id"))) ? err_nomem(e) : 0;
}

/* Given to another process, which works on it, and shown here. */
static int run_there(
	struct remote *r, const struct args *args, json_t *request, const struct errand *errand, struct err *e)
{
	cleanup_json json_t *row = remote_ask(r, "POST", "/api/v1/runs", request, e);
	if (!row)
		return -1;
	name(errand, json_str(row, "run"));
	struct attend_options o = {.args = args,
		.run = json_str(row, "run"),
		.json = args_has(args, "json"),
		.unattended = errand->unattended,
		.talk = errand->talk};
	return attend(r, &o, e);
}

static int give_away(
	struct remote *r, const struct args *args, json_t *request, const struct errand *errand, struct err *e)
{
	if (args_has(args, "option"))
		return err_set(e, ERR_USAGE,
			"--option is a setting of a process of this machine, and %s works on this run: leave it out, "
			"or set "
			"it there",
			r->name);
	if (!r->sock && args_has(args, "record"))
		return err_set(
			e, ERR_USAGE, "--record writes a file of the server's machine: use it there, or leave it out");
	if (r->sock ? request_single(args, request, e) || request_check_mode(args, request, e) ||
				complete_paths(args, request, e)
		    : choose_project(r, args, request, e))
		return -1;
	return run_there(r, args, request, errand, e);
}

/* ---- a new one ---- */

int errand_begin(const struct args *args, json_t *request, const struct errand *errand, struct err *e)
{
	struct app a cleanup_app = {0};
	char id[ID_TEXT];
	struct remote *r cleanup_remote = NULL;
	if (remote_find(args, &r, e))
		return -1;
	if (r) {
		int status = give_away(r, args, request, errand, e);
		if (status >= 0 || !remote_busy(r, e))
			return status;
	}
	if (request_single(args, request, e) || request_check_mode(args, request, e) ||
		app_open(&a, args, APP_OWN, e) || request_complete(&a, request, e) ||
		house_create(a.house, request, id, e))
		return -1;
	name(errand, id);
	struct drive_options o = {
		.json = args_has(args, "json"), .unattended = errand->unattended, .talk = errand->talk};
	return drive(&a, id, &o, e);
}

/* ---- one that is there ---- */

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

/* Can it go on so? */
static int check(const json_t *row, const struct errand *errand, struct err *e)
{
	const char *id = run_short(json_str(row, "run")), *state = json_str(row, "state");
	if (errand->talk && strcmp(json_str(row, "mode"), "chat") != 0)
		return err_set(e, ERR_INVALID,
			"run %s is no chat, but of the mode %s: muster steer tells its agents something", id,
			json_str(row, "mode"));
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
static int resume_there(
	struct remote *r, const struct args *args, const char *which, const struct errand *errand, struct err *e)
{
	cleanup_json json_t *row = remote_run(r, which, e);
	cleanup_json json_t *list = row && !check(row, errand, e) ? changes(args, e) : NULL,
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
	if (errand->talk && errand->talk->text && !strcmp(state, "running"))
		out_say(span_of("the chat is still at work; the message is sent when it is your turn\n"));
	int64_t past = json_int(row, "seq", 0);
	name(errand, run);
	struct attend_options o = {.args = args,
		.run = run,
		.past = past,
		.from = past + rests,
		.json = args_has(args, "json"),
		.unattended = errand->unattended,
		.talk = errand->talk};
	return attend(r, &o, e);
}

int errand_go_on(const struct args *args, const char *which, const struct errand *errand, struct err *e)
{
	struct app a cleanup_app = {0};
	struct remote *r cleanup_remote = NULL;
	if (remote_find(args, &r, e))
		return -1;
	if (r) {
		int status = resume_there(r, args, which, errand, e);
		if (status >= 0 || !remote_busy(r, e))
			return status;
	}
	if (app_open(&a, args, APP_OWN, e))
		return -1;
	cleanup_json json_t *row = app_run(&a, which, e);
	if (!row || check_model(&a, args, e) || check(row, errand, e))
		return -1;
	const char *id = json_str(row, "run");
	name(errand, id);
	cleanup_json json_t *commands = changes(args, e);
	struct drive_options o = {.json = args_has(args, "json"),
		.unattended = errand->unattended,
		.quiet_past = true,
		.commands = commands,
		.talk = errand->talk};
	return commands ? drive(&a, id, &o, e) : -1;
}
