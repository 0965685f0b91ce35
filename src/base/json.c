/* json: parsing by jansson behind checks of size and depth; printing by hand, because it is on the path of every event
 * and jansson's own printer sorts with an allocation for each object and prints 0.1 as 0.10000000000000001.
 *
 * jansson does not always notice that memory ran out, so its allocator notes every failure of this thread and the entry
 * points here fail when there was one. Its parser (2.14) even writes behind its memory when a string's text could not
 * grow (lex_save in load.c drops strbuffer's failure, lex_scan_string then looks for a quote that was not kept): so it
 * is left at the first failure, by longjmp, and what it had made is freed from a list. */
#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"

static _Thread_local bool starved; /* since the present call began */
static _Thread_local bool starved_at_all;

/* What the parser has made and freed so far; a place may have been both, more than once. */
struct parse {
	jmp_buf out;
	void **made, **freed; /* of `room` each: what is freed was made before */
	size_t made_count, freed_count, room;
};
static _Thread_local struct parse parser; /* not automatic: it is read after the longjmp */
static _Thread_local struct parse *parsing;

static bool grow(struct parse *s)
{
	size_t room = s->room ? s->room * 2 : 256;
	void **made = mem_alloc(room * sizeof *made), **freed = mem_alloc(room * sizeof *freed);

	if (!made || !freed) {
		mem_free(made);
		mem_free(freed);
		return false;
	}
	for (size_t i = 0; i < s->made_count; i++)
		made[i] = s->made[i];
	for (size_t i = 0; i < s->freed_count; i++)
		freed[i] = s->freed[i];
	mem_free(s->made);
	mem_free(s->freed);
	s->made = made;
	s->freed = freed;
	s->room = room;
	return true;
}

static void *json_alloc(size_t n)
{
	bool noted = !parsing || parsing->made_count < parsing->room || grow(parsing);
	void *p = noted ? mem_alloc(n) : NULL;

	if (!p)
		starved = starved_at_all = true;
	if (!p && parsing)
		longjmp(parsing->out, 1);
	if (parsing)
		parsing->made[parsing->made_count++] = p;
	return p;
}

static void json_free(void *p)
{
	if (parsing && p)
		parsing->freed[parsing->freed_count++] = p;
	mem_free(p);
}

void json_setup(void)
{
	json_set_alloc_funcs(json_alloc, json_free);
	json_object_seed(0);
}

/* ---- parsing ---- */

/* Is the text nested deeper than the cap? Right for valid JSON; the parser finds what is wrong with the rest. */
static bool too_deep(struct span text)
{
	size_t depth = 0;
	bool string = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				string = false;
		} else if (c == '"') {
			string = true;
		} else if (c == '[' || c == '{') {
			if (++depth > CAP_JSON_DEPTH)
				return true;
		} else if ((c == ']' || c == '}') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static int by_place(const void *a, const void *b)
{
	uintptr_t p = (uintptr_t) * (void *const *)a, q = (uintptr_t) * (void *const *)b;

	return p < q ? -1 : p > q;
}

/* All that was made and not freed. */
static void drop_made(struct parse *s)
{
	size_t i = 0;

	if (!s->made_count)
		return;
	qsort(s->made, s->made_count, sizeof *s->made, by_place);
	qsort(s->freed, s->freed_count, sizeof *s->freed, by_place);
	for (size_t k = 0; k < s->made_count; k++) {
		if (i < s->freed_count && s->freed[i] == s->made[k])
			i++;
		else
			mem_free(s->made[k]);
	}
}

static json_t *load(struct span text, json_error_t *bad)
{
	json_t *volatile v = NULL;

	parsing = &parser;
	if (setjmp(parser.out) == 0)
		v = json_loadb(text.p ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, bad);
	parsing = NULL;
	if (starved && !v)
		drop_made(&parser);
	mem_free(parser.made);
	mem_free(parser.freed);
	memset(&parser, 0, sizeof parser);
	return v;
}

json_t *json_parse(struct span text, const char *what, struct err *e)
{
	json_error_t bad = {.line = -1};
	json_t *v;

	if (text.n > CAP_JSON_TEXT) {
		err_set(e, ERR_TOO_LARGE, "%s: %zu bytes of JSON, more than the allowed %lu", what, text.n,
			CAP_JSON_TEXT);
		return NULL;
	}
	if (too_deep(text)) {
		err_set(e, ERR_TOO_LARGE, "%s: JSON nested deeper than the allowed %d levels", what, CAP_JSON_DEPTH);
		return NULL;
	}
	starved = false;
	v = load(text, &bad);
	if (v && !starved)
		return v;
	json_decref(v);
	if (starved || json_error_code(&bad) == json_error_out_of_memory)
		err_set(e, ERR_NOMEM, "%s: out of memory", what);
	else
		err_set(e, ERR_PARSE, "%s: not valid JSON: line %d, column %d: %s", what, bad.line, bad.column,
			bad.text);
	return NULL;
}

/* ---- printing ---- */

struct member {
	struct span key;
	json_t *value;
};

static int member_order(const void *pa, const void *pb)
{
	const struct member *a = pa, *b = pb;

	return span_order(a->key, b->key);
}

/* Insertion sort: objects are small and mostly in order; qsort for the large. */
static void members_sort(struct member *m, size_t n)
{
	if (n > 24) {
		qsort(m, n, sizeof *m, member_order);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct member x = m[i];
		size_t j = i;
		for (; j > 0 && member_order(&m[j - 1], &x) > 0; j--)
			m[j] = m[j - 1];
		m[j] = x;
	}
}

static void print(const json_t *v, struct buf *out, int depth);

static void print_string(struct span s, struct buf *out)
{
	buf_addc(out, '"');
	buf_add_json(out, s);
	buf_addc(out, '"');
}

static void print_object(const json_t *v, struct buf *out, int depth)
{
	struct member few[24], *m = few;
	json_t *obj = (json_t *)v; /* jansson's iterators are not const */
	size_t count = json_object_size(v), n = 0;

	if (count > sizeof few / sizeof *few)
		m = mem_alloc(count * sizeof *m);
	if (!m) {
		out->failed = BUF_NOMEM;
		return;
	}
	for (void *it = json_object_iter(obj); it && n < count; it = json_object_iter_next(obj, it))
		m[n++] = (struct member){
			span_n(json_object_iter_key(it), json_object_iter_key_len(it)), json_object_iter_value(it)};
	members_sort(m, n);
	buf_addc(out, '{');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(out, ',');
		print_string(m[i].key, out);
		buf_addc(out, ':');
		print(m[i].value, out, depth);
	}
	buf_addc(out, '}');
	if (m != few)
		mem_free(m);
}

static void print_integer(int64_t v, struct buf *out)
{
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	char text[24], *p = text + sizeof text;

	do
		*--p = (char)('0' + left % 10);
	while (left /= 10);
	if (v < 0)
		*--p = '-';
	buf_add(out, p, (size_t)(text + sizeof text - p));
}

/* The first of 15, 16 and 17 digits that reads back as the same number, always with a point or an exponent so that it
 * stays a real. */
static void print_real(double v, struct buf *out)
{
	char text[40];

	for (int precision = 15; precision <= 17; precision++) {
		snprintf(text, sizeof text, "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	for (char *p = text; *p; p++)
		if (*p == ',') /* a foreign LC_NUMERIC */
			*p = '.';
	buf_adds(out, text);
	if (!strpbrk(text, ".e"))
		buf_adds(out, ".0");
}

static void print(const json_t *v, struct buf *out, int depth)
{
	if (out->failed)
		return;
	if (depth >= CAP_JSON_DEPTH && (json_is_object(v) || json_is_array(v))) {
		out->failed = BUF_FULL; /* json_parse would not take it back */
		return;
	}
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		print_object(v, out, depth + 1);
		break;
	case JSON_ARRAY:
		buf_addc(out, '[');
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i)
				buf_addc(out, ',');
			print(json_array_get(v, i), out, depth + 1);
		}
		buf_addc(out, ']');
		break;
	case JSON_STRING:
		print_string(span_n(json_string_value(v), json_string_length(v)), out);
		break;
	case JSON_INTEGER:
		print_integer(json_integer_value(v), out);
		break;
	case JSON_REAL:
		print_real(json_real_value(v), out);
		break;
	case JSON_TRUE:
		buf_adds(out, "true");
		break;
	case JSON_FALSE:
		buf_adds(out, "false");
		break;
	case JSON_NULL:
		buf_adds(out, "null");
		break;
	}
}

void json_print(const json_t *v, struct buf *out)
{
	size_t before = out->len;

	print(v, out, 0);
	if (out->failed && out->len > before)
		buf_cut(out, before);
}

char *json_text(const json_t *v)
{
	struct buf out = BUF_INIT(CAP_JSON_TEXT);

	json_print(v, &out);
	return buf_take(&out);
}

/* ---- reading ---- */

json_t *json_get(const json_t *obj, const char *key)
{
	return json_object_get(obj, key);
}

const char *json_str(const json_t *obj, const char *key)
{
	return json_string_value(json_get(obj, key));
}

struct span json_span(const json_t *obj, const char *key)
{
	const json_t *v = json_get(obj, key);

	return json_is_string(v) ? span_n(json_string_value(v), json_string_length(v)) : SPAN_NONE;
}

int64_t json_int(const json_t *obj, const char *key, int64_t otherwise)
{
	const json_t *v = json_get(obj, key);

	if (json_is_real(v) && fabs(json_real_value(v)) <= 0x1p53 && trunc(json_real_value(v)) == json_real_value(v))
		return (int64_t)json_real_value(v); /* 5.0, an integer to schema.h too */
	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

double json_num(const json_t *obj, const char *key, double otherwise)
{
	const json_t *v = json_get(obj, key);

	return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool json_bool(const json_t *obj, const char *key, bool otherwise)
{
	const json_t *v = json_get(obj, key);

	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

/* ---- building ---- */

json_t *json_make(struct err *e, const char *fmt, ...)
{
	json_error_t bad = {.line = -1};
	json_t *v;
	va_list ap;

	starved = false;
	va_start(ap, fmt);
	v = json_vpack_ex(&bad, 0, fmt, ap);
	va_end(ap);
	if (v && !starved)
		return v;
	json_decref(v);
	if (starved || json_error_code(&bad) == json_error_out_of_memory)
		err_nomem(e);
	else
		err_set(e, ERR_INVALID, "a JSON value cannot be built: %s", bad.text);
	return NULL;
}

static json_t *whole(json_t *v)
{
	if (v && !starved)
		return v;
	json_decref(v);
	return NULL;
}

json_t *json_clone(const json_t *v)
{
	starved = false;
	return whole(json_copy((json_t *)v));
}

json_t *json_clone_deep(const json_t *v)
{
	starved = false;
	return whole(json_deep_copy(v));
}

bool json_starved(void)
{
	bool was = starved_at_all;

	starved_at_all = false;
	return was;
}

int json_put(json_t *obj, const char *key, json_t *v)
{
	return json_object_set_new(obj, key, v);
}

json_t *json_from_span(struct span text)
{
	struct buf clean;
	json_t *v = NULL;

	if (text.n == 0)
		return json_stringn_nocheck("", 0);
	if (!memchr(text.p, 0, text.n) && utf8_valid(text))
		return json_stringn_nocheck(text.p, text.n);
	buf_init(&clean, text.n * 3);
	while (text.n) { /* NUL goes the way of invalid bytes, because the parser refuses it */
		const char *nul = memchr(text.p, 0, text.n);
		size_t n = nul ? (size_t)(nul - text.p) : text.n;
		utf8_clean(span_n(text.p, n), &clean);
		if (nul)
			buf_adds(&clean, "\xEF\xBF\xBD");
		n += nul ? 1 : 0;
		text = span_n(text.p + n, text.n - n);
	}
	if (!clean.failed)
		v = json_stringn_nocheck(clean.data, clean.len);
	buf_release(&clean);
	return v;
}

int json_put_span(json_t *obj, const char *key, struct span text)
{
	return json_put(obj, key, json_from_span(text));
}

int json_put_int(json_t *obj, const char *key, int64_t v)
{
	return json_put(obj, key, json_integer(v));
}
