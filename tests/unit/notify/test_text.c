/* What notices say: every line that people read, links, and titles that would do harm. */
#include "unit.h"

#include <string.h>

#include "base/mem.h"
#include "notify/text.h"

static struct err e;

static json_t *about(const char *type, const char *subject)
{
	json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "type", type, "run", "r1", "title",
		"Build it", "action", "a1", "kind", "approval", "subject", subject, "priority", "urgent", "at",
		(json_int_t)1700000000000000);
	assert_non_null(v);
	return v;
}

static const char *body(const json_t *v, const char *base)
{
	static struct buf out;
	buf_release(&out);
	buf_init(&out, 65536);
	text_body(v, base, &out);
	must(buf_check(&out, "body", &e), &e);
	return out.data;
}

static const char *subject(const json_t *v)
{
	static struct buf out;
	buf_release(&out);
	buf_init(&out, 65536);
	text_subject(v, &out);
	must(buf_check(&out, "subject", &e), &e);
	return out.data;
}

static void an_action(void **state)
{
	(void)state;
	cleanup_json json_t *v = about("action.opened", "shell: git push");
	assert_string_equal(subject(v), "To approve: shell: git push");
	assert_string_equal(body(v, "https://house.example"),
		"A run waits for a person.\n\nTo approve: shell: git push\nRun: Build it\nPriority: urgent\n\n"
		"https://house.example/runs/r1/actions/a1\n");
	cleanup_json json_t *again = about("action.reminder", "shell: git push");
	assert_string_equal(subject(again), "Reminder: To approve: shell: git push");
	assert_null(strstr(body(v, ""), "http"));
}

static void an_action_with_an_end(void **state)
{
	(void)state;
	cleanup_json json_t *v = about("action.opened", "shell: git push");
	json_object_set_new(v, "expires", json_integer(1700003600000000));
	assert_non_null(strstr(body(v, ""), "\nAnswer until: 2023-11-14T23:13:20.000000Z\n"));
	cleanup_json json_t *hook = text_webhook(v, "", &e);
	assert_string_equal(json_str(json_get(hook, "data"), "expires"), "2023-11-14T23:13:20.000000Z");
}

static void a_run(void **state)
{
	(void)state;
	static const char *const rows[][3] = {{"completed", "done", "Done: Build it"},
		{"completed", "failing", "Done, with failing checks: Build it"}, {"failed", "", "Failed: Build it"},
		{"cancelled", "", "Cancelled: Build it"}};
	for (size_t i = 0; i < 4; i++) {
		cleanup_json json_t *v = json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "run.ended", "run", "r1",
			"title", "Build it", "state", rows[i][0], "evidence", rows[i][1]);
		assert_string_equal(subject(v), rows[i][2]);
		assert_non_null(strstr(body(v, "https://h"), "https://h/runs/r1\n"));
	}
}

static void titles_do_no_harm(void **state)
{
	(void)state;
	cleanup_json json_t *v = about("action.opened", "x\r\nBcc: all@example.org\x1b[31m \u202egnp");
	const char *s = subject(v);
	assert_null(strpbrk(s, "\r\n\x1b"));
	assert_null(strstr(s, "\u202e"));
	char longer[1000];
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = 0;
	cleanup_json json_t *w = about("action.opened", longer);
	assert_true(strlen(subject(w)) < 200);
	assert_non_null(strstr(subject(w), "…"));
}

static void messages(void **state)
{
	(void)state;
	cleanup_json json_t *v = about("action.opened", "shell: git push");
	cleanup_json json_t *push = text_push(v, "https://h", &e), *hook = text_webhook(v, "https://h", &e);
	cleanup_free char *p = json_text(push), *h = json_text(hook);
	assert_string_equal(p,
		"{\"body\":\"Build it\",\"tag\":\"a1\",\"title\":\"To approve: shell: git push\",\"url\":"
		"\"https://h/runs/r1/actions/a1\"}");
	assert_string_equal(h,
		"{\"data\":{\"action\":\"a1\",\"kind\":\"approval\",\"priority\":\"urgent\",\"run\":\"r1\","
		"\"subject\":\"shell: git push\",\"title\":\"Build it\",\"url\":"
		"\"https://h/runs/r1/actions/a1\"},\"timestamp\":\"2023-11-14T22:13:20.000000Z\","
		"\"type\":\"action.opened\"}");
	cleanup_json json_t *test = json_pack("{s:s, s:i}", "type", "test", "at", 0);
	cleanup_json json_t *tp = text_push(test, "https://h", &e);
	assert_non_null(tp);
	assert_string_equal(json_str(tp, "title"), "muster: a test");
}

int main(void)
{
	json_setup();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_action),
		cmocka_unit_test(an_action_with_an_end),
		cmocka_unit_test(a_run),
		cmocka_unit_test(titles_do_no_harm),
		cmocka_unit_test(messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
