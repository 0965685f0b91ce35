/* control: see control.h. */
#include "cmd/control.h"

#include <stdio.h>

#include "base/mem.h"
#include "cmd/asking.h"
#include "cmd/remote.h"
#include "config/nearest.h"
#include "flow/run.h"
#include "vcs/project.h"

int control_open(struct control *c, const struct args *args, struct err *e)
{
	*c = (struct control){0};
	if (app_open(&c->app, args, APP_READ, e) || app_must_have(&c->app, e))
		return -1;
	c->remote = remote_there(&c->app);
	if (c->remote)
		return 0;
	app_close(&c->app);
	return app_open(&c->app, args, APP_OWN, e);
}

void control_close(struct control *c)
{
	app_close(&c->app);
}

json_t *control_run(struct control *c, const char *name, struct err *e)
{
	return app_run(&c->app, name, e);
}

/* ---- the owner's side ---- */

json_t *control_action(struct app *a, const char *run, const char *name, struct err *e)
{
	cleanup_json json_t *filter = json_pack("{s:s}", "run", run);
	cleanup_json json_t *rows = filter ? store_actions(a->store, filter, -1, e) : NULL;
	json_t *row, *found = NULL;
	size_t i, open = 0;
	if (!rows)
		return NULL;
	json_array_foreach(rows, i, row)
	{
		bool id = json_str(row, "action") && !strcmp(json_str(row, "action"), name);
		bool is_open = json_str(row, "state") && !strcmp(json_str(row, "state"), "open");
		if (id && !is_open) {
			err_set(e, ERR_CONFLICT, "action %s of run %s is %s already", name, run_short(run),
				json_str(row, "state"));
			return NULL;
		}
		if (id)
			return json_incref(row);
		if (is_open && json_str(row, "name") && !strcmp(json_str(row, "name"), name)) {
			found = row;
			open++;
		}
	}
	if (open == 1)
		return json_incref(found);
	const char *id = run_short(run);
	if (open)
		err_set(e, ERR_INVALID,
			"several open actions of run %s are named \"%s\"; give an id (`muster actions %s`)", id, name,
			id);
	else
		err_set(e, ERR_NOT_FOUND, "run %s has no open action \"%s\"; `muster actions %s` lists them", id, name,
			id);
	return NULL;
}

/* The checks that the machine would make, on the projection. */
static int check_answer(const json_t *action, const json_t *command, struct err *e)
{
	const char *option = json_str(command, "option");
	const json_t *options = json_get(action, "options");
	size_t i;
	json_t *one;
	if (!option)
		return json_str(command, "text") ? 0 : err_set(e, ERR_INVALID, "answer with an option or a text");
	json_array_foreach(
		options, i, one) if (json_is_string(one) && !strcmp(json_string_value(one), option)) return 0;
	cleanup_free char *known = options ? json_text(options) : NULL;
	return err_set(e, ERR_INVALID, "\"%s\" is no option of action %s; it has %s", option,
		json_str(action, "action"), json_array_size(options) && known ? known : "none, answer with a text");
}

static int check_kind(const char *kind, struct err *e)
{
	static const char *const kinds[] = {"pause", "resume", "cancel", "steer", "redirect", "modify", "budget",
		"model", "record", "answer", NULL};
	if (!kind)
		return err_set(e, ERR_INVALID, "a command needs a kind");
	for (const char *const *k = kinds; *k; k++)
		if (!strcmp(*k, kind))
			return 0;
	struct nearest near;
	nearest_init(&near, kind);
	for (const char *const *k = kinds; *k; k++)
		nearest_try(&near, *k);
	return err_set(e, ERR_INVALID, "there is no command of kind \"%s\"%s", kind, nearest_hint(&near));
}

static int leave_answer(struct app *a, const json_t *run, const json_t *command, struct err *e)
{
	const char *id = json_str(run, "run"), *state = json_str(run, "state");
	char stream[EVENT_STREAM_MAX], command_id[ID_TEXT];
	if (state && (!strcmp(state, "completed") || !strcmp(state, "cancelled")))
		return err_set(e, ERR_FINAL, "run %s is %s", run_short(id), state);
	snprintf(stream, sizeof(stream), "run/%s", id);
	id_new(command_id, clock_wall(loop_clock(a->loop)), NULL);
	return store_command(a->store, command_id, stream, command, e);
}

int control_apply(struct app *a, const json_t *run, const json_t *command, bool *now, struct err *e)
{
	const char *kind = json_str(command, "kind"), *id = json_str(run, "run");
	*now = true;
	if (check_kind(kind, e))
		return -1;
	if (strcmp(kind, "answer") != 0)
		return house_command(a->house, id, command, 0, e);
	cleanup_json json_t *action =
		control_action(a, id, json_str(command, "action") ? json_str(command, "action") : "", e);
	cleanup_json json_t *whole = action ? json_clone(command) : NULL;
	if (!whole)
		return e->code == ERR_OK ? err_nomem(e) : -1;
	if (check_answer(action, command, e) || json_put(whole, "action", json_incref(json_get(action, "action"))))
		return e->code == ERR_OK ? err_nomem(e) : -1;
	if (house_run(a->house, id))
		return house_command(a->house, id, whole, 0, e);
	*now = false;
	return leave_answer(a, run, whole, e);
}

json_t *control_fork(struct app *a, const char *run, int64_t at, struct err *e)
{
	char id[ID_TEXT];
	int64_t quiet;
	if (house_fork(a->house, run, at, id, &quiet, e))
		return NULL;
	return json_make(e, "{s:s, s:I, s:s}", "run", id, "at", (json_int_t)quiet, "from", run);
}

/* That it was merged stands in the run's journal too, whether or not the run was in memory. */
static int note_merged(struct app *a, const char *run, const char *commit, struct err *e)
{
	cleanup_json json_t *row = store_run(a->store, run, e);
	struct project_state state;
	struct project *p = row ? project_open(json_str(row, "dir"), &state, e) : NULL;
	project_close(p);
	cleanup_json json_t *command = p ? json_make(e, "{s:s, s:s, s:s, s:s}", "kind", "merged", "commit", commit,
						   "into", state.branch, "by", person_name())
					 : NULL;
	return command ? house_command(a->house, run, command, 0, e) : -1;
}

json_t *control_merge(struct app *a, const char *run, struct err *e)
{
	bool live = house_run(a->house, run) != NULL;
	json_t *out = house_merge(a->house, run, e);
	const char *commit = json_str(out, "commit");
	bool note = out && !live && json_bool(out, "merged", false) && !json_bool(out, "already", false) && commit;
	if (note && note_merged(a, run, commit, e)) {
		json_decref(out);
		return NULL;
	}
	return out;
}

/* ---- the verbs' side ---- */

json_t *control_post(struct control *c, const json_t *run, const char *what, const json_t *body, struct err *e)
{
	const char *id = json_str(run, "run");
	if (c->remote) {
		cleanup_free char *path = mem_printf("/api/v1/runs/%s%s", id, what);
		return path ? remote_call(&c->app, path, body, e) : (err_nomem(e), NULL);
	}
	if (!strcmp(what, "/fork"))
		return control_fork(&c->app, id, json_int(body, "at", INT64_MAX), e);
	if (!strcmp(what, "/merge"))
		return control_merge(&c->app, id, e);
	err_set(e, ERR_INTERNAL, "nothing is done here for %s", what);
	return NULL;
}

/* Here, as the owner for a moment: close at once, then see that the event is there. */
static int command_here(struct control *c, const json_t *run, const json_t *command, bool *now, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	const char *state = json_str(run, "state"), *kind = json_str(command, "kind");
	snprintf(stream, sizeof(stream), "run/%s", json_str(run, "run"));
	if (kind && state && !strcmp(kind, "pause") && !strcmp(state, "paused"))
		return err_set(e, ERR_CONFLICT, "run %s is paused already", run_short(json_str(run, "run")));
	int64_t before = store_head(c->app.store, stream, e);
	if (before < 0 || control_apply(&c->app, run, command, now, e))
		return -1;
	app_house_close(&c->app);
	int64_t after = store_head(c->app.store, stream, e);
	if (after < 0)
		return -1;
	return !*now || after > before ? 0
				       : err_set(e, ERR_IO, "the command could not be written to %s", c->app.data_dir);
}

int control_command(struct control *c, const json_t *run, const json_t *command, bool *now, struct err *e)
{
	if (!c->remote)
		return command_here(c, run, command, now, e);
	cleanup_json json_t *reply = control_post(c, run, "/commands", command, e);
	if (!reply)
		return -1;
	*now = !json_bool(reply, "queued", false);
	return 0;
}
