/* cancel: ends a run at once and for good. */
#include "cmd/give.h"

static int cancel_run(const struct args *args, struct err *e)
{
	return give(args, json_make(e, "{s:s}", "kind", "cancel"), "cancelled", "cancelled", e);
}

const struct verb verb_cancel = {
	.name = "cancel",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "end a run at once and for good; its files stay on its branch's copy",
	.help = "A cancelled run is final; `muster fork RUN` goes on from an earlier event.",
	.run = cancel_run,
};
