/* errand: a run that is begun or goes on, and is shown until it rests: by this process, or by a server or the owner of
 * the data folder. */
#ifndef MUSTER_CMD_ERRAND_H
#define MUSTER_CMD_ERRAND_H

#include "base/id.h"
#include "base/json.h"
#include "cmd/args.h"

struct talk;

struct errand {
	bool unattended;   /* nobody answers here */
	struct talk *talk; /* of a chat, else NULL; only a chat goes on with one */
	char *run;	   /* room for ID_TEXT, gets the id as soon as it is known; may be NULL */
};
/* Of a request as request.h makes it, which is changed. The exit status of docs/contracts.md, or -1. */
int errand_begin(const struct args *args, json_t *request, const struct errand *errand, struct err *e);
/* which: the run as a person names it. */
int errand_go_on(const struct args *args, const char *which, const struct errand *errand, struct err *e);

#endif
