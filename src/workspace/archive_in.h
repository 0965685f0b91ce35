/* archive_in: what somebody sent as a new folder: an uploaded archive (zip; tar, plain or with gzip or zstd), or a
 * commit of a repository that came from elsewhere.
 *
 * Whole or not at all: it is unpacked into a folder beside the new one, which gets its name only when every entry was
 * good. Refused are names that lead elsewhere (archive_name.h), links that leave the folder, devices, FIFOs, sockets,
 * names that come twice, encrypted entries, and more than the caps allow, so that a bomb ends early. Names that differ
 * in case only are different files, as on Linux. Of modes only the executable bit is taken; owners, times and
 * attributes are not. What lies in folders named `.git` is left out and counted, but for
 * history. A single top-level folder is stripped.
 *
 * A stop of the program may leave the passing folder (beneath_is_temp) behind. Blocks: pool. */
#ifndef MUSTER_WORKSPACE_ARCHIVE_IN_H
#define MUSTER_WORKSPACE_ARCHIVE_IN_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "vcs/project.h"

struct archive_caps {
	uint64_t entries, bytes, file; /* folders count as entries */
	uint64_t ratio, slack;	       /* bytes may be at most slack + ratio × size of the archive */
	int64_t time_ms;
};
extern const struct archive_caps archive_caps;

struct archive_in {
	const char *name;		 /* the archive in messages */
	const struct archive_caps *caps; /* NULL: archive_caps */
	/* As it goes, from the calling thread; may be NULL. */
	void (*progress)(void *ctx, uint64_t entries, uint64_t bytes);
	void *ctx;
	const atomic_bool *cancel; /* may be NULL; set from anywhere: ERR_CANCELLED */
	/* An empty folder for what the new folder's own `.git` holds of objects, branches and tags, as it is; NULL: it
	 * is left out. */
	const char *history;
	/* out */
	uint64_t entries, bytes, left_out;
	bool has_history; /* there is something in it */
};
/* Unpack the file at `path` as `dir`, which must not be there yet, in a folder that is. ERR_INVALID for an archive that
 * is refused, ERR_TOO_LARGE, ERR_TIMEOUT, ERR_CANCELLED, ERR_EXISTS, …: nothing is left then. */
int archive_unpack(struct archive_in *in, const char *path, const char *dir, struct err *e);
/* Write the files of a commit ("": none) below `dir`, which has none of them yet, with the same checks of names, links
 * and caps. On failure dir is the caller's to remove. */
int archive_commit(struct archive_in *in, struct project *p, const char *commit, const char *dir, struct err *e);

#endif
