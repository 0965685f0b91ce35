/* pieces: see pieces.h. The same content may be written twice at once: both have temporary files of their own, and the
 * second takes the place of the first. */
#include "store/pieces.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/blobs.h"
#include "store/private.h"

int blob_writer_begin(struct blob_writer *w, struct store *s, struct err *e)
{
	*w = (struct blob_writer){.store = s, .fd = -1};
	hash_start(&w->hash, NULL);
	buf_init(&w->whole, CAP_BLOB);
	if (store_writable(s, e))
		return -1;
	if (s->dir)
		w->fd = blob_file_temp(s->dir, &w->temp, e);
	return s->dir && w->fd < 0 ? -1 : 0;
}

int blob_writer_add(struct blob_writer *w, struct span piece, struct err *e)
{
	if (piece.n > CAP_BLOB - (size_t)w->size)
		return err_set(e, ERR_TOO_LARGE, "the content has more than %lu bytes", CAP_BLOB);
	hash_update(&w->hash, piece.p, piece.n);
	w->size += (int64_t)piece.n;
	if (w->temp)
		return fs_write_fd(w->fd, piece, e) ? err_wrap(e, "%s", w->temp) : 0;
	buf_addspan(&w->whole, piece);
	return buf_check(&w->whole, "the content", e) ? -1 : 0;
}

static void drop_temp(struct blob_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	if (w->temp)
		unlink(w->temp); /* if not, a walk finds it */
	mem_free(w->temp);
	w->temp = NULL;
	w->fd = -1;
}

int blob_writer_end(struct blob_writer *w, struct store_blob *out, struct err *e)
{
	struct blob_info info;
	int known;

	*out = (struct store_blob){.size = w->size};
	hash_end(&w->hash, &out->hash);
	if (!w->temp) {
		out->bytes = blob_new(w->whole.data, w->whole.len);
		return out->bytes ? 0 : err_nomem(e);
	}
	known = store_look_up(w->store, &out->hash, &info, NULL, e);
	if (known < 0)
		return -1;
	if (known && store_blob_stays(w->store, &info)) {
		drop_temp(w);
		return 0;
	}
	if (fs_fsync(w->fd, e))
		return err_wrap(e, "%s", w->temp);
	if (blob_file_place(w->store->dir, w->temp, &out->hash, e))
		return -1;
	mem_free(w->temp);
	w->temp = NULL; /* it is the blob's */
	return 0;
}

void blob_writer_release(struct blob_writer *w)
{
	drop_temp(w);
	buf_release(&w->whole);
}

int blob_reader_open(struct blob_reader *r, struct store *s, const struct hash *h, struct err *e)
{
	struct blob_info info = {.size = 0};
	char hex[HASH_HEX];
	int known;

	*r = (struct blob_reader){.want = *h, .fd = -1};
	hash_start(&r->hash, NULL);
	buf_init(&r->piece, CAP_BLOB_PIECE);
	known = store_look_up(s, h, &info, &r->whole, e);
	if (known < 0)
		return -1;
	hash_hex(h, hex);
	if (known == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no blob %s", hex);
	r->size = info.size;
	if (r->whole)
		return 0;
	r->fd = blob_file_open(s->dir, h, e);
	return r->fd < 0 ? -1 : 0;
}

/* One read of the file, or all of what is in memory. */
static int next(struct blob_reader *r, struct span *piece, struct err *e)
{
	int rc = 0;

	if (r->whole) {
		*piece = blob_span(r->whole);
		rc = !r->given && piece->n;
		r->given = true;
		return rc;
	}
	buf_clear(&r->piece);
	rc = fs_read_some(r->fd, CAP_BLOB_PIECE, &r->piece, e);
	*piece = buf_span(&r->piece);
	return rc;
}

int blob_reader_next(struct blob_reader *r, struct span *piece, struct err *e)
{
	int rc = next(r, piece, e);
	char hex[HASH_HEX];
	struct hash is;

	if (rc > 0)
		hash_update(&r->hash, piece->p, piece->n);
	if (rc)
		return rc;
	hash_end(&r->hash, &is);
	if (hash_eq(&is, &r->want))
		return 0;
	hash_hex(&r->want, hex);
	return err_set(e, ERR_CORRUPT, "the content of blob %s is not what was written; restore a backup", hex);
}

void blob_reader_release(struct blob_reader *r)
{
	blob_unref(r->whole);
	buf_release(&r->piece);
	if (r->fd >= 0)
		close(r->fd);
	r->whole = NULL;
	r->fd = -1;
}

/* In a file without a name, in memory. */
static int as_file(struct span bytes, struct err *e)
{
	int fd = fault_hit(FAULT_IO) ? -1 : memfd_create("blob", MFD_CLOEXEC);

	if (fd < 0)
		return err_errno(e, errno, "a file in memory");
	if (fs_write_fd(fd, bytes, e) == 0 && lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	close(fd);
	return -1;
}

int blob_open(struct store *s, const struct hash *h, struct err *e)
{
	struct blob_reader r;
	int fd = -1;

	if (!blob_reader_open(&r, s, h, e)) {
		fd = r.whole ? as_file(blob_span(r.whole), e) : r.fd;
		r.fd = -1;
	}
	blob_reader_release(&r);
	return fd;
}
