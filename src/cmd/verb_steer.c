/* steer: sends a message to one agent. */
#include "cmd/give.h"

static const struct verb_option options[] = {
	{"agent", "ID", false, "which agent (default: the first root agent, 0)"},
	{NULL},
};

static int steer(const struct args *args, struct err *e)
{
	const char *agent = args_get(args, "agent");
	cleanup_buf struct buf text = BUF_INIT(1u << 20);
	if (give_words(args, 1, &text, e))
		return -1;
	return give(args,
		json_make(e, "{s:s, s:s, s:o}", "kind", "steer", "agent", agent ? agent : "0", "text",
			json_from_span(buf_span(&text))),
		"told; it reads it before its next turn", "told; it reads it when the run goes on", e);
}

const struct verb verb_steer = {
	.name = "steer",
	.words = "RUN TEXT",
	.least = 2,
	.most = -1,
	.summary = "tell an agent something; it joins its conversation before its next turn",
	.help = "`muster show RUN` lists the agents.",
	.options = options,
	.run = steer,
};
