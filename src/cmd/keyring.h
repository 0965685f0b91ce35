/* keyring: the keys that `muster auth login` kept, one a server: $XDG_CONFIG_HOME/muster/credentials (else
 * ~/.config/muster/credentials), a JSON object {"URL": {"key", "id"}} that only its owner can read. */
#ifndef MUSTER_CMD_KEYRING_H
#define MUSTER_CMD_KEYRING_H

#include "base/json.h"

/* Where it is; mem_free it. ERR_USAGE without a home. */
char *keyring_path(struct err *e);
/* The key for this server (remote_url); NULL with ERR_OK: none. ERR_DENIED when others can read the file. */
char *keyring_get(const char *url, struct err *e);
/* The id by which the server knows the key, so that it can be revoked; NULL: none, or not known. */
char *keyring_id(const char *url, struct err *e);
/* Keep it, in place of the one before. id may be NULL. */
int keyring_put(const char *url, const char *key, const char *id, struct err *e);
/* Forget it. 1: there was none. */
int keyring_drop(const char *url, struct err *e);

#endif
