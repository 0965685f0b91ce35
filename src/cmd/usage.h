/* usage: what runs spent, as a table. */
#ifndef MUSTER_CMD_USAGE_H
#define MUSTER_CMD_USAGE_H

#include "cmd/out.h"

/* Rows of store_usage; with_runs: a column for the run. Appends nothing when there are none. */
int usage_table(const json_t *rows, bool with_runs, struct buf *out, struct err *e);

#endif
