/* Files of the disk as answers. */
#include "server_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "http/reply_file.h"

static char file[140];
static const char *save_as, *tag;
static bool shortens;

static void handle_file(struct server_request *r, void *ctx)
{
	struct reply_file how = {.type = "text/plain", .name = save_as, .etag = tag};
	(void)ctx;
	int fd = fs_open(file, O_RDONLY, 0, &e);
	assert_true(fd >= 0);
	reply_file(r, fd, &how);
	if (shortens)
		assert_int_equal(truncate(file, 1000), 0);
}

static int setup_file(void **state)
{
	if (setup(state) != 0)
		return -1;
	snprintf(file, sizeof(file), "%s/file", dir);
	save_as = tag = NULL;
	shortens = false;
	server.handle = handle_file;
	return 0;
}

static int teardown_file(void **state)
{
	int failed = teardown(state);
	unlink(file);
	return failed;
}

/* Content of so many bytes; byte i says where it stands. */
static void fill_file(size_t size)
{
	char *bytes = mem_alloc(size + 1);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)('a' + (i * 7 + i / 251) % 26);
	must(fs_replace(file, span_n(bytes, size), 0600, &e), &e);
	mem_free(bytes);
}

static const char *get(const char *method, const char *headers)
{
	char text[1000];
	snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n", method, headers);
	return ask(text);
}

/* Is the body these bytes of the file? */
static void is_part(size_t from, size_t length)
{
	const char *body = strstr(heard.data, "\r\n\r\n") + 4;
	assert_int_equal(heard.len - (size_t)(body - heard.data), length);
	for (size_t i = 0; i < length; i++)
		if (body[i] != (char)('a' + ((from + i) * 7 + (from + i) / 251) % 26))
			fail_msg("byte %zu is wrong", i);
}

static void test_whole(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, CAP_BLOB_PIECE, CAP_BLOB_PIECE + 1, 5 * CAP_BLOB_PIECE - 1};
	for (size_t i = 0; i < 5; i++) {
		char length[64];
		fill_file(sizes[i]);
		starts(get("GET", ""), "HTTP/1.1 200 OK\r\n");
		snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", sizes[i]);
		has(heard.data, length);
		has(heard.data, "\r\nAccept-Ranges: bytes\r\n");
		assert_null(strstr(heard.data, "chunked"));
		is_part(0, sizes[i]);
		starts(get("HEAD", ""), "HTTP/1.1 200 OK\r\n");
		has(heard.data, length);
		is_part(0, 0);
	}
	save_as = "../x\r\n\"y\".txt";
	get("GET", "");
	has(heard.data,
		"\r\nContent-Disposition: attachment; filename=\"x___y_.txt\"; filename*=UTF-8''x__%22y%22.txt\r\n");
	/* One connection goes on after it. */
	int fd = dial();
	fill_file(300000);
	for (int i = 0; i < 3; i++) {
		buf_clear(&heard);
		say(fd, i < 2 ? GET("/") : LAST("/"));
		hear(fd, &heard, i < 2 ? "\r\n\r\n" : NULL);
		while (i < 2 && heard.len < (size_t)(strstr(heard.data, "\r\n\r\n") + 4 - heard.data) + 300000) {
			char more[4096];
			ssize_t n = read(fd, more, sizeof(more));
			if (n > 0)
				buf_add(&heard, more, (size_t)n);
			else
				loop_turn(loop, 5);
		}
		is_part(0, 300000);
	}
	close(fd);
}

static void test_parts(void **state)
{
	(void)state;
	fill_file(200000);
	tag = "\"v1\"";
	starts(get("GET", "Range: bytes=70000-70099\r\n"), "HTTP/1.1 206 Partial Content\r\n");
	has(heard.data, "\r\nContent-Range: bytes 70000-70099/200000\r\n");
	has(heard.data, "\r\nETag: \"v1\"\r\n");
	is_part(70000, 100);
	starts(get("GET", "Range: bytes=-1\r\n"), "HTTP/1.1 206 ");
	is_part(199999, 1);
	starts(get("GET", "Range: bytes=10-\r\nIf-Range: \"v1\"\r\n"), "HTTP/1.1 206 ");
	is_part(10, 199990);
	starts(get("GET", "Range: bytes=10-\r\nIf-Range: \"v0\"\r\n"), "HTTP/1.1 200 ");
	is_part(0, 200000);
	starts(get("GET", "Range: bytes=200000-\r\n"), "HTTP/1.1 416 ");
	has(heard.data, "\r\nContent-Range: bytes */200000\r\n");
	starts(get("GET", "Range: bytes=0-1,3-4\r\n"), "HTTP/1.1 200 ");
	starts(get("GET", "If-None-Match: \"v1\"\r\n"), "HTTP/1.1 304 ");
	is_part(0, 0);
	/* A tag of its own changes with the file. */
	tag = NULL;
	char first[100], second[100], third[140];
	get("HEAD", "");
	sscanf(strstr(heard.data, "\r\nETag: "), " ETag: %99[^\r]", first);
	fill_file(200001);
	get("HEAD", "");
	sscanf(strstr(heard.data, "\r\nETag: "), " ETag: %99[^\r]", second);
	assert_string_not_equal(first, second);
	snprintf(third, sizeof(third), "If-None-Match: %s\r\n", second);
	starts(get("GET", third), "HTTP/1.1 304 ");
}

/* A file that ends sooner than it should: the client sees that something is missing. */
static void test_shortened(void **state)
{
	(void)state;
	fill_file(4 << 20);
	shortens = true;
	starts(get("GET", ""), "HTTP/1.1 200 OK\r\n");
	has(heard.data, "\r\nContent-Length: 4194304\r\n");
	assert_true(heard.len < 4194304);
}

static void test_slow_and_gone(void **state)
{
	(void)state;
	enum { READERS = 20 };
	int fds[READERS];
	fill_file(16 << 20);
	size_t before = mem_in_use();
	for (int i = 0; i < READERS; i++) {
		fds[i] = dial();
		say(fds[i], LAST("/"));
	}
	turns(300);
	assert_int_equal(server.count, READERS);
	assert_true(mem_in_use() - before < READERS * 6 * CAP_BLOB_PIECE);
	buf_release(&heard);
	hear(fds[0], &heard, NULL);
	is_part(0, 16 << 20);
	for (int i = 0; i < READERS; i++)
		close(fds[i]);
	for (int i = 0; i < 1000 && server.count; i++)
		loop_turn(loop, 10);
	assert_int_equal(server.count, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup_file, teardown_file)
	const struct CMUnitTest tests[] = {
		T(whole),
		T(parts),
		T(shortened),
		T(slow_and_gone),
	};
	return run("test_reply_file", tests, sizeof(tests) / sizeof(*tests));
}
