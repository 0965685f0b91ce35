/* tokens: how many tokens a text may be, without any provider's tokenizer, and what a call cost.
 *
 * The newer tokenizers need about 30% more tokens than those of 2024 (Anthropic's notes on Claude 4.7 and later), so
 * ASCII counts 3.6 bytes a token; of other scripts a two-byte letter counts half a token, a three-byte character
 * (Chinese, Japanese, Korean) a whole one, a four-byte one (emoji) two. */
#include "llm/llm.h"

int64_t llm_estimate(struct span text)
{
	int64_t ascii = 0, two = 0, three = 0, four = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		ascii += c < 0x80;
		two += c >= 0xC0 && c < 0xE0;
		three += c >= 0xE0 && c < 0xF0;
		four += c >= 0xF0;
	}
	return (ascii * 10 + 35) / 36 + (two + 1) / 2 + three + four * 2;
}

double llm_cost(const struct llm_model *m, const struct llm_usage *u)
{
	const struct llm_price *p = &m->price;
	int64_t fresh = u->input - u->cached - u->cache_write;
	double in, out;

	if (!m->priced)
		return 0;
	in = (double)(fresh > 0 ? fresh : 0) * p->input + (double)u->cached * p->cached +
	     (double)u->cache_write * p->cache_write;
	out = (double)u->output * p->output;
	if (p->long_over && u->input > p->long_over) {
		in *= p->long_input;
		out *= p->long_output;
	}
	return (in + out) / 1e6;
}
