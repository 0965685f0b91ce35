/* .gitignore files: the first line is a path, the rest the rules. Any rules, any path: an answer in bounded time, and
 * that of the last rule that matches alone. */
#include <stdint.h>

#include "base/err.h"
#include "vcs/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_n((const char *)data, size), path, text, line;
	struct ignore all, one;
	struct err e = ERR_INIT;

	if (size > 4096 || !span_line(&rest, &path) || path.n == 0)
		return 0;
	text = rest;
	if (span_find(text, span_of("\xef\xbb\xbf"), 0) != (size_t)-1) /* taken off at the beginning only */
		return 0;
	BUG_ON(ignore_init(&all, NULL, SPAN_NONE, text, &e));
	for (int folder = 0; folder < 2; folder++) {
		bool want = false;

		rest = text;
		while (span_line(&rest, &line)) {
			struct ignore_rule *rule;

			BUG_ON(ignore_init(&one, NULL, SPAN_NONE, line, &e));
			rule = one.count ? one.rules : NULL;
			if (rule && rule->negated) { /* it matches what it would ignore were it not negated */
				rule->negated = false;
				want = want && !ignore_match(&one, path, folder);
			} else {
				want = want || ignore_match(&one, path, folder);
			}
			ignore_release(&one);
		}
		BUG_ON(ignore_match(&all, path, folder) != want);
	}
	ignore_release(&all);
	return 0;
}
