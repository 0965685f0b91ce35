/* Role files: what is read is within its limits, and its prompt can be filled; what is not is told with the file's
 * name. */
#include <stdint.h>

#include "agent/role.h"
#include "base/caps.h"
#include "base/mem.h"
#include "base/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct role *r)
{
	cleanup_buf struct buf bare = BUF_INIT(16 * MIB), filled = BUF_INIT(16 * MIB);
	struct err e = ERR_INIT;
	cleanup_json json_t *vars = json_make(&e, "{s:s, s:{s:i}, s:s}", "task", "do {it}", "tree", "n", 1, "name", "");

	BUG_ON(!r->id || !r->name || !r->class || !r->body || !json_is_array(r->tools));
	BUG_ON(r->turns < 1 || r->output_tokens < 64 || r->minutes < 1);
	BUG_ON(r->temperature != -1 && (r->temperature < 0 || r->temperature > 2));
	BUG_ON(r->output && schema_check(r->output, NULL));
	if (role_prompt(r, NULL, &bare, &e)) /* it has slots */
		BUG_ON(e.code != ERR_INVALID);
	else if (role_prompt(r, vars, &filled, &e) || !span_eq(buf_span(&bare), buf_span(&filled)))
		BUG("values change a prompt without slots: %s", e.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct role *r = role_parse(span_n((const char *)data, size), "input.md", &e);

	if (r)
		check(r);
	else
		BUG_ON((e.code != ERR_INVALID && e.code != ERR_PARSE && e.code != ERR_TOO_LARGE) ||
			!strstr(e.text, "input.md"));
	role_unref(r);
	return 0;
}
