/* vault: the installation's secrets, encrypted at rest.
 *
 * <data>/vault holds named secrets, sealed (base/crypt.h) with a key derived from the master key in <data>/vault.key
 * (64 hex digits, mode 0600), or in the file that MUSTER_VAULT_KEY_FILE names. Both files are made on first use by the
 * data folder's owner; a vault without its key is an error, never replaced. Every secret is registered with the log,
 * so that it is masked there. One owner; the loop's thread only. */
#ifndef MUSTER_CONFIG_VAULT_H
#define MUSTER_CONFIG_VAULT_H

#include "base/crypt.h"
#include "base/json.h"

struct vault;

/* Open; with `create` (the owner only) missing files are made. Errors: ERR_NOT_FOUND (no vault and not create; a vault
 * without its key), ERR_DENIED (others may read the key), ERR_CORRUPT (wrong key or damaged). */
struct vault *vault_open(const char *data_dir, bool create, struct err *e);
/* Wipes the secrets from memory; NULL is legal. */
void vault_close(struct vault *v);

/* Borrowed until the secret is changed or the vault closed; NULL: there is none. */
const char *vault_get(const struct vault *v, const char *name);
/* Set, durably. Names: 1-128 of A-Z a-z 0-9 . _ - : /; values 6 bytes to CAP_VAULT_VALUE, no NUL; at most
 * CAP_VAULT_SECRETS. On failure nothing changed. */
int vault_put(struct vault *v, const char *name, const char *value, struct err *e);
int vault_delete(struct vault *v, const char *name, struct err *e); /* ERR_NOT_FOUND */
json_t *vault_list(const struct vault *v, struct err *e);	    /* the names, sorted */

/* A key for another purpose: BLAKE2b of the label, keyed with the master key. */
void vault_derive(const struct vault *v, const char *label, uint8_t out[KEY_SIZE]);
/* The key of the journal's hash chains: vault_derive with its fixed label. */
void vault_chain_key(const struct vault *v, uint8_t out[KEY_SIZE]);

#endif
