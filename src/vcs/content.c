/* content: small files are read whole, as they go into the store together; larger ones piece by piece, straight into
 * it. A file that changes meanwhile is whatever was read, and stamped as unknown. */
#include "vcs/content.h"

#include <fcntl.h>
#include <limits.h>

#include "base/caps.h"
#include "base/mem.h"
#include "store/pieces.h"
#include "vcs/beneath.h"

int content_open(int dir, const char *name, int flags)
{
	int fd = SEAM(openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags));

	if (fd >= 0 || errno != EACCES || beneath_grant(dir, name))
		return fd;
	return SEAM(openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags));
}

bool content_gone(int errnum)
{
	return errnum == ENOENT || errnum == ELOOP || errnum == ENOTDIR || errnum == ENXIO;
}

static struct blob *read_link(int dir, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = SEAM(readlinkat(dir, name, target, sizeof target));
	struct blob *b = n < 0 ? NULL : blob_new(target, (size_t)n);

	if (!b && n >= 0)
		errno = ENOMEM;
	return b;
}

static int look_again(const struct scan *s, struct err *e)
{
	return content_gone(errno) || errno == EINVAL ? AGAIN : (beneath_err(e, errno, buf_span(&s->path).p), FAILED);
}

static int read_small(const struct scan *s, int fd, struct content *out, struct err *e)
{
	out->bytes = beneath_read(fd, CAP_FILE_WHOLE);
	if (!out->bytes) /* one that grows beyond it is read in the other way */
		return errno == EFBIG ? AGAIN : look_again(s, e);
	store_blob_hash(blob_span(out->bytes), &out->hash);
	out->size = out->bytes->size;
	return DONE;
}

/* From the beginning to the end, into w unless it is NULL. */
static int read_pieces(const struct scan *s, int fd, struct blob_writer *w, struct content *out, struct err *e)
{
	cleanup_free char *piece = mem_alloc(CAP_BLOB_PIECE);
	struct hash_stream hash;
	ssize_t n;

	if (!piece)
		return err_nomem(e), FAILED;
	out->size = 0;
	hash_start(&hash, NULL);
	while ((n = SEAM(pread(fd, piece, CAP_BLOB_PIECE, (off_t)out->size))) > 0) {
		out->size += (uint64_t)n;
		if (out->size > CAP_BLOB) /* it has grown, and is no longer for a snapshot */
			return AGAIN;
		if (w && blob_writer_add(w, span_n(piece, (size_t)n), e))
			return FAILED;
		if (!w)
			hash_update(&hash, piece, (size_t)n);
	}
	if (n < 0)
		return look_again(s, e);
	if (!w)
		hash_end(&hash, &out->hash);
	return DONE;
}

static int keep_pieces(const struct scan *s, int fd, struct content *out, struct err *e)
{
	struct blob_writer w;
	int rc = blob_writer_begin(&w, s->copy->store, e) ? FAILED : read_pieces(s, fd, &w, out, e);

	if (rc == DONE && blob_writer_end(&w, &out->stored, e))
		rc = FAILED;
	blob_writer_release(&w);
	out->is_stored = rc == DONE;
	out->hash = out->stored.hash;
	return rc;
}

/* before: what is known of the file, or NULL. A large one that may be as it was is read for its hash alone, before
 * anything is written. */
static int read_large(const struct scan *s, const struct node *before, int fd, const struct stat *st,
	struct content *out, struct err *e)
{
	int rc;

	if (s->keep && !(before && before->size == (uint64_t)st->st_size))
		return keep_pieces(s, fd, out, e);
	rc = read_pieces(s, fd, NULL, out, e);
	if (rc == DONE && s->keep && !hash_eq(&before->hash, &out->hash))
		rc = keep_pieces(s, fd, out, e);
	return rc;
}

/* The content of a file with the stamp that fits it. */
static int read_file(const struct scan *s, const struct node *before, int dir, const char *name, struct stat *st,
	struct stamp *stamp, struct content *out, struct err *e)
{
	cleanup_fd int fd = content_open(dir, name, 0);
	struct stat later;
	int64_t at;
	int rc;

	if (fd < 0 || SEAM(fstat(fd, st)))
		return look_again(s, e);
	if (!S_ISREG(st->st_mode))
		return AGAIN;
	/* A program that has the file mapped may write again without moving its times, until its pages are written
	 * back: so they are, first. Needed only where programs live on. */
	if (s->copy->live)
		(void)SEAM(sync_file_range(
			fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
	if (s->copy->live && SEAM(fstat(fd, st)))
		return look_again(s, e);
	at = stamp_now();
	rc = (uint64_t)st->st_size > CAP_FILE_WHOLE ? read_large(s, before, fd, st, out, e) : read_small(s, fd, out, e);
	if (rc != DONE)
		return rc;
	stamp_set(stamp, st, at);
	if (SEAM(fstat(fd, &later)) || later.st_size != st->st_size || later.st_mtim.tv_sec != st->st_mtim.tv_sec ||
		later.st_mtim.tv_nsec != st->st_mtim.tv_nsec)
		stamp->known = false;
	return DONE;
}

int content_read(struct content *out, const struct scan *s, const struct node *before, int dir, const char *name,
	struct stat *st, struct stamp *stamp, struct err *e)
{
	if (!S_ISLNK(st->st_mode))
		return read_file(s, before, dir, name, st, stamp, out, e);
	stamp_set(stamp, st, stamp_now());
	out->bytes = read_link(dir, name);
	if (!out->bytes)
		return look_again(s, e);
	store_blob_hash(blob_span(out->bytes), &out->hash);
	out->size = out->bytes->size;
	return DONE;
}

void content_release(struct content *c)
{
	blob_unref(c->bytes);
	if (c->is_stored)
		blob_unref(c->stored.bytes);
}
