/* schema: two walks over the schema, one that checks the schema itself, one that checks a value by it.
 * Both carry the JSON Pointer (RFC 6901) of where they are in a fixed buffer, allocate nothing, and go no deeper than
 * the value or schema is nested, which json_parse limits. anyOf tries each alternative once, into a scratch complaint,
 * so the work stays proportional to schema times value. */
#include "base/schema.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/utf8.h"

#define PATH_ROOM 256
#define COMPLAINTS 5
#define COMPLAINT_ROOM 320
#define SHOWN 48 /* bytes of a value or name in a complaint */

struct path {
	char text[PATH_ROOM];
	size_t len;
};

/* Add "/name"; returns the length to go back to with path_pop. A path too long for the buffer is cut. */
static size_t path_push(struct path *p, struct span name)
{
	size_t before = p->len, n = p->len;

	for (size_t i = 0; i <= name.n && n + 3 < PATH_ROOM; i++) {
		char c = i ? name.p[i - 1] : '/';
		if (i && (c == '~' || c == '/')) {
			p->text[n++] = '~';
			c = c == '~' ? '0' : '1';
		}
		p->text[n++] = c;
	}
	n = utf8_cut(span_n(p->text, n), n);
	p->text[n] = 0;
	p->len = n;
	return before;
}

static size_t path_push_index(struct path *p, size_t i)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%zu", i);

	return path_push(p, span_n(text, (size_t)n));
}

static void path_pop(struct path *p, size_t before)
{
	p->len = before;
	p->text[before] = 0;
}

static const char *path_text(const struct path *p)
{
	return p->len ? p->text : "the top";
}

/* ---- types ---- */

static const char *const type_names[] = {"object", "array", "string", "number", "integer", "boolean", "null"};

static bool known_type(const json_t *name)
{
	for (size_t i = 0; json_is_string(name) && i < sizeof type_names / sizeof *type_names; i++)
		if (strcmp(json_string_value(name), type_names[i]) == 0)
			return true;
	return false;
}

static const char *type_of(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "integer";
	case JSON_REAL:
		return "number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	default:
		return "null";
	}
}

/* A number without a fraction is an integer however it is written. */
static bool is_type(const json_t *v, const char *name)
{
	if (strcmp(name, type_of(v)) == 0)
		return true;
	if (strcmp(name, "number") == 0)
		return json_is_integer(v);
	return strcmp(name, "integer") == 0 && json_is_real(v) && trunc(json_real_value(v)) == json_real_value(v);
}

/* ---- checking a schema ---- */

static int check(const json_t *schema, struct path *at, int depth, struct err *e);

static int wrong(struct err *e, const struct path *at, const char *keyword, const char *must)
{
	return err_set(e, ERR_INVALID, "schema: at %s: \"%s\" %s", path_text(at), keyword, must);
}

static int check_members(const json_t *v, struct path *at, int depth, struct err *e)
{
	const char *key;
	json_t *sub;

	json_object_foreach((json_t *)v, key, sub)
	{
		size_t before = path_push(at, span_of(key));
		if (check(sub, at, depth, e))
			return -1;
		path_pop(at, before);
	}
	return 0;
}

static int check_each(const json_t *v, struct path *at, int depth, struct err *e)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		size_t before = path_push_index(at, i);
		if (check(json_array_get(v, i), at, depth, e))
			return -1;
		path_pop(at, before);
	}
	return 0;
}

static int check_types(const json_t *v, const struct path *at, struct err *e)
{
	bool good = json_is_array(v) ? json_array_size(v) > 0 : known_type(v);

	for (size_t i = 0; i < json_array_size(v); i++)
		good = good && known_type(json_array_get(v, i));
	return good ? 0
		    : wrong(e, at, "type",
			      "must be one or an array of object, array, string, number, integer, boolean, null");
}

static int check_strings(const json_t *v, const struct path *at, const char *keyword, struct err *e)
{
	bool good = json_is_array(v);

	for (size_t i = 0; i < json_array_size(v); i++)
		good = good && json_is_string(json_array_get(v, i));
	return good ? 0 : wrong(e, at, keyword, "must be an array of strings");
}

enum keyword { TYPE, PROPERTIES, REQUIRED, SCHEMA, ENUM, ANYTHING, COUNT, BOUND, ANY_OF, PATTERN };

static const struct {
	const char *name;
	enum keyword kind;
} keywords[] = {
	{"type", TYPE},
	{"properties", PROPERTIES},
	{"required", REQUIRED},
	{"additionalProperties", SCHEMA},
	{"items", SCHEMA},
	{"enum", ENUM},
	{"const", ANYTHING},
	{"minItems", COUNT},
	{"maxItems", COUNT},
	{"minLength", COUNT},
	{"maxLength", COUNT},
	{"minimum", BOUND},
	{"maximum", BOUND},
	{"anyOf", ANY_OF},
	{"pattern", PATTERN},
	/* Notes that assert nothing. */
	{"title", ANYTHING},
	{"description", ANYTHING},
	{"default", ANYTHING},
	{"examples", ANYTHING},
	{"$schema", ANYTHING},
	{"$comment", ANYTHING},
	{"deprecated", ANYTHING},
	{"readOnly", ANYTHING},
	{"writeOnly", ANYTHING},
	{"format", ANYTHING},
};

static int check_keyword(enum keyword kind, const char *key, const json_t *v, struct path *at, int depth, struct err *e)
{
	size_t before;
	int rc = 0;

	switch (kind) {
	case TYPE:
		return check_types(v, at, e);
	case REQUIRED:
		return check_strings(v, at, key, e);
	case ENUM:
		return json_array_size(v) > 0 ? 0 : wrong(e, at, key, "must be an array that is not empty");
	case COUNT:
		return json_is_integer(v) && json_integer_value(v) >= 0 ? 0
									: wrong(e, at, key, "must be a count from 0");
	case BOUND:
		return json_is_number(v) ? 0 : wrong(e, at, key, "must be a number");
	case PATTERN:
		return wrong(e, at, key, "is not supported; describe the form in words, or use enum");
	case ANYTHING:
		return 0;
	case PROPERTIES:
	case ANY_OF:
	case SCHEMA:
		break;
	}
	if (kind == PROPERTIES && !json_is_object(v))
		return wrong(e, at, key, "must be an object of schemas");
	if (kind == ANY_OF && json_array_size(v) == 0)
		return wrong(e, at, key, "must be an array of schemas that is not empty");
	before = path_push(at, span_of(key));
	if (kind == PROPERTIES)
		rc = check_members(v, at, depth, e);
	else if (kind == ANY_OF)
		rc = check_each(v, at, depth, e);
	else
		rc = check(v, at, depth, e);
	path_pop(at, before);
	return rc;
}

static int check(const json_t *schema, struct path *at, int depth, struct err *e)
{
	const size_t count = sizeof keywords / sizeof *keywords;
	const char *key;
	json_t *v;

	if (json_is_boolean(schema))
		return 0;
	if (!json_is_object(schema))
		return err_set(
			e, ERR_INVALID, "schema: at %s: a schema must be an object, true or false", path_text(at));
	if (depth >= CAP_JSON_DEPTH)
		return err_set(e, ERR_INVALID, "schema: at %s: nested deeper than %d", path_text(at), CAP_JSON_DEPTH);
	json_object_foreach((json_t *)schema, key, v)
	{
		size_t i = 0;
		while (i < count && strcmp(keywords[i].name, key) != 0)
			i++;
		if (i == count)
			return wrong(e, at, key, "is a keyword that is not supported");
		if (check_keyword(keywords[i].kind, key, v, at, depth + 1, e))
			return -1;
	}
	return 0;
}

int schema_check(const json_t *schema, struct err *e)
{
	struct path at = {.len = 0};

	return check(schema, &at, 0, e);
}

/* ---- validating a value ---- */

/* Where complaints go: the first `most` are kept, all are counted. */
struct sink {
	struct path *at;
	char (*text)[COMPLAINT_ROOM];
	int count, most;
};

__attribute__((format(printf, 2, 3))) static void complain(struct sink *s, const char *fmt, ...)
{
	va_list ap;
	char *p;

	if (s->count++ >= s->most)
		return;
	p = s->text[s->count - 1];
	va_start(ap, fmt);
	vsnprintf(p, COMPLAINT_ROOM, fmt, ap);
	va_end(ap);
	for (; *p; p++)
		if ((unsigned char)*p < 0x20) /* of a value shown: a complaint is one line */
			*p = ' ';
}

/* A short picture of a value: the type, and the value itself when it is small. */
struct shown {
	char text[SHOWN + 48];
};

static struct shown show(const json_t *v)
{
	struct shown s;
	struct span str = span_n(json_string_value(v), json_string_length(v));

	switch (json_typeof(v)) {
	case JSON_STRING:
		snprintf(s.text, sizeof s.text, "string \"%.*s\"%s", (int)utf8_cut(str, SHOWN), str.p,
			str.n > SHOWN ? "…" : "");
		break;
	case JSON_INTEGER:
		snprintf(s.text, sizeof s.text, "%" PRId64, (int64_t)json_integer_value(v));
		break;
	case JSON_REAL:
		snprintf(s.text, sizeof s.text, "%g", json_real_value(v));
		break;
	case JSON_ARRAY:
		snprintf(s.text, sizeof s.text, "array of %zu", json_array_size(v));
		break;
	case JSON_OBJECT:
		snprintf(s.text, sizeof s.text, "object");
		break;
	default:
		snprintf(s.text, sizeof s.text, "%s", json_is_null(v) ? "null" : json_is_true(v) ? "true" : "false");
	}
	return s;
}

/* "a, b, c"; ends in "…" when it does not fit. */
struct listed {
	char text[200];
	size_t len;
};

static void list_add(struct listed *l, const char *text)
{
	size_t room = sizeof l->text - l->len;
	int n;

	if (room == 1)
		return;
	n = snprintf(l->text + l->len, room, "%s%.*s", l->len ? ", " : "", SHOWN, text);

	if (n >= 0 && (size_t)n + sizeof ", …" <= room) {
		l->len += (size_t)n;
		return;
	}
	snprintf(l->text + l->len, room, "%s", l->len ? ", …" : "…");
	l->len = sizeof l->text - 1;
}

static struct listed list_values(const json_t *array)
{
	struct listed l = {.text = ""};

	for (size_t i = 0; i < json_array_size(array); i++) {
		const json_t *v = json_array_get(array, i);
		list_add(&l, json_is_string(v) ? json_string_value(v) : show(v).text);
	}
	return l;
}

static struct listed list_keys(const json_t *obj)
{
	struct listed l = {.text = ""};
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)obj, key, v)
	{
		list_add(&l, key);
	}
	return l;
}

static int number_order(const json_t *a, const json_t *b)
{
	int64_t ia = json_integer_value(a), ib = json_integer_value(b);
	double da = json_number_value(a), db = json_number_value(b);

	if (json_is_integer(a) && json_is_integer(b))
		return (ia > ib) - (ia < ib);
	return (da > db) - (da < db);
}

/* Equality in the sense of the specification: 1 and 1.0 are the same number. */
static bool same(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *v;

	if (json_is_number(a) && json_is_number(b))
		return number_order(a, b) == 0;
	if (json_is_array(a) && json_is_array(b)) {
		bool equal = json_array_size(a) == json_array_size(b);
		for (size_t i = 0; equal && i < json_array_size(a); i++)
			equal = same(json_array_get(a, i), json_array_get(b, i));
		return equal;
	}
	if (json_is_object(a) && json_is_object(b)) {
		if (json_object_size(a) != json_object_size(b))
			return false;
		json_object_foreach((json_t *)a, key, v)
		{
			json_t *other = json_object_get(b, key);
			if (!other || !same(v, other))
				return false;
		}
		return true;
	}
	return json_equal(a, b);
}

static size_t characters(struct span s)
{
	size_t n = 0;
	uint32_t cp;

	for (size_t i = 0; i < s.n; n++)
		i += utf8_char(span_n(s.p + i, s.n - i), &cp);
	return n;
}

static void validate(const json_t *schema, const json_t *v, struct sink *s);

static void at_member(const json_t *schema, struct span name, const json_t *v, struct sink *s)
{
	size_t before = path_push(s->at, name);

	validate(schema, v, s);
	path_pop(s->at, before);
}

static void validate_type(const json_t *type, const json_t *v, struct sink *s)
{
	bool good = json_is_string(type) && is_type(v, json_string_value(type));

	for (size_t i = 0; !good && i < json_array_size(type); i++)
		good = is_type(v, json_string_value(json_array_get(type, i)));
	if (!good)
		complain(s, "at %.80s: expected %s, found %s", path_text(s->at),
			json_is_string(type) ? json_string_value(type) : list_values(type).text, show(v).text);
}

static void validate_object(const json_t *schema, const json_t *v, struct sink *s)
{
	const json_t *properties = json_get(schema, "properties"), *required = json_get(schema, "required");
	const json_t *more = json_get(schema, "additionalProperties");
	const char *key;
	json_t *member;

	for (size_t i = 0; i < json_array_size(required); i++) {
		const char *name = json_string_value(json_array_get(required, i));
		if (!json_object_get(v, name))
			complain(s, "at %.80s: expected a member \"%.*s\", found none", path_text(s->at), SHOWN, name);
	}
	json_object_foreach((json_t *)v, key, member)
	{
		const json_t *sub = json_get(properties, key);
		if (sub)
			at_member(sub, span_of(key), member, s);
		else if (json_is_false(more))
			complain(s, "at %.80s: expected no member but %s, found \"%.*s\"", path_text(s->at),
				json_object_size(properties) ? list_keys(properties).text : "none", SHOWN, key);
		else if (more)
			at_member(more, span_of(key), member, s);
	}
}

static void validate_size(
	const json_t *schema, const char *least, const char *most, size_t n, const char *unit, struct sink *s)
{
	int64_t low = json_int(schema, least, 0), high = json_int(schema, most, INT64_MAX);

	if ((int64_t)n < low)
		complain(s, "at %.80s: expected at least %" PRId64 " %s, found %zu", path_text(s->at), low, unit, n);
	if ((int64_t)n > high)
		complain(s, "at %.80s: expected at most %" PRId64 " %s, found %zu", path_text(s->at), high, unit, n);
}

static void validate_array(const json_t *schema, const json_t *v, struct sink *s)
{
	const json_t *items = json_get(schema, "items");

	validate_size(schema, "minItems", "maxItems", json_array_size(v), "items", s);
	for (size_t i = 0; items && i < json_array_size(v); i++) {
		size_t before = path_push_index(s->at, i);
		validate(items, json_array_get(v, i), s);
		path_pop(s->at, before);
	}
}

static void validate_number(const json_t *schema, const json_t *v, struct sink *s)
{
	const json_t *low = json_get(schema, "minimum"), *high = json_get(schema, "maximum");

	if (low && number_order(v, low) < 0)
		complain(s, "at %.80s: expected at least %s, found %s", path_text(s->at), show(low).text, show(v).text);
	if (high && number_order(v, high) > 0)
		complain(s, "at %.80s: expected at most %s, found %s", path_text(s->at), show(high).text, show(v).text);
}

static void validate_any_of(const json_t *any_of, const json_t *v, struct sink *s)
{
	char reasons[COMPLAINT_ROOM] = "", first[1][COMPLAINT_ROOM];
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(any_of); i++) {
		struct sink scratch = {.at = s->at, .text = first, .most = 1};
		validate(json_array_get(any_of, i), v, &scratch);
		if (scratch.count == 0)
			return;
		if (n < sizeof reasons)
			n += (size_t)snprintf(reasons + n, sizeof reasons - n, "%s%.60s", n ? "; or " : "", first[0]);
	}
	complain(s, "at %.80s: none of %zu alternatives fits: %s", path_text(s->at), json_array_size(any_of), reasons);
}

static void validate(const json_t *schema, const json_t *v, struct sink *s)
{
	const json_t *type = json_get(schema, "type"), *listed = json_get(schema, "enum");
	const json_t *only = json_get(schema, "const"), *any_of = json_get(schema, "anyOf");
	bool found = false;

	if (s->count >= s->most)
		return;
	if (json_is_false(schema))
		complain(s, "at %.80s: expected nothing, found %s", path_text(s->at), show(v).text);
	if (type)
		validate_type(type, v, s);
	for (size_t i = 0; i < json_array_size(listed); i++)
		found = found || same(json_array_get(listed, i), v);
	if (listed && !found)
		complain(s, "at %.80s: expected one of %s, found %s", path_text(s->at), list_values(listed).text,
			show(v).text);
	if (only && !same(only, v))
		complain(s, "at %.80s: expected %s, found %s", path_text(s->at), show(only).text, show(v).text);
	if (any_of)
		validate_any_of(any_of, v, s);
	if (json_is_object(v))
		validate_object(schema, v, s);
	else if (json_is_array(v))
		validate_array(schema, v, s);
	else if (json_is_number(v))
		validate_number(schema, v, s);
	else if (json_is_string(v))
		validate_size(schema, "minLength", "maxLength",
			characters(span_n(json_string_value(v), json_string_length(v))), "characters", s);
}

int schema_validate(const json_t *schema, const json_t *value, struct err *e)
{
	char text[COMPLAINTS][COMPLAINT_ROOM];
	struct path at = {.len = 0};
	struct sink s = {.at = &at, .text = text, .most = COMPLAINTS};

	validate(schema, value, &s);
	if (s.count == 0)
		return 0;
	for (int i = s.count < COMPLAINTS ? s.count : COMPLAINTS; i < COMPLAINTS; i++)
		text[i][0] = 0;
	return err_set(e, ERR_INVALID, "%s%s%s%s%s%s%s%s%s", text[0], *text[1] ? "\n" : "", text[1],
		*text[2] ? "\n" : "", text[2], *text[3] ? "\n" : "", text[3], *text[4] ? "\n" : "", text[4]);
}
