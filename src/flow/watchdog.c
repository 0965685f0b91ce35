/* watchdog: a table of threads that run slices, looked at every tick by one thread.
 *
 * Each thread owns a slot; `turn` grows at the begin and the end of a slice, so it is odd while one runs. The watchdog
 * notes the thread's processor time when it first sees a turn; when that turn has used its time it writes its number
 * into `condemned` and signals the thread. A signal that arrives late finds another turn and does nothing. After a
 * second without a slice the watchdog sleeps until a begin wakes it.
 * Failure modes: only the start can fail. */
#include "flow/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"

enum { TICK_MS = 20, IDLE_TICKS = 50 };

struct slot {
	_Atomic pid_t tid; /* 0: free */
	clockid_t cpu;
	_Atomic uint64_t turn, condemned;
	_Atomic int limit_ms;
	void (*expire)(void *ctx); /* this and the next: of the slot's own thread */
	void *ctx;
	uint64_t seen; /* these two: of the watchdog */
	int64_t begun_ns;
};

static struct slot slots[WATCHDOG_THREADS];
static _Thread_local struct slot *own;
static _Atomic bool asleep;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_key_t leave_key;
static bool started;

static void on_signal(int number)
{
	struct slot *s = own;
	int saved = errno;
	uint64_t turn;

	(void)number;
	if (!s)
		return;
	turn = s->turn;
	if ((turn & 1) && s->condemned == turn)
		s->expire(s->ctx);
	errno = saved;
}

static void thread_leaves(void *slot)
{
	own = NULL;
	((struct slot *)slot)->tid = 0;
}

/* Is this slot's thread at work? Condemns a turn that has used its time. */
static bool look(struct slot *s)
{
	pid_t tid = s->tid;
	uint64_t turn = s->turn;
	struct timespec used;
	int64_t now;

	if (!tid || (turn == s->seen && !(turn & 1)))
		return false;
	if (!(turn & 1)) {
		s->seen = turn;
		return true;
	}
	if (clock_gettime(s->cpu, &used)) /* the thread ended */
		return false;
	now = (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
	if (turn != s->seen) {
		s->seen = turn;
		s->begun_ns = now;
	} else if (now - s->begun_ns >= (int64_t)s->limit_ms * 1000000) {
		s->condemned = turn;
		syscall(SYS_tgkill, getpid(), tid, SIGURG);
	}
	return true;
}

static bool look_all(void)
{
	bool busy = false;

	for (size_t i = 0; i < WATCHDOG_THREADS; i++)
		busy |= look(&slots[i]);
	return busy;
}

static void *watch(void *unused)
{
	const struct timespec tick = {.tv_nsec = TICK_MS * 1000000};
	int idle = 0;

	for (;; nanosleep(&tick, NULL)) {
		idle = look_all() ? 0 : idle + 1;
		if (idle < IDLE_TICKS)
			continue;
		pthread_mutex_lock(&lock);
		asleep = true;
		if (!look_all()) /* a slice that began before it could see that we sleep */
			while (asleep)
				pthread_cond_wait(&wake, &lock);
		asleep = false;
		pthread_mutex_unlock(&lock);
		idle = 0;
	}
	return unused;
}

static int start(struct err *e)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigset_t all, before;
	pthread_t thread;
	int rc = 0;

	sigemptyset(&action.sa_mask);
	if (fault_hit(FAULT_SPAWN))
		rc = EAGAIN;
	else if (sigaction(SIGURG, &action, NULL))
		rc = errno;
	else
		rc = pthread_key_create(&leave_key, thread_leaves);
	if (rc == 0) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		rc = pthread_create(&thread, NULL, watch, NULL);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		if (rc)
			pthread_key_delete(leave_key);
	}
	if (rc)
		return err_set(e, ERR_INTERNAL, "the watchdog of flows cannot be started: %s", strerrordesc_np(rc));
	pthread_detach(thread);
	started = true;
	return 0;
}

static int enter(struct err *e)
{
	sigset_t ours;

	for (size_t i = 0; i < WATCHDOG_THREADS && !own; i++)
		if (!slots[i].tid)
			own = &slots[i];
	if (!own)
		return err_set(e, ERR_INTERNAL, "more than %d threads run flows", WATCHDOG_THREADS);
	if (pthread_getcpuclockid(pthread_self(), &own->cpu) || pthread_setspecific(leave_key, own)) {
		own = NULL;
		return err_set(e, ERR_INTERNAL, "this thread cannot run flows: it has no clock of its own");
	}
	own->tid = (pid_t)syscall(SYS_gettid);
	sigemptyset(&ours);
	sigaddset(&ours, SIGURG);
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
	return 0;
}

int watchdog_setup(struct err *e)
{
	int rc = 0;

	if (own)
		return 0;
	pthread_mutex_lock(&lock);
	if (!started)
		rc = start(e);
	if (rc == 0)
		rc = enter(e);
	pthread_mutex_unlock(&lock);
	return rc;
}

void watchdog_begin(int slice_ms, void (*expire)(void *ctx), void *ctx)
{
	BUG_ON(!own || (own->turn & 1));
	own->expire = expire;
	own->ctx = ctx;
	atomic_store_explicit(&own->limit_ms, slice_ms, memory_order_relaxed);
	own->turn++;
	if (asleep) {
		pthread_mutex_lock(&lock);
		asleep = false;
		pthread_cond_signal(&wake);
		pthread_mutex_unlock(&lock);
	}
}

void watchdog_end(void)
{
	BUG_ON(!(own->turn & 1));
	own->turn++;
}
