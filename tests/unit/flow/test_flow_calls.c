/* Host calls: what a flow writes, and the arguments that the host gets. */
#include "flow_rig.h"

/* Every call of docs/flows.md with the arguments that the host gets. */
static void test_forms(void **state)
{
	static const char *const forms[][2] = {
		{"agent { role = 'a', task = 't' }", "agent {\"role\":\"a\",\"task\":\"t\"}"},
		{"agent { role = 'a', task = {}, name = 'n', scope = 's', file = 'f', tools = {'list'}, output = {type "
		 "= 'string'}, vars = {x = 1}, dialect = 'directive', model = 'p:m', limits = {turns = 3}, check = "
		 "'none', copy = 'c', phase = 'structure', parent = '0' }",
			"agent "
			"{\"check\":\"none\",\"copy\":\"c\",\"dialect\":\"directive\",\"file\":\"f\",\"limits\":{"
			"\"turns\":3},\"model\":\"p:m\",\"name\":\"n\",\"output\":{\"type\":\"string\"},\"parent\":"
			"\"0\",\"phase\":\"structure\",\"role\":\"a\",\"scope\":\"s\",\"task\":{},\"tools\":[\"list\"],"
			"\"vars\":{\"x\":1}}"},
		{"start { role = 'a', task = 1 }", "start {\"role\":\"a\",\"task\":1}"},
		{"await '0.1'", "await {\"agent\":\"0.1\"}"},
		{"tell('0', 'hi')", "tell {\"agent\":\"0\",\"text\":\"hi\"}"},
		{"tell('0', 'hi', 'boss')", "tell {\"agent\":\"0\",\"from\":\"boss\",\"text\":\"hi\"}"},
		{"stop('0', 'enough')", "stop {\"agent\":\"0\",\"why\":\"enough\"}"},
		{"stop('0')", "stop {\"agent\":\"0\"}"},
		{"agents()", "agents {}"},
		{"signal('go', {1})", "signal {\"name\":\"go\",\"value\":[1]}"},
		{"signal 'go'", "signal {\"name\":\"go\"}"},
		{"waitfor 'go'", "waitfor {\"name\":\"go\"}"},
		{"ask { title = 'T', options = {'a', 'b'} }", "ask {\"options\":[\"a\",\"b\"],\"title\":\"T\"}"},
		{"gate 'plan'", "gate {\"name\":\"plan\"}"},
		{"gate { name = 'plan', show = {a = 1} }", "gate {\"name\":\"plan\",\"show\":{\"a\":1}}"},
		{"exec 'ls'", "exec {\"command\":\"ls\"}"},
		{"exec { command = 'ls', cwd = 'd', timeout = 1.5, again = true }",
			"exec {\"again\":true,\"command\":\"ls\",\"cwd\":\"d\",\"timeout\":1.5}"},
		{"check()", "check {}"},
		{"check {}", "check {}"},
		{"check 'make check'", "check {\"command\":\"make check\"}"},
		{"read 'p'", "read {\"path\":\"p\"}"},
		{"read { path = 'p' }", "read {\"path\":\"p\"}"},
		{"write('p', '')", "write {\"path\":\"p\",\"text\":\"\"}"},
		{"edit('p', {{from = 'a', to = 'b'}})",
			"edit {\"edits\":[{\"from\":\"a\",\"to\":\"b\"}],\"path\":\"p\"}"},
		{"remove 'p'", "remove {\"path\":\"p\"}"},
		{"list()", "list {}"},
		{"list 'p'", "list {\"path\":\"p\"}"},
		{"glob '**/*.c'", "glob {\"pattern\":\"**/*.c\"}"},
		{"exists 'p'", "exists {\"path\":\"p\"}"},
		{"tree('.', 100)", "tree {\"max\":100,\"path\":\".\"}"},
		{"tree(nil, 100)", "tree {\"max\":100}"},
		{"branch { name = 'b' }", "branch {\"name\":\"b\"}"},
		{"merge { branch = 'b', message = 'm' }", "merge {\"branch\":\"b\",\"message\":\"m\"}"},
		{"commit { message = 'm', author = 'a' }", "commit {\"author\":\"a\",\"message\":\"m\"}"},
		{"artifact { name = 'n', type = 'json', content = {1} }",
			"artifact {\"content\":[1],\"name\":\"n\",\"type\":\"json\"}"},
		{"phase 'p'", "phase {\"name\":\"p\"}"},
		{"progress { text = 't', share = 0.5 }", "progress {\"share\":0.5,\"text\":\"t\"}"},
		{"progress 't'", "progress {\"text\":\"t\"}"},
		{"say 'hello'", "say {\"text\":\"hello\"}"},
		{"say { text = 'hello', from = 'a', to = 'b', confidence = 0.5 }",
			"say {\"confidence\":0.5,\"from\":\"a\",\"text\":\"hello\",\"to\":\"b\"}"},
		{"log('a', 1, nil, true, {}, log)", "log {\"text\":\"a\\t1\\tnil\\ttrue\\ttable\\tfunction\"}"},
		{"log()", "log {\"text\":\"\"}"},
		{"log('\\xff\\0')", "log {\"text\":\"\xEF\xBF\xBD\xEF\xBF\xBD\"}"},
		{"plan {{id = '1', title = 'T'}}", "plan {\"tasks\":[{\"id\":\"1\",\"title\":\"T\"}]}"},
		{"task('1', 'done', {r = 1})", "task {\"id\":\"1\",\"result\":{\"r\":1},\"status\":\"done\"}"},
		{"call('build', {a = 1})", "call {\"inputs\":{\"a\":1},\"mode\":\"build\"}"},
		{"now()", "now {}"},
		{"random()", "random {}"},
		{"sleep(2)", "sleep {\"seconds\":2}"},
		{"continue_as { n = 1 }", "continue_as {\"state\":{\"n\":1}}"},
		{"continue_as()", "continue_as {}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		cleanup_free char *flow = mem_printf("return function() %s end", forms[i][0]);
		cleanup_free char *log = mem_printf("0.1 %s\n", forms[i][1]);
		struct rig r;
		rig_init(&r, flow);
		rig_start(&r);
		if (r.ended)
			fail_msg("%s: %s", forms[i][0], r.result);
		rig_expect(&r, log);
		rig_release(&r);
	}
}

static void test_wrong_forms(void **state)
{
	static const char *const wrong[][2] = {
		{"agent 'x'", "agent takes one table: agent{role = …}"},
		{"agent({role = 'a'}, 1)", "agent takes one table"},
		{"agent {'a'}", "agent takes a table with names, not a list"},
		{"agent { task = 'a' }", "agent: role is missing"},
		{"agent { rol = 'a' }", "agent has no argument \"rol\"; did you mean \"role\"?"},
		{"agent { role = 'a', taks = 't' }", "agent has no argument \"taks\"; did you mean \"task\"?"},
		{"agent { role = 'a', task = read }", "agent.task: a function cannot be given to the host"},
		{"agent { role = 'a', task = {x = {1, read}} }", "agent.task.x[2]: a function cannot"},
		{"agent { role = 'a', on = 5 }", "agent: on must be a table"},
		{"agent { role = 'a', on = {f = 5} }", "on.f: give a function, or a table with run = function"},
		{"agent { role = 'a', on = {f = {}} }", "on.f: its table needs run = function"},
		{"agent { role = 'a', on = {f = {run = read, shema = {}}} }",
			"on.f: its table may have summary, schema and run only"},
		{"agent { role = 'a', on = {z = 1, b = 2, m = 3} }", "on.b: give a function"},
		{"agent { role = 'a', on = {read} }", "on: a tool's name must be a text"},
		{"agent { role = 'a', on = {f = {run = read, schema = {read}}} }", "on.f.schema[1]: a function cannot"},
		{"read()", "read: path is missing"},
		{"read(nil)", "read: path is missing"},
		{"read('a', 'b')", "read: 2 arguments given, it takes at most 1"},
		{"write('a')", "write: text is missing"},
		{"write('a', '\\xff')", "write: text: the text is not valid UTF-8"},
		{"gate {}", "gate: name is missing"},
		{"gate { nmae = 'x' }", "gate has no argument \"nmae\"; did you mean \"name\"?"},
		{"say()", "say: text is missing"},
		{"parallel(5, read)", "table expected, got number"},
		{"parallel({1}, 5)", "function expected, got number"},
		{"parallel {1}", "list of functions expected"},
		{"background(5)", "function expected, got number"},
		{"template('none')", "template: the mode has no templates/none"},
		{"signal('s', 0/0)", "signal: value: the number is infinite or not a number"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		cleanup_free char *flow = mem_printf("return function()\n%s\nend", wrong[i][0]);
		struct err e = ERR_INIT;
		struct rig r;
		rig_init(&r, flow);
		if (rig_open(&r, "{}", 1, &e)) {
			assert_non_null(strstr(e.text, wrong[i][1]));
			rig_release(&r);
			continue;
		}
		flow_start(r.f);
		must(flow_rest(r.f, &e), &e);
		rig_expect(&r, ""); /* the host never hears of it */
		if (!r.ended || r.ok || !strstr(r.result, wrong[i][1]) || !strstr(r.result, "flow.lua:2:"))
			fail_msg("%s\nwanted: %s\ngot: %s", wrong[i][0], wrong[i][1], r.ended ? r.result : "waits");
		rig_release(&r);
	}
}

/* A refused call takes no key: the next has it. */
static void test_refused_calls_have_no_key(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "return function() pcall(read) pcall(read, {}) pcall(agent, {role = read}) read 'x' end");
	rig_start(&r);
	rig_expect(&r, "0.1 read {\"path\":\"x\"}\n");
	rig_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_wrong_forms),
		cmocka_unit_test(test_refused_calls_have_no_key),
	};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
