/* uploads: modes and roles of the house's own, put there by administrators.
 *
 * They are read by the loaders that runs use before they count; a shipped one is never replaced, nor one that the data
 * folder's owner made by hand. Every version stays in <data>/versions; the present one is a link to it (a mode) or a
 * copy (a role), so that it changes in one step. Runs that are at work keep to what they began with. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/role.h"
#include "api/account.h"
#include "api/private.h"
#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "flow/mode.h"

#define ID_MOST 64

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

static int check_id(const char *id, struct err *e)
{
	return *id && strlen(id) <= ID_MOST && !id[strspn(id, letters)]
		       ? 0
		       : err_set(e, ERR_INVALID, "\"%.40s\" is no id: up to %d of a-z, 0-9, - and _", id, ID_MOST);
}

/* ---- versions ---- */

/* What is known of it: {version, gone}, without version where nothing is. */
static json_t *last_value(struct ask *q, const char *kind, const char *id, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s, s:s}", "kind", kind, "id", id);
	cleanup_json json_t *rows = filter ? store_records(q->needs->store, filter, e) : NULL;
	json_t *value = json_get(json_array_get(rows, 0), "value");
	return value ? json_incref(value) : rows ? json_make(e, "{}") : NULL;
}

/* present: it is there now. */
static int64_t last_version(struct ask *q, const char *kind, const char *id, bool *present, struct err *e)
{
	cleanup_json json_t *value = last_value(q, kind, id, e);
	*present = json_int(value, "version", 0) && !json_bool(value, "gone", false);
	return !value ? -1 : json_int(value, "version", 0);
}

/* That it is there now, or gone. Written down before it is. */
static int note(struct ask *q, const char *kind, const char *id, int64_t version, bool gone, struct err *e)
{
	cleanup_free char *object = mem_printf("%s/%s", kind, id);
	cleanup_free char *what = mem_printf("%s.%s", kind, gone ? "deleted" : "uploaded");
	cleanup_json json_t *records = json_make(e, "[{s:s, s:s, s:{s:I, s:b}}]", "kind", kind, "id", id, "value",
		"version", (json_int_t)version, "gone", gone);
	struct audit a = {.who = *q->caller.person ? q->caller.person : "local",
		.what = what,
		.object = object,
		.detail = json_get(json_array_get(records, 0), "value"),
		.records = records};
	if (!object || !what || !records)
		return err_nomem(e);
	return store_record_wait(q->needs->store, &a, e);
}

/* ---- files ---- */

/* mode.yaml, flow.lua, lib/x.lua, roles/x.md, templates/x. */
static bool name_fits(const char *name)
{
	static const char *const folders[] = {"lib/", "roles/", "templates/"};
	const char *base = name;
	if (!strcmp(name, "mode.yaml") || !strcmp(name, "flow.lua"))
		return true;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (!strncmp(name, folders[i], strlen(folders[i])))
			base = name + strlen(folders[i]);
	return base != name && *base && *base != '.' && strlen(base) <= ID_MOST + 4 &&
	       !base[strspn(base, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")];
}

static int write_one(const char *dir, const char *name, const json_t *text, struct err *e)
{
	cleanup_free char *path = fs_join(dir, name), *parent = path ? mem_strdup(path) : NULL;
	if (!parent)
		return err_nomem(e);
	if (!name_fits(name))
		return err_set(e, ERR_INVALID,
			"\"%.60s\" is no file of a mode: mode.yaml, flow.lua, lib/NAME.lua, roles/NAME.md, "
			"templates/NAME",
			name);
	if (!json_is_string(text))
		return err_set(e, ERR_INVALID, "%s: its text is expected", name);
	*strrchr(parent, '/') = '\0';
	struct span bytes = span_n(json_string_value(text), json_string_length(text));
	return fs_mkdirs(parent, 0700, e) || fs_replace(path, bytes, 0600, e) ? -1 : 0;
}

static int write_mode(const char *dir, const json_t *files, struct err *e)
{
	const char *name;
	json_t *text;
	if (!json_object_size(files) || json_object_size(files) > CAP_UPLOAD_FILES)
		return err_set(e, ERR_INVALID, "files: 1 to %d texts by name", CAP_UPLOAD_FILES);
	json_object_foreach((json_t *)files, name, text) if (write_one(dir, name, text, e)) return -1;
	return fs_fsync_tree(dir, e);
}

/* ---- no more of it ---- */

/* Its versions stay; the next one that is put there goes on counting. Runs that are at work have their own. */
static json_t *drop(struct ask *q, const char *kind, const char *own, const char *ending, struct err *e)
{
	cleanup_free char *id = ask_param(q, kind);
	bool there = false;
	if (!id || check_id(id, e) || account_whole(q, e))
		return id ? NULL : (err_nomem(e), NULL);
	cleanup_json json_t *value = last_value(q, kind, id, e);
	cleanup_free char *place = mem_printf("%s/%s%s", own, id, ending);
	if (!place)
		err_nomem(e);
	if (!place || !value)
		return NULL;
	there = json_int(value, "version", 0) && !json_bool(value, "gone", false);
	if (!there && fs_exists(place)) {
		err_set(e, ERR_CONFLICT, "the %s %s was not uploaded; only the data folder's owner may take it away",
			kind, id);
		return NULL;
	}
	if (!there) {
		err_set(e, ERR_NOT_FOUND, "no %s %s was uploaded", kind, id);
		return NULL;
	}
	return note(q, kind, id, json_int(value, "version", 0), true, e) || fs_unlink(place, e) ? NULL : json_object();
}

static json_t *drop_mode(struct ask *q, struct err *e)
{
	return drop(q, "mode", q->needs->places.own_modes, "", e);
}

static json_t *drop_role(struct ask *q, struct err *e)
{
	return drop(q, "role", q->needs->places.own_roles, ".md", e);
}

/* ---- a mode ---- */

/* As a run would read it, from the folder that holds it as <id>. */
static int check_mode(struct ask *q, const char *folder, const char *id, struct err *e)
{
	struct bundle_places places = q->needs->places;
	cleanup_free char *lib = fs_join(places.modes, "lib");
	struct mode *m = lib ? mode_find(id, folder, NULL, e) : (err_nomem(e), NULL);
	struct bundle *b = NULL;
	if (m && strcmp(mode_id(m), id) != 0) {
		err_set(e, ERR_INVALID, "mode.yaml: its id is \"%.60s\", not \"%s\"", mode_id(m), id);
	} else if (m) {
		places.lib = lib;
		b = bundle_make(m, NULL, &places, NULL, e);
	}
	mode_free(m);
	bundle_free(b);
	if (e->code == ERR_FLOW || e->code == ERR_NOT_FOUND) /* it was the upload that lacks something */
		e->code = ERR_INVALID;
	return b ? 0 : -1;
}

/* place → target, in one step. */
static int link_to(const char *place, const char *target, struct err *e)
{
	cleanup_free char *fresh = mem_printf("%s.new", place);
	if (!fresh)
		return err_nomem(e);
	if (fs_unlink(fresh, e))
		return -1;
	if (symlink(target, fresh))
		return err_errno(e, errno, "%s", fresh);
	return fs_rename(fresh, place, e);
}

/* Nobody else's is replaced. */
static int check_free(
	const char *shipped, const char *place, bool known, const char *what, const char *id, struct err *e)
{
	if (fs_exists(shipped))
		return err_set(e, ERR_CONFLICT, "the %s %s is shipped with muster; choose another id", what, id);
	return fs_exists(place) && !known
		       ? err_set(e, ERR_CONFLICT,
				 "there is a %s %s that was not uploaded; only the data folder's owner may change it",
				 what, id)
		       : 0;
}

static json_t *reply(const char *id, int64_t version, struct err *e)
{
	return json_make(e, "{s:s, s:I}", "id", id, "version", (json_int_t)version);
}

static json_t *put_mode(struct ask *q, struct err *e)
{
	const struct api_needs *n = q->needs;
	cleanup_free char *id = ask_param(q, "mode");
	bool present;
	int64_t version = !id ? (err_nomem(e), -1) : check_id(id, e) ? -1 : last_version(q, "mode", id, &present, e);
	if (version++ < 0 || account_whole(q, e))
		return NULL;
	cleanup_free char *shipped = mem_printf("%s/%s/mode.yaml", n->places.modes, id);
	cleanup_free char *place = mem_printf("%s/%s", n->places.own_modes, id);
	cleanup_free char *folder = mem_printf("%s/versions/modes/%s.%lld", n->data_dir, id, (long long)version);
	cleanup_free char *inside = folder ? mem_printf("%s/%s", folder, id) : NULL;
	cleanup_free char *target = mem_printf("../versions/modes/%s.%lld/%s", id, (long long)version, id);
	if (!shipped || !place || !inside || !target) {
		err_nomem(e);
		return NULL;
	}
	if (check_free(shipped, place, present, "mode", id, e) || fs_remove_tree(folder, e) ||
		fs_mkdirs(inside, 0700, e))
		return NULL;
	if (write_mode(inside, json_get(q->body, "files"), e) || check_mode(q, folder, id, e)) {
		fs_remove_tree(folder, NULL);
		return NULL;
	}
	return fs_mkdirs(n->places.own_modes, 0700, e) || note(q, "mode", id, version, false, e) ||
			       link_to(place, target, e)
		       ? NULL
		       : reply(id, version, e);
}

/* ---- a role ---- */

static int check_role(struct span text, const char *id, struct err *e)
{
	cleanup_free char *name = mem_printf("%s.md", id);
	struct role *r = name ? role_parse(text, name, e) : (err_nomem(e), NULL);
	int failed = !r ||
		     (strcmp(r->id, id) != 0 &&
			     err_set(e, ERR_INVALID, "%s: its id is \"%.60s\", not \"%s\"", name, r->id, id)) ||
		     role_check_tools(r, name, e);
	if (r)
		role_unref(r);
	return failed ? -1 : 0;
}

static json_t *put_role(struct ask *q, struct err *e)
{
	const struct api_needs *n = q->needs;
	struct span text = json_span(q->body, "text");
	cleanup_free char *id = ask_param(q, "role");
	bool present;
	int64_t version = !id ? (err_nomem(e), -1) : check_id(id, e) ? -1 : last_version(q, "role", id, &present, e);
	if (version++ < 0 || account_whole(q, e))
		return NULL;
	cleanup_free char *shipped = mem_printf("%s/%s.md", n->places.roles, id);
	cleanup_free char *place = mem_printf("%s/%s.md", n->places.own_roles, id);
	cleanup_free char *folder = mem_printf("%s/versions/roles", n->data_dir);
	cleanup_free char *kept = folder ? mem_printf("%s/%s.%lld.md", folder, id, (long long)version) : NULL;
	if (!shipped || !place || !kept) {
		err_nomem(e);
		return NULL;
	}
	return check_free(shipped, place, present, "role", id, e) || check_role(text, id, e) ||
			       fs_mkdirs(folder, 0700, e) || fs_mkdirs(n->places.own_roles, 0700, e) ||
			       fs_replace(kept, text, 0600, e) || note(q, "role", id, version, false, e) ||
			       fs_replace(place, text, 0600, e)
		       ? NULL
		       : reply(id, version, e);
}

const struct route routes_uploads[] = {
	{"PUT", API "/modes/{mode}", WHO_ADMIN,
		"a mode of the house's own, or a new version of it: mode.yaml, flow.lua, lib/NAME.lua, roles/NAME.md, "
		"templates/NAME as texts by name; never one that is shipped",
		NULL, "files:o", "@uploaded", 0, put_mode},
	{"PUT", API "/roles/{role}", WHO_ADMIN, "the same of a role, as the text of its file", NULL, "text:s",
		"@uploaded", 0, put_role},
	{"DELETE", API "/modes/{mode}", WHO_ADMIN,
		"no more of a mode that was uploaded; runs that began with it go on with it", NULL, NULL, NULL, 0,
		drop_mode},
	{"DELETE", API "/roles/{role}", WHO_ADMIN, "the same of a role", NULL, NULL, NULL, 0, drop_role},
	{0},
};
