/* bundle: files gathered into one JSON value, and that value read back.
 * Open bundles are in a list, found by the hash of their text. Failure modes: a missing or wrong file when it is made;
 * damage of the stored text when it is read. */
#include "flow/bundle.h"

#include <pthread.h>
#include <string.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/fs.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "config/nearest.h"
#include "flow/dirnames.h"
#include "flow/flow.h"

enum { BUNDLE_VERSION = 1, BUNDLE_ROLES = 256 };

struct bundle {
	struct list link;
	unsigned refs; /* under `lock` */
	struct hash hash;
	json_t *json;
	struct map roles; /* id → struct role */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct list bundles = {&bundles, &bundles};

static void role_drop(void *role)
{
	role_unref(role);
}

static void destroy(struct bundle *b)
{
	map_release(&b->roles, role_drop);
	json_decref(b->json);
	mem_free(b);
}

void bundle_free(struct bundle *b)
{
	bool last;

	if (!b)
		return;
	pthread_mutex_lock(&lock);
	last = --b->refs == 0;
	if (last)
		list_remove(&b->link);
	pthread_mutex_unlock(&lock);
	if (last)
		destroy(b);
}

struct bundle *bundle_ref(struct bundle *b)
{
	pthread_mutex_lock(&lock);
	b->refs++;
	pthread_mutex_unlock(&lock);
	return b;
}

/* The open bundle with this hash, with a new reference; else `mine` (may be NULL) joins the list and is returned. */
static struct bundle *find_or_join(const struct hash *hash, struct bundle *mine)
{
	struct bundle *found = NULL;

	pthread_mutex_lock(&lock);
	list_for (it, &bundles) {
		struct bundle *b = list_entry(it, struct bundle, link);
		if (hash_eq(&b->hash, hash)) {
			found = b;
			b->refs++;
			break;
		}
	}
	if (!found && mine) {
		mine->hash = *hash;
		mine->refs = 1;
		list_push(&bundles, &mine->link);
	}
	pthread_mutex_unlock(&lock);
	return found ? found : mine;
}

/* ---- reading back ---- */

static int read_roles(struct bundle *b, struct err *e)
{
	json_t *roles = json_get(b->json, "roles");

	for (void *it = json_object_iter(roles); it; it = json_object_iter_next(roles, it)) {
		const json_t *one = json_object_iter_value(it);
		const char *id = json_object_iter_key(it), *path = json_str(one, "path");
		struct role *role = role_parse(json_span(one, "text"), path ? path : id, e);
		if (!role)
			return -1;
		if (map_set(&b->roles, span_of(id), role, NULL, e)) {
			role_unref(role);
			return -1;
		}
	}
	return 0;
}

static int check_shape(const json_t *v, struct err *e)
{
	int64_t version = json_int(v, "v", 0);

	if (version > BUNDLE_VERSION)
		return err_set(e, ERR_NEWER,
			"the run's bundle has version %lld, this muster knows %d; run it with a newer one",
			(long long)version, BUNDLE_VERSION);
	if (version == BUNDLE_VERSION && json_is_object(json_get(v, "mode")) && json_is_object(json_get(v, "files")) &&
		json_is_object(json_get(v, "roles")) && json_is_object(json_get(v, "prices")))
		return 0;
	return err_set(e, ERR_CORRUPT, "the run's bundle is damaged; `muster verify` shows what else is");
}

/* Takes the value. */
static struct bundle *open_value(json_t *v, const struct hash *hash, struct err *e)
{
	struct bundle *b = MEM_NEW(struct bundle), *shared;

	if (!b) {
		err_nomem(e);
		json_decref(v);
		return NULL;
	}
	b->json = v;
	map_init(&b->roles, BUNDLE_ROLES);
	list_init(&b->link);
	if (check_shape(v, e) || read_roles(b, e)) {
		destroy(b);
		return NULL;
	}
	shared = find_or_join(hash, b);
	if (shared != b)
		destroy(b);
	return shared;
}

struct bundle *bundle_parse(struct span text, struct err *e)
{
	struct hash hash;
	struct bundle *b;
	json_t *v;

	hash_bytes(&hash, NULL, text);
	b = find_or_join(&hash, NULL);
	if (b)
		return b;
	v = json_parse(text, "the run's bundle", e);
	if (!v && e && e->code == ERR_PARSE)
		e->code = ERR_CORRUPT;
	return v ? open_value(v, &hash, e) : NULL;
}

char *bundle_text(const struct bundle *b, struct err *e)
{
	char *text = json_text(b->json);

	if (!text)
		err_nomem(e);
	return text;
}

struct span bundle_file(const struct bundle *b, const char *name)
{
	return json_span(json_get(b->json, "files"), name);
}

struct role *bundle_role(const struct bundle *b, const char *id)
{
	return map_get(&b->roles, span_of(id));
}

const json_t *bundle_mode(const struct bundle *b)
{
	return json_get(b->json, "mode");
}

struct bundle *bundle_called(const struct bundle *b, const char *id, struct err *e)
{
	const json_t *one = json_get(json_get(b->json, "called"), id);
	cleanup_free char *text = one ? json_text(one) : NULL;

	if (!one)
		err_set(e, ERR_NOT_FOUND, "the mode %s does not name \"%s\" under `calls` in its mode.yaml",
			json_str(bundle_mode(b), "id"), id);
	else if (!text)
		err_nomem(e);
	return text ? bundle_parse(span_of(text), e) : NULL;
}

const json_t *bundle_prices(const struct bundle *b)
{
	return json_get(b->json, "prices");
}

/* ---- making ---- */

struct making {
	const struct mode *mode;
	const struct bundle_places *places;
	const json_t *inputs, *prices;
	const char *input;	     /* that names the role; NULL: mode.yaml does */
	const struct making *caller; /* of the mode that calls this one; NULL */
	json_t *files, *roles, *called;
	size_t size;
};

/* The text of a file as a JSON string; NULL. */
static json_t *read_text(struct making *m, const char *path, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_MODE_BUNDLE);
	json_t *v;

	if (fs_read(path, &text, e))
		return NULL;
	m->size += text.len;
	if (m->size > CAP_MODE_BUNDLE) {
		err_set(e, ERR_TOO_LARGE, "the mode %s: its files have more than %lu bytes together (at %s)",
			m->mode->id, CAP_MODE_BUNDLE, path);
		return NULL;
	}
	if (!utf8_valid(buf_span(&text)) || memchr(text.data ? text.data : "", 0, text.len)) {
		err_set(e, ERR_INVALID, "%s is no UTF-8 text", path);
		return NULL;
	}
	v = json_stringn_nocheck(text.data ? text.data : "", text.len);
	if (!v)
		err_nomem(e);
	return v;
}

static int add_file(struct making *m, const char *dir, const char *file, const char *name, bool lua, struct err *e)
{
	cleanup_free char *path = fs_join(dir, file);
	json_t *text;

	if (!path)
		return err_nomem(e);
	text = read_text(m, path, e);
	if (!text)
		return -1;
	if (lua && flow_check(path, span_n(json_string_value(text), json_string_length(text)), e)) {
		json_decref(text);
		return -1;
	}
	return json_put(m->files, name, text) ? err_nomem(e) : 0;
}

/* Every file of `dir` with this ending, as "<prefix><file>". */
static int add_folder(
	struct making *m, const char *dir, const char *suffix, const char *prefix, bool lua, struct err *e)
{
	cleanup_json json_t *names = dirnames(dir, suffix, e);

	if (!names)
		return -1;
	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *file = json_string_value(json_array_get(names, i));
		cleanup_free char *name = mem_printf("%s%s", prefix, file), *path = fs_join(dir, file);
		if (!name || !path)
			return err_nomem(e);
		if (!fs_is_dir(path) && add_file(m, dir, file, name, lua, e))
			return -1;
	}
	return 0;
}

static int no_role(const struct making *m, const char *id, const char *const dirs[3], struct err *e)
{
	struct err why = ERR_INIT;
	cleanup_json json_t *ids = json_array(); /* must outlive the hint */
	struct nearest near;

	nearest_init(&near, id);
	for (int i = 0; i < 3; i++) {
		cleanup_json json_t *names = dirs[i] ? dirnames(dirs[i], ".md", &why) : NULL;
		for (size_t k = 0; k < json_array_size(names); k++) {
			const json_t *name = json_array_get(names, k);
			json_t *one = json_stringn(json_string_value(name), json_string_length(name) - strlen(".md"));
			if (one && json_array_append_new(ids, one) == 0)
				nearest_try(&near, json_string_value(one));
		}
	}
	if (m->input)
		return err_set(e, ERR_NOT_FOUND, "input \"%s\": there is no role \"%s\"%s; `muster roles` lists them",
			m->input, id, nearest_hint(&near));
	return err_set(e, ERR_NOT_FOUND, "%s/mode.yaml names the role \"%s\", of which there is no file %s.md%s",
		m->mode->dir, id, id, nearest_hint(&near));
}

static int add_role(struct making *m, const char *id, const char *const dirs[3], struct err *e)
{
	cleanup_free char *file = mem_printf("%s.md", id), *shown = mem_printf("roles/%s.md", id);

	if (!file || !shown)
		return err_nomem(e);
	for (int i = 0; i < 3; i++) {
		cleanup_free char *path = dirs[i] ? fs_join(dirs[i], file) : NULL;
		json_t *text;
		struct role *role;
		if (dirs[i] && !path)
			return err_nomem(e);
		if (!path || !fs_exists(path))
			continue;
		text = read_text(m, path, e);
		if (!text)
			return -1;
		role = role_parse(span_n(json_string_value(text), json_string_length(text)), path, e);
		if (role && strcmp(role->id, id) != 0) {
			err_set(e, ERR_INVALID, "%s: its id is \"%s\", but its name says \"%s\"", path, role->id, id);
			role_unref(role);
			role = NULL;
		}
		if (role && i > 0 && role_check_tools(role, path, e)) { /* a mode's own has its flow's tools, too */
			role_unref(role);
			role = NULL;
		}
		if (!role) {
			json_decref(text);
			return -1;
		}
		role_unref(role);
		text = json_make(e, "{s:s, s:o}", "path", shown, "text", text);
		return text && json_put(m->roles, id, text) == 0 ? 0 : err_nomem(e);
	}
	return no_role(m, id, dirs, e);
}

static json_t *make_value(struct making *m, struct err *e);

static int add_called(struct making *m, const char *id, struct err *e)
{
	for (const struct making *above = m; above; above = above->caller)
		if (!strcmp(above->mode->id, id))
			return err_set(e, ERR_INVALID, "%s/mode.yaml: the mode %s would call itself", m->mode->dir, id);
	struct mode *mode = mode_find(id, m->places->own_modes, m->places->modes, e);
	struct making inner = {.mode = mode, .places = m->places, .prices = m->prices, .caller = m};
	if (!mode)
		return err_wrap(e, "%s/mode.yaml: calls", m->mode->dir);
	json_t *v = make_value(&inner, e);
	mode_free(mode);
	if (!v)
		return -1;
	return json_put(m->called, id, v) ? err_nomem(e) : 0;
}

static int gather(struct making *m, struct err *e)
{
	const struct bundle_places *at = m->places;
	cleanup_free char *own_roles = fs_join(m->mode->dir, "roles"), *own_lib = fs_join(m->mode->dir, "lib");
	cleanup_free char *templates = fs_join(m->mode->dir, "templates");
	const char *dirs[3] = {own_roles, at->own_roles, at->roles};

	if (!own_roles || !own_lib || !templates)
		return err_nomem(e);
	if (add_file(m, m->mode->dir, "flow.lua", "flow.lua", true, e) ||
		add_folder(m, at->lib, ".lua", "lib/", true, e) || add_folder(m, own_lib, ".lua", "lib/", true, e) ||
		add_folder(m, templates, "", "templates/", false, e))
		return -1;
	for (size_t i = 0; i < json_array_size(m->mode->roles); i++)
		if (add_role(m, json_string_value(json_array_get(m->mode->roles, i)), dirs, e))
			return -1;
	for (size_t i = 0; i < m->mode->input_count; i++) {
		const struct mode_input *in = &m->mode->inputs[i];
		const char *id = in->type == INPUT_ROLE ? json_str(m->inputs, in->name) : NULL;
		m->input = in->name;
		if (id && !json_get(m->roles, id) && add_role(m, id, dirs, e))
			return -1;
	}
	m->input = NULL;
	for (size_t i = 0; i < json_array_size(m->mode->calls); i++)
		if (add_called(m, json_string_value(json_array_get(m->mode->calls, i)), e))
			return -1;
	return 0;
}

static json_t *make_value(struct making *m, struct err *e)
{
	json_t *v = NULL;

	m->files = json_object();
	m->roles = json_object();
	m->called = json_object();
	if (!m->files || !m->roles || !m->called)
		err_nomem(e);
	else if (gather(m, e) == 0)
		v = json_make(e, "{s:i, s:O, s:O, s:O, s:o}", "v", BUNDLE_VERSION, "mode", m->mode->json, "files",
			m->files, "roles", m->roles, "prices",
			m->prices ? json_incref((json_t *)m->prices) : json_object());
	if (v && json_object_size(m->called) && json_object_set(v, "called", m->called)) {
		err_nomem(e);
		json_decref(v);
		v = NULL;
	}
	json_decref(m->files);
	json_decref(m->roles);
	json_decref(m->called);
	return v;
}

struct bundle *bundle_make(const struct mode *mode, const json_t *inputs, const struct bundle_places *places,
	const json_t *prices, struct err *e)
{
	struct making m = {.mode = mode, .inputs = inputs, .places = places, .prices = prices};
	cleanup_free char *text = NULL;
	struct hash hash;
	json_t *v = make_value(&m, e);

	if (!v)
		return NULL;
	text = json_text(v);
	if (!text) {
		err_nomem(e);
		json_decref(v);
		return NULL;
	}
	hash_bytes(&hash, NULL, span_of(text));
	return open_value(v, &hash, e);
}
