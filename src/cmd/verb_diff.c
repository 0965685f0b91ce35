/* diff: prints what a run changed, as a unified diff. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/app.h"
#include "cmd/out.h"
#include "flow/run.h"
#include "vcs/project.h"

/* Of a completed run: its commits. */
static int diff_commits(const json_t *row, struct buf *out, struct err *e)
{
	const char *dir = json_str(row, "dir");
	cleanup_free char *git = fs_join(dir, ".git");
	if (!git)
		return err_nomem(e);
	if (!fs_exists(git))
		return err_set(e, ERR_NOT_FOUND, "the project %s is gone", dir);
	struct project *p = project_open(dir, NULL, e);
	int failed = !p || project_diff_text(p, json_str(row, "base"), json_str(row, "commit"), NULL, out, e);
	project_close(p);
	return failed ? -1 : 0;
}

/* Of any other: its files as they are now against those it began with. */
static int diff_files(struct app *a, const json_t *row, struct buf *out, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	struct event events[64];
	struct hash first, last;
	bool has_first = false, has_last = false;
	int64_t at = 0;
	int got;
	snprintf(stream, sizeof(stream), "run/%s", json_str(row, "run"));
	while ((got = store_read(a->store, stream, at, events, 64, e)) > 0)
		for (int i = 0; i < got; i++) {
			bool created = events[i].type == EVENT_RUN_CREATED,
			     taken = events[i].type == EVENT_SNAPSHOT_TAKEN;
			cleanup_json json_t *data = created || taken ? event_data(&events[i], e) : NULL;
			const char *copy = json_str(data, "copy");
			if (created)
				has_first = !hash_parse(&first, json_span(data, "snapshot"));
			else if (taken && copy && !strcmp(copy, "run"))
				has_last = !hash_parse(&last, json_span(data, "manifest"));
			at = events[i].seq;
			event_release(&events[i]);
		}
	if (got < 0)
		return -1;
	return has_last ? snapshot_diff_text(a->store, has_first ? &first : NULL, &last, out, e) : 0;
}

static int diff(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	if (app_open(&a, args, APP_READ, e))
		return -1;
	cleanup_json json_t *row = app_run(&a, args_word(args, 0), e);
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	if (!row)
		return -1;
	bool commits = json_str(row, "commit") && !strcmp(json_str(row, "state"), "completed");
	if (commits ? diff_commits(row, &out, e) : diff_files(&a, row, &out, e))
		return -1;
	if (!isatty(STDOUT_FILENO))
		return out_write(&out, e);
	cleanup_buf struct buf seen =
		BUF_INIT(8 * CAP_OUTPUT); /* files may hold anything, and this is somebody's terminal */
	utf8_visible(buf_span(&out), true, &seen);
	return out_write(&seen, e);
}

const struct verb verb_diff = {
	.name = "diff",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "print what a run changed as a unified diff",
	.help = "Of a completed run: what its branch has beyond where it began. Of any other: its files as they are "
		"now.",
	.run = diff,
};
