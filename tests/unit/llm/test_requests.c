/* What goes out for a request, byte by byte, in every dialect. */
#include "unit.h"

#include "base/blob.h"
#include "base/caps.h"
#include "base/mem.h"
#include "llm/dialect.h"
#include "llm/prices.h"

static struct llm_model model = {.max_output = 1000};
static struct llm_message *m[7];
static json_t *tools, *schema;
static struct llm_call c;

static struct llm_message *msg_calls(void)
{
	struct llm_tool_call *calls = mem_calloc(2, sizeof *calls);
	struct err e = ERR_INIT;

	calls[0] = (struct llm_tool_call){.id = mem_strdup("c1_0"),
		.name = mem_strdup("shell"),
		.arguments = json_pack("{s:s}", "command", "l\"s")};
	calls[1] =
		(struct llm_tool_call){.id = mem_strdup("c1.1"), .name = mem_strdup("wait"), .bad = mem_strdup("{x")};
	return llm_message_calls(SPAN_NONE, calls, 2, &e);
}

static void encodes(const struct dialect *d, const char *profile, unsigned flags, const char *expected)
{
	const struct profile *p = profile_named(d->profiles, profile);
	struct buf offer = BUF_INIT(1 * MIB), got = BUF_INIT(1 * MIB);
	struct err e = ERR_INIT;
	struct wire w;
	json_t *v;

	wire_init(&w);
	if (c.tools)
		must(encode_tools(d, c.tools, &offer, &e), &e);
	must(d->encode(&w, &c, "m-1", p, flags, c.tools ? buf_span(&offer) : SPAN_NONE, &e), &e);
	for (size_t i = 0; i < w.count; i++)
		buf_addspan(&got, w.pieces[i]);
	assert_int_equal(got.len, w.bytes);
	v = json_parse(buf_span(&got), "request", &e);
	if (!v)
		fail_msg("%s: %s", e.text, got.data);
	json_decref(v);
	assert_string_equal(got.data, expected);
	wire_release(&w);
	buf_release(&offer);
	buf_release(&got);
}

static int setup(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	m[0] = llm_message_text(LLM_USER, span_of("task"), &e);
	m[1] = msg_calls();
	m[2] = llm_message_text(LLM_USER, span_of("steer"), &e);
	m[3] = llm_message_result("c1_0", "shell", "ok", span_of("out"), &e);
	m[4] = llm_message_result("c1.1", "wait", "denied", SPAN_NONE, &e);
	m[5] = llm_message_text(LLM_ASSISTANT, span_of("ok"), &e);
	m[6] = llm_message_text(LLM_USER, span_of(" "), &e);
	tools = json_pack("[{s:s, s:s, s:{s:s}}]", "name", "shell", "description", "run", "schema", "type", "object");
	schema = json_pack("{s:s}", "type", "object");
	c = (struct llm_call){.model = &model, .messages = m, .message_count = 1, .temperature = 0.25};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < 7; i++)
		llm_message_unref(m[i]);
	json_decref(tools);
	json_decref(schema);
	return 0;
}

/* All of it, and a limit. */
static void whole(void)
{
	c.output_schema = schema; /* not asked for beside tools */
	c.tools = tools;
	c.system = span_of("be\nbrief");
	c.message_count = 7;
	c.max_tokens = 50;
}

static void with_schema(int max_tokens)
{
	c.output_schema = schema;
	c.max_tokens = max_tokens;
}

static void test_anthropic(void **state)
{
	(void)state;
	encodes(&dialect_anthropic, "anthropic", 0,
		"{\"model\":\"m-1\",\"max_tokens\":1000,\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":["
		"{\"type\":\"text\",\"text\":\"task\",\"cache_control\":{\"type\":\"ephemeral\"}}]}]}");
	whole();
	encodes(&dialect_anthropic, "anthropic", TEMPERATURE,
		"{\"model\":\"m-1\",\"max_tokens\":50,\"stream\":true,\"temperature\":0.25,\"system\":[{\"type\":"
		"\"text\","
		"\"text\":\"be\\nbrief\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"tools\":[{\"name\":\"shell\","
		"\"description\":\"run\",\"input_schema\":{\"type\":\"object\"}}],\"messages\":["
		"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"task\"}]},"
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"c1_0\",\"name\":\"shell\","
		"\"input\":"
		"{\"command\":\"l\\\"s\"}},{\"type\":\"tool_use\",\"id\":\"c1_1\",\"name\":\"wait\",\"input\":"
		"{\"invalid_json\":\"{x\"}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c1_0\",\"content\":"
		"\"out\"},"
		"{\"type\":\"tool_result\",\"tool_use_id\":\"c1_1\",\"is_error\":true,\"content\":\"\"},"
		"{\"type\":\"text\",\"text\":\"steer\",\"cache_control\":{\"type\":\"ephemeral\"}}]},"
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"(empty)\",\"cache_control\":{\"type\":"
		"\"ephemeral\"}}]}]}");
}

static void test_openai(void **state)
{
	(void)state;
	encodes(&dialect_openai, "compatible", TEMPERATURE,
		"{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"temperature\":0.25,"
		"\"messages\":[{\"role\":\"user\",\"content\":\"task\"}]}");
	encodes(&dialect_openai, "plain", 0,
		"{\"model\":\"m-1\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"task\"}]}");
	with_schema(5000); /* more than the model can write */
	encodes(&dialect_openai, "openai", 0,
		"{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
		"\"max_completion_tokens\":1000,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
		"\"name\":\"answer\",\"strict\":false,\"schema\":{\"type\":\"object\"}}},"
		"\"messages\":[{\"role\":\"user\",\"content\":\"task\"}]}");
	whole();
	encodes(&dialect_openai, "openai", NO_THINK_TOOLS,
		"{\"model\":\"m-1\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
		"\"max_completion_tokens\":50,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"shell\","
		"\"description\":\"run\",\"parameters\":{\"type\":\"object\"}}}],\"reasoning_effort\":\"none\","
		"\"messages\":[{\"role\":\"system\",\"content\":\"be\\nbrief\"},{\"role\":\"user\",\"content\":"
		"\"task\"},"
		"{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1_0\",\"type\":\"function\","
		"\"function\":{\"name\":\"shell\",\"arguments\":\"{\\\"command\\\":\\\"l\\\\\\\"s\\\"}\"}},{\"id\":"
		"\"c1_1\","
		"\"type\":\"function\",\"function\":{\"name\":\"wait\",\"arguments\":\"{\\\"invalid_json\\\":\\\"{"
		"x\\\"}\"}}]},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c1_0\",\"content\":\"out\"},"
		"{\"role\":\"tool\",\"tool_call_id\":\"c1_1\",\"content\":\"\"},{\"role\":\"user\",\"content\":"
		"\"steer\"},"
		"{\"role\":\"assistant\",\"content\":\"ok\"},{\"role\":\"user\",\"content\":\" \"}]}");
}

static void test_responses(void **state)
{
	(void)state;
	with_schema(50);
	encodes(&dialect_responses, "openai-responses", 0,
		"{\"model\":\"m-1\",\"stream\":true,\"store\":false,\"max_output_tokens\":50,\"text\":{\"format\":{"
		"\"type\":\"json_schema\",\"name\":\"answer\",\"strict\":false,\"schema\":{\"type\":\"object\"}}},"
		"\"input\":[{\"role\":\"user\",\"content\":\"task\"}]}");
	whole();
	encodes(&dialect_responses, "openai-responses", NO_THINK_TOOLS | TEMPERATURE,
		"{\"model\":\"m-1\",\"stream\":true,\"store\":false,\"max_output_tokens\":50,\"temperature\":0.25,"
		"\"instructions\":\"be\\nbrief\",\"tools\":[{\"type\":\"function\",\"strict\":false,\"name\":\"shell\","
		"\"description\":\"run\",\"parameters\":{\"type\":\"object\"}}],\"input\":["
		"{\"role\":\"user\",\"content\":\"task\"},"
		"{\"type\":\"function_call\",\"call_id\":\"c1_0\",\"name\":\"shell\",\"arguments\":"
		"\"{\\\"command\\\":\\\"l\\\\\\\"s\\\"}\"},"
		"{\"type\":\"function_call\",\"call_id\":\"c1_1\",\"name\":\"wait\",\"arguments\":"
		"\"{\\\"invalid_json\\\":\\\"{x\\\"}\"},"
		"{\"type\":\"function_call_output\",\"call_id\":\"c1_0\",\"output\":\"out\"},"
		"{\"type\":\"function_call_output\",\"call_id\":\"c1_1\",\"output\":\"\"},"
		"{\"role\":\"user\",\"content\":\"steer\"},{\"role\":\"assistant\",\"content\":\"ok\"},"
		"{\"role\":\"user\",\"content\":\" \"}]}");
}

static void test_gemini(void **state)
{
	(void)state;
	with_schema(50);
	encodes(&dialect_gemini, "gemini", 0,
		"{\"generationConfig\":{\"candidateCount\":1,\"maxOutputTokens\":50,\"responseMimeType\":"
		"\"application/json\",\"responseJsonSchema\":{\"type\":\"object\"}},\"contents\":[{\"role\":\"user\","
		"\"parts\":[{\"text\":\"task\"}]}]}");
	whole();
	encodes(&dialect_gemini, "gemini", TEMPERATURE,
		"{\"generationConfig\":{\"candidateCount\":1,\"maxOutputTokens\":50,\"temperature\":0.25},"
		"\"systemInstruction\":{\"parts\":[{\"text\":\"be\\nbrief\"}]},\"tools\":[{\"functionDeclarations\":[{"
		"\"name\":\"shell\",\"description\":\"run\",\"parametersJsonSchema\":{\"type\":\"object\"}}]}],"
		"\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"task\"}]},{\"role\":\"model\",\"parts\":[{"
		"\"functionCall\":{\"name\":\"shell\",\"args\":{\"command\":\"l\\\"s\"}},\"thoughtSignature\":"
		"\"skip_thought_signature_validator\"},{\"functionCall\":{\"name\":\"wait\",\"args\":{\"invalid_json\":"
		"\"{x\"}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"shell\",\"response\":{"
		"\"status\":\"ok\",\"content\":\"out\"}}},{\"functionResponse\":{\"name\":\"wait\",\"response\":{"
		"\"status\":\"denied\",\"content\":\"\"}}},{\"text\":\"steer\"}]},{\"role\":\"model\",\"parts\":[{"
		"\"text\":\"ok\"}]},{\"role\":\"user\",\"parts\":[{\"text\":\" \"}]}]}");
}

static void test_ollama(void **state)
{
	(void)state;
	with_schema(50);
	encodes(&dialect_ollama, "ollama", 0,
		"{\"model\":\"m-1\",\"stream\":true,\"options\":{\"num_ctx\":16384,\"num_predict\":50},\"format\":{"
		"\"type\":"
		"\"object\"},\"messages\":[{\"role\":\"user\",\"content\":\"task\"}]}");
	whole();
	model.context = 32768;
	encodes(&dialect_ollama, "ollama", TEMPERATURE,
		"{\"model\":\"m-1\",\"stream\":true,\"options\":{\"num_ctx\":32768,\"num_predict\":50,\"temperature\":"
		"0.25},"
		"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"shell\",\"description\":\"run\","
		"\"parameters\":{"
		"\"type\":\"object\"}}}],\"messages\":[{\"role\":\"system\",\"content\":\"be\\nbrief\"},{\"role\":"
		"\"user\","
		"\"content\":\"task\"},{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{"
		"\"name\":"
		"\"shell\",\"arguments\":{\"command\":\"l\\\"s\"}}},{\"function\":{\"name\":\"wait\",\"arguments\":{"
		"\"invalid_json\":\"{x\"}}}]},{\"role\":\"tool\",\"content\":\"out\",\"tool_name\":\"shell\"},{"
		"\"role\":\"tool\","
		"\"content\":\"\",\"tool_name\":\"wait\"},{\"role\":\"user\",\"content\":\"steer\"},{\"role\":"
		"\"assistant\","
		"\"content\":\"ok\"},{\"role\":\"user\",\"content\":\" \"}]}");
	model.context = 0;
}

/* The second request splices the very same bytes. */
static void test_a_message_is_encoded_once(void **state)
{
	struct span bytes;
	struct err e = ERR_INIT;
	struct wire w;

	(void)state;
	whole();
	for (int i = 0; i < 2; i++) {
		wire_init(&w);
		must(dialect_openai.encode(&w, &c, "m-1", dialect_openai.profiles, 0, SPAN_NONE, &e), &e);
		wire_release(&w);
	}
	assert_non_null(m[3]->encoded[LLM_WIRE_OPENAI]);
	bytes = message_wire(m[3], LLM_WIRE_OPENAI, NULL, &e);
	assert_ptr_equal(bytes.p, m[3]->encoded[LLM_WIRE_OPENAI]->data);
}

int main(void)
{
#define REQUEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest all[] = {
		REQUEST(test_anthropic),
		REQUEST(test_openai),
		REQUEST(test_responses),
		REQUEST(test_gemini),
		REQUEST(test_ollama),
		REQUEST(test_a_message_is_encoded_once),
	};
	json_setup();
	return cmocka_run_group_tests(all, NULL, NULL);
}
