/* mode_inputs: what a person gave for a mode's inputs, as the values its flow gets.
 * Values come from JSON (the web, another flow) or as texts (the command line), so a text that reads as a number or a
 * boolean is one where the input wants it. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "config/nearest.h"
#include "flow/mode.h"

#define ROLE_MOST 64 /* bytes of a role's id */
#define NAME_MOST 60 /* bytes of a run's name that was made of an input */

static json_t *refuse(struct err *e, const char *where, const char *wanted, const json_t *got)
{
	cleanup_free char *text = got ? json_text(got) : NULL;

	err_set(e, ERR_INVALID, "%s must be %s, not %.80s", where, wanted, text ? text : "that");
	return NULL;
}

static json_t *made(json_t *v, struct err *e)
{
	if (!v)
		err_nomem(e);
	return v;
}

/* ---- one value ---- */

static json_t *as_text(const json_t *v, const char *where, struct err *e)
{
	if (json_is_string(v))
		return json_incref((json_t *)v);
	if (json_is_number(v)) {
		cleanup_free char *text = json_text(v);
		return made(text ? json_string(text) : NULL, e);
	}
	return refuse(e, where, "a text", v);
}

static json_t *as_number(const json_t *v, const char *where, struct err *e)
{
	const char *text = json_string_value(v);
	char *end;
	long long whole;
	double real;

	if (json_is_number(v))
		return json_incref((json_t *)v);
	if (!text)
		return refuse(e, where, "a number", v);
	while (isspace((unsigned char)*text))
		text++;
	errno = 0;
	whole = strtoll(text, &end, 10);
	while (isspace((unsigned char)*end))
		end++;
	if (end != text && !*end && !errno)
		return made(json_integer(whole), e);
	if (text[strspn(text, "0123456789+-.eE \t")]) /* no hexadecimal, no "inf" */
		return refuse(e, where, "a number", v);
	real = strtod(text, &end);
	while (isspace((unsigned char)*end))
		end++;
	if (end == text || *end || !isfinite(real))
		return refuse(e, where, "a number", v);
	return made(json_real(real), e);
}

static json_t *as_boolean(const json_t *v, const char *where, struct err *e)
{
	static const char *const words[][2] = {{"true", "false"}, {"yes", "no"}, {"on", "off"}, {"1", "0"}};
	const char *text = json_string_value(v);

	if (json_is_boolean(v))
		return json_incref((json_t *)v);
	for (size_t i = 0; text && i < sizeof words / sizeof *words; i++)
		for (int no = 0; no < 2; no++)
			if (strcasecmp(text, words[i][no]) == 0)
				return json_boolean(!no);
	return refuse(e, where, "true or false", v);
}

static void option_text(const json_t *option, char out[64])
{
	if (json_is_integer(option))
		snprintf(out, 64, "%lld", (long long)json_integer_value(option));
	else
		snprintf(out, 64, "%s", json_is_string(option) ? json_string_value(option) : "");
}

static json_t *as_option(const struct mode_input *in, const json_t *v, const char *where, struct err *e)
{
	cleanup_buf struct buf all = BUF_INIT(512);
	char option[64], given[64];

	option_text(v, given);
	for (size_t i = 0; i < json_array_size(in->options); i++) {
		json_t *one = json_array_get(in->options, i);
		option_text(one, option);
		if (json_equal(one, (json_t *)v) || (*given && strcmp(option, given) == 0))
			return json_incref(one);
		buf_addf(&all, "%s%s", i ? ", " : "", option);
	}
	err_set(e, ERR_INVALID, "%s must be one of %s; \"%s\" is not", where, all.data ? all.data : "", given);
	return NULL;
}

static json_t *as_file(const struct mode_input *in, const json_t *v, const char *where, struct err *e)
{
	const char *path = json_string_value(v), *name = path ? strrchr(path, '/') : NULL, *dot;
	cleanup_free char *accept = NULL;

	if (!path || !*path)
		return refuse(e, where, "the path of a file", v);
	name = name ? name + 1 : path;
	dot = strrchr(name, '.');
	for (size_t i = 0; i < json_array_size(in->accept); i++)
		if (dot && strcasecmp(dot, json_string_value(json_array_get(in->accept, i))) == 0)
			return json_incref((json_t *)v);
	if (!json_array_size(in->accept))
		return json_incref((json_t *)v);
	accept = json_text(in->accept);
	err_set(e, ERR_INVALID, "%s takes files that end with one of %s; \"%.200s\" does not", where,
		accept ? accept : "its endings", name);
	return NULL;
}

/* A role's id, which is the name of its file, too. */
static json_t *as_role(const json_t *v, const char *where, struct err *e)
{
	const char *id = json_string_value(v);
	size_t n = id ? strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") : 0;

	return n && !id[n] && n < ROLE_MOST ? json_incref((json_t *)v) : refuse(e, where, "a role's id", v);
}

static json_t *as_one(const struct mode_input *in, const json_t *v, const char *where, struct err *e)
{
	switch (in->type) {
	case INPUT_TEXT:
	case INPUT_TEXTAREA:
		return as_text(v, where, e);
	case INPUT_NUMBER:
		return as_number(v, where, e);
	case INPUT_BOOLEAN:
		return as_boolean(v, where, e);
	case INPUT_SELECT:
		return as_option(in, v, where, e);
	case INPUT_FILE:
		return as_file(in, v, where, e);
	case INPUT_ROLE:
		return as_role(v, where, e);
	case INPUT_TYPES:
		break;
	}
	BUG("input %s has no type", in->name);
}

json_t *mode_check_value(const struct mode_input *in, const json_t *value, const char *where, struct err *e)
{
	json_t *list, *one;

	if (!in->multiple)
		return as_one(in, value, where, e);
	list = made(json_array(), e);
	for (size_t i = 0; list && i < (json_is_array(value) ? json_array_size(value) : 1); i++) {
		one = as_one(in, json_is_array(value) ? json_array_get(value, i) : value, where, e);
		if (one && json_array_append_new(list, one)) {
			err_nomem(e);
			one = NULL;
		}
		if (!one) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

/* ---- all of a mode ---- */

const struct mode_input *mode_input(const struct mode *m, const char *name)
{
	for (size_t i = 0; i < m->input_count; i++)
		if (strcmp(m->inputs[i].name, name) == 0)
			return &m->inputs[i];
	return NULL;
}

bool mode_input_is_file(const struct mode *m, const char *name)
{
	const struct mode_input *in = mode_input(m, name);

	return in && in->type == INPUT_FILE;
}

char *mode_run_name(const struct mode *m, const json_t *inputs)
{
	struct span text = m->named_by ? span_trim(json_span(inputs, m->named_by)) : SPAN_NONE;
	size_t n = 0;

	while (n < text.n && text.p[n] != '\n')
		n++;
	text = span_trim(span_n(text.p, n));
	if (!text.n)
		return mem_strdup(m->name);
	n = utf8_cut(text, NAME_MOST);
	if (n == text.n)
		return span_dup(text);
	for (size_t at = n; at > NAME_MOST / 2; at--)
		if (text.p[at] == ' ') { /* between words, where there are some */
			n = at;
			break;
		}
	return mem_printf("%.*s…", (int)n, text.p);
}

static int unknown_input(const struct mode *m, const char *name, struct err *e)
{
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < m->input_count; i++)
		nearest_try(&near, m->inputs[i].name);
	return err_set(e, ERR_INVALID, "the mode %s has no input \"%.100s\"%s", m->id, name, nearest_hint(&near));
}

static bool is_empty(const json_t *v)
{
	return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
	       (json_is_array(v) && json_array_size(v) == 0);
}

static int check_input(
	const struct mode *m, const struct mode_input *in, const json_t *given, json_t *out, struct err *e)
{
	const json_t *v = is_empty(given) ? in->otherwise : given;
	char where[160];
	json_t *value;

	snprintf(where, sizeof where, "input \"%.100s\"", in->name);
	if (is_empty(v)) {
		if (!in->required)
			return 0;
		return err_set(e, ERR_INVALID, "the mode %s needs the input \"%s\" (%s): give --input %s=…", m->id,
			in->name, in->label, in->name);
	}
	value = mode_check_value(in, v, where, e);
	if (!value)
		return -1;
	return json_put(out, in->name, value) ? err_nomem(e) : 0;
}

int mode_check_inputs(const struct mode *m, const json_t *inputs, json_t **out, struct err *e)
{
	cleanup_json json_t *all = json_object();
	json_t *given = (json_t *)inputs; /* jansson's iterators are not const */

	if (!all)
		return err_nomem(e);
	if (given && !json_is_object(given))
		return err_set(e, ERR_INVALID, "the inputs of mode %s must be an object of names and values", m->id);
	for (void *it = json_object_iter(given); it; it = json_object_iter_next(given, it))
		if (!mode_input(m, json_object_iter_key(it)))
			return unknown_input(m, json_object_iter_key(it), e);
	for (size_t i = 0; i < m->input_count; i++)
		if (check_input(m, &m->inputs[i], json_get(given, m->inputs[i].name), all, e))
			return -1;
	*out = steal(&all);
	return 0;
}
