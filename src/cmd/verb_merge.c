/* merge: brings a run's branch into its project. */
#include "base/mem.h"
#include "cmd/control.h"
#include "cmd/out.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

static int conflicts(const json_t *list, const json_t *run, struct err *e)
{
	cleanup_buf struct buf paths = BUF_INIT(64 * KIB);
	size_t i;
	json_t *one;
	bool dirty = false;
	json_array_foreach(list, i, one)
	{
		dirty |= json_bool(one, "dirty", false);
		buf_adds(&paths, i ? ", " : "");
		text_fit(json_span(one, "path"), 200, &paths);
	}
	return err_set(e, ERR_CONFLICT, "nothing was merged: %s in %s: %s",
		dirty ? "commit or stash your changes first" : "both sides changed the same lines",
		json_str(run, "dir") ? json_str(run, "dir") : "the project", paths.data ? paths.data : "?");
}

static int merge(const struct args *args, struct err *e)
{
	struct control c cleanup_control = {0};
	if (control_open(&c, args, e))
		return -1;
	cleanup_json json_t *run = control_run(&c, args_word(args, 0), e), *body = json_object();
	cleanup_json json_t *reply = run && body ? control_post(&c, run, "/merge", body, e) : NULL;
	if (!reply)
		return -1;
	if (args_has(args, "json") && json_bool(reply, "merged", false))
		return out_json(reply, e);
	if (!json_bool(reply, "merged", false))
		return conflicts(json_get(reply, "conflicts"), run, e);
	cleanup_buf struct buf out = BUF_INIT(8192);
	const char *id = run_short(json_str(run, "run")), *commit = json_str(reply, "commit");
	if (json_bool(reply, "already", false))
		buf_addf(&out, "run %s is merged already: nothing to do\n", id);
	else
		buf_addf(&out, "run %s is merged into %s: %.8s\n", id,
			json_str(run, "dir") ? json_str(run, "dir") : "its project", commit ? commit : "?");
	return out_write(&out, e);
}

const struct verb verb_merge = {
	.name = "merge",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "bring a run's branch into its project's checkout",
	.help = "Your newer commits are merged into the run's branch first; then the checkout is fast-forwarded. A "
		"conflict or\n"
		"uncommitted changes in the way are said, and nothing is touched.",
	.options = options,
	.run = merge,
};
