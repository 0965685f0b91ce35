/* accounts: people, sessions, keys, invites, members of projects and one-time tokens of one installation.
 *
 * Their truth is the records of the journal (store/store.h); what is in memory is a fold of them, made at the start and
 * moved on after each commit. One writer: operations take their turns, each deciding over what all before it left, so a
 * token is used once and the last owner stays, however many ask at the same moment. Tokens are 256 random bits, shown
 * once, kept as hashes; passwords are argon2id, sealed. On the loop's thread, but for accounts_identify's cost nothing
 * here waits: passwords are hashed on the pool, two at once.
 *
 * Journaled is what changes. When a session or key was last used is written at most once an hour for all together, and
 * what needs no right to be caused (failed logins, denials) at NOTE_RATE a minute, with the number of those left out.
 */
#ifndef MUSTER_ACCOUNTS_ACCOUNTS_H
#define MUSTER_ACCOUNTS_ACCOUNTS_H

#include "accounts/caller.h"
#include "store/store.h"

struct accounts;

/* What somebody is told by mail: a token that only the owner of the address may learn. */
struct account_mail {
	const char *kind; /* "verify", "reset", "invite", "exists" (someone registered with this address again) */
	const char *to, *name;
	const char *token; /* NULL: none */
};

struct accounts_options {
	struct loop *loop;
	struct store *store;
	const uint8_t *key;    /* KEY_SIZE bytes, of the vault; seals passwords and makes CSRF tokens */
	unsigned password_kib; /* memory of one argon2id; 0: PASSWORD_KIB */
	/* Takes a mail; false: there is no way to send it, and its token waits in accounts_links. May be NULL. */
	bool (*mail)(void *ctx, const struct account_mail *m);
	void *ctx;
};
#define PASSWORD_KIB (46 * 1024)

struct accounts *accounts_open(const struct accounts_options *o, struct err *e);
/* Writes what was used last. All operations must have ended, all watches must have been taken off. NULL is legal. */
void accounts_close(struct accounts *a);

/* The token with which the first owner is made (verb "setup"): a new one at each call, valid until there is one or the
 * program ends. ERR_EXISTS when there is an owner. */
#define TOKEN_TEXT 48 /* prefix, 43 characters, NUL */
int accounts_setup_token(struct accounts *a, char out[TOKEN_TEXT], struct err *e);

/* ---- who is asking ---- */

/* The caller of a session's token (ms_…) or a key (mk_…). A look-up in memory. ERR_UNAUTHENTICATED says the same of
 * every token that is not good. */
int accounts_identify(struct accounts *a, struct span token, struct caller *out, struct err *e);
/* The caller of the data folder's socket. */
void accounts_local(struct caller *out);
/* Is this caller still one: not revoked, expired, disabled? */
bool accounts_alive(const struct accounts *a, const struct caller *c);
/* Their present role in the installation, and in a project (where admins and owners of the house are owners; ROLE_NONE:
 * the project is not there for them). A key may be limited to one project, and is then nothing elsewhere. */
enum member_role accounts_role(const struct accounts *a, const struct caller *c);
enum member_role accounts_project_role(const struct accounts *a, const struct caller *c, const char *project);
/* May this person, as they are now, see the project (NULL: come in at all)? */
bool accounts_sees(const struct accounts *a, const char *person, const char *project);
/* Their address, borrowed; NULL: there is no such person, they may not act, or they have not verified it. */
const char *accounts_address(const struct accounts *a, const char *person);
/* The projects in which the caller has a role, as ids; null: in all that there are. NULL: no memory. */
json_t *accounts_projects(const struct accounts *a, const struct caller *c, struct err *e);
/* The token that a form of this session must carry; HASH_HEX - 1 characters. */
void accounts_csrf(const struct accounts *a, const struct caller *c, char out[HASH_HEX]);
bool accounts_csrf_is(const struct accounts *a, const struct caller *c, struct span token);

/* Called on the loop's thread after somebody's rights shrank (`person`): whoever serves them something lasting asks
 * accounts_alive and the roles again. May take itself off. */
struct accounts_watch {
	void (*cb)(struct accounts_watch *w, const char *person);
	struct list link;
};
void accounts_watch(struct accounts *a, struct accounts_watch *w);
void accounts_unwatch(struct accounts_watch *w);

/* A denial, or another thing without records that anybody can cause: audited, but no faster than NOTE_RATE a minute. */
#define NOTE_RATE 60
void accounts_note(
	struct accounts *a, const struct caller *c, const char *what, const char *object, const char *address);

/* ---- operations ---- */

/* One change, by the verb's name (verbs.def): set caller, address, args, cb; the struct stays until cb was called,
 * exactly once and never from inside accounts_start. result: as the verb says, released after cb. */
struct account_op {
	struct caller caller;
	char address[64]; /* of the client; "" for none */
	char network[64]; /* what wrong passwords are counted by: the address, or what one household has of them */
	json_t *args;	  /* an object; taken over */
	void (*cb)(struct account_op *op, const struct err *why);
	json_t *result;
	int64_t retry_ms; /* with ERR_RATE_LIMITED: when it may be tried again */
	/* private */
	struct accounts *accounts;
	const struct account_verb *verb;
	enum { OP_ENDED, OP_PASSWORD, OP_QUEUED, OP_COMMITTING } state;
	bool cancelled;
	struct list link;
	struct password_job *job;
	struct turn *turn;
};
/* -1 (args are released, cb is not called): ERR_NOT_FOUND no such verb, ERR_DENIED, ERR_INVALID, ERR_RATE_LIMITED,
 * ERR_OVERLOADED. */
int accounts_start(struct accounts *a, struct account_op *op, const char *verb, struct err *e);
/* Ends it with ERR_CANCELLED if it has not been decided yet. */
void accounts_cancel(struct account_op *op);

/* A membership as a record, for whoever makes a project to journal with it; null when there is no such person. */
json_t *accounts_membership(
	const struct accounts *a, const char *project, const char *person, enum member_role role, struct err *e);
/* Records of accounts' kinds that another part journaled: once they are committed. */
void accounts_journaled(struct accounts *a, const json_t *records);

/* ---- lists: new references, without anything secret ---- */

struct accounts_page {
	const char *after; /* id; NULL: from the first */
	int limit;	   /* -1: all */
};
json_t *accounts_people(const struct accounts *a, const struct accounts_page *p, struct err *e);
json_t *accounts_person(const struct accounts *a, const char *person, struct err *e); /* ERR_NOT_FOUND */
/* {linked, issuer, sub}: their account at an OpenID provider, of which the last two are there when there is one. */
json_t *accounts_identity(const struct accounts *a, const char *person, struct err *e); /* ERR_NOT_FOUND */
json_t *accounts_sessions(const struct accounts *a, const char *person, struct err *e);
json_t *accounts_keys(const struct accounts *a, const char *person, struct err *e);
/* project NULL: those of the installation. */
json_t *accounts_invites(const struct accounts *a, const char *project, struct err *e);
json_t *accounts_members(const struct accounts *a, const char *project, struct err *e);
json_t *accounts_settings(const struct accounts *a, struct err *e);
/* Tokens that could not be mailed and still count, for administrators: [{kind, to, name, token, until}]; none of a
 * person, or for a role, above the caller. */
json_t *accounts_links(const struct accounts *a, const struct caller *c, struct err *e);
size_t accounts_count(const struct accounts *a); /* people */

extern const char *const role_names[];	       /* "none", "viewer", "member", "admin", "owner" */
enum member_role role_named(const char *name); /* ROLE_NONE for an unknown one */

#endif
