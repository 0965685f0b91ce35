/* Terminals: echo, size, flow, end. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"
#include "box.h"

struct screen {
	struct sandbox_term t;
	struct buf text;
	size_t total;
	int done;
	struct err why;
};

static void on_output(struct sandbox_term *t, struct span bytes)
{
	struct screen *s = container_of(t, struct screen, t);
	s->total += bytes.n;
	if (s->text.len + bytes.n < s->text.cap)
		buf_addspan(&s->text, bytes);
}

static void on_done(struct sandbox_term *t, const struct err *why)
{
	struct screen *s = container_of(t, struct screen, t);
	s->why = *why;
	s->done++;
}

static const char *const shell[] = {"/bin/sh", NULL};

static void open_screen(struct box *b, struct screen *s, const char *const *argv)
{
	struct err e = ERR_INIT;
	*s = (struct screen){.t = {.argv = argv, .rows = 24, .cols = 80, .on_output = on_output, .on_done = on_done}};
	buf_init(&s->text, MIB);
	must(sandbox_term_start(&s->t, b->sandbox, &e), &e);
}

static void type(struct screen *s, const char *text)
{
	struct err e = ERR_INIT;
	must(sandbox_term_write(&s->t, span_of(text), &e), &e);
}

static void until(struct box *b, struct screen *s, const char *text)
{
	int64_t end = now_us() + 10000000;
	while (now_us() < end && span_find(buf_span(&s->text), span_of(text), 0) == (size_t)-1 && !s->done)
		loop_turn(b->loop, 100);
	if (span_find(buf_span(&s->text), span_of(text), 0) == (size_t)-1)
		fail_msg("the terminal never said \"%s\" but: %s", text, s->text.data ? s->text.data : "nothing");
}

static void until_done(struct box *b, struct screen *s)
{
	int64_t end = now_us() + 10000000;
	while (!s->done && now_us() < end)
		loop_turn(b->loop, 100);
	assert_int_equal(s->done, 1);
	buf_release(&s->text);
}

static void echo_and_status(void **state)
{
	struct box *b = *state;
	struct screen s;
	open_screen(b, &s, shell);
	type(&s, "tty; echo $((6*7)); echo $TERM; exit 9\n"); /* before it even runs */
	until(b, &s, "42\r\nxterm-256color");
	until(b, &s, "/dev/pts/");
	until_done(b, &s);
	assert_int_equal(s.why.code, ERR_OK);
	assert_int_equal(s.t.status, 9);
}

static void login_shell(void **state)
{
	struct box *b = *state;
	struct screen s;
	open_screen(b, &s, NULL);
	type(&s, "echo $0-$HOME-end\n");
	until(b, &s, "-/home/muster-end");
	type(&s, "exit\n");
	until_done(b, &s);
}

static void size(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct screen s;
	open_screen(b, &s, shell);
	assert_int_equal(sandbox_term_resize(&s.t, 10, 20, &e), -1); /* not yet */
	type(&s, "trap 'echo now; stty size' WINCH; stty size; echo rea''dy\n");
	until(b, &s, "24 80");
	until(b, &s, "ready");
	must(sandbox_term_resize(&s.t, 33, 101, &e), &e);
	type(&s, "\n");
	until(b, &s, "33 101");
	assert_int_equal(sandbox_term_resize(&s.t, 0, 101, &e), -1);
	type(&s, "exit\n");
	until_done(b, &s);
}

static void job_control(void **state)
{
	struct box *b = *state;
	struct screen s;
	open_screen(b, &s, shell);
	type(&s, "echo begi''n; sleep 100; echo inter''rupted\n");
	until(b, &s, "begin");
	box_turn(b, 200);
	type(&s, "\003");
	box_turn(b, 100);
	type(&s, "echo st''ill\n");
	until(b, &s, "still");
	type(&s, "exit\n");
	until_done(b, &s);
}

static void output_is_pulled(void **state)
{
	struct box *b = *state;
	struct screen s;
	open_screen(b, &s, shell);
	type(&s, "stty -echo; echo rea''dy\n");
	until(b, &s, "ready");
	box_turn(b, 100);
	sandbox_term_pull(&s.t, false);
	size_t before = s.total, memory = mem_in_use();
	type(&s, "head -c 5000000 /dev/zero | tr '\\0' x; echo; echo e''nd\n");
	box_turn(b, 300);
	assert_int_equal(s.total, before);
	assert_true(mem_in_use() < memory + 100 * KIB);
	buf_release(&s.text);
	buf_init(&s.text, 8 * MIB);
	sandbox_term_pull(&s.t, true);
	until(b, &s, "end");
	assert_true(s.total > 5000000);
	type(&s, "exit\n");
	until_done(b, &s);
}

static void close_ends_everything(void **state)
{
	struct box *b = *state;
	struct screen s;
	box_expect(b, "true", 0, "");
	int before = box_processes(b);
	open_screen(b, &s, shell);
	type(&s, "trap '' HUP; sleep 500 & setsid sleep 500 & nohup sleep 500 & echo r''un\n");
	until(b, &s, "run");
	sandbox_term_close(&s.t);
	sandbox_term_close(&s.t);
	until_done(b, &s);
	assert_int_equal(s.why.code, ERR_CANCELLED);
	int64_t end = now_us() + 2000000;
	while (box_processes(b) > before && now_us() < end)
		box_turn(b, 10);
	assert_int_equal(box_processes(b), before);
	open_screen(b, &s, shell);
	sandbox_term_close(&s.t); /* before it was started */
	until_done(b, &s);
	assert_int_equal(s.why.code, ERR_CANCELLED);
}

static void several(void **state)
{
	struct box *b = *state;
	static struct screen s[8];
	for (int i = 0; i < 8; i++) {
		char line[64];
		open_screen(b, &s[i], shell);
		snprintf(line, sizeof(line), "echo n%d$((%d*1000))\n", i, i + 1);
		type(&s[i], line);
	}
	for (int i = 0; i < 8; i++) {
		char want[64];
		snprintf(want, sizeof(want), "n%d%d", i, (i + 1) * 1000);
		until(b, &s[i], want);
		sandbox_term_close(&s[i].t);
	}
	for (int i = 0; i < 8; i++)
		until_done(b, &s[i]);
}

static void refusals(void **state)
{
	struct box *b = *state;
	struct err e = ERR_INIT;
	struct screen s = {.t = {.rows = 0, .cols = 80}};
	assert_int_equal(sandbox_term_start(&s.t, b->sandbox, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	static const char *const none[] = {"/no/such/shell", NULL};
	open_screen(b, &s, none);
	until_done(b, &s);
	assert_int_equal(s.why.code, ERR_SPAWN);
	assert_int_equal(sandbox_term_write(&s.t, span_of("x"), &e), -1);
	assert_int_equal(e.code, ERR_FINAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_and_status),
		cmocka_unit_test(login_shell),
		cmocka_unit_test(size),
		cmocka_unit_test(job_control),
		cmocka_unit_test(output_is_pulled),
		cmocka_unit_test(close_ends_everything),
		cmocka_unit_test(several),
		cmocka_unit_test(refusals),
	};
	cmocka_set_test_filter(getenv("MUSTER_TEST"));
	return cmocka_run_group_tests(tests, box_setup, box_teardown);
}
