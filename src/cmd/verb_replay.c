/* replay: runs a recorded run again over its journal, without a model, a sandbox or a write. */
#include <inttypes.h>

#include "cmd/app.h"
#include "cmd/out.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

static int replay(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	if (app_open(&a, args, APP_READ, e))
		return -1;
	cleanup_json json_t *row = app_run(&a, args_word(args, 0), e);
	if (!row || app_house(&a, e))
		return -1;
	const char *id = json_str(row, "run");
	int64_t matched = run_replay(a.house, id, e);
	while (loop_turn(a.loop, 0)) /* what it used is given up */
		;
	if (matched < 0)
		return err_wrap(e, "run %s", run_short(id));
	if (args_has(args, "json")) {
		cleanup_json json_t *out = json_make(e, "{s:s, s:I}", "run", id, "events", (json_int_t)matched);
		return out ? out_json(out, e) : -1;
	}
	cleanup_buf struct buf out = BUF_INIT(4096);
	buf_addf(&out, "run %s: all %" PRId64 " events match\n", run_short(id), matched);
	return out_write(&out, e);
}

const struct verb verb_replay = {
	.name = "replay",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "run a run again over its journal and compare every event",
	.help = "Models' bytes, tools' results, people's answers and the time come from the journal; flow, agents, "
		"gate and\n"
		"prompts are computed again. Exit status 1 names the first event that differs.",
	.options = options,
	.run = replay,
};
