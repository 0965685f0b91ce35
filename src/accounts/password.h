/* password: which passwords are accepted, and argon2id on the worker pool: two at once, so that a flood of logins takes
 * two times its memory, and PASSWORD_QUEUE waiting; more are ERR_OVERLOADED. */
#ifndef MUSTER_ACCOUNTS_PASSWORD_H
#define MUSTER_ACCOUNTS_PASSWORD_H

#include "base/crypt.h"
#include "loop/loop.h"

#define PASSWORD_LEAST 8   /* characters */
#define PASSWORD_MOST 1024 /* bytes */
#define PASSWORDS_AT_ONCE 2
#define PASSWORD_QUEUE 256
/* A password's text sealed with the installation's key, as hex digits. */
#define PASSWORD_SEALED ((24 + 16 + PASSWORD_TEXT) * 2 + 1)

struct passwords {
	struct loop *loop;
	unsigned kib;
	struct list queue;
	int running, waiting;
};
void passwords_init(struct passwords *p, struct loop *l, unsigned kib);

/* One check, one making, or both: the new one is only made when the old one is right. Copies what it is given and wipes
 * it. */
struct password_job {
	void (*cb)(struct password_job *j); /* once, never from inside password_start; frees it */
	void *ctx;
	bool checks, matches;
	char stored[PASSWORD_TEXT], made[PASSWORD_TEXT];
	struct err why; /* ERR_NOMEM */
	struct passwords *passwords;
	struct work work;
	struct list link;
	struct buf old, fresh;
};
/* checks: does `old` fit `stored` (NULL: of somebody unknown; it never does, and takes as long)? fresh: to be hashed,
 * or SPAN_NONE. */
struct password_job *password_start(struct passwords *p, bool checks, const char *stored, struct span old,
	struct span fresh, void (*cb)(struct password_job *j), void *ctx, struct err *e);
void password_free(struct password_job *j);

/* ERR_INVALID says what is wrong with it: too short or too long, one of the common ones, or the person's own name or
 * address (either may be NULL). */
int password_acceptable(struct span password, const char *name, const char *email, struct err *e);

int password_seal(const uint8_t key[KEY_SIZE], const char *text, char out[PASSWORD_SEALED], struct err *e);
int password_open(const uint8_t key[KEY_SIZE], const char *sealed, char out[PASSWORD_TEXT], struct err *e);

#endif
