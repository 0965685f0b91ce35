/* herald: notices for a whole house, put together from its options and its vault: who may be reached how (targets),
 * what there is to tell (notify), and the ways out (send). */
#ifndef MUSTER_NOTIFY_HERALD_H
#define MUSTER_NOTIFY_HERALD_H

#include "config/options.h"
#include "notify/letter.h"
#include "notify/notify.h"
#include "notify/targets.h"

/* What whoever keeps accounts says of people, as they are now. */
struct herald_people {
	/* May this person see the project (NULL: none)? */
	bool (*sees)(void *ctx, const char *person, const char *project);
	/* Where mail reaches them, borrowed; NULL: nowhere. */
	const char *(*address)(void *ctx, const char *person);
	void *ctx;
};

struct herald {
	struct loop *loop;
	struct targets *targets;
	struct letters *letters;       /* about accounts */
	char push_public[PUSH_PUBLIC]; /* for browsers */
	/* private */
	const struct herald_people *people;
	struct store *store;
	struct notify *notify;
	struct guard *guard;
	struct http *http;
	struct sender *sender;
	const struct options *options;
	struct mail_server mail;
};

/* Makes the key of push messages when the vault has none. -1 names the option that is wrong. All is borrowed. */
struct herald *herald_open(struct loop *l, struct store *s, struct vault *v, const struct options *o,
	const struct herald_people *people, struct err *e);
/* Ends what is under way, turning the loop for it. NULL is legal. */
void herald_close(struct herald *h);
bool herald_mails(const struct herald *h); /* is a mail server configured? */

#endif
