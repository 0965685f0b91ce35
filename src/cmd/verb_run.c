/* run: starts a run of a mode and works on it. */
#include <unistd.h>

#include "cmd/errand.h"
#include "cmd/request.h"

static const struct verb_option options[] = {
	{"project", "DIR", false,
		"the project's folder; made when missing (default: ./MODE-RUN). At a server: its name or id"},
	{"input", "NAME=VALUE", true, "an input of the mode; VALUE @FILE reads a file, - standard input"},
	{"set", "NAME=VALUE", true, "a setting of the run (JSON where it parses, else text)"},
	{"model", "PROVIDER:MODEL", false, "for every agent, instead of the roles' classes"},
	{"script", "FILE", false, "answers from a file instead of a model"},
	{"record", "FILE", false, "write the models' and people's answers as such a file"},
	{"budget", "USD", false, "dollars that the run may spend"},
	{"yes", "NAME", true, "approve the gate of this name; \"all\": every gate"},
	{"answer", "NAME=TEXT", true, "answer the action of this name with an option or a text"},
	{"check", "COMMAND", false, "shows that the work is good: passes with exit status 0"},
	{"policy", "FILE", false, "policy rules of this run, YAML"},
	{"title", "TEXT", false, "what the run is called (default: the mode's name)"},
	{"unattended", NULL, false, "nobody answers: the run waits and this process exits"},
	{"json", NULL, false, "print the events as JSON lines"},
	{NULL},
};

static int run(const struct args *args, struct err *e)
{
	struct errand errand = {.unattended = args_has(args, "unattended") || !isatty(STDIN_FILENO)};
	cleanup_json json_t *request = request_of(args, errand.unattended, e);
	return request ? errand_begin(args, request, &errand, e) : -1;
}

const struct verb verb_run = {
	.name = "run",
	.words = "MODE",
	.least = 1,
	.most = 1,
	.summary = "start a run of a mode and work on it",
	.help = "A model comes from --model, the configuration (model, classes) or the environment: "
		"ANTHROPIC_API_KEY,\n"
		"OPENAI_API_KEY, DEEPSEEK_API_KEY, XAI_API_KEY, OPENROUTER_API_KEY, or MUSTER_MODEL_URL and "
		"MUSTER_MODEL_KEY.\n\n"
		"On a terminal, questions are asked there. Otherwise, or with --unattended, the run waits and the "
		"process\n"
		"exits. A server, or the process that serves the data folder, is given the run, which is shown here.\n"
		"Exit status: 0 completed, 3 waits for a person, 4 failed, 5 waits on its budget, 6 cancelled,\n"
		"7 paused by someone else, 130 interrupted. Ctrl-C once pauses, twice stops at once.",
	.options = options,
	.run = run,
};
