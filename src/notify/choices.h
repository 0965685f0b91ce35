/* choices: of what a person is told by which way: {push: [kind], mail: [kind]}. Who has chosen nothing is told of
 * everything by their browsers, which they subscribed, and by mail of what is rare and cannot wait. */
#ifndef MUSTER_NOTIFY_CHOICES_H
#define MUSTER_NOTIFY_CHOICES_H

#include "base/json.h"

/* Kinds: "question", "approval" (gates too), "failed", "finished" (runs), "budget". ERR_INVALID names what is none. */
int choices_check(const json_t *chosen, struct err *e);
json_t *choices_default(struct err *e); /* a new reference */
/* Is somebody who chose this (NULL: nothing) told of the occasion (notify.h) by "push", or "mail"? */
bool choices_want(const json_t *chosen, const char *way, const json_t *occasion);

#endif
