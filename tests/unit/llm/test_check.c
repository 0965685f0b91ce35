/* check: the rows of a good endpoint, of ones that lack something, and of none. The endpoint is a script. */
#include "llm_test.h"

#include "llm/check.h"

static struct loop *loop;
static char dir[] = "/tmp/muster-check-XXXXXX";
static char file[64], name[128];

struct report {
	struct llm_check check;
	struct buf rows; /* "name+|-" */
	struct buf details;
	int done;
	bool passed;
	const char *cancel_at;
};

static void on_row(struct llm_check *k, const char *row, bool ok, const char *detail)
{
	struct report *r = k->ctx;

	buf_addf(&r->rows, "%s%s ", row, ok ? "+" : "-");
	buf_addf(&r->details, "%s: %s\n", row, detail);
	if (r->cancel_at && strcmp(r->cancel_at, row) == 0)
		llm_check_cancel(k);
}

static void on_done(struct llm_check *k, bool passed)
{
	struct report *r = k->ctx;

	r->done++;
	r->passed = passed;
	loop_stop(loop);
}

static void run(const char *script, const char *rows, const char *detail, const char *cancel_at)
{
	struct llm_options o = {.loop = loop, .allow_local = true};
	struct err e = ERR_INIT;
	struct report r = {.rows = BUF_INIT(4 * KIB), .details = BUF_INIT(64 * KIB), .cancel_at = cancel_at};
	struct llm *l = llm_new(&o, &e);

	assert_non_null(l);
	must(fs_replace(file, span_of(script), 0600, &e), &e);
	r.check = (struct llm_check){.llm = l, .model = name, .on_row = on_row, .on_done = on_done, .ctx = &r};
	must(llm_check_start(&r.check, &e), &e);
	assert_int_equal(r.done, 0);
	must(loop_run(loop, &e), &e);
	assert_int_equal(r.done, 1);
	assert_string_equal(r.rows.data, rows);
	if (!strstr(r.details.data, detail))
		fail_msg("\"%s\" is not in:\n%s", detail, r.details.data);
	assert_true(r.passed == (strchr(rows, '-') == NULL));
	buf_release(&r.rows);
	buf_release(&r.details);
	llm_free(l);
}

#define USAGE ",\"usage\":{\"input\":10,\"output\":20}"
#define NUMBERS "{\"match\":{\"turn\":1},\"reply\":{\"text\":\"1 2 3\"" USAGE "}}\n"
#define CALL                                                                                                           \
	"{\"match\":{\"turn\":2},\"reply\":{\"tool_calls\":[{\"name\":\"add\",\"arguments\":{\"a\":17,\"b\":25}},"     \
	"{\"name\":\"add\"}]" USAGE "}}\n"

static void test_rows(void **state)
{
	(void)state;
	run(NUMBERS CALL "{\"match\":{\"turn\":3,\"contains\":\"42\"},\"reply\":{\"text\":\"It is 42.\"}}",
		"stream+ usage+ tools+ result+ ", "10 tokens in, 20 out; no price is known", NULL);
	run(NUMBERS CALL "{\"reply\":{\"text\":\"Thanks.\"}}", "stream+ usage+ tools+ result- ", "not in its answer",
		NULL);
	run(NUMBERS "{\"reply\":{\"text\":\"I cannot call tools.\"}}", "stream+ usage+ tools- result- ",
		"did not call the tool", NULL);
	run(NUMBERS "{\"reply\":{\"tool_calls\":[{\"name\":\"add\",\"arguments\":{\"a\":\"17\"}}]}}\n"
		    "{\"reply\":{\"text\":\"42\"}}",
		"stream+ usage+ tools- result+ ", "arguments are wrong", NULL);
	run("{\"reply\":{\"text\":\"1\"}}\n" CALL "{\"reply\":{\"text\":\"42\"}}", "stream+ usage- tools+ result+ ",
		"does not say what an answer used", NULL);
	run("{\"reply\":{\"text\":\"\"" USAGE "}}\n" CALL "{\"reply\":{\"text\":\"42\"}}",
		"stream- usage+ tools+ result+ ", "without text", NULL);
	run("{\"error\":{\"status\":401,\"message\":\"bad key\"}}", "stream- usage- tools- result- ",
		"tools: not tried: ", NULL);
	run(NUMBERS CALL, "stream+ usage+ tools+ result- ", "cancelled", "tools");
}

static void test_not_started(void **state)
{
	struct llm_options o = {.loop = loop};
	struct err e = ERR_INIT;
	struct report r = {0};
	struct llm *l = llm_new(&o, &e);

	(void)state;
	assert_non_null(l);
	unsetenv("ANTHROPIC_API_KEY");
	r.check = (struct llm_check){.llm = l, .model = "anthropic", .on_row = on_row, .on_done = on_done, .ctx = &r};
	assert_int_equal(llm_check_start(&r.check, &e), -1);
	assert_int_equal(e.code, ERR_NO_KEY);
	r.check.model = "nobody";
	assert_int_equal(llm_check_start(&r.check, &e), -1);
	assert_int_equal(r.done, 0);
	llm_free(l);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_not_started),
	};
	struct err e = ERR_INIT;
	int rc;

	json_setup();
	if (crypt_setup(&e) || !mkdtemp(dir) || !(loop = loop_new(&e)))
		return 1;
	snprintf(file, sizeof file, "%s/s.jsonl", dir);
	snprintf(name, sizeof name, "script:%s", file);
	rc = cmocka_run_group_tests(all, NULL, NULL);
	loop_free(loop);
	fs_remove_tree(dir, NULL);
	return rc;
}
