/* shape: recursive descent over the notation of shape.h. */
#include "base/shape.h"

#include <string.h>

struct reader {
	const char *text, *at;
	const char *prefix;
	struct err *e;
};

static json_t *bad(struct reader *r, const char *what)
{
	if (r->e->code == ERR_OK)
		err_set(r->e, ERR_INVALID, "\"%s\" is no shape: %s at \"%s\"", r->text, what, r->at);
	return NULL;
}

static json_t *type_of(struct reader *r);

/* name: letters, digits and _ */
static size_t name_length(const char *at)
{
	return strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$");
}

static json_t *plain(struct reader *r, const char *type)
{
	r->at++;
	return type ? json_make(r->e, "{s:s}", "type", type) : json_make(r->e, "{}");
}

/* "(" word ("|" word)* ")" */
static json_t *words(struct reader *r)
{
	cleanup_json json_t *list = json_make(r->e, "[]");
	if (!list)
		return NULL;
	do {
		size_t n = strcspn(++r->at, "|)");
		if (!n || !r->at[n])
			return bad(r, "a word and then | or ) is expected");
		if (json_array_append_new(list, json_stringn(r->at, n)))
			return err_nomem(r->e), NULL;
		r->at += n;
	} while (*r->at == '|');
	r->at++;
	return json_make(r->e, "{s:s, s:O}", "type", "string", "enum", list);
}

/* "[" type "]" */
static json_t *list_of(struct reader *r)
{
	r->at++;
	json_t *item = type_of(r);
	if (!item)
		return NULL;
	if (*r->at != ']') {
		json_decref(item);
		return bad(r, "] is expected");
	}
	r->at++;
	return json_make(r->e, "{s:s, s:o}", "type", "array", "items", item);
}

static json_t *reference(struct reader *r)
{
	size_t n = name_length(++r->at);
	if (!n)
		return bad(r, "a name is expected");
	json_t *out =
		json_make(r->e, "{s:o}", "$ref", json_sprintf("%s%.*s", r->prefix ? r->prefix : "", (int)n, r->at));
	r->at += n;
	return out;
}

static json_t *nullable(struct reader *r, json_t *type)
{
	r->at++;
	return json_make(r->e, "{s:[o, {s:s}]}", "anyOf", type, "type", "null");
}

static json_t *one(struct reader *r)
{
	switch (*r->at) {
	case 's':
		return plain(r, "string");
	case 'i':
		return plain(r, "integer");
	case 't':
		return plain(r, "integer");
	case 'n':
		return plain(r, "number");
	case 'b':
		return plain(r, "boolean");
	case 'o':
		return plain(r, "object");
	case 'a':
		r->at++;
		return json_make(r->e, "{s:s, s:{}}", "type", "array", "items");
	case 'x':
		return plain(r, NULL);
	case 'h':
		return plain(r, "string");
	case '(':
		return words(r);
	case '[':
		return list_of(r);
	case '@':
		return reference(r);
	default:
		return bad(r, "a type is expected");
	}
}

static json_t *type_of(struct reader *r)
{
	json_t *out = one(r);
	return out && *r->at == '~' ? nullable(r, out) : out;
}

json_t *shape_type(const char *type, const char *prefix, struct err *e)
{
	struct reader r = {.text = type, .at = type, .prefix = prefix, .e = e};
	cleanup_json json_t *out = type_of(&r);
	return out && *r.at ? bad(&r, "nothing more is expected") : json_incref(out);
}

/* name ":" type "?"? */
static int field(struct reader *r, json_t *properties, json_t *required)
{
	size_t n = name_length(r->at);
	const char *name = r->at;
	if (!n || name[n] != ':') {
		bad(r, "a name and : is expected");
		return -1;
	}
	r->at += n + 1;
	json_t *type = type_of(r);
	if (!type)
		return -1;
	if (json_object_setn_new(properties, name, n, type))
		return err_nomem(r->e);
	if (*r->at == '?')
		r->at++;
	else if (json_array_append_new(required, json_stringn(name, n)))
		return err_nomem(r->e);
	if (*r->at && *r->at != ' ') {
		bad(r, "a blank is expected");
		return -1;
	}
	r->at += strspn(r->at, " ");
	return 0;
}

json_t *shape_schema(const char *fields, bool others, const char *prefix, struct err *e)
{
	struct reader r = {.text = fields, .at = fields, .prefix = prefix, .e = e};
	cleanup_json json_t *properties = json_make(e, "{}"), *required = json_make(e, "[]");
	if (!properties || !required)
		return NULL;
	while (*r.at)
		if (field(&r, properties, required))
			return NULL;
	json_t *out = json_make(e, "{s:s, s:O, s:O}", "type", "object", "properties", properties, "required", required);
	if (out && !others && json_put(out, "additionalProperties", json_false())) {
		json_decref(out);
		err_nomem(e);
		return NULL;
	}
	return out;
}
