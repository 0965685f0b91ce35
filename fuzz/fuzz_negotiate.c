/* What a client asks for of the form of an answer, the lines one after the other: codings, tag, range, If-Range, and
 * then a file's name. A range lies within the file, and no name ends a quote or a line. */
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "http/header.h"
#include "http/negotiate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_n((const char *)data, size), line;
	char *texts[4] = {NULL};
	for (int i = 0; i < 4 && span_line(&rest, &line); i++)
		texts[i] = span_dup(line);
	for (int offered = 0; offered < 8; offered++) {
		int coding = negotiate_coding(texts[0], offered | CODING_IDENTITY);
		BUG_ON(coding != CODING_IDENTITY && !(coding & offered));
	}
	negotiate_unchanged(texts[1], "\"tag\"");
	for (int64_t bytes = 0; bytes < 100000; bytes = bytes * 10 + 1) {
		int64_t from, length;
		enum range range = negotiate_range(texts[2], texts[3], "\"tag\"", bytes, &from, &length);
		BUG_ON(range == RANGE_ALL && (from != 0 || length != bytes));
		BUG_ON(range == RANGE_PART && (from < 0 || length < 1 || from + length > bytes));
	}
	cleanup_buf struct buf out = BUF_INIT(16 * size + 200);
	negotiate_disposition("attachment", rest, &out);
	BUG_ON(out.failed || !header_value_valid(out.data) || !utf8_valid(buf_span(&out)));
	int quotes = 0;
	for (size_t i = 0; i < out.len; i++) {
		BUG_ON((unsigned char)out.data[i] >= 127 || out.data[i] == '\\' || out.data[i] == '/');
		quotes += out.data[i] == '"';
	}
	BUG_ON(quotes != 2 || strlen(out.data) != out.len);
	for (int i = 0; i < 4; i++)
		mem_free(texts[i]);
	return 0;
}
