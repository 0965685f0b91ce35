/* template: the loader, and the copy. A template's files are regular ones only: no links. */
#include "workspace/template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/mem.h"
#include "config/yaml.h"
#include "workspace/private.h"

#define ID_MAX 64

static bool id_ok(const char *id)
{
	size_t n = strlen(id);

	return n && n <= ID_MAX && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n && id[0] != '-';
}

/* ---- one ---- */

static int check_text(const struct yaml_doc *d, const char *key, struct err *e)
{
	cleanup_free char *at = mem_printf("/%s", key);
	const char *text = json_str(d->root, key);

	if (!at)
		return err_nomem(e);
	return text && *text && strlen(text) < 2000
		       ? 0
		       : yaml_error(d, at, e, "`%s` must be a text of 1 to 2000 bytes", key);
}

static int check_tags(const struct yaml_doc *d, struct err *e)
{
	const json_t *tags = json_get(d->root, "tags"), *tag;
	size_t i;

	if (!tags)
		return 0;
	if (!json_is_array(tags) || json_array_size(tags) > 32)
		return yaml_error(d, "/tags", e, "`tags` must be a list of at most 32 words");
	json_array_foreach(tags, i, tag)
	{
		if (!json_is_string(tag) || !json_string_length(tag))
			return yaml_error(d, "/tags", e, "`tags` must be a list of words");
	}
	return 0;
}

static json_t *read_yaml(const char *dir, struct err *e)
{
	static const char *const known[] = {"name", "description", "tags", NULL};
	cleanup_free char *path = fs_join(dir, "template.yaml");
	struct yaml_doc d;
	json_t *out = NULL;

	if (!path) {
		err_nomem(e);
		return NULL;
	}
	if (yaml_load(&d, path, e))
		return NULL;
	if (!json_is_object(d.root))
		yaml_error(&d, "", e, "a template says name and description");
	else if (yaml_known(&d, "", known, "template", e) == 0 && check_text(&d, "name", e) == 0 &&
		 check_text(&d, "description", e) == 0 && check_tags(&d, e) == 0) {
		out = json_make(e, "{s:O, s:O, s:o}", "name", json_get(d.root, "name"), "description",
			json_get(d.root, "description"), "tags",
			json_get(d.root, "tags") ? json_incref(json_get(d.root, "tags")) : json_array());
	}
	yaml_release(&d);
	return out;
}

struct gather {
	json_t *files;
	bool bad, nomem;
	char odd[PATH_MAX];
};

static bool gather_each(void *ctx, const struct walk_entry *entry)
{
	struct gather *g = ctx;

	if (S_ISDIR(entry->st.st_mode))
		return true;
	g->bad = !S_ISREG(entry->st.st_mode) || json_array_size(g->files) == CAP_LIST_ENTRIES;
	if (g->bad)
		snprintf(g->odd, sizeof g->odd, "%s", entry->path);
	else
		g->nomem = json_array_append_new(g->files, json_from_span(span_of(entry->path)));
	return !g->bad && !g->nomem;
}

/* The paths below files/. */
static json_t *list_files(const char *dir, struct err *e)
{
	cleanup_free char *path = fs_join(dir, "files");
	struct gather g = {.files = json_array()};
	struct walk w = {.each = gather_each, .ctx = &g};
	struct files *f = path ? files_open(path, 0, e) : NULL;
	int rc = f && g.files ? walk_run(f, ".", &w, e) : -1;

	files_close(f);
	if (rc == 0 && g.bad)
		rc = err_set(e, ERR_INVALID, "%s/%s: a template has at most %d files, and no links", path, g.odd,
			CAP_LIST_ENTRIES);
	else if (rc == 0 && g.nomem)
		rc = err_nomem(e);
	else if (!path || !g.files)
		err_nomem(e);
	if (rc == 0)
		return g.files;
	json_decref(g.files);
	return NULL;
}

static json_t *load(const char *dir, const char *id, struct err *e)
{
	cleanup_json json_t *out = read_yaml(dir, e);
	json_t *files = out ? list_files(dir, e) : NULL;

	if (!files)
		return NULL;
	if (json_put(out, "files", files) || json_put(out, "id", json_string(id))) {
		err_nomem(e);
		return NULL;
	}
	return steal(&out);
}

/* ---- all ---- */

static int list_in(const char *dir, json_t *by_id, struct err *e)
{
	cleanup_names struct names names = NAMES_INIT;
	cleanup_fd int fd = -1;

	if (!dir || !fs_is_dir(dir))
		return 0;
	fd = fs_open(dir, O_RDONLY | O_DIRECTORY, 0, e);
	if (fd < 0 || names_read(fd, CAP_LIST_ENTRIES, &names, e))
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		cleanup_free char *path = fs_join(dir, names.items[i]);
		struct err why = ERR_INIT;
		json_t *one = NULL;

		if (!path)
			return err_nomem(e);
		if (names.items[i][0] == '.' || !fs_is_dir(path))
			continue;
		if (!id_ok(names.items[i]))
			err_set(&why, ERR_INVALID, "%s: a template's folder has a-z, 0-9, _ and - in its name", path);
		else
			one = load(path, names.items[i], &why);
		if (!one && why.code == ERR_NOMEM)
			return err_nomem(e);
		if (!one)
			one = json_make(e, "{s:s, s:s}", "id", names.items[i], "error", why.text);
		if (!one || json_put(by_id, names.items[i], one))
			return one ? err_nomem(e) : -1;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *templates_list(const struct template_places *places, struct err *e)
{
	cleanup_json json_t *by_id = json_object(), *out = json_array();
	cleanup_free const char **ids = NULL;
	const char *id;
	json_t *one;
	size_t count = 0;

	if (!by_id || !out) {
		err_nomem(e);
		return NULL;
	}
	if (list_in(places->shipped, by_id, e) || list_in(places->own, by_id, e))
		return NULL;
	ids = mem_calloc(json_object_size(by_id) + 1, sizeof *ids);
	if (ids)
		json_object_foreach(by_id, id, one) ids[count++] = id;
	if (count)
		qsort(ids, count, sizeof *ids, by_name);
	for (size_t i = 0; i < count; i++)
		if (json_array_append(out, json_get(by_id, ids[i])))
			count = i;
	if (!ids || json_array_size(out) != json_object_size(by_id)) {
		err_nomem(e);
		return NULL;
	}
	return steal(&out);
}

/* ---- the copy ---- */

static int copy_files(const char *from, const json_t *paths, const char *to, struct err *e)
{
	struct files *in = files_open(from, 0, e), *out = in ? files_open(to, 0, e) : NULL;
	const json_t *path;
	size_t i;
	int rc = out ? 0 : -1;

	json_array_foreach(paths, i, path)
	{
		cleanup_buf struct buf text = BUF_INIT(CAP_FILE_WRITE);

		if (rc == 0)
			rc = files_read(in, json_string_value(path), &text, NULL, e);
		if (rc == 0)
			rc = files_take(out, json_string_value(path), buf_span(&text), NULL, e);
	}
	files_close(in);
	files_close(out);
	return rc;
}

static int make(const char *from, const char *id, const char *dir, struct err *e)
{
	cleanup_json json_t *template = load(from, id, e);
	cleanup_free char *files = fs_join(from, "files"), *stage = NULL;
	const char *slash = strrchr(dir, '/');
	char temp[BENEATH_TEMP];
	int rc;

	beneath_temp(temp);
	stage = mem_printf("%.*s%s", slash ? (int)(slash - dir) + 1 : 0, dir, temp);
	if (!template || !files || !stage)
		return template ? err_nomem(e) : -1;
	if (SEAM(mkdir(stage, 0755)))
		return err_errno(e, errno, "%s", dir);
	rc = copy_files(files, json_get(template, "files"), stage, e);
	if (rc == 0 && SEAM(renameat2(AT_FDCWD, stage, AT_FDCWD, dir, RENAME_NOREPLACE)))
		rc = err_errno(e, errno, "%s", dir);
	if (rc)
		(void)fs_remove_tree(stage, NULL);
	return rc;
}

static int none_such(const struct template_places *places, const char *id, struct err *e)
{
	cleanup_json json_t *all = templates_list(places, e);
	cleanup_buf struct buf known = BUF_INIT(ERR_TEXT_MAX);
	const json_t *one;
	size_t i;

	if (!all)
		return -1;
	json_array_foreach(all, i, one) buf_addf(&known, "%s%s", i ? ", " : "", json_str(one, "id"));
	return err_set(
		e, ERR_NOT_FOUND, "there is no template \"%.64s\"; there are: %s", id, known.len ? known.data : "none");
}

int template_make(const struct template_places *places, const char *id, const char *dir, struct err *e)
{
	const char *const in[] = {places->own, places->shipped};

	for (size_t i = 0; i < 2 && id_ok(id); i++) {
		cleanup_free char *from = in[i] ? fs_join(in[i], id) : NULL;

		if (in[i] && !from)
			return err_nomem(e);
		if (from && fs_is_dir(from))
			return make(from, id, dir, e) ? err_wrap(e, "the template %s", id) : 0;
	}
	return none_such(places, id, e);
}
