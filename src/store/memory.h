/* memory: the driver without a disk. Private to memory.c (writing) and memory_read.c (reading). */
#ifndef MUSTER_STORE_MEMORY_H
#define MUSTER_STORE_MEMORY_H

#include <pthread.h>

#include "store/driver.h"
#include "store/rows_memory.h"

struct memory_stream {
	struct event *events;
	size_t count, room;
	int64_t fence, until;
	char *holder;
};

struct memory_blob {
	struct blob *bytes;
	int64_t at;
	bool named;
};

struct memory_command {
	int64_t n;
	bool done;
	char *id, *stream, *text;
};

struct reader {
	struct memory *memory;
};

struct memory {
	struct driver base;
	pthread_mutex_t lock;
	struct reader reader;
	struct map streams;  /* name → struct memory_stream */
	struct map blobs;    /* hash → struct memory_blob */
	struct map commands; /* id → struct memory_command, in order */
	int64_t last_command;
	struct rows_memory rows;
};

static inline struct memory *memory_of(struct driver *d)
{
	return container_of(d, struct memory, base);
}

static inline struct span hash_span(const struct hash *h)
{
	return span_n((const char *)h->b, HASH_SIZE);
}

/* memory_read.c */
struct reader *memory_reader(struct driver *d, bool view, struct err *e);
void memory_reader_end(struct reader *r);
int64_t memory_head(struct reader *r, const char *stream, struct err *e);
int memory_read(struct reader *r, const char *stream, int64_t after, struct event *out, int max, struct err *e);
int memory_heads(struct reader *r, const char *after, struct stream_head *out, int max, struct err *e);
int memory_stream(struct reader *r, const char *stream, struct stream_head *out, struct err *e);
int memory_hash_at(struct reader *r, const char *stream, int64_t seq, struct hash *out, struct err *e);
int memory_blob(struct reader *r, const struct hash *h, struct blob_info *info, struct blob **out, struct err *e);
int memory_unnamed(
	struct reader *r, int64_t before, const struct hash *after, struct hash *out, int max, struct err *e);
int memory_rows(struct reader *r, enum table_id t, const struct filter *f, int limit,
	int (*each)(void *ctx, const struct cell *cells, struct err *e), void *ctx, struct err *e);
int memory_commands(struct reader *r, const char *stream,
	int (*each)(void *ctx, const struct command_row *row, struct err *e), void *ctx, struct err *e);
int memory_command_known(struct reader *r, const char *id, struct err *e);
int memory_check(struct reader *r, struct err *e);

#endif
