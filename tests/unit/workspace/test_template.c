/* Templates: those that are shipped, those of a person, and what is said of one that is no good. */
#include "unit.h"

#include <errno.h>

#include "base/mem.h"
#include "scratch.h"
#include "workspace/template.h"

static void shipped(void **state)
{
	static const char *const ids[] = {"c_program", "python_package", "research", "web_page"};
	cleanup_free char *dir = fs_join(getenv("MUSTER_SOURCE"), "templates");
	struct template_places places = {.shipped = dir};
	struct err e = ERR_INIT;
	cleanup_json json_t *all = templates_list(&places, &e);
	struct scratch s;

	(void)state;
	scratch_new(&s);
	assert_int_equal(json_array_size(all), 4);
	for (size_t i = 0; i < 4; i++) {
		const json_t *one = json_array_get(all, i);

		if (json_str(one, "error"))
			fail_msg("%s", json_str(one, "error"));
		assert_string_equal(json_str(one, "id"), ids[i]);
		must(template_make(&places, ids[i], at(&s, ids[i]), &e), &e);
		assert_true(there(&s, "c_program/README.md"));
	}
	/* What they promise, they keep. */
	cleanup_free char *c = mem_printf(
		"make -s -C %s/c_program check app && %s/c_program/app Ada | grep -qx 'Hello, Ada!'", s.dir, s.dir);
	assert_int_equal(system(c), 0); // NOLINT(cert-env33-c): a test's own folder
	scratch_free(&s);
}

static void own_ones(void **state)
{
	struct scratch s;
	struct err e = ERR_INIT;

	(void)state;
	scratch_new(&s);
	cleanup_free char *own = mem_strdup(at(&s, "own")), *other = mem_strdup(at(&s, "shipped"));
	struct template_places places = {.own = own, .shipped = other};
	put(&s, "shipped/a/template.yaml", "name: Shipped\ndescription: d\n");
	put(&s, "shipped/a/files/x", "shipped");
	put(&s, "own/a/template.yaml", "name: Mine\ndescription: d\ntags: [t]\n");
	put(&s, "own/a/files/d/x", "mine");
	put(&s, "own/bad/template.yaml", "name: Bad\ndescripton: d\n");
	put(&s, "own/bad/files/x", "");
	put(&s, "own/Odd Name/template.yaml", "name: x\ndescription: d\n");
	put(&s, "own/linked/template.yaml", "name: x\ndescription: d\n");
	put(&s, "own/linked/files/x", "");
	assert_int_equal(symlink("/etc/passwd", at(&s, "own/linked/files/link")), 0);
	cleanup_json json_t *all = templates_list(&places, &e);
	assert_int_equal(json_array_size(all), 4);
	assert_non_null(strstr(json_str(json_array_get(all, 0), "error"), "in its name"));
	assert_string_equal(json_str(json_array_get(all, 1), "name"), "Mine");
	assert_non_null(strstr(json_str(json_array_get(all, 2), "error"), "template.yaml:2: "));
	assert_non_null(strstr(json_str(json_array_get(all, 2), "error"), "description"));
	assert_non_null(strstr(json_str(json_array_get(all, 3), "error"), "no links"));
	must(template_make(&places, "a", at(&s, "new"), &e), &e);
	assert_string_equal(got(&s, "new/d/x"), "mine");
	assert_int_equal(template_make(&places, "a", at(&s, "new"), &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(template_make(&places, "linked", at(&s, "new2"), &e), -1);
	assert_false(there(&s, "new2"));
	static const char *const none[] = {"", "none", "..", "../own/a", "/etc"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		e = (struct err)ERR_INIT;
		assert_int_equal(template_make(&places, none[i], at(&s, "new3"), &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
		assert_non_null(strstr(e.text, "there are: "));
	}
	scratch_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(shipped), cmocka_unit_test(own_ones)};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
