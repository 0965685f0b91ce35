/* intervene: see intervene.h. */
#include "api/intervene.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/nearest.h"
#include "flow/run.h"

static bool is_expired(const json_t *row)
{
	return json_bool(json_get(row, "answer"), "expired", false);
}

json_t *intervene_choose(const json_t *rows, const char *run, const char *name, struct err *e)
{
	json_t *row, *found = NULL, *late = NULL;
	size_t i, open = 0;
	json_array_foreach(rows, i, row)
	{
		bool id = json_str(row, "action") && !strcmp(json_str(row, "action"), name);
		bool is_open = json_str(row, "state") && !strcmp(json_str(row, "state"), "open");
		bool named = json_str(row, "name") && !strcmp(json_str(row, "name"), name);
		if ((id || named) && is_expired(row))
			late = row;
		else if (id && !is_open) {
			err_set(e, ERR_CONFLICT, "action %s of run %s is %s already", name, run_short(run),
				json_str(row, "state"));
			return NULL;
		}
		if (id && is_open)
			return json_incref(row);
		if (is_open && named) {
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
	else if (late)
		err_set(e, ERR_CONFLICT, "action %s of run %s has expired: nobody had answered it in time", name, id);
	else
		err_set(e, ERR_NOT_FOUND, "run %s has no open action \"%s\"; `muster actions %s` lists them", id, name,
			id);
	return NULL;
}

json_t *intervene_action(const struct api_needs *n, const char *run, const char *name, struct err *e)
{
	cleanup_json json_t *filter = json_pack("{s:s}", "run", run);
	cleanup_json json_t *rows = filter ? store_actions(n->store, filter, -1, e) : NULL;
	return rows ? intervene_choose(rows, run, name, e) : NULL;
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
		"model", "record", "answer", "rename", NULL};
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

static int write_down(
	const struct api_needs *n, const json_t *run, const char *command_id, const json_t *command, struct err *e)
{
	const char *id = json_str(run, "run"), *state = json_str(run, "state");
	char stream[EVENT_STREAM_MAX];
	if (strcmp(json_str(command, "kind"), "rename") != 0 && state &&
		(!strcmp(state, "completed") || !strcmp(state, "cancelled")))
		return err_set(e, ERR_FINAL, "run %s is %s", run_short(id), state);
	snprintf(stream, sizeof(stream), "run/%s", id);
	return store_command(n->store, command_id, stream, command, e);
}

int intervene_take(const struct api_needs *n, const char *run, const char *id, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	snprintf(stream, sizeof(stream), "run/%s", run);
	cleanup_json json_t *rows = store_commands(n->store, stream, e);
	struct err refused = ERR_INIT;
	size_t i;
	json_t *row;
	if (!rows)
		return -1;
	json_array_foreach(rows, i, row)
	{
		struct err why = ERR_INIT;
		const char *one = json_str(row, "id");
		if (!house_command(n->house, run, json_get(row, "command"), json_int(row, "n", 0), &why))
			continue;
		if (id && one && !strcmp(one, id))
			refused = why;
		else
			log_write_about(LOG_WARN, "run", (struct log_about){.run = run},
				"a command that was left for it does not fit any more: %s", why.text);
	}
	if (refused.code == ERR_OK)
		return 0;
	*e = refused;
	return -1;
}

/* As the machine wants it: an answer names its action by id. */
static json_t *complete(const struct api_needs *n, const char *run, const json_t *command, struct err *e)
{
	const char *name = json_str(command, "action");
	if (strcmp(json_str(command, "kind"), "answer") != 0)
		return json_incref((json_t *)command);
	cleanup_json json_t *action = intervene_action(n, run, name ? name : "", e);
	cleanup_json json_t *whole = action ? json_clone(command) : NULL;
	if (!whole || json_put(whole, "action", json_incref(json_get(action, "action")))) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	return check_answer(action, command, e) ? NULL : json_incref(whole);
}

int intervene_apply(const struct api_needs *n, const json_t *run, const char *command_id, const json_t *command,
	bool *now, struct err *e)
{
	const char *kind = json_str(command, "kind"), *id = json_str(run, "run");
	*now = true;
	if (check_kind(kind, e))
		return -1;
	cleanup_json json_t *whole = complete(n, id, command, e);
	if (!whole)
		return -1;
	if (n->serving)
		return write_down(n, run, command_id, whole, e) ? -1 : intervene_take(n, id, command_id, e);
	if (strcmp(kind, "answer") != 0 || house_run(n->house, id))
		return house_command(n->house, id, whole, 0, e);
	*now = false;
	return write_down(n, run, command_id, whole, e);
}

json_t *intervene_fork(const struct api_needs *n, const char *run, int64_t at, struct err *e)
{
	char id[ID_TEXT];
	int64_t quiet;
	if (house_fork(n->house, run, at, id, &quiet, e))
		return NULL;
	return json_make(e, "{s:s, s:I, s:s}", "run", id, "at", (json_int_t)quiet, "from", run);
}

/* That it was merged stands in the run's journal too, whether or not the run was in memory. */
json_t *intervene_merged(const struct api_needs *n, const char *run, const char *by, json_t *out, struct err *e)
{
	const char *commit = json_str(out, "commit"), *into = json_str(out, "into");
	bool note = json_bool(out, "merged", false) && !json_bool(out, "already", false) && commit &&
		    !house_run(n->house, run); /* a live one was told */
	cleanup_json json_t *command =
		note ? json_make(e, "{s:s, s:s, s:s, s:s}", "kind", "merged", "commit", commit, "into", into, "by", by)
		     : NULL;
	if (note && (!command || house_command(n->house, run, command, 0, e))) {
		json_decref(out);
		return NULL;
	}
	return out;
}

json_t *intervene_merge(const struct api_needs *n, const char *run, const char *by, struct err *e)
{
	json_t *out = house_merge(n->house, run, e);
	return out ? intervene_merged(n, run, by, out, e) : NULL;
}
