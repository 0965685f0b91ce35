/* batch: runs one mode over many inputs. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/asking.h"
#include "cmd/batch.h"
#include "cmd/request.h"

#define LIVE 4 /* runs at once */

static const struct verb_option options[] = {
	{"inputs", "FILE", false, "the inputs: a JSON object a line, its members are the mode's inputs"},
	{"concurrency", "N", false, "runs at once (default 4, at most 256)"},
	{"projects", "DIR", false, "a project for each line is made in this folder (default: ./MODE-FILE)"},
	{"input", "NAME=VALUE", true, "an input for the lines that do not have it; VALUE @FILE reads a file"},
	{"set", "NAME=VALUE", true, "a setting of the runs (JSON where it parses, else text)"},
	{"model", "PROVIDER:MODEL", false, "for every agent, instead of the roles' classes"},
	{"script", "FILE", false, "answers from a file instead of a model; each run plays it from its beginning"},
	{"budget", "USD", false, "dollars that each run may spend"},
	{"total-budget", "USD", false, "no line is begun once all together have spent or reserved so much"},
	{"yes", "NAME", true, "approve the gate of this name; \"all\": every gate"},
	{"answer", "NAME=TEXT", true, "answer the action of this name with an option or a text"},
	{"check", "COMMAND", false, "shows that the work is good: passes with exit status 0"},
	{"policy", "FILE", false, "policy rules of the runs, YAML"},
	{"title", "TEXT", false, "what the runs are called, before the line's name (default: the mode's name)"},
	{"unattended", NULL, false,
		"no person is there: the setting run.unattended holds (so it does without a terminal)"},
	{"json", NULL, false, "print the results as JSON lines"},
	{NULL},
};

/* ./MODE-FILE, without the file's ending. */
static char *projects_default(const struct args *args, struct err *e)
{
	const char *file = args_get(args, "inputs"), *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
	size_t n = dot && dot > base ? (size_t)(dot - base) : strlen(base);
	char *out = mem_printf("%s-%.*s", args_word(args, 0), (int)n, base);
	if (!out)
		err_nomem(e);
	return out;
}

/* The folder of the projects, made when missing, as the journal will write it. */
static char *projects_of(const struct args *args, struct err *e)
{
	const char *given = args_get(args, "projects");
	cleanup_free char *named = given ? NULL : projects_default(args, e);
	const char *dir = given ? given : named;
	char real[PATH_MAX];
	if (!dir || fs_mkdirs_durable(dir, 0777, e))
		return NULL;
	if (!realpath(dir, real)) {
		err_errno(e, errno, "--projects %s", dir);
		return NULL;
	}
	if (!utf8_valid(span_of(real))) {
		err_set(e, ERR_INVALID, "the path of the projects is not UTF-8 text");
		return NULL;
	}
	char *out = mem_strdup(real);
	if (!out)
		err_nomem(e);
	return out;
}

/* Runs that had begun before go on with the model that is named now. */
static json_t *resumed(const struct args *args, const json_t *request, struct err *e)
{
	bool named = args_has(args, "model") || args_has(args, "script");
	json_t *out = named ? json_pack("[{s:s, s:O, s:s}]", "kind", "model", "model", json_get(request, "model"), "by",
				      person_name())
			    : json_array();
	if (!out)
		err_nomem(e);
	return out;
}

static int check_options(const struct args *args, struct batch_options *o, struct err *e)
{
	int64_t live;
	if (!args_has(args, "inputs"))
		return err_set(e, ERR_USAGE, "`muster batch` needs --inputs FILE, with a JSON object a line");
	if (args_int(args, "concurrency", 1, CAP_BATCH_LIVE, LIVE, &live, e) ||
		args_number(args, "total-budget", 0, 1e9, -1, &o->total_usd, e))
		return -1;
	o->file = args_get(args, "inputs");
	o->json = args_has(args, "json");
	o->live = (int)live;
	return 0;
}

static int work(const struct args *args, struct batch_options *o, json_t *request, struct err *e)
{
	struct app a cleanup_app = {0};
	cleanup_json json_t *commands = resumed(args, request, e);
	if (!commands || app_open(&a, args, APP_OWN, e) || request_complete(&a, request, e))
		return -1;
	cleanup_free char *projects = projects_of(args, e);
	o->request = request;
	o->resumed = commands;
	o->projects = projects;
	return projects && !batch_check(&a, o, e) ? batch(&a, o, e) : -1;
}

static int run(const struct args *args, struct err *e)
{
	struct batch_options o = {0};
	bool unattended = args_has(args, "unattended") || !isatty(STDIN_FILENO);
	if (check_options(args, &o, e))
		return -1;
	cleanup_json json_t *request = request_of(args, unattended, e);
	struct mode *mode = request ? request_mode(args, request, e) : NULL;
	o.mode = mode;
	int status = mode && !inputs_check(o.file, mode, json_get(request, "inputs"), &o.seen, e)
			     ? work(args, &o, request, e)
			     : -1;
	mode_free(mode);
	return status;
}

const struct verb verb_batch = {
	.name = "batch",
	.words = "MODE",
	.least = 1,
	.most = 1,
	.summary = "run a mode over many inputs, each in a project of its own",
	.help = "FILE holds a JSON object a line. Its member \"id\" (a text or whole number; not where the mode has an "
		"input of\n"
		"that name) names the line and its project DIR/ID; without ids a line is known by its number. All "
		"lines are\n"
		"checked before anything runs. A line of output for each run follows as it comes to rest, and the "
		"sum.\n\n"
		"Type the same command again to go on after an interrupt, a crash or answers: a line's run is the one "
		"of\n"
		"this mode in its project; when it has ended its result is printed again, else it is resumed. Lines "
		"may be\n"
		"appended to FILE, not changed: a line whose run had other inputs is refused.\n\n"
		"Nobody is asked here: a run with an open question waits, and the others go on; `muster answer` it "
		"from a\n"
		"second terminal. --total-budget lets live runs go on to their end, so give --budget too.\n\n"
		"Exit status: 0 all completed; else the worst of the lines', from the worst: 130 interrupted, 1 a "
		"journal\n"
		"that differs, 4 failed, 2 refused, 6 cancelled, 5 waits on a budget, 3 waits for a person, 7 paused "
		"by\n"
		"someone else. Ctrl-C once pauses all, twice stops at once.",
	.options = options,
	.run = run,
};
