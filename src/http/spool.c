#include "http/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"

/* Purpose: two buffers: one gathers while the pool hashes and writes the other.
 *
 *   OPEN ─a piece is full─▶ WRITING ─written─▶ OPEN;  either ─spool_end─▶ LAST ─all written─▶ ENDED
 *
 * Failure modes: the first error is kept, and told by the next spool_add and by on_end. */

#define GATHERED (4 * CAP_SPOOL_MEMORY) /* in either buffer: a piece, and what the giver had at hand */

enum { OPEN, WRITING, LAST, ENDED };
static const struct sm_state states[] = {
	[OPEN] = {"open", SM_TO(WRITING) | SM_TO(LAST)},
	[WRITING] = {"writing", SM_TO(OPEN) | SM_TO(LAST)},
	[LAST] = {"last", SM_TO(ENDED)},
	[ENDED] = {"ended", 0},
};

void spool_release(struct spool *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->text = SPAN_NONE;
	buf_release(&s->held);
	buf_release(&s->out);
}

static void finish(struct spool *s)
{
	sm_move(&s->sm, ENDED);
	if (!s->why.code && s->fd >= 0 && lseek(s->fd, 0, SEEK_SET) != 0)
		err_set(&s->why, ERR_IO, "the file of an upload cannot be read again");
	if (s->why.code) {
		spool_release(s);
	} else if (s->fd < 0) {
		s->text = buf_span(&s->held);
		hash_update(&s->state, s->text.p, s->text.n);
	}
	hash_end(&s->state, &s->hash);
	s->on_end(s, s->why.code ? &s->why : NULL);
}

static void on_tick(struct tick *t)
{
	finish(container_of(t, struct spool, tick));
}

static void on_pool(struct work *w)
{
	struct spool *s = container_of(w, struct spool, work);
	if (s->fd < 0)
		s->fd = fs_open(s->dir, O_TMPFILE | O_RDWR, 0600, &s->wrote);
	if (s->fd < 0)
		return;
	hash_update(&s->state, s->out.data, s->out.len);
	fs_write_fd(s->fd, buf_span(&s->out), &s->wrote);
}

static void on_written(struct work *w);

/* False, with the reason kept, when it cannot. */
static bool write_held(struct spool *s)
{
	struct buf out = s->out;
	s->out = s->held;
	s->held = out;
	return work_start(&s->work, s->loop, on_pool, on_written, &s->why) == 0;
}

static void on_written(struct work *w)
{
	struct spool *s = container_of(w, struct spool, work);
	buf_clear(&s->out);
	if (s->wrote.code && !s->why.code)
		s->why = s->wrote;
	if (sm_is(&s->sm) == LAST) {
		if (s->why.code || s->held.len == 0 || !write_held(s))
			finish(s);
		return;
	}
	sm_move(&s->sm, OPEN);
	if (!s->why.code && s->held.len >= CAP_SPOOL_MEMORY && write_held(s))
		sm_move(&s->sm, WRITING);
	if (s->on_room)
		s->on_room(s);
}

void spool_init(struct spool *s, struct loop *l, const char *dir, int64_t cap)
{
	*s = (struct spool){.fd = -1, .loop = l, .dir = dir, .cap = cap};
	sm_init(&s->sm, states, OPEN);
	buf_init(&s->held, GATHERED);
	buf_init(&s->out, GATHERED);
	hash_start(&s->state, NULL);
	tick_init(&s->tick, l, on_tick);
}

int spool_add(struct spool *s, struct span bytes, struct err *e)
{
	if (!s->why.code && s->size + (int64_t)bytes.n > s->cap)
		err_set(&s->why, ERR_TOO_LARGE, "there may be at most %lld bytes", (long long)s->cap);
	if (!s->why.code) {
		s->size += (int64_t)bytes.n;
		buf_addspan(&s->held, bytes);
		buf_check(&s->held, "what waits to be written", &s->why);
	}
	if (!s->why.code && s->held.len > CAP_SPOOL_MEMORY && sm_is(&s->sm) == OPEN && write_held(s))
		sm_move(&s->sm, WRITING);
	if (s->why.code)
		return err_set(e, s->why.code, "%s", s->why.text);
	return sm_is(&s->sm) == WRITING && s->held.len >= CAP_SPOOL_MEMORY;
}

void spool_end(struct spool *s, const struct err *why)
{
	bool writing = sm_is(&s->sm) == WRITING;
	sm_move(&s->sm, LAST);
	if (why && !s->why.code)
		s->why = *why;
	if (writing)
		return;
	if (s->why.code || s->fd < 0 || s->held.len == 0 || !write_held(s))
		tick_start(&s->tick);
}
