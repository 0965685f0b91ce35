#include "sandbox/internal.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/caps.h"
#include "loop/pty.h"

/* A terminal: we hold the master side of a PTY that was opened inside. What is typed while the other side does not read
 * waits in a capped buffer. */

int sandbox_term_start(struct sandbox_term *t, struct sandbox *s, struct err *e)
{
	static const char *const shell[] = {"/bin/bash", "-l", NULL}, *const plain[] = {"/bin/sh", "-l", NULL};
	if (t->rows < 1 || t->rows > 65535 || t->cols < 1 || t->cols > 65535)
		return err_set(
			e, ERR_INVALID, "a terminal of %d rows and %d columns is not possible", t->rows, t->cols);
	struct command *c = command_new(s, e);
	if (!c)
		return -1;
	const char *const *argv = t->argv;
	if (!argv)
		argv = s->spec.image || access(shell[0], X_OK) != 0 ? plain : shell;
	c->term = t;
	c->flags |= WIRE_RUN_PTY;
	if (command_request(c, NULL, argv, NULL, t->rows, t->cols, e) != 0) {
		command_free(c);
		return -1;
	}
	t->command = c;
	t->status = -1;
	t->signal = 0;
	sandbox_poke(s);
	return 0;
}

void term_writable(struct command *c)
{
	struct err e = ERR_INIT;
	while (c->typed.len > 0) {
		ssize_t n = write(c->output, c->typed.data, c->typed.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		buf_drop(&c->typed, (size_t)n);
	}
	if (c->typed.len > 0 && errno != EAGAIN)
		buf_clear(&c->typed); /* the other side is gone: its end is on its way */
	if (command_watch(c, &e) != 0)
		command_abort(c, e.code, e.text);
}

int sandbox_term_write(struct sandbox_term *t, struct span bytes, struct err *e)
{
	struct command *c = t->command;
	if (!c)
		return err_set(e, ERR_FINAL, "the terminal has ended");
	if (c->typed.len + bytes.n > CAP_TERM_TYPED)
		return err_set(e, ERR_OVERLOADED, "the terminal does not read what is typed");
	buf_addspan(&c->typed, bytes);
	if (buf_check(&c->typed, "what was typed", e) != 0)
		return -1;
	sandbox_poke(c->sandbox); /* it may sleep */
	if (c->output >= 0)
		term_writable(c);
	return 0;
}

int sandbox_term_resize(struct sandbox_term *t, int rows, int cols, struct err *e)
{
	struct command *c = t->command;
	if (!c || c->output < 0)
		return err_set(e, ERR_CONFLICT, c ? "the terminal has not started yet" : "the terminal has ended");
	return pty_resize(c->output, rows, cols, e);
}

void sandbox_term_pull(struct sandbox_term *t, bool on)
{
	if (t->command)
		command_flow(t->command, on);
}

/* The master side closes with it: the foreground processes get SIGHUP, and what stays is killed. */
void sandbox_term_close(struct sandbox_term *t)
{
	struct command *c = t->command;
	if (!c)
		return;
	if (c->why.code == ERR_OK)
		err_set(&c->why, ERR_CANCELLED, "the terminal was closed");
	if (sm_is(&c->sm) == COMMAND_RUNNING)
		command_signal(c, SIGKILL);
	else if (sm_is(&c->sm) == COMMAND_WAITING || sm_is(&c->sm) == COMMAND_DRAINING)
		command_abort(c, ERR_CANCELLED, "the terminal was closed");
	if (c->flow == FLOW_PAUSED)
		c->flow = FLOW_END;
}

void term_output(struct command *c, struct span bytes)
{
	if (c->term->on_output)
		c->term->on_output(c->term, bytes);
}

void term_done(struct command *c)
{
	struct sandbox_term *t = c->term;
	struct err why = c->why;
	t->status = c->status;
	t->signal = c->signal;
	t->command = NULL;
	command_free(c);
	t->on_done(t, &why);
}
