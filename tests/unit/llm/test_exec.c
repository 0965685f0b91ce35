/* exec: a program as a model, with every way it can end. The programs are shell scripts made here. */
#include "llm_test.h"

#include <sys/stat.h>

static struct loop *loop;
static struct llm *l;
static char dir[] = "/tmp/muster-exec-XXXXXX";
static char program[64], name[80];

static void write_program(const char *body)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(64 * KIB);

	buf_addf(&b, "#!/bin/sh\n%s\n", body);
	must(fs_replace(program, buf_span(&b), 0700, &e), &e);
	buf_release(&b);
}

static void prepare(struct asked *a, struct llm_message **m, size_t n)
{
	struct err e = ERR_INIT;

	asked_init(a, loop);
	if (llm_resolve(l, name, &a->model, 1, &e) != 1)
		fail_msg("%s", e.text);
	a->call.messages = m;
	a->call.message_count = n;
}

static void expect(const char *body, enum err_code code, const char *part)
{
	struct llm_message *m = user("x");
	struct asked a;

	write_program(body);
	prepare(&a, &m, 1);
	asked_run(&a, l);
	if (a.why.code != code)
		fail_msg("%s: %s %s", body, err_name(a.why.code), a.why.text);
	if (code == ERR_OK)
		assert_string_equal(a.call.text, part);
	else if (!strstr(a.why.text, part))
		fail_msg("%s: \"%s\"", body, a.why.text);
	asked_release(&a);
	llm_message_unref(m);
}

static void test_answers(void **state)
{
	(void)state;
	expect("cat >/dev/null; echo '{\"reply\":{\"text\":\"hello\"}}'", ERR_OK, "hello");
	expect("echo '{\"reply\":{\"text\":\"unread\"}}'", ERR_OK, "unread");
	expect("printf '{\"reply\":'; sleep 0.05; printf '{\"text\":\"slow\"}}'", ERR_OK, "slow");
	expect("echo '{\"reply\":{\"text\":\"kept open\"}}'; sleep 5 & exit 0", ERR_OK, "kept open");
	expect("cat >/dev/null; echo '{\"error\":{\"status\":429,\"message\":\"easy\"}}'", ERR_RATE_LIMITED, "easy");
	expect("cat >/dev/null", ERR_MODEL_REPLY, "no answer");
	expect("cat >/dev/null; echo '{\"reply\":'", ERR_MODEL_REPLY, "not valid JSON");
	expect("cat >/dev/null; echo '{\"answer\":1}'", ERR_MODEL_REPLY, "neither");
	expect("echo 'no \033[31mmodel' >&2; exit 3", ERR_MODEL, "status 3: no \\x1b[31mmodel");
	expect("kill -9 $$", ERR_MODEL, "signal 9");
	expect("yes 0123456789012345678901234567890123456789012345678901234567890", ERR_TOO_LARGE, "");
}

/* The request is what the contract says. */
static void test_request(void **state)
{
	struct err e = ERR_INIT;
	struct llm_tool_call *calls = mem_calloc(1, sizeof *calls);
	struct llm_message *m[3];
	struct buf got = BUF_INIT(1 * MIB), body = BUF_INIT(1 * KIB);
	cleanup_json json_t *tools = json_pack("[{s:s, s:s, s:{s:s}}]", "name", "shell", "description", "run", "schema",
				    "type", "object"),
			    *schema = json_pack("{s:s}", "type", "object");
	static const char expected[] =
		"{\"v\":1,\"run\":\"r1\",\"role\":\"coder\",\"agent\":\"0.1\",\"turn\":3,\"system\":\"be "
		"\\\"good\\\"\","
		"\"messages\":[{\"role\":\"user\",\"content\":\"do it\"},{\"role\":\"assistant\",\"content\":\"\","
		"\"tool_calls\":[{\"id\":\"c1_0\",\"name\":\"shell\",\"arguments\":{\"command\":\"ls\"}}]},"
		"{\"role\":\"tool\",\"content\":\"a\\nb\",\"tool_call_id\":\"c1_0\",\"name\":\"shell\","
		"\"status\":\"ok\"}],\"tools\":[{\"description\":\"run\",\"name\":\"shell\",\"schema\":"
		"{\"type\":\"object\"}}],\"output_schema\":{\"type\":\"object\"},\"temperature\":0.5,"
		"\"max_tokens\":100}\n";
	struct asked a;
	char file[80];

	(void)state;
	snprintf(file, sizeof file, "%s/request", dir);
	buf_addf(&body, "cat >%s; echo '{\"reply\":{}}'", file);
	write_program(body.data);
	calls[0] = (struct llm_tool_call){.id = mem_strdup("c1_0"),
		.name = mem_strdup("shell"),
		.arguments = json_pack("{s:s}", "command", "ls")};
	m[0] = user("do it");
	m[1] = llm_message_calls(SPAN_NONE, calls, 1, &e);
	m[2] = llm_message_result("c1_0", "shell", "ok", span_of("a\nb"), &e);
	prepare(&a, m, 3);
	a.call.system = span_of("be \"good\"");
	a.call.tools = tools;
	a.call.output_schema = schema;
	a.call.temperature = 0.5;
	a.call.max_tokens = 100;
	asked_run(&a, l);
	assert_int_equal(a.why.code, ERR_OK);
	must(fs_read(file, &got, &e), &e);
	assert_string_equal(got.data, expected);
	asked_release(&a);
	for (int i = 0; i < 3; i++)
		llm_message_unref(m[i]);
	buf_release(&got);
	buf_release(&body);
}

/* A request far larger than a pipe is read at the program's pace. */
static void test_large_request(void **state)
{
	struct buf text = BUF_INIT(8 * MIB);
	struct llm_message *m;
	struct asked a;

	(void)state;
	for (int i = 0; i < 500000; i++)
		buf_adds(&text, "0123456789");
	m = user(text.data);
	write_program("n=$(wc -c); echo \"{\\\"reply\\\":{\\\"text\\\":\\\"$n\\\"}}\"");
	prepare(&a, &m, 1);
	asked_run(&a, l);
	assert_int_equal(a.why.code, ERR_OK);
	assert_true(strtol(a.call.text, NULL, 10) > 5000000);
	asked_release(&a);
	llm_message_unref(m);
	buf_release(&text);
}

static void test_stopped(void **state)
{
	struct err e = ERR_INIT;
	struct llm_message *m = user("x");
	struct asked a;

	(void)state;
	write_program("sleep 60");
	prepare(&a, &m, 1);
	a.call.total_ms = 50;
	asked_run(&a, l);
	assert_int_equal(a.why.code, ERR_TIMEOUT);
	asked_release(&a);

	prepare(&a, &m, 1);
	must(llm_call_start(&a.call, l, &e), &e);
	llm_call_cancel(&a.call);
	llm_call_cancel(&a.call);
	assert_int_equal(a.done, 0);
	must(loop_run(loop, &e), &e);
	assert_int_equal(a.done, 1);
	assert_int_equal(a.why.code, ERR_CANCELLED);
	asked_release(&a);
	llm_message_unref(m);
}

static void test_no_program(void **state)
{
	struct err e = ERR_INIT;
	struct llm_message *m = user("x");
	struct asked a;

	(void)state;
	asked_init(&a, loop);
	assert_int_equal(llm_resolve(l, "exec:/nowhere/model", &a.model, 1, &e), 1);
	a.call.messages = &m;
	a.call.message_count = 1;
	assert_int_equal(llm_call_start(&a.call, l, &e), -1);
	assert_int_equal(e.code, ERR_SPAWN);
	assert_int_equal(llm_resolve(l, "exec:", &a.model, 1, &e), -1);
	asked_release(&a);
	llm_message_unref(m);
}

/* Every call that can fail fails once: a clean end, nothing left over. */
static void test_faults(void **state)
{
	struct llm_message *m = user("x");
	bool done = false;

	(void)state;
	write_program("cat >/dev/null; echo '{\"reply\":{\"text\":\"t\",\"tool_calls\":[{\"name\":\"a\"}]}}'");
	for (uint64_t n = 1; n < 400 && !done; n++) {
		struct err e = ERR_INIT;
		struct asked a;
		uint64_t seen;
		prepare(&a, &m, 1);
		fault_arm(FAULT_KINDS, n, false);
		if (llm_call_start(&a.call, l, &e) == 0)
			loop_run(loop, NULL);
		seen = fault_seen();
		fault_disarm();
		done = seen < n;
		if (done)
			assert_int_equal(a.why.code, ERR_OK);
		asked_release(&a);
	}
	assert_true(done);
	llm_message_unref(m);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_large_request),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_faults),
	};
	struct llm_options o = {.allow_local = true};
	struct err e = ERR_INIT;
	int rc;

	json_setup();
	if (crypt_setup(&e) || !mkdtemp(dir) || !(loop = loop_new(&e)))
		return 1;
	o.loop = loop;
	l = llm_new(&o, &e);
	snprintf(program, sizeof program, "%s/model", dir);
	snprintf(name, sizeof name, "exec:%s", program);
	rc = l ? cmocka_run_group_tests(all, NULL, NULL) : 1;
	llm_free(l);
	loop_free(loop);
	fs_remove_tree(dir, NULL);
	return rc;
}
