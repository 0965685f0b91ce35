/* fork: makes a new run from an earlier moment of another. */
#include <inttypes.h>

#include "base/mem.h"
#include "cmd/control.h"
#include "cmd/out.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"at", "SEQ", false, "the event to go back to (default: the newest)"},
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

static int fork_run(const struct args *args, struct err *e)
{
	struct control c cleanup_control = {0};
	int64_t at;
	if (args_int(args, "at", 1, INT64_MAX, INT64_MAX, &at, e) || control_open(&c, args, e))
		return -1;
	cleanup_json json_t *run = control_run(&c, args_word(args, 0), e);
	cleanup_json json_t *body = run ? json_make(e, "{s:I}", "at", (json_int_t)at) : NULL;
	cleanup_json json_t *reply = body ? control_post(&c, run, "/fork", body, e) : NULL;
	if (!reply)
		return -1;
	if (args_has(args, "json"))
		return out_json(reply, e);
	cleanup_buf struct buf out = BUF_INIT(4096);
	const char *id = json_str(reply, "run");
	buf_addf(&out, "run %s forked from %s at event %" PRId64 "; it is paused, go on with: muster resume %s\n", id,
		run_short(json_str(run, "run")), json_int(reply, "at", 0), run_short(id));
	return out_write(&out, e);
}

const struct verb verb_fork = {
	.name = "fork",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "make a new, paused run from an earlier moment of a run",
	.help = "Files and conversations return to the last event at or before SEQ at which no call was in flight; "
		"that event\n"
		"is printed. The new run has its own branch; the old one is not touched. `muster log RUN` shows the "
		"events.",
	.options = options,
	.run = fork_run,
};
