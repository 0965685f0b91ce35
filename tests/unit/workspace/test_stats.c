/* What is counted, what is not. */
#include "unit.h"

#include "base/mem.h"
#include "scratch.h"
#include "workspace/stats.h"

static void counts(void **state)
{
	struct scratch s;
	struct err e = ERR_INIT;

	(void)state;
	scratch_new(&s);
	put(&s, "a.c", "int x;\nint y;");
	put(&s, "d/b.C", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n");
	put(&s, "Makefile", "all:\n");
	put(&s, "notes", "text");
	put(&s, "empty.py", "");
	put_bytes(&s, "image.c", "\0\1\2\n", 4);
	put(&s, "node_modules/x.js", "many\n");
	put(&s, "node_modules/y.js", "many\n");
	put(&s, ".git/config", "[core]\n");
	assert_int_equal(symlink("a.c", at(&s, "link.c")), 0);
	cleanup_json json_t *stats = stats_of(s.dir, NULL, &e);
	cleanup_free char *text = json_text(stats);
	assert_string_equal(text,
		"{\"bytes\":40,\"dependencies\":2,\"files\":6,\"incomplete\":false,\"languages\":["
		"{\"bytes\":27,\"files\":2,\"lines\":16,\"name\":\"C\"},{\"bytes\":5,\"files\":1,\"lines\":1,\"name\":"
		"\"Make\"},{\"bytes\":4,\"files\":1,\"lines\":0,\"name\":\"Binary\"},{\"bytes\":4,\"files\":1,"
		"\"lines\":1,"
		"\"name\":\"Other\"},{\"bytes\":0,\"files\":1,\"lines\":0,\"name\":\"Python\"}],\"lines\":18}");
	atomic_bool cancel = true;
	assert_null(stats_of(s.dir, &cancel, &e));
	assert_int_equal(e.code, ERR_CANCELLED);
	assert_null(stats_of(at(&s, "none"), NULL, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	scratch_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(counts)};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
