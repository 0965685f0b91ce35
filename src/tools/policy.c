#include "tools/policy.h"

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tools/pattern.h"
#include "tools/shell_line.h"

/* Purpose: the one place that decides about calls.
 * Happy path: split the call into subjects (one path, or the commands of a shell line), judge each by the scopes, keep
 * the strictest verdict.
 * Failure modes: none but memory; what is not understood asks. */

struct rule {
	char *text; /* "tool(pattern)" */
	struct span tool, pattern;
	enum policy_scope scope;
	enum policy_effect effect;
	bool when_tainted;
};

struct policy {
	struct rule *rules; /* in order of addition */
	size_t count, room;
	const struct policy *shared; /* whose rules come before these; NULL: none */
};

static const char *const effect_names[] = {"allow", "ask", "deny"};
static const char *const scope_names[] = {"defaults", "installation", "user", "project", "run", "none"};

const char *policy_effect_name(enum policy_effect effect)
{
	return effect_names[effect];
}

const char *policy_scope_name(enum policy_scope scope)
{
	return scope_names[scope];
}

struct policy *policy_new(void)
{
	return MEM_NEW(struct policy);
}

void policy_share(struct policy *p, const struct policy *shared)
{
	p->shared = shared;
}

static void drop_rules(struct policy *p, size_t count)
{
	while (p->count > count)
		mem_free(p->rules[--p->count].text);
}

void policy_free(struct policy *p)
{
	if (!p)
		return;
	drop_rules(p, 0);
	mem_free(p->rules);
	mem_free(p);
}

static bool tool_name_fine(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || strchr("()\"'", name.p[i]))
			return false;
	return name.n > 0;
}

/* rule: tool "(" pattern ")" */
static int split_rule(struct rule *r, struct err *e)
{
	struct span text = span_of(r->text);
	size_t open = span_find(text, span_of("("), 0);

	if (text.n > CAP_POLICY_PATTERN)
		return err_set(
			e, ERR_TOO_LARGE, "a policy rule has %zu bytes; %d are allowed", text.n, CAP_POLICY_PATTERN);
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return err_set(e, ERR_INVALID, "a policy rule contains a control character at byte %zu", i + 1);
	if (!utf8_valid(text))
		return err_set(e, ERR_INVALID, "a policy rule is not valid UTF-8");
	if (open == (size_t)-1 || !span_ends(text, ")"))
		return err_set(e, ERR_INVALID,
			"\"%s\" is no policy rule; write tool(pattern), such as shell(git push*) or read_file(*)",
			r->text);
	r->tool = span_n(text.p, open);
	r->pattern = span_n(text.p + open + 1, text.n - open - 2);
	if (!tool_name_fine(r->tool))
		return err_set(
			e, ERR_INVALID, "\"%s\" is no policy rule: a tool's name has to stand before the (", r->text);
	return 0;
}

int policy_add(struct policy *p, enum policy_scope scope, enum policy_effect effect, const char *text,
	bool when_tainted, struct err *e)
{
	struct rule r = {.scope = scope, .effect = effect, .when_tainted = when_tainted};

	if (p->count == CAP_POLICY_RULES)
		return err_set(e, ERR_TOO_LARGE, "more than %d policy rules", CAP_POLICY_RULES);
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 4;
		struct rule *rules = mem_realloc(p->rules, room * sizeof(*rules));
		if (!rules)
			return err_nomem(e);
		p->rules = rules;
		p->room = room;
	}
	r.text = mem_strdup(text);
	if (!r.text)
		return err_nomem(e);
	if (split_rule(&r, e)) {
		mem_free(r.text);
		return -1;
	}
	p->rules[p->count++] = r;
	return 0;
}

static int load_rule(struct policy *p, enum policy_scope scope, const json_t *item, struct err *e)
{
	const char *key, *text = NULL;
	enum policy_effect effect = POLICY_ASK;
	json_t *value;

	if (!json_is_object(item))
		return err_set(e, ERR_INVALID, "has to be an object such as {\"ask\": \"shell(git push*)\"}");
	json_object_foreach((json_t *)item, key, value)
	{
		int i = 0;
		while (i <= POLICY_DENY && strcmp(key, effect_names[i]) != 0)
			i++;
		if (i > POLICY_DENY && strcmp(key, "when") != 0)
			return err_set(
				e, ERR_INVALID, "has the unknown key \"%s\"; allow, ask, deny and when are known", key);
		if (!json_is_string(value))
			return err_set(e, ERR_INVALID, "the value of \"%s\" has to be a string", key);
		if (i > POLICY_DENY)
			continue;
		if (text)
			return err_set(e, ERR_INVALID, "has more than one of allow, ask and deny");
		text = json_string_value(value);
		effect = (enum policy_effect)i;
	}
	if (!text)
		return err_set(e, ERR_INVALID, "has none of allow, ask and deny");
	const char *when = json_str(item, "when");
	if (when && strcmp(when, "tainted") != 0)
		return err_set(e, ERR_INVALID, "\"when\": \"%s\" is unknown; \"tainted\" is the one condition", when);
	return policy_add(p, scope, effect, text, when != NULL, e);
}

int policy_load_json(struct policy *p, enum policy_scope scope, const json_t *list, struct err *e)
{
	size_t before = p->count, i;
	json_t *item;

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list))
		return err_set(e, ERR_INVALID, "the policy has to be a list of rules");
	json_array_foreach(list, i, item)
	{
		if (load_rule(p, scope, item, e)) {
			drop_rules(p, before);
			return err_wrap(e, "policy rule %zu", i + 1);
		}
	}
	return 0;
}

/* What is judged: a command or an argument, in all its spellings. */
struct subject {
	const char *tool;
	struct shell_form forms; /* the first is what an allow must match */
	bool tainted;
};

static enum pattern_match rule_matches(const struct rule *r, const struct subject *s)
{
	enum pattern_match best = PATTERN_NO;

	if ((r->when_tainted && !s->tainted) || pattern_match(r->tool, span_of(s->tool)) != PATTERN_YES)
		return PATTERN_NO;
	for (const struct shell_form *form = &s->forms; form; form = form->next) {
		enum pattern_match m = pattern_match(r->pattern, span_of(form->text));
		if (m > best)
			best = m;
		if (r->effect == POLICY_ALLOW)
			break;
	}
	return best;
}

/* How a scope judges: the last rule that surely matches, and a stricter one behind it that may. */
struct opinion {
	const struct rule *sure, *maybe;
};

static struct opinion scope_opinion(const struct policy *p, enum policy_scope scope, const struct subject *s)
{
	struct opinion o = {0};

	for (; p && !o.sure; p = p->shared)
		for (size_t i = p->count; i-- > 0 && !o.sure;) {
			const struct rule *r = &p->rules[i];
			enum pattern_match m = r->scope == scope ? rule_matches(r, s) : PATTERN_NO;
			if (m == PATTERN_YES)
				o.sure = r;
			else if (m == PATTERN_MAYBE && r->effect != POLICY_ALLOW &&
				 (!o.maybe || r->effect > o.maybe->effect))
				o.maybe = r;
		}
	return o;
}

struct decision {
	enum policy_effect effect;
	const struct rule *rule; /* NULL: none matches */
	bool maybe;		 /* the rule may match */
};

static struct decision decide(const struct policy *p, const struct subject *s)
{
	struct decision d = {POLICY_ASK, NULL, false};
	const struct rule *denies = NULL, *may_deny = NULL;

	for (enum policy_scope scope = POLICY_DEFAULTS; scope < POLICY_SCOPES; scope++) {
		struct opinion o = scope_opinion(p, scope, s);
		if (o.sure)
			d = (struct decision){o.sure->effect, o.sure, false};
		if (o.maybe && !(o.sure && o.sure->effect != POLICY_ALLOW))
			d = (struct decision){POLICY_ASK, o.maybe, true};
		if (o.sure && o.sure->effect == POLICY_DENY && !denies)
			denies = o.sure;
		if (o.maybe && o.maybe->effect == POLICY_DENY && !may_deny)
			may_deny = o.maybe;
	}
	if (denies)
		return (struct decision){POLICY_DENY, denies, false};
	if (may_deny && d.effect == POLICY_ALLOW)
		return (struct decision){POLICY_ASK, may_deny, true};
	return d;
}

/* Put the verdict in words. doubt: the subject stands for the unknown commands of a line. */
static int explain(
	const struct subject *s, const struct decision *d, const char *doubt, struct policy_verdict *out, struct err *e)
{
	cleanup_buf struct buf shown = BUF_INIT(8 * KIB), text = BUF_INIT(8 * KIB);
	char head[401] = "";

	*out = (struct policy_verdict){
		d->effect, d->rule ? d->rule->scope : POLICY_SCOPES, d->rule ? d->rule->text : NULL, ""};
	memcpy(head, s->forms.text, strnlen(s->forms.text, sizeof(head) - 1));
	shell_text_show(head, &shown);
	if (buf_check(&shown, "the reason", e))
		return -1;
	size_t n = utf8_cut(buf_span(&shown), 160);
	buf_addf(&text, "%s ", s->tool);
	if (doubt)
		buf_addf(&text, "line, of which not every command is known (%s), ", doubt);
	else
		buf_addf(&text, "\"%.*s%s\" ", (int)n, buf_span(&shown).p, n < shown.len ? "…" : "");
	if (!d->rule)
		buf_adds(&text, "matches no rule, so a person decides");
	else
		buf_addf(&text, "%s \"%s: %s\" of the %s policy", d->maybe ? "may match" : "matches",
			effect_names[d->rule->effect], d->rule->text, scope_names[d->rule->scope]);
	if (buf_check(&text, "the reason", e))
		return -1;
	n = utf8_cut(buf_span(&text), sizeof(out->reason) - 1);
	memcpy(out->reason, text.data, n);
	out->reason[n] = '\0';
	return 0;
}

/* Judge a subject and keep the verdict when it is stricter than what *out holds (or the first). */
static int judge(const struct policy *p, const struct subject *s, const char *doubt, bool *first,
	struct policy_verdict *out, struct err *e)
{
	struct decision d = decide(p, s);

	if (!*first && d.effect <= out->effect)
		return 0;
	*first = false;
	return explain(s, &d, doubt, out, e);
}

/* The path with ".", "..", "" components resolved, in the arena; the same text when it has none of them. A leading /
 * and .. that lead out stay. */
static const char *resolve_path(struct arena *a, struct span path)
{
	char *out = arena_alloc(a, path.n + 2);
	size_t n = 0, root = path.n && path.p[0] == '/', i = root;

	if (!out)
		return NULL;
	if (root)
		out[n++] = '/';
	while (i < path.n) {
		size_t end = span_find(path, span_of("/"), i);
		struct span part = span_n(path.p + i, (end == (size_t)-1 ? path.n : end) - i);
		size_t last = n; /* where the last component of `out` begins */
		while (last > root && out[last - 1] != '/')
			last--;
		bool can_leave = n > root && !span_is(span_n(out + last, n - last), "..");
		i += part.n + 1;
		if (!part.n || span_is(part, "."))
			continue;
		if (span_is(part, "..") && (can_leave || root)) {
			n = last > root ? last - 1 : root;
			continue;
		}
		if (n > root)
			out[n++] = '/';
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	if (n == 0)
		out[n++] = '.';
	if (n > 1 && path.p[path.n - 1] == '/')
		out[n++] = '/';
	out[n] = '\0';
	return out;
}

static int judge_argument(const struct policy *p, const char *tool, struct span argument, bool tainted, struct arena *a,
	struct policy_verdict *out, struct err *e)
{
	struct shell_form given = {arena_dup(a, argument), NULL};
	bool url = span_find(argument, span_of("://"), 0) != (size_t)-1, first = true;
	const char *resolved = url || !argument.n ? given.text : resolve_path(a, argument);
	struct subject s = {.tool = tool, .forms = {resolved, &given}, .tainted = tainted};

	if (!given.text || !resolved)
		return err_nomem(e);
	return judge(p, &s, NULL, &first, out, e);
}

/* A redirection is denied (or, when it may be, asked about) by the rules of read_file and write_file; what they ask or
 * allow does not bind the shell. */
static int judge_file(const struct policy *p, const struct shell_file *f, bool tainted, struct arena *a, bool *first,
	struct policy_verdict *out, struct err *e)
{
	struct shell_form given = {f->path, NULL};
	const char *resolved = resolve_path(a, span_of(f->path));
	struct subject s = {
		.tool = f->writes ? "write_file" : "read_file", .forms = {resolved, &given}, .tainted = tainted};

	if (!resolved)
		return err_nomem(e);
	struct decision d = decide(p, &s);
	bool may_deny = d.maybe && d.rule->effect == POLICY_DENY;
	if ((d.effect != POLICY_DENY && !may_deny) || (!*first && d.effect <= out->effect))
		return 0;
	*first = false;
	return explain(&s, &d, NULL, out, e);
}

static int judge_line(const struct policy *p, struct span argument, bool tainted, struct arena *a,
	struct policy_verdict *out, struct err *e)
{
	static const char anything[] = {SHELL_UNKNOWN, '\0'};
	struct subject s = {.tool = "shell", .tainted = tainted};
	struct shell_line line;
	bool first = true;

	if (shell_line_parse(argument, a, &line, e))
		return -1;
	for (const struct shell_command *c = line.commands; c; c = c->next) {
		s.forms = (struct shell_form){c->text, c->others};
		if (judge(p, &s, NULL, &first, out, e))
			return -1;
	}
	for (const struct shell_file *f = line.files; f; f = f->next)
		if (judge_file(p, f, tainted, a, &first, out, e))
			return -1;
	if (!line.commands || line.doubt) { /* the empty line, and assignments alone, are the empty command */
		s.forms = (struct shell_form){line.doubt ? anything : "", NULL};
		if (judge(p, &s, line.doubt, &first, out, e))
			return -1;
	}
	return 0;
}

int policy_decide(const struct policy *p, const char *tool, struct span argument, bool tainted,
	struct policy_verdict *out, struct err *e)
{
	cleanup_arena struct arena a;

	arena_init(&a, 64 * MIB);
	if (strcmp(tool, "shell") == 0)
		return judge_line(p, argument, tainted, &a, out, e);
	return judge_argument(p, tool, argument, tainted, &a, out, e);
}
