/* run: starts a run of a mode and works on it. */
#include <unistd.h>

#include "base/mem.h"
#include "cmd/attend.h"
#include "cmd/drive.h"
#include "cmd/projects.h"
#include "cmd/request.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"project", "DIR", false,
		"the project's folder; made when missing (default: ./MODE-RUN). At a server: its name or id"},
	{"input", "NAME=VALUE", true, "an input of the mode; VALUE @FILE reads a file, - standard input"},
	{"set", "NAME=VALUE", true, "a setting of the run (JSON where it parses, else text)"},
	{"model", "PROVIDER:MODEL", false, "for every agent, instead of the roles' classes"},
	{"script", "FILE", false, "answers from a file instead of a model"},
	{"record", "FILE", false, "write the models' and people's answers as such a file"},
	{"budget", "USD", false, "dollars that the run may spend"},
	{"yes", "NAME", true, "approve the gate of this name; \"all\": every gate"},
	{"answer", "NAME=TEXT", true, "answer the action of this name with an option or a text"},
	{"check", "COMMAND", false, "shows that the work is good: passes with exit status 0"},
	{"policy", "FILE", false, "policy rules of this run, YAML"},
	{"title", "TEXT", false, "what the run is called (default: the mode's name)"},
	{"unattended", NULL, false, "nobody answers: the run waits and this process exits"},
	{"json", NULL, false, "print the events as JSON lines"},
	{NULL},
};

/* ---- by another process ---- */

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
static int run_there(struct remote *r, const struct args *args, json_t *request, bool unattended, struct err *e)
{
	cleanup_json json_t *row = remote_ask(r, "POST", "/api/v1/runs", request, e);
	if (!row)
		return -1;
	struct attend_options o = {
		.args = args, .run = json_str(row, "run"), .json = args_has(args, "json"), .unattended = unattended};
	return attend(r, &o, e);
}

static int give_away(struct remote *r, const struct args *args, json_t *request, bool unattended, struct err *e)
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
	return run_there(r, args, request, unattended, e);
}

/* ---- here ---- */

static int run(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	char id[ID_TEXT];
	bool unattended = args_has(args, "unattended") || !isatty(STDIN_FILENO);
	cleanup_json json_t *request = request_of(args, unattended, e);
	struct remote *r cleanup_remote = NULL;
	if (!request || remote_find(args, &r, e))
		return -1;
	if (r) {
		int status = give_away(r, args, request, unattended, e);
		if (status >= 0 || !remote_busy(r, e))
			return status;
	}
	if (request_single(args, request, e) || request_check_mode(args, request, e) ||
		app_open(&a, args, APP_OWN, e) || request_complete(&a, request, e) ||
		house_create(a.house, request, id, e))
		return -1;
	struct drive_options o = {.json = args_has(args, "json"), .unattended = unattended};
	return drive(&a, id, &o, e);
}

const struct verb verb_run = {
	.name = "run",
	.words = "MODE",
	.least = 1,
	.most = 1,
	.summary = "start a run of a mode and work on it",
	.help = "A model comes from --model, the configuration (model, classes) or the environment: "
		"ANTHROPIC_API_KEY,\n"
		"OPENAI_API_KEY, DEEPSEEK_API_KEY, XAI_API_KEY, OPENROUTER_API_KEY, or MUSTER_MODEL_URL and "
		"MUSTER_MODEL_KEY.\n\n"
		"On a terminal, questions are asked there. Otherwise, or with --unattended, the run waits and the "
		"process\n"
		"exits. A server, or the process that serves the data folder, is given the run, which is shown here.\n"
		"Exit status: 0 completed, 3 waits for a person, 4 failed, 5 waits on its budget, 6 cancelled,\n"
		"7 paused by someone else, 130 interrupted. Ctrl-C once pauses, twice stops at once.",
	.options = options,
	.run = run,
};
