/* projects: lists, shows, makes and keeps the projects of a server. */
#include "cmd/projects.h"

#include <string.h>

#include "base/mem.h"
#include "cmd/action.h"
#include "cmd/out.h"
#include "http/url.h"

static const struct verb_option options[] = {
	{"state", "STATE", false, "list: those that are active, importing, failed, archived or deleted"},
	{"limit", "N", false, "list: at most so many (default 50; -1: all)"},
	{"name", "NAME", false, "change: another name"},
	{"description", "TEXT", false, "create, change: what it is about"},
	{"template", "ID", false, "create: the files it begins with"},
	{"requirements", "TEXT", false, "create: what it must do, kept as a file of it"},
	{"git", "URL", false, "create: of the repository there (https); `show` says when it is active"},
	{"dir", "DIR", false, "create: a folder that exists, at the owner's socket only"},
	{"json", NULL, false, "print JSON"},
	{NULL},
};

/* ---- one by its name ---- */

/* The only one of this name in this state; NULL with ERR_OK: none. */
static json_t *in_state(struct remote *r, const char *name, const char *state, struct err *e)
{
	cleanup_buf struct buf path = BUF_INIT(64 * KIB);
	buf_addf(&path, "/api/v1/projects?state=%s&q=", state);
	url_encode(name, &path);
	cleanup_json json_t *rows = buf_check(&path, "PROJECT", e) ? NULL : remote_list(r, path.data, -1, e);
	json_t *row, *found = NULL;
	size_t i, count = 0;
	json_array_foreach(rows, i, row) if (json_str(row, "name") && !strcmp(json_str(row, "name"), name) && !count++)
		found = row;
	if (count > 1)
		err_set(e, ERR_INVALID, "%zu projects are named %.80s; give the id (`muster projects`)", count, name);
	return count == 1 ? json_incref(found) : NULL;
}

static json_t *by_name(struct remote *r, const char *name, struct err *e)
{
	static const char *const states[] = {"active", "importing", "failed", "archived", "deleted", NULL};
	json_t *found = NULL;
	for (const char *const *state = states; *state && !found && e->code == ERR_OK; state++)
		found = in_state(r, name, *state, e);
	if (!found && e->code == ERR_OK)
		err_set(e, ERR_NOT_FOUND, "there is no project %.80s at %s; `muster projects` lists them", name,
			r->name);
	return found;
}

json_t *project_named(struct remote *r, const char *name, struct err *e)
{
	cleanup_buf struct buf path = BUF_INIT(64 * KIB);
	buf_adds(&path, "/api/v1/projects/");
	url_encode(name, &path);
	if (buf_check(&path, "PROJECT", e))
		return NULL;
	json_t *out = remote_ask(r, "GET", path.data, NULL, e);
	if (out || e->code != ERR_NOT_FOUND)
		return out;
	err_clear(e);
	return by_name(r, name, e);
}

/* ---- what is printed ---- */

static int print_one(const struct args *args, const json_t *row, struct err *e)
{
	static const char *const fields[] = {"id", "name", "state", "description", "origin", "dir", "created_by", NULL};
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	if (args_has(args, "json"))
		return out_json(row, e);
	for (const char *const *f = fields; *f; f++) {
		if (!json_str(row, *f) || !*json_str(row, *f))
			continue;
		buf_addf(&out, "%-12s ", *f);
		text_fit(json_span(row, *f), 400, &out);
		buf_addc(&out, '\n');
	}
	return out_write(&out, e);
}

/* ---- what is asked ---- */

static int list(struct remote *r, const struct args *args, struct err *e)
{
	cleanup_buf struct buf path = BUF_INIT(64 * KIB);
	int64_t limit;
	if (args_int(args, "limit", -1, 1000000, 50, &limit, e))
		return -1;
	buf_adds(&path, "/api/v1/projects");
	if (args_get(args, "state")) {
		buf_adds(&path, "?state=");
		url_encode(args_get(args, "state"), &path);
	}
	cleanup_json json_t *rows = buf_check(&path, "--state", e) ? NULL : remote_list(r, path.data, (int)limit, e);
	static const char *const fields[] = {"id", "state", "created@", "name", "description", NULL};
	return rows ? action_print(args, rows, fields, "no projects; make one with `muster projects create NAME`", e)
		    : -1;
}

static int create(struct remote *r, const struct args *args, struct err *e)
{
	cleanup_json json_t *body = json_make(e, "{s:s, s:s*, s:s*, s:s*, s:s*, s:s*}", "name", args_word(args, 1),
		"description", args_get(args, "description"), "template", args_get(args, "template"), "requirements",
		args_get(args, "requirements"), "git", args_get(args, "git"), "dir", args_get(args, "dir"));
	cleanup_json json_t *row = body ? remote_ask(r, "POST", "/api/v1/projects", body, e) : NULL;
	return row ? print_one(args, row, e) : -1;
}

/* A request about the project that the second word names; to: what stands behind its id. */
static int about(struct remote *r, const struct args *args, const char *method, const char *to, const json_t *body,
	struct err *e)
{
	cleanup_json json_t *known = project_named(r, args_word(args, 1), e);
	if (!known || !method)
		return known ? print_one(args, known, e) : -1;
	cleanup_free char *path = mem_printf("/api/v1/projects/%s%s", json_str(known, "id"), to);
	cleanup_json json_t *row = path ? remote_ask(r, method, path, body, e) : (err_nomem(e), NULL);
	return row ? print_one(args, row, e) : -1;
}

static int show(struct remote *r, const struct args *args, struct err *e)
{
	return about(r, args, NULL, "", NULL, e);
}

static int change(struct remote *r, const struct args *args, struct err *e)
{
	cleanup_json json_t *body = json_make(
		e, "{s:s*, s:s*}", "name", args_get(args, "name"), "description", args_get(args, "description"));
	if (body && !json_object_size(body))
		return err_set(e, ERR_USAGE, "say what to change: --name or --description");
	return body ? about(r, args, "PATCH", "", body, e) : -1;
}

static int archive(struct remote *r, const struct args *args, struct err *e)
{
	return about(r, args, "POST", "/archive", NULL, e);
}

static int unarchive(struct remote *r, const struct args *args, struct err *e)
{
	return about(r, args, "POST", "/unarchive", NULL, e);
}

static int delete (struct remote *r, const struct args *args, struct err *e)
{
	return about(r, args, "DELETE", "", NULL, e);
}

static int restore(struct remote *r, const struct args *args, struct err *e)
{
	return about(r, args, "POST", "/restore", NULL, e);
}

static int projects(const struct args *args, struct err *e)
{
	static const struct action actions[] = {{"list", 0, list}, {"show", 1, show}, {"create", 1, create},
		{"change", 1, change}, {"archive", 1, archive}, {"unarchive", 1, unarchive}, {"delete", 1, delete},
		{"restore", 1, restore}, {NULL, 0, NULL}};
	return action_do(args, actions, e);
}

const struct verb verb_projects = {
	.name = "projects",
	.words = "[list|show|create|change|archive|unarchive|delete|restore] [PROJECT]",
	.most = 2,
	.summary = "list, show, make and keep the projects of a server",
	.help = "PROJECT is an id or a name. Without --url and MUSTER_URL, whoever serves the data folder is asked. "
		"What is\n"
		"deleted can be restored for 30 days.",
	.options = options,
	.run = projects,
};
