/* modify: changes a value that the flow watches, or the run's budget. */
#include <stdlib.h>
#include <string.h>

#include "cmd/give.h"

static const struct verb_option options[] = {
	{"budget", "USD", false, "the run's new budget in dollars"},
	{NULL},
};

static json_t *value_of(const char *text)
{
	struct err ignored = ERR_INIT;
	json_t *out = json_parse(span_of(text), "the value", &ignored);
	return out ? out : json_from_span(span_of(text));
}

static int modify(const struct args *args, struct err *e)
{
	const char *assignment = args_word(args, 1), *value;
	struct span name;
	double usd;
	if (!assignment == !args_has(args, "budget"))
		return err_set(e, ERR_USAGE, "give either NAME=VALUE or --budget USD");
	if (args_number(args, "budget", 0, 1e6, 0, &usd, e))
		return -1;
	if (!assignment)
		return give(args, json_make(e, "{s:s, s:f, s:f}", "kind", "budget", "usd", usd, "value", usd),
			"changed", "changed", e);
	if (args_pair("modify", assignment, &name, &value, e))
		return -1;
	return give(args,
		json_make(
			e, "{s:s, s:o, s:o}", "kind", "modify", "name", json_from_span(name), "value", value_of(value)),
		"changed", "changed", e);
}

const struct verb verb_modify = {
	.name = "modify",
	.words = "RUN [NAME=VALUE]",
	.least = 1,
	.most = 2,
	.summary = "change a value of the flow's vars, or the budget, while a run goes on",
	.help = "VALUE is JSON where it parses, else text.",
	.options = options,
	.run = modify,
};
