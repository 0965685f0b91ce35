#include "http/reply_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "http/connection.h"
#include "http/negotiate.h"

/* Purpose: one piece at a time: read it on the pool, write it, and read the next when the queue has room.
 *
 *   READING ─read─▶ WAITING ─drained─▶ READING …; at the end, on an error, or when the client is gone: ENDED
 *
 * Failure modes: the client may go while the pool reads: the request is ended when it is done. A read that fails after
 * the head has gone out can only be told by cutting the answer short. */

#define PIECE (32 * KIB)
#define QUEUE (3 * PIECE) /* waits for a slow reader: there may be many */

enum { READING, WAITING, ENDED };
static const struct sm_state states[] = {
	[READING] = {"reading", SM_TO(WAITING) | SM_TO(ENDED)},
	[WAITING] = {"waiting", SM_TO(READING) | SM_TO(ENDED)},
	[ENDED] = {"ended", 0},
};

struct sending {
	struct sm sm;
	struct server_request *request;
	struct work work;
	int fd;
	int64_t left; /* bytes not yet read */
	struct buf piece;
	struct err why; /* of the pool */
	bool gone;
};

static void end(struct sending *s)
{
	struct server_request *r = s->request;
	sm_move(&s->sm, ENDED);
	close(s->fd);
	buf_release(&s->piece);
	mem_free(s);
	reply_end(r);
}

static void on_pool(struct work *w)
{
	struct sending *s = container_of(w, struct sending, work);
	size_t most = s->left < (int64_t)PIECE ? (size_t)s->left : PIECE;
	if (fs_read_some(s->fd, most, &s->piece, &s->why) == 0)
		err_set(&s->why, ERR_IO, "the file has become shorter");
}

static void read_next(struct sending *s);

/* What was read goes out, or waits for on_drain; then the next is read, or waits for it, too. */
static void write_piece(struct sending *s)
{
	struct err why = ERR_INIT;
	if (s->gone || reply_write(s->request, buf_span(&s->piece), &why) != 0) {
		if (s->gone || why.code != ERR_TOO_LARGE)
			end(s); /* else on_drain says when */
		return;
	}
	buf_clear(&s->piece);
	if (s->left > 0 && reply_queued(s->request) >= QUEUE / 2)
		return;
	if (s->left == 0)
		end(s);
	else
		read_next(s);
}

static void on_read_done(struct work *w)
{
	struct sending *s = container_of(w, struct sending, work);
	sm_move(&s->sm, WAITING);
	s->left -= (int64_t)s->piece.len;
	if (s->why.code || w->cancelled)
		end(s);
	else
		write_piece(s);
}

static void read_next(struct sending *s)
{
	struct err e = ERR_INIT;
	sm_move(&s->sm, READING);
	if (work_start(&s->work, s->work.loop, on_pool, on_read_done, &e) != 0)
		end(s);
}

static void on_drain(struct server_request *r)
{
	struct sending *s = r->user;
	if (sm_is(&s->sm) == WAITING)
		write_piece(s);
}

static void on_gone(struct server_request *r)
{
	struct sending *s = r->user;
	s->gone = true;
	if (sm_is(&s->sm) == WAITING)
		end(s);
	else
		work_cancel(&s->work);
}

/* The headers that every answer about the file has. */
static int describe(struct server_request *r, const struct reply_file *how, const char *etag, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_HTTP_HEAD);
	if (reply_header(r, "ETag", etag, e) != 0 || reply_header(r, "Accept-Ranges", "bytes", e) != 0 ||
		reply_header(r, "Cache-Control", "private, no-cache", e) != 0)
		return -1;
	if (!how->name)
		return 0;
	negotiate_disposition("attachment", span_of(how->name), &text);
	return buf_check(&text, "the file's name", e) ? -1 : reply_header(r, "Content-Disposition", text.data, e);
}

/* Begin the answer; false when it is whole already. */
static bool begin(struct sending *s, const struct reply_file *how, const char *etag, int64_t size, struct err *e)
{
	struct server_request *r = s->request;
	char text[96];
	int64_t from;
	if (negotiate_unchanged(request_header(r, "if-none-match"), etag)) {
		reply_bytes(r, 304, NULL, SPAN_NONE);
		return false;
	}
	enum range range =
		negotiate_range(request_header(r, "range"), request_header(r, "if-range"), etag, size, &from, &s->left);
	if (range == RANGE_NONE) {
		snprintf(text, sizeof(text), "bytes */%lld", (long long)size);
		reply_header(r, "Content-Range", text, NULL);
		reply_bytes(r, 416, NULL, SPAN_NONE);
		return false;
	}
	if (range == RANGE_PART) {
		snprintf(text, sizeof(text), "bytes %lld-%lld/%lld", (long long)from, (long long)(from + s->left - 1),
			(long long)size);
		reply_header(r, "Content-Range", text, NULL);
	}
	/* A client that is gone, or does not take the head, shows at the first piece. */
	reply_start_length(r, range == RANGE_PART ? 206 : 200, how->type, s->left, e);
	if (lseek(s->fd, from, SEEK_SET) < 0)
		s->left = 0; /* no regular file: its length is still owed, and the answer cut */
	return true;
}

void reply_file(struct server_request *r, int fd, const struct reply_file *how)
{
	struct err e = ERR_INIT;
	struct stat st;
	char etag[64];
	struct sending *s = MEM_NEW(struct sending);
	int failed = s ? 0 : err_nomem(&e);
	if (!failed && fstat(fd, &st) != 0)
		failed = err_errno(&e, errno, "the file cannot be looked at");
	if (!failed)
		snprintf(etag, sizeof(etag), "\"%llx-%llx.%lx\"", (unsigned long long)st.st_size,
			(unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
	if (failed || describe(r, how, how->etag ? how->etag : etag, &e) != 0) {
		close(fd);
		mem_free(s);
		reply_problem(r, &e);
		return;
	}
	*s = (struct sending){.request = r, .fd = fd, .work.loop = connection_of(r)->server->loop};
	sm_init(&s->sm, states, WAITING);
	buf_init(&s->piece, PIECE);
	transport_set_cap(&connection_of(r)->transport, QUEUE);
	r->user = s;
	r->on_gone = on_gone;
	r->on_drain = on_drain;
	if (!begin(s, how, how->etag ? how->etag : etag, st.st_size, &e)) {
		close(fd);
		mem_free(s);
	} else if (s->left == 0 || strcmp(r->method, "HEAD") == 0) {
		end(s);
	} else {
		read_next(s);
	}
}
