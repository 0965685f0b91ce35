/* recorder: a script written while a run goes on. Each line is appended with one write and synced before the answer is
 * used, so that a recording never lacks an answer that had effects. A line that a crash cut in the middle was never
 * used: it is removed when the file is opened again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "llm/llm.h"
#include "llm/reply.h"

struct recorder {
	char *path;
	int fd;
	struct err broken; /* a line could not be written: nothing may follow it */
};

/* Append one line and make it durable. `v` is consumed. */
static int append(struct recorder *r, json_t *v, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT(CAP_JSON_TEXT);

	if (!v)
		return -1;
	json_print(v, &line);
	json_decref(v);
	if (r->broken.code != ERR_OK)
		return err_set(e, r->broken.code, "%s", r->broken.text);
	buf_addc(&line, '\n');
	if (buf_check(&line, "a line of the recording", e))
		return -1;
	if (fs_write_fd(r->fd, buf_span(&line), &r->broken) || fs_fsync(r->fd, &r->broken)) {
		err_wrap(&r->broken, "recording %s", r->path);
		return err_set(e, r->broken.code, "%s", r->broken.text);
	}
	return 0;
}

/* Cut an unfinished last line off. */
static int mend(struct recorder *r, bool *empty, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_SCRIPT);
	size_t keep;

	if (fs_read(r->path, &text, e))
		return -1;
	keep = text.len;
	while (keep && text.data[keep - 1] != '\n')
		keep--;
	if (keep != text.len && ftruncate(r->fd, (off_t)keep))
		return err_errno(e, errno, "recording %s", r->path);
	*empty = keep == 0;
	return 0;
}

struct recorder *recorder_open(const char *path, const json_t *header, struct err *e)
{
	struct recorder *r = MEM_NEW(struct recorder);
	bool empty = false;

	if (r) {
		r->fd = -1;
		r->path = mem_strdup(path);
	}
	if (!r || !r->path) {
		err_nomem(e);
		recorder_close(r);
		return NULL;
	}
	r->fd = fs_open(path, O_RDWR | O_CREAT | O_APPEND, 0600, e);
	if (r->fd < 0 || mend(r, &empty, e) ||
		(empty && header && append(r, json_make(e, "{s:O}", "recording", (json_t *)header), e))) {
		recorder_close(r);
		return NULL;
	}
	return r;
}

void recorder_close(struct recorder *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	mem_free(r->path);
	mem_free(r);
}

static json_t *match(const struct llm_call *c, struct err *e)
{
	return json_make(e, "{s:s, s:s, s:i}", "role", c->role ? c->role : "", "agent", c->agent ? c->agent : "",
		"turn", c->turn);
}

int recorder_reply(struct recorder *r, const struct llm_call *c, const char *prompt_hash, struct err *e)
{
	json_t *reply = reply_make(c, e), *m = reply ? match(c, e) : NULL;

	if (!m) {
		json_decref(reply);
		return -1;
	}
	return append(r, json_make(e, "{s:o, s:o, s:s?}", "match", m, "reply", reply, "prompt", prompt_hash), e);
}

int recorder_failure(struct recorder *r, const struct llm_call *c, const struct err *why, struct err *e)
{
	json_t *m = match(c, e), *x;

	if (!m)
		return -1;
	x = json_make(e, "{s:i, s:s, s:s}", "status", c->status, "message", why->text, "code", err_name(why->code));
	if (x && c->retry_ms >= 0 && json_put(x, "retry_after", json_real((double)c->retry_ms / 1000))) {
		json_decref(x);
		x = NULL;
		err_nomem(e);
	}
	if (!x) {
		json_decref(m);
		return -1;
	}
	return append(r, json_make(e, "{s:o, s:o}", "match", m, "error", x), e);
}

int recorder_answer(struct recorder *r, const char *action, const char *answer, struct err *e)
{
	return append(r, json_make(e, "{s:{s:s}, s:s}", "match", "action", action, "answer", answer), e);
}
