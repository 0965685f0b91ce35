/* Roles: what is accepted, what is refused and with which words; slots. */
#include <string.h>

#include "agent/role.h"
#include "base/mem.h"
#include "unit.h"

static struct role *parse(const char *front, const char *body, struct err *e)
{
	cleanup_free char *text = mem_printf("---\n%s\n---\n%s\n", front, body);
	err_clear(e);
	return role_parse(span_of(text), "roles/x.md", e);
}

static void a_role_has_its_fields(void **state)
{
	struct err e = ERR_INIT;
	(void)state;
	struct role *r = parse("id: coder\nclass: strong\ntools: [read_file]\nlanguage: coder\ncontext: [memory, "
			       "tree]\ncheck: run\nlimits: {turns: 7}",
		"You code.", &e);
	if (!r)
		fail_msg("%s", e.text);
	assert_string_equal(r->id, "coder");
	assert_int_equal(r->turns, 7);
	assert_int_equal(r->context, CONTEXT_MEMORY | CONTEXT_TREE);
	assert_int_equal(r->check, CHECK_RUN);
	assert_string_equal(r->body, "You code.");
	role_unref(r);
}

static void wrong_fields_are_named_with_their_line(void **state)
{
	static const struct {
		const char *front, *says;
	} cases[] = {
		{"id: a\nclas: strong", "roles/x.md:3"},
		{"id: a\nclass: strng", "did you mean \"strong\""},
		{"name: a", "needs `id`"},
		{"id: a\ntemperature: 3", "temperature"},
		{"id: a\nlimits: {turns: 0}", "limits.turns"},
		{"id: a\noutput: {type: strin}", "output"},
		{"id: a\ncontext: [memori]", "memory, tree and children"},
		{"id: a\ncontext: memory", "roles/x.md:3: context must be a list"},
		{"id: a\nlimits: 5", "limits"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		assert_null(parse(cases[i].front, "x", &e));
		if (!strstr(e.text, cases[i].says))
			fail_msg("case %zu: \"%s\" does not say \"%s\"", i, e.text, cases[i].says);
	}
}

static void slots_are_filled_and_unknown_ones_named(void **state)
{
	struct err e = ERR_INIT;
	(void)state;
	struct role *r = parse("id: a", "In {path} with {n} and {{braces}} and { not a slot }.", &e);
	json_t *vars = json_pack("{s:s, s:i}", "path", "src", "n", 3);
	struct buf out;
	buf_init(&out, 1000);
	must(role_prompt(r, vars, &out, &e), &e);
	assert_string_equal(out.data, "In src with 3 and {braces} and { not a slot }.");
	json_object_del(vars, "n");
	buf_clear(&out);
	assert_int_equal(role_prompt(r, vars, &out, &e), -1);
	assert_non_null(strstr(e.text, "{n}"));
	buf_release(&out);
	json_decref(vars);
	role_unref(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_has_its_fields),
		cmocka_unit_test(wrong_fields_are_named_with_their_line),
		cmocka_unit_test(slots_are_filled_and_unknown_ones_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
