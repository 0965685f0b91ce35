/* budgets: what runs share may cost: that of a project, of a person, of the house.
 *
 * Each has one limit, for all time or for a month (UTC), kept as a record of the journal (kind "budget", its id the
 * scope: "project/<id>", "user/<id>", "house"). At set shares of it an audit event "budget.alert" is written, once for
 * each share, limit and month; what is told of it is notify's part. The hard stop is where requests are made
 * (request.c). */
#ifndef MUSTER_FLOW_BUDGETS_H
#define MUSTER_FLOW_BUDGETS_H

#include "flow/house.h"

/* What counts against the limit now. */
double budget_counted(const struct house *h, struct budget *b);
/* {scope, limit_usd (null: none), period (all, month), alerts: [percent], spent, reserved, share}; spent: of the
 * period. */
json_t *budget_json(struct house *h, const char *scope, struct err *e);
/* Those that have a limit and that `may` lets through, in the order of their scopes' first use. */
json_t *budgets_json(struct house *h, bool (*may)(void *ctx, const char *scope), void *ctx, struct err *e);
/* Change it, durably; blocks. `change` has some of {limit_usd, period, alerts}. ERR_INVALID. Requests that wait for
 * room try again. */
int budget_change(struct house *h, const char *scope, const json_t *change, const char *by, struct err *e);

#endif
