#include "api/drafts.h"

#include <string.h>

#include "base/mem.h"
#include "unit.h"

#define RUN "run/01a200c8-d432-76f5-b3f8-b9034a7474e4"
#define OTHER "run/01a200c8-d432-76f5-b3f8-b9034a747400"

static struct loop *loop;
static struct store *store;
static struct drafts *drafts;

static int setup(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	struct store_options o = {.access = STORE_OWN, .chain_key = (const uint8_t[KEY_SIZE]){0}};
	loop = loop_new_sim(1, 1, &e);
	store = loop ? store_open(loop, &o, &e) : NULL;
	drafts = store ? drafts_new(store, &e) : NULL;
	must(drafts ? 0 : -1, &e);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	drafts_free(drafts);
	store_close(store);
	loop_free(loop);
	return 0;
}

static void show(const char *stream, enum event_type type, int64_t seq, const char *data)
{
	struct event ev = {.seq = seq, .type = type, .v = 1, .data = blob_new(data, strlen(data))};
	store_show(store, stream, &ev);
	event_release(&ev);
}

static int add_line(void *ctx, const struct event *ev)
{
	buf_addf(ctx, "%s %.*s\n", event_kinds[ev->type].type, (int)ev->data->size, ev->data->data);
	return 0;
}

static void open_ones_are(const char *stream, const char *wanted)
{
	cleanup_buf struct buf out = BUF_INIT(1 << 20);
	drafts_each(drafts, stream, add_line, &out);
	assert_string_equal(out.data ? out.data : "", wanted);
}

static void pieces_add_up_until_the_durable_event(void **state)
{
	(void)state;
	show(RUN, EVENT_MESSAGE_DELTA, 0, "{\"agent\":\"0\",\"offset\":0,\"text\":\"Hel\",\"turn\":1}");
	show(RUN, EVENT_MESSAGE_DELTA, 0, "{\"agent\":\"0\",\"offset\":3,\"text\":\"lo\",\"turn\":1}");
	show(RUN, EVENT_TOOL_OUTPUT, 0, "{\"agent\":\"0.1\",\"call\":\"c1\",\"offset\":0,\"text\":\"x\"}");
	show(OTHER, EVENT_MESSAGE_DELTA, 0, "{\"agent\":\"0\",\"offset\":0,\"text\":\"other\",\"turn\":1}");
	open_ones_are(RUN, "message.delta {\"agent\":\"0\",\"offset\":0,\"text\":\"Hello\",\"turn\":1}\n"
			   "tool.output {\"agent\":\"0.1\",\"call\":\"c1\",\"offset\":0,\"text\":\"x\"}\n");
	show(RUN, EVENT_ANSWER_DELTA, 0, "{\"agent\":\"0\",\"offset\":0,\"text\":\"It is\",\"turn\":1}");
	show(RUN, EVENT_MODEL_ANSWERED, 7, "{\"agent\":\"0\",\"turn\":1}");
	open_ones_are(RUN, "tool.output {\"agent\":\"0.1\",\"call\":\"c1\",\"offset\":0,\"text\":\"x\"}\n");
	show(RUN, EVENT_TOOL_FINISHED, 8, "{\"agent\":\"0.1\",\"call\":\"c1\"}");
	open_ones_are(RUN, "");
	open_ones_are(OTHER, "message.delta {\"agent\":\"0\",\"offset\":0,\"text\":\"other\",\"turn\":1}\n");
}

static void a_failed_answer_is_forgotten_with_its_files(void **state)
{
	(void)state;
	show(RUN, EVENT_MESSAGE_DELTA, 0, "{\"agent\":\"0\",\"offset\":0,\"text\":\"a\",\"turn\":1}");
	show(RUN, EVENT_FILE_STREAM, 0, "{\"agent\":\"0\",\"offset\":0,\"path\":\"a.c\",\"text\":\"int\"}");
	show(RUN, EVENT_FILE_STREAM, 0, "{\"agent\":\"1\",\"offset\":0,\"path\":\"b.c\",\"text\":\"int\"}");
	show(RUN, EVENT_MODEL_FAILED, 7, "{\"agent\":\"0\",\"turn\":1}");
	open_ones_are(RUN, "file.stream {\"agent\":\"1\",\"offset\":0,\"path\":\"b.c\",\"text\":\"int\"}\n");
	show(RUN, EVENT_RUN_COMPLETED, 8, "{}");
	open_ones_are(RUN, "");
}

static void a_gap_begins_anew(void **state)
{
	(void)state;
	show(RUN, EVENT_MESSAGE_DELTA, 0, "{\"agent\":\"0\",\"offset\":0,\"text\":\"ab\",\"turn\":1}");
	show(RUN, EVENT_MESSAGE_DELTA, 0, "{\"agent\":\"0\",\"offset\":5,\"text\":\"f\",\"turn\":1}");
	open_ones_are(RUN, "message.delta {\"agent\":\"0\",\"offset\":5,\"text\":\"f\",\"turn\":1}\n");
}

static void memory_is_capped(void **state)
{
	(void)state;
	char data[1200], text[1001];
	memset(text, 'x', 1000);
	text[1000] = '\0';
	for (int64_t at = 0; at < 1000; at++) {
		snprintf(data, sizeof(data), "{\"agent\":\"0\",\"offset\":%d,\"text\":\"%s\",\"turn\":1}",
			(int)at * 1000, text);
		show(RUN, EVENT_MESSAGE_DELTA, 0, data);
	}
	cleanup_buf struct buf out = BUF_INIT(1 << 20);
	drafts_each(drafts, RUN, add_line, &out);
	assert_true(out.len > 1000 && out.len < 300000);
	assert_non_null(strstr(out.data, "\"offset\":786000,")); /* 262 pieces fit into 256 KiB */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(pieces_add_up_until_the_durable_event, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_answer_is_forgotten_with_its_files, setup, teardown),
		cmocka_unit_test_setup_teardown(a_gap_begins_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_is_capped, setup, teardown),
	};
	struct err e = ERR_INIT;
	json_setup();
	must(crypt_setup(&e), &e);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
