/* serve_rig: `muster serve` on a core of its own, as a child of a benchmark, and single requests to it. Whatever goes
 * wrong ends the program with a message. */
#ifndef MUSTER_BENCH_SERVE_RIG_H
#define MUSTER_BENCH_SERVE_RIG_H

#include <sys/types.h>

#include "base/json.h"

/* Of this thread from now on; the server has core 0. */
void pin(int core);
void fail(const char *what, const char *text);

/* Start the program that MUSTER names in the folder's data/, without a limit on requests, and wait until it listens.
 * options: NULL, or NAME=VALUE until NULL. */
void serve(const char *const *options);
void serve_stop(void); /* SIGTERM, and wait */
void serve_kill(void); /* SIGKILL */
double serve_private_kib(void);
double serve_cpu_s(void);
/* A TCP connection to it, or to whatever listens there on this machine. */
int dial(void);
int dial_to(int port);

/* Bytes of the whole answer at the beginning of these; 0: not all there. */
size_t answer_size(const char *bytes, size_t n);
/* One request on a connection of its own, to a path below /api/v1. The status must be 2xx. token NULL: as the owner of
 * the data folder, over its socket. The answer is the caller's. */
json_t *call(const char *token, const char *method, const char *path, const char *body);
/* A member of the answer, which is consumed; the text is the caller's (free). */
char *take(json_t *answer, const char *name);

#endif
