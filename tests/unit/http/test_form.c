/* Forms with files, over the server, into memory and files. */
#include "server_rig.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/form.h"

static struct form form;
static struct buf summary;
static int dones;

static void on_done(struct form *f, const struct err *why)
{
	dones++;
	why_code = why ? why->code : ERR_OK;
	buf_clear(&summary);
	list_for (it, &f->parts) {
		struct form_part *p = list_entry(it, struct form_part, link);
		struct hash again;
		if (why)
			break;
		if (p->content.fd >= 0) {
			static char bytes[4 << 20];
			size_t n = 0;
			for (ssize_t got; (got = read(p->content.fd, bytes + n, sizeof(bytes) - n)) > 0;)
				n += (size_t)got;
			hash_bytes(&again, NULL, span_n(bytes, n));
		} else {
			hash_bytes(&again, NULL, p->content.text);
		}
		buf_addf(&summary, "%s|%s|%s|%lld%s%s ", p->name, p->filename ? p->filename : "-", p->type,
			(long long)p->content.size, p->content.fd >= 0 ? "|file" : "",
			hash_eq(&again, &p->content.hash) ? "" : "|changed");
	}
	if (why)
		reply_problem(f->request, why);
	else
		reply_bytes(f->request, 200, "text/plain", buf_span(&summary));
	form_release(f);
}

static void handle_form(struct server_request *r, void *ctx)
{
	int before = dones;
	(void)ctx;
	form_start(&form, r, dir, 5 << 20, 4, on_done);
	assert_int_equal(dones, before);
}

static int setup_form(void **state)
{
	buf_init(&summary, 10000);
	dones = 0;
	if (setup(state) != 0)
		return -1;
	server.handle = handle_form;
	return crypt_setup(&e);
}

static int teardown_form(void **state)
{
	buf_release(&summary);
	return teardown(state);
}

static void part(struct buf *body, const char *head, size_t size)
{
	buf_addf(body, "--xx\r\nContent-Disposition: form-data; %s\r\n\r\n", head);
	for (size_t i = 0; i < size; i++)
		buf_addc(body, (char)(i * 31 >> 3));
	buf_adds(body, "\r\n");
}

/* Sends it, in pieces of this size, for as long as somebody listens. */
static const char *post(const char *type, const struct buf *body, size_t step)
{
	char head[300];
	int fd = dial();
	buf_clear(&heard);
	snprintf(head, sizeof(head),
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		type, body->len);
	say(fd, head);
	for (size_t at = 0; at < body->len && !dones;) {
		size_t n = body->len - at < step ? body->len - at : step;
		ssize_t got = send(fd, body->data + at, n, MSG_NOSIGNAL);
		at += got > 0 ? (size_t)got : 0;
		loop_turn(loop, got > 0 ? 0 : 5);
	}
	hear(fd, &heard, NULL);
	close(fd);
	return heard.data;
}

#define TYPE "multipart/form-data; boundary=xx"

static void test_parts(void **state)
{
	(void)state;
	static const size_t steps[] = {3000, 50000, 10 << 20};
	cleanup_buf struct buf body = BUF_INIT(10 << 20);
	part(&body, "name=\"title\"", 5);
	part(&body, "name=\"a\"; filename=\"a.bin\"\r\nContent-Type: application/zip", 3000000);
	part(&body, "name=\"b\"; filename=\"b.bin\"", 300000);
	part(&body, "name=\"empty\"", 0);
	buf_adds(&body, "--xx--\r\n");
	for (size_t i = 0; i < 3; i++) {
		dones = 0;
		starts(post(TYPE, &body, steps[i]), "HTTP/1.1 200 OK\r\n");
		has(heard.data, "\r\n\r\ntitle|-|text/plain|5 a|a.bin|application/zip|3000000|file "
				"b|b.bin|text/plain|300000|file empty|-|text/plain|0 ");
		assert_null(strstr(heard.data, "changed"));
	}
}

static sem_t gate;

static void wait_at_gate(struct work *w)
{
	(void)w;
	while (sem_wait(&gate) != 0)
		;
}

static int passed;

static void passed_gate(struct work *w)
{
	(void)w;
	passed++;
}

/* The disk is slow, and a part's last bytes, for which there is no room, come together with its end. */
static void test_end_without_room(void **state)
{
	(void)state;
	static const size_t cuts[] = {40000, 70000, 130000, SIZE_MAX};
	struct work busy[16] = {0};
	cleanup_buf struct buf body = BUF_INIT(1 << 20);
	char head[200];
	size_t at = 0;
	int fd = dial();
	part(&body, "name=\"a\"; filename=\"a.bin\"", 140000);
	buf_adds(&body, "--xx--\r\n");
	sem_init(&gate, 0, 0);
	for (int i = 0; i < 16; i++)
		must(work_start(&busy[i], loop, wait_at_gate, passed_gate, &e), &e);
	snprintf(head, sizeof(head),
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: " TYPE
		"\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		body.len);
	say(fd, head);
	for (size_t i = 0; i < 4; i++) {
		size_t end = cuts[i] < body.len ? cuts[i] : body.len;
		assert_int_equal(send(fd, body.data + at, end - at, MSG_NOSIGNAL), end - at);
		at = end;
		for (int k = 0; k < 20; k++)
			loop_turn(loop, 1);
	}
	assert_int_equal(dones, 0);
	for (int i = 0; i < 16; i++)
		sem_post(&gate);
	for (int i = 0; i < 1000 && (!dones || passed < 16); i++)
		loop_turn(loop, 10);
	assert_int_equal(dones, 1);
	assert_int_equal(passed, 16);
	buf_clear(&heard);
	hear(fd, &heard, NULL);
	has(heard.data, "a|a.bin|text/plain|140000|file ");
	close(fd);
	sem_destroy(&gate);
}

static void test_refused(void **state)
{
	(void)state;
	cleanup_buf struct buf body = BUF_INIT(10 << 20);
	buf_adds(&body, "{}");
	starts(post("application/json", &body, 100), "HTTP/1.1 415 "); /* security.md, row 17 */
	assert_int_equal(dones, 1);
	dones = 0;
	buf_clear(&body);
	part(&body, "name=a", 100000);
	starts(post(TYPE, &body, 30000), "HTTP/1.1 400 "); /* cut off */
	assert_int_equal(why_code, ERR_PARSE);
	dones = 0;
	for (int i = 0; i < 4; i++)
		part(&body, "name=a", 1);
	starts(post(TYPE, &body, 30000), "HTTP/1.1 413 "); /* too many */
	dones = 0;
	buf_clear(&body);
	part(&body, "name=a", 3 << 20);
	part(&body, "name=b", 3 << 20);
	starts(post(TYPE, &body, 30000), "HTTP/1.1 413 "); /* too much together */
	assert_int_equal(dones, 1);
	/* Hung up inside a file. */
	int fd = dial();
	dones = 0;
	say(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: " TYPE "\r\nContent-Length: 5000000\r\n\r\n");
	(void)!send(fd, body.data, 200000, MSG_NOSIGNAL);
	turns(3);
	close(fd);
	for (int i = 0; i < 1000 && !dones; i++)
		loop_turn(loop, 10);
	assert_int_equal(dones, 1);
	assert_int_equal(why_code, ERR_NETWORK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup_form, teardown_form)
	const struct CMUnitTest tests[] = {
		T(parts),
		T(end_without_room),
		T(refused),
	};
	return run("test_form", tests, sizeof(tests) / sizeof(*tests));
}
