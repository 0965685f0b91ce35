/* The real loop: timers, ticks, posts, work, watches, signals, and that nothing leaks. */
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/mem.h"
#include "loop/loop.h"

static struct loop *loop;
static struct err e;
static char order[64];

static int setup(void **state)
{
	(void)state;
	err_clear(&e);
	memset(order, 0, sizeof(order));
	loop = loop_new(&e);
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void note(char c)
{
	order[strlen(order)] = c;
}

struct named {
	struct timer timer;
	char name;
	struct named *stops, *starts;
};

static void on_named(struct timer *t)
{
	struct named *n = container_of(t, struct named, timer);
	note(n->name);
	if (n->stops)
		timer_stop(&n->stops->timer);
	if (n->starts)
		must(timer_start(&n->starts->timer, 0, &e), &e);
}

static void test_timer_order(void **state)
{
	(void)state;
	struct named a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'}, d = {.name = 'd'};
	struct named *all[] = {&a, &b, &c, &d};
	for (size_t i = 0; i < 4; i++)
		timer_init(&all[i]->timer, loop, on_named);
	int64_t from = clock_mono(loop_clock(loop));
	must(timer_start(&a.timer, 20, &e), &e);
	must(timer_start(&b.timer, 5, &e), &e);
	must(timer_start(&c.timer, 5, &e), &e);
	must(timer_start(&d.timer, 1, &e), &e);
	must(timer_start(&d.timer, 30, &e), &e); /* moved, not doubled */
	b.starts = &b;
	b.starts = NULL;
	must(loop_run(loop, &e), &e);
	assert_string_equal(order, "bcad");
	assert_true(clock_mono(loop_clock(loop)) - from >= 30000);
}

static void test_timer_stop_and_restart(void **state)
{
	(void)state;
	struct named a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
	timer_init(&a.timer, loop, on_named);
	timer_init(&b.timer, loop, on_named);
	timer_init(&c.timer, loop, on_named);
	a.stops = &b;
	a.starts = &c;
	must(timer_start(&a.timer, 1, &e), &e);
	must(timer_start(&b.timer, 1, &e), &e);
	must(loop_run(loop, &e), &e);
	assert_string_equal(order, "ac");
	timer_stop(&a.timer);
	assert_false(loop_turn(loop, -1));
}

static void on_count(struct timer *t);
struct many {
	struct timer timer;
	int64_t due;
};
static size_t fired;
static int64_t last_due;

static void on_count(struct timer *t)
{
	struct many *m = container_of(t, struct many, timer);
	assert_true(m->due >= last_due);
	last_due = m->due;
	fired++;
}

static void test_many_timers(void **state)
{
	(void)state;
	enum { N = 3000 };
	struct many *all = mem_calloc(N, sizeof(*all));
	uint32_t seed = 7;
	size_t stopped = 0;
	fired = 0;
	last_due = 0;
	for (size_t i = 0; i < N; i++) {
		seed = seed * 1664525u + 1013904223u;
		timer_init(&all[i].timer, loop, on_count);
		must(timer_start(&all[i].timer, seed >> 27, &e), &e);
		all[i].due = all[i].timer.at;
	}
	for (size_t i = 0; i < N; i += 3, stopped++)
		timer_stop(&all[i].timer);
	must(loop_run(loop, &e), &e);
	assert_int_equal(fired, N - stopped);
	mem_free(all);
}

static void test_timer_no_memory(void **state)
{
	(void)state;
	struct named a = {.name = 'a'};
	timer_init(&a.timer, loop, on_named);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_int_equal(timer_start(&a.timer, 1, &e), -1);
	fault_disarm();
	assert_int_equal(e.code, ERR_NOMEM);
	must(timer_start(&a.timer, 1, &e), &e);
	must(loop_run(loop, &e), &e);
	assert_string_equal(order, "a");
}

static struct tick tick_a, tick_b, tick_c;

static void on_tick_a(struct tick *t)
{
	note('a');
	if (strlen(order) < 5) {
		tick_start(t);
		tick_start(t);
	}
	tick_stop(&tick_c);
}

static void on_tick_b(struct tick *t)
{
	(void)t;
	note('b');
}

static void on_tick_c(struct tick *t)
{
	(void)t;
	note('c');
}

static void test_ticks(void **state)
{
	(void)state;
	tick_init(&tick_a, loop, on_tick_a);
	tick_init(&tick_b, loop, on_tick_b);
	tick_init(&tick_c, loop, on_tick_c);
	tick_start(&tick_a);
	tick_start(&tick_b);
	tick_start(&tick_a);
	tick_start(&tick_c);
	assert_true(loop_turn(loop, -1)); /* does not sleep, and a asked again */
	assert_string_equal(order, "ab");
	must(loop_run(loop, &e), &e);
	assert_string_equal(order, "abaaa");
}

/* Else whoever turns until its timer has fired would wait for something else to happen. */
static void test_turn_ends_once_a_timer_has_fired(void **state)
{
	(void)state;
	struct named near = {.name = 'n'}, far = {.name = 'f'};
	int64_t from = clock_mono(loop_clock(loop));
	timer_init(&near.timer, loop, on_named);
	timer_init(&far.timer, loop, on_named);
	must(timer_start(&near.timer, 1, &e), &e);
	must(timer_start(&far.timer, 60000, &e), &e);
	usleep(20000); /* it fires at the beginning of the turn */
	while (!*order)
		assert_true(loop_turn(loop, -1));
	assert_string_equal(order, "n");
	assert_true(clock_mono(loop_clock(loop)) - from < 30 * 1000 * 1000);
	timer_stop(&far.timer);
}

static void test_turn_waits_no_longer_than_told(void **state)
{
	(void)state;
	struct named far = {.name = 'f'};
	timer_init(&far.timer, loop, on_named);
	must(timer_start(&far.timer, 60000, &e), &e);
	int64_t from = clock_mono(loop_clock(loop));
	assert_true(loop_turn(loop, 0));
	assert_true(loop_turn(loop, 10));
	assert_true(clock_mono(loop_clock(loop)) - from < 30 * 1000 * 1000);
	timer_stop(&far.timer);
	assert_false(loop_turn(loop, 10));
	assert_string_equal(order, "");
}

static struct post post;
static int post_calls;

static void on_post(struct post *p)
{
	post_calls++;
	if (post_calls == 1)
		post_send(p); /* from inside: one more call */
}

static void test_post_keeps_alive(void **state)
{
	(void)state;
	post_calls = 0;
	post_init(&post, loop, on_post);
	post_send(&post);
	post_send(&post);
	must(loop_run(loop, &e), &e);
	assert_int_equal(post_calls, 2);
	post_send(&post);
	post_stop(&post);
	must(loop_run(loop, &e), &e);
	assert_int_equal(post_calls, 2);
}

static _Atomic int sent;
static struct post from_thread;

static void on_from_thread(struct post *p)
{
	(void)p;
	post_calls++;
	if (sent == 4000) {
		loop_unkeep(loop);
		sent = 0;
	}
}

static void *send_many(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		sent++;
		post_send(arg);
	}
	return NULL;
}

static void test_posts_from_threads(void **state)
{
	(void)state;
	pthread_t threads[4];
	post_calls = 0;
	sent = 0;
	post_init(&from_thread, loop, on_from_thread);
	loop_keep(loop);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, send_many, &from_thread);
	must(loop_run(loop, &e), &e);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(post_calls >= 1);
	loop_turn(loop, 0);
}

struct job {
	struct work work;
	pthread_t ran_on;
	int ran, done;
	_Atomic int *gate;
};

static void job_run(struct work *w)
{
	struct job *j = container_of(w, struct job, work);
	j->ran_on = pthread_self();
	j->ran++;
	while (j->gate && !*j->gate)
		usleep(500);
}

static void job_done(struct work *w)
{
	container_of(w, struct job, work)->done++;
}

static void test_work(void **state)
{
	(void)state;
	struct job j = {.ran = 0};
	must(work_start(&j.work, loop, job_run, job_done, &e), &e);
	assert_int_equal(j.done, 0);
	must(loop_run(loop, &e), &e);
	assert_int_equal(j.ran, 1);
	assert_int_equal(j.done, 1);
	assert_false(j.work.cancelled);
	assert_false(pthread_equal(j.ran_on, pthread_self()));
}

static void test_work_cancel(void **state)
{
	(void)state;
	_Atomic int gate = 0;
	struct job busy[16], late = {.ran = 0};
	memset(busy, 0, sizeof(busy));
	for (int i = 0; i < 16; i++) {
		busy[i].gate = &gate;
		must(work_start(&busy[i].work, loop, job_run, job_done, &e), &e);
	}
	must(work_start(&late.work, loop, job_run, job_done, &e), &e);
	work_cancel(&late.work);
	assert_int_equal(late.done, 0); /* never from inside */
	gate = 1;
	must(loop_run(loop, &e), &e);
	assert_int_equal(late.done, 1);
	assert_int_equal(late.ran, 0);
	assert_true(late.work.cancelled);
	for (int i = 0; i < 16; i++)
		assert_int_equal(busy[i].done, 1);
}

struct heap_watch {
	struct watch watch;
	int pair[2];
};
static int seen;

static void on_readable(struct watch *w, int revents)
{
	struct heap_watch *h = container_of(w, struct heap_watch, watch);
	char c;
	seen |= revents;
	assert_int_equal(read(h->pair[0], &c, 1), 1);
	note(c);
	/* The promise: stop, close, free, at once. */
	watch_stop(w);
	close(h->pair[0]);
	close(h->pair[1]);
	mem_free(h);
}

static void test_watch_stop_frees_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct heap_watch *h = MEM_NEW(struct heap_watch);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, h->pair), 0);
		must(watch_start(&h->watch, loop, h->pair[0], WATCH_READ, on_readable, &e), &e);
		assert_int_equal(write(h->pair[1], "x", 1), 1);
	}
	must(loop_run(loop, &e), &e);
	assert_string_equal(order, "xxx");
	assert_int_equal(seen, WATCH_READ);
}

static void on_hangup(struct watch *w, int revents)
{
	seen |= revents;
	watch_stop(w);
}

static void test_watch_change_and_hangup(void **state)
{
	(void)state;
	struct watch w;
	int pair[2];
	seen = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	must(watch_start(&w, loop, pair[0], 0, on_hangup, &e), &e);
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_false(loop_turn(loop, -1)); /* asks for nothing: not alive */
	must(watch_change(&w, WATCH_HANGUP, &e), &e);
	close(pair[1]);
	must(loop_run(loop, &e), &e);
	assert_int_equal(seen, WATCH_HANGUP);
	watch_stop(&w);
	close(pair[0]);
}

static void on_broken(struct watch *w, int revents)
{
	seen |= revents;
	watch_stop(w);
}

static void test_watch_of_broken_pipe(void **state)
{
	(void)state;
	struct watch w;
	int fds[2];
	char fill[4096] = {0};
	seen = 0;
	assert_int_equal(pipe2(fds, 04000), 0);
	while (write(fds[1], fill, sizeof(fill)) > 0)
		;
	must(watch_start(&w, loop, fds[1], WATCH_WRITE, on_broken, &e), &e);
	close(fds[0]);
	must(loop_run(loop, &e), &e);
	assert_int_equal(seen, WATCH_WRITE);
	close(fds[1]);
}

static void test_watch_no_memory(void **state)
{
	(void)state;
	struct watch w;
	int pair[2], high;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	high = dup2(pair[0], 900); /* beyond libuv's table, which it would abort on */
	for (int n = 1; n <= 2; n++) {
		fault_arm(FAULT_ALLOC, (uint64_t)n, false);
		assert_int_equal(watch_start(&w, loop, high, WATCH_READ, on_hangup, &e), -1);
		fault_disarm();
		assert_int_equal(e.code, ERR_NOMEM);
	}
	fault_arm(FAULT_IO, 1, false);
	assert_int_equal(watch_start(&w, loop, high, WATCH_READ, on_hangup, &e), -1);
	fault_disarm();
	must(watch_start(&w, loop, high, WATCH_READ, on_hangup, &e), &e);
	close(pair[1]);
	must(loop_run(loop, &e), &e);
	close(high);
	close(pair[0]);
}

static void on_sign(struct sign *s, int signum)
{
	(void)s;
	seen = signum;
	loop_stop(loop);
}

static void test_sign(void **state)
{
	(void)state;
	struct sign s;
	seen = 0;
	must(sign_start(&s, loop, SIGUSR1, on_sign, &e), &e);
	must(loop_run(loop, &e), &e); /* does not keep the loop alive */
	loop_keep(loop);
	raise(SIGUSR1);
	must(loop_run(loop, &e), &e);
	loop_unkeep(loop);
	assert_int_equal(seen, SIGUSR1);
	sign_stop(&s);
	sign_stop(&s);
}

static void test_nothing_leaks(void **state)
{
	(void)state;
	size_t before = mem_in_use();
	struct loop *other = loop_new(&e);
	struct named a = {.name = 'a'};
	timer_init(&a.timer, other, on_named);
	must(timer_start(&a.timer, 0, &e), &e);
	must(loop_run(other, &e), &e);
	loop_free(other);
	loop_free(NULL);
	assert_int_equal(mem_in_use(), before);
	for (uint64_t n = 1;; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		other = loop_new(&e);
		bool reached = fault_seen() >= n;
		fault_disarm();
		if (other)
			loop_free(other);
		assert_int_equal(mem_in_use(), before);
		if (!reached)
			break;
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(timer_order),
		T(timer_stop_and_restart),
		T(many_timers),
		T(timer_no_memory),
		T(ticks),
		T(turn_ends_once_a_timer_has_fired),
		T(turn_waits_no_longer_than_told),
		T(post_keeps_alive),
		T(posts_from_threads),
		T(work),
		T(work_cancel),
		T(watch_stop_frees_at_once),
		T(watch_change_and_hangup),
		T(watch_of_broken_pipe),
		T(watch_no_memory),
		T(sign),
		T(nothing_leaks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
