/* changes: what a run changed, as a unified diff. */
#ifndef MUSTER_API_CHANGES_H
#define MUSTER_API_CHANGES_H

#include "store/store.h"

/* Of a completed run its commits, of any other its files as they are now; up to out's cap, then cut with a line that
 * says so. row: the run's. Blocking; any thread. */
int changes_text(struct store *s, const json_t *row, struct buf *out, struct err *e);

#endif
