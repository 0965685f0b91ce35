/* Modes: mode.yaml and inputs as text cases; finding and listing; bundles. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cases.h"
#include "flow/bundle.h"
#include "flow/dirnames.h"
#include "flow/mode.h"

static char dir[] = "/tmp/muster-mode-XXXXXX";

static void put(const char *name, const char *text)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = fs_join(dir, name), *folder = mem_strdup(path);

	*strrchr(folder, '/') = 0;
	must(fs_mkdirs(folder, 0755, &e), &e);
	must(fs_replace(path, span_of(text), 0644, &e), &e);
}

static char *in_dir(const char *name)
{
	return fs_join(dir, name);
}

static void clear(void)
{
	struct err e = ERR_INIT;

	must(fs_remove_tree(dir, &e), &e);
	must(fs_mkdirs(dir, 0755, &e), &e);
}

/* ---- text cases ---- */

/* The text with FILE replaced. */
static char *with_file(struct span text, const char *file)
{
	struct buf out = BUF_INIT(4096);
	size_t at = span_find(text, span_of("FILE"), 0);

	if (at == (size_t)-1)
		return span_dup(text);
	buf_add(&out, text.p, at);
	buf_adds(&out, file);
	buf_addspan(&out, span_n(text.p + at + 4, text.n - at - 4));
	return buf_take(&out);
}

static void check_inputs(const struct mode *m, const struct test_case *c, size_t i)
{
	struct err e = ERR_INIT;
	struct span given = span_n(c->lines[i].p + 2, c->lines[i].n - 2), want = c->lines[i + 1];
	cleanup_json json_t *inputs = json_parse(given, "case", &e), *out = NULL;
	cleanup_free char *text = NULL, *wanted = span_dup(span_n(want.p + 2, want.n - 2));

	if (!inputs)
		fail_msg("%s: %s", c->where, e.text);
	if (mode_check_inputs(m, json_is_null(inputs) ? NULL : inputs, &out, &e)) {
		if (want.p[0] != '!' || strcmp(e.text, wanted) != 0)
			fail_msg("%s: %.*s\nwanted: %s\ngot: %s", c->where, (int)given.n, given.p, wanted, e.text);
		assert_int_equal(e.code, ERR_INVALID);
		return;
	}
	text = json_text(out);
	if (want.p[0] != '>' || strcmp(text, wanted) != 0)
		fail_msg("%s: %.*s\nwanted: %s\ngot: %s", c->where, (int)given.n, given.p, wanted, text);
}

static void one_case(const struct test_case *c)
{
	struct err e = ERR_INIT;
	cleanup_buf struct buf yaml = BUF_INIT(64 * KIB);
	cleanup_free char *folder = in_dir("test"), *file = in_dir("test/mode.yaml"), *wanted = NULL;
	struct mode *m;
	size_t i = 0;

	if (c->lines[0].p[0] != '|')
		buf_adds(&yaml, "id: test\nname: Test\ndescription: D\nengine: pipeline\n");
	for (; i < c->count && c->lines[i].p[0] != '='; i++) {
		assert_true(c->lines[i].n >= 2 && strchr("+|", c->lines[i].p[0]));
		buf_addspan(&yaml, span_n(c->lines[i].p + 2, c->lines[i].n - 2));
		buf_addc(&yaml, '\n');
	}
	if (i == c->count)
		fail_msg("%s: no line with =", c->where);
	wanted = with_file(span_n(c->lines[i].p + 2, c->lines[i].n - 2), file);
	put("test/mode.yaml", yaml.data);
	m = mode_load(folder, &e);
	if (strcmp(m ? "ok" : e.text, wanted) != 0)
		fail_msg("%s\nwanted: %s\ngot: %s", c->where, wanted, m ? "ok" : e.text);
	assert_true(m || e.code == ERR_INVALID || e.code == ERR_PARSE);
	for (i++; i < c->count; i += 2) {
		assert_true(m && i + 1 < c->count && c->lines[i].p[0] == '<');
		check_inputs(m, c, i);
	}
	mode_free(m);
}

static void test_cases(void **state)
{
	(void)state;
	assert_true(cases_run("modes", one_case) > 60);
	clear();
}

/* ---- finding ---- */

static const char minimal[] = "id: %s\nname: %s\ndescription: D\nengine: team\n";

static void put_mode(const char *place, const char *id, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s/mode.yaml", place, id), *text = mem_printf(minimal, id, name);

	put(path, text);
}

static void test_find(void **state)
{
	struct err e = ERR_INIT;
	cleanup_free char *own = in_dir("own"), *shipped = in_dir("shipped"), *absent = in_dir("absent");
	struct mode *m;

	(void)state;
	put_mode("own", "mine", "Mine");
	put_mode("own", "build", "My build");
	put_mode("shipped", "build", "Build");
	put_mode("shipped", "research", "Research");
	put("shipped/lib/x.lua", "return {}");
	put("shipped/broken/mode.yaml", "id: broken\nnmae: x\n");
	put("shipped/README.md", "no mode");

	m = mode_find("build", own, shipped, &e);
	assert_non_null(m);
	assert_string_equal(mode_name(m), "My build");
	mode_free(m);
	m = mode_find("build", absent, shipped, &e);
	assert_string_equal(mode_name(m), "Build");
	assert_int_equal(json_array_size(m->roles) + json_array_size(m->gates) + json_object_size(mode_settings(m)), 0);
	assert_string_equal(m->category, "");
	mode_free(m);
	m = mode_find("research", NULL, shipped, &e);
	assert_string_equal(mode_id(m), "research");
	mode_free(m);

	assert_null(mode_find("reserch", own, shipped, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(
		e.text, "there is no mode \"reserch\"; did you mean \"research\"? `muster modes` lists them");
	assert_null(mode_find("zzzzzz", own, shipped, &e));
	assert_string_equal(e.text, "there is no mode \"zzzzzz\"; `muster modes` lists them");
	assert_null(mode_find("../own/mine", own, shipped, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_null(mode_find("", own, shipped, &e));
	assert_null(mode_find("lib", own, shipped, &e));
	assert_null(mode_find("broken", own, shipped, &e));
	assert_int_equal(e.code, ERR_INVALID);

	cleanup_json json_t *list = mode_list(own, shipped, &e);
	const char *const ids[] = {"broken", "build", "mine", "research"};
	assert_int_equal(json_array_size(list), 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(json_str(json_array_get(list, i), "id"), ids[i]);
	assert_string_equal(json_str(json_array_get(list, 1), "name"), "My build");
	assert_string_equal(json_str(json_get(json_array_get(list, 0), "error"), "code"), "invalid");
	assert_true(json_is_array(json_get(json_array_get(list, 2), "inputs")));
	cleanup_json json_t *none = mode_list(NULL, absent, &e);
	assert_int_equal(json_array_size(none), 0);
	clear();
}

/* ---- bundles ---- */

static const char role_text[] = "---\nid: %s\nname: R\nclass: fast\ntools: [finish]\n---\nYou are %s.\n";

static void put_role(const char *path, const char *id, const char *who)
{
	cleanup_free char *text = mem_printf(role_text, id, who);

	put(path, text);
}

static void put_full_mode(void)
{
	put("modes/full/mode.yaml", "id: full\nname: Full\ndescription: D\nengine: team\nroles: [own, data, shared]\n");
	put("modes/full/flow.lua", "local a = require 'a' return function() end");
	put("modes/full/lib/a.lua", "return 'own'");
	put("modes/lib/a.lua", "return 'shared'");
	put("modes/lib/b.lua", "return 'b'");
	put("modes/lib/notes.txt", "no library");
	put("modes/full/templates/r.md", "# {name}");
	put("modes/full/templates/empty", "");
	put_role("modes/full/roles/own.md", "own", "own of the mode");
	put_role("data/own.md", "own", "hidden");
	put_role("data/data.md", "data", "of the data folder");
	put_role("roles/data.md", "data", "hidden");
	put_role("roles/shared.md", "shared", "shared");
}

static char *full_dir, *roles_dir, *lib_dir, *data_dir; /* made before faults are armed */

static struct bundle *make(struct err *e)
{
	struct mode *m = mode_load(full_dir, e);
	const struct bundle_places places = {.lib = lib_dir, .own_roles = data_dir, .roles = roles_dir};
	struct bundle *b = m ? bundle_make(m, NULL, &places, NULL, e) : NULL;

	mode_free(m);
	return b;
}

static void test_bundle(void **state)
{
	struct err e = ERR_INIT;
	struct bundle *b, *again;

	(void)state;
	put_full_mode();
	b = make(&e);
	if (!b)
		fail_msg("%s", e.text);
	assert_true(span_is(bundle_file(b, "flow.lua"), "local a = require 'a' return function() end"));
	assert_true(span_is(bundle_file(b, "lib/a.lua"), "return 'own'"));
	assert_true(span_is(bundle_file(b, "lib/b.lua"), "return 'b'"));
	assert_true(span_is(bundle_file(b, "templates/r.md"), "# {name}"));
	assert_non_null(bundle_file(b, "templates/empty").p);
	assert_null(bundle_file(b, "lib/notes.txt").p);
	assert_null(bundle_file(b, "lib/c.lua").p);
	assert_string_equal(bundle_role(b, "own")->body, "You are own of the mode.");
	assert_string_equal(bundle_role(b, "data")->body, "You are of the data folder.");
	assert_string_equal(bundle_role(b, "shared")->id, "shared");
	assert_null(bundle_role(b, "nobody"));
	assert_string_equal(json_str(bundle_mode(b), "id"), "full");
	assert_true(json_is_object(bundle_prices(b)));

	/* one in the process; the same again from its text, also when the files have gone */
	cleanup_free char *text = bundle_text(b, &e);
	again = bundle_parse(span_of(text), &e);
	assert_ptr_equal(again, b);
	bundle_free(again);
	bundle_free(b);
	clear();
	again = bundle_parse(span_of(text), &e);
	cleanup_free char *same = bundle_text(again, &e);
	assert_string_equal(same, text);
	assert_string_equal(bundle_role(again, "own")->body, "You are own of the mode.");
	bundle_free(again);
	bundle_free(NULL);
}

static void refused(const char *path, const char *text, enum err_code code, const char *part)
{
	struct err e = ERR_INIT;
	struct bundle *b;

	put_full_mode();
	put(path, text);
	b = make(&e);
	if (b)
		fail_msg("%s was accepted: %s", path, text);
	if (!strstr(e.text, part) || e.code != code)
		fail_msg("wanted: %s\ngot: %s: %s", part, err_name(e.code), e.text);
	clear();
}

static void test_bundle_errors(void **state)
{
	struct err e = ERR_INIT;
	cleanup_free char *path = NULL;

	(void)state;
	refused("modes/full/flow.lua", "return function( end", ERR_FLOW, "flow.lua:1: ");
	refused("modes/full/flow.lua", "\033Lua", ERR_FLOW, "compiled Lua is not accepted");
	refused("modes/lib/b.lua", "x = = 1", ERR_FLOW, "b.lua:1: ");
	refused("modes/full/templates/r.md", "\xff", ERR_INVALID, "templates/r.md is no UTF-8 text");
	refused("roles/shared.md", "no front matter", ERR_PARSE, "shared.md:1");
	refused("roles/shared.md", "---\nid: other\nname: R\nclass: fast\ntools: []\n---\nx\n", ERR_INVALID,
		"its id is \"other\", but its name says \"shared\"");
	refused("modes/full/mode.yaml", "id: full\nname: F\ndescription: D\nengine: team\nroles: [shard]\n",
		ERR_NOT_FOUND,
		"names the role \"shard\", of which there is no file shard.md; did you mean \"shared\"?");
	put_full_mode();
	path = in_dir("modes/full/flow.lua");
	must(fs_unlink(path, &e), &e);
	assert_null(make(&e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "flow.lua"));
	clear();
	put_full_mode();
	{
		cleanup_free char *big = mem_alloc(CAP_MODE_BUNDLE);
		memset(big, 'x', CAP_MODE_BUNDLE - 1);
		big[CAP_MODE_BUNDLE - 1] = 0;
		put("modes/full/templates/big", big);
	}
	assert_null(make(&e));
	assert_int_equal(e.code, ERR_TOO_LARGE);
	clear();

	assert_null(bundle_parse(span_of("{"), &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_null(bundle_parse(span_of("{\"v\":1}"), &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_null(bundle_parse(span_of("{\"v\":2}"), &e));
	assert_int_equal(e.code, ERR_NEWER);
}

/* Every allocation and file operation fails in turn. */
static void test_torture(void **state)
{
	static const enum fault_kind kinds[] = {FAULT_ALLOC, FAULT_IO};
	struct err e = ERR_INIT;

	(void)state;
	put_full_mode();
	put("modes/full/mode.yaml",
		"id: full\nname: Full\ndescription: D\nengine: team\nroles: [own, data]\ninputs: [{name: a, type: "
		"select, options: [x, y], multiple: true, default: x}]\nexamples: [{name: e, inputs: {a: y}}]\n");
	cleanup_free char *modes = in_dir("modes");
	cleanup_json json_t *inputs = json_pack("{s:[s]}", "a", "y");
	for (size_t k = 0; k < 2; k++)
		for (uint64_t n = 1;; n++) {
			size_t before = mem_in_use();
			err_clear(&e);
			fault_arm(kinds[k], n, false);
			struct bundle *b = make(&e);
			cleanup_free char *text = b ? bundle_text(b, &e) : NULL;
			struct bundle *again = text ? bundle_parse(span_of(text), &e) : NULL;
			cleanup_json json_t *list = again ? mode_list(NULL, modes, &e) : NULL;
			cleanup_json json_t *out = NULL;
			struct mode *m = list ? mode_find("full", NULL, modes, &e) : NULL;
			int rc = m ? mode_check_inputs(m, inputs, &out, &e) : -1;
			bool through = fault_seen() < n;
			fault_disarm();
			mode_free(m);
			bundle_free(b);
			bundle_free(again);
			json_decref(steal(&list));
			json_decref(steal(&out));
			mem_free(steal(&text));
			assert_int_equal(mem_in_use(), before);
			if (rc && (through || e.code == ERR_OK))
				fail_msg("%d: call %d: %s", (int)k, (int)n, e.text);
			if (through)
				break;
		}
	clear();
}

static void test_dirnames(void **state)
{
	struct err e = ERR_INIT;

	(void)state;
	put("names/b.md", "");
	put("names/a.md", "");
	put("names/.hidden.md", "");
	put("names/c.txt", "");
	cleanup_free char *path = in_dir("names"), *absent = in_dir("absent"), *file = in_dir("names/a.md");
	cleanup_json json_t *md = dirnames(path, ".md", &e), *all = dirnames(path, "", &e),
			    *none = dirnames(absent, "", &e);
	cleanup_json json_t *no_folder = dirnames(file, "", &e);
	cleanup_free char *text = json_text(md), *text_all = json_text(all);
	assert_string_equal(text, "[\"a.md\",\"b.md\"]");
	assert_string_equal(text_all, "[\"a.md\",\"b.md\",\"c.txt\"]");
	assert_int_equal(json_array_size(none), 0);
	assert_int_equal(json_array_size(no_folder), 0);
	clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_bundle),
		cmocka_unit_test(test_bundle_errors),
		cmocka_unit_test(test_torture),
		cmocka_unit_test(test_dirnames),
	};
	struct err e = ERR_INIT;
	int rc;

	json_setup();
	if (crypt_setup(&e) || !mkdtemp(dir))
		return 1;
	full_dir = in_dir("modes/full");
	roles_dir = in_dir("roles");
	lib_dir = in_dir("modes/lib");
	data_dir = in_dir("data");
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	mem_free(full_dir);
	mem_free(roles_dir);
	mem_free(lib_dir);
	mem_free(data_dir);
	fs_remove_tree(dir, &e);
	return rc;
}
