/* letter: mail to people about their account: a token that only the owner of the address may learn.
 *
 * Such a text is kept nowhere: a letter is tried three times within some minutes, and is gone when the program ends;
 * whoever waits for one asks again. */
#ifndef MUSTER_NOTIFY_LETTER_H
#define MUSTER_NOTIFY_LETTER_H

#include "accounts/accounts.h"
#include "http/mail.h"

struct letters;

/* server and base (where people reach the house; "" leaves links out) are borrowed. */
struct letters *letters_new(struct loop *l, const struct mail_server *server, const char *base, struct err *e);
/* Drops what has not gone out, turning the loop until it is. NULL is legal. */
void letters_free(struct letters *all);
/* Send one; false: it cannot be (no server is set, too many are under way, no memory). */
bool letters_send(struct letters *all, const struct account_mail *m);
size_t letters_waiting(const struct letters *all);

#endif
