/* control: see control.h. */
#include "cmd/control.h"

#include <stdio.h>

#include "api/intervene.h"
#include "api/removal.h"
#include "base/mem.h"
#include "cmd/asking.h"
#include "cmd/source.h"
#include "flow/run.h"

int control_open(struct control *c, const struct args *args, struct err *e)
{
	const char *url = remote_named(args);
	*c = (struct control){0};
	if (url) {
		c->remote = remote_server(url, NULL, e);
		return c->remote ? 0 : -1;
	}
	if (app_open(&c->app, args, APP_READ, e) || app_must_have(&c->app, e))
		return -1;
	if (remote_there(&c->app)) {
		c->remote = remote_owner(&c->app, e);
		return c->remote ? 0 : -1;
	}
	app_close(&c->app);
	return app_open(&c->app, args, APP_OWN, e);
}

void control_close(struct control *c)
{
	remote_close(steal(&c->remote));
	app_close(&c->app);
}

json_t *control_run(struct control *c, const char *name, struct err *e)
{
	return c->app.store ? app_run(&c->app, name, e) : remote_run(c->remote, name, e);
}

json_t *control_action(struct control *c, const json_t *run, const char *name, struct err *e)
{
	const char *id = json_str(run, "run");
	if (c->app.store) {
		struct api_needs needs = app_needs(&c->app);
		return intervene_action(&needs, id, name, e);
	}
	cleanup_free char *path = mem_printf("/api/v1/runs/%s/actions?state=any", id);
	cleanup_json json_t *rows = path ? remote_list(c->remote, path, -1, e) : (err_nomem(e), NULL);
	return rows ? intervene_choose(rows, id, name, e) : NULL;
}

/* ---- the verbs' side ---- */

json_t *control_post(struct control *c, const json_t *run, const char *what, const json_t *body, struct err *e)
{
	const char *id = json_str(run, "run");
	if (c->remote) {
		cleanup_free char *path = mem_printf("/api/v1/runs/%s%s", id, what);
		return path ? remote_ask(c->remote, "POST", path, body, e) : (err_nomem(e), NULL);
	}
	struct api_needs needs = app_needs(&c->app);
	if (!strcmp(what, "/fork"))
		return intervene_fork(&needs, id, json_int(body, "at", INT64_MAX), e);
	if (!strcmp(what, "/merge"))
		return intervene_merge(&needs, id, person_name(), e);
	err_set(e, ERR_INTERNAL, "nothing is done here for %s", what);
	return NULL;
}

struct removing {
	struct removal removal;
	struct err why;
	bool over;
};

static void removed(struct removal *removal, const struct err *why)
{
	struct removing *r = container_of(removal, struct removing, removal);
	r->why = *why;
	r->over = true;
}

int control_remove(struct control *c, const json_t *run, struct err *e)
{
	if (c->remote) {
		cleanup_free char *path = mem_printf("/api/v1/runs/%s", json_str(run, "run"));
		cleanup_json json_t *reply =
			path ? remote_ask(c->remote, "DELETE", path, NULL, e) : (err_nomem(e), NULL);
		return reply ? 0 : -1;
	}
	struct removing r = {.removal.over = removed};
	struct api_needs needs = app_needs(&c->app);
	if (removal_start(&r.removal, &needs, run, person_name(), e))
		return -1;
	while (!r.over)
		loop_turn(c->app.loop, -1);
	if (r.why.code != ERR_OK)
		*e = r.why;
	return r.why.code == ERR_OK ? 0 : -1;
}

/* Here, as the owner for a moment: close at once, then see that the event is there. */
static int command_here(struct control *c, const json_t *run, const json_t *command, bool *now, struct err *e)
{
	struct api_needs needs = app_needs(&c->app);
	char stream[EVENT_STREAM_MAX], id[ID_TEXT];
	const char *state = json_str(run, "state"), *kind = json_str(command, "kind");
	snprintf(stream, sizeof(stream), "run/%s", json_str(run, "run"));
	if (kind && state && !strcmp(kind, "pause") && !strcmp(state, "paused"))
		return err_set(e, ERR_CONFLICT, "run %s is paused already", run_short(json_str(run, "run")));
	id_new(id, clock_wall(loop_clock(c->app.loop)), NULL);
	int64_t before = store_head(c->app.store, stream, e);
	if (before < 0 || intervene_apply(&needs, run, id, command, now, e))
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
