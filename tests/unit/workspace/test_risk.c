/* What a scan finds and does not, wherever it stands; and muster's own tree, which has little to find. */
#include "cases.h"

#include "base/caps.h"
#include "scratch.h"
#include "workspace/risk.h"

static void print(const struct risks *r, struct buf *out)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *all = risks_json(r, &e);
	const json_t *found = json_get(all, "found");

	assert_non_null(all);
	for (size_t i = 0; i < json_array_size(found); i++) {
		const json_t *x = json_array_get(found, i);
		buf_addf(out, "! %s %lld%s%s\n", json_str(x, "rule"), (long long)json_int(x, "line", -1),
			*json_str(x, "excerpt") ? " " : "", json_str(x, "excerpt"));
	}
}

static void run_case(const struct test_case *c)
{
	cleanup_buf struct buf text = BUF_INIT(1 << 20), want = BUF_INIT(1 << 20), have = BUF_INIT(1 << 20);
	char *path = span_dup(c->lines[0]);
	struct err e = ERR_INIT;
	struct risks r;

	for (size_t i = 1; i < c->count; i++) {
		struct span line = c->lines[i];

		if (span_starts(line, "> "))
			case_decode(span_n(line.p + 2, line.n - 2), &text);
		else
			buf_addspan(&want, line);
		buf_addc(span_starts(line, "> ") ? &text : &want, '\n');
	}
	must(risk_text(path, buf_span(&text), &r, &e), &e);
	print(&r, &have);
	if (!span_eq(buf_span(&want), buf_span(&have)))
		fail_msg("%s:\n%s", c->where, buf_span(&have).p);
	risks_release(&r);
	mem_free(path);
}

static void test_cases(void **state)
{
	(void)state;
	print_message("%zu cases\n", cases_run("risk", run_case));
}

/* Behind any padding, and across the edges of what is read at once, each is found exactly once. */
static void padding(void **state)
{
	static const char key[] = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
	static const char call[] = "os.system(x)", assigned[] = "password = \"q8Zt3vX0pLm7Rw2KsN5y\"";
	struct scratch s;
	struct err e = ERR_INIT;
	size_t room = 600 * KIB;
	char *text = mem_alloc(room + 1);
	struct risks r;

	(void)state;
	scratch_new(&s);
	for (size_t at_ = 240 * KIB; at_ < 264 * KIB; at_ += 487) {
		size_t n = 0;

		memset(text, '\n', room);
		memset(text + 1000, '#', 30000);
		memcpy(text + at_, key, sizeof key - 1);
		n = at_ + sizeof key;
		memcpy(text + n, call, sizeof call - 1);
		n += sizeof call;
		memcpy(text + n, assigned, sizeof assigned - 1);
		must(risk_text("a.py", span_n(text, room), &r, &e), &e);
		if (r.count != 3 || r.items[0].line != at_ - 30000 + 1 || r.items[1].line != r.items[0].line + 1)
			fail_msg("at %zu: %zu found, line %llu", at_, r.count,
				r.count ? (unsigned long long)r.items[0].line : 0);
		risks_release(&r);
	}
	put_bytes(&s, "a.py", text, room);
	must(risk_scan(s.dir, NULL, &r, &e), &e);
	assert_int_equal(r.count, 3);
	assert_int_equal(r.files, 1);
	assert_int_equal(r.bytes, room);
	assert_false(r.incomplete);
	risks_release(&r);
	mem_free(text);
	scratch_free(&s);
}

static void bounded(void **state)
{
	struct scratch s;
	struct err e = ERR_INIT;
	struct risks r;
	size_t room = 4 * MIB;
	char *text = mem_alloc(room);

	(void)state;
	scratch_new(&s);
	/* No line feed in sight, and what makes a careless matcher slow. */
	static const char *const evil[] = {"curl ", "= '", "password='", "eval(", "-----BEGIN ", "sk-", "|sh "};
	alarm(100);
	for (size_t i = 0; i < sizeof evil / sizeof *evil; i++) {
		for (size_t n = 0; n < room; n++)
			text[n] = evil[i][n % strlen(evil[i])];
		must(risk_text("a.sh", span_n(text, room), &r, &e), &e);
		assert_true(r.count <= 2 * CAP_RISKS_RULE);
		risks_release(&r);
		must(risk_text("a.py", span_n(text, room), &r, &e), &e);
		risks_release(&r);
	}
	alarm(0);
	for (int i = 0; i < 300; i++) {
		char name[32];
		snprintf(name, sizeof name, "%d.py", i);
		put(&s, name, "eval(a)\neval(a)\neval(a)\neval(a)\neval(a)\neval(a)\neval(a)\neval(a)\neval(a)\n");
	}
	put_bytes(&s, "prog", "\177ELF\0\0", 6);
	assert_int_equal(symlink("/etc/passwd", at(&s, "link")), 0);
	must(risk_scan(s.dir, NULL, &r, &e), &e);
	assert_int_equal(r.count, CAP_RISKS);
	assert_true(r.more > 0 && r.incomplete);
	risks_release(&r);
	atomic_bool cancel = true;
	assert_int_equal(risk_scan(s.dir, &cancel, &r, &e), -1);
	assert_int_equal(e.code, ERR_CANCELLED);
	mem_free(text);
	scratch_free(&s);
}

/* Hundreds of files in which there is nothing to find. */
static void own_tree(void **state)
{
	static const char *const folders[] = {"src", "modes", "roles", "docs", "scripts"};
	struct err e = ERR_INIT;
	struct risks r;

	(void)state;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		cleanup_free char *dir = fs_join(getenv("MUSTER_SOURCE"), folders[i]);
		cleanup_buf struct buf have = BUF_INIT(1 << 20);

		must(risk_scan(dir, NULL, &r, &e), &e);
		print(&r, &have);
		assert_true(r.files > 1 && !r.incomplete);
		if (r.count)
			fail_msg("%s:\n%s", folders[i], have.data);
		risks_release(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(padding),
		cmocka_unit_test(bounded), cmocka_unit_test(own_tree)};

	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
