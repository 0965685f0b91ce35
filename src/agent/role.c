/* role: see role.h. */
#include "agent/role.h"

#include <ctype.h>
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/schema.h"
#include "config/frontmatter.h"
#include "config/nearest.h"
#include "tools/tool.h"

static const char *const role_fields[] = {"id", "name", "class", "model", "temperature", "tools", "output", "dialect",
	"language", "context", "check", "limits", "prices", NULL};
static const char *const role_limits[] = {"turns", "output_tokens", "minutes", NULL};
static const char *const role_classes[] = {"fast", "strong", "reasoning", "vision", "embed", NULL};
static const char *const context_names[] = {"memory", "tree", "children", NULL};
static const char *const check_names[] = {"none", "run", "pass", NULL};

static int text_field(const struct yaml_doc *y, const char *key, bool required, char **out, struct err *e)
{
	const char *value = json_str(y->root, key);
	char pointer[64];
	snprintf(pointer, sizeof(pointer), "/%s", key);
	if (!value && json_get(y->root, key))
		return yaml_error(y, pointer, e, "%s must be a text", key);
	if (!value)
		return required ? yaml_error(y, "", e, "a role needs `%s`", key) : 0;
	*out = mem_strdup(value);
	return *out ? 0 : err_nomem(e);
}

/* The index of a field's value in a list of names; otherwise: absent. */
static int choice(
	const struct yaml_doc *y, const char *key, const char *const *names, int otherwise, int *out, struct err *e)
{
	const char *value = json_str(y->root, key);
	char pointer[64];
	*out = otherwise;
	if (!json_get(y->root, key))
		return 0;
	for (int i = 0; value && names[i]; i++)
		if (!strcmp(value, names[i])) {
			*out = i;
			return 0;
		}
	struct nearest n;
	nearest_init(&n, value ? value : "");
	for (int i = 0; names[i]; i++)
		nearest_try(&n, names[i]);
	snprintf(pointer, sizeof(pointer), "/%s", key);
	return yaml_error(y, pointer, e, "\"%s\" is no %s%s", value ? value : "?", key, nearest_hint(&n));
}

static int limit(const struct yaml_doc *y, const char *key, int least, int most, int otherwise, int *out, struct err *e)
{
	const json_t *value = json_get(json_get(y->root, "limits"), key);
	char pointer[64];
	*out = otherwise;
	if (!value)
		return 0;
	snprintf(pointer, sizeof(pointer), "/limits/%s", key);
	json_int_t n = json_integer_value(value);
	if (!json_is_integer(value) || n < least || n > most)
		return yaml_error(y, pointer, e, "limits.%s must be a whole number from %d to %d", key, least, most);
	*out = (int)n;
	return 0;
}

static int read_lists(struct role *r, const struct yaml_doc *y, struct err *e)
{
	size_t i;
	json_t *item;
	const json_t *tools = json_get(y->root, "tools"), *context = json_get(y->root, "context");
	r->tools = tools ? json_incref((json_t *)tools) : json_array();
	if (tools && !json_is_array(tools))
		return yaml_error(y, "/tools", e, "tools must be a list of names");
	json_array_foreach(tools, i, item) if (!json_is_string(item)) return yaml_error(
		y, "/tools", e, "tools must be a list of names");
	if (context && !json_is_array(context))
		return yaml_error(y, "/context", e, "context must be a list of memory, tree and children");
	json_array_foreach(context, i, item)
	{
		unsigned bit = 0;
		for (unsigned k = 0; context_names[k]; k++)
			if (json_is_string(item) && !strcmp(json_string_value(item), context_names[k]))
				bit = 1u << k;
		if (!bit)
			return yaml_error(y, "/context", e, "context may hold memory, tree and children");
		r->context |= bit;
	}
	const json_t *output = json_get(y->root, "output");
	if (output && schema_check(output, e)) {
		struct err why = *e;
		return yaml_error(y, "/output", e, "output: %s", why.text);
	}
	r->output = json_incref((json_t *)output);
	r->prices = json_incref(json_get(y->root, "prices"));
	return 0;
}

static int read_fields(struct role *r, const struct yaml_doc *y, struct err *e)
{
	static const char *const dialects[] = {"native", "directive", NULL};
	static const char *const languages[] = {"master", "manager", "coder", "tester", NULL};
	int dialect, language, check, class;
	const json_t *temperature = json_get(y->root, "temperature");
	if (!json_is_object(y->root))
		return yaml_error(y, "", e, "the front matter must be a list of fields");
	if (yaml_known(y, "", role_fields, "role", e))
		return -1;
	if (json_get(y->root, "limits") && yaml_known(y, "/limits", role_limits, "limits", e))
		return -1;
	if (text_field(y, "id", true, &r->id, e) || text_field(y, "name", false, &r->name, e) ||
		text_field(y, "model", false, &r->model, e) || choice(y, "class", role_classes, 1, &class, e) ||
		choice(y, "dialect", dialects, 0, &dialect, e) || choice(y, "language", languages, -1, &language, e) ||
		choice(y, "check", check_names, 0, &check, e) || limit(y, "turns", 1, 10000, 40, &r->turns, e) ||
		limit(y, "output_tokens", 64, 200000, 8000, &r->output_tokens, e) ||
		limit(y, "minutes", 1, 600, 20, &r->minutes, e) || read_lists(r, y, e))
		return -1;
	if (temperature && (!json_is_number(temperature) || json_number_value(temperature) < 0 ||
				   json_number_value(temperature) > 2))
		return yaml_error(y, "/temperature", e, "temperature must be a number from 0 to 2");
	r->temperature = temperature ? json_number_value(temperature) : -1;
	r->class = mem_strdup(role_classes[class]);
	r->dialect = (enum role_dialect)dialect;
	r->has_language = language >= 0;
	r->language = (enum directive_language)(language < 0 ? 0 : language);
	r->check = (enum role_check)check;
	if (!r->name)
		r->name = mem_strdup(r->id);
	return r->class && r->name ? 0 : err_nomem(e);
}

struct role *role_parse(struct span text, const char *path, struct err *e)
{
	struct frontmatter f;
	if (frontmatter_parse(&f, text, path, e))
		return NULL;
	struct role *r = MEM_NEW(struct role);
	int failed = !r ? err_nomem(e) : 0;
	if (r) {
		r->refs = 1;
		failed = read_fields(r, &f.yaml, e);
		if (!failed && !(r->body = span_dup(span_trim(f.body))))
			failed = err_nomem(e);
	}
	frontmatter_release(&f);
	if (!failed)
		return r;
	role_unref(r);
	return NULL;
}

int role_check_tools(const struct role *r, const char *path, struct err *e)
{
	size_t i;
	json_t *name;
	json_array_foreach(r->tools, i, name)
	{
		cleanup_buf struct buf known = BUF_INIT(4 * KIB);
		if (tool_named(json_string_value(name)))
			continue;
		for (const struct tool *const *t = tool_table; *t; t++)
			buf_addf(&known, "%s%s", t == tool_table ? "" : ", ", (*t)->name);
		return err_set(e, ERR_INVALID, "%s: there is no tool \"%.60s\"; there are: %s", path,
			json_string_value(name), known.data ? known.data : "");
	}
	return 0;
}

struct role *role_ref(struct role *r)
{
	r->refs++;
	return r;
}

void role_unref(struct role *r)
{
	if (!r || --r->refs)
		return;
	mem_free(r->id);
	mem_free(r->name);
	mem_free(r->class);
	mem_free(r->model);
	mem_free(r->body);
	json_decref(r->tools);
	json_decref(r->output);
	json_decref(r->prices);
	mem_free(r);
}

/* A slot is {name}: a letter, then letters, digits and _; any other brace stands for itself, {{ and }} for one. */
static size_t slot_length(struct span text, size_t at)
{
	size_t i = at + 1;
	if (i >= text.n || !(isalpha((unsigned char)text.p[i])))
		return 0;
	while (i < text.n && (isalnum((unsigned char)text.p[i]) || text.p[i] == '_'))
		i++;
	return i < text.n && text.p[i] == '}' ? i - at - 1 : 0;
}

int text_fill(struct span text, const char *what, const json_t *vars, struct buf *out, struct err *e)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		size_t n = c == '{' ? slot_length(text, i) : 0;
		if ((c == '{' || c == '}') && i + 1 < text.n && text.p[i + 1] == c) {
			buf_addc(out, c);
			i++;
			continue;
		}
		if (!n) {
			buf_addc(out, c);
			continue;
		}
		char name[64];
		snprintf(name, sizeof(name), "%.*s", (int)(n < 63 ? n : 63), text.p + i + 1);
		const json_t *value = json_get(vars, name);
		if (!value)
			return err_set(e, ERR_INVALID,
				"%s has the slot {%s}, for which no value is given (vars = {%s = …})", what, name,
				name);
		if (json_is_string(value))
			buf_addspan(out, json_span(vars, name));
		else
			json_print(value, out);
		i += n + 1;
	}
	return buf_check(out, what, e);
}

int role_prompt(const struct role *r, const json_t *vars, struct buf *out, struct err *e)
{
	char what[128];
	snprintf(what, sizeof(what), "role %s", r->id);
	return text_fill(span_of(r->body), what, vars, out, e);
}
