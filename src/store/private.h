/* private: the store's own struct, shared by the files that make it up. */
#ifndef MUSTER_STORE_PRIVATE_H
#define MUSTER_STORE_PRIVATE_H

#include "base/map.h"
#include "store/driver.h"
#include "store/writer.h"

/* A walk over a list of tails that goes on when tails are stopped meanwhile. */
struct walk {
	struct walk *outer;
	struct list *next;
};

struct store {
	struct loop *loop;
	const struct clock *clock;
	enum store_access access;
	uint8_t key[KEY_SIZE];
	char *dir; /* NULL in memory */
	int lock;  /* descriptor, -1 */
	struct driver *driver;
	struct writer writer;
	struct tick wake; /* of the writer, for what was appended in this turn of the loop */
	/* On the loop's thread only: */
	size_t undelivered; /* appends whose callback has not fired; keeps the loop alive */
	/* tails */
	struct map groups; /* stream → struct tail_group */
	struct list everything;
	struct walk *walks;   /* under way, the innermost first */
	int64_t shows;	      /* events shown so far */
	struct tail *pumping; /* the tail whose catching up is under way, NULL when it was stopped meanwhile */
	struct timer poll;    /* beside an owner: looks for new events */
};

/* -1 with ERR_READ_ONLY when this store does not own the folder. */
int store_writable(const struct store *s, struct err *e);
/* What is known of a blob, and with out its content where that is a row: 1, 0, or -1. */
int store_look_up(struct store *s, const struct hash *h, struct blob_info *info, struct blob **out, struct err *e);
/* Is a known blob sure to stay for as long as it takes to name it? */
bool store_blob_stays(const struct store *s, const struct blob_info *info);
static inline struct reader *store_reader(struct store *s, bool view, struct err *e)
{
	return s->driver->ops->reader(s->driver, view, e);
}
static inline void store_reader_end(struct store *s, struct reader *r)
{
	s->driver->ops->reader_end(r);
}

/* query.c: the rows of a projection as an array of objects (a new reference). */
json_t *store_list(struct store *s, enum table_id t, const struct filter *f, int limit, struct err *e);

/* tail.c */
void tails_init(struct store *s);
void tails_release(struct store *s);
/* Events of one stream were committed. */
void tails_show(struct store *s, const char *stream, const struct event *events, size_t count);

#endif
