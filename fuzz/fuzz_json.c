/* JSON and schemas from the outside: what parses must print and parse again to an equal value, and any value that
 * passes schema_check must validate any other without harm. */
#include <stdint.h>

#include "base/caps.h"
#include "base/json.h"
#include "base/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_parse_again(const json_t *v)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_JSON_TEXT);
	cleanup_json json_t *again = NULL;
	struct err e = ERR_INIT;

	json_print(v, &text);
	BUG_ON(buf_check(&text, "printed", &e) != 0);
	again = json_parse(buf_span(&text), "printed", &e);
	if (!again)
		BUG("printed text does not parse: %s", e.text);
	BUG_ON(!json_equal(v, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *v = json_parse(span_n((const char *)data, size), "input", NULL);

	if (!v)
		return 0;
	print_parse_again(v);
	if (schema_check(v, NULL) == 0)
		schema_validate(v, v, NULL);
	if (json_get(v, "value") && schema_check(json_get(v, "schema"), NULL) == 0)
		schema_validate(json_get(v, "schema"), json_get(v, "value"), NULL);
	return 0;
}
