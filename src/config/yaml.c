/* yaml: libyaml's events folded into JSON values with a stack of open collections.
 *
 * Happy path: each event either opens a collection, closes one, or adds a scalar to the one on top; the place of every
 * value is a pointer kept in one buffer that grows and shrinks with the stack.
 * Failure modes: everything the header lists as refused; libyaml's own errors are given with its problem text and line.
 * libyaml allocates by itself: its memory errors arrive as YAML_MEMORY_ERROR. */
#include "config/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "config/nearest.h"

struct level {
	json_t *value;	 /* owned while open */
	char *key;	 /* mapping: the key whose value is due; NULL: a key is due */
	size_t path_len; /* of the collection's own pointer */
};

struct reader {
	struct yaml_doc *doc;
	yaml_parser_t parser;
	struct level stack[CAP_YAML_DEPTH];
	size_t depth, nodes;
	struct buf path;
	int first_line;
};

void yaml_pointer(struct buf *out, struct span key)
{
	buf_addc(out, '/');
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] == '~')
			buf_adds(out, "~0");
		else if (key.p[i] == '/')
			buf_adds(out, "~1");
		else
			buf_addc(out, key.p[i]);
	}
}

static int line_of(const struct reader *r, yaml_mark_t at)
{
	return (int)at.line + r->first_line;
}

static int bad(const struct reader *r, yaml_mark_t at, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int bad(const struct reader *r, yaml_mark_t at, struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_setv(e, ERR_PARSE, fmt, ap);
	va_end(ap);
	return err_wrap(e, "%s:%d", r->doc->name, line_of(r, at));
}

/* ---- scalars: YAML 1.2.2, 10.3.2 ---- */

static bool one_of(struct span s, const char *const *names)
{
	for (; *names; names++)
		if (span_is(s, *names))
			return true;
	return false;
}

static size_t digits(struct span s, size_t i)
{
	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return i;
}

/* [-+]? [0-9]+ | 0o [0-7]+ | 0x [0-9a-fA-F]+ : the base, or 0. */
static int integer_base(struct span s)
{
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;

	if (s.n > 2 && s.p[0] == '0' && (s.p[1] == 'o' || s.p[1] == 'x')) {
		size_t ok = strspn(s.p + 2, s.p[1] == 'o' ? "01234567" : "0123456789abcdefABCDEF");
		return ok == s.n - 2 ? (s.p[1] == 'o' ? 8 : 16) : 0;
	}
	return i < s.n && digits(s, i) == s.n ? 10 : 0;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_real(struct span s)
{
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
	size_t whole = digits(s, i) - i, part = 0;

	i += whole;
	if (i < s.n && s.p[i] == '.') {
		part = digits(s, i + 1) - (i + 1);
		i += 1 + part;
	}
	if (whole + part == 0)
		return false;
	if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
		i++;
		if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
			i++;
		if (digits(s, i) == i)
			return false;
		i = digits(s, i);
	}
	return i == s.n;
}

static json_t *plain_scalar(struct reader *r, yaml_mark_t at, struct span s, struct err *e)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"true", "True", "TRUE", NULL};
	static const char *const falses[] = {"false", "False", "FALSE", NULL};
	static const char *const special[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf",
		"-.INF", ".nan", ".NaN", ".NAN", NULL};
	int base = integer_base(s);

	if (one_of(s, nulls))
		return json_null();
	if (one_of(s, trues))
		return json_true();
	if (one_of(s, falses))
		return json_false();
	if (one_of(s, special)) {
		bad(r, at, e, "%s is no number that muster can use; quote it if it is text", s.p);
		return NULL;
	}
	if (base) {
		long long v;
		errno = 0;
		v = strtoll(base == 10 ? s.p : s.p + 2, NULL, base);
		if (errno) {
			bad(r, at, e, "the number %.40s does not fit 64 bits; quote it if it is text", s.p);
			return NULL;
		}
		return json_integer(v);
	}
	if (is_real(s)) {
		double v = strtod(s.p, NULL);
		if (!isfinite(v)) {
			bad(r, at, e, "the number %.40s is too large; quote it if it is text", s.p);
			return NULL;
		}
		return json_real(v);
	}
	return json_from_span(s);
}

/* ---- building ---- */

/* The pointer of the value that comes next is put into r->path. */
static void enter_path(struct reader *r)
{
	struct level *top = r->depth ? &r->stack[r->depth - 1] : NULL;

	if (!top)
		return;
	buf_cut(&r->path, top->path_len);
	if (top->key)
		yaml_pointer(&r->path, span_of(top->key));
	else
		buf_addf(&r->path, "/%zu", json_array_size(top->value));
}

static int note_line(struct reader *r, yaml_mark_t at, struct err *e)
{
	if (buf_check(&r->path, "a path in YAML", e))
		return -1;
	if (++r->nodes > CAP_YAML_NODES)
		return err_set(e, ERR_TOO_LARGE, "%s:%d: more than the allowed %d values", r->doc->name, line_of(r, at),
			CAP_YAML_NODES);
	/* A mapping's value keeps the line of its key. */
	if (r->depth && r->stack[r->depth - 1].key)
		return 0;
	return map_set(&r->doc->lines, buf_span(&r->path), (void *)(uintptr_t)line_of(r, at), NULL, e);
}

/* Add a finished value (consumed) to the collection on top, or make it the root. */
static int place(struct reader *r, json_t *value, struct err *e)
{
	struct level *top = r->depth ? &r->stack[r->depth - 1] : NULL;
	int rc;

	if (!value)
		return err_nomem(e);
	if (!top) {
		r->doc->root = value;
		return 0;
	}
	if (!top->key)
		return json_array_append_new(top->value, value) ? err_nomem(e) : 0;
	rc = json_object_set_new_nocheck(top->value, top->key, value);
	mem_free(steal(&top->key));
	return rc ? err_nomem(e) : 0;
}

static int take_key(struct reader *r, const yaml_event_t *ev, struct err *e)
{
	struct level *top = &r->stack[r->depth - 1];
	const char *key = (const char *)ev->data.scalar.value;

	if (strlen(key) != ev->data.scalar.length)
		return bad(r, ev->start_mark, e, "a key contains a NUL");
	if (json_object_get(top->value, key))
		return bad(r, ev->start_mark, e, "the key \"%.100s\" stands here a second time", key);
	top->key = mem_strdup(key);
	if (!top->key)
		return err_nomem(e);
	enter_path(r);
	if (buf_check(&r->path, "a path in YAML", e))
		return -1;
	return map_set(&r->doc->lines, buf_span(&r->path), (void *)(uintptr_t)line_of(r, ev->start_mark), NULL, e);
}

static bool key_due(const struct reader *r)
{
	const struct level *top = r->depth ? &r->stack[r->depth - 1] : NULL;

	return top && json_is_object(top->value) && !top->key;
}

static int on_scalar(struct reader *r, const yaml_event_t *ev, struct err *e)
{
	struct span s = span_n((const char *)ev->data.scalar.value, ev->data.scalar.length);
	json_t *v;

	if (key_due(r))
		return take_key(r, ev, e);
	enter_path(r);
	if (note_line(r, ev->start_mark, e))
		return -1;
	if (memchr(s.p, 0, s.n))
		return bad(r, ev->start_mark, e, "a text contains a NUL");
	if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
		err_clear(e);
		v = plain_scalar(r, ev->start_mark, s, e);
		if (!v && e->code != ERR_OK)
			return -1;
	} else {
		v = json_from_span(s);
	}
	return place(r, v, e);
}

static int on_open(struct reader *r, const yaml_event_t *ev, json_t *value, struct err *e)
{
	cleanup_json json_t *owned = value;

	if (!value)
		return err_nomem(e);
	if (key_due(r))
		return bad(r, ev->start_mark, e, "a key must be plain text");
	enter_path(r);
	if (note_line(r, ev->start_mark, e))
		return -1;
	if (r->depth == CAP_YAML_DEPTH)
		return err_set(e, ERR_TOO_LARGE, "%s:%d: nested deeper than the allowed %d levels", r->doc->name,
			line_of(r, ev->start_mark), CAP_YAML_DEPTH);
	r->stack[r->depth++] = (struct level){.value = steal(&owned), .path_len = r->path.len};
	return 0;
}

static int on_close(struct reader *r, struct err *e)
{
	struct level *closed = &r->stack[--r->depth];

	return place(r, steal(&closed->value), e);
}

static int refuse_extras(struct reader *r, const yaml_event_t *ev, struct err *e)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	if (ev->type == YAML_ALIAS_EVENT)
		return bad(r, ev->start_mark, e, "aliases (*name) are not supported; write the value out, or quote it");
	if (ev->type == YAML_SCALAR_EVENT) {
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
	} else if (ev->type == YAML_SEQUENCE_START_EVENT) {
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
	} else if (ev->type == YAML_MAPPING_START_EVENT) {
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
	}
	if (anchor)
		return bad(r, ev->start_mark, e, "anchors (&name) are not supported; quote the text if it is meant");
	if (tag)
		return bad(r, ev->start_mark, e, "tags (!name) are not supported; quote the text if it is meant");
	return 0;
}

static int on_event(struct reader *r, const yaml_event_t *ev, int *documents, struct err *e)
{
	if (refuse_extras(r, ev, e))
		return -1;
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++*documents > 1 ? bad(r, ev->start_mark, e, "a second document begins; only one is allowed")
					: 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(r, ev, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(r, ev, json_array(), e);
	case YAML_MAPPING_START_EVENT:
		return on_open(r, ev, json_object(), e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(r, e);
	default:
		return 0;
	}
}

static int parser_error(struct reader *r, struct err *e)
{
	yaml_parser_t *p = &r->parser;
	const char *why = p->problem ? p->problem : "cannot be read";

	if (p->error == YAML_MEMORY_ERROR)
		return err_nomem(e);
	if (p->error == YAML_READER_ERROR)
		return err_set(e, ERR_PARSE, "%s: %s at byte %zu; the file must be UTF-8 text", r->doc->name, why,
			p->problem_offset);
	return bad(r, p->problem_mark, e, "%s%s%s", p->context ? p->context : "", p->context ? ": " : "", why);
}

static int read_events(struct reader *r, struct err *e)
{
	int documents = 0, rc = 0;
	bool end = false;

	while (!rc && !end) {
		yaml_event_t ev;
		if (!yaml_parser_parse(&r->parser, &ev))
			return parser_error(r, e);
		end = ev.type == YAML_STREAM_END_EVENT;
		rc = on_event(r, &ev, &documents, e);
		yaml_event_delete(&ev);
	}
	return rc;
}

int yaml_parse(struct yaml_doc *d, struct span text, const char *name, int first_line, struct err *e)
{
	struct reader r = {.doc = d, .first_line = first_line};
	struct err local = ERR_INIT;
	int rc;

	e = e ? e : &local;
	*d = (struct yaml_doc){.name = mem_strdup(name)};
	map_init(&d->lines, CAP_YAML_NODES);
	buf_init(&r.path, 64 * KIB);
	if (!d->name)
		rc = err_nomem(e);
	else if (text.n > CAP_YAML)
		rc = err_set(
			e, ERR_TOO_LARGE, "%s: %zu bytes of YAML, more than the allowed %lu", name, text.n, CAP_YAML);
	else if (!utf8_valid(text))
		rc = err_set(e, ERR_PARSE, "%s: not UTF-8 text", name);
	else if (!yaml_parser_initialize(&r.parser))
		rc = err_nomem(e);
	else {
		yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
		rc = read_events(&r, e);
		yaml_parser_delete(&r.parser);
	}
	while (r.depth) {
		mem_free(r.stack[--r.depth].key);
		json_decref(r.stack[r.depth].value);
	}
	buf_release(&r.path);
	if (!rc && !d->root)
		d->root = json_null();
	if (rc)
		yaml_release(d);
	return rc;
}

int yaml_load(struct yaml_doc *d, const char *path, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_YAML);

	if (fs_read(path, &text, e))
		return -1;
	return yaml_parse(d, buf_span(&text), path, 1, e);
}

void yaml_release(struct yaml_doc *d)
{
	json_decref(d->root);
	mem_free(d->name);
	map_release(&d->lines, NULL);
	*d = (struct yaml_doc){0};
}

/* ---- places ---- */

int yaml_line(const struct yaml_doc *d, const char *pointer)
{
	struct span at = span_of(pointer);

	for (;;) {
		void *line = map_get(&d->lines, at);
		if (line)
			return (int)(uintptr_t)line;
		if (at.n == 0)
			return 0;
		while (at.n && at.p[--at.n] != '/')
			;
	}
}

int yaml_error(const struct yaml_doc *d, const char *pointer, struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_setv(e, ERR_INVALID, fmt, ap);
	va_end(ap);
	return err_wrap(e, "%s:%d", d->name, yaml_line(d, pointer));
}

/* The value at a pointer, or NULL. */
static const json_t *value_at(const struct yaml_doc *d, const char *pointer)
{
	const json_t *v = d->root;

	for (const char *p = pointer; v && *p == '/';) {
		char key[256];
		size_t n = 0;
		for (p++; *p && *p != '/' && n < sizeof key - 1; p++) {
			if (p[0] == '~' && (p[1] == '0' || p[1] == '1'))
				key[n++] = *++p == '0' ? '~' : '/';
			else
				key[n++] = *p;
		}
		key[n] = 0;
		v = json_is_array(v) ? json_array_get(v, strtoul(key, NULL, 10)) : json_get(v, key);
	}
	return v;
}

int yaml_known(const struct yaml_doc *d, const char *pointer, const char *const *known, const char *what, struct err *e)
{
	const json_t *v = value_at(d, pointer);
	cleanup_buf struct buf at = BUF_INIT(64 * KIB);
	struct nearest near;
	const char *key;

	if (!json_is_object(v))
		return yaml_error(d, pointer, e, "a %s must be a mapping of names to values", what);
	key = nearest_unknown(&near, v, known);
	if (!key)
		return 0;
	buf_adds(&at, pointer);
	yaml_pointer(&at, span_of(key));
	if (buf_check(&at, "a path in YAML", e))
		return -1;
	return yaml_error(d, at.data, e, "a %s has no field \"%.100s\"%s", what, key, nearest_hint(&near));
}
