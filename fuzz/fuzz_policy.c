/* Fuzz the shell line parser and the policy. Up to the first line end the input is a pattern, the rest a command line.
 * Whatever the line: it is judged; a deny of everything denies it, an allow of everything alone allows it; and a deny
 * of the pattern never makes the verdict laxer. */
#include <stdint.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "tools/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum policy_effect judge(const struct policy *p, struct span line)
{
	struct policy_verdict v;
	struct err e = ERR_INIT;

	if (policy_decide(p, "shell", line, false, &v, &e))
		BUG("%s", e.text);
	BUG_ON(!v.reason[0] || !utf8_valid(span_of(v.reason)));
	return v.effect;
}

static void must_add(struct policy *p, enum policy_scope scope, enum policy_effect effect, const char *rule)
{
	struct err e = ERR_INIT;
	if (policy_add(p, scope, effect, rule, false, &e))
		BUG("%s", e.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = span_n((const char *)data, size), pattern = SPAN_NONE;

	span_line(&line, &pattern);
	struct span rest = line.p ? line : span_of("");
	struct policy *p = policy_new();
	cleanup_buf struct buf rule = BUF_INIT(4 * KIB);
	buf_adds(&rule, "shell(");
	utf8_visible(span_n(pattern.p, pattern.n < 100 ? pattern.n : 100), false, &rule);
	buf_adds(&rule, ")");
	if (!p || rule.failed)
		abort();
	enum policy_effect none = judge(p, rest);
	BUG_ON(none != POLICY_ASK);
	must_add(p, POLICY_DEFAULTS, POLICY_ALLOW, "shell(*)");
	BUG_ON(judge(p, rest) != POLICY_ALLOW);
	must_add(p, POLICY_RUN, POLICY_ASK, rule.data);
	enum policy_effect asks = judge(p, rest);
	must_add(p, POLICY_PROJECT, POLICY_DENY, rule.data);
	BUG_ON(judge(p, rest) < asks);
	must_add(p, POLICY_USER, POLICY_DENY, "shell(*)");
	BUG_ON(judge(p, rest) != POLICY_DENY);
	policy_free(p);
	return 0;
}
