/* Edits of a text: content, then from and to of each edit, separated by 0x1e. Whatever the input, the answer must be
 * that of a slow and obvious implementation: each `from` exactly once, none overlapping, or nothing at all. */
#include <stdint.h>

#include "base/caps.h"
#include "base/mem.h"
#include "workspace/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EDITS 8
#define SEPARATOR 0x1e

static struct span next_field(struct span *rest)
{
	const char *end = rest->n ? memchr(rest->p, SEPARATOR, rest->n) : NULL;
	size_t n = end ? (size_t)(end - rest->p) : rest->n;
	struct span field = span_n(rest->p, n);

	*rest = end ? span_n(end + 1, rest->n - n - 1) : SPAN_NONE;
	return field;
}

static size_t count(struct span text, struct span from, size_t *at)
{
	size_t found = 0;

	for (size_t i = 0; from.n && i + from.n <= text.n; i++)
		if (memcmp(text.p + i, from.p, from.n) == 0) {
			*at = i;
			found++;
		}
	return found;
}

/* Byte by byte: where an edit begins its text is put and its old one skipped. false: the edits do not apply. */
static bool slow(struct span text, const struct file_edit *edits, size_t n, struct buf *out)
{
	size_t at[EDITS];

	for (size_t i = 0; i < n; i++)
		if (count(text, edits[i].from, &at[i]) != 1)
			return false;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			if (i != k && at[i] <= at[k] && at[k] < at[i] + edits[i].from.n)
				return false;
	for (size_t i = 0; i < text.n;) {
		size_t step = 0;
		for (size_t k = 0; k < n; k++)
			if (at[k] == i) {
				buf_addspan(out, edits[k].to);
				step = edits[k].from.n;
			}
		if (!step)
			buf_addc(out, text.p[i]);
		i += step ? step : 1;
	}
	return n > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf got = BUF_INIT(CAP_FILE_WRITE), want = BUF_INIT(CAP_FILE_WRITE);
	struct span rest = span_n((const char *)data, size), text = next_field(&rest);
	struct file_edit edits[EDITS];
	struct err e = ERR_INIT;
	size_t n = 0;
	int rc;

	if (size > 4096)
		return 0;
	while (rest.p && n < EDITS) {
		edits[n].from = next_field(&rest);
		edits[n++].to = next_field(&rest);
	}
	rc = edit_text(text, edits, n, &got, &e);
	BUG_ON((rc == 0) != slow(text, edits, n, &want));
	BUG_ON(rc == 0 && !span_eq(buf_span(&got), buf_span(&want)));
	BUG_ON(rc != 0 && e.code != ERR_CONFLICT && e.code != ERR_INVALID);
	BUG_ON(rc != 0 && got.len);
	return 0;
}
