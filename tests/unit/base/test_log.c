#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "torture.h"
#include "unit.h"

static char said[6 * CAP_LOG_LINE];

static int real_stderr, file;

/* Standard error goes into a file between the two. */
static void listen_begin(void)
{
	char name[] = "/tmp/muster-log-XXXXXX";

	file = mkstemp(name);
	assert_true(file >= 0);
	unlink(name);
	real_stderr = dup(2);
	dup2(file, 2);
}

static const char *listen_end(void)
{
	ssize_t n;

	dup2(real_stderr, 2);
	close(real_stderr);
	n = pread(file, said, sizeof said - 1, 0);
	close(file);
	said[n > 0 ? n : 0] = 0;
	return said;
}

static int reset(void **state)
{
	(void)state;
	log_level_set(LOG_WARN);
	log_json(false);
	return 0;
}

static void respects_the_level(void **state)
{
	(void)state;
	listen_begin();
	log_debug("t", "one");
	log_info("t", "two");
	log_warn("t", "three");
	log_error("t", "four %d", 4);
	log_level_set(LOG_OFF);
	log_error("t", "five");
	listen_end();
	assert_null(strstr(said, "one"));
	assert_null(strstr(said, "two"));
	assert_non_null(strstr(said, "Z warn t three\n"));
	assert_non_null(strstr(said, "Z error t four 4\n"));
	assert_null(strstr(said, "five"));
	assert_int_equal(log_level_named("debug", LOG_OFF), LOG_DEBUG);
	assert_int_equal(log_level_named("off", LOG_WARN), LOG_OFF);
	assert_int_equal(log_level_named("loud", LOG_INFO), LOG_INFO);
	assert_int_equal(log_level_named(NULL, LOG_INFO), LOG_INFO);
}

static void one_line_without_control_bytes(void **state)
{
	(void)state;
	for (int json = 0; json < 2; json++) {
		log_json(json);
		listen_begin();
		log_warn("area", "a\n2026 forged\x1b[2J\r\x07\xC2\x9B\xFF \"q\" \u202e é");
		listen_end();
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
		for (const char *p = said; p[1]; p++)
			assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p != 0x7F);
		assert_null(strstr(said, "\xC2\x9B"));
		assert_null(strstr(said, "\u202e"));
		assert_non_null(strstr(said, "é"));
	}
}

static void json_lines_parse(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	cleanup_json json_t *v = NULL;

	log_json(true);
	listen_begin();
	log_error("ar\"ea", "say \"%s\"\\", "x\ny");
	listen_end();
	v = json_parse(span_of(said), "line", &e);
	if (!v)
		fail_msg("%s", e.text);
	assert_string_equal(json_str(v, "level"), "error");
	assert_string_equal(json_str(v, "area"), "ar\"ea");
	assert_string_equal(json_str(v, "message"), "say \"x\\x0ay\"\\");
	assert_int_equal(strlen(json_str(v, "time")), 27);
}

static void masks_secrets(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(1000);

	log_mask(span_of("nothing yet: sk-12345"), &out);
	assert_string_equal(out.data, "nothing yet: sk-12345");
	must(log_secret("sk-12345", &e), &e);
	must(log_secret("sk-12345", &e), &e);
	must(log_secret("sk-12345-longer", &e), &e);
	assert_int_equal(log_secret("short", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	buf_clear(&out);
	log_mask(span_of("sk-12345 sk-12345-longer,sk-12345sk-12345 sk-1234"), &out);
	assert_string_equal(out.data, "*** ***,****** sk-1234");
	listen_begin();
	log_warn("t", "key=%s", "sk-12345");
	listen_end();
	assert_null(strstr(said, "sk-12345"));
	assert_non_null(strstr(said, "key=***\n"));
}

/* A secret that the cut at the end of a line would split is not shown in part. */
static void cuts_long_lines_without_leaking(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	static char text[2 * CAP_LOG_LINE];

	must(log_secret("hunter2-hunter2", &e), &e);
	memset(text, '.', sizeof text);
	for (size_t at = CAP_LOG_LINE - 20; at < CAP_LOG_LINE + 2; at++) {
		memcpy(text + at, "hunter2-hunter2", 16);
		listen_begin();
		log_warn("t", "%s", text);
		listen_end();
		memset(text + at, '.', 16);
		assert_true(strlen(said) < CAP_LOG_LINE + 100);
		assert_null(strchr(said + 40, 'h'));
	}
	memset(text, '\x1b', sizeof text - 1);
	text[sizeof text - 1] = 0;
	listen_begin();
	log_warn("t", "%s", text);
	listen_end();
	assert_true(strlen(said) > CAP_LOG_LINE - 10 && strlen(said) < CAP_LOG_LINE + 100);
}

static void says_when_memory_is_short(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	listen_begin();
	fault_arm(FAULT_ALLOC, 1, true);
	log_error("t", "message");
	assert_int_equal(log_secret("another secret", &e), -1);
	fault_disarm();
	listen_end();
	assert_int_equal(e.code, ERR_NOMEM);
	assert_non_null(strstr(said, "out of memory"));
}

static void the_number_of_secrets_is_capped(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char secret[32];
	int i;

	for (i = 0; i < CAP_LOG_SECRETS; i++) {
		snprintf(secret, sizeof secret, "secret number %d", i);
		if (log_secret(secret, &e))
			break;
	}
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_int_equal(i, CAP_LOG_SECRETS - 3); /* three by the tests before */
}

static void areas_have_levels_of_their_own(void **state)
{
	(void)state;
	struct err e = ERR_INIT;

	must(log_areas_set(" api=debug  http=off ", &e), &e);
	listen_begin();
	log_debug("api", "one");
	log_error("http", "two");
	log_info("other", "three");
	log_warn("other", "four");
	listen_end();
	assert_non_null(strstr(said, "debug api one"));
	assert_null(strstr(said, "two"));
	assert_null(strstr(said, "three"));
	assert_non_null(strstr(said, "four"));
	const char *const bad[] = {"api", "api=", "=debug", "api=loud", "api=debug x",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaa=off", "http=off apj=debug"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(log_areas_set(bad[i], &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		err_clear(&e);
	}
	listen_begin();
	log_debug("api", "as before");
	assert_non_null(strstr(listen_end(), "as before"));
	must(log_areas_set("", &e), &e);
}

static void lines_say_what_they_are_about(void **state)
{
	(void)state;
	struct log_about about = {.request = "q-1", .run = "r\"2\n"};

	listen_begin();
	log_write_about(LOG_WARN, "t", about, "it %s", "broke");
	assert_non_null(strstr(listen_end(), " warn t it broke request=q-1 run=r\"2"));
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	log_json(true);
	listen_begin();
	log_write_about(LOG_WARN, "t", about, "it broke");
	log_warn("t", "about nothing");
	listen_end();
	cleanup_json json_t *first = json_parse(span_n(said, strcspn(said, "\n")), "a line", NULL);
	assert_string_equal(json_str(first, "request"), "q-1");
	assert_string_equal(json_str(first, "run"), "r\"2\n");
	assert_null(strstr(strchr(said, '\n'), "request"));
}

static void has(const char *path, const char *text)
{
	cleanup_buf struct buf all = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	must(fs_read(path, &all, &e), &e);
	if (!memmem(all.data, all.len, text, strlen(text)))
		fail_msg("%s lacks %s: %.*s", path, text, (int)all.len, all.data);
}

static void a_file_is_put_aside_when_it_is_full(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char dir[] = "/tmp/muster-logs-XXXXXX";

	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	must(log_file("log", 100, 2, &e), &e);
	listen_begin();
	for (int i = 1; i <= 5; i++)
		log_warn("t", "line %d %080d", i, 0);
	has("log", "line 5");
	has("log.1", "line 4");
	has("log.2", "line 3");
	assert_false(fs_exists("log.3"));
	must(fs_rename("log", "moved", &e), &e);
	must(log_reopen(&e), &e);
	log_warn("t", "after it was moved");
	has("log", "after it was moved");
	has("moved", "line 5");
	must(log_file("none", 100, 0, &e), &e);
	log_warn("t", "first %080d", 0);
	log_warn("t", "second %080d", 0);
	has("none", "second");
	assert_false(fs_exists("none.1"));
	assert_int_equal(log_file("not/there", 100, 0, &e), -1);
	assert_string_equal(listen_end(), "");
	log_file_end();
	listen_begin();
	log_warn("t", "here again");
	assert_non_null(strstr(listen_end(), "here again"));
	must(fs_remove_tree(dir, &e), &e);
	assert_int_equal(chdir("/"), 0);
}

#define test(f) cmocka_unit_test_setup(f, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(respects_the_level),
		test(one_line_without_control_bytes),
		test(json_lines_parse),
		test(masks_secrets),
		test(cuts_long_lines_without_leaking),
		test(says_when_memory_is_short),
		test(areas_have_levels_of_their_own),
		test(lines_say_what_they_are_about),
		test(a_file_is_put_aside_when_it_is_full),
		test(the_number_of_secrets_is_capped),
	};
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
