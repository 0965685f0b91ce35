/* outbox: notices for people and programs outside, kept until they are delivered.
 *
 * A notice is one occasion for one target, and its id is made of both: the same is not kept twice. Notices are records
 * of the journal (kind "notice"): each is durable before its first try, and remembered for a day after its last. So a
 * kill loses none; a try whose end was not journaled is made again, with the same id. Tries are repeated with growing
 * waits for a day, a target gets one at a time, and few are under way at once. */
#ifndef MUSTER_NOTIFY_OUTBOX_H
#define MUSTER_NOTIFY_OUTBOX_H

#include "base/map.h"
#include "store/store.h"

#define NOTICE_ID 33 /* hex digits, with the NUL */
#define NOTICE_TARGET 120

enum notice_state { NOTICE_WAITING, NOTICE_SENDING, NOTICE_SENT, NOTICE_GIVEN_UP };
struct notice {
	char id[NOTICE_ID];
	char target[NOTICE_TARGET]; /* "mail/PERSON", "push/ID", "webhook/ID" */
	json_t *about;		    /* the occasion */
	enum notice_state state;
	int tries;
	int64_t since, next; /* microseconds UTC: of the occasion's keeping; of the next try, or of the end */
	void *priv;	     /* the sender's */
	/* private */
	struct outbox *box;
	struct outbox_target *to;
	struct list link; /* of those whose record is not written yet */
};

enum notice_end {
	NOTICE_DELIVERED,
	NOTICE_AGAIN, /* it failed; another try later */
	NOTICE_NEVER, /* the target is gone or will not take it */
};
/* How notices get out. */
struct sender {
	/* Begin one try; its end is told by notice_end, exactly once and not from inside. -1: it could not begin, and
	 * counts as a failed try. */
	int (*start)(struct sender *s, struct notice *n, struct err *e);
	void (*cancel)(struct sender *s, struct notice *n); /* of a started one; notice_end is told all the same */
	/* So many tries in a row failed: the target should get no more. May be NULL. */
	void (*failing)(struct sender *s, const char *target, int failures);
};
/* wait_ms: what the target asks for at least; 0: nothing. */
void notice_end(struct notice *n, enum notice_end how, int64_t wait_ms, const struct err *why);

struct outbox;
/* Reads what is kept; tries begin when the loop turns. The sender is borrowed. */
struct outbox *outbox_open(struct loop *l, struct store *s, struct sender *sender, uint64_t seed, struct err *e);
/* Keep a notice unless there is one of this occasion for this target already. `occasion` is its stable name. 1: kept,
 * 0: known, -1: no memory, or ERR_OVERLOADED: CAP_NOTICES are waiting, or of this target a tenth of them; of a browser
 * so much less that all of a person have a tenth. */
int outbox_add(struct outbox *b, const char *occasion, const char *target, const json_t *about, struct err *e);
bool outbox_knows(const struct outbox *b, const char *occasion, const char *target);
/* Notices of an occasion that are not under way are not sent any more (the action was decided). */
void outbox_drop(struct outbox *b, bool (*unwanted)(void *ctx, const json_t *about), void *ctx);
size_t outbox_waiting(const struct outbox *b); /* not delivered, not given up */
/* End all that is under way. Turn the loop while outbox_busy, then free. */
void outbox_stop(struct outbox *b);
bool outbox_busy(const struct outbox *b);
void outbox_free(struct outbox *b); /* NULL is legal */

#endif
