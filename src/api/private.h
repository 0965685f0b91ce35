/* Private to api/: what its parts share about one ask on its way. */
#ifndef MUSTER_API_PRIVATE_H
#define MUSTER_API_PRIVATE_H

#include "api/route.h"

struct api {
	struct api_needs needs;
	struct server server;
	bool open;
};

/* ask.c */
struct ask *ask_new(struct api *a, struct server_request *r, struct err *e);
void ask_free(struct ask *q);
/* admit.c: who calls, may they, do run and project exist for them? Before the body is read. */
int admit(struct ask *q, struct err *e);

#endif
