#include "sandbox/internal.h"

#include <signal.h>
#include <string.h>

#include "base/caps.h"

/* Background jobs: commands that outlive their caller. The last part of their output is kept in a ring; an ended job
 * stays in the list until enough others have ended after it. */

struct ring {
	uint64_t total; /* bytes ever written; the ring holds the last CAP_SANDBOX_JOB_OUTPUT of them */
	char bytes[CAP_SANDBOX_JOB_OUTPUT];
};

int job_new(struct command *c, const struct sandbox_exec *x, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT(4 * KIB);
	for (const char *const *p = x->argv; !x->line && *p && line.len < KIB; p++)
		buf_addf(&line, "%s%.1024s", line.len ? " " : "", *p);
	if (x->line)
		buf_addf(&line, "%.2048s", x->line);
	c->ring = MEM_NEW(struct ring);
	c->line = buf_take(&line);
	return c->ring && c->line ? 0 : err_nomem(e);
}

void job_free(struct command *c)
{
	mem_free(c->ring);
	c->ring = NULL;
}

void job_started(struct command *c)
{
	struct sandbox_exec *x = c->exec;
	if (!x)
		return;
	struct err ok = ERR_INIT;
	ok = c->why; /* cancelled meanwhile? */
	c->exec = NULL;
	x->command = NULL;
	x->job = c->id;
	x->status = 0;
	x->on_done(x, &ok);
}

void job_output(struct command *c, struct span bytes)
{
	struct ring *r = c->ring;
	for (size_t done = 0; done < bytes.n;) {
		size_t at = r->total % sizeof(r->bytes), n = sizeof(r->bytes) - at;
		if (n > bytes.n - done)
			n = bytes.n - done;
		memcpy(r->bytes + at, bytes.p + done, n);
		r->total += n;
		done += n;
	}
}

void job_done(struct command *c)
{
	struct sandbox *s = c->sandbox;
	if (++s->ended_jobs <= CAP_SANDBOX_JOBS_ENDED)
		return;
	list_for (it, &s->commands) {
		struct command *old = list_entry(it, struct command, link);
		if (old->ring && sm_is(&old->sm) == COMMAND_DONE) {
			s->ended_jobs--;
			command_free(old);
			return;
		}
	}
}

static struct command *find(struct sandbox *s, uint32_t job, struct err *e)
{
	list_for (it, &s->commands) {
		struct command *c = list_entry(it, struct command, link);
		if (c->id == job && c->ring && !c->exec)
			return c;
	}
	err_set(e, ERR_NOT_FOUND, "there is no background job %u in this sandbox", job);
	return NULL;
}

int sandbox_job_kill(struct sandbox *s, uint32_t job, struct err *e)
{
	struct command *c = find(s, job, e);
	if (!c)
		return -1;
	command_signal(c, SIGKILL); /* harmless when it has ended */
	return 0;
}

json_t *sandbox_jobs(struct sandbox *s, struct err *e)
{
	json_t *list = json_array();
	if (!list) {
		err_nomem(e);
		return NULL;
	}
	list_for (it, &s->commands) {
		struct command *c = list_entry(it, struct command, link);
		if (!c->ring || c->exec)
			continue;
		bool running = sm_is(&c->sm) != COMMAND_DONE;
		json_t *job = json_make(e, "{s:I, s:b, s:i, s:i}", "job", (json_int_t)c->id, "running", running,
			"status", running ? 0 : c->status, "signal", running ? 0 : c->signal);
		if (!job || json_put_span(job, "line", span_of(c->line)) != 0 || json_array_append(list, job) != 0) {
			json_decref(job);
			json_decref(list);
			err_nomem(e);
			return NULL;
		}
		json_decref(job);
	}
	return list;
}

int sandbox_job_output(struct sandbox *s, uint32_t job, struct buf *out, struct err *e)
{
	struct command *c = find(s, job, e);
	if (!c)
		return -1;
	struct ring *r = c->ring;
	size_t at = r->total % sizeof(r->bytes);
	if (r->total > sizeof(r->bytes))
		buf_add(out, r->bytes + at, sizeof(r->bytes) - at);
	buf_add(out, r->bytes, at);
	return buf_check(out, "the job's output", e);
}
