#include "cases.h"

#include "base/caps.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/utf8.h"
#include "tools/pattern.h"
#include "tools/policy.h"
#include "tools/shell_line.h"

/* Cases of tests/cases/policy: rules, "scope effect rule [when tainted]"; then calls, each with its verdict:
 *   tool: argument          (tool! when the agent is tainted)
 *   = effect                (nothing matches), or: = effect scope rule */

static bool starts_with_scope(struct span line, enum policy_scope *scope, struct span *rest)
{
	for (int i = 0; i < POLICY_SCOPES; i++) {
		const char *name = policy_scope_name((enum policy_scope)i);
		if (span_starts(line, name) && line.n > strlen(name) && line.p[strlen(name)] == ' ') {
			*scope = (enum policy_scope)i;
			*rest = span_n(line.p + strlen(name) + 1, line.n - strlen(name) - 1);
			return true;
		}
	}
	return false;
}

static void add_rule(struct policy *p, enum policy_scope scope, struct span text)
{
	static const char when[] = " when tainted";
	struct err e = ERR_INIT;
	bool tainted = span_ends(text, when);

	if (tainted)
		text.n -= strlen(when);
	for (int i = 0; i <= POLICY_DENY; i++) {
		const char *name = policy_effect_name((enum policy_effect)i);
		if (!span_starts(text, name))
			continue;
		char *rule = span_dup(span_n(text.p + strlen(name) + 1, text.n - strlen(name) - 1));
		must(policy_add(p, scope, (enum policy_effect)i, rule, tainted, &e), &e);
		mem_free(rule);
		return;
	}
	fail_msg("no effect in %.*s", (int)text.n, text.p);
}

static void expect(const struct test_case *c, const struct policy *p, struct span call, struct span wanted)
{
	cleanup_buf struct buf argument = BUF_INIT(1 * MIB), found = BUF_INIT(1 * MIB);
	size_t colon = span_find(call, span_of(": "), 0);
	struct policy_verdict v;
	struct err e = ERR_INIT;

	if (colon == (size_t)-1)
		fail_msg("%s: no tool in %.*s", c->where, (int)call.n, call.p);
	bool tainted = call.p[colon - 1] == '!';
	char *tool = span_dup(span_n(call.p, colon - tainted));
	case_decode(span_n(call.p + colon + 2, call.n - colon - 2), &argument);
	must(policy_decide(p, tool, buf_span(&argument), tainted, &v, &e), &e);
	buf_addf(&found, "= %s", policy_effect_name(v.effect));
	if (v.rule)
		buf_addf(&found, " %s %s", policy_scope_name(v.scope), v.rule);
	if (!span_eq(wanted, buf_span(&found)))
		fail_msg("%s: %.*s\n  expected: %.*s\n  found:    %s\n  %s", c->where, (int)call.n, call.p,
			(int)wanted.n, wanted.p, found.data, v.reason);
	assert_true(v.reason[0] && utf8_valid(span_of(v.reason)));
	mem_free(tool);
}

static void run_case(const struct test_case *c)
{
	struct policy *p = policy_new();
	enum policy_scope scope;
	struct span rest;
	size_t i = 0;

	assert_non_null(p);
	for (; i < c->count && starts_with_scope(c->lines[i], &scope, &rest); i++)
		add_rule(p, scope, rest);
	if (i + 2 > c->count)
		fail_msg("%s: no call", c->where);
	for (; i + 1 < c->count; i += 2)
		expect(c, p, c->lines[i], c->lines[i + 1]);
	assert_int_equal(i, c->count);
	policy_free(p);
}

static void test_cases(void **state)
{
	(void)state;
	size_t done = cases_run("policy", run_case);
	print_message("%zu cases\n", done);
	assert_true(done >= 40);
}

static void test_patterns(void **state)
{
	static const struct {
		const char *pattern, *text;
		enum pattern_match expected;
	} all[] = {
		{"", "", PATTERN_YES},
		{"", "a", PATTERN_NO},
		{"a", "", PATTERN_NO},
		{"*", "", PATTERN_YES},
		{"*", "a/b\nc", PATTERN_YES},
		{"a*", "a", PATTERN_YES},
		{"a*", "ba", PATTERN_NO},
		{"*a", "ba", PATTERN_YES},
		{"*a", "bab", PATTERN_NO},
		{"a*b*c", "aXbYc", PATTERN_YES},
		{"a*b*c", "acb", PATTERN_NO},
		{"**", "a/b", PATTERN_YES},
		{"**/.env*", ".env", PATTERN_YES},
		{"**/.env*", "a/.env", PATTERN_YES},
		{"**/.env*", "a/b/.env.local", PATTERN_YES},
		{"**/.env*", "a.env", PATTERN_NO},
		{"**/.env*", "a/b.env", PATTERN_NO},
		{"src/**/x", "src/x", PATTERN_YES},
		{"src/**/x", "src/a/b/x", PATTERN_YES},
		{"src/**/x", "src/ax", PATTERN_NO},
		{"**/**/x", "x", PATTERN_YES},
		{"**/a/**/b", "q/a/r/s/b", PATTERN_YES},
		{"**/a/**/b", "a/b", PATTERN_YES},
		{"**/a/**/b", "b/a", PATTERN_NO},
		{"[a]?", "[a]?", PATTERN_YES},
		{"[a]?", "ab", PATTERN_NO},
		{"git push*", "git \x01", PATTERN_MAYBE},
		{"git push*", "git \x01push", PATTERN_MAYBE},
		{"git push*", "hg \x01", PATTERN_NO},
		{"git *", "git \x01", PATTERN_YES},
		{"git *", "git\x01", PATTERN_MAYBE},
		{"*", "\x01", PATTERN_YES},
		{"a", "\x01", PATTERN_MAYBE},
		{"", "\x01", PATTERN_MAYBE},
		{"a*z", "a\x01", PATTERN_MAYBE},
		{"a*z", "a\x01z", PATTERN_YES},
		{"a*z", "a\x01y", PATTERN_NO},
		{"**/.env", "\x01/.env", PATTERN_YES},
		{"*/.env", "\x01/.env", PATTERN_YES},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		enum pattern_match found = pattern_match(span_of(all[i].pattern), span_of(all[i].text));
		if (found != all[i].expected)
			fail_msg("%s on %s: %d", all[i].pattern, all[i].text, (int)found);
	}
	/* Many wildcards on a long text: linear in both, so this ends at once. */
	cleanup_buf struct buf pattern = BUF_INIT(CAP_POLICY_PATTERN + 1), text = BUF_INIT(1 * MIB);
	while (pattern.len + 2 < CAP_POLICY_PATTERN)
		buf_adds(&pattern, "*a");
	for (int i = 0; i < 10000; i++)
		buf_addc(&text, 'a');
	buf_addc(&text, 'b');
	assert_int_equal(pattern_match(buf_span(&pattern), buf_span(&text)), PATTERN_NO);
}

static void test_bad_rules(void **state)
{
	static const char *const bad[] = {"", "shell", "shell(", "(x)", "shell x(y)", "shell(git push", "shell)x(",
		"a\"(b)", "a(\n)", "a(\xff)", "a(\x7f)"};
	cleanup_buf struct buf text = BUF_INIT(1 * MIB);
	struct err e = ERR_INIT;

	(void)state;
	struct policy *p = policy_new();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(policy_add(p, POLICY_RUN, POLICY_ALLOW, bad[i], false, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
	buf_adds(&text, "shell(");
	while (text.len < CAP_POLICY_PATTERN)
		buf_addc(&text, '*');
	buf_addc(&text, ')');
	assert_int_equal(policy_add(p, POLICY_RUN, POLICY_ALLOW, text.data, false, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	for (int i = 0; i < CAP_POLICY_RULES; i++)
		must(policy_add(p, POLICY_RUN, POLICY_ALLOW, "a(b)", false, &e), &e);
	assert_int_equal(policy_add(p, POLICY_RUN, POLICY_ALLOW, "a(b)", false, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	policy_free(p);
	policy_free(NULL);
}

static void test_json(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"{}", "the policy has to be a list of rules"},
		{"[{\"allow\":\"a(*)\"},{\"allow\":\"a\"}]", "policy rule 2: \"a\" is no policy rule"},
		{"[{\"permit\":\"a(*)\"}]", "policy rule 1: has the unknown key \"permit\""},
		{"[{\"allow\":\"a(*)\",\"deny\":\"b(*)\"}]", "policy rule 1: has more than one"},
		{"[{\"when\":\"tainted\"}]", "policy rule 1: has none of"},
		{"[{\"ask\":\"a(*)\",\"when\":\"monday\"}]", "policy rule 1: \"when\": \"monday\" is unknown"},
		{"[{\"ask\":1}]", "policy rule 1: the value of \"ask\" has to be a string"},
		{"[\"a(*)\"]", "policy rule 1: has to be an object"},
	};
	struct policy_verdict v;
	struct err e = ERR_INIT;

	(void)state;
	struct policy *p = policy_new();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cleanup_json json_t *list = json_parse(span_of(bad[i].text), "policy", &e);
		assert_non_null(list);
		assert_int_equal(policy_load_json(p, POLICY_PROJECT, list, &e), -1);
		if (!strstr(e.text, bad[i].error))
			fail_msg("%s: %s", bad[i].text, e.text);
	}
	/* Nothing of the bad lists was kept. */
	must(policy_decide(p, "a", span_of("x"), false, &v, &e), &e);
	assert_null(v.rule);
	cleanup_json json_t *list = json_parse(
		span_of("[{\"allow\":\"a(*)\"},{\"ask\":\"a(*)\",\"when\":\"tainted\"},{\"deny\":\"b(*)\"}]"), "policy",
		&e);
	must(policy_load_json(p, POLICY_PROJECT, list, &e), &e);
	must(policy_load_json(p, POLICY_PROJECT, NULL, &e), &e);
	must(policy_decide(p, "a", span_of("x"), false, &v, &e), &e);
	assert_int_equal(v.effect, POLICY_ALLOW);
	must(policy_decide(p, "a", span_of("x"), true, &v, &e), &e);
	assert_int_equal(v.effect, POLICY_ASK);
	must(policy_decide(p, "b", span_of("x"), true, &v, &e), &e);
	assert_int_equal(v.effect, POLICY_DENY);
	policy_free(p);
}

static void test_shared(void **state)
{
	struct policy_verdict v;
	struct err e = ERR_INIT;

	(void)state;
	struct policy *shared = policy_new(), *one = policy_new(), *other = policy_new();
	must(policy_add(shared, POLICY_DEFAULTS, POLICY_ALLOW, "shell(*)", false, &e), &e);
	must(policy_add(shared, POLICY_RUN, POLICY_ASK, "a(*)", false, &e), &e);
	policy_share(one, shared);
	policy_share(other, shared);
	must(policy_add(one, POLICY_RUN, POLICY_ALLOW, "a(*)", false, &e), &e);
	must(policy_add(one, POLICY_RUN, POLICY_DENY, "shell(rm*)", false, &e), &e);
	must(policy_decide(one, "shell", span_of("ls"), false, &v, &e), &e);
	assert_int_equal(v.effect, POLICY_ALLOW);
	assert_int_equal(v.scope, POLICY_DEFAULTS);
	must(policy_decide(one, "shell", span_of("rm x"), false, &v, &e), &e);
	assert_int_equal(v.effect, POLICY_DENY);
	must(policy_decide(one, "a", span_of("x"), false, &v, &e), &e); /* its own come later, so they win */
	assert_int_equal(v.effect, POLICY_ALLOW);
	policy_free(one);
	must(policy_decide(other, "shell", span_of("rm x"), false, &v, &e), &e);
	assert_int_equal(v.effect, POLICY_ALLOW);
	must(policy_decide(other, "a", span_of("x"), false, &v, &e), &e);
	assert_int_equal(v.effect, POLICY_ASK);
	policy_free(other);
	policy_free(shared);
}

static void test_reasons(void **state)
{
	struct policy_verdict v;
	struct err e = ERR_INIT;
	char big[5000];

	(void)state;
	struct policy *p = policy_new();
	must(policy_add(p, POLICY_DEFAULTS, POLICY_ALLOW, "shell(*)", false, &e), &e);
	must(policy_add(p, POLICY_PROJECT, POLICY_ASK, "shell(git push*)", false, &e), &e);
	must(policy_decide(p, "shell", span_of("cd x && 'git' push\"\x1b[2J\""), false, &v, &e), &e);
	assert_string_equal(
		v.reason, "shell \"git push\\x1b[2J\" matches \"ask: shell(git push*)\" of the project policy");
	must(policy_decide(p, "shell", span_of("git $X"), false, &v, &e), &e);
	assert_string_equal(v.reason, "shell \"git …\" may match \"ask: shell(git push*)\" of the project policy");
	must(policy_decide(p, "shell", span_of("eval x"), false, &v, &e), &e);
	assert_string_equal(v.reason,
		"shell line, of which not every command is known (it runs text or other commands in a way "
		"that cannot be followed), may match \"ask: shell(git push*)\" of the project policy");
	must(policy_decide(p, "mcp.x", span_of("y"), false, &v, &e), &e);
	assert_string_equal(v.reason, "mcp.x \"y\" matches no rule, so a person decides");
	assert_int_equal(v.scope, POLICY_SCOPES);
	memset(big, 0xfc, sizeof(big)); /* not UTF-8 */
	must(policy_decide(p, "write_file", span_n(big, sizeof(big)), false, &v, &e), &e);
	assert_true(utf8_valid(span_of(v.reason)));
	policy_free(p);
}

static void test_no_memory(void **state)
{
	(void)state;
	size_t before = mem_in_use();
	for (uint64_t nth = 1;; nth++) {
		struct policy_verdict v;
		struct err e = ERR_INIT;
		fault_arm(FAULT_ALLOC, nth, false);
		struct policy *p = policy_new();
		int bad = p ? 0 : err_nomem(&e);
		if (!bad)
			bad = policy_add(p, POLICY_USER, POLICY_ALLOW, "shell(a*)", false, &e) ||
			      policy_decide(p, "shell", span_of("a $(b) > c"), false, &v, &e) ||
			      policy_decide(p, "read_file", span_of("a/../b"), false, &v, &e);
		bool hit = fault_seen() >= nth;
		fault_disarm();
		policy_free(p);
		assert_int_equal(bad != 0, hit);
		assert_int_equal(e.code, hit ? ERR_NOMEM : ERR_OK);
		assert_int_equal(mem_in_use(), before);
		if (!hit)
			break;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_bad_rules),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_no_memory),
	};
	json_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
