/* hostcall: the functions behind the table of host calls (hostcall.c). */
#ifndef MUSTER_FLOW_HOSTCALL_H
#define MUSTER_FLOW_HOSTCALL_H

#include "flow/private.h"

/* Answer with a new value (consumed; NULL: no memory, the run breaks). */
void run_answer_new(struct run *r, const char *key, json_t *value);

int call_agent(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_start(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_await(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_tell(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_stop(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_agents(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_ask(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_gate(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_signal(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_mode(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);
int call_waitfor(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e);

void job_read(struct op *op);
void job_list(struct op *op);
void job_glob(struct op *op);
void job_exists(struct op *op);
void job_tree(struct op *op);
void job_now(struct op *op);
void job_random(struct op *op);
void job_commit(struct op *op);
void job_end_commit(struct op *op);
void job_branch(struct op *op);
void job_merge(struct op *op);
void job_artifact(struct op *op);
void job_land(struct op *op);

#endif
