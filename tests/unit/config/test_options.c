/* options: sources, ranges, and messages that name the place and the nearest name. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "config/options.h"

static char dir[] = "/tmp/muster-options-XXXXXX";
static char file[64];

static void config(const char *text)
{
	struct err e = ERR_INIT;

	must(fs_replace(file, span_of(text), 0600, &e), &e);
}

static void refuses(const char *text, const char *part)
{
	struct err e = ERR_INIT;
	struct options *o;

	config(text);
	o = options_load(dir, &e);
	if (o)
		fail_msg("accepted: %s", text);
	if (!strstr(e.text, part))
		fail_msg("\"%s\" does not say \"%s\"", e.text, part);
	if (!strstr(e.text, file))
		fail_msg("\"%s\" does not name the file", e.text);
	config("");
}

static void test_defaults(void **state)
{
	struct err e = ERR_INIT;
	struct options *o = options_load(dir, &e);

	(void)state;
	assert_non_null(o);
	assert_string_equal(options_text(o, OPTION_LOG_LEVEL), "warn");
	assert_int_equal(options_int(o, OPTION_COMMAND_S), 120);
	assert_false(options_bool(o, OPTION_LOG_JSON));
	assert_true(options_number(o, OPTION_RUN_BUDGET_USD) < 0.001);
	assert_int_equal(json_object_size(options_tree(o, OPTION_PROVIDERS)), 0);
	assert_string_equal(options_source(o, OPTION_LOG_LEVEL), "default");
	options_free(o);
}

static void test_sources(void **state)
{
	struct err e = ERR_INIT;
	struct options *o;
	char place[128];

	(void)state;
	config("log:\n  level: info\n  json: true\ncommand:\n  timeout_s: 5\npolicy:\n  - allow: \"shell(*)\"\n"
	       "run: {budget_usd: 3}\nproviders: {local: {base_url: http://x, key: k}}\nsandbox:\n");
	setenv("MUSTER_LOG", "debug", 1);
	o = options_load(dir, &e);
	if (!o)
		fail_msg("%s", e.text);
	assert_string_equal(options_text(o, OPTION_LOG_LEVEL), "debug");
	assert_string_equal(options_source(o, OPTION_LOG_LEVEL), "MUSTER_LOG");
	assert_true(options_bool(o, OPTION_LOG_JSON));
	assert_int_equal(options_int(o, OPTION_COMMAND_S), 5);
	snprintf(place, sizeof place, "%s:5", file);
	assert_string_equal(options_source(o, OPTION_COMMAND_S), place);
	assert_true(options_number(o, OPTION_RUN_BUDGET_USD) > 2.99);
	must(options_override(o, "command.timeout_s=7", &e), &e);
	assert_int_equal(options_int(o, OPTION_COMMAND_S), 7);
	must(options_override(o, "policy=[{deny: 'x(*)'}, {ask: y}]", &e), &e);
	assert_int_equal(json_array_size(options_tree(o, OPTION_POLICY)), 2);
	must(options_override(o, "log.level=error", &e), &e);
	assert_int_equal(options_override(o, "log.level=loud", &e), -1);
	assert_string_equal(options_text(o, OPTION_LOG_LEVEL), "error");
	assert_int_equal(options_override(o, "log.levle=info", &e), -1);
	assert_int_equal(e.code, ERR_USAGE);
	assert_non_null(strstr(e.text, "did you mean \"log.level\""));
	assert_int_equal(options_override(o, "nothing", &e), -1);
	options_tree_error(o, OPTION_PROVIDERS, "/local/key", &e, "is %s", "bad");
	snprintf(place, sizeof place, "%s:9: providers/local/key: is bad", file);
	assert_string_equal(e.text, place);
	options_free(o);
	unsetenv("MUSTER_LOG");
	config("");
}

static void test_refused(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	refuses("log:\n  levle: info\n", ":2: there is no option \"log.levle\"; did you mean \"log.level\"?");
	refuses("comand: {timeout_s: 5}\n", ":1: there is no option \"comand\"");
	refuses("command: {timeout_s: 0}\n", "command.timeout_s must be between 1 and 86400");
	refuses("command: {timeout_s: '5'}\n", "must be an integer, not text");
	refuses("log: {level: loud}\n", "must be one of: debug info");
	refuses("log: {json: yes}\n", "must be true or false");
	refuses("policy: {}\n", "policy must be a list, not a mapping");
	refuses("- 1\n", "must be a mapping");
	refuses("log: 3\n", "log must be a mapping");
	refuses("log: [\n", "config.yaml:2");
	setenv("MUSTER_LOG_JSON", "perhaps", 1);
	assert_null(options_load(dir, &e));
	assert_non_null(strstr(e.text, "MUSTER_LOG_JSON: log.json must be true or false"));
	unsetenv("MUSTER_LOG_JSON");
	setenv("MUSTER_CONFIG", "/nowhere/c.yaml", 1);
	assert_null(options_load(dir, &e));
	assert_non_null(strstr(e.text, "MUSTER_CONFIG: "));
	unsetenv("MUSTER_CONFIG");
}

static void test_data_dir(void **state)
{
	struct err e = ERR_INIT;
	char *path;

	(void)state;
	setenv("HOME", "/home/x", 1);
	unsetenv("XDG_DATA_HOME");
	unsetenv("MUSTER_DATA");
	path = options_data_dir(NULL, &e);
	assert_string_equal(path, "/home/x/.local/share/muster");
	mem_free(path);
	setenv("XDG_DATA_HOME", "/xdg", 1);
	path = options_data_dir(NULL, &e);
	assert_string_equal(path, "/xdg/muster");
	mem_free(path);
	setenv("MUSTER_DATA", "/data", 1);
	path = options_data_dir(NULL, &e);
	assert_string_equal(path, "/data");
	mem_free(path);
	path = options_data_dir("rel", &e);
	assert_true(path[0] == '/' && strstr(path, "/rel"));
	mem_free(path);
	unsetenv("MUSTER_DATA");
}

static void test_describe(void **state)
{
	struct err e = ERR_INIT;
	struct options *o = options_load(dir, &e);
	json_t *all = options_describe(o, &e), *row;
	size_t i;

	(void)state;
	assert_int_equal(json_array_size(all), OPTIONS);
	json_array_foreach(all, i, row)
	{
		assert_true(json_str(row, "help")[0] != 0);
		assert_string_equal(json_str(row, "name"), option_name((enum option)i));
		assert_string_equal(json_str(row, "source"), "default");
	}
	json_decref(all);
	options_free(o);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_data_dir),
		cmocka_unit_test(test_describe),
	};
	int rc;

	json_setup();
	if (!mkdtemp(dir))
		return 1;
	snprintf(file, sizeof file, "%s/config.yaml", dir);
	rc = cmocka_run_group_tests(all, NULL, NULL);
	fs_remove_tree(dir, NULL);
	return rc;
}
