/* settings: what a project says of all its runs, and a person of theirs: which model, which rules, which gates. */
#ifndef MUSTER_API_SETTINGS_H
#define MUSTER_API_SETTINGS_H

#include "api/route.h"

/* Shape of a project's. */
#define PROJECT_SETTINGS "model:s? check:s? budget_usd:n? gates_off:[s]? policy:[o]? values:o?"
/* Are they such, and may the caller give them? NULL is fine. */
int settings_check(const struct ask *q, const json_t *settings, struct err *e);
/* Are these rules a person may have for the runs they begin? They only make stricter: none allows. NULL is fine. */
int settings_check_own(const json_t *policy, struct err *e);

/* Put into the request of a run what its project and the person who begins it say, where it says nothing itself; their
 * rules go into its `policies`. Both may be NULL. -1: no memory. */
int settings_apply(json_t *request, const json_t *settings, const json_t *own_policy, struct err *e);

#endif
