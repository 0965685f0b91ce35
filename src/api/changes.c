/* changes: see changes.h, and the resource. */
#include "api/changes.h"

#include <stdio.h>
#include <string.h>

#include "api/aside.h"
#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "vcs/project.h"

#define CAP_DIFF (8 * MIB)

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
static int diff_files(struct store *s, const json_t *row, struct buf *out, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	struct event events[64];
	struct hash first, last;
	bool has_first = false, has_last = false;
	int64_t at = 0;
	int got;
	snprintf(stream, sizeof(stream), "run/%s", json_str(row, "run"));
	while ((got = store_read(s, stream, at, events, 64, e)) > 0)
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
	return has_last ? snapshot_diff_text(s, has_first ? &first : NULL, &last, out, e) : 0;
}

int changes_text(struct store *s, const json_t *row, struct buf *out, struct err *e)
{
	bool commits = json_str(row, "commit") && !strcmp(json_str(row, "state"), "completed");
	return commits ? diff_commits(row, out, e) : diff_files(s, row, out, e);
}

/* ---- the resource ---- */

static json_t *compare(struct ask *q, void *ctx, struct err *e)
{
	struct buf *text = ctx;
	return changes_text(q->needs->store, q->run, text, e) || buf_check(text, "the diff", e) ? NULL : json_true();
}

static json_t *compared(struct ask *q, void *ctx, json_t *out, struct err *e)
{
	struct buf *text = ctx;
	(void)e;
	if (out) {
		struct server_request *r = q->request;
		ask_forget(q);
		reply_bytes(r, 200, "text/x-diff; charset=utf-8", buf_span(text));
	}
	buf_release(text);
	mem_free(text);
	return NULL;
}

static json_t *get_diff(struct ask *q, struct err *e)
{
	struct buf *text = MEM_NEW(struct buf);
	if (!text) {
		err_nomem(e);
		return NULL;
	}
	buf_init(text, CAP_DIFF);
	return aside_start(q, &q->api->toils, (struct aside){compare, compared, text}, e);
}

const struct route routes_changes[] = {
	{"GET", API "/runs/{run}/diff", WHO_VIEWER,
		"what a run changed, as a unified diff: its commits when it is completed, else its files as they are",
		NULL, NULL, NULL, 0, get_diff, .content_type = "text/x-diff"},
	{0},
};
