/* The pages inside the program, served. */
#include "server_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "http/assets.h"

static void handle_asset(struct server_request *r, void *ctx)
{
	struct err why = ERR_INIT;
	(void)ctx;
	if (reply_asset(r))
		return;
	err_set(&why, ERR_NOT_FOUND, "there is no %s", r->path);
	reply_problem(r, &why);
}

static const char *get(const char *method, const char *target, const char *headers)
{
	char text[1000];
	server.handle = handle_asset;
	snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s\r\n", method, target,
		headers);
	return ask(text);
}

static size_t body_size(void)
{
	return heard.len - (size_t)(strstr(heard.data, "\r\n\r\n") + 4 - heard.data);
}

static const struct asset *named(const char *name)
{
	for (size_t i = 0; i < asset_count; i++)
		if (strcmp(assets[i].path, name) == 0)
			return &assets[i];
	fail_msg("there is no %s", name);
	return NULL;
}

static void test_pages(void **state)
{
	(void)state;
	const struct asset *index = named("/index.html");
	static const char *const pages[] = {"/", "/index.html", "/runs/17", "/any/page"};
	for (size_t i = 0; i < 4; i++) {
		starts(get("GET", pages[i], ""), "HTTP/1.1 200 OK\r\n");
		has(heard.data, "\r\nContent-Type: text/html; charset=utf-8\r\n");
		has(heard.data, "\r\nCache-Control: no-cache\r\n");
		has(heard.data, "\r\nX-Content-Type-Options: nosniff\r\n");
		has(heard.data, "\r\nReferrer-Policy: no-referrer\r\n");
		has(heard.data, "\r\nVary: Accept-Encoding\r\n");
		has(heard.data, "Content-Security-Policy: default-src 'self';");
		has(heard.data, "frame-ancestors 'none'");
		assert_null(strstr(heard.data, "unsafe-inline"));
		assert_null(strstr(heard.data, "default-src 'none'")); /* one policy, not two */
		assert_null(strstr(heard.data, "Strict-Transport-Security"));
		assert_null(strstr(heard.data, "Content-Encoding"));
		assert_int_equal(body_size(), index->identity.n);
		has(heard.data, "/api/v1/openapi.json");
	}
	starts(get("GET", "/style.css", ""), "HTTP/1.1 200 OK\r\n");
	has(heard.data, "\r\nContent-Type: text/css; charset=utf-8\r\n");
	/* A file that is not there is no page, and nothing else than reading is done to one. */
	starts(get("GET", "/none.js", ""), "HTTP/1.1 404 ");
	starts(get("POST", "/", "Content-Length: 0\r\n"), "HTTP/1.1 404 ");
	starts(get("HEAD", "/", ""), "HTTP/1.1 200 OK\r\n");
	assert_int_equal(body_size(), 0);
	char length[60];
	snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", index->identity.n);
	has(heard.data, length);
}

static void test_codings(void **state)
{
	(void)state;
	const struct asset *index = named("/index.html");
	char tags[3][100];
	static const char *const wants[] = {"", "Accept-Encoding: gzip\r\n", "Accept-Encoding: gzip, deflate, br\r\n"};
	const size_t sizes[] = {index->identity.n, index->gzip.n, index->brotli.n};
	assert_true(index->brotli.n > 0 && index->brotli.n < index->gzip.n && index->gzip.n < index->identity.n);
	for (int i = 0; i < 3; i++) {
		char again[300];
		starts(get("GET", "/", wants[i]), "HTTP/1.1 200 OK\r\n");
		assert_int_equal(body_size(), sizes[i]);
		if (i)
			has(heard.data, i == 1 ? "\r\nContent-Encoding: gzip\r\n" : "\r\nContent-Encoding: br\r\n");
		sscanf(strstr(heard.data, "\r\nETag: "), " ETag: %99[^\r]", tags[i]);
		snprintf(again, sizeof(again), "%sIf-None-Match: W/\"x\", %s\r\n", wants[i], tags[i]);
		starts(get("GET", "/", again), "HTTP/1.1 304 Not Modified\r\n");
		has(heard.data, tags[i]);
		assert_int_equal(body_size(), 0);
		assert_null(strstr(heard.data, "Content-Length"));
	}
	assert_string_not_equal(tags[0], tags[1]);
	assert_string_not_equal(tags[1], tags[2]);
}

/* Everything that goes into the program: found again under its name, and free of what the policy forbids. */
static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < asset_count; i++) {
		const struct asset *a = &assets[i];
		struct span bytes = a->identity;
		assert_true(i == 0 || strcmp(assets[i - 1].path, a->path) < 0);
		starts(get("GET", a->path, ""), "HTTP/1.1 200 OK\r\n");
		assert_int_equal(body_size(), a->identity.n);
		assert_memory_equal(heard.data + heard.len - bytes.n, bytes.p, bytes.n);
		if (strncmp(a->type, "text/html", 9) == 0) {
			assert_int_equal(span_find(bytes, span_of(" style="), 0), -1);
			assert_int_equal(span_find(bytes, span_of(" onclick="), 0), -1);
			assert_int_equal(span_find(bytes, span_of("<script>"), 0), -1);
		}
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(pages),
		T(codings),
		T(table),
	};
	return run("test_assets", tests, sizeof(tests) / sizeof(*tests));
}
