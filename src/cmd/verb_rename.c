/* rename: gives a run another name. */
#include "cmd/give.h"

static int rename_run(const struct args *args, struct err *e)
{
	cleanup_buf struct buf name = BUF_INIT(4096);
	if (give_words(args, 1, &name, e))
		return -1;
	return give(args, json_make(e, "{s:s, s:o}", "kind", "rename", "name", json_from_span(buf_span(&name))),
		"renamed", "renamed", e);
}

const struct verb verb_rename = {
	.name = "rename",
	.words = "RUN NAME",
	.least = 2,
	.most = -1,
	.summary = "give a run another name, as lists show it",
	.run = rename_run,
};
