/* batch: flushed when it holds BATCH_MAX blobs or CAP_SNAPSHOT_BATCH bytes. */
#include "vcs/batch.h"

#include "base/caps.h"
#include "base/mem.h"

#define BATCH_MAX 1024
#define CARRY_MAX 32 /* blobs */

void batch_init(struct batch *b, struct store *s)
{
	*b = (struct batch){.store = s};
}

static void drop(struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		blob_unref(b->blobs[i].bytes);
	b->count = b->bytes = 0;
}

void batch_release(struct batch *b)
{
	drop(b);
	mem_free(b->blobs);
	b->blobs = NULL;
}

int batch_flush(struct batch *b, struct err *e)
{
	int rc = b->count ? store_put_blobs(b->store, b->blobs, b->count, e) : 0;

	b->flushed |= b->count > 0;
	drop(b);
	return rc;
}

bool batch_carry(struct batch *b, struct store_blob **blobs, size_t *count)
{
	if (b->flushed || b->bytes > CAP_SNAPSHOT_CARRY || b->count > CARRY_MAX)
		return false;
	*blobs = steal(&b->blobs);
	*count = b->count;
	b->count = b->room = b->bytes = 0;
	return true;
}

static int add(struct batch *b, const struct store_blob *blob, struct err *e)
{
	if (b->count == b->room) {
		size_t room = b->room ? b->room * 4 : 8;
		struct store_blob *bigger = mem_realloc(b->blobs, room * sizeof *bigger);
		if (!bigger) {
			blob_unref(blob->bytes);
			return err_nomem(e);
		}
		b->blobs = bigger;
		b->room = room;
	}
	b->blobs[b->count++] = *blob;
	b->bytes += blob->bytes ? blob->bytes->size : 0;
	return b->count == BATCH_MAX || b->bytes >= CAP_SNAPSHOT_BATCH ? batch_flush(b, e) : 0;
}

int batch_add(struct batch *b, const struct hash *h, struct blob *bytes, struct err *e)
{
	return add(b, &(struct store_blob){.hash = *h, .bytes = bytes}, e);
}

int batch_add_stored(struct batch *b, const struct store_blob *blob, struct err *e)
{
	b->flushed = true;
	return add(b, blob, e);
}
