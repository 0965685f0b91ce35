/* redirect: hands an agent's task to another role. */
#include "cmd/give.h"

static const struct verb_option options[] = {
	{"text", "TEXT", false, "what the new agent is told besides"},
	{NULL},
};

static int redirect(const struct args *args, struct err *e)
{
	return give(args,
		json_make(e, "{s:s, s:s, s:s, s:s*}", "kind", "redirect", "agent", args_word(args, 1), "role",
			args_word(args, 2), "text", args_get(args, "text")),
		"handed over", "handed over; the new agent begins when the run goes on", e);
}

const struct verb verb_redirect = {
	.name = "redirect",
	.words = "RUN AGENT ROLE",
	.least = 3,
	.most = 3,
	.summary = "hand an agent's task to another role of the run's mode",
	.help = "The old agent ends; its files stay, and its task goes to a new agent of ROLE.",
	.options = options,
	.run = redirect,
};
