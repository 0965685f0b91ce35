/* writer: group commit.
 *
 *   put ──▶ queue ──▶ [begin, apply…, commit] ──▶ done ──▶ post ──▶ the loop's thread
 *
 * After IDLE_US without work the thread checkpoints and replaces the signed heads (at most once a second, and never for
 * more than a hundredth of the time). What the heads could not do, and what memory or room was short for, is
 * logged and tried again after the next work. Any other failure, of a commit or of a checkpoint, is final: what the
 * system then holds of the files is not known (after a failed fsync it may say that all is well), so nothing is
 * acknowledged any more. */
#include "store/writer.h"

#include <errno.h>
#include <time.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/heads.h"

#define IDLE_US 200000
#define HEADS_US 1000000

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static bool alone(const struct write *wr)
{
	return wr->kind == WRITE_REBUILD;
}

static size_t weight(const struct write *wr)
{
	size_t n = wr->kind == WRITE_APPEND ? wr->append.event_count + wr->append.also_count : 1;

	return n ? n : 1;
}

static struct write *take(struct writer *w, struct list *group)
{
	struct write *wr = NULL;

	pthread_mutex_lock(&w->lock);
	if (!list_empty(&w->queue)) {
		struct write *next = list_entry(w->queue.next, struct write, link);
		if (list_empty(group) || (!alone(next) && !alone(list_entry(group->prev, struct write, link)))) {
			list_remove(&next->link);
			w->queued--;
			list_push(group, &next->link);
			wr = next;
		}
	}
	pthread_mutex_unlock(&w->lock);
	return wr;
}

/* Tell who waits, and hand the appends over for delivery. */
static void end_group(struct writer *w, struct list *group)
{
	struct list *link;
	bool post = false;

	pthread_mutex_lock(&w->lock);
	while ((link = list_shift(group))) {
		struct write *wr = list_entry(link, struct write, link);
		w->finished++;
		wr->state = WRITE_ENDED;
		if (wr->kind == WRITE_APPEND) {
			list_push(&w->done, &wr->link);
			post = true;
		}
	}
	pthread_cond_broadcast(&w->ended);
	pthread_mutex_unlock(&w->lock);
	if (post)
		post_send(&w->post);
}

static bool is_final(const struct err *why)
{
	return why->code != ERR_DISK_FULL && why->code != ERR_NOMEM;
}

static void accept_no_more(struct writer *w, const struct err *why)
{
	pthread_mutex_lock(&w->lock);
	if (!w->failed.code) {
		w->failed = *why;
		err_wrap(&w->failed, "the journal could not be written, so nothing more is accepted; restart muster");
	}
	pthread_mutex_unlock(&w->lock);
}

static void fail_group(struct writer *w, struct list *group, const struct err *why)
{
	list_for (link, group)
		write_fail(list_entry(link, struct write, link), why);
	if (is_final(why))
		accept_no_more(w, why);
}

static void write_group(struct writer *w)
{
	const struct driver_ops *ops = w->driver->ops;
	int64_t until = now_us() + CAP_GROUP_WAIT_US;
	struct err e = ERR_INIT;
	struct list group = {&group, &group};
	struct write *wr;
	size_t events = 0;
	bool failed;

	pthread_mutex_lock(&w->lock);
	failed = w->failed.code != ERR_OK;
	pthread_mutex_unlock(&w->lock);
	if (failed) {
		while ((wr = take(w, &group)))
			write_fail(wr, &w->failed);
		end_group(w, &group);
		return;
	}
	if (ops->begin(w->driver, &e)) {
		while ((wr = take(w, &group)))
			;
		fail_group(w, &group, &e);
		end_group(w, &group);
		return;
	}
	while (events < CAP_GROUP_EVENTS && (events == 0 || now_us() < until) && (wr = take(w, &group))) {
		ops->apply(w->driver, wr);
		events += weight(wr);
	}
	if (ops->commit(w->driver, &e))
		fail_group(w, &group, &e);
	end_group(w, &group);
}

/* ---- the thread ---- */

static void upkeep_failed(const struct err *e)
{
	log_warn("store", "upkeep of the journal failed: %s", e->text);
}

static void tidy(struct writer *w, bool busy)
{
	struct err e = ERR_INIT;

	if (w->driver->ops->tidy(w->driver, busy, &e) == 0)
		return;
	upkeep_failed(&e);
	if (is_final(&e))
		accept_no_more(w, &e);
}

static void write_heads(struct writer *w, int64_t now)
{
	struct err e = ERR_INIT;
	struct reader *r = w->driver->ops->reader(w->driver, true, &e);

	if (r) {
		if (heads_write(w->driver, r, w->driver->dir, &e))
			upkeep_failed(&e);
		w->driver->ops->reader_end(r);
	} else {
		upkeep_failed(&e);
	}
	w->heads_pause = (now_us() - now) * 100;
	if (w->heads_pause < HEADS_US)
		w->heads_pause = HEADS_US;
	w->heads_at = now_us();
}

static void idle(struct writer *w)
{
	int64_t now = now_us();

	tidy(w, false);
	if (w->heads_at && now < w->heads_at + w->heads_pause) {
		w->idle_at = w->heads_at + w->heads_pause;
		return;
	}
	write_heads(w, now);
	w->idle_at = 0;
}

/* With the lock held: until something is queued, it is time for upkeep, or the end. */
static bool wait_for_work(struct writer *w)
{
	while (list_empty(&w->queue) && w->state == WRITER_RUNNING) {
		struct timespec ts = {w->idle_at / 1000000, w->idle_at % 1000000 * 1000};
		if (!w->idle_at) {
			pthread_cond_wait(&w->work, &w->lock);
		} else if (pthread_cond_timedwait(&w->work, &w->lock, &ts) == ETIMEDOUT) {
			pthread_mutex_unlock(&w->lock);
			idle(w);
			pthread_mutex_lock(&w->lock);
		}
	}
	return !list_empty(&w->queue);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	while (wait_for_work(w)) {
		pthread_mutex_unlock(&w->lock);
		write_group(w);
		tidy(w, true);
		w->idle_at = now_us() + IDLE_US;
		pthread_mutex_lock(&w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- the others' side ---- */

int writer_start(struct writer *w, struct driver *d, struct loop *l, void (*on_done)(struct post *p), struct err *e)
{
	pthread_condattr_t attr;

	*w = (struct writer){.driver = d, .state = d->ops->threaded ? WRITER_RUNNING : WRITER_INLINE};
	list_init(&w->queue);
	list_init(&w->done);
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->work, &attr);
	pthread_cond_init(&w->ended, &attr);
	pthread_condattr_destroy(&attr);
	post_init(&w->post, l, on_done);
	if (w->state == WRITER_RUNNING) {
		int rc = pthread_create(&w->thread, NULL, writer_main, w);
		if (rc) {
			w->state = WRITER_STOPPED;
			return err_errno(e, rc, "start the writer's thread");
		}
	}
	return 0;
}

void writer_stop(struct writer *w)
{
	if (w->state == WRITER_RUNNING) {
		pthread_mutex_lock(&w->lock);
		w->state = WRITER_STOPPING;
		pthread_cond_signal(&w->work);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	w->state = WRITER_STOPPED;
}

int writer_put(struct writer *w, struct write *wr, bool wake, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	if (w->failed.code) {
		rc = -1;
		if (e)
			*e = w->failed;
	} else if (w->queued >= CAP_APPEND_QUEUE) {
		rc = err_set(
			e, ERR_OVERLOADED, "%d writes wait for the journal already; try again later", CAP_APPEND_QUEUE);
	} else {
		list_push(&w->queue, &wr->link);
		w->queued++;
		w->put++;
		if (wake && w->state == WRITER_RUNNING)
			pthread_cond_signal(&w->work);
	}
	pthread_mutex_unlock(&w->lock);
	if (rc == 0 && w->state == WRITER_INLINE)
		write_group(w);
	return rc;
}

void writer_wake(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	if (w->state == WRITER_RUNNING && !list_empty(&w->queue))
		pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->lock);
}

int writer_wait(struct writer *w, struct write *wr, struct err *e)
{
	pthread_mutex_lock(&w->lock);
	while (wr->state != WRITE_ENDED)
		pthread_cond_wait(&w->ended, &w->lock);
	pthread_mutex_unlock(&w->lock);
	if (!wr->why)
		return 0;
	if (e)
		*e = *wr->why;
	return -1;
}

int writer_call(struct writer *w, struct write *wr, struct err *e)
{
	int rc;

	list_init(&wr->link);
	rc = writer_put(w, wr, true, e);
	if (rc == 0)
		rc = writer_wait(w, wr, e);
	write_forget(wr);
	return rc;
}

int writer_flush(struct writer *w, struct err *e)
{
	uint64_t until;
	int rc = 0;

	writer_wake(w);
	pthread_mutex_lock(&w->lock);
	until = w->put;
	while (w->finished < until)
		pthread_cond_wait(&w->ended, &w->lock);
	if (w->failed.code) {
		rc = -1;
		if (e)
			*e = w->failed;
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

struct write *writer_done(struct writer *w)
{
	struct list *link;

	pthread_mutex_lock(&w->lock);
	link = list_shift(&w->done);
	pthread_mutex_unlock(&w->lock);
	return link ? list_entry(link, struct write, link) : NULL;
}
