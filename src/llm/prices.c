/* prices: the table and its look-up; a few dozen rows, searched one after the other. */
#include "llm/prices.h"

#include <stdio.h>

#include "config/nearest.h"

static const struct model_row rows[] = {
#define M(...) {__VA_ARGS__},
#define C(...)
#include "llm/models.def"
#undef M
#undef C
};

static const struct {
	const char *class_name, *provider, *model;
} classes[] = {
#define M(...)
#define C(...) {__VA_ARGS__},
#include "llm/models.def"
#undef M
#undef C
};

const char *const class_names[] = {"fast", "strong", "reasoning", "vision", "embed", NULL};

/* "-20251001", "-2026-03-05", "-latest" */
static bool is_snapshot(const char *rest)
{
	int digits = 0;

	if (strcmp(rest, "-latest") == 0)
		return true;
	if (*rest++ != '-')
		return false;
	for (; *rest; rest++) {
		if (*rest >= '0' && *rest <= '9')
			digits++;
		else if (*rest != '-')
			return false;
	}
	return digits == 8;
}

const struct model_row *model_row(const char *provider, const char *model)
{
	const struct model_row *snapshot = NULL;

	if (strcmp(provider, "openai-responses") == 0) /* the same models at another address */
		provider = "openai";
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t n = strlen(rows[i].model);
		if (strcmp(rows[i].provider, provider) != 0 || strncmp(rows[i].model, model, n) != 0)
			continue;
		if (!model[n])
			return &rows[i];
		if (is_snapshot(model + n))
			snapshot = &rows[i];
	}
	return snapshot;
}

const struct model_row *model_row_at(size_t i)
{
	return i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

const char *class_model(const char *class_name, const char *provider)
{
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strcmp(classes[i].class_name, class_name) == 0 && strcmp(classes[i].provider, provider) == 0)
			return classes[i].model;
	return NULL;
}

static int price_check(const json_t *v, const char *what, struct err *e)
{
	static const char *const known[] = {"input", "output", "cached", "cache_write", "long_over", "long_input",
		"long_output", "date", "source", NULL};
	struct nearest near;
	const char *unknown;

	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "%s: a price must be a mapping", what);
	unknown = nearest_unknown(&near, v, known);
	if (unknown)
		return err_set(
			e, ERR_INVALID, "%s: a price has no field \"%.60s\"%s", what, unknown, nearest_hint(&near));
	for (size_t i = 0; known[i]; i++) {
		const json_t *member = json_get(v, known[i]);
		bool text = strcmp(known[i], "date") == 0 || strcmp(known[i], "source") == 0;
		if (member && !(text ? json_is_string(member) : json_is_number(member)))
			return err_set(e, ERR_INVALID, "%s: %s of a price must be %s", what, known[i],
				text ? "text" : "a number");
	}
	return 0;
}

int price_read(struct llm_price *out, const json_t *v, const char *what, struct err *e)
{
	const char *date = json_str(v, "date"), *source = json_str(v, "source");
	double in = json_num(v, "input", -1), more = json_num(v, "output", -1);

	if (price_check(v, what, e))
		return -1;
	if (in < 0 || more < 0)
		return err_set(e, ERR_INVALID,
			"%s: a price needs input and output in dollars per million tokens, both at least 0", what);
	*out = (struct llm_price){.input = in,
		.output = more,
		.cached = json_num(v, "cached", in),
		.cache_write = json_num(v, "cache_write", in),
		.long_over = json_int(v, "long_over", 0),
		.long_input = json_num(v, "long_input", 1),
		.long_output = json_num(v, "long_output", 1)};
	if (out->cached < 0 || out->cache_write < 0 || out->long_input < 0 || out->long_output < 0)
		return err_set(e, ERR_INVALID, "%s: a price cannot be negative", what);
	snprintf(out->date, sizeof out->date, "%s", date ? date : "");
	snprintf(out->source, sizeof out->source, "%s", source ? source : "configuration");
	return 0;
}
