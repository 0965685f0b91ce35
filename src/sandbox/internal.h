/* internal: what the files of the sandbox share. sandbox.c owns struct sandbox and its states, launch.c starts the
 * processes, command.c is everything that runs in it, exec.c, job.c and term.c are its faces to the caller. */
#ifndef MUSTER_SANDBOX_INTERNAL_H
#define MUSTER_SANDBOX_INTERNAL_H

#include "base/arena.h"
#include "base/sm.h"
#include "loop/child.h"
#include "sandbox/cgroup.h"
#include "sandbox/egress.h"
#include "sandbox/init/frame.h"
#include "sandbox/sandbox.h"

enum box_state { BOX_STOPPED, BOX_STARTING, BOX_RUNNING, BOX_ASLEEP, BOX_ENDING, BOX_FAILED };

struct sandbox {
	struct loop *loop;
	struct arena arena;
	struct sandbox_spec spec; /* its strings in the arena */
	const struct sandbox_host *host;
	const struct cgroup_host *cgroups;
	struct sm sm;
	struct child child;  /* the launcher, then bubblewrap; pid 0: gone */
	int channel, errors; /* to muster-init; standard error of whoever starts it; -1: none */
	struct watch watch;  /* of the channel */
	struct cgroup cgroup;
	struct timer timer; /* while starting: too long; while ending: is everything gone? */
	int64_t ending_since;
	struct tick tick; /* send what waits; or begin to end */
	struct err why;	  /* it failed */
	struct list commands;
	size_t command_count; /* alive, not the ended jobs */
	size_t ended_jobs;
	uint32_t last_id;
	struct list dials;
	struct egress *egress;
	struct work du; /* measuring the disk */
	uint64_t disk, du_result;
	enum { DU_IDLE, DU_RUNNING } du_state;
	int64_t du_started, du_next;
	struct timer du_timer;
	enum { KEEP, FREE_ASKED } freeing;
	void (*on_freed)(void *ctx);
	void *freed_ctx;
};

/* sandbox.c: on every host this process can use, without asking the probe (which uses it itself). */
struct sandbox *sandbox_new_on(struct loop *l, const struct sandbox_spec *spec, const struct sandbox_host *host,
	const struct cgroup_host *cgroups, struct err *e);
/* The cgroups that the probe found; made once. */
const struct cgroup_host *sandbox_cgroups(void);
/* Something waits to be sent: start or wake if need be, then send. Harmless at any time. */
void sandbox_poke(struct sandbox *s);
/* 0; 1: the channel is full, sandbox_poke comes when it is not; -1 with the error. */
int sandbox_send(struct sandbox *s, const struct frame *f, struct err *e);
/* A command ran out of memory and nothing else runs: when what is left on the RAM disks holds most of the memory, end,
 * so that the next use starts anew. */
void sandbox_recycle(struct sandbox *s);

/* launch.c: cgroups are made; starts the launcher and sends LAUNCH and BEGIN. */
int launch_start(struct sandbox *s, void (*on_gone)(struct child *c, int status, int signum), struct err *e);

enum command_state {
	COMMAND_WAITING,
	COMMAND_RUNNING,
	COMMAND_ENDING,
	COMMAND_DRAINING,
	COMMAND_ABORTED,
	COMMAND_DONE
};

struct ring; /* job.c: the tail of a job's output */

struct command {
	struct sandbox *sandbox;
	struct list link;
	struct sm sm;
	uint32_t id;
	struct sandbox_exec *exec; /* NULL: a terminal, or a job whose start was told */
	struct sandbox_term *term;
	struct ring *ring;     /* of a job */
	char *line;	       /* of a job, for the list */
	struct buf request;    /* the payload of RUN, until it is sent */
	uint32_t flags;	       /* WIRE_RUN_… */
	int output;	       /* we read; a terminal's master side */
	int output_end, input; /* theirs, until RUN is sent */
	struct watch watch;
	enum { FLOW_ON, FLOW_PAUSED, FLOW_END } flow;
	struct leaf leaf;
	struct timer timer; /* time-out, then its grace; while ending: are the leftovers gone? */
	struct tick tick;
	int64_t timeout_ms;
	int signal_due; /* not sent yet */
	uint64_t ooms, memory;
	struct err why;
	int status, signal;
	int64_t took_us;
	struct buf typed; /* to a terminal, not written yet */
};

/* command.c */
struct command *command_new(struct sandbox *s, struct err *e);
/* The RUN frame's payload: folder, arguments, variables (ours, then extra ones). Validates them all. */
int command_request(struct command *c, const char *cwd, const char *const *argv, const char *const *env, int rows,
	int cols, struct err *e);
void command_free(struct command *c); /* before it was sent, or when done */
void command_send(struct command *c); /* what is due: RUN or a signal */
void command_signal(struct command *c, int signum);
void command_abort(struct command *c, enum err_code code, const char *text); /* its callback follows in a tick */
void command_started(struct command *c, struct frame *f);
void command_exited(struct command *c, const struct wire *head);
int command_watch(struct command *c, struct err *e); /* as its flow and what was typed need it */
void command_flow(struct command *c, bool on);
struct command *command_find(struct sandbox *s, uint32_t id);

/* exec.c, job.c, term.c: bytes came (false: pause), and the end. `exec_done` and `term_done` are the last thing. */
bool exec_output(struct command *c, struct span bytes);
void exec_done(struct command *c);
int job_new(struct command *c, const struct sandbox_exec *x, struct err *e);
void job_started(struct command *c);
void job_output(struct command *c, struct span bytes);
void job_done(struct command *c);
void job_free(struct command *c);
void term_output(struct command *c, struct span bytes);
void term_done(struct command *c);
void term_writable(struct command *c);

/* dial.c */
void dial_send(struct sandbox *s);
void dial_answered(struct sandbox *s, struct frame *f);
void dial_abort(struct sandbox *s, const struct err *why);

/* quota.c: measure the working copy on the pool, soon, and again while commands run. */
void quota_init(struct sandbox *s);
void quota_poke(struct sandbox *s);
void quota_explain(const struct sandbox *s, struct err *e); /* ERR_DISK_FULL */
void quota_stop(struct sandbox *s);

#endif
