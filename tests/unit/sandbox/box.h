/* box: what the sandbox tests share: a loop, a working copy under a private uid, and commands run to their end. */
#ifndef MUSTER_TESTS_SANDBOX_BOX_H
#define MUSTER_TESTS_SANDBOX_BOX_H

#include "base/buf.h"
#include "sandbox/sandbox.h"
#include "unit.h"

struct box {
	struct loop *loop;
	struct sandbox *sandbox;
	struct sandbox_spec spec;
	char copy[64];
	int freed;
};

uid_t box_uid(void); /* a made-up one that is only ours */
/* A loop, a fresh working copy, a spec with the defaults (2 cpus); box_open makes the sandbox. */
void box_init(struct box *b);
void box_open(struct box *b);
void box_close(struct box *b);	 /* frees the sandbox, waits for it */
void box_release(struct box *b); /* the copy and the loop too */
/* One open box for a whole group of tests. */
int box_setup(void **state);
int box_teardown(void **state);
/* Where the attack program is, outside and inside (box_init puts it there and grants it). */
const char *attack_path(void);

struct result {
	struct sandbox_exec x;
	struct err why;
	struct buf out;
	int done;
	size_t total;
	size_t keep; /* of the output; default 1 MiB */
};
void result_release(struct result *r);
bool result_output(struct sandbox_exec *x, struct span bytes);
void result_done(struct sandbox_exec *x, const struct err *why);
/* Start: the caller may set fields of r->x before; then turn the loop until it is done. */
void box_start(struct box *b, struct result *r, const char *line);
void box_wait(struct box *b, struct result *r);
/* Both; fails the test when the command did not run. */
void box_run(struct box *b, struct result *r, const char *line);
/* Run, and demand this exit status and, when not NULL, exactly this output. */
void box_expect(struct box *b, const char *line, int status, const char *output);
void box_turn(struct box *b, int ms); /* let time pass */
int64_t now_us(void);
/* Living processes of the sandbox's uid, ours included when it is our own. */
int box_processes(struct box *b);
void box_kill(struct box *b, const char *name); /* SIGKILL, from outside, to those of this name */

#endif
