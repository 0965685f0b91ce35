/* What the tests of accounts share: accounts over a store in memory, on a simulated loop, and one operation at a time.
 */
#ifndef MUSTER_TESTS_ACCOUNTS_WORLD_H
#define MUSTER_TESTS_ACCOUNTS_WORLD_H

#include "unit.h"

#include <string.h>

#include "accounts/accounts.h"
#include "base/mem.h"

#define GOOD "four plain words here"
#define START_US ((int64_t)1700000000000000)

struct world {
	struct loop *loop;
	struct store *store;
	struct accounts *accounts;
	struct caller nobody, local, ada; /* ada: the first owner's session */
	char ada_id[ID_TEXT];
	bool mails; /* is there a way to send them? */
	char mail_kind[16], mail_to[80], mail_token[TOKEN_TEXT];
	int mail_count;
};

int world_begin(void **state); /* with ada */
int world_end(void **state);
void world_open(struct world *w);
void world_close(struct world *w); /* accounts only; the store stays */
/* Run one operation to its end. args: taken over. The result (a new reference, NULL where it failed); fails the test
 * unless it ended with this code. */
json_t *act(struct world *w, const struct caller *c, const char *verb, json_t *args, enum err_code want);
/* The same, without a result to look at. */
void did(struct world *w, const struct caller *c, const char *verb, json_t *args, enum err_code want);
json_t *args_of(const char *fmt, ...); /* as json_make */
/* The caller of a result's access token. */
struct caller caller_of(struct world *w, const json_t *result);
struct caller sign_in(struct world *w, const char *email, const char *password);
/* A person made by the owner, with GOOD as password. */
void person_made(struct world *w, const char *email, const char *role, char id[ID_TEXT]);
bool token_is_good(struct world *w, const char *token);
int64_t events(struct world *w); /* in the stream house */
void wait_us(struct world *w, int64_t us);

#endif
