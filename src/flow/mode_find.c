/* mode_find: modes by name, in the data folder and among the shipped ones. */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "config/nearest.h"
#include "flow/dirnames.h"
#include "flow/mode.h"

static bool is_id(const char *id)
{
	return *id && !id[strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_-")];
}

/* dir/id when it holds a mode.yaml; *out NULL when not. */
static int place(const char *dir, const char *id, char **out, struct err *e)
{
	cleanup_free char *folder = fs_join(dir, id), *file = folder ? fs_join(folder, "mode.yaml") : NULL;

	*out = NULL;
	if (!file)
		return err_nomem(e);
	if (fs_exists(file))
		*out = steal(&folder);
	return 0;
}

/* The ids of all modes: {id → folder}. */
static json_t *all_modes(const char *const dirs[2], struct err *e)
{
	json_t *found = json_object();

	if (!found)
		err_nomem(e);
	for (int i = 0; found && i < 2; i++) {
		cleanup_json json_t *names = dirs[i] ? dirnames(dirs[i], "", e) : NULL;
		bool bad = dirs[i] && !names;
		for (size_t k = 0; !bad && k < json_array_size(names); k++) {
			const char *id = json_string_value(json_array_get(names, k));
			cleanup_free char *folder = NULL;
			if (!is_id(id) || json_get(found, id))
				continue;
			bad = place(dirs[i], id, &folder, e);
			if (folder && json_put(found, id, json_string(folder)))
				bad = err_nomem(e);
		}
		if (bad) {
			json_decref(found);
			found = NULL;
		}
	}
	return found;
}

static struct mode *none(const char *id, const char *const dirs[2], struct err *e)
{
	struct err why = ERR_INIT;
	cleanup_json json_t *found = all_modes(dirs, &why);
	struct nearest near;

	nearest_init(&near, id);
	for (void *it = json_object_iter(found); it; it = json_object_iter_next(found, it))
		nearest_try(&near, json_object_iter_key(it));
	err_set(e, ERR_NOT_FOUND, "there is no mode \"%.100s\"%s `muster modes` lists them", id,
		near.best ? nearest_hint(&near) : ";");
	return NULL;
}

struct mode *mode_find(const char *id, const char *data_modes_dir, const char *shipped_modes_dir, struct err *e)
{
	const char *const dirs[2] = {data_modes_dir, shipped_modes_dir};

	for (int i = 0; is_id(id) && i < 2; i++) {
		cleanup_free char *folder = NULL;
		if (dirs[i] && place(dirs[i], id, &folder, e))
			return NULL;
		if (folder)
			return mode_load(folder, e);
	}
	return none(id, dirs, e);
}

static json_t *describe(const char *id, const char *folder, struct err *e)
{
	struct err why = ERR_INIT;
	struct mode *m = mode_load(folder, &why);
	json_t *v;

	if (!m && why.code == ERR_NOMEM) {
		err_nomem(e);
		return NULL;
	}
	if (!m)
		return json_make(e, "{s:s, s:s, s:{s:s, s:s}}", "id", id, "dir", folder, "error", "code",
			err_name(why.code), "message", why.text);
	v = mode_json(m, e);
	mode_free(m);
	return v;
}

static int append_sorted(json_t *list, json_t *v)
{
	size_t i = json_array_size(list);

	while (i > 0 && strcmp(json_str(json_array_get(list, i - 1), "id"), json_str(v, "id")) > 0)
		i--;
	return json_array_insert_new(list, i, v);
}

json_t *mode_list(const char *data_modes_dir, const char *shipped_modes_dir, struct err *e)
{
	const char *const dirs[2] = {data_modes_dir, shipped_modes_dir};
	cleanup_json json_t *found = all_modes(dirs, e);
	json_t *list = found ? json_array() : NULL;

	if (found && !list)
		err_nomem(e);
	for (void *it = list ? json_object_iter(found) : NULL; it; it = json_object_iter_next(found, it)) {
		json_t *v = describe(json_object_iter_key(it), json_string_value(json_object_iter_value(it)), e);
		if (!v || append_sorted(list, v)) {
			if (v)
				err_nomem(e);
			json_decref(list);
			return NULL;
		}
	}
	return list;
}
