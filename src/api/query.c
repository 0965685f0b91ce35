/* query: see query.h. */
#include "api/query.h"

#include <errno.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/schema.h"
#include "config/nearest.h"
#include "http/url.h"

static json_t *integer_of(const char *text)
{
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	return *text && !*end && !errno && *text != ' ' ? json_integer(n) : NULL;
}

static json_t *number_of(const char *text)
{
	char *end;
	double n = strtod(text, &end);
	return *text && !*end && *text != ' ' ? json_real(n) : NULL; /* json_real: NULL where it is not finite */
}

static json_t *boolean_of(const char *text)
{
	bool yes = !strcmp(text, "1") || !strcmp(text, "true");
	return yes || !strcmp(text, "0") || !strcmp(text, "false") ? json_boolean(yes) : NULL;
}

static json_t *value_of(const char *name, const char *text, const json_t *property, struct err *e)
{
	const char *type = json_str(property, "type");
	bool integer = type && !strcmp(type, "integer"), number = type && !strcmp(type, "number");
	json_t *out = integer				 ? integer_of(text)
		      : number				 ? number_of(text)
		      : type && !strcmp(type, "boolean") ? boolean_of(text)
							 : json_string(text);
	if (!out)
		err_set(e, ERR_INVALID, "the parameter %s must be %s, not \"%.80s\"", name,
			integer	 ? "a whole number"
			: number ? "a number"
				 : "1 or 0",
			text);
	return out;
}

static int unknown(const char *name, const json_t *properties, struct err *e)
{
	struct nearest near;
	const char *key;
	json_t *value;
	nearest_init(&near, name);
	json_object_foreach((json_t *)properties, key, value) nearest_try(&near, key);
	return err_set(e, ERR_INVALID, "there is no parameter \"%.80s\" here%s", name, nearest_hint(&near));
}

static int take(struct span pair, const json_t *properties, json_t *out, struct err *e)
{
	cleanup_buf struct buf name = BUF_INIT(256), text = BUF_INIT(CAP_HTTP_HEAD);
	size_t at = span_find(pair, span_of("="), 0);
	bool has = at < pair.n;
	if (url_decode(span_n(pair.p, has ? at : pair.n), true, &name, e) ||
		(has && url_decode(span_n(pair.p + at + 1, pair.n - at - 1), true, &text, e)) ||
		buf_check(&name, "a parameter's name", e) || buf_check(&text, "a parameter", e))
		return -1;
	const char *key = name.data ? name.data : "";
	const json_t *property = json_get(properties, key);
	if (!property)
		return unknown(key, properties, e);
	if (json_get(out, key))
		return err_set(e, ERR_INVALID, "the parameter %s was given twice", key);
	json_t *value = value_of(key, text.data ? text.data : "", property, e);
	if (!value)
		return -1;
	return json_put(out, key, value) ? err_nomem(e) : 0;
}

json_t *query_parse(struct span raw, const json_t *schema, struct err *e)
{
	cleanup_json json_t *out = json_make(e, "{}");
	if (!out)
		return NULL;
	while (raw.n) {
		size_t n = span_find(raw, span_of("&"), 0);
		n = n < raw.n ? n : raw.n;
		if (n && take(span_n(raw.p, n), json_get(schema, "properties"), out, e))
			return NULL;
		raw = n < raw.n ? span_n(raw.p + n + 1, raw.n - n - 1) : SPAN_NONE;
	}
	return schema && schema_validate(schema, out, e) ? NULL : json_incref(out);
}
