/* script and recorder: docs/contracts.md, "Models: exec and script". */
#include "llm_test.h"

#include "llm/script.h"

static struct loop *loop;
static char dir[] = "/tmp/muster-script-XXXXXX";
static char file[64], name[128];

static void write_script(const char *text)
{
	struct err e = ERR_INIT;

	must(fs_replace(file, span_of(text), 0600, &e), &e);
}

static struct llm *open_llm(void)
{
	struct llm_options o = {.loop = loop, .allow_local = true};
	struct err e = ERR_INIT;
	struct llm *l = llm_new(&o, &e);

	if (!l)
		fail_msg("%s", e.text);
	return l;
}

/* Ask with these keys; returns the call's state for checks. */
static void ask(
	struct asked *a, struct llm *l, const char *role, const char *agent, int turn, struct llm_message **m, size_t n)
{
	struct err e = ERR_INIT;

	asked_init(a, loop);
	if (llm_resolve(l, name, &a->model, 1, &e) != 1)
		fail_msg("%s", e.text);
	a->call.role = role;
	a->call.agent = agent;
	a->call.turn = turn;
	a->call.messages = m;
	a->call.message_count = n;
	asked_run(a, l);
}

static void expect(
	struct llm *l, const char *role, const char *agent, int turn, const char *last, const char *text, int64_t line)
{
	struct llm_message *m = user(last);
	struct asked a;

	ask(&a, l, role, agent, turn, &m, 1);
	if (!text) {
		assert_int_equal(a.why.code, ERR_SCRIPT_EXHAUSTED);
	} else {
		if (a.why.code != ERR_OK)
			fail_msg("%s", a.why.text);
		assert_string_equal(a.call.text, text);
		assert_string_equal(a.streamed.data, text);
		assert_int_equal(a.call.line, line);
	}
	asked_release(&a);
	llm_message_unref(m);
}

static void test_matching(void **state)
{
	struct llm *l;

	(void)state;
	write_script("{\"recording\":{\"v\":1,\"mode\":\"demo\",\"model\":\"anthropic:x\"}}\n"
		     "{\"match\":{\"role\":\"planner\"},\"reply\":{\"text\":\"plan\"}}\n"
		     "\n"
		     "{\"match\":{\"role\":\"coder\",\"agent\":\"0.2\"},\"reply\":{\"text\":\"two\"}}\n"
		     "{\"match\":{\"turn\":7},\"reply\":{\"text\":\"seven\"}}\n"
		     "{\"match\":{\"contains\":\"needle\"},\"reply\":{\"text\":\"found\"}}\n"
		     "{\"match\":{\"role\":\"coder\"},\"reply\":{\"text\":\"first\"}}\n"
		     "{\"reply\":{\"text\":\"second\"}}\n"
		     "{\"match\":{\"agent\":\"9\"},\"reply\":{\"text\":\"again\"},\"repeat\":true}\n");
	l = open_llm();
	assert_string_equal(json_str(llm_script_header(l, file, NULL), "mode"), "demo");
	expect(l, "coder", "0.1", 1, "x", "first", 7);
	expect(l, "coder", "0.2", 1, "x", "two", 4);
	expect(l, "other", "0.3", 7, "x", "seven", 5);
	expect(l, "other", "0.3", 1, "hay needle hay", "found", 6);
	expect(l, "coder", "0.1", 1, "needle", "second", 8);
	expect(l, "coder", "0.1", 2, "x", NULL, 0);
	expect(l, "planner", "0", 1, "x", "plan", 2);
	for (int i = 0; i < 3; i++)
		expect(l, "any", "9", i, "x", "again", 9);
	llm_free(l);
}

static void test_exhausted_says_who(void **state)
{
	struct llm_message *m = user("x");
	struct asked a;
	struct llm *l;

	(void)state;
	write_script("{\"match\":{\"role\":\"planner\"},\"reply\":{\"text\":\"plan\"}}\n");
	l = open_llm();
	ask(&a, l, "coder", "0.4", 12, &m, 1);
	assert_int_equal(a.why.code, ERR_SCRIPT_EXHAUSTED);
	assert_non_null(strstr(a.why.text, "role coder, agent 0.4, turn 12"));
	asked_release(&a);
	llm_message_unref(m);
	llm_free(l);
}

static void test_status(void **state)
{
	struct err e = ERR_INIT;
	struct llm_message *m[5];
	struct asked a;
	struct llm *l;

	(void)state;
	write_script("{\"match\":{\"status\":\"denied\"},\"reply\":{\"text\":\"denied\"}}\n"
		     "{\"match\":{\"status\":\"error\"},\"reply\":{\"text\":\"error\"}}\n");
	l = open_llm();
	m[0] = user("go");
	m[1] = llm_message_result("c0_0", "shell", "denied", span_of("no"), &e); /* of an older answer */
	m[2] = llm_message_text(LLM_ASSISTANT, span_of("hm"), &e);
	m[3] = llm_message_result("c1_0", "shell", "error", span_of("1"), &e);
	m[4] = llm_message_result("c1_1", "shell", "ok", span_of("0"), &e);
	ask(&a, l, "r", "0", 1, m, 5);
	assert_string_equal(a.call.text, "error");
	asked_release(&a);
	for (int i = 0; i < 5; i++)
		llm_message_unref(m[i]);
	llm_free(l);
}

static void test_reply_members(void **state)
{
	struct llm_message *m = user("x");
	struct asked a;
	struct llm *l;

	(void)state;
	write_script(
		"{\"reply\":{\"text\":\"t\",\"tool_calls\":[{\"name\":\"shell\",\"arguments\":{\"command\":\"ls\"}},"
		"{\"name\":\"note\",\"arguments\":\"{bad\"},{\"name\":\"wait\"},"
		"{\"name\":\"wait\",\"arguments\":\"\"}],"
		"\"usage\":{\"input\":10,\"output\":5,\"cached\":4},\"model\":\"m-1\"}}\n"
		"{\"reply\":{\"text\":\"cut\",\"stop\":\"length\"}}\n");
	l = open_llm();
	ask(&a, l, "r", "0", 4, &m, 1);
	assert_int_equal(a.call.stop, LLM_STOP_TOOLS);
	assert_int_equal(a.call.call_count, 4);
	assert_string_equal(a.call.calls[0].id, "c4_0");
	assert_string_equal(a.call.calls[0].name, "shell");
	assert_string_equal(json_str(a.call.calls[0].arguments, "command"), "ls");
	assert_null(a.call.calls[1].arguments);
	assert_string_equal(a.call.calls[1].bad, "{bad");
	assert_int_equal(json_object_size(a.call.calls[2].arguments), 0);
	assert_true(json_is_object(a.call.calls[3].arguments)); /* as servers write none at all */
	assert_string_equal(a.arguments.data, "[0:shell]{\"command\":\"ls\"}[1:note]{bad[2:wait]{}[3:wait]{}");
	assert_int_equal(a.call.usage.input, 10);
	assert_int_equal(a.call.usage.cached, 4);
	assert_false(a.call.usage.estimated);
	assert_string_equal(a.call.answered_by, "m-1");
	asked_release(&a);
	ask(&a, l, "r", "0", 5, &m, 1);
	assert_int_equal(a.call.stop, LLM_STOP_LENGTH);
	assert_true(a.call.usage.estimated);
	assert_true(a.call.usage.input > 0 && a.call.usage.output > 0);
	asked_release(&a);
	llm_message_unref(m);
	llm_free(l);
}

static void test_errors(void **state)
{
	static const struct {
		const char *line;
		enum err_code code;
		int64_t retry_ms;
		const char *streamed;
	} cases[] = {
		{"{\"error\":{\"status\":429,\"retry_after\":1.5,\"message\":\"slow\"}}", ERR_RATE_LIMITED, 1500, ""},
		{"{\"error\":{\"status\":529}}", ERR_OVERLOADED, -1, ""},
		{"{\"error\":{\"status\":400,\"message\":\"prompt is too long: 9 tokens\"}}", ERR_TOO_LARGE, -1, ""},
		{"{\"error\":{\"status\":401,\"message\":\"bad key\"}}", ERR_MODEL, -1, ""},
		{"{\"error\":{\"message\":\"gone\"}}", ERR_NETWORK, -1, ""},
		{"{\"error\":{\"cut_after_bytes\":3}}", ERR_MODEL_REPLY, -1, ""},
		{"{\"reply\":{\"text\":\"h\xC3\xA9llo\",\"tool_calls\":[{\"name\":\"shell\"}]},"
		 "\"error\":{\"cut_after_bytes\":2}}",
			ERR_MODEL_REPLY, -1, "h"},
		{"{\"error\":{\"code\":\"timeout\"}}", ERR_TIMEOUT, -1, ""},
	};
	struct llm_message *m = user("x");

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct asked a;
		struct llm *l;
		write_script(cases[i].line);
		l = open_llm();
		ask(&a, l, "r", "0", 1, &m, 1);
		if (a.why.code != cases[i].code)
			fail_msg("%s: %s %s", cases[i].line, err_name(a.why.code), a.why.text);
		assert_int_equal(a.call.retry_ms, cases[i].retry_ms);
		assert_true(span_is(buf_span(&a.streamed), cases[i].streamed));
		assert_int_equal(a.call.call_count, 0);
		assert_null(a.call.text);
		asked_release(&a);
		llm_free(l);
	}
	llm_message_unref(m);
}

static void test_refused(void **state)
{
	static const char *const cases[][2] = {
		{"{\"match\":{},\"replay\":{}}", ":1: a line has no member \"replay\"; did you mean \"reply\"?"},
		{"{\"reply\":{}}\n{\"match\":{\"rôle\":\"x\"},\"reply\":{}}", ":2: a match has no member"},
		{"{\"match\":{\"turn\":\"1\"},\"reply\":{}}", "\"turn\" of a match must be an integer"},
		{"{\"match\":{\"action\":\"gate\"},\"reply\":{}}", "an answer is text"},
		{"{\"answer\":\"yes\"}", "its match names the action"},
		{"{\"reply\":{\"txt\":\"x\"}}", ":1: a reply has no member \"txt\"; did you mean \"text\"?"},
		{"{\"reply\":{\"text\":1}}", "are texts"},
		{"{\"reply\":{\"tool_calls\":[{\"arguments\":{}}]}}", "tool call 1 has no name"},
		{"{\"reply\":{\"stop\":\"now\"}}", "stop is end, tools, length or refusal"},
		{"{\"reply\":{},\"error\":{\"status\":1}}", "needs cut_after_bytes"},
		{"{\"error\":{\"code\":\"nonsense\"}}", "there is no error code"},
		{"{\"match\":{}}", "neither \"reply\" nor \"error\""},
		{"{\"reply\":{}}\n{\"recording\":{}}", ":2: \"recording\" stands alone"},
		{"{\"recording\":{\"v\":2}}", "newer version"},
		{"{\"reply\":{}}\n{\"reply\":", ":2: "},
		{"[]", "a line must be an object"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err e = ERR_INIT;
		struct script *s = script_parse(span_of(cases[i][0]), "s.jsonl", &e);
		if (s)
			fail_msg("accepted: %s", cases[i][0]);
		if (!strstr(e.text, "s.jsonl") || !strstr(e.text, cases[i][1]))
			fail_msg("%s: \"%s\"", cases[i][0], e.text);
	}
}

static void test_answers_and_resume(void **state)
{
	struct err e = ERR_INIT;
	char *answer;
	int64_t line;
	struct llm *l;

	(void)state;
	write_script("{\"match\":{\"action\":\"design\"},\"answer\":\"approve\"}\n"
		     "{\"match\":{\"action\":\"design\"},\"answer\":\"revise\"}\n"
		     "{\"reply\":{\"text\":\"a\"}}\n"
		     "{\"reply\":{\"text\":\"b\"}}\n");
	l = open_llm();
	assert_int_equal(llm_script_answer(l, file, "other", &answer, &line, &e), 0);
	assert_int_equal(llm_script_answer(l, name, "design", &answer, &line, &e), 1);
	assert_string_equal(answer, "approve");
	assert_int_equal(line, 1);
	mem_free(answer);
	assert_int_equal(llm_script_answer(l, file, "design", &answer, &line, &e), 1);
	assert_string_equal(answer, "revise");
	mem_free(answer);
	assert_int_equal(llm_script_answer(l, file, "design", &answer, &line, &e), 0);
	llm_free(l);

	l = open_llm(); /* after a restart: line 3 is used */
	must(llm_script_used(l, file, 3, &e), &e);
	assert_int_equal(llm_script_used(l, file, 99, &e), -1);
	expect(l, "r", "0", 1, "x", "b", 4);
	llm_free(l);
}

/* Two runs of one script in one process do not take each other's lines; the process's marks hold for all. */
static void test_plays(void **state)
{
	struct err e = ERR_INIT;
	struct llm_message *m = user("x");
	struct llm *l;

	(void)state;
	write_script("{\"reply\":{\"text\":\"a\"}}\n{\"reply\":{\"text\":\"b\"}}\n{\"reply\":{\"text\":\"c\"}}\n");
	l = open_llm();
	must(llm_script_used_in(l, file, "run2", 1, &e), &e);
	for (int i = 0; i < 4; i++) {
		static const char *const plays[] = {"run1", "run2", "run1", "run2"};
		static const char *const texts[] = {"a", "b", "b", "c"};
		struct asked a;
		asked_init(&a, loop);
		assert_int_equal(llm_resolve(l, name, &a.model, 1, &e), 1);
		a.call.play = plays[i];
		a.call.messages = &m;
		a.call.message_count = 1;
		asked_run(&a, l);
		assert_string_equal(a.call.text, texts[i]);
		asked_release(&a);
	}
	llm_script_forget(l, "run1");
	must(llm_script_used(l, file, 2, &e), &e);
	for (int i = 0; i < 2; i++) {
		struct asked a;
		asked_init(&a, loop);
		assert_int_equal(llm_resolve(l, name, &a.model, 1, &e), 1);
		a.call.play = "run1";
		a.call.messages = &m;
		a.call.message_count = 1;
		asked_run(&a, l);
		assert_string_equal(a.call.text, i ? "c" : "a");
		asked_release(&a);
	}
	llm_message_unref(m);
	llm_free(l);
}

static void test_cancel(void **state)
{
	struct err e = ERR_INIT;
	struct llm_message *m = user("x");
	struct asked a;
	struct llm *l;

	(void)state;
	write_script("{\"reply\":{\"text\":\"a\"}}\n");
	l = open_llm();
	asked_init(&a, loop);
	assert_int_equal(llm_resolve(l, name, &a.model, 1, &e), 1);
	a.call.messages = &m;
	a.call.message_count = 1;
	must(llm_call_start(&a.call, l, &e), &e);
	llm_call_cancel(&a.call);
	assert_int_equal(a.done, 0);
	must(loop_run(loop, &e), &e);
	assert_int_equal(a.why.code, ERR_CANCELLED);
	assert_int_equal(a.call.line, 0);
	asked_release(&a);
	expect(l, "r", "0", 1, "x", "a", 1); /* the line was given back */
	llm_free(l);

	l = open_llm();
	asked_init(&a, loop);
	assert_int_equal(llm_resolve(l, name, &a.model, 1, &e), 1);
	a.call.messages = &m;
	a.call.message_count = 1;
	a.cancel_on_text = true;
	asked_run(&a, l);
	assert_int_equal(a.why.code, ERR_CANCELLED);
	assert_null(a.call.text);
	asked_release(&a);
	llm_message_unref(m);
	llm_free(l);
}

/* What was recorded plays back as the same answers, failures and people's answers. */
static void test_recorder(void **state)
{
	struct err e = ERR_INIT, why = ERR_INIT;
	struct llm_message *m = user("x");
	struct recorder *r;
	struct asked a, b;
	struct llm *l;
	char out[80];
	cleanup_json json_t *header = json_pack(
		"{s:i, s:s, s:{s:f, s:f}}", "v", 1, "model", "anthropic:x", "prices", "input", 2.0, "output", 10.0);

	(void)state;
	snprintf(out, sizeof out, "%s/out.jsonl", dir);
	write_script("{\"reply\":{\"text\":\"t \xF0\x9F\x90\x9C\",\"tool_calls\":[{\"name\":\"shell\",\"arguments\":"
		     "{\"b\":[1,2.5],\"a\":null}},{\"name\":\"n\",\"arguments\":\"{bad\"}],"
		     "\"usage\":{\"input\":10,\"output\":5},\"model\":\"m-1\",\"stop\":\"tools\"}}\n");
	l = open_llm();
	ask(&a, l, "coder", "0.1", 3, &m, 1);
	r = recorder_open(out, header, &e);
	if (!r)
		fail_msg("%s", e.text);
	must(recorder_reply(r, &a.call, "abc", &e), &e);
	recorder_close(r);
	r = recorder_open(out, header, &e); /* appends, no second header */
	err_set(&why, ERR_RATE_LIMITED, "slow down");
	a.call.status = 429;
	a.call.retry_ms = 2500;
	must(recorder_failure(r, &a.call, &why, &e), &e);
	must(recorder_answer(r, "design", "approve", &e), &e);
	recorder_close(r);
	llm_free(l);

	snprintf(name, sizeof name, "script:%s", out);
	l = open_llm();
	ask(&b, l, "coder", "0.1", 3, &m, 1);
	assert_string_equal(b.call.text, a.call.text);
	assert_int_equal(b.call.call_count, 2);
	assert_true(json_equal(a.call.calls[0].arguments, b.call.calls[0].arguments));
	assert_string_equal(b.call.calls[1].bad, "{bad");
	assert_string_equal(b.call.answered_by, "m-1");
	assert_int_equal(b.call.usage.input, 10);
	assert_true(b.model.priced);
	assert_true(llm_cost(&b.model, &b.call.usage) > 69e-6 && llm_cost(&b.model, &b.call.usage) < 71e-6);
	asked_release(&b);
	ask(&b, l, "coder", "0.1", 3, &m, 1);
	assert_int_equal(b.why.code, ERR_RATE_LIMITED);
	assert_int_equal(b.call.status, 429);
	assert_int_equal(b.call.retry_ms, 2500);
	asked_release(&b);
	{
		char *answer;
		int64_t line;
		assert_int_equal(llm_script_answer(l, out, "design", &answer, &line, &e), 1);
		assert_string_equal(answer, "approve");
		assert_int_equal(line, 4);
		mem_free(answer);
	}
	llm_free(l);
	snprintf(name, sizeof name, "script:%s", file);

	/* A line that a crash cut is removed, the ones before it stay. */
	{
		struct buf text = BUF_INIT(1 * MIB);
		must(fs_read(out, &text, &e), &e);
		buf_adds(&text, "{\"match\":{\"ro");
		must(fs_replace(out, buf_span(&text), 0600, &e), &e);
		r = recorder_open(out, header, &e);
		must(recorder_answer(r, "again", "yes", &e), &e);
		recorder_close(r);
		buf_clear(&text);
		must(fs_read(out, &text, &e), &e);
		assert_non_null(strstr(text.data, "\"again\""));
		assert_null(strstr(text.data, "{\"match\":{\"ro{"));
		buf_release(&text);
	}
	asked_release(&a);
	llm_message_unref(m);
}

/* Two coders that began in another order than when they were recorded: each gets its own words. A prompt that was not
 * recorded is played by number. */
static void test_recorded_prompts(void **state)
{
	struct err e = ERR_INIT;
	struct script *s = script_parse(span_of("{\"match\":{\"role\":\"coder\",\"agent\":\"0\",\"turn\":1},\"reply\":{"
						"\"text\":\"a\"},\"prompt\":\"aa\"}\n"
						"{\"match\":{\"role\":\"coder\",\"agent\":\"1\",\"turn\":1},\"reply\":{"
						"\"text\":\"b\"},\"prompt\":\"bb\"}\n"
						"{\"match\":{\"role\":\"coder\",\"agent\":\"1\",\"turn\":2},\"reply\":{"
						"\"text\":\"b2\"},\"prompt\":\"bb\"}\n"),
		"s", &e);
	struct llm_call first = {.role = "coder", .agent = "0", .turn = 1, .prompt = "bb"};
	struct llm_call second = {.role = "coder", .agent = "1", .turn = 1, .prompt = "aa"};
	struct llm_call later = {.role = "coder", .agent = "0", .turn = 2, .prompt = "bb"};
	struct llm_call unknown = {.role = "coder", .agent = "1", .turn = 2, .prompt = "changed"};
	json_t *line;

	(void)state;
	assert_non_null(s);
	assert_int_equal(script_take(s, &first, &line, &e), 2);
	json_decref(line);
	assert_int_equal(script_take(s, &second, &line, &e), 1);
	json_decref(line);
	assert_int_equal(script_take(s, &later, &line, &e), 3);
	json_decref(line);
	script_give_back(s, NULL, 2); /* two that were told the same: each its own again */
	script_give_back(s, NULL, 3);
	struct llm_call same = {.role = "coder", .agent = "1", .turn = 1, .prompt = "bb"};
	assert_int_equal(script_take(s, &same, &line, &e), 2);
	json_decref(line);
	assert_int_equal(script_take(s, &unknown, &line, &e), 3);
	json_decref(line);
	assert_int_equal(script_take(s, &unknown, &line, &e), -1);
	assert_int_equal(e.code, ERR_SCRIPT_EXHAUSTED);
	assert_non_null(strstr(e.text, "have the prompts changed"));
	script_free(s);
}

/* Scripts play on a simulated loop, too. */
static void test_simulated(void **state)
{
	struct loop *real = loop;
	struct err e = ERR_INIT;
	struct llm *l;

	(void)state;
	loop = loop_new_sim(7, 1000000, &e);
	assert_non_null(loop);
	write_script("{\"reply\":{\"text\":\"a\"}}\n{\"reply\":{\"text\":\"b\"}}\n");
	l = open_llm();
	expect(l, "r", "0", 1, "x", "a", 1);
	expect(l, "r", "0", 2, "x", "b", 2);
	expect(l, "r", "0", 3, "x", NULL, 0);
	llm_free(l);
	loop_free(loop);
	loop = real;
}

static void test_memory(void **state)
{
	bool done = false;

	(void)state;
	for (uint64_t n = 1; n < 300 && !done; n++) {
		struct err e = ERR_INIT;
		struct script *s;
		fault_arm(FAULT_ALLOC, n, false);
		s = script_parse(
			span_of("{\"recording\":{\"v\":1}}\n{\"match\":{\"role\":\"a\",\"contains\":\"b\"},"
				"\"reply\":{\"text\":\"x\"}}\n{\"match\":{\"action\":\"c\"},\"answer\":\"d\"}"),
			"s", &e);
		fault_disarm();
		done = s != NULL;
		if (!s)
			assert_int_equal(e.code, ERR_NOMEM);
		script_free(s);
	}
	assert_true(done);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_matching),
		cmocka_unit_test(test_exhausted_says_who),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_reply_members),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_answers_and_resume),
		cmocka_unit_test(test_plays),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_recorder),
		cmocka_unit_test(test_recorded_prompts),
		cmocka_unit_test(test_simulated),
		cmocka_unit_test(test_memory),
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
