/* command: runs a command line in the sandbox, for the tools that need one. Output is streamed to people and collected
 * for the agent; both ends are kept when it is long. */
#include <string.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "tools/private.h"

#define TAIL (64 * KIB) /* kept of the end of an output that is too long to keep */

struct command {
	void (*after)(struct tool_call *c);
	bool background;
	struct buf tail; /* what came after the content was full */
	size_t dropped;	 /* between the two */
};

/* Interpreters are kept from strewing caches over the working copy; pip installs below HOME, where nothing is managed
 * by the system. */
static const char *const clean_env[] = {"PYTHONDONTWRITEBYTECODE=1", "PIP_BREAK_SYSTEM_PACKAGES=1", NULL};

static bool on_output(struct sandbox_exec *x, struct span bytes)
{
	struct tool_call *c = x->ctx;
	struct command *cmd = c->priv;
	size_t room = CAP_COMMAND_SPILL - c->content.len, head = bytes.n < room ? bytes.n : room;
	buf_add(&c->content, bytes.p, head);
	buf_add(&cmd->tail, bytes.p + head, bytes.n - head);
	if (cmd->tail.len > 2 * TAIL) {
		cmd->dropped += cmd->tail.len - TAIL;
		buf_drop(&cmd->tail, cmd->tail.len - TAIL);
	}
	if (c->on_output)
		c->on_output(c, bytes);
	return true;
}

static void join_tail(struct tool_call *c)
{
	struct command *cmd = c->priv;
	if (cmd->dropped)
		buf_addf(&c->content, "\n… (%zu bytes were not kept) …\n", cmd->dropped);
	buf_addspan(&c->content, buf_span(&cmd->tail));
	buf_release(&cmd->tail);
}

static void say_end(struct tool_call *c, const struct err *why)
{
	struct sandbox_exec *x = &c->exec;
	if (c->content.len && c->content.data[c->content.len - 1] != '\n')
		buf_addc(&c->content, '\n');
	if (why->code == ERR_TIMEOUT)
		buf_addf(&c->content, "[stopped after %lld s: time-out]", (long long)(x->timeout_ms / 1000));
	else if (x->out_of_memory)
		buf_adds(&c->content, "[ended: out of memory]");
	else if (x->status < 0)
		buf_addf(&c->content, "[ended by signal %d]", x->signal);
	else
		buf_addf(&c->content, "[exit status %d]", x->status);
}

static void make_readable(struct tool_call *c)
{
	if (utf8_valid(buf_span(&c->content)))
		return;
	struct buf clean;
	buf_init(&clean, 3 * (CAP_COMMAND_SPILL + MIB));
	utf8_clean(buf_span(&c->content), &clean);
	buf_release(&c->content);
	c->content = clean;
}

/* A command that ran and failed is a result, and its exit status says so; only one that could not run is an error of
 * the tool. */
static void on_done(struct sandbox_exec *x, const struct err *why)
{
	struct tool_call *c = x->ctx;
	struct command *cmd = c->priv;
	bool ran = why->code == ERR_OK || why->code == ERR_TIMEOUT;
	struct err end = *why;
	c->changed_unknown = true;
	join_tail(c);
	make_readable(c);
	if (cmd->background && why->code == ERR_OK) {
		copy_live(c->env->copy, true);
		buf_addf(&c->content, "[started in the background as job %u]", x->job);
	} else if (ran) {
		c->exit = why->code == ERR_TIMEOUT ? 124 : x->status < 0 ? 128 + x->signal : x->status;
		say_end(c, why);
	}
	if (ran)
		err_clear(&end);
	if (cmd->after)
		cmd->after(c);
	tool_done(c, &end);
}

/* Simulations and tests: the command is answered by a function, on the pool. */
static void replaced(struct tool_call *c)
{
	struct command *cmd = c->priv;
	if (c->env->exec(c->env, c, c->exec.line, &c->error)) {
		if (cmd->after)
			cmd->after(c);
		return;
	}
	c->changed_unknown = true;
	make_readable(c);
	if (c->content.len && c->content.data[c->content.len - 1] != '\n')
		buf_addc(&c->content, '\n');
	buf_addf(&c->content, "[exit status %d]", c->exit);
	if (cmd->after)
		cmd->after(c);
}

int tool_command(struct tool_call *c, const char *line, int64_t timeout_ms, bool background,
	void (*after)(struct tool_call *c), struct err *e)
{
	size_t n = strlen(line) + 1;
	struct command *cmd = mem_calloc(1, sizeof(*cmd) + n); /* the line lives behind it */
	if (!cmd)
		return err_nomem(e);
	memcpy(cmd + 1, line, n);
	*cmd = (struct command){.after = after, .background = background, .tail = BUF_INIT(4 * MIB)};
	mem_free(c->priv);
	c->priv = cmd;
	c->exec = (struct sandbox_exec){.line = (const char *)(cmd + 1),
		.cwd = c->cwd,
		.env = clean_env,
		.timeout_ms = timeout_ms,
		.background = background,
		.on_output = on_output,
		.on_done = on_done,
		.ctx = c};
	if (c->env->exec)
		return tool_pool(c, replaced, e);
	return sandbox_exec_start(&c->exec, c->env->sandbox, e);
}

void tool_command_cancel(struct tool_call *c)
{
	if (!c->env->exec && c->exec.line) /* else it has not begun: run_tests still looks for the runner */
		sandbox_exec_cancel(&c->exec);
}
