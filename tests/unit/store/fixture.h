/* What the tests of the store share: a data folder, a store on a loop, and events made from JSON text. */
#ifndef MUSTER_TESTS_STORE_FIXTURE_H
#define MUSTER_TESTS_STORE_FIXTURE_H

#include "unit.h"

#include "base/fs.h"
#include "base/mem.h"
#include "store/store.h"

struct fixture {
	struct loop *loop;
	struct store *store;
	char dir[64]; /* the folder of the test; the data folder is <dir>/data */
	char data[80];
	bool memory, no_sync;
};

extern const uint8_t test_key[KEY_SIZE];

/* cmocka set-up and tear-down: *state is the fixture. The store is open and owned. */
int fixture_disk(void **state);
int fixture_memory(void **state);
int fixture_end(void **state);
/* A fresh folder without a store; fixture_open opens it. */
void fixture_init(struct fixture *f);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);
void fixture_release(struct fixture *f);
struct store *fixture_try(struct fixture *f, enum store_access access, struct err *e);

/* An event with a new id; data is JSON text. Release it. */
struct event event_of(int64_t seq, enum event_type type, const char *data);
/* Append one event and wait. Returns 0 or -1. */
int append_one(
	struct fixture *f, const char *stream, int64_t seq, enum event_type type, const char *data, struct err *e);
/* Append `count` flow.log events from seq `first` on in one append. */
int append_logs(struct fixture *f, const char *stream, int64_t first, int count, struct err *e);
/* A created and started run. */
void make_run(struct fixture *f, const char *stream);
struct store_blob blob_of(const void *bytes, size_t n);
void verify_fine(struct fixture *f);
/* Run SQL on the database itself, behind the store's back. */
void sql(const struct fixture *f, const char *text);
int64_t sql_int(const struct fixture *f, const char *text);
/* Turn the loop until this is true, at most ten seconds. */
#define turn_until(f, cond)                                                                                            \
	do {                                                                                                           \
		for (int turn_n = 0; !(cond) && turn_n < 1000; turn_n++)                                               \
			loop_turn((f)->loop, 10);                                                                      \
		assert_true(cond);                                                                                     \
	} while (0)

#endif
