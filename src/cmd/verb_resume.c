/* resume: goes on with a run that stopped, failed, was paused, or waited. */
#include <unistd.h>

#include "cmd/errand.h"

static const struct verb_option options[] = {
	{"model", "PROVIDER:MODEL", false, "from now on, for every agent"},
	{"script", "FILE", false, "answers from a file instead of a model, from now on"},
	{"record", "FILE", false, "append the models' and people's answers to this file"},
	{"yes", "NAME", true, "approve the gate of this name; \"all\": every gate"},
	{"answer", "NAME=TEXT", true, "answer the action of this name with an option or a text"},
	{"unattended", NULL, false, "nobody answers: the run waits and this process exits"},
	{"json", NULL, false, "print the events as JSON lines"},
	{NULL},
};

static int resume(const struct args *args, struct err *e)
{
	struct errand errand = {.unattended = args_has(args, "unattended") || !isatty(STDIN_FILENO)};
	return errand_go_on(args, args_word(args, 0), &errand, e);
}

const struct verb verb_resume = {
	.name = "resume",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "go on with a run that stopped, failed, was paused or waited",
	.help = "RUN is a run's id, or at least four characters of its beginning or end. Completed and cancelled runs "
		"are\n"
		"final: `muster fork` them. Exit status as of `muster run`.",
	.options = options,
	.run = resume,
};
