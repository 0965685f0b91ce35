/* private: what the files of accounts share. */
#ifndef MUSTER_ACCOUNTS_PRIVATE_H
#define MUSTER_ACCOUNTS_PRIVATE_H

#include "accounts/accounts.h"
#include "accounts/password.h"
#include "accounts/throttle.h"
#include "base/caps.h"
#include "base/map.h"

#define SECOND ((int64_t)1000000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

/* ---- records (records.c) ---- */

enum kind { KIND_PERSON, KIND_SESSION, KIND_KEY, KIND_INVITE, KIND_TICKET, KIND_MEMBER, KIND_SETTING, KINDS };
extern const char *const kind_names[KINDS];

/* One record as it stands in the journal. Those of a person hang on theirs. */
struct record {
	enum kind kind;
	json_t *value;
	int64_t used;	   /* sessions and keys: last use; the value says it too, late */
	struct list owned; /* of a person: sessions, keys, tickets, memberships */
	struct list link;
	char id[];
};

void records_init(struct accounts *a);
void records_release(struct accounts *a);
/* All of them anew from the store. */
int records_load(struct accounts *a, struct err *e);
/* The record's new value (NULL or null: it is gone), into memory. -1: no memory; then what is there is stale. */
int records_apply(struct accounts *a, enum kind k, const char *id, json_t *value, struct err *e);
/* As an audit event carries it: {kind, id, value}. Unknown kinds are left alone. */
int records_apply_json(struct accounts *a, const json_t *record, struct err *e);
struct record *record_get(const struct accounts *a, enum kind k, const char *id); /* NULL: none */
struct record *record_of_address(const struct accounts *a, const char *email);
/* By a token's text: the session (by its access or its family token), key, invite or ticket. By a hash also people, by
 * who they are to an OpenID provider (identity.c). */
struct record *record_of_token(const struct accounts *a, enum kind k, struct span token);
struct record *record_of_hash(const struct accounts *a, enum kind k, const char *hex);
struct record *setting(const struct accounts *a);
static inline const char *record_str(const struct record *r, const char *field)
{
	return json_str(r->value, field);
}
static inline int64_t record_int(const struct record *r, const char *field)
{
	return json_int(r->value, field, 0);
}
enum member_role record_role(const struct record *r);
/* A person who may act. */
bool person_good(const struct record *person);
/* As accounts_project_role, whichever of their tokens asks. person NULL: ROLE_NONE. */
enum member_role person_project_role(const struct accounts *a, const struct record *person, const char *project);
int owner_count(const struct accounts *a); /* owners of the installation who may act */

/* ---- tokens (token.c) ---- */

/* A new token with this prefix ("ms_"), and the hash under which it is kept. */
void token_new(const char *prefix, char out[TOKEN_TEXT], char hash[HASH_HEX]);
void token_hash(struct span token, char hash[HASH_HEX]);
bool token_looks(struct span token, const char *prefix);

/* ---- turns (change.c): what a verb sees and decides ---- */

struct turn {
	struct accounts *a;
	struct account_op *op;
	const struct caller *by;
	const json_t *args;
	int64_t now;
	char sealed[PASSWORD_SEALED]; /* the new password, when the verb takes one */
	char person[ID_TEXT];	      /* whose password was right, */
	char stored[PASSWORD_SEALED]; /* namely this one */
	/* decided */
	json_t *records, *result, *detail, *mails;
	char object[CAP_RECORD_NAME];
	const char *what; /* the verb's name, unless set */
	struct err told;  /* after the commit: what changed is that something was refused for good */
};
int turn_record(struct turn *t, enum kind k, const char *id, json_t *value, struct err *e); /* value NULL: gone */
int turn_object(struct turn *t, enum kind k, const char *id, struct err *e);
/* Set in the answer, in the audit. v is consumed. */
int turn_result(struct turn *t, const char *name, json_t *v, struct err *e);
int turn_detail(struct turn *t, const char *name, json_t *v, struct err *e);
int turn_mail(struct turn *t, const char *kind, const char *to, const char *name, const char *token, struct err *e);
/* The caller's own person, or the one that the argument "person" names when the caller may; ERR_NOT_FOUND else. */
struct record *turn_person(struct turn *t, struct err *e);
const char *turn_who(const struct caller *c);
/* accounts.c: is there room in this minute for one more event that anybody can cause? */
bool note_room(struct accounts *a);

/* A text argument: trimmed, of least to most bytes, without control characters; NULL with ERR_INVALID naming it. */
const char *arg_text(const struct turn *t, const char *name, size_t least, size_t most, struct err *e);

enum may {
	MAY_ANYONE,
	MAY_MEMBER, /* somebody known; the verb asks for their role in the project */
	MAY_PERSON, /* but no key of one project: it does not stand for the whole person */
	MAY_SESSION,
	MAY_ADMIN,
};
enum password { PASSWORD_NONE, PASSWORD_OLD = 1, PASSWORD_NEW = 2 };

struct account_verb {
	const char *name;
	enum may may;
	int password;
	/* Before any password is hashed: what would be refused anyway. May be NULL. */
	int (*check)(struct turn *t, struct err *e);
	int (*decide)(struct turn *t, struct err *e);
};
#define VERB(function, name, may, password, check, summary) int function(struct turn *t, struct err *e);
#include "accounts/verbs.def"
#undef VERB
int reset_check(struct turn *t, struct err *e);
int setup_check(struct turn *t, struct err *e);
int invite_check(struct turn *t, struct err *e);
int register_check(struct turn *t, struct err *e);
void change_setup(struct accounts *a);
void change_end(struct accounts *a);

/* ---- shared by verbs ---- */

#define EMAIL_MAX 254
/* The address in lower case, as it is compared; longer ones are cut. */
void email_plain(char out[EMAIL_MAX + 1], const char *email);
/* The argument as such an address, or ERR_INVALID. */
int arg_email(const struct turn *t, const char *name, char out[EMAIL_MAX + 1], struct err *e);
/* session.c: a new session of this person; its tokens go into the result. */
int session_add(struct turn *t, const struct record *person, const char *id, bool remember, struct err *e);
/* All sessions of this person but one (may be NULL) end. */
int sessions_end(struct turn *t, const struct record *person, const char *but, struct err *e);
/* person.c: the value of a new person from the arguments name, email and the new password; without one nobody signs in
 * by password until one was set by mail. */
json_t *person_new(
	struct turn *t, enum member_role role, const char *email, bool verified, char id[ID_TEXT], struct err *e);
/* ticket.c */
int ticket_add(
	struct turn *t, const char *purpose, const char *person, const char *name, const char *email, struct err *e);
/* Is an address only good when it was verified? */
bool verify_email(const struct accounts *a);
/* The link that verifies the person's address is sent, unless one that still counts was. */
int ticket_verify(struct turn *t, const struct record *person, struct err *e);
/* The ticket of this purpose that the argument "token" names; ERR_INVALID for any other, always in the same words. */
struct record *ticket_of(struct turn *t, const char *purpose, struct err *e);
/* member.c */
int member_id(char out[CAP_RECORD_NAME], const char *project, const char *person, struct err *e);
/* use.c */
void use_note(struct accounts *a, struct record *r);
int use_save(struct accounts *a, struct err *e);
void use_hourly(struct timer *t);

struct link {
	struct list link;
	int64_t until;
	json_t *value;
};

struct accounts {
	struct loop *loop;
	struct store *store;
	const struct clock *clock;
	uint8_t key[KEY_SIZE];
	bool (*mail)(void *ctx, const struct account_mail *m);
	void *ctx;
	/* records.c */
	struct map records[KINDS]; /* id → struct record */
	struct map addresses;	   /* e-mail address → record of a person */
	struct map tokens;	   /* hash → record of what has it */
	bool stale;		   /* there was no memory for what is committed */
	/* change.c */
	struct list queue;	/* operations whose turn will come */
	struct account_op *now; /* committing */
	struct tick next;
	int ops;
	struct passwords passwords;
	struct throttle throttle;
	/* the rest */
	char setup[HASH_HEX]; /* hash of the setup token; "" none */
	struct list links;
	int link_count;
	struct list watches, *watch_next;
	struct timer hourly;
	int64_t note_at; /* audit of what anybody can cause: a bucket */
	double note_room;
	int64_t notes_left_out;
};

#endif
