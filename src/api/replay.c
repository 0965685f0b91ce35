/* replay: a run is done again over its journal, and every event compared, by another process of this program: that
 * takes a core for as long as the journal is long, and whatever the flow does there ends with it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/private.h"
#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "loop/child.h"

struct replaying {
	struct child child;
	struct timer bound;
	struct ask *q;
	int said, complained; /* memfds: what it prints, and its error */
	bool late;
};

static void gone(struct server_request *r)
{
	struct replaying *p = r->user;
	child_kill(&p->child, SIGKILL);
}

static void late(struct timer *t)
{
	struct replaying *p = container_of(t, struct replaying, bound);
	p->late = true;
	child_kill(&p->child, SIGKILL);
}

static void release(struct replaying *p)
{
	timer_stop(&p->bound);
	if (p->said >= 0)
		close(p->said);
	if (p->complained >= 0)
		close(p->complained);
	p->q->api->replays--;
	mem_free(p);
}

/* What the process found. */
static json_t *outcome(struct replaying *p, int status, struct err *e)
{
	cleanup_buf struct buf said = BUF_INIT(64 * KIB), error = BUF_INIT(64 * KIB);
	if (p->late) {
		err_set(e, ERR_TIMEOUT, "the replay took longer than %d s; `muster replay` on the machine has no bound",
			TIME_REPLAY / 1000);
		return NULL;
	}
	if (lseek(p->said, 0, SEEK_SET) < 0 || fs_read_fd(p->said, &said, e) || lseek(p->complained, 0, SEEK_SET) < 0 ||
		fs_read_fd(p->complained, &error, e))
		return NULL;
	while (error.len && error.data[error.len - 1] == '\n')
		error.data[--error.len] = 0;
	const char *text = error.len ? error.data : "";
	if (!strncmp(text, "muster: ", 8))
		text += 8;
	if (status == 1)
		return json_make(e, "{s:s, s:b, s:s}", "run", p->q->run_id, "same", false, "difference", text);
	cleanup_json json_t *out = status == 0 ? json_parse(buf_span(&said), "the replay", e) : NULL;
	if (!out) {
		if (e->code == ERR_OK)
			err_set(e, ERR_INTERNAL, "the replay ended with status %d: %.500s", status, text);
		return NULL;
	}
	return json_make(e, "{s:s, s:b, s:O}", "run", p->q->run_id, "same", true, "events", json_get(out, "events"));
}

static void ended(struct child *c, int status, int signum)
{
	struct replaying *p = container_of(c, struct replaying, child);
	struct ask *q = p->q;
	struct err e = ERR_INIT;
	(void)signum;
	json_t *out = outcome(p, status, &e);
	q->request->on_gone = NULL;
	release(p);
	ask_end(q, out, &e);
}

static int start(struct replaying *p, struct err *e)
{
	struct ask *q = p->q;
	const char *const argv[] = {"muster", "replay", q->run_id, "--json", "--data", q->needs->data_dir, NULL};
	p->said = memfd_create("replay", MFD_CLOEXEC);
	p->complained = memfd_create("replay", MFD_CLOEXEC);
	if (p->said < 0 || p->complained < 0)
		return err_errno(e, errno, "memory for a replay");
	const struct child_fd fds[] = {{p->said, STDOUT_FILENO}, {p->complained, STDERR_FILENO}};
	const struct child_spec spec = {.file = "/proc/self/exe", .argv = argv, .fds = fds, .fd_count = 2};
	return child_start(&p->child, q->needs->loop, &spec, ended, e);
}

static json_t *replay(struct ask *q, struct err *e)
{
	if (q->api->replays >= CAP_REPLAYS) {
		err_set(e, ERR_OVERLOADED, "%d replays are at work; try again in a moment", CAP_REPLAYS);
		return NULL;
	}
	struct replaying *p = MEM_NEW(struct replaying);
	if (!p) {
		err_nomem(e);
		return NULL;
	}
	*p = (struct replaying){.q = q, .said = -1, .complained = -1};
	q->api->replays++;
	timer_init(&p->bound, q->needs->loop, late);
	if (timer_start(&p->bound, TIME_REPLAY, e) || start(p, e)) {
		release(p);
		return NULL;
	}
	q->request->user = p;
	q->request->on_gone = gone;
	return NULL;
}

const struct route routes_replay[] = {
	{"POST", API "/runs/{run}/replay", WHO_MEMBER,
		"do a run again over its journal, without a model or a sandbox, and compare every event", NULL, NULL,
		"@replay", 0, replay},
	{0},
};
