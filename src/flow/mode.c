/* mode: mode.yaml checked field by field.
 *
 * One table says what each field of the top level must be; lists of objects have a checker of their own. Values are
 * then read from the JSON that the YAML became, with absent lists and objects filled in. Failure modes: the first wrong
 * field is told with its line. */
#include "flow/mode.h"

#include <stdarg.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "config/nearest.h"
#include "config/yaml.h"

static const char *const fields[] = {"id", "name", "description", "engine", "category", "icon", "tags", "inputs",
	"outputs", "gates", "settings", "roles", "calls", "limits", "estimate", "examples", "tips", "named_by", NULL};
static const char *const input_fields[] = {
	"name", "type", "label", "required", "options", "default", "accept", "multiple", "placeholder", "help", NULL};
static const char *const output_fields[] = {"name", "type", "label", NULL};
static const char *const limit_fields[] = {"minutes", "retries", NULL};
static const char *const estimate_fields[] = {"minutes", "usd", NULL};
static const char *const example_fields[] = {"name", "inputs", NULL};
static const char *const engines[] = {"hierarchy", "pipeline", "team", "planning", "research", NULL};
static const char *const input_types[] = {
	[INPUT_TEXT] = "text",
	[INPUT_TEXTAREA] = "textarea",
	[INPUT_NUMBER] = "number",
	[INPUT_SELECT] = "select",
	[INPUT_FILE] = "file",
	[INPUT_BOOLEAN] = "boolean",
	[INPUT_ROLE] = "role",
	[INPUT_TYPES] = NULL,
};
static const char *const output_types[] = {"text", "markdown", "json", "plot", "file", NULL};

struct check {
	const struct yaml_doc *y;
	struct err *e;
};

/* The pointer of a place, for messages. */
struct place {
	char text[160];
};

static struct place at(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static struct place at(const char *fmt, ...)
{
	struct place p;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p.text, sizeof p.text, fmt, ap);
	va_end(ap);
	return p;
}

/* ---- single values ---- */

static int check_text(const struct check *c, const json_t *obj, const char *base, const char *key, bool required)
{
	const json_t *v = json_get(obj, key);
	struct place p = at("%s/%s", base, key);

	if (!v)
		return required ? yaml_error(c->y, base, c->e, "%s is missing", key) : 0;
	if (!json_is_string(v) || (required && !*json_string_value(v)))
		return yaml_error(c->y, p.text, c->e, "%s must be a text%s", key, required ? ", not empty" : "");
	return 0;
}

static int check_bool(const struct check *c, const json_t *obj, const char *base, const char *key)
{
	const json_t *v = json_get(obj, key);

	if (!v || json_is_boolean(v))
		return 0;
	return yaml_error(c->y, at("%s/%s", base, key).text, c->e, "%s must be true or false", key);
}

/* The index of the text in the list, or -1. */
static int check_choice(
	const struct check *c, const json_t *obj, const char *base, const char *key, const char *const *names)
{
	const char *v = json_str(obj, key), *best;

	if (check_text(c, obj, base, key, true))
		return -1;
	for (int i = 0; names[i]; i++)
		if (strcmp(names[i], v) == 0)
			return i;
	best = nearest(v, names);
	if (best)
		return yaml_error(c->y, at("%s/%s", base, key).text, c->e, "\"%.60s\" is no %s; did you mean \"%s\"?",
			v, key, best);
	cleanup_buf struct buf all = BUF_INIT(256);
	for (int i = 0; names[i]; i++)
		buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
	return yaml_error(c->y, at("%s/%s", base, key).text, c->e, "\"%.60s\" is no %s; it is one of %s", v, key,
		all.data ? all.data : "");
}

/* a-z, digits and _ , beginning with a letter. */
static bool is_name(const char *s)
{
	return s && *s >= 'a' && *s <= 'z' && !s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

static int check_name(const struct check *c, const json_t *obj, const char *base, const char *key)
{
	if (check_text(c, obj, base, key, true))
		return -1;
	if (is_name(json_str(obj, key)))
		return 0;
	return yaml_error(c->y, at("%s/%s", base, key).text, c->e,
		"\"%.60s\" is no name: small letters, digits and _, beginning with a letter", json_str(obj, key));
}

/* ---- lists ---- */

static int check_list(const struct check *c, const json_t *obj, const char *base, const char *key, const char *of)
{
	const json_t *v = json_get(obj, key);

	if (!v || json_is_array(v))
		return 0;
	return yaml_error(c->y, at("%s/%s", base, key).text, c->e, "%s must be a list of %s", key, of);
}

static bool seen_before(const json_t *list, size_t i, const char *key)
{
	const json_t *v = json_array_get(list, i);

	for (size_t k = 0; k < i; k++) {
		const json_t *other = json_array_get(list, k);
		if (key ? json_equal(json_get(v, key), json_get(other, key)) : json_equal((json_t *)v, (json_t *)other))
			return true;
	}
	return false;
}

/* A list of texts; names: valid ones, each once. */
static int check_texts(
	const struct check *c, const json_t *obj, const char *base, const char *key, const char *of, bool names)
{
	const json_t *list = json_get(obj, key);

	if (check_list(c, obj, base, key, of))
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *one = json_string_value(json_array_get(list, i));
		struct place p = at("%s/%s/%zu", base, key, i);
		if (!one || !*one)
			return yaml_error(c->y, p.text, c->e, "%s must be a list of %s, which are texts", key, of);
		if (names && !is_name(one))
			return yaml_error(c->y, p.text, c->e,
				"\"%.60s\" is no name: small letters, digits and _, beginning with a letter", one);
		if (names && seen_before(list, i, NULL))
			return yaml_error(c->y, p.text, c->e, "\"%s\" stands twice in %s", one, key);
	}
	return 0;
}

static int check_numbers(const struct check *c, const json_t *root, const char *key, const char *part, size_t count)
{
	const json_t *v = json_get(json_get(root, key), part);
	struct place p = at("/%s/%s", key, part);

	if (!v)
		return 0;
	if (count == 1) { /* one whole number */
		if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= 1000000)
			return 0;
		return yaml_error(c->y, p.text, c->e, "%s.%s must be a whole number from 0 to 1000000", key, part);
	}
	if (json_array_size(v) == 2 && json_is_number(json_array_get(v, 0)) && json_is_number(json_array_get(v, 1)) &&
		json_number_value(json_array_get(v, 0)) >= 0 &&
		json_number_value(json_array_get(v, 0)) <= json_number_value(json_array_get(v, 1)))
		return 0;
	return yaml_error(c->y, p.text, c->e, "%s.%s must be two numbers, [least, most]", key, part);
}

/* ---- inputs and outputs ---- */

static int check_options(const struct check *c, const json_t *in, const char *base)
{
	const json_t *options = json_get(in, "options");
	bool select = strcmp(json_str(in, "type"), "select") == 0;

	if (!select && options)
		return yaml_error(c->y, at("%s/options", base).text, c->e, "only an input of type select has options");
	if (check_list(c, in, base, "options", "texts or whole numbers"))
		return -1;
	if (select && !json_array_size(options))
		return yaml_error(c->y, base, c->e, "an input of type select needs options");
	for (size_t i = 0; i < json_array_size(options); i++) {
		const json_t *one = json_array_get(options, i);
		bool fine = json_is_integer(one) ||
			    (json_is_string(one) && json_string_length(one) > 0 && json_string_length(one) < 64);
		if (!fine || seen_before(options, i, NULL))
			return yaml_error(c->y, at("%s/options/%zu", base, i).text, c->e,
				fine ? "an option stands twice"
				     : "an option must be a text of 1 to 63 bytes or a whole number");
	}
	return 0;
}

static int check_accept(const struct check *c, const json_t *in, const char *base)
{
	const json_t *accept = json_get(in, "accept");

	if (accept && strcmp(json_str(in, "type"), "file") != 0)
		return yaml_error(c->y, at("%s/accept", base).text, c->e, "only an input of type file has accept");
	if (check_texts(c, in, base, "accept", "endings", false))
		return -1;
	for (size_t i = 0; i < json_array_size(accept); i++) {
		const char *one = json_string_value(json_array_get(accept, i));
		if (one[0] != '.' || !one[1] || strchr(one, '/'))
			return yaml_error(c->y, at("%s/accept/%zu", base, i).text, c->e,
				"accept holds endings of file names, like \".csv\"");
	}
	return 0;
}

static void read_input(struct mode_input *in, const json_t *v, int type)
{
	*in = (struct mode_input){
		.name = json_str(v, "name"),
		.label = json_str(v, "label"),
		.placeholder = json_str(v, "placeholder"),
		.help = json_str(v, "help"),
		.type = (enum mode_input_type)type,
		.required = json_bool(v, "required", false),
		.multiple = json_bool(v, "multiple", false),
		.options = json_get(v, "options"),
		.accept = json_get(v, "accept"),
		.otherwise = json_get(v, "default"),
	};
}

static int check_default(const struct check *c, const struct mode_input *in, const char *base)
{
	struct err why = ERR_INIT;
	cleanup_json json_t *v = NULL;

	if (!in->otherwise)
		return 0;
	v = mode_check_value(in, in->otherwise, "default", &why);
	if (v)
		return 0;
	if (why.code == ERR_NOMEM)
		return err_nomem(c->e);
	return yaml_error(c->y, at("%s/default", base).text, c->e, "%s", why.text);
}

static int check_input(const struct check *c, json_t *list, size_t i, struct mode_input *in)
{
	struct place base = at("/inputs/%zu", i);
	json_t *v = json_array_get(list, i);
	int type;

	if (yaml_known(c->y, base.text, input_fields, "mode's input", c->e) || check_name(c, v, base.text, "name"))
		return -1;
	if (seen_before(list, i, "name"))
		return yaml_error(c->y, base.text, c->e, "there are two inputs \"%s\"", json_str(v, "name"));
	type = check_choice(c, v, base.text, "type", input_types);
	if (type < 0 || check_text(c, v, base.text, "label", false) ||
		check_text(c, v, base.text, "placeholder", false) || check_text(c, v, base.text, "help", false) ||
		check_bool(c, v, base.text, "required") || check_bool(c, v, base.text, "multiple") ||
		check_options(c, v, base.text) || check_accept(c, v, base.text))
		return -1;
	if (json_get(v, "multiple") && type != INPUT_FILE && type != INPUT_SELECT)
		return yaml_error(c->y, at("%s/multiple", base.text).text, c->e,
			"only inputs of type file and select can be multiple");
	if (!json_get(v, "label") && json_put(v, "label", json_incref(json_get(v, "name"))))
		return err_nomem(c->e);
	read_input(in, v, type);
	return check_default(c, in, base.text);
}

static int check_inputs(const struct check *c, struct mode *m)
{
	json_t *list = json_get(m->json, "inputs");

	if (check_list(c, m->json, "", "inputs", "inputs"))
		return -1;
	m->inputs = mem_calloc(json_array_size(list) + 1, sizeof *m->inputs);
	if (!m->inputs)
		return err_nomem(c->e);
	for (size_t i = 0; i < json_array_size(list); i++)
		if (check_input(c, list, i, &m->inputs[m->input_count++]))
			return -1;
	return 0;
}

static int check_outputs(const struct check *c, json_t *root)
{
	json_t *list = json_get(root, "outputs");

	if (check_list(c, root, "", "outputs", "outputs"))
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct place base = at("/outputs/%zu", i);
		json_t *v = json_array_get(list, i);
		if (yaml_known(c->y, base.text, output_fields, "mode's output", c->e) ||
			check_name(c, v, base.text, "name") ||
			check_choice(c, v, base.text, "type", output_types) < 0 ||
			check_text(c, v, base.text, "label", false))
			return -1;
		if (seen_before(list, i, "name"))
			return yaml_error(c->y, base.text, c->e, "there are two outputs \"%s\"", json_str(v, "name"));
		if (!json_get(v, "label") && json_put(v, "label", json_incref(json_get(v, "name"))))
			return err_nomem(c->e);
	}
	return 0;
}

/* ---- the rest ---- */

/* An object at the top level, made when absent; NULL: -1. */
static json_t *check_object(const struct check *c, json_t *root, const char *key)
{
	json_t *v = json_get(root, key);

	if (v && !json_is_object(v)) {
		yaml_error(c->y, at("/%s", key).text, c->e, "%s must be a mapping of names to values", key);
		return NULL;
	}
	if (!v && json_put(root, key, json_object())) {
		err_nomem(c->e);
		return NULL;
	}
	return json_get(root, key);
}

static int check_examples(const struct check *c, const struct mode *m)
{
	const json_t *list = json_get(m->json, "examples");

	if (check_list(c, m->json, "", "examples", "examples"))
		return -1;
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct place base = at("/examples/%zu", i);
		const json_t *v = json_array_get(list, i);
		json_t *inputs = json_get(v, "inputs");
		if (yaml_known(c->y, base.text, example_fields, "mode's example", c->e) ||
			check_text(c, v, base.text, "name", true))
			return -1;
		if (!json_is_object(inputs))
			return yaml_error(
				c->y, base.text, c->e, "an example needs inputs, a mapping of names to values");
		for (void *it = json_object_iter(inputs); it; it = json_object_iter_next(inputs, it)) {
			const char *name = json_object_iter_key(it);
			const struct mode_input *in = mode_input(m, name);
			struct place p = at("%s/inputs/%s", base.text, name);
			struct err why = ERR_INIT;
			cleanup_json json_t *value =
				in ? mode_check_value(in, json_object_iter_value(it), name, &why) : NULL;
			if (!value && why.code == ERR_NOMEM)
				return err_nomem(c->e);
			if (!value)
				return yaml_error(c->y, p.text, c->e, "%s%.60s%s",
					in ? why.text : "there is no input \"", in ? "" : name, in ? "" : "\"");
		}
	}
	return 0;
}

static int fill_lists(json_t *root)
{
	static const char *const lists[] = {
		"tags", "inputs", "outputs", "gates", "roles", "calls", "examples", "tips", NULL};
	static const char *const texts[] = {"category", "icon", NULL};

	for (const char *const *key = lists; *key; key++)
		if (!json_get(root, *key) && json_put(root, *key, json_array()))
			return -1;
	for (const char *const *key = texts; *key; key++)
		if (!json_get(root, *key) && json_put(root, *key, json_string("")))
			return -1;
	return 0;
}

static int check_id(const struct check *c, const struct mode *m)
{
	const char *folder = strrchr(m->dir, '/') ? strrchr(m->dir, '/') + 1 : m->dir;

	if (check_name(c, m->json, "", "id"))
		return -1;
	if (strcmp(json_str(m->json, "id"), folder) != 0)
		return yaml_error(c->y, "/id", c->e, "the id \"%s\" must be the folder's name, \"%s\"",
			json_str(m->json, "id"), folder);
	return 0;
}

static int check_named_by(const struct check *c, const struct mode *m)
{
	const char *name = json_str(m->json, "named_by");

	if (check_text(c, m->json, "", "named_by", false))
		return -1;
	return !name || mode_input(m, name) ? 0 : yaml_error(c->y, "/named_by", c->e, "there is no input \"%s\"", name);
}

static int check_all(const struct check *c, struct mode *m)
{
	json_t *root = m->json;

	if (yaml_known(c->y, "", fields, "mode", c->e) || check_id(c, m) || check_text(c, root, "", "name", true) ||
		check_text(c, root, "", "description", true) || check_choice(c, root, "", "engine", engines) < 0 ||
		check_text(c, root, "", "category", false) || check_text(c, root, "", "icon", false) ||
		check_texts(c, root, "", "tags", "texts", false) || check_inputs(c, m) || check_named_by(c, m) ||
		check_outputs(c, root) || check_texts(c, root, "", "gates", "names", true) ||
		check_texts(c, root, "", "roles", "role ids", true) ||
		check_texts(c, root, "", "calls", "modes", true) || check_texts(c, root, "", "tips", "texts", false) ||
		!check_object(c, root, "settings") || !check_object(c, root, "limits") ||
		!check_object(c, root, "estimate"))
		return -1;
	return 0;
}

static int check_figures(const struct check *c, const json_t *root)
{
	if ((json_object_size(json_get(root, "limits")) &&
		    yaml_known(c->y, "/limits", limit_fields, "mode's limits", c->e)) ||
		(json_object_size(json_get(root, "estimate")) &&
			yaml_known(c->y, "/estimate", estimate_fields, "mode's estimate", c->e)))
		return -1;
	if (check_numbers(c, root, "limits", "minutes", 1) || check_numbers(c, root, "limits", "retries", 1))
		return -1;
	return check_numbers(c, root, "estimate", "minutes", 2) || check_numbers(c, root, "estimate", "usd", 2) ? -1
														: 0;
}

static void read_fields(struct mode *m)
{
	m->id = json_str(m->json, "id");
	m->name = json_str(m->json, "name");
	m->description = json_str(m->json, "description");
	m->engine = json_str(m->json, "engine");
	m->category = json_str(m->json, "category");
	m->icon = json_str(m->json, "icon");
	m->named_by = json_str(m->json, "named_by");
	m->tags = json_get(m->json, "tags");
	m->outputs = json_get(m->json, "outputs");
	m->gates = json_get(m->json, "gates");
	m->settings = json_get(m->json, "settings");
	m->roles = json_get(m->json, "roles");
	m->calls = json_get(m->json, "calls");
	m->limits = json_get(m->json, "limits");
	m->estimate = json_get(m->json, "estimate");
	m->examples = json_get(m->json, "examples");
	m->tips = json_get(m->json, "tips");
}

static int load(struct mode *m, const char *dir, struct err *e)
{
	cleanup_free char *path = fs_join(dir, "mode.yaml");
	struct yaml_doc y;
	struct check c = {&y, e};
	size_t n = strlen(dir);
	int rc;

	while (n > 1 && dir[n - 1] == '/')
		n--;
	m->dir = mem_strndup(dir, n);
	if (!path || !m->dir)
		return err_nomem(e);
	if (yaml_load(&y, path, e))
		return -1;
	m->json = json_incref(y.root);
	rc = check_all(&c, m) || check_figures(&c, m->json) || check_examples(&c, m) ? -1 : 0;
	yaml_release(&y);
	if (rc == 0 && fill_lists(m->json))
		rc = err_nomem(e);
	if (rc == 0)
		read_fields(m);
	return rc;
}

struct mode *mode_load(const char *dir, struct err *e)
{
	struct mode *m = MEM_NEW(struct mode);

	if (!m)
		err_nomem(e);
	else if (load(m, dir, e) == 0)
		return m;
	mode_free(m);
	return NULL;
}

struct mode *mode_pinned(const json_t *json, struct err *e)
{
	struct mode *m = MEM_NEW(struct mode);
	char name[] = "mode.yaml";
	struct yaml_doc pinned = {.name = name};
	struct check c = {&pinned, e};

	if (m)
		pinned.root = m->json = json_clone_deep(json);
	map_init(&pinned.lines, 1);
	if (!m || !m->json)
		err_nomem(e);
	else if (check_inputs(&c, m) == 0) {
		read_fields(m);
		return m;
	}
	mode_free(m);
	return NULL;
}

void mode_free(struct mode *m)
{
	if (!m)
		return;
	json_decref(m->json);
	mem_free(m->dir);
	mem_free(m->inputs);
	mem_free(m);
}

json_t *mode_json(const struct mode *m, struct err *e)
{
	json_t *v = json_clone(m->json);

	if (v && json_put(v, "dir", json_string(m->dir)) == 0)
		return v;
	json_decref(v);
	err_nomem(e);
	return NULL;
}
