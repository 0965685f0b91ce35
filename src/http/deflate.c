#include "http/deflate.h"

#define ZLIB_CONST
#include <zlib.h>

#include "base/caps.h"
#include "base/mem.h"

/* Purpose: zlib with our memory, its streams made once and reset for each message.
 *
 * Failure modes: a message that says more than its reader may hold is given up after the first byte too many, however
 * small it came. */

#define LEVEL 4	     /* of 9: three quarters of the best for a third of its time */
#define PIECE 16384  /* of the output at once */
#define WINDOW (-15) /* 32 KiB, no header */

struct deflate {
	z_stream out, in;
};

static void *alloc_bytes(void *ctx, unsigned n, unsigned size)
{
	(void)ctx;
	return mem_calloc(n, size);
}

static void free_bytes(void *ctx, void *p)
{
	(void)ctx;
	mem_free(p);
}

struct deflate *deflate_new(struct err *e)
{
	struct deflate *d = MEM_NEW(struct deflate);

	if (!d) {
		err_nomem(e);
		return NULL;
	}
	d->out.zalloc = d->in.zalloc = alloc_bytes;
	d->out.zfree = d->in.zfree = free_bytes;
	if (deflateInit2(&d->out, LEVEL, Z_DEFLATED, WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
		inflateInit2(&d->in, WINDOW) != Z_OK) {
		deflate_free(d);
		err_nomem(e);
		return NULL;
	}
	return d;
}

void deflate_free(struct deflate *d)
{
	if (!d)
		return;
	deflateEnd(&d->out);
	inflateEnd(&d->in);
	mem_free(d);
}

/* What there is to read, and the next piece of the output. */
static void offer(z_stream *z, struct span *in, unsigned char *piece)
{
	z->next_in = (const unsigned char *)in->p;
	z->avail_in = (unsigned)in->n;
	z->next_out = piece;
	z->avail_out = PIECE;
}

int deflate_message(struct deflate *d, struct span message, struct buf *out, struct err *e)
{
	unsigned char piece[PIECE];
	size_t begin = out->len;

	deflateReset(&d->out);
	do {
		offer(&d->out, &message, piece);
		deflate(&d->out, Z_SYNC_FLUSH);
		message = span_n((const char *)d->out.next_in, d->out.avail_in);
		buf_add(out, piece, PIECE - d->out.avail_out);
	} while (d->out.avail_out == 0);
	if (buf_check(out, "a compressed message", e))
		return -1;
	BUG_ON(out->len - begin < 4);
	buf_cut(out, out->len - 4);
	return 0;
}

static int feed(struct deflate *d, struct span in, struct buf *out, struct err *e)
{
	unsigned char piece[PIECE];
	int rc;

	do {
		offer(&d->in, &in, piece);
		rc = inflate(&d->in, Z_SYNC_FLUSH);
		in = span_n((const char *)d->in.next_in, d->in.avail_in);
		buf_add(out, piece, PIECE - d->in.avail_out);
		if (buf_check(out, "a message", e))
			return -1;
		if (rc == Z_MEM_ERROR)
			return err_nomem(e);
		/* A final block (RFC 7692 7.2.3.5) ends what is to be read; Z_BUF_ERROR: there is no more. */
		if (rc != Z_OK && rc != Z_BUF_ERROR && rc != Z_STREAM_END)
			return err_set(e, ERR_PARSE, "a compressed message is damaged");
	} while (rc == Z_OK && (in.n > 0 || d->in.avail_out == 0));
	return 0;
}

int inflate_message(struct deflate *d, struct span message, struct buf *out, struct err *e)
{
	static const char tail[] = {0, 0, (char)0xff, (char)0xff};

	inflateReset(&d->in);
	return feed(d, message, out, e) || feed(d, span_n(tail, sizeof tail), out, e) ? -1 : 0;
}
