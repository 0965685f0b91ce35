/* options: a table row per option; every source goes through option_set, which checks type and range.
 *
 * The configuration file is walked along the rows' names: a mapping that is no option itself must be a part of some
 * option's name, everything else is unknown. The parsed file is kept, so that parts can name lines of their trees.
 * Failure modes: an unreadable or wrong file, a wrong variable; all stop the start with a message. */
#include "config/options.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "config/nearest.h"
#include "config/yaml.h"

enum option_type { TYPE_TEXT, TYPE_INT, TYPE_NUMBER, TYPE_BOOL, TYPE_CHOICE, TYPE_TREE };

static const char *const type_names[] = {"text", "integer", "number", "boolean", "choice", "tree"};

struct option_row {
	const char *name;
	enum option_type type;
	double least, most;
	const char *standard, *environment, *choices, *help;
};

static const struct option_row rows[OPTIONS] = {
#define X(symbol, name_, type_, least_, most_, standard_, environment_, choices_, help_)                               \
	[OPTION_##symbol] = {name_, TYPE_##type_, least_, most_, standard_, environment_, choices_, help_},
#include "config/options.def"
#undef X
};

struct options {
	json_t *values[OPTIONS];
	char *sources[OPTIONS];
	bool from_file[OPTIONS];
	struct yaml_doc file; /* name NULL: none */
};

/* ---- one value ---- */

static bool choice_ok(const char *choices, const char *value)
{
	size_t n = strlen(value);

	for (const char *p = choices; *p;) {
		size_t len = strcspn(p, " ");
		if (len == n && memcmp(p, value, n) == 0)
			return true;
		p += len + strspn(p + len, " ");
	}
	return false;
}

static const char *found_type(const json_t *v)
{
	static const char *const names[] = {
		"a mapping", "a list", "text", "an integer", "a number", "true", "false", "nothing"};

	return names[json_typeof(v)];
}

/* "log.level must be … ", without the source, which the callers put in front. */
static int option_check(const struct option_row *row, const json_t *v, struct err *e)
{
	switch (row->type) {
	case TYPE_TEXT:
		if (!json_is_string(v))
			return err_set(e, ERR_INVALID, "%s must be text, not %s", row->name, found_type(v));
		if ((double)json_string_length(v) > row->most)
			return err_set(e, ERR_INVALID, "%s is longer than %.0f bytes", row->name, row->most);
		return 0;
	case TYPE_CHOICE:
		if (!json_is_string(v) || !choice_ok(row->choices, json_string_value(v)))
			return err_set(e, ERR_INVALID, "%s must be one of: %s", row->name, row->choices);
		return 0;
	case TYPE_BOOL:
		if (!json_is_boolean(v))
			return err_set(e, ERR_INVALID, "%s must be true or false, not %s", row->name, found_type(v));
		return 0;
	case TYPE_INT:
		if (!json_is_integer(v))
			return err_set(e, ERR_INVALID, "%s must be an integer, not %s", row->name, found_type(v));
		break;
	case TYPE_NUMBER:
		if (!json_is_number(v))
			return err_set(e, ERR_INVALID, "%s must be a number, not %s", row->name, found_type(v));
		break;
	case TYPE_TREE:
		if (json_typeof(v) != (row->standard[0] == '[' ? JSON_ARRAY : JSON_OBJECT))
			return err_set(e, ERR_INVALID, "%s must be a %s, not %s", row->name,
				row->standard[0] == '[' ? "list" : "mapping", found_type(v));
		return 0;
	}
	if (json_number_value(v) < row->least || json_number_value(v) > row->most)
		return err_set(e, ERR_INVALID, "%s must be between %.15g and %.15g, not %.15g", row->name, row->least,
			row->most, json_number_value(v));
	return 0;
}

/* `v` is consumed. */
static int option_set(struct options *o, enum option which, json_t *v, const char *source, struct err *e)
{
	cleanup_json json_t *owned = v;
	char *from;

	if (!v)
		return err_nomem(e);
	if (option_check(&rows[which], v, e))
		return err_wrap(e, "%s", source);
	from = mem_strdup(source);
	if (!from)
		return err_nomem(e);
	mem_free(o->sources[which]);
	o->sources[which] = from;
	json_decref(o->values[which]);
	o->values[which] = steal(&owned);
	o->from_file[which] = false;
	return 0;
}

/* A value given as one text: a default, a variable, an override. */
static int option_set_text(struct options *o, enum option which, const char *text, const char *source, struct err *e)
{
	const struct option_row *row = &rows[which];
	struct yaml_doc doc;
	json_t *v;

	if (row->type == TYPE_TEXT || row->type == TYPE_CHOICE)
		return option_set(o, which, json_from_span(span_of(text)), source, e);
	if (row->type == TYPE_BOOL && (strcmp(text, "1") == 0 || strcmp(text, "0") == 0))
		return option_set(o, which, json_boolean(text[0] == '1'), source, e);
	if (yaml_parse(&doc, span_of(text), source, 1, e))
		return -1;
	v = json_incref(doc.root);
	yaml_release(&doc);
	return option_set(o, which, v, source, e);
}

/* ---- the file ---- */

/* Is `name` a row (its number), the beginning of rows' names (OPTIONS), or unknown (-1)? */
static int row_named(const char *name)
{
	size_t n = strlen(name);
	int found = -1;

	for (int i = 0; i < OPTIONS; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return i;
		if (strncmp(rows[i].name, name, n) == 0 && rows[i].name[n] == '.')
			found = OPTIONS;
	}
	return found;
}

static const char *row_hint(struct nearest *near, const char *name)
{
	nearest_init(near, name);
	for (int i = 0; i < OPTIONS; i++)
		nearest_try(near, rows[i].name);
	return nearest_hint(near);
}

static int read_mapping(struct options *o, const json_t *v, const char *prefix, const char *pointer, struct err *e);

static int read_member(
	struct options *o, const char *key, json_t *v, const char *prefix, const char *pointer, struct err *e)
{
	cleanup_buf struct buf name = BUF_INIT(4 * KIB), at = BUF_INIT(4 * KIB), source = BUF_INIT(8 * KIB);
	struct nearest near;
	int which;

	buf_addf(&name, "%s%s%s", prefix, *prefix ? "." : "", key);
	buf_adds(&at, pointer);
	yaml_pointer(&at, span_of(key));
	if (buf_check(&name, "an option's name", e) || buf_check(&at, "an option's name", e))
		return -1;
	which = row_named(name.data);
	if (which < 0)
		return yaml_error(
			&o->file, at.data, e, "there is no option \"%.100s\"%s", name.data, row_hint(&near, name.data));
	if (which == OPTIONS)
		return read_mapping(o, v, name.data, at.data, e);
	buf_addf(&source, "%s:%d", o->file.name, yaml_line(&o->file, at.data));
	if (buf_check(&source, "a file's name", e) || option_set(o, (enum option)which, json_incref(v), source.data, e))
		return -1;
	o->from_file[which] = true;
	return 0;
}

static int read_mapping(struct options *o, const json_t *v, const char *prefix, const char *pointer, struct err *e)
{
	const char *key;
	json_t *member;

	if (json_is_null(v))
		return 0;
	if (!json_is_object(v))
		return yaml_error(&o->file, pointer, e, "%s must be a mapping of names to values",
			*prefix ? prefix : "the configuration");
	json_object_foreach((json_t *)v, key, member)
	{
		if (read_member(o, key, member, prefix, pointer, e))
			return -1;
	}
	return 0;
}

static int read_file(struct options *o, const char *data_dir, struct err *e)
{
	const char *named = getenv("MUSTER_CONFIG");
	cleanup_free char *path = NULL;

	if (named && *named) {
		if (yaml_load(&o->file, named, e))
			return err_wrap(e, "MUSTER_CONFIG");
		return read_mapping(o, o->file.root, "", "", e);
	}
	if (!data_dir)
		return 0;
	path = fs_join(data_dir, "config.yaml");
	if (!path)
		return err_nomem(e);
	if (!fs_exists(path))
		return 0;
	if (yaml_load(&o->file, path, e))
		return -1;
	return read_mapping(o, o->file.root, "", "", e);
}

/* ---- the whole ---- */

char *options_data_dir(const char *flag, struct err *e)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_DATA_HOME"), *data = getenv("MUSTER_DATA");
	char *path = NULL;

	if (!flag || !*flag)
		flag = data;
	if (flag && flag[0] == '/') {
		path = mem_strdup(flag);
	} else if (flag && *flag) {
		char cwd[PATH_MAX];
		if (!getcwd(cwd, sizeof cwd)) {
			err_errno(e, errno, "the current folder");
			return NULL;
		}
		path = fs_join(cwd, flag);
	} else if (xdg && xdg[0] == '/') {
		path = fs_join(xdg, "muster");
	} else if (home && home[0] == '/') {
		path = fs_join(home, ".local/share/muster");
	} else {
		err_set(e, ERR_USAGE, "no data folder: give --data DIR, or set MUSTER_DATA or HOME");
		return NULL;
	}
	if (!path)
		err_nomem(e);
	return path;
}

/* Defaults, then a file or this text, then the environment. */
static struct options *load(const char *data_dir, struct span text, const char *name, struct err *e)
{
	struct options *o = MEM_NEW(struct options);

	if (!o) {
		err_nomem(e);
		return NULL;
	}
	for (int i = 0; i < OPTIONS; i++)
		if (option_set_text(o, (enum option)i, rows[i].standard, "default", e))
			goto fail;
	if (name ? yaml_parse(&o->file, text, name, 1, e) || read_mapping(o, o->file.root, "", "", e)
		 : read_file(o, data_dir, e))
		goto fail;
	for (int i = 0; i < OPTIONS; i++) {
		const char *v = rows[i].environment[0] ? getenv(rows[i].environment) : NULL;
		if (v && *v && option_set_text(o, (enum option)i, v, rows[i].environment, e))
			goto fail;
	}
	return o;
fail:
	options_free(o);
	return NULL;
}

struct options *options_load(const char *data_dir, struct err *e)
{
	return load(data_dir, SPAN_NONE, NULL, e);
}

struct options *options_read(struct span text, const char *name, struct err *e)
{
	return load(NULL, text, name, e);
}

int options_take(struct options *o, enum option which, const struct options *from, struct err *e)
{
	return option_set(o, which, json_incref(from->values[which]), from->sources[which], e);
}

void options_free(struct options *o)
{
	if (!o)
		return;
	for (int i = 0; i < OPTIONS; i++) {
		json_decref(o->values[i]);
		mem_free(o->sources[i]);
	}
	if (o->file.name)
		yaml_release(&o->file);
	mem_free(o);
}

int options_override(struct options *o, const char *assignment, struct err *e)
{
	const char *eq = strchr(assignment, '=');
	cleanup_free char *name = NULL;
	struct nearest near;
	int which;

	if (!eq)
		return err_set(e, ERR_USAGE, "\"%.100s\" must be written NAME=VALUE", assignment);
	name = mem_strndup(assignment, (size_t)(eq - assignment));
	if (!name)
		return err_nomem(e);
	which = row_named(name);
	if (which < 0 || which == OPTIONS)
		return err_set(e, ERR_USAGE, "there is no option \"%.100s\"%s", name, row_hint(&near, name));
	return option_set_text(o, (enum option)which, eq + 1, "command line", e);
}

/* ---- reading ---- */

static const json_t *value(const struct options *o, enum option which, enum option_type type)
{
	if (rows[which].type != type)
		BUG("option %s is read as %s", rows[which].name, type_names[type]);
	return o->values[which];
}

const char *options_text(const struct options *o, enum option which)
{
	return json_string_value(value(o, which, rows[which].type == TYPE_CHOICE ? TYPE_CHOICE : TYPE_TEXT));
}

int64_t options_int(const struct options *o, enum option which)
{
	return json_integer_value(value(o, which, TYPE_INT));
}

double options_number(const struct options *o, enum option which)
{
	return json_number_value(value(o, which, TYPE_NUMBER));
}

bool options_bool(const struct options *o, enum option which)
{
	return json_is_true(value(o, which, TYPE_BOOL));
}

const json_t *options_tree(const struct options *o, enum option which)
{
	return value(o, which, TYPE_TREE);
}

const json_t *options_value(const struct options *o, enum option which)
{
	return o->values[which];
}

const char *options_source(const struct options *o, enum option which)
{
	return o->sources[which];
}

const char *option_name(enum option which)
{
	return rows[which].name;
}

int options_tree_error(
	const struct options *o, enum option which, const char *pointer, struct err *e, const char *fmt, ...)
{
	cleanup_buf struct buf at = BUF_INIT(4 * KIB);
	va_list ap;

	va_start(ap, fmt);
	err_setv(e, ERR_INVALID, fmt, ap);
	va_end(ap);
	for (const char *p = rows[which].name; *p; p++) {
		if (p == rows[which].name)
			buf_addc(&at, '/');
		buf_addc(&at, *p == '.' ? '/' : *p);
	}
	buf_adds(&at, pointer);
	err_wrap(e, "%s%s", rows[which].name, pointer);
	if (o->from_file[which] && !at.failed)
		return err_wrap(e, "%s:%d", o->file.name, yaml_line(&o->file, at.data));
	return err_wrap(e, "%s", o->sources[which]);
}

static json_t *describe_row(const struct options *o, enum option which, struct err *e)
{
	const struct option_row *row = &rows[which];
	cleanup_json json_t *v = json_make(e, "{s:s, s:s, s:s, s:s}", "name", row->name, "type", type_names[row->type],
		"default", row->standard, "help", row->help);
	int rc = 0;

	if (!v)
		return NULL;
	if (row->type == TYPE_INT || row->type == TYPE_NUMBER) {
		rc |= json_put(v, "least", json_real(row->least));
		rc |= json_put(v, "most", json_real(row->most));
	}
	if (*row->choices)
		rc |= json_put(v, "choices", json_string(row->choices));
	if (*row->environment)
		rc |= json_put(v, "environment", json_string(row->environment));
	if (o) {
		if (which != OPTION_PROVIDERS)
			rc |= json_put(v, "value", json_incref(o->values[which]));
		rc |= json_put(v, "source", json_string(o->sources[which]));
	}
	if (rc) {
		err_nomem(e);
		return NULL;
	}
	return steal(&v);
}

json_t *options_describe(const struct options *o, struct err *e)
{
	cleanup_json json_t *all = json_array();

	if (!all) {
		err_nomem(e);
		return NULL;
	}
	for (int i = 0; i < OPTIONS; i++) {
		json_t *row = describe_row(o, (enum option)i, e);
		if (!row)
			return NULL;
		if (json_array_append_new(all, row)) {
			err_nomem(e);
			return NULL;
		}
	}
	return steal(&all);
}
