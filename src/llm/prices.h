/* prices: what is known about a provider's models (models.def), for resolve. */
#ifndef MUSTER_LLM_PRICES_H
#define MUSTER_LLM_PRICES_H

#include "llm/llm.h"

enum model_flag {
	TEMPERATURE = 1,    /* the request may set a temperature */
	NO_THINK_TOOLS = 2, /* tools are only accepted with thinking switched off */
};

struct model_row {
	const char *provider, *model;
	double input, output, cached, cache_write;
	int64_t long_over;
	double long_input, long_output;
	int context, max_output;
	unsigned flags;
	const char *date, *source;
};

/* The row of a model, also of a dated snapshot of it; NULL: unknown. */
const struct model_row *model_row(const char *provider, const char *model);
/* i-th known model of any provider, NULL at the end. */
const struct model_row *model_row_at(size_t i);
/* The model that `provider` offers for a class, or NULL. */
const char *class_model(const char *class_name, const char *provider);
extern const char *const class_names[]; /* NULL-terminated */
/* Read {input, output, cached?, cache_write?, date?, source?, long_over?, long_input?, long_output?}: 0, or -1 with
 * ERR_INVALID (input and output are required, all numbers ≥ 0; a member that is none of these). */
int price_read(struct llm_price *out, const json_t *v, const char *what, struct err *e);

#endif
