/* control: see control.h. */
#include "cmd/control.h"

#include <stdio.h>

#include "base/mem.h"
#include "cmd/asking.h"
#include "cmd/remote.h"
#include "flow/run.h"

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
	if (!kind)
		return err_set(e, ERR_INVALID, "a command needs a kind");
	if (strcmp(kind, "answer") != 0)
		return house_command(a->house, id, command, 0, e);
	cleanup_json json_t *action =
		control_action(a, id, json_str(command, "action") ? json_str(command, "action") : "", e);
	cleanup_json json_t *whole = action ? json_copy((json_t *)command) : NULL;
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

json_t *control_merge(struct app *a, const char *run, struct err *e)
{
	return house_merge(a->house, run, e);
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
	bool now;
	if (control_apply(&c->app, run, body, &now, e))
		return NULL;
	return json_make(e, "{s:b, s:b}", "ok", 1, "queued", !now);
}

int control_command(struct control *c, const json_t *run, const json_t *command, bool *now, struct err *e)
{
	cleanup_json json_t *reply = control_post(c, run, "/commands", command, e);
	if (!reply)
		return -1;
	*now = !json_bool(reply, "queued", false);
	return 0;
}
