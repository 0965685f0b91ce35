/* The tools that run commands: shell, run_tests, install_dependencies; with /bin/sh and in a real sandbox. */
#include "rig.h"

#include "base/caps.h"
#include "tools/detect.h"

static void shell_tells_output_and_exit_status(void **state)
{
	struct rig *r = *state;
	assert_string_equal(
		rig_ok(r, "shell", "{\"command\":\"echo out; echo err >&2; exit 3\"}"), "out\nerr\n[exit status 3]");
	assert_int_equal(r->call.exit, 3);
	assert_true(r->call.changed_unknown);
	assert_null(r->call.evidence);
	assert_string_equal(rig_ok(r, "shell", "{\"command\":\"printf x\"}"), "x\n[exit status 0]");
	assert_string_equal(rig_ok(r, "shell", "{\"command\":\"true\"}"), "[exit status 0]");
	assert_string_equal(
		rig_ok(r, "shell", "{\"command\":\"printf 'caf\\\\351\\\\n'\"}"), "caf\xef\xbf\xbd\n[exit status 0]");
	rig_error(r, "shell", "{\"command\":\"\"}", ERR_INVALID);
	rig_error(r, "shell", "{\"command\":\"true\",\"timeout_s\":-1}", ERR_INVALID);
	rig_error(r, "shell", "{\"command\":\"true\",\"timeout_s\":9223372036854775807}", ERR_INVALID);
}

static void long_output_keeps_head_and_tail_and_a_blob(void **state)
{
	struct rig *r = *state;
	struct err e = ERR_INIT;
	const char *text = rig_ok(r, "shell", "{\"command\":\"seq 1 100000; echo the last line\"}");
	assert_true(r->call.truncated);
	assert_true(!strncmp(text, "1\n2\n3\n", 6));
	assert_has(text, "bytes left out here");
	assert_has(text, "the last line\n[exit status 0]");
	struct blob *whole = store_blob(r->store, &r->call.blob.hash, &e);
	assert_non_null(whole);
	assert_has(blob_span(whole).p, "\n50000\n50001\n");
	blob_unref(whole);
}

static void checks_are_detected(void **state)
{
	static const struct {
		const char *file, *text, *other, *command;
	} rows[] = {
		{"package.json", "{\"scripts\":{\"test\":\"node t.js\"}}", NULL, "npm test --silent"},
		{"pytest.ini", "", NULL, "python3 -m pytest -q"},
		{"pyproject.toml", "[tool.pytest.ini_options]\n", NULL, "python3 -m pytest -q"},
		{"tests/test_a.py", "import pytest\n", NULL, "python3 -m pytest -q"},
		{"tests/test_a.py", "def test_a():\n    assert True\n", NULL, "python3 -m pytest -q"},
		{"tests/test_a.py", "import unittest\n", NULL, "python3 -m unittest discover -s tests"},
		{"tests/test_a.py", "import unittest\n", "tests/__init__.py",
			"python3 -m unittest discover -s tests -t ."},
		{"test_a.py", "import unittest\n", NULL, "python3 -m unittest discover "},
		{"Cargo.toml", "", NULL, "cargo test --offline"},
		{"go.mod", "", NULL, "go test ./..."},
		{"Makefile", "all:\n\ttrue\ntest:\n\ttrue\n", NULL, "make test"},
		{"Makefile", "check: all\n\ttrue\ntest:\n\ttrue\n", NULL, "make check"},
		{"test.sh", "exit 0\n", NULL, "sh ./test.sh"},
		{"src/a.test.js", "", NULL, "node --test"},
	};
	struct rig *r = *state;
	struct err e = ERR_INIT;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[4096], name[64];
		put(&r->s, rows[i].file, rows[i].text);
		if (rows[i].other)
			put(&r->s, rows[i].other, "");
		must(detect_tests(r->env.files, ".", line, sizeof(line), &e), &e);
		assert_string_equal(line, rows[i].command);
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(rows[i].file, "/"), rows[i].file);
		must(fs_remove_tree(at(&r->s, name), &e), &e);
	}
	static const char *const none[] = {"{\"keywords\":[\"test\"]}", "no JSON",
		"{\"scripts\":{\"test\":\"echo \\\"Error: no test specified\\\" && exit 1\"}}", NULL};
	for (const char *const *text = none; *text; text++) {
		put(&r->s, "package.json", *text);
		const char *why = rig_error(r, "run_tests", "{}", ERR_NOT_FOUND);
		assert_has(why, "package.json with a test script, pytest.ini");
		assert_has(why, "test.sh");
		assert_null(r->call.evidence);
	}
}

static void run_tests_records_evidence(void **state)
{
	struct rig *r = *state;
	put(&r->s, "test.sh", "echo checking; exit 1\n");
	assert_string_equal(rig_ok(r, "run_tests", "{}"), "checking\n[exit status 1]");
	assert_string_equal(json_str(r->call.evidence, "command"), "sh ./test.sh");
	assert_int_equal(json_int(r->call.evidence, "exit", -1), 1);
	assert_false(json_bool(r->call.evidence, "passed", true));
	put(&r->s, "test.sh", "exit 0\n");
	rig_ok(r, "run_tests", "{\"path\":\"./\"}");
	assert_true(json_bool(r->call.evidence, "passed", false));
	assert_null(json_get(r->call.evidence, "path"));
	/* fixed at first use: another runner that appears later does not replace it */
	put(&r->s, "Makefile", "check:\n\techo other\n");
	rig_ok(r, "run_tests", "{}");
	assert_string_equal(json_str(r->call.evidence, "command"), "sh ./test.sh");
	/* what the person says comes first */
	json_object_set_new(r->settings, "check", json_string("echo mine"));
	assert_string_equal(rig_ok(r, "run_tests", "{}"), "mine\n[exit status 0]");
	json_object_clear(r->settings);
	r->check = "echo given";
	assert_string_equal(rig_ok(r, "run_tests", "{}"), "given\n[exit status 0]");
}

/* What the check command means was said by files of the project: when the run changes that, the check is shown as void.
 */
static void a_changed_definition_voids_the_check(void **state)
{
	static const struct {
		const char *check, *file, *before, *after;
		bool altered;
	} rows[] = {
		{"make check", "Makefile", "all: x\ncheck: all\n\tsh tests\n", "all: x\ncheck: all\n\ttrue\n", true},
		{"make check", "Makefile", "check: all\n\tsh tests\n\nx:\n\techo\n",
			"check: all\n\tsh tests\n\nx:\n\ttrue\n", false},
		{"make -s check", "Makefile", "checks:\n\ttrue\ncheck:\n\tfalse\n",
			"checks:\n\tfalse\ncheck:\n\tfalse\n", false},
		{"make -s lint check", "Makefile", "lint:\n\ttrue\ntest check: \\\nall\n\tfalse\n",
			"lint:\n\ttrue\ntest check: \\\nnone\n\tfalse\n", true},
		{"npm test --silent", "package.json", "{\"scripts\":{\"test\":\"node --test\"}}",
			"{\"scripts\":{\"test\":\"true\"}}", true},
		{"npm test", "package.json", "{\"scripts\":{\"test\":\"node --test\"}}",
			"{\"name\":\"x\",\"scripts\":{\"test\":\"node --test\",\"start\":\"y\"}}", false},
		{"cd part && sh ./run.sh", "part/run.sh", "exit 1\n", "exit 0\n", true},
		{"cd part/ && make check", "part/Makefile", "check:\n\tfalse\n", "check:\n\ttrue\n", true},
		{"python3 -m unittest", "test_x.py", "import unittest\n", "import unittest, sys\n", false},
	};
	struct rig *r = *state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hash base;
		put(&r->s, rows[i].file, rows[i].before);
		rig_snapshot(r);
		base = *copy_snapshot(r->env.copy);
		r->env.base = &base;
		r->check = rows[i].check;
		rig_call(r, "run_tests", "{}");
		assert_null(json_get(r->call.evidence, "altered"));
		put(&r->s, rows[i].file, rows[i].after);
		const char *said = rig_call(r, "run_tests", "{}");
		if (!rows[i].altered) {
			assert_null(json_get(r->call.evidence, "altered"));
			continue;
		}
		assert_string_equal(json_str(r->call.evidence, "altered"), rows[i].file);
		assert_has(said, "was changed since the work began");
	}
	r->env.base = NULL; /* the project was empty: all of it is the run's own */
	rig_call(r, "run_tests", "{}");
	assert_null(json_get(r->call.evidence, "altered"));
	r->check = NULL;
}

static void a_folders_check_is_no_check_of_the_project(void **state)
{
	struct rig *r = *state;
	put(&r->s, "it's a part; exit 7/test.sh", "pwd; exit 0\n");
	assert_has(rig_ok(r, "run_tests", "{\"path\":\"./it's a part; exit 7/\"}"),
		"it's a part; exit 7\n[exit status 0]");
	assert_string_equal(json_str(r->call.evidence, "path"), "it's a part; exit 7");
	assert_null(r->env.check);
	put(&r->s, "test.sh", "exit 0");
	put(&r->s, "it's a part; exit 7/glob[1]/test_x.py", "import pytest\n");
	rig_error(r, "run_tests", "{\"path\":\"nope\"}", ERR_NOT_FOUND);
	rig_error(r, "run_tests", "{\"path\":\"..\"}", ERR_OUTSIDE);
	rig_error(r, "run_tests", "{\"path\":\"test.sh\"}", ERR_NOT_FOUND);
}

static void a_check_without_a_test_is_no_evidence(void **state)
{
	struct rig *r = *state;
	put(&r->s, "tests/test_a.py", "import unittest\n");
	assert_has(rig_ok(r, "run_tests", "{}"), "[no test ran: this counts as failing]");
	assert_false(json_bool(r->call.evidence, "passed", true));
	assert_int_equal(json_int(r->call.evidence, "exit", 0), 5);
	put(&r->s, "tests/test_a.py",
		"import unittest, lib\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(lib.x, "
		"1)\n");
	put(&r->s, "lib.py", "x = 1\n");
	rig_ok(r, "run_tests", "{}");
	if (!json_bool(r->call.evidence, "passed", false))
		fail_msg("%s", r->call.content.data);
	put(&r->s, "lib.py", "x = 22\n");
	rig_ok(r, "run_tests", "{}");
	assert_false(json_bool(r->call.evidence, "passed", true));
}

static void installers_are_known_by_file(void **state)
{
	struct rig *r = *state;
	struct err e = ERR_INIT;
	char line[4400];
	must(detect_install("requirements.txt", line, sizeof(line), &e), &e);
	assert_string_equal(line, "python3 -m pip install --user -r requirements.txt");
	must(detect_install("a b/package.json", line, sizeof(line), &e), &e);
	assert_string_equal(line, "cd 'a b' && npm install --no-audit --no-fund");
	must(detect_install("it's/go.mod", line, sizeof(line), &e), &e);
	assert_string_equal(line, "cd 'it'\\''s' && go mod download");
	assert_has(rig_error(r, "install_dependencies", "{\"file\":\"deps.yaml\"}", ERR_INVALID),
		"known are requirements.txt");
	assert_has(rig_error(r, "install_dependencies", "{\"file\":\"go.mod\"}", ERR_NOT_FOUND), "go.mod");
	rig_error(r, "install_dependencies", "{\"file\":\"../go.mod\"}", ERR_OUTSIDE);
	put(&r->s, "go.mod/x", "");
	rig_error(r, "install_dependencies", "{\"file\":\"go.mod\"}", ERR_NOT_FOUND);
	assert_string_equal(tool_named("install_dependencies")->policy, "ask");
}

/* ---- in the sandbox ---- */

static void commands_run_in_the_sandbox(void **state)
{
	struct rig *r = *state;
	if (!rig_sandbox(r))
		skip();
	assert_string_equal(rig_ok(r, "shell", "{\"command\":\"pwd; cat README.md; echo made > new.txt; exit 4\"}"),
		"/work\n# A project\n[exit status 4]");
	assert_string_equal(got(&r->s, "new.txt"), "made\n");
	assert_string_equal(buf_span(&r->shown).p, "/work\n# A project\n");
	assert_true(r->call.changed_unknown);
	assert_string_equal(rig_ok(r, "shell", "{\"command\":\"kill -9 $$\"}"), "[ended by signal 9]");
	assert_int_equal(r->call.exit, 137);
	put(&r->s, "test.sh", "echo fine\n");
	assert_string_equal(rig_ok(r, "run_tests", "{}"), "fine\n[exit status 0]");
	assert_true(json_bool(r->call.evidence, "passed", false));
}

static void a_command_is_stopped_in_time(void **state)
{
	struct rig *r = *state;
	if (!rig_sandbox(r))
		skip();
	assert_string_equal(rig_ok(r, "shell", "{\"command\":\"echo begun; exec sleep 60\",\"timeout_s\":1}"),
		"begun\n[stopped after 1 s: time-out]");
	assert_int_equal(r->call.exit, 124);
	put(&r->s, "test.sh", "exec sleep 60\n");
	rig_start(r, "run_tests", "{}");
	for (int i = 0; i < 30 && !r->call.exec.command; i++)
		loop_turn(r->loop, 10);
	tool_call_cancel(&r->call);
	rig_wait(r);
	assert_int_equal(r->call.code, ERR_CANCELLED);
	assert_null(r->call.evidence);
	assert_true(r->call.changed_unknown);
}

static void a_cancel_during_the_detection_is_harmless(void **state)
{
	struct rig *r = *state;
	if (!rig_sandbox(r))
		skip();
	put(&r->s, "test.sh", "sleep 5\n");
	rig_start(r, "run_tests", "{}");
	tool_call_cancel(&r->call);
	rig_wait(r);
	assert_int_equal(r->call.code, ERR_CANCELLED);
}

static void background_jobs_live_on(void **state)
{
	struct rig *r = *state;
	if (!rig_sandbox(r))
		skip();
	assert_has(rig_ok(r, "shell", "{\"command\":\"sleep 1; echo later > late.txt; sleep 60\",\"background\":true}"),
		"[started in the background as job ");
	for (int i = 0; i < 300 && !there(&r->s, "late.txt"); i++)
		loop_turn(r->loop, 10);
	assert_true(there(&r->s, "late.txt"));
}

static void the_end_of_an_endless_output_is_kept(void **state)
{
	struct rig *r = *state;
	if (!rig_sandbox(r))
		skip();
	const char *text = rig_ok(
		r, "shell", "{\"command\":\"echo first; head -c 70000000 /dev/zero | tr '\\\\0' x; echo; echo last\"}");
	assert_true(!strncmp(text, "first\n", 6));
	assert_has(text, "\nlast\n[exit status 0]");
	assert_true(r->call.truncated);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_new, rig_free)
	const struct CMUnitTest tests[] = {
		TEST(shell_tells_output_and_exit_status),
		TEST(long_output_keeps_head_and_tail_and_a_blob),
		TEST(checks_are_detected),
		TEST(run_tests_records_evidence),
		TEST(a_changed_definition_voids_the_check),
		TEST(a_folders_check_is_no_check_of_the_project),
		TEST(a_check_without_a_test_is_no_evidence),
		TEST(installers_are_known_by_file),
		TEST(commands_run_in_the_sandbox),
		TEST(a_command_is_stopped_in_time),
		TEST(a_cancel_during_the_detection_is_harmless),
		TEST(background_jobs_live_on),
		TEST(the_end_of_an_endless_output_is_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
