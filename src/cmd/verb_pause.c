/* pause: keeps new turns of a run from beginning until it is resumed. */
#include "cmd/give.h"

static int pause_run(const struct args *args, struct err *e)
{
	return give(args, json_make(e, "{s:s}", "kind", "pause"), "pausing: calls under way end first", "paused", e);
}

const struct verb verb_pause = {
	.name = "pause",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "pause a run between its agents' turns",
	.help = "The process that works on it ends with exit status 7; `muster resume RUN` goes on.",
	.run = pause_run,
};
