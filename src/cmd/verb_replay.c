/* replay: runs a recorded run again over its journal, without a model, a sandbox or a write. */
#include <inttypes.h>

#include "base/mem.h"
#include "cmd/out.h"
#include "cmd/source.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

/* Here, of the journal; the number of events that are the same. */
static int64_t replay_here(struct source *s, const char *id, struct err *e)
{
	if (app_house(&s->app, e))
		return -1;
	int64_t matched = run_replay(s->app.house, id, e);
	while (loop_turn(s->app.loop, 0)) /* what it used is given up */
		;
	return matched;
}

static int64_t replay_there(struct remote *r, const char *id, struct err *e)
{
	cleanup_free char *path = mem_printf("/api/v1/runs/%s/replay", id);
	cleanup_json json_t *reply = path ? remote_ask(r, "POST", path, NULL, e) : NULL;
	if (!path)
		return err_nomem(e);
	if (reply && json_bool(reply, "same", false))
		return json_int(reply, "events", 0);
	return reply ? err_set(e, ERR_FLOW_DIVERGED, "%s", json_str(reply, "difference")) : -1;
}

static int replay(const struct args *args, struct err *e)
{
	struct source s cleanup_source = {0};
	if (source_open(&s, args, e))
		return -1;
	cleanup_json json_t *row = source_run(&s, args_word(args, 0), e);
	if (!row)
		return -1;
	const char *id = json_str(row, "run");
	int64_t matched = s.remote ? replay_there(s.remote, id, e) : replay_here(&s, id, e);
	if (matched < 0)
		return s.remote ? -1 : err_wrap(e, "run %s", run_short(id));
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
