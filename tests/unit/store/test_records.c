/* Records and who did what: the last values, listed, found, made anew, and refused before they are journaled. */
#include "fixture.h"

#include <string.h>

/* Record with `records` and `detail` as JSON text (NULL: none). */
static int record(
	struct fixture *f, const char *who, const char *what, const char *object, const char *records, struct err *e)
{
	json_t *list = records ? json_parse(span_of(records), "records", e) : NULL;
	json_t *detail = json_make(e, "{s:s}", "from", "127.0.0.1");
	struct audit a = {.who = who, .what = what, .object = object, .detail = detail, .records = list};
	int rc = store_record_wait(f->store, &a, e);

	json_decref(list);
	json_decref(detail);
	return rc;
}

static void records_are(struct fixture *f, const char *kind, const char *want)
{
	struct err e = ERR_INIT;
	json_t *filter = json_make(&e, "{s:s}", "kind", kind), *rows = store_records(f->store, filter, &e);
	json_t *values = json_array();
	char *text;

	assert_non_null(rows);
	for (size_t i = 0; i < json_array_size(rows); i++)
		json_array_append(values, json_get(json_array_get(rows, i), "value"));
	text = json_text(values);
	assert_string_equal(text, want);
	mem_free(text);
	json_decref(values);
	json_decref(rows);
	json_decref(filter);
}

static void the_last_value_stays(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *rows;

	must(record(f, "p1", "person.created", "person/p1",
		     "[{\"kind\":\"person\",\"id\":\"p1\",\"value\":{\"name\":\"Ada\"}},"
		     "{\"kind\":\"person\",\"id\":\"p2\",\"value\":{\"name\":\"Bob\"}},"
		     "{\"kind\":\"key\",\"id\":\"p1\",\"value\":7}]",
		     &e),
		&e);
	records_are(f, "person", "[{\"name\":\"Ada\"},{\"name\":\"Bob\"}]");
	must(record(f, "p1", "person.changed", NULL,
		     "[{\"kind\":\"person\",\"id\":\"p2\",\"value\":{\"name\":\"Bo\"}},"
		     "{\"kind\":\"person\",\"id\":\"p1\",\"value\":null},{\"kind\":\"person\",\"id\":\"p9\",\"value\":"
		     "null}]",
		     &e),
		&e);
	records_are(f, "person", "[{\"name\":\"Bo\"}]");
	records_are(f, "key", "[7]");
	rows = store_records(f->store, NULL, &e);
	assert_int_equal(json_array_size(rows), 2);
	assert_int_equal(json_int(json_array_get(rows, 1), "seq", 0), 2);
	assert_true(json_int(json_array_get(rows, 1), "at", 0) > 0);
	json_decref(rows);
	verify_fine(f);
	must(store_rebuild(f->store, &e), &e);
	records_are(f, "person", "[{\"name\":\"Bo\"}]");
	verify_fine(f);
	if (f->memory)
		return;
	fixture_close(f);
	fixture_open(f);
	records_are(f, "person", "[{\"name\":\"Bo\"}]");
	sql(f, "UPDATE records SET value = '8' WHERE kind = 'key'");
	struct store_verified v;
	assert_int_equal(store_verify(f->store, NULL, &v, &e), -1);
	assert_int_equal(e.code, ERR_VERIFY_DIFFERS);
	must(store_rebuild(f->store, &e), &e);
	records_are(f, "key", "[7]");
}

static void what_cannot_be_kept_is_not_journaled(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	static const char *const bad[] = {
		"{\"kind\":\"a\"}",
		"[7]",
		"[{\"kind\":\"a\",\"id\":\"b\"}]",
		"[{\"id\":\"b\",\"value\":1}]",
		"[{\"kind\":\"\",\"id\":\"b\",\"value\":1}]",
		"[{\"kind\":\"a\",\"id\":7,\"value\":1}]",
		"[{\"kind\":\"a\",\"id\":\"good\",\"value\":1},{\"kind\":\"a\",\"value\":1}]",
	};
	char *longer = mem_printf("[{\"kind\":\"a\",\"id\":\"%0200d\",\"value\":1}]", 7);

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(record(f, "p", "x", NULL, bad[i], &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
	assert_int_equal(record(f, "p", "x", NULL, longer, &e), -1);
	assert_int_equal(record(f, "", "x", NULL, NULL, &e), -1);
	assert_int_equal(record(f, NULL, "x", NULL, NULL, &e), -1);
	assert_int_equal(
		append_one(f, "project/p", 1, EVENT_AUDIT,
			"{\"records\":[{\"id\":\"a\",\"kind\":\"k\",\"value\":1}],\"what\":\"x\",\"who\":\"y\"}", &e),
		-1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(store_head(f->store, "house", &e), 0);
	assert_int_equal(store_head(f->store, "project/p", &e), 0);
	records_are(f, "a", "[]");
	must(record(f, "p", "x", NULL, "[{\"kind\":\"a\",\"id\":\"b\",\"value\":1}]", &e), &e);
	records_are(f, "a", "[1]");
	verify_fine(f);
	mem_free(longer);
}

static int count(struct fixture *f, struct audit_query q)
{
	struct err e = ERR_INIT;
	json_t *rows;
	int n;

	q.limit = q.limit ? q.limit : -1;
	rows = store_audit(f->store, &q, &e);
	if (!rows)
		fail_msg("%s", e.text);
	n = (int)json_array_size(rows);
	json_decref(rows);
	return n;
}

static void who_did_what_is_found(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	int64_t middle = 0;
	json_t *rows;

	for (int i = 0; i < 40; i++) {
		char *object = mem_printf("key/%d", i % 4);
		must(record(f, i % 2 ? "ada" : "bob", i % 5 ? "key.used" : "key.created", object, NULL, &e), &e);
		mem_free(object);
	}
	rows = store_audit(f->store, &(struct audit_query){.limit = 15}, &e);
	assert_int_equal(json_array_size(rows), 15);
	for (int i = 0; i < 15; i++)
		assert_int_equal(json_int(json_array_get(rows, (size_t)i), "seq", 0), 40 - i);
	assert_string_equal(json_str(json_array_get(rows, 0), "who"), "ada");
	assert_string_equal(json_str(json_get(json_array_get(rows, 0), "detail"), "from"), "127.0.0.1");
	middle = json_int(json_array_get(rows, 14), "at", 0);
	json_decref(rows);
	rows = store_audit(f->store, &(struct audit_query){.before = 26, .limit = 100}, &e);
	assert_int_equal(json_array_size(rows), 25);
	assert_int_equal(json_int(json_array_get(rows, 0), "seq", 0), 25);
	json_decref(rows);
	assert_int_equal(count(f, (struct audit_query){.who = "ada"}), 20);
	assert_int_equal(count(f, (struct audit_query){.what = "key.created"}), 8);
	assert_int_equal(count(f, (struct audit_query){.object = "key/3", .who = "ada"}), 10);
	assert_int_equal(count(f, (struct audit_query){.object = "key/3", .who = "bob"}), 0);
	assert_int_equal(count(f, (struct audit_query){.who = "ada' OR '1'='1"}), 0);
	assert_int_equal(
		count(f, (struct audit_query){.from = middle}) + count(f, (struct audit_query){.until = middle}), 40);
	assert_true(count(f, (struct audit_query){.from = middle}) >= 15);
	assert_int_equal(count(f, (struct audit_query){.who = "ada", .before = 21, .from = 1}), 10);
	must(store_rebuild(f->store, &e), &e);
	assert_int_equal(count(f, (struct audit_query){.who = "ada"}), 20);
	verify_fine(f);
}

/* Who asks need not know where the stream ends: several may write to it. */
static void records_go_to_the_end(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct audit a = {.who = "system", .what = "x"};

	for (int i = 0; i < 100; i++)
		must(store_record(f->store, &a, NULL, NULL, &e), &e);
	must(append_one(f, "run/other", APPEND_AT_END, EVENT_FLOW_LOG, "{}", &e), &e);
	must(append_one(f, "run/other", 2, EVENT_FLOW_LOG, "{}", &e), &e);
	must(store_record_wait(f->store, &a, &e), &e);
	assert_int_equal(store_head(f->store, "house", &e), 101);
	assert_int_equal(store_head(f->store, "run/other", &e), 2);
	assert_int_equal(count(f, (struct audit_query){.what = "x"}), 101);
	verify_fine(f);
	if (f->memory)
		return;
	fixture_close(f);
	fixture_open(f);
	assert_int_equal(count(f, (struct audit_query){.what = "x"}), 101);
	assert_int_equal(sql_int(f, "SELECT count(*) FROM audit"), 101);
}

int main(void)
{
#define both(t)                                                                                                        \
	cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end),                                                 \
		cmocka_unit_test_setup_teardown(t, fixture_memory, fixture_end)
	const struct CMUnitTest tests[] = {
		both(the_last_value_stays),
		both(what_cannot_be_kept_is_not_journaled),
		both(who_did_what_is_found),
		both(records_go_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
