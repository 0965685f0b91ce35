/* args: see args.h. The help texts are made here too, from the same table that the parser uses. */
#include "cmd/args.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/nearest.h"

#define LINE 100 /* columns of help texts */
#define COLUMN 26

/* ---- looking up ---- */

const struct verb *verb_named(const char *name, struct err *e)
{
	struct nearest near;
	nearest_init(&near, name);
	for (const struct verb *const *v = verb_table; *v; v++) {
		if (!strcmp((*v)->name, name))
			return *v;
		nearest_try(&near, (*v)->name);
	}
	err_set(e, ERR_USAGE, "there is no verb \"%s\"%s; `muster --help` lists them", name, nearest_hint(&near));
	return NULL;
}

static const struct verb_option *find(const struct verb_option *list, struct span name)
{
	for (; list && list->name; list++)
		if (span_is(name, list->name))
			return list;
	return NULL;
}

static const struct verb_option *option_of(const struct verb *v, struct span name)
{
	const struct verb_option *o = find(v->options, name);
	return o ? o : find(verb_common, name);
}

static int unknown_option(const struct verb *v, struct span name, struct err *e)
{
	cleanup_free char *word = span_dup(name);
	struct nearest near;
	if (!word)
		return err_nomem(e);
	nearest_init(&near, word);
	for (const struct verb_option *o = v->options; o && o->name; o++)
		nearest_try(&near, o->name);
	for (const struct verb_option *o = verb_common; o->name; o++)
		nearest_try(&near, o->name);
	return err_set(e, ERR_USAGE, "`muster %s` has no option --%s%s; see `muster %s --help`", v->name, word,
		nearest_hint(&near), v->name);
}

/* ---- parsing ---- */

static bool given(const struct args *a, const struct verb_option *o)
{
	for (int i = 0; i < a->count; i++)
		if (a->list[i].option == o)
			return true;
	return false;
}

/* One argument that begins with "--"; *at is moved over its value when that is the next one. */
static int parse_option(struct args *a, int argc, char **argv, int *at, struct err *e)
{
	const char *text = argv[*at] + 2;
	const char *equals = strchr(text, '=');
	struct span name = span_n(text, equals ? (size_t)(equals - text) : strlen(text));
	const struct verb_option *o = option_of(a->verb, name);
	if (!o)
		return unknown_option(a->verb, name, e);
	if (!o->value && equals)
		return err_set(e, ERR_USAGE, "--%s takes no value", o->name);
	if (!o->repeats && o->value && given(a, o))
		return err_set(e, ERR_USAGE, "--%s was given twice", o->name);
	const char *value = equals ? equals + 1 : NULL;
	if (o->value && !equals) {
		if (*at + 1 >= argc)
			return err_set(e, ERR_USAGE, "--%s needs a value: --%s %s", o->name, o->name, o->value);
		value = argv[++*at];
	}
	a->list[a->count++] = (struct arg){.option = o, .value = value};
	return 0;
}

static int check_words(const struct args *a, struct err *e)
{
	if (args_has(a, "help") || (a->words >= a->verb->least && (a->verb->most < 0 || a->words <= a->verb->most)))
		return 0;
	cleanup_buf struct buf usage = BUF_INIT(8192);
	help_usage(a->verb, &usage);
	if (a->words < a->verb->least)
		return err_set(e, ERR_USAGE, "`muster %s` needs %s\n%s", a->verb->name, a->verb->words,
			usage.data ? usage.data : "");
	return err_set(e, ERR_USAGE, "`muster %s` does not take \"%s\"\n%s", a->verb->name, args_word(a, a->verb->most),
		usage.data ? usage.data : "");
}

int args_parse(struct args *a, const struct verb *v, int argc, char **argv, struct err *e)
{
	bool options = true;
	*a = (struct args){.verb = v};
	a->list = mem_calloc((size_t)argc + 1, sizeof(*a->list));
	if (!a->list)
		return err_nomem(e);
	for (int i = 0; i < argc; i++) {
		if (options && !strcmp(argv[i], "--")) {
			options = false;
		} else if (options && !strcmp(argv[i], "-h")) {
			a->list[a->count++] = (struct arg){.option = option_of(v, span_of("help"))};
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			if (argv[i][1] != '-')
				return err_set(e, ERR_USAGE,
					"%s is no option: options begin with two dashes; see `muster %s --help`",
					argv[i], v->name);
			if (parse_option(a, argc, argv, &i, e))
				return -1;
		} else {
			a->list[a->count++] = (struct arg){.value = argv[i]};
			a->words++;
		}
	}
	return check_words(a, e);
}

void args_release(struct args *a)
{
	mem_free(a->list);
	a->list = NULL;
}

/* ---- reading ---- */

const char *args_word(const struct args *a, int i)
{
	for (int k = 0; k < a->count; k++)
		if (!a->list[k].option && i-- == 0)
			return a->list[k].value;
	return NULL;
}

const char *args_next(const struct args *a, const char *option, int *i)
{
	BUG_ON(!option_of(a->verb, span_of(option)));
	for (; *i < a->count; ++*i)
		if (a->list[*i].option && !strcmp(a->list[*i].option->name, option))
			return a->list[(*i)++].value;
	return NULL;
}

bool args_has(const struct args *a, const char *option)
{
	const struct verb_option *o = option_of(a->verb, span_of(option));
	return o && given(a, o);
}

const char *args_get(const struct args *a, const char *option)
{
	const char *value, *last = NULL;
	for (int i = 0; (value = args_next(a, option, &i));)
		last = value;
	return last;
}

int args_int(const struct args *a, const char *option, int64_t least, int64_t most, int64_t otherwise, int64_t *out,
	struct err *e)
{
	const char *text = args_get(a, option);
	char *end;
	*out = otherwise;
	if (!text)
		return 0;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (errno || end == text || *end || value < least || value > most)
		return err_set(e, ERR_USAGE, "--%s %s: a whole number from %lld to %lld is expected", option, text,
			(long long)least, (long long)most);
	*out = value;
	return 0;
}

int args_number(const struct args *a, const char *option, double least, double most, double otherwise, double *out,
	struct err *e)
{
	const char *text = args_get(a, option);
	char *end;
	*out = otherwise;
	if (!text)
		return 0;
	double value = strtod(text, &end);
	if (end == text || *end || !(value >= least && value <= most))
		return err_set(e, ERR_USAGE, "--%s %s: a number from %g to %g is expected", option, text, least, most);
	*out = value;
	return 0;
}

int args_pair(const char *option, const char *text, struct span *name, const char **value, struct err *e)
{
	const char *equals = strchr(text, '=');
	if (!equals || equals == text)
		return err_set(e, ERR_USAGE, "--%s %s: NAME=VALUE is expected", option, text);
	*name = span_n(text, (size_t)(equals - text));
	*value = equals + 1;
	return 0;
}

/* ---- help ---- */

/* Add a piece to a line that is broken at `indent` before it becomes too long. */
static void add_piece(struct buf *out, size_t *line, size_t indent, struct span piece)
{
	if (out->len - *line + 1 + piece.n > LINE) {
		buf_addc(out, '\n');
		*line = out->len;
		buf_addf(out, "%*s", (int)indent, "");
	} else {
		buf_addc(out, ' ');
	}
	buf_addspan(out, piece);
}

static void add_usage_options(struct buf *out, size_t *line, size_t indent, const struct verb_option *o)
{
	for (; o && o->name; o++) {
		cleanup_buf struct buf piece = BUF_INIT(512);
		buf_addf(&piece, "[--%s%s%s]%s", o->name, o->value ? " " : "", o->value ? o->value : "",
			o->repeats ? "…" : "");
		add_piece(out, line, indent, buf_span(&piece));
	}
}

void help_usage(const struct verb *v, struct buf *out)
{
	size_t line = out->len;
	buf_addf(out, "usage: muster %s%s%s", v->name, *v->words ? " " : "", v->words);
	size_t indent = strlen("usage: muster ") + strlen(v->name) + 1;
	add_usage_options(out, &line, indent, v->options);
	add_usage_options(out, &line, indent, verb_common);
	buf_addc(out, '\n');
}

/* Words of a text in lines of at most LINE columns. */
static void add_wrapped(struct buf *out, size_t *line, size_t indent, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, " ");
		add_piece(out, line, indent, span_n(text, n));
		text += n + (text[n] == ' ');
	}
}

static void add_options(struct buf *out, const struct verb_option *o)
{
	for (; o && o->name; o++) {
		size_t line = out->len;
		buf_addf(out, "  --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		if (out->len - line > COLUMN) {
			buf_addc(out, '\n');
			line = out->len;
		}
		buf_addf(out, "%*s", (int)(COLUMN - (out->len - line)), "");
		add_wrapped(out, &line, COLUMN + 1, o->help);
		buf_adds(out, o->repeats ? " (repeatable)\n" : "\n");
	}
}

void help_verb(const struct verb *v, struct buf *out)
{
	help_usage(v, out);
	buf_addf(out, "\n%s\n\n", v->summary);
	add_options(out, v->options);
	add_options(out, verb_common);
	if (v->help)
		buf_addf(out, "\n%s\n", v->help);
}

void help_all(struct buf *out)
{
	buf_adds(out,
		"usage: muster VERB [options]\n\n"
		"A team of software agents builds what you ask for, in sandboxes, with every step in a journal.\n\n");
	for (const struct verb *const *v = verb_table; *v; v++)
		buf_addf(out, "  %-11s %s\n", (*v)->name, (*v)->summary);
	buf_adds(out, "\n`muster VERB --help` says more. Without a model: `muster demo`.\n");
}
