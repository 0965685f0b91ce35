/* loose: zlib over a file's bytes: "blob <size>", a NUL, the content (git's gitformat-loose.txt). What the sum at the
 * end of zlib's format (RFC 1950) says is checked, not the object's name: that would take a SHA-1 of our own. */
#include "vcs/loose.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"

#define HEADER_MAX 32
#define SMALL 4096 /* bytes of an object's file: deflate makes at most 1,032 of each */

static void *zlib_alloc(void *ctx, uInt count, uInt size)
{
	(void)ctx;
	return mem_calloc(count, size);
}

static void zlib_free(void *ctx, void *p)
{
	(void)ctx;
	mem_free(p);
}

static int damaged(const struct loose *l, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "an object in %s is damaged; git fsck names it", l->objects);
}

static int open_in(struct loose *l, const char *objects, const git_oid *id, struct err *e)
{
	char hex[GIT_OID_HEXSZ + 1];
	cleanup_free char *path = NULL;

	git_oid_tostr(hex, sizeof hex, id);
	path = mem_printf("%s/%.2s/%s", objects, hex, hex + 2);
	if (!path)
		return err_nomem(e);
	l->objects = objects;
	l->fd = fs_open(path, O_RDONLY, 0, e);
	return l->fd < 0 ? -1 : 0;
}

/* Fill out as far as the file's next bytes go: 1, or 0 at the end. */
static int inflate_some(struct loose *l, struct err *e)
{
	int rc = Z_OK;

	buf_clear(&l->out);
	if (!buf_grow(&l->out, CAP_BLOB_PIECE))
		return err_nomem(e);
	l->z.next_out = (Bytef *)l->out.data;
	l->z.avail_out = CAP_BLOB_PIECE;
	while (rc == Z_OK && l->z.avail_out) {
		if (l->z.avail_in == 0) {
			buf_clear(&l->in);
			int more = fs_read_some(l->fd, CAP_BLOB_PIECE, &l->in, e);
			if (more < 0)
				return -1;
			l->z.next_in = (Bytef *)l->in.data;
			l->z.avail_in = (uInt)l->in.len;
		}
		rc = inflate(&l->z, Z_NO_FLUSH); /* without input: Z_BUF_ERROR */
	}
	if (rc != Z_OK && rc != Z_STREAM_END)
		return rc == Z_MEM_ERROR ? err_nomem(e) : damaged(l, e);
	buf_grew(&l->out, CAP_BLOB_PIECE - l->z.avail_out);
	return l->out.len > 0;
}

static int read_header(struct loose *l, struct err *e)
{
	struct span head;
	const char *end;
	char *digits_end;
	int rc = inflate_some(l, e);

	if (rc < 0)
		return -1;
	head = buf_span(&l->out);
	end = memchr(head.p, 0, head.n < HEADER_MAX ? head.n : HEADER_MAX);
	if (!end || !span_starts(head, "blob "))
		return damaged(l, e);
	l->size = strtoull(head.p + 5, &digits_end, 10);
	if (digits_end != end)
		return damaged(l, e);
	l->first = span_n(end + 1, head.n - (size_t)(end + 1 - head.p));
	return 0;
}

int loose_open(struct loose *l, const char *const *objects, const git_oid *id, struct err *e)
{
	struct err why = ERR_INIT;
	struct stat st;
	int rc = -1;

	*l = (struct loose){.fd = -1, .z = {.zalloc = zlib_alloc, .zfree = zlib_free}};
	buf_init(&l->in, CAP_BLOB_PIECE);
	buf_init(&l->out, CAP_BLOB_PIECE);
	for (size_t i = 0; rc && objects[i]; i++) {
		err_clear(&why);
		rc = open_in(l, objects[i], id, &why);
		if (rc && why.code != ERR_NOT_FOUND)
			return err_set(e, why.code, "%s", why.text);
	}
	if (rc || fstat(l->fd, &st) || st.st_size <= SMALL)
		return 0;
	if (inflateInit(&l->z) != Z_OK)
		return err_nomem(e);
	l->inflating = true;
	return read_header(l, e) ? -1 : 1;
}

int loose_next(struct loose *l, struct span *piece, struct err *e)
{
	int rc = 1;

	*piece = l->first;
	l->first = SPAN_NONE;
	if (!piece->n) {
		rc = inflate_some(l, e);
		*piece = buf_span(&l->out);
	}
	if (rc < 0)
		return -1;
	l->given += piece->n;
	if (l->given > l->size || (rc == 0 && l->given < l->size))
		return damaged(l, e);
	return rc;
}

void loose_release(struct loose *l)
{
	if (l->inflating)
		inflateEnd(&l->z);
	if (l->fd >= 0)
		close(l->fd);
	l->inflating = false;
	l->fd = -1;
	buf_release(&l->in);
	buf_release(&l->out);
}
