/* Bodies into memory and files. */
#include "server_rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "http/upload.h"

static struct upload upload;
static char where[100];
static int64_t cap;
static int dones;
static struct hash again; /* of the content as it was kept */
static bool in_file, answers_late;

static void on_done(struct upload *u, const struct err *why)
{
	struct hash_stream h;
	dones++;
	why_code = why ? why->code : ERR_OK;
	hash_start(&h, NULL);
	in_file = u->content.fd >= 0;
	if (!why && in_file) {
		static char bytes[1 << 16];
		for (ssize_t n; (n = read(u->content.fd, bytes, sizeof(bytes))) > 0;)
			hash_update(&h, bytes, (size_t)n);
	} else if (!why) {
		hash_update(&h, u->content.text.p, u->content.text.n);
	}
	hash_end(&h, &again);
	held = u->request;
	if (answers_late)
		return;
	if (why)
		reply_problem(u->request, why);
	else
		reply_bytes(u->request, 201, NULL, SPAN_NONE);
	upload_release(u);
}

static void handle_upload(struct server_request *r, void *ctx)
{
	int before = dones;
	(void)ctx;
	upload_start(&upload, r, where, cap, on_done);
	assert_int_equal(dones, before); /* never from inside */
}

static int setup_upload(void **state)
{
	if (setup(state) != 0)
		return -1;
	server.handle = handle_upload;
	snprintf(where, sizeof(where), "%s", dir);
	cap = 1ll << 30;
	dones = 0;
	answers_late = false;
	return crypt_setup(&e);
}

/* Sends a body of so many bytes, by chunks or not, and returns the answer; expected is its hash. */
static size_t most_memory;

static const char *put(size_t size, bool chunked, struct hash *expected)
{
	static char block[100000];
	struct hash_stream h;
	char head[200];
	int fd = dial();
	size_t before = mem_in_use();
	buf_clear(&heard);
	dones = 0;
	most_memory = 0;
	hash_start(&h, NULL);
	snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s: ",
		chunked ? "Transfer-Encoding" : "Content-Length");
	say(fd, head);
	snprintf(head, sizeof(head), chunked ? "chunked\r\n\r\n" : "%zu\r\n\r\n", size);
	say(fd, head);
	for (size_t sent = 0, round = 0; sent < size && !dones; round++) {
		size_t n = size - sent < sizeof(block) ? size - sent : sizeof(block);
		memset(block, (int)round, n);
		hash_update(&h, block, n);
		if (chunked) {
			snprintf(head, sizeof(head), "%zx\r\n", n);
			say(fd, head);
		}
		for (size_t at = 0; at < n && !dones;) {
			ssize_t got = send(fd, block + at, n - at, MSG_NOSIGNAL);
			at += got > 0 ? (size_t)got : 0;
			loop_turn(loop, got > 0 ? 0 : 5);
			if (mem_in_use() - before > most_memory)
				most_memory = mem_in_use() - before;
		}
		if (chunked && !dones)
			say(fd, "\r\n");
		sent += n;
	}
	if (chunked && !dones)
		say(fd, "0\r\n\r\n");
	hash_end(&h, expected);
	hear(fd, &heard, NULL);
	close(fd);
	return heard.data;
}

static void test_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, CAP_SPOOL_MEMORY, CAP_SPOOL_MEMORY + 1, 3000000};
	for (size_t i = 0; i < 5; i++)
		for (int chunked = 0; chunked < 2; chunked++) {
			struct hash expected;
			starts(put(sizes[i], chunked && sizes[i] < CAP_SPOOL_MEMORY, &expected), "HTTP/1.1 201 ");
			assert_int_equal(dones, 1);
			assert_int_equal(upload.content.size, sizes[i]);
			assert_int_equal(in_file, sizes[i] > CAP_SPOOL_MEMORY);
			assert_true(hash_eq(&expected, &upload.content.hash));
			assert_true(hash_eq(&expected, &again));
		}
}

static void test_large(void **state)
{
	(void)state;
	struct hash expected;
	starts(put(100 << 20, false, &expected), "HTTP/1.1 201 ");
	assert_true(hash_eq(&expected, &again));
	if (most_memory > 800 * KIB)
		fail_msg("100 MiB took %zu bytes of memory", most_memory);
}

static void test_too_large(void **state)
{
	(void)state;
	struct hash ignored;
	cap = 200000;
	starts(put(200001, false, &ignored), "HTTP/1.1 413 "); /* by what it says */
	assert_int_equal(why_code, ERR_TOO_LARGE);
	cap = 60;
	starts(ask("PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n"
		   "0123456789012345678901234567890123456789012345678901234567890123\r\n"),
		"HTTP/1.1 413 "); /* by what comes */
	assert_int_equal(dones, 2);
	/* Who answers late hears nothing of what still comes. */
	answers_late = true;
	held = NULL;
	int fd = dial();
	buf_clear(&heard);
	say(fd, "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n"
		"0123456789012345678901234567890123456789012345678901234567890123\r\n");
	for (int i = 0; i < 500 && !held; i++)
		loop_turn(loop, 10);
	say(fd, "3\r\nabc\r\n");
	turns(5);
	shutdown(fd, SHUT_WR);
	turns(5);
	assert_int_equal(dones, 3);
	upload_release(&upload);
	reply_bytes(held, 204, NULL, SPAN_NONE);
	hear(fd, &heard, NULL);
	close(fd);
}

static void test_failures(void **state)
{
	(void)state;
	struct hash ignored;
	snprintf(where, sizeof(where), "%s/missing", dir);
	starts(put(1000000, false, &ignored), "HTTP/1.1 404 ");
	assert_int_equal(dones, 1);
	starts(put(1000, false, &ignored), "HTTP/1.1 201 "); /* needs no file */
	snprintf(where, sizeof(where), "%s", dir);
	/* The client hangs up in the middle, while the disk is written. */
	for (int size = 1000; size <= 1000000; size *= 10) {
		cleanup_buf struct buf text = BUF_INIT(2 << 20);
		int fd = dial();
		dones = 0;
		buf_adds(&text, "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000000\r\n\r\n");
		for (int i = 0; i < size; i++)
			buf_addc(&text, 'x');
		(void)!send(fd, text.data, text.len, MSG_NOSIGNAL);
		turns(2);
		close(fd);
		for (int i = 0; i < 1000 && !dones; i++)
			loop_turn(loop, 10);
		assert_int_equal(dones, 1);
		assert_int_equal(why_code, ERR_NETWORK);
		assert_int_equal(upload.content.fd, -1);
	}
	turns(5);
	assert_int_equal(server.count, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup_upload, teardown)
	const struct CMUnitTest tests[] = {
		T(sizes),
		T(large),
		T(too_large),
		T(failures),
	};
	return run("test_upload", tests, sizeof(tests) / sizeof(*tests));
}
