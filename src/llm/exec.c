/* exec: a program that answers (docs/contracts.md, "Models: exec and script"): the request as one JSON object on its
 * standard input, one answer on its standard output, what goes wrong on its standard error.
 *
 * The call ends when the program has been reaped and its output has ended, whichever is last; a descendant that keeps
 * the output open is waited for no longer than TIME_MODEL_LINGER. The request is written only as fast as it is read.
 * Failure modes: no such program (llm_call_start fails), a status other than 0 (ERR_MODEL with the end of its standard
 * error), output that is no answer (ERR_MODEL_REPLY), more than CAP_MODEL_REPLY of it (ERR_TOO_LARGE), total_ms passed
 * (ERR_TIMEOUT). Where it has not ended by itself its process group is killed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "llm/private.h"
#include "llm/reply.h"
#include "loop/child.h"
#include "loop/stream.h"

#define WRITE_QUEUE (256 * KIB)
#define WRITE_STEP (64 * KIB)
#define ERROR_SHOWN 600

enum { PIPE_IN, PIPE_OUT, PIPE_ERR, PIPES };

struct exec_call {
	struct llm_call *call;
	struct llm *llm;
	struct child child;
	struct stream streams[PIPES];
	bool open[PIPES]; /* the stream's on_closed is still to come */
	bool ended[PIPES];
	struct wire wire;
	size_t piece, offset; /* how far the request is written */
	struct buf out, err;  /* err: the last CAP_MODEL_ERROR bytes or fewer */
	struct timer total, linger;
	struct tick finish;
	struct err why; /* why the call was ended early */
	int status, signum;
	bool reaped, cancelled, finishing;
	int64_t began;
};

/* ---- the end ---- */

static void exec_free(struct exec_call *x)
{
	timer_stop(&x->total);
	timer_stop(&x->linger);
	tick_stop(&x->finish);
	wire_release(&x->wire);
	buf_release(&x->out);
	buf_release(&x->err);
	mem_free(x);
}

/* The last line or so of standard error, masked and visible. */
static void show_error(const struct exec_call *x, struct buf *out)
{
	struct span s = span_trim(buf_span(&x->err));
	struct buf masked = BUF_INIT(CAP_MODEL_ERROR * 4);

	if (s.n > ERROR_SHOWN)
		s = span_n(s.p + s.n - ERROR_SHOWN, ERROR_SHOWN);
	log_mask(s, &masked);
	utf8_visible(buf_span(&masked), false, out);
	buf_release(&masked);
}

static int program_failed(const struct exec_call *x, struct err *e)
{
	struct buf said = BUF_INIT(8 * KIB);

	show_error(x, &said);
	if (x->signum)
		err_set(e, ERR_MODEL, "%s was ended by signal %d%s%s", x->call->model->name, x->signum,
			said.len ? ": " : "", said.len ? said.data : "");
	else
		err_set(e, ERR_MODEL, "%s ended with status %d%s%s", x->call->model->name, x->status,
			said.len ? ": " : "", said.len ? said.data : "");
	buf_release(&said);
	return -1;
}

static int verdict(struct exec_call *x, struct err *e)
{
	cleanup_json json_t *v = NULL;
	struct err bad = ERR_INIT;
	struct span text = span_trim(buf_span(&x->out));

	if (x->cancelled)
		return err_set(e, ERR_CANCELLED, "the model call was cancelled");
	if (x->why.code != ERR_OK) {
		*e = x->why;
		return -1;
	}
	if (x->status || x->signum)
		return program_failed(x, e);
	if (!text.n)
		return err_set(e, ERR_MODEL_REPLY, "%s wrote no answer", x->call->model->name);
	v = json_parse(text, "its answer", &bad);
	if (!v)
		return err_set(e, bad.code == ERR_NOMEM ? ERR_NOMEM : ERR_MODEL_REPLY, "%s: %s", x->call->model->name,
			bad.text);
	if (reply_take(x->call, v, x->call->model->name, &x->cancelled, e))
		return -1;
	return x->cancelled ? err_set(e, ERR_CANCELLED, "the model call was cancelled") : 0;
}

static void finish(struct tick *t)
{
	struct exec_call *x = container_of(t, struct exec_call, finish);
	struct llm_call *c = x->call;
	struct llm *l = x->llm;
	struct err e = ERR_INIT;
	int64_t began = x->began;

	verdict(x, &e);
	if (!c->answered_by[0])
		snprintf(c->answered_by, sizeof c->answered_by, "%.*s", (int)sizeof c->answered_by - 1, c->model->name);
	exec_free(x);
	call_end(c, l, began, &e);
}

/* Every callback ends here: close what is of no more use, finish when nothing is left. */
static void tick(struct exec_call *x)
{
	bool any = false;

	if (x->reaped && x->ended[PIPE_OUT] && x->ended[PIPE_ERR])
		x->ended[PIPE_IN] = true;
	for (int i = 0; i < PIPES; i++) {
		if (x->open[i] && x->ended[i])
			stream_close(&x->streams[i]);
		any |= x->open[i];
	}
	if (x->reaped && !any && !x->finishing) {
		x->finishing = true;
		tick_start(&x->finish);
	}
}

/* Stop early, for this reason if it is the first. */
static void stop(struct exec_call *x, const struct err *why)
{
	if (why && x->why.code == ERR_OK)
		x->why = *why;
	for (int i = 0; i < PIPES; i++)
		x->ended[i] = true;
	if (!x->reaped)
		child_kill(&x->child, SIGKILL);
	tick(x);
}

static void on_total(struct timer *t)
{
	struct exec_call *x = container_of(t, struct exec_call, total);
	struct err why = ERR_INIT;

	err_set(&why, ERR_TIMEOUT, "%s did not answer within %lld s", x->call->model->name,
		(long long)(x->call->total_ms / 1000));
	stop(x, &why);
}

static void on_linger(struct timer *t)
{
	struct exec_call *x = container_of(t, struct exec_call, linger);

	for (int i = 0; i < PIPES; i++)
		x->ended[i] = true;
	tick(x);
}

static void on_reaped(struct child *child, int status, int signum)
{
	struct exec_call *x = container_of(child, struct exec_call, child);

	x->reaped = true;
	x->status = status < 0 ? 0 : status;
	x->signum = signum;
	if (timer_start(&x->linger, TIME_MODEL_LINGER, NULL))
		on_linger(&x->linger);
	else
		tick(x);
}

/* ---- streams ---- */

static void on_closed_in(struct stream *s)
{
	struct exec_call *x = container_of(s, struct exec_call, streams[PIPE_IN]);

	x->open[PIPE_IN] = false;
	tick(x);
}

static void on_closed_out(struct stream *s)
{
	struct exec_call *x = container_of(s, struct exec_call, streams[PIPE_OUT]);

	x->open[PIPE_OUT] = false;
	tick(x);
}

static void on_closed_err(struct stream *s)
{
	struct exec_call *x = container_of(s, struct exec_call, streams[PIPE_ERR]);

	x->open[PIPE_ERR] = false;
	tick(x);
}

static void on_out(struct stream *s, struct span bytes, const struct err *why)
{
	struct exec_call *x = container_of(s, struct exec_call, streams[PIPE_OUT]);
	struct err e = ERR_INIT;

	(void)why; /* what came will not be an answer */
	if (!bytes.n) {
		x->ended[PIPE_OUT] = true;
		tick(x);
		return;
	}
	buf_addspan(&x->out, bytes);
	if (buf_check(&x->out, x->call->model->name, &e))
		stop(x, &e);
}

static void on_err(struct stream *s, struct span bytes, const struct err *why)
{
	struct exec_call *x = container_of(s, struct exec_call, streams[PIPE_ERR]);

	(void)why;
	if (!bytes.n) {
		x->ended[PIPE_ERR] = true;
		tick(x);
		return;
	}
	if (bytes.n > CAP_MODEL_ERROR / 2)
		bytes = span_n(bytes.p + bytes.n - CAP_MODEL_ERROR / 2, CAP_MODEL_ERROR / 2);
	if (x->err.len + bytes.n > CAP_MODEL_ERROR)
		buf_drop(&x->err, x->err.len + bytes.n - CAP_MODEL_ERROR);
	buf_addspan(&x->err, bytes);
}

/* Write until the queue is full or all is written. A program may answer without having read everything. */
static void feed(struct exec_call *x)
{
	struct stream *s = &x->streams[PIPE_IN];

	while (x->piece < x->wire.count) {
		struct span left = x->wire.pieces[x->piece];
		left = span_n(left.p + x->offset, left.n - x->offset);
		if (left.n > WRITE_STEP)
			left.n = WRITE_STEP;
		if (stream_queued(s) >= WRITE_QUEUE / 2)
			return; /* on_drain comes */
		if (stream_write(s, left, NULL)) {
			x->ended[PIPE_IN] = true;
			return;
		}
		x->offset += left.n;
		if (x->offset == x->wire.pieces[x->piece].n) {
			x->piece++;
			x->offset = 0;
		}
	}
	stream_finish(s);
}

static void on_drain(struct stream *s, const struct err *why)
{
	struct exec_call *x = container_of(s, struct exec_call, streams[PIPE_IN]);

	if (why)
		x->ended[PIPE_IN] = true;
	else if (!x->ended[PIPE_IN])
		feed(x);
	tick(x);
}

/* ---- request ---- */

static void encode_call(struct buf *out, const struct llm_tool_call *call)
{
	buf_adds(out, "{\"id\":");
	encode_text(out, span_of(call->id));
	buf_adds(out, ",\"name\":");
	encode_text(out, span_of(call->name));
	buf_adds(out, ",\"arguments\":");
	encode_arguments(out, call);
	buf_addc(out, '}');
}

static int encode_message(const struct llm_message *m, struct buf *out)
{
	static const char *const roles[] = {[LLM_USER] = "user", [LLM_ASSISTANT] = "assistant", [LLM_TOOL] = "tool"};

	buf_addf(out, "{\"role\":\"%s\",\"content\":", roles[m->role]);
	encode_text(out, span_n(m->text, m->text_len));
	for (size_t i = 0; i < m->call_count; i++) {
		buf_adds(out, i ? "," : ",\"tool_calls\":[");
		encode_call(out, &m->calls[i]);
	}
	if (m->call_count)
		buf_addc(out, ']');
	if (m->role == LLM_TOOL) {
		buf_adds(out, ",\"tool_call_id\":");
		encode_text(out, span_of(m->call_id));
		buf_adds(out, ",\"name\":");
		encode_text(out, span_of(m->name));
		buf_adds(out, ",\"status\":");
		encode_text(out, span_of(m->status));
	}
	buf_addc(out, '}');
	return 0;
}

static void add_text(struct wire *w, const char *name, const char *text)
{
	if (!text)
		return;
	wire_printf(w, ",\"%s\":", name);
	wire_text(w, span_of(text));
}

static int encode(struct wire *w, const struct llm_call *c, struct err *e)
{
	wire_lit(w, "{\"v\":1");
	add_text(w, "run", c->run);
	add_text(w, "role", c->role);
	add_text(w, "agent", c->agent);
	wire_printf(w, ",\"turn\":%d", c->turn);
	wire_lit(w, ",\"system\":");
	wire_text(w, c->system);
	wire_lit(w, ",\"messages\":[");
	for (size_t i = 0; i < c->message_count; i++) {
		struct span bytes = message_wire(c->messages[i], LLM_WIRE_EXEC, encode_message, e);
		if (!bytes.n)
			return -1;
		if (i)
			wire_lit(w, ",");
		wire_add(w, bytes);
	}
	wire_lit(w, "],\"tools\":");
	if (c->tools)
		wire_json(w, c->tools);
	else
		wire_lit(w, "[]");
	if (c->output_schema) {
		wire_lit(w, ",\"output_schema\":");
		wire_json(w, c->output_schema);
	}
	if (c->temperature >= 0)
		wire_printf(w, ",\"temperature\":%.6g", c->temperature);
	if (c->max_tokens > 0)
		wire_printf(w, ",\"max_tokens\":%d", c->max_tokens);
	wire_lit(w, "}\n");
	return wire_check(w, e);
}

/* ---- start ---- */

struct pipes {
	int ours[PIPES], theirs[PIPES];
};

static void close_all(int fds[PIPES])
{
	for (int i = 0; i < PIPES; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static int make_pipes(struct pipes *p, struct err *e)
{
	for (int i = 0; i < PIPES; i++)
		p->ours[i] = p->theirs[i] = -1;
	for (int i = 0; i < PIPES; i++) {
		int fds[2];
		if (fault_hit(FAULT_IO) || pipe2(fds, O_CLOEXEC)) {
			err_errno(e, errno, "a pipe for a model program");
			close_all(p->ours);
			close_all(p->theirs);
			return -1;
		}
		p->ours[i] = fds[i == PIPE_IN];
		p->theirs[i] = fds[i != PIPE_IN];
	}
	return 0;
}

static int open_streams(struct exec_call *x, struct pipes *p, struct err *e)
{
	static void (*const closed[])(struct stream *) = {on_closed_in, on_closed_out, on_closed_err};

	x->streams[PIPE_OUT].on_read = on_out;
	x->streams[PIPE_ERR].on_read = on_err;
	x->streams[PIPE_IN].on_drain = on_drain;
	for (int i = 0; i < PIPES; i++) {
		x->streams[i].on_closed = closed[i];
		if (stream_open(&x->streams[i], x->llm->loop, p->ours[i], WRITE_QUEUE, e))
			return -1;
		p->ours[i] = -1;
		x->open[i] = true;
		if (i != PIPE_IN && stream_read_start(&x->streams[i], e))
			return -1;
	}
	return 0;
}

static int spawn(struct exec_call *x, struct pipes *p, struct err *e)
{
	char *const *command = call_target(x->call)->provider->command;
	struct child_fd fds[PIPES];
	struct child_spec spec = {
		.file = command[0], .argv = (const char *const *)command, .fds = fds, .fd_count = PIPES};

	for (int i = 0; i < PIPES; i++)
		fds[i] = (struct child_fd){p->theirs[i], i};
	return child_start(&x->child, x->llm->loop, &spec, on_reaped, e);
}

static int start(struct llm_call *c, struct llm *l, struct err *e)
{
	struct exec_call *x = MEM_NEW(struct exec_call);
	struct err why = ERR_INIT;
	struct pipes pipes;

	if (!x)
		return err_nomem(e);
	x->call = c;
	x->llm = l;
	x->began = clock_mono(loop_clock(l->loop));
	wire_init(&x->wire);
	buf_init(&x->out, CAP_MODEL_REPLY);
	buf_init(&x->err, CAP_MODEL_ERROR);
	timer_init(&x->total, l->loop, on_total);
	timer_init(&x->linger, l->loop, on_linger);
	tick_init(&x->finish, l->loop, finish);
	if (encode(&x->wire, c, e) || make_pipes(&pipes, e)) {
		exec_free(x);
		return -1;
	}
	if (spawn(x, &pipes, e)) {
		close_all(pipes.ours);
		close_all(pipes.theirs);
		exec_free(x);
		return -1;
	}
	/* From here on the program runs: every failure goes through on_done. */
	close_all(pipes.theirs);
	c->priv = x;
	if (open_streams(x, &pipes, &why) || (c->total_ms && timer_start(&x->total, c->total_ms, &why))) {
		close_all(pipes.ours);
		stop(x, &why);
		return 0;
	}
	feed(x);
	tick(x);
	return 0;
}

static void cancel(struct llm_call *c)
{
	struct exec_call *x = c->priv;

	x->cancelled = true;
	stop(x, NULL);
}

const struct service service_exec = {"exec", start, cancel};
