/* diff: prints what a run changed, as a unified diff. */
#include "base/utf8.h"
#include "cmd/out.h"
#include "cmd/source.h"

static int diff(const struct args *args, struct err *e)
{
	struct source s cleanup_source = {0};
	if (source_open(&s, args, e))
		return -1;
	cleanup_json json_t *row = source_run(&s, args_word(args, 0), e);
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	if (!row)
		return -1;
	if (source_diff(&s, row, &out, e))
		return -1;
	if (!isatty(STDOUT_FILENO))
		return out_write(&out, e);
	cleanup_buf struct buf seen =
		BUF_INIT(8 * CAP_OUTPUT); /* files may hold anything, and this is somebody's terminal */
	utf8_visible(buf_span(&out), true, &seen);
	return out_write(&seen, e);
}

const struct verb verb_diff = {
	.name = "diff",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "print what a run changed as a unified diff",
	.help = "Of a completed run: what its branch has beyond where it began. Of any other: its files as they are "
		"now.",
	.run = diff,
};
