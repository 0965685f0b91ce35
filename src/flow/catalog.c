/* catalog: see catalog.h. */
#include "flow/catalog.h"

#include "agent/role.h"
#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "flow/dirnames.h"
#include "flow/mode.h"

json_t *catalog_modes(const struct bundle_places *p, struct err *e)
{
	return mode_list(p->own_modes, p->modes, e);
}

static json_t *role_json(const struct role *r, const char *path, const char *mode)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:O, s:{s:i, s:i, s:i}, s:O?, s:s?, s:s}", "id", r->id, "name",
		r->name ? r->name : r->id, "class", r->class ? r->class : "", "dialect",
		r->dialect == DIALECT_NATIVE ? "native" : "directive", "tools", r->tools, "limits", "turns", r->turns,
		"output_tokens", r->output_tokens, "minutes", r->minutes, "output", r->output, "mode", mode, "path",
		path);
}

/* One file; what is wrong with it stands in its row. */
static json_t *read_role(const char *path, const char *id, const char *mode, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_YAML);
	struct err why = ERR_INIT;
	struct role *r = fs_read(path, &text, &why) ? NULL : role_parse(buf_span(&text), path, &why);
	json_t *row = r ? role_json(r, path, mode)
			: json_pack("{s:s, s:s, s:s?, s:{s:s, s:s}}", "id", id, "path", path, "mode", mode, "error",
				  "code", err_name(why.code), "message", why.text);
	if (r)
		role_unref(r);
	if (!row)
		err_nomem(e);
	return row;
}

static bool known(const json_t *list, const char *id, const char *mode)
{
	size_t i;
	json_t *row;
	json_array_foreach(list, i, row)
	{
		const char *other = json_str(row, "mode");
		bool same = mode && other ? !strcmp(other, mode) : !mode && !other;
		if (same && !strcmp(json_str(row, "id"), id))
			return true;
	}
	return false;
}

static int add_folder(json_t *list, const char *dir, const char *mode, struct err *e)
{
	cleanup_json json_t *names = dirnames(dir, ".md", e);
	size_t i;
	json_t *name;
	if (!names)
		return -1;
	json_array_foreach(names, i, name)
	{
		const char *file = json_string_value(name);
		cleanup_free char *path = fs_join(dir, file), *id = mem_strndup(file, strlen(file) - 3);
		if (!path || !id)
			return err_nomem(e);
		if (known(list, id, mode))
			continue;
		json_t *row = read_role(path, id, mode, e);
		if (!row || json_array_append_new(list, row))
			return e->code == ERR_OK ? err_nomem(e) : -1;
	}
	return 0;
}

static int add_modes(json_t *list, const struct bundle_places *p, struct err *e)
{
	cleanup_json json_t *modes = catalog_modes(p, e);
	size_t i;
	json_t *mode;
	if (!modes)
		return -1;
	json_array_foreach(modes, i, mode)
	{
		const char *dir = json_str(mode, "dir");
		cleanup_free char *roles = dir ? fs_join(dir, "roles") : NULL;
		if (dir && !roles)
			return err_nomem(e);
		if (roles && add_folder(list, roles, json_str(mode, "id"), e))
			return -1;
	}
	return 0;
}

json_t *catalog_roles(const struct bundle_places *p, struct err *e)
{
	json_t *list = json_array();
	if (!list)
		err_nomem(e);
	else if (!add_folder(list, p->own_roles, NULL, e) && !add_folder(list, p->roles, NULL, e) &&
		 !add_modes(list, p, e))
		return list;
	json_decref(list);
	return NULL;
}
