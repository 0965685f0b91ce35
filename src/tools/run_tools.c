/* run_tools: the tools that the run itself fulfils: their rows have no start(). note and plan are the agent's,
 * ask_human a person's, the others the flow's. */
#include "tools/private.h"

const struct tool tool_note = {
	.name = "note",
	.summary = "Keep a value in your scratchpad under a key, or read it back (op get) or delete it (op delete).",
	.schema = "{\"type\":\"object\",\"required\":[\"key\"],\"additionalProperties\":false,\"properties\":{"
		  "\"key\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":200},\"value\":{},\"op\":{\"enum\":["
		  "\"set\",\"get\",\"delete\"]}}}",
	.directive = "SCRATCH",
	.effects = TOOL_RUN,
	.policy = "allow",
};

const struct tool tool_plan = {
	.name = "plan",
	.summary = "Record or extend the plan: tasks with ids such as 0, 0.1, 0.1.2, and what each depends on.",
	.schema = "{\"type\":\"object\",\"required\":[\"tasks\"],\"additionalProperties\":false,\"properties\":{"
		  "\"tasks\":{\"type\":\"array\","
		  "\"minItems\":1,\"maxItems\":200,\"items\":{\"type\":\"object\",\"required\":[\"id\",\"title\"],"
		  "\"additionalProperties\":false,"
		  "\"properties\":{\"id\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"role\":{\"type\":"
		  "\"string\"},"
		  "\"depends\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}}}}}}",
	.directive = "",
	.effects = TOOL_RUN,
	.policy = "allow",
};

const struct tool tool_ask_human = {
	.name = "ask_human",
	.summary = "Ask a person one question and wait for the answer. Only for decisions that are theirs.",
	.schema =
		"{\"type\":\"object\",\"required\":[\"name\",\"title\"],\"additionalProperties\":false,\"properties\":{"
		"\"name\":{\"type\":\"string\",\"description\":\"a short name of the question, such as storage\"},"
		"\"title\":{\"type\":\"string\",\"description\":\"the question in one sentence\"},"
		"\"body\":{\"type\":\"string\",\"description\":\"what they need to know to answer\"},"
		"\"options\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"answers to choose "
		"from\"},"
		"\"priority\":{\"enum\":[\"urgent\",\"high\",\"medium\",\"low\"]}}}",
	.directive = "",
	.effects = TOOL_RUN | TOOL_HUMAN,
	.policy = "allow",
};

const struct tool tool_delegate = {
	.name = "delegate",
	.summary = "Activate direct children (files or folders directly below yours) with a prompt each, all at once. "
		   "Their reports come as messages; "
		   "call wait for them.",
	.schema = "{\"type\":\"object\",\"required\":[\"items\"],\"additionalProperties\":false,\"properties\":{"
		  "\"items\":{\"type\":\"array\","
		  "\"minItems\":1,\"maxItems\":64,\"items\":{\"type\":\"object\",\"required\":[\"target\",\"prompt\"],"
		  "\"additionalProperties\":false,"
		  "\"properties\":{\"target\":{\"type\":\"string\",\"description\":\"path relative to the project's "
		  "root\"},"
		  "\"kind\":{\"enum\":[\"file\",\"folder\"]},\"prompt\":{\"type\":\"string\",\"minLength\":1}}}}}}",
	.directive = "DELEGATE",
	.effects = TOOL_RUN,
	.policy = "allow",
};

const struct tool tool_spawn = {
	.name = "spawn",
	.summary = "Start testers beside you, each with a prompt. Their reports come as messages; call wait for them.",
	.schema =
		"{\"type\":\"object\",\"required\":[\"items\"],\"additionalProperties\":false,\"properties\":{"
		"\"items\":{\"type\":\"array\","
		"\"minItems\":1,\"maxItems\":16,\"items\":{\"type\":\"object\",\"required\":[\"prompt\"],"
		"\"additionalProperties\":false,"
		"\"properties\":{\"role\":{\"type\":\"string\"},\"prompt\":{\"type\":\"string\",\"minLength\":1}}}}}}",
	.directive = "SPAWN",
	.effects = TOOL_RUN,
	.policy = "allow",
};

const struct tool tool_wait = {
	.name = "wait",
	.summary = "End your turn until a child or tester that you started reports.",
	.schema = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}",
	.directive = "WAIT",
	.effects = TOOL_RUN,
	.policy = "allow",
};

const struct tool tool_finish = {
	.name = "finish",
	.summary = "End your work with its result.",
	.schema = "{\"type\":\"object\",\"required\":[\"result\"],\"additionalProperties\":false,\"properties\":{"
		  "\"result\":{}}}",
	.directive = "FINISH",
	.effects = TOOL_RUN,
	.policy = "allow",
};
