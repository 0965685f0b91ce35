/* spool: commands of processes that do not own the folder, one file each in <dir>/commands. Only the owner writes to
 * the database, so it takes them in from here. A file appears whole and durable; its name is the hash of the command's
 * id, so the same command twice is one file. */
#ifndef MUSTER_STORE_SPOOL_H
#define MUSTER_STORE_SPOOL_H

#include "base/json.h"

int spool_put(const char *dir, const char *id, const char *stream, const json_t *command, struct err *e);
/* Call for each file, oldest first; where there are more than CAP_SPOOL_BATCH, for that many of them. take: delete the
 * file when each() returned 0. */
int spool_each(const char *dir, bool take,
	int (*each)(void *ctx, const char *id, const char *stream, const json_t *command, struct err *e), void *ctx,
	struct err *e);

#endif
