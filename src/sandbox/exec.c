#include "sandbox/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"

/* A command with its caller: the pipe it writes to, the file it reads from, its end told once. */

static int make_input(struct command *c, struct span input, struct err *e)
{
	if (input.n == 0)
		return 0;
	c->input = fault_hit(FAULT_IO) ? -1 : memfd_create("input", MFD_CLOEXEC);
	if (c->input < 0)
		return err_errno(e, errno, "cannot make the command's input");
	if (fs_write_fd(c->input, input, e) != 0)
		return -1;
	return lseek(c->input, 0, SEEK_SET) == 0 ? 0 : err_errno(e, errno, "cannot rewind the command's input");
}

static int make_output(struct command *c, struct err *e)
{
	int ends[2];
	if (fault_hit(FAULT_IO) || pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(e, errno, "cannot make the command's output pipe");
	c->output = ends[0];
	c->output_end = ends[1];
	if (fcntl(c->output, F_SETFL, O_NONBLOCK) != 0)
		return err_errno(e, errno, "cannot prepare the command's output pipe");
	return 0;
}

int sandbox_exec_start(struct sandbox_exec *x, struct sandbox *s, struct err *e)
{
	const char *shell[] = {"/bin/sh", "-c", x->line, NULL};
	struct command *c = command_new(s, e);
	if (!c)
		return -1;
	x->command = c;
	x->status = -1;
	x->signal = 0;
	x->out_of_memory = false;
	x->took_us = 0;
	x->job = 0;
	c->exec = x;
	c->timeout_ms = x->background ? 0 : x->timeout_ms;
	c->memory = x->memory;
	if (x->background)
		c->flags |= WIRE_RUN_TELL;
	if (!x->line && !x->argv)
		err_set(e, ERR_INVALID, "a command needs a line or arguments");
	else if (command_request(c, x->cwd, x->line ? shell : x->argv, x->env, 0, 0, e) == 0 &&
		 make_input(c, x->input, e) == 0 && make_output(c, e) == 0 &&
		 (!x->background || job_new(c, x, e) == 0)) {
		sandbox_poke(s);
		return 0;
	}
	x->command = NULL;
	command_free(c);
	return -1;
}

void sandbox_exec_cancel(struct sandbox_exec *x)
{
	struct command *c = x->command;
	if (!c)
		return;
	if (c->why.code == ERR_OK)
		err_set(&c->why, ERR_CANCELLED, "the command was cancelled");
	if (sm_is(&c->sm) == COMMAND_RUNNING)
		command_signal(c, SIGKILL);
	else if (sm_is(&c->sm) == COMMAND_WAITING || sm_is(&c->sm) == COMMAND_DRAINING)
		command_abort(c, ERR_CANCELLED, "the command was cancelled");
	if (c->flow == FLOW_PAUSED) /* nobody will read it any more */
		c->flow = FLOW_END;
}

void sandbox_exec_resume(struct sandbox_exec *x)
{
	if (x->command)
		command_flow(x->command, true);
}

bool exec_output(struct command *c, struct span bytes)
{
	struct sandbox_exec *x = c->exec;
	return x->on_output ? x->on_output(x, bytes) : true;
}

void exec_done(struct command *c)
{
	struct sandbox_exec *x = c->exec;
	struct err why = c->why;
	x->status = why.code == ERR_OK || c->signal == 0 ? c->status : -1;
	x->signal = c->signal;
	x->took_us = c->took_us;
	x->out_of_memory = c->ooms > 0;
	x->command = NULL;
	command_free(c);
	x->on_done(x, &why);
}
