/* resolve, prices, tokens and messages: from names and variables to models. */
#include "llm_test.h"

#include <math.h>

#include "config/vault.h"

static struct loop *loop;
static const char *const variables[] = {"ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL",
	"DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL", "XAI_API_KEY", "XAI_BASE_URL", "OPENROUTER_API_KEY",
	"OPENROUTER_BASE_URL", "GEMINI_API_KEY", "GEMINI_BASE_URL", "OLLAMA_HOST", "OLLAMA_API_KEY", "MUSTER_MODEL_URL",
	"MUSTER_MODEL_KEY", "MUSTER_MODEL_NAME", NULL};

static int no_variables(void **state)
{
	(void)state;
	for (size_t i = 0; variables[i]; i++)
		unsetenv(variables[i]);
	return 0;
}

static struct llm *open_llm(const char *config)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *v = config ? json_parse(span_of(config), "config", &e) : NULL;
	struct llm_options o = {.loop = loop, .config = v};
	struct llm *l = llm_new(&o, &e);

	if (!l)
		fail_msg("%s", e.text);
	return l;
}

static void resolves(struct llm *l, const char *what, const char *names)
{
	struct err e = ERR_INIT;
	struct llm_model m[8];
	struct buf got = BUF_INIT(4 * KIB);
	int n = llm_resolve(l, what, m, 8, &e);

	if (n < 0)
		fail_msg("%s: %s", what, e.text);
	for (int i = 0; i < n; i++)
		buf_addf(&got, "%s%s", i ? " " : "", m[i].name);
	assert_string_equal(got.data, names);
	buf_release(&got);
}

static void fails(struct llm *l, const char *what, enum err_code code, const char *part)
{
	struct err e = ERR_INIT;
	struct llm_model m[8];

	assert_int_equal(llm_resolve(l, what, m, 8, &e), -1);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, part))
		fail_msg("\"%s\" does not say \"%s\"", e.text, part);
}

static void test_environment(void **state)
{
	struct llm *l = open_llm(NULL);

	(void)state;
	fails(l, "strong", ERR_NO_MODEL, "ANTHROPIC_API_KEY, OPENAI_API_KEY");
	fails(l, "strong", ERR_NO_MODEL, "muster demo");
	fails(l, "anthropic:claude-opus-5-5", ERR_NO_KEY, "ANTHROPIC_API_KEY");
	fails(l, "compatible:x", ERR_NO_MODEL, "MUSTER_MODEL_URL");
	fails(l, "stong", ERR_INVALID, "did you mean \"strong\"");
	fails(l, "claude-opus-5-5", ERR_INVALID, "did you mean anthropic:claude-opus-5-5?");
	fails(l, "antropic:x", ERR_NO_MODEL, "did you mean \"anthropic\"");
	fails(l, "script:/x", ERR_DENIED, "owner");
	fails(l, "exec:/x", ERR_DENIED, "owner");
	fails(l, "embed", ERR_NO_MODEL, "name one as classes/embed in config.yaml");
	fails(l, "vision", ERR_NO_MODEL,
		"set one of ANTHROPIC_API_KEY, OPENAI_API_KEY, XAI_API_KEY, or MUSTER_MODEL_URL");
	llm_free(l);

	setenv("OPENAI_API_KEY", "sk-test-1", 1);
	setenv("ANTHROPIC_API_KEY", "sk-test-2", 1);
	l = open_llm(NULL);
	resolves(l, "strong", "anthropic:claude-sonnet-5-5 openai:gpt-5.6-terra");
	resolves(l, "openai:anything", "openai:anything");
	resolves(l, "openai-responses:gpt-6", "openai-responses:gpt-6");
	fails(l, "openai:", ERR_INVALID, "names no model");
	llm_free(l);
	no_variables(NULL);

	setenv("MUSTER_MODEL_URL", "http://127.0.0.1:1/v1/", 1);
	l = open_llm(NULL);
	resolves(l, "fast", "compatible:default");
	resolves(l, "compatible:qwen", "compatible:qwen");
	llm_free(l);
	setenv("MUSTER_MODEL_NAME", "qwen-9", 1);
	l = open_llm(NULL);
	resolves(l, "fast", "compatible:qwen-9");
	llm_free(l);
}

static void test_ollama_host(void **state)
{
	static const char *const rows[][2] = {{"", "http://127.0.0.1:11434"}, {"box", "http://box:11434"},
		{"box:80", "http://box:80"}, {"0.0.0.0", "http://127.0.0.1:11434"},
		{"0.0.0.0:8080", "http://127.0.0.1:8080"}, {"https://box/", "https://box"},
		{"[::1]", "http://[::1]:11434"}, {"[::1]:80", "http://[::1]:80"}};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = ERR_INIT;
		json_t *p;
		size_t k;
		bool seen = false;
		setenv("OLLAMA_HOST", rows[i][0], 1);
		struct llm_options o = {.loop = loop};
		struct llm *l = llm_new(&o, &e);
		if (!l)
			fail_msg("%s: %s", rows[i][0], e.text);
		cleanup_json json_t *list = llm_providers(l, &e);
		json_array_foreach(list, k, p)
		{
			if (strcmp(json_str(p, "name"), "ollama") != 0)
				continue;
			seen = true;
			assert_string_equal(json_str(p, "base_url"), rows[i][1]);
			assert_true(json_bool(p, "ready", false)); /* without a key */
		}
		assert_true(seen);
		llm_free(l);
	}
	unsetenv("OLLAMA_HOST");
}

static void test_configuration(void **state)
{
	struct llm_model m;
	struct llm *l;

	(void)state;
	setenv("HOUSE_KEY", "secret-of-the-house", 1);
	l = open_llm(
		"{\"providers\":{\"house\":{\"base_url\":\"http://10.0.0.1/v1\",\"key\":\"$HOUSE_KEY\",\"profile\":"
		"\"vllm\"},\"prog\":{\"kind\":\"exec\",\"command\":[\"cat\",\"-\"]},\"anthropic\":{\"key\":\"k\"}},"
		"\"classes\":{\"fast\":\"house:small\",\"strong\":[\"openai:gpt-5\",\"house:big\",\"prog:x\"],"
		"\"vision\":[\"openai:gpt-5\"]},"
		"\"prices\":{\"house:big\":{\"input\":1,\"output\":2}},"
		"\"models\":{\"house:big\":{\"context\":32000,\"max_output\":4000}}}");
	resolves(l, "fast", "house:small");
	resolves(l, "strong", "house:big prog:x"); /* openai has no key */
	fails(l, "vision", ERR_NO_KEY, "OPENAI_API_KEY");
	resolves(l, "reasoning", "anthropic:claude-opus-5-5");
	assert_int_equal(llm_resolve(l, "house:big", &m, 1, NULL), 1);
	assert_true(m.priced && m.context == 32000 && m.max_output == 4000);
	assert_string_equal(m.price.source, "configuration");
	assert_int_equal(llm_resolve(l, "house:small", &m, 1, NULL), 1);
	assert_false(m.priced);
	llm_free(l);
	unsetenv("HOUSE_KEY");
}

static void test_wrong_configuration(void **state)
{
	static const char *const cases[][2] = {
		{"{\"providers\":{\"x\":{\"base_uri\":\"http://a\"}}}", "did you mean \"base_url\""},
		{"{\"providers\":{\"x\":{}}}", "base_url is missing"},
		{"{\"providers\":{\"x\":{\"kind\":\"antropic\"}}}", "did you mean anthropic"},
		{"{\"providers\":{\"x\":{\"base_url\":\"ftp://a\"}}}", "http:// or https://"},
		{"{\"providers\":{\"x\":{\"base_url\":\"http://a\",\"profile\":\"vlm\"}}}", "no profile \"vlm\""},
		{"{\"providers\":{\"x\":{\"base_url\":\"http://a\",\"key\":\"$NOT_SET_HERE\"}}}",
			"NOT_SET_HERE is not set"},
		{"{\"providers\":{\"x\":{\"kind\":\"exec\"}}}", "command is missing"},
		{"{\"providers\":{\"x\":{\"kind\":\"exec\",\"command\":[1]}}}", "every word must be text"},
		{"{\"providers\":{\"a:b\":{\"base_url\":\"http://a\"}}}", "no colon"},
		{"{\"classes\":{\"strog\":[]}}", "did you mean \"strong\""},
		{"{\"provider\":{}}", "did you mean \"providers\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct err e = ERR_INIT;
		cleanup_json json_t *v = json_parse(span_of(cases[i][0]), "config", &e);
		struct llm_options o = {.loop = loop, .config = v};
		assert_non_null(v);
		assert_null(llm_new(&o, &e));
		if (!strstr(e.text, cases[i][1]))
			fail_msg("%s: \"%s\"", cases[i][0], e.text);
	}
}

static void test_vault_keys(void **state)
{
	char dir[] = "/tmp/muster-resolve-XXXXXX";
	struct err e = ERR_INIT;
	struct llm_options o = {.loop = loop};
	struct vault *v;
	struct llm *l;

	(void)state;
	assert_non_null(mkdtemp(dir));
	v = vault_open(dir, true, &e);
	assert_non_null(v);
	must(vault_put(v, "anthropic", "vault-key-1", &e), &e);
	must(vault_put(v, "OPENAI_API_KEY", "vault-key-2", &e), &e);
	o.vault = v;
	l = llm_new(&o, &e);
	assert_non_null(l);
	resolves(l, "strong", "anthropic:claude-sonnet-5-5 openai:gpt-5.6-terra");
	llm_free(l);
	vault_close(v);
	fs_remove_tree(dir, NULL);
}

/* What is mistyped is told, not passed over. */
static void test_wrong_facts(void **state)
{
	static const struct {
		const char *config, *part;
	} cases[] = {
		{"{\"models\":{\"openai:gpt-5\":{\"contxt\":5}}}", "did you mean \"context\""},
		{"{\"models\":{\"openai:gpt-5\":{\"context\":\"big\"}}}", "context"},
		{"{\"models\":{\"openai:gpt-5\":{\"max_output\":-1}}}", "max_output"},
		{"{\"models\":{\"openai:gpt-5\":{\"context\":9000000000}}}", "context"},
		{"{\"models\":{\"openai:gpt-5\":{\"temperature\":1}}}", "temperature"},
		{"{\"models\":{\"openai:gpt-5\":7}}", "mapping"},
		{"{\"prices\":{\"openai:gpt-5\":{\"input\":1,\"output\":2,\"cashed\":1}}}", "did you mean \"cached\""},
		{"{\"prices\":{\"openai:gpt-5\":{\"input\":1,\"output\":2,\"cached\":\"1\"}}}", "cached"},
	};

	(void)state;
	setenv("OPENAI_API_KEY", "sk-test-1", 1);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct llm *l = open_llm(cases[i].config);
		fails(l, "openai:gpt-5", ERR_INVALID, cases[i].part);
		llm_free(l);
	}
}

static void test_prices(void **state)
{
	struct llm_usage u = {.input = 1000000, .output = 100000, .cached = 400000, .cache_write = 100000};
	struct llm_model m;
	struct llm *l;

	(void)state;
	setenv("ANTHROPIC_API_KEY", "sk-test-2", 1);
	l = open_llm(NULL);
	assert_int_equal(llm_resolve(l, "anthropic:claude-opus-5-5", &m, 1, NULL), 1);
	assert_true(m.priced);
	assert_int_equal(m.context, 1000000);
	assert_true(strlen(m.price.date) == 10 && strstr(m.price.source, "claude.com"));
	/* 0.5M at 4, 0.4M at 0.20, 0.1M at 5, 0.1M out at 20 */
	assert_true(fabs(llm_cost(&m, &u) - (2.0 + 0.08 + 0.5 + 2.0)) < 1e-9);
	setenv("OPENAI_API_KEY", "sk-test-1", 1);
	llm_free(l);
	l = open_llm(NULL); /* one model, one price, whatever API it is asked through */
	assert_int_equal(llm_resolve(l, "openai-responses:gpt-5.6-terra", &m, 1, NULL), 1);
	assert_true(m.priced && fabs(m.price.input - 2) < 1e-9);
	assert_int_equal(llm_resolve(l, "anthropic:claude-haiku-5-5", &m, 1, NULL), 1);
	u = (struct llm_usage){.input = 100000, .output = 1000};
	assert_true(fabs(llm_cost(&m, &u) - (0.01 + 0.0005)) < 1e-9);
	u.input = 100001; /* five times beyond 100,000 */
	assert_true(fabs(llm_cost(&m, &u) - (0.0500005 + 0.0025)) < 1e-9);
	assert_int_equal(llm_resolve(l, "anthropic:claude-haiku-4-5-20251001", &m, 1, NULL), 1);
	assert_true(m.priced);
	assert_int_equal(llm_resolve(l, "anthropic:claude-haiku-4-5-extra", &m, 1, NULL), 1);
	assert_false(m.priced);
	assert_true(fabs(llm_cost(&m, &u)) < 1e-12);
	llm_free(l);
}

static void test_prices_file(void **state)
{
	char path[] = "/tmp/muster-prices-XXXXXX";
	struct llm_options o = {.loop = loop, .prices_file = path};
	struct err e = ERR_INIT;
	struct llm_model m;
	struct llm *l;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	must(fs_write_fd(fd, span_of("{\"anthropic:new\":{\"input\":7,\"output\":8,\"date\":\"2027-01-01\"}}"), &e),
		&e);
	close(fd);
	setenv("ANTHROPIC_API_KEY", "sk-test-2", 1);
	l = llm_new(&o, &e);
	assert_non_null(l);
	assert_int_equal(llm_resolve(l, "anthropic:new", &m, 1, &e), 1);
	assert_true(m.priced);
	assert_string_equal(m.price.date, "2027-01-01");
	llm_free(l);
	unlink(path);
}

static void test_estimate(void **state)
{
	(void)state;
	assert_int_equal(llm_estimate(SPAN_NONE), 0);
	assert_int_equal(llm_estimate(span_of("a")), 1);
	assert_int_equal(llm_estimate(span_of("012345678901234567890123456789012345")), 10);
	assert_int_equal(llm_estimate(span_of("\xE4\xBD\xA0\xE5\xA5\xBD")), 2);
	assert_int_equal(llm_estimate(span_of("\xF0\x9F\x90\x9C")), 2);
}

static void test_messages(void **state)
{
	struct err e = ERR_INIT;
	struct llm_message *m = llm_message_text(LLM_USER, span_of("a\xFFz"), &e);
	bool done = false;

	(void)state;
	assert_string_equal(m->text, "a\xEF\xBF\xBDz");
	assert_true(m->tokens > 0);
	assert_ptr_equal(llm_message_ref(m), m);
	llm_message_unref(m);
	llm_message_unref(m);
	llm_message_unref(NULL);
	struct llm_tool_call *asked = mem_calloc(1, sizeof *asked);
	*asked = (struct llm_tool_call){
		.id = mem_strdup("i"), .name = mem_strdup("n"), .arguments = json_pack("{s:i}", "a", 1)};
	m = llm_message_calls(span_of(""), asked, 1, &e);
	assert_string_equal(llm_call_text(&m->calls[0]), "{\"a\":1}");
	assert_null(m->calls[0].arguments);
	llm_message_unref(m);
	for (uint64_t n = 1; n < 50 && !done; n++) {
		struct llm_tool_call *calls = mem_calloc(1, sizeof *calls);
		calls->id = mem_strdup("i");
		calls->name = mem_strdup("n");
		calls->arguments = json_pack("{s:s}", "a", "b");
		fault_arm(FAULT_ALLOC, n, false);
		m = llm_message_calls(span_of("t"), calls, 1, &e);
		fault_disarm();
		done = m != NULL;
		llm_message_unref(m);
	}
	assert_true(done);
	done = false;
	for (uint64_t n = 1; n < 50 && !done; n++) {
		fault_arm(FAULT_ALLOC, n, false);
		m = llm_message_result("i", "n", "ok", span_of("t"), &e);
		fault_disarm();
		done = m != NULL;
		llm_message_unref(m);
	}
	assert_true(done);
}

static void test_providers(void **state)
{
	struct err e = ERR_INIT;
	struct llm *l;
	json_t *list;

	(void)state;
	setenv("ANTHROPIC_API_KEY", "sk-canary-777", 1);
	l = open_llm(NULL);
	list = llm_providers(l, &e);
	assert_string_equal(json_str(json_array_get(list, 0), "name"), "anthropic");
	assert_true(json_bool(json_array_get(list, 0), "ready", false));
	assert_false(json_bool(json_array_get(list, 1), "ready", true));
	char *text = json_text(list);
	assert_null(strstr(text, "canary"));
	mem_free(text);
	json_decref(list);
	llm_free(l);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test_setup_teardown(test_environment, no_variables, no_variables),
		cmocka_unit_test_setup_teardown(test_ollama_host, no_variables, no_variables),
		cmocka_unit_test_setup_teardown(test_configuration, no_variables, no_variables),
		cmocka_unit_test_setup_teardown(test_wrong_configuration, no_variables, no_variables),
		cmocka_unit_test_setup_teardown(test_vault_keys, no_variables, no_variables),
		cmocka_unit_test_setup_teardown(test_wrong_facts, no_variables, no_variables),
		cmocka_unit_test_setup_teardown(test_prices, no_variables, no_variables),
		cmocka_unit_test_setup_teardown(test_prices_file, no_variables, no_variables),
		cmocka_unit_test(test_estimate),
		cmocka_unit_test(test_messages),
		cmocka_unit_test_setup_teardown(test_providers, no_variables, no_variables),
	};
	struct err e = ERR_INIT;
	int rc;

	json_setup();
	if (crypt_setup(&e) || !(loop = loop_new(&e)))
		return 1;
	rc = cmocka_run_group_tests(all, NULL, NULL);
	loop_free(loop);
	return rc;
}
