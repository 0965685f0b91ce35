#include "sandbox/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/caps.h"

/* Whatever runs in a sandbox: a command, a background job, a terminal.
 *
 *	waiting ──RUN──▶ running ──EXITED──▶ ending ──leftovers gone──▶ draining ──output read──▶ done
 *
 * Output is read by us from the pipe whose other end the command has: nothing of it passes muster-init, and a caller
 * that pauses leaves it in the pipe, where the command waits. When the command has ended and all it left behind is
 * gone, what is in the pipe is all there will be. Aborting goes from anywhere to aborted, and in a tick of
 * its own to done. */

static const struct sm_state states[] = {
	[COMMAND_WAITING] = {"waiting", SM_TO(COMMAND_RUNNING) | SM_TO(COMMAND_ABORTED)},
	[COMMAND_RUNNING] = {"running", SM_TO(COMMAND_ENDING) | SM_TO(COMMAND_ABORTED)},
	[COMMAND_ENDING] = {"ending", SM_TO(COMMAND_DRAINING) | SM_TO(COMMAND_ABORTED)},
	[COMMAND_DRAINING] = {"draining", SM_TO(COMMAND_DONE) | SM_TO(COMMAND_ABORTED)},
	[COMMAND_ABORTED] = {"aborted", SM_TO(COMMAND_DONE)},
	[COMMAND_DONE] = {"done", 0},
};

enum { GRACE_MS = 2000, LEFTOVER_POLL_MS = 1, READ_SIZE = 65536 };

static void on_timer(struct timer *t);
static void on_tick(struct tick *t);

struct command *command_new(struct sandbox *s, struct err *e)
{
	if (s->freeing != KEEP) {
		err_set(e, ERR_CANCELLED, "the sandbox was closed");
		return NULL;
	}
	if (s->command_count >= CAP_SANDBOX_COMMANDS) {
		err_set(e, ERR_OVERLOADED, "%d commands run in this sandbox already", CAP_SANDBOX_COMMANDS);
		return NULL;
	}
	struct command *c = MEM_NEW(struct command);
	if (!c) {
		err_nomem(e);
		return NULL;
	}
	c->sandbox = s;
	c->id = ++s->last_id;
	c->ooms = UINT64_MAX; /* until it runs */
	c->output = c->output_end = c->input = c->leaf.dir = -1;
	buf_init(&c->request, WIRE_FRAME - sizeof(struct wire));
	buf_init(&c->typed, CAP_TERM_TYPED);
	sm_init(&c->sm, states, COMMAND_WAITING);
	timer_init(&c->timer, s->loop, on_timer);
	tick_init(&c->tick, s->loop, on_tick);
	list_push(&s->commands, &c->link);
	s->command_count++;
	return c;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void let_go(struct command *c)
{
	watch_stop(&c->watch);
	timer_stop(&c->timer);
	tick_stop(&c->tick);
	close_fd(&c->output);
	close_fd(&c->output_end);
	close_fd(&c->input);
	buf_release(&c->request);
	buf_release(&c->typed);
	if (!leaf_remove(&c->leaf, &c->sandbox->cgroup)) /* a process came back to life? the sandbox's end removes it */
		close_fd(&c->leaf.dir);
}

void command_free(struct command *c)
{
	let_go(c);
	if (sm_is(&c->sm) != COMMAND_DONE)
		c->sandbox->command_count--;
	list_remove(&c->link);
	if (c->ring)
		job_free(c);
	mem_free(c->line);
	mem_free(c);
}

struct command *command_find(struct sandbox *s, uint32_t id)
{
	list_for (it, &s->commands) {
		struct command *c = list_entry(it, struct command, link);
		if (c->id == id && sm_is(&c->sm) != COMMAND_DONE)
			return c;
	}
	return NULL;
}

/* The request. */

static int add_word(struct buf *b, const char *text, const char *what, struct err *e)
{
	size_t n = strlen(text);
	if (n >= CAP_SANDBOX_WORD)
		return err_set(e, ERR_TOO_LARGE, "%s of a command is longer than %lu bytes; give it as input or a file",
			what, CAP_SANDBOX_WORD);
	buf_add(b, text, n + 1);
	return 0;
}

/* Whether a relative path stays below where it starts, by its words alone; muster-init opens it beneath /work too. */
static bool stays_below(const char *path)
{
	if (path[0] == '/')
		return false;
	for (const char *at = path; *at; at += strspn(at, "/")) {
		size_t n = strcspn(at, "/");
		if (n == 2 && at[0] == '.' && at[1] == '.')
			return false;
		at += n;
	}
	return true;
}

static bool named_in(const char *const *env, const char *variable)
{
	size_t n = strcspn(variable, "=") + 1;
	for (; env && *env; env++)
		if (strncmp(*env, variable, n) == 0)
			return true;
	return false;
}

static void add_ours(struct command *c, const char *const *ours, size_t n, const char *const *env, uint32_t *count)
{
	for (size_t i = 0; i < n; i++) {
		if (named_in(env, ours[i]))
			continue;
		buf_add(&c->request, ours[i], strlen(ours[i]) + 1);
		++*count;
	}
}

static int add_variables(struct command *c, const char *const *env, uint32_t *count, struct err *e)
{
	static const char *const own[] = {
		"PATH=/home/muster/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/home/muster", "USER=muster", "LOGNAME=muster", "SHELL=/bin/sh", "LANG=C.UTF-8", "TMPDIR=/tmp",
		"GIT_TERMINAL_PROMPT=0"};
	static const char *const proxied[] = {("http_proxy=" EGRESS_URL), ("https_proxy=" EGRESS_URL),
		("HTTP_PROXY=" EGRESS_URL), ("HTTPS_PROXY=" EGRESS_URL), "no_proxy=localhost,127.0.0.1,::1",
		"NO_PROXY=localhost,127.0.0.1,::1"};
	const char *const term[] = {c->flags & WIRE_RUN_PTY ? "TERM=xterm-256color" : "TERM=dumb"};
	*count = 0;
	add_ours(c, term, 1, env, count);
	add_ours(c, own, sizeof(own) / sizeof(*own), env, count);
	if (c->sandbox->spec.allow_count)
		add_ours(c, proxied, sizeof(proxied) / sizeof(*proxied), env, count);
	for (; env && *env; env++, ++*count) {
		const char *equals = strchr(*env, '=');
		if (!equals || equals == *env)
			return err_set(e, ERR_INVALID, "\"%s\" is no NAME=value", *env);
		if (add_word(&c->request, *env, "a variable", e) != 0)
			return -1;
	}
	return 0;
}

int command_request(struct command *c, const char *cwd, const char *const *argv, const char *const *env, int rows,
	int cols, struct err *e)
{
	struct wire_run run = {.rows = (uint16_t)rows, .cols = (uint16_t)cols};
	if (cwd && !stays_below(cwd))
		return err_set(e, ERR_OUTSIDE, "the folder %s is not below /work: give one relative to it", cwd);
	buf_add(&c->request, &run, sizeof(run));
	if (add_word(&c->request, cwd ? cwd : "", "the folder", e) != 0)
		return -1;
	for (; argv[run.argc]; run.argc++)
		if (add_word(&c->request, argv[run.argc], "an argument", e) != 0)
			return -1;
	if (run.argc == 0)
		return err_set(e, ERR_INVALID, "a command needs a program to run");
	if (add_variables(c, env, &run.envc, e) != 0 || buf_check(&c->request, "the command", e) != 0)
		return -1;
	memcpy(c->request.data, &run, sizeof(run)); /* the counts; flags and limit follow when it is sent */
	return 0;
}

/* Ending. */

static void finish(struct command *c)
{
	struct sandbox *s = c->sandbox;
	uint64_t ooms = cgroup_ooms(&s->cgroup); /* the sandbox's: of two commands at once, both are told */
	c->ooms = c->ooms < ooms ? ooms - c->ooms : 0;
	let_go(c);
	sm_move(&c->sm, COMMAND_DONE);
	s->command_count--;
	quota_poke(s);
	if (c->ooms > 0)
		sandbox_recycle(s);
	if (c->ring && !c->exec)
		job_done(c);
	else if (c->term)
		term_done(c);
	else
		exec_done(c);
}

static void give(struct command *c, struct span bytes)
{
	if (c->ring)
		job_output(c, bytes);
	else if (c->term)
		term_output(c, bytes);
	else if (!exec_output(c, bytes))
		command_flow(c, false);
}

/* Read once. false: nothing there, or the end. */
static bool read_some(struct command *c)
{
	char bytes[READ_SIZE];
	ssize_t n = read(c->output, bytes, sizeof(bytes));
	if (n > 0) {
		give(c, span_n(bytes, (size_t)n));
		return true;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return errno == EINTR;
	watch_stop(&c->watch); /* the end; EIO is a terminal's */
	c->flow = FLOW_END;
	return false;
}

static void drain(struct command *c)
{
	while (c->flow == FLOW_ON && c->output >= 0 && read_some(c))
		;
	if (c->flow != FLOW_PAUSED)
		finish(c);
}

static void leftovers_gone(struct command *c)
{
	timer_stop(&c->timer);
	watch_stop(&c->watch);
	leaf_keep(&c->leaf, &c->sandbox->cgroup);
	sm_move(&c->sm, COMMAND_DRAINING);
	drain(c);
}

static void check_leftovers(struct command *c)
{
	struct err e = ERR_INIT;
	if (!leaf_populated(&c->leaf)) {
		leftovers_gone(c);
		return;
	}
	leaf_kill(&c->leaf);
	if (timer_start(&c->timer, LEFTOVER_POLL_MS, &e) != 0)
		command_abort(c, e.code, e.text);
}

void command_exited(struct command *c, const struct wire *head)
{
	static const char *const stages[] = {[WIRE_AT_FORK] = "no process could be made",
		[WIRE_AT_FOLDER] = "the folder cannot be entered",
		[WIRE_AT_PTY] = "no terminal could be opened",
		[WIRE_AT_LIMITS] = "its limits could not be set",
		[WIRE_AT_LANDLOCK] = "it could not be confined",
		[WIRE_AT_SECCOMP] = "its system calls could not be filtered",
		[WIRE_AT_EXEC] = "the program cannot be executed",
		[WIRE_AT_KEEPER] = "its keeper could not be made"};
	if (sm_is(&c->sm) != COMMAND_RUNNING)
		return;
	c->took_us = head->took_us;
	c->status = head->status;
	c->signal = head->signal;
	if (head->error && c->why.code == ERR_OK) {
		const char *stage = head->status > 0 && (size_t)head->status < sizeof(stages) / sizeof(*stages)
					    ? stages[head->status]
					    : NULL;
		err_set(&c->why, ERR_SPAWN, "the command did not start: %s: %s", stage ? stage : "unknown stage",
			strerror(head->error));
		c->status = -1;
	}
	sm_move(&c->sm, COMMAND_ENDING);
	check_leftovers(c);
}

void command_abort(struct command *c, enum err_code code, const char *text)
{
	if (sm_is(&c->sm) == COMMAND_DONE || sm_is(&c->sm) == COMMAND_ABORTED)
		return;
	if (c->why.code == ERR_OK)
		err_set(&c->why, code, "%s", text);
	sm_move(&c->sm, COMMAND_ABORTED);
	watch_stop(&c->watch);
	timer_stop(&c->timer);
	tick_start(&c->tick);
}

static void on_tick(struct tick *t)
{
	struct command *c = container_of(t, struct command, tick);
	if (sm_is(&c->sm) == COMMAND_ABORTED)
		finish(c);
	else if (sm_is(&c->sm) == COMMAND_DRAINING)
		drain(c);
}

/* Time. */

static void on_timer(struct timer *t)
{
	struct command *c = container_of(t, struct command, timer);
	struct err e = ERR_INIT;
	if (sm_is(&c->sm) == COMMAND_ENDING) {
		check_leftovers(c);
		return;
	}
	if (c->why.code == ERR_OK) {
		err_set(&c->why, ERR_TIMEOUT, "the command took longer than %lld ms and was ended",
			(long long)c->timeout_ms);
		command_signal(c, SIGTERM);
		if (timer_start(t, GRACE_MS, &e) == 0)
			return;
	}
	command_signal(c, SIGKILL);
}

void command_signal(struct command *c, int signum)
{
	if (sm_is(&c->sm) != COMMAND_RUNNING)
		return;
	if (signum == SIGKILL)
		leaf_kill(&c->leaf);
	c->signal_due = signum;
	sandbox_poke(c->sandbox);
}

/* Sending. */

static int send_run(struct command *c, struct err *e)
{
	struct sandbox *s = c->sandbox;
	struct frame f = {.head = {.type = WIRE_RUN, .id = c->id}};
	struct wire_run run;
	if (c->leaf.dir < 0 && leaf_new(&c->leaf, &s->cgroup, c->id, c->memory, e) != 0)
		return -1;
	memcpy(&run, c->request.data, sizeof(run));
	run.flags = c->flags | (c->leaf.dir >= 0 ? WIRE_RUN_CGROUP : 0u) | (c->input >= 0 ? WIRE_RUN_INPUT : 0u);
	run.data_limit = s->host->level == SANDBOX_CGROUP2 ? 0 : c->memory;
	memcpy(c->request.data, &run, sizeof(run));
	if (c->output_end >= 0)
		f.fds[f.fd_count++] = c->output_end;
	if (c->input >= 0)
		f.fds[f.fd_count++] = c->input;
	if (c->leaf.dir >= 0)
		f.fds[f.fd_count++] = c->leaf.dir;
	f.payload = c->request.data;
	f.head.size = (uint32_t)c->request.len;
	return sandbox_send(s, &f, e);
}

static void on_output(struct watch *w, int revents)
{
	struct command *c = container_of(w, struct command, watch);
	if (revents & WATCH_WRITE)
		term_writable(c);
	if (revents != WATCH_WRITE)
		read_some(c);
}

int command_watch(struct command *c, struct err *e)
{
	int events =
		(c->flow == FLOW_ON ? WATCH_READ : 0) | (c->typed.len > 0 && c->flow != FLOW_END ? WATCH_WRITE : 0);
	if (c->output < 0)
		return 0;
	if (c->watch.handle && events)
		return watch_change(&c->watch, events, e);
	watch_stop(&c->watch);
	return events ? watch_start(&c->watch, c->sandbox->loop, c->output, events, on_output, e) : 0;
}

void command_send(struct command *c)
{
	struct err e = ERR_INIT;
	if (sm_is(&c->sm) == COMMAND_WAITING && c->why.code == ERR_OK) {
		int rc = send_run(c, &e);
		if (rc > 0)
			return;
		if (rc == 0) {
			sm_move(&c->sm, COMMAND_RUNNING);
			close_fd(&c->output_end);
			close_fd(&c->input);
			buf_release(&c->request);
			c->ooms = cgroup_ooms(&c->sandbox->cgroup);
			rc = command_watch(c, &e);
			if (rc == 0 && c->timeout_ms > 0)
				rc = timer_start(&c->timer, c->timeout_ms, &e);
			if (rc != 0)
				command_signal(c, SIGKILL);
			quota_poke(c->sandbox);
		}
		if (rc < 0)
			command_abort(c, e.code, e.text);
	}
	if (c->signal_due && sm_is(&c->sm) == COMMAND_RUNNING) {
		struct frame f = {.head = {.type = WIRE_SIGNAL, .id = c->id, .status = c->signal_due}};
		if (sandbox_send(c->sandbox, &f, &e) == 0)
			c->signal_due = 0;
	} else {
		c->signal_due = 0;
	}
}

void command_started(struct command *c, struct frame *f)
{
	struct err e = ERR_INIT;
	if (sm_is(&c->sm) != COMMAND_RUNNING)
		return;
	if (c->term) {
		c->output = frame_take(f, 0);
		if (c->output < 0 || fcntl(c->output, F_SETFL, O_NONBLOCK) != 0 || command_watch(c, &e) != 0) {
			command_signal(c, SIGKILL);
			command_abort(c, ERR_SANDBOX, "the terminal could not be read");
			return;
		}
		term_writable(c);
	} else if (c->ring) {
		job_started(c);
	}
}

void command_flow(struct command *c, bool on)
{
	struct err e = ERR_INIT;
	if (c->flow == FLOW_END || (c->flow == FLOW_ON) == on)
		return;
	if (!on && c->why.code == ERR_CANCELLED) /* who has cancelled does not come back to resume */
		return;
	c->flow = on ? FLOW_ON : FLOW_PAUSED;
	if (sm_is(&c->sm) == COMMAND_DRAINING && on)
		tick_start(&c->tick);
	if (sm_is(&c->sm) != COMMAND_RUNNING && sm_is(&c->sm) != COMMAND_ENDING)
		return;
	if (command_watch(c, &e) != 0)
		command_abort(c, e.code, e.text);
}
