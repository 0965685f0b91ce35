/* delete: removes a run for good. */
#include "cmd/give.h"

static int delete_run(const struct args *args, struct err *e)
{
	return give_up(args, args_word(args, 0), e);
}

const struct verb verb_delete = {
	.name = "delete",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "remove a run that has ended or waits, with its events and its working copy",
	.help = "What it spent stays counted, and its branch stays in the project. At a server: by who began it, or "
		"an\n"
		"administrator of its project.",
	.run = delete_run,
};
