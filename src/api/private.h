/* Private to api/: what its parts share about one ask on its way. */
#ifndef MUSTER_API_PRIVATE_H
#define MUSTER_API_PRIVATE_H

#include "accounts/accounts.h"
#include "api/book.h"
#include "api/route.h"
#include "api/toil.h"
#include "http/limiter.h"

struct retention;

struct api {
	struct api_needs needs;
	struct server server;
	bool open;
	struct book *book;
	struct list feeds;    /* struct feed */
	struct list makings;  /* projects being made, project_new.c */
	struct list clonings; /* project_clone.c */
	struct toils toils;
	struct toils adoptions; /* what was cloned, taken over */
	struct toils reads;	/* of runs' journals */
	struct toils works;	/* runs made, forked, merged */
	struct retention *retention;
	struct list begun; /* runs that are being made, runs.c */
	struct drafts *drafts;
	struct timer beat;
	uint64_t requests, replies[6]; /* replies by the first digit of their status */
	int replays;		       /* at work */
	struct limiter *limiter;
	struct limiter_rate rate; /* burst 0: no limit */
	struct accounts_watch watch;
	/* The event that was encoded last (feed.c). */
	struct buf encoded;
	struct blob *encoded_of;
	int64_t encoded_seq;
	char encoded_stream[EVENT_STREAM_MAX];
	char *document; /* OpenAPI's, made when it is first asked for */
};

/* ask.c. r NULL: it was not asked by a request (spoken.h). */
struct ask *ask_new(struct api *a, const char *path, struct server_request *r, struct err *e);
/* A retry with the same key is the same command: its id is made of the caller, the path and the key (NULL: its own). */
void ask_command(struct ask *q, const char *key);
/* Log, counters and audit learn how it ended; why NULL: well. */
void ask_told(const struct ask *q, const char *method, const char *address, const struct err *why);
/* admit.c: who calls, may they, do run and project exist for them? Before the body is read. */
int admit(struct ask *q, struct err *e);
/* The same of a caller who is known, without a limit of requests. */
int admit_known(struct ask *q, struct err *e);
/* A denial is always audited; so is what is not there for this caller. what: the route's path. */
void admit_note(const struct api *a, const struct caller *c, enum err_code code, const char *what, const char *address);
/* The caller's present role in a project; NULL: in the installation. */
enum member_role admit_role(const struct api *a, const struct caller *c, const char *project);
/* A run by its whole id; ERR_NOT_FOUND. */
json_t *admit_run(const struct api *a, const char *id, struct err *e);
/* Is the caller still who it was? ERR_UNAUTHENTICATED. */
int admit_again(const struct api *a, const struct caller *c, struct err *e);

/* runs.c: the body of a run that is asked for, and what house_create is given for it: checked, with what the caller and
 * the installation add. */
#define RUN_BODY                                                                                                       \
	"mode:s project:s inputs:o? settings:o? model:s? budget_usd:n? title:s? priority:i? check:s? unattended:b? "   \
	"policy:a? gates_off:a? record:s?"
json_t *run_request(struct ask *q, struct err *e);
/* project_clone.c: what was being imported when the process stopped is told to have failed. */
int project_clones_open(struct api *a, struct err *e);
void project_clones_close(struct api *a); /* turns the loop until none is at work */
/* audit.c: one field (RFC 4180); what a spreadsheet would take for a formula is made text. */
void csv_add(struct buf *out, struct span text);
/* api.c: how often a caller may ask, as the options say. */
void api_rate(struct api *a);
/* money.c: may the caller give this answer? Who extends a budget that runs share must keep it. */
int money_may_answer(struct ask *q, const char *action, const char *option, struct err *e);

#endif
