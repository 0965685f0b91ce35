/* oidmap: which git object has the content of which snapshot blob or folder. A cache of the process, of pure functions
 * of content: forgetting costs time only. Whether the object, or the blob, still exists is for the user to check. */
#ifndef MUSTER_VCS_OIDMAP_H
#define MUSTER_VCS_OIDMAP_H

#include "base/crypt.h"
#include "vcs/libgit.h"

/* key: a blob's hash, or a digest of all that a git tree was made from. */
void oidmap_put(const struct hash *key, const git_oid *oid);
bool oidmap_get(const struct hash *key, git_oid *out);

/* The other way: what a git blob or tree became in snapshots. */
struct oid_hash {
	struct hash hash;
	uint64_t size, files;
};
void oidmap_put_hash(const git_oid *oid, const struct oid_hash *value);
bool oidmap_get_hash(const git_oid *oid, struct oid_hash *out);

#endif
