/* The description of a folder: whatever decodes must encode to the same bytes, and no damaged one may be read as if it
 * were whole. */
#include <stdint.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/mem.h"
#include "vcs/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf again = BUF_INIT(CAP_BLOB);
	cleanup_free struct entry *entries = NULL;
	struct span blob = span_n((const char *)data, size);
	struct err e = ERR_INIT;
	size_t count = 0;

	if (tree_entries(blob, &entries, &count, &e)) {
		BUG_ON(e.code != ERR_CORRUPT);
		return 0;
	}
	tree_begin(&again);
	for (size_t i = 0; i < count; i++) {
		BUG_ON(!entry_name_ok(entries[i].name));
		tree_add(&again, &entries[i]);
	}
	BUG_ON(!span_eq(buf_span(&again), blob));
	return 0;
}
