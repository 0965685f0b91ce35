/* ignore: lines become rules; the last rule that matches in the innermost level that has one decides. */
#include "vcs/ignore.h"

#include "base/caps.h"
#include "base/err.h"
#include "base/mem.h"
#include "vcs/wild.h"

#define RULES_MAX 10000

/* Trailing blanks do not count unless escaped. */
static struct span cut_blanks(struct span line)
{
	while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t') &&
		!(line.n > 1 && line.p[line.n - 2] == '\\'))
		line.n--;
	return line;
}

static bool parse_rule(struct span line, struct ignore_rule *rule)
{
	*rule = (struct ignore_rule){.negated = false};
	line = cut_blanks(line);
	if (line.n == 0 || line.p[0] == '#' || line.n > CAP_PATTERN)
		return false;
	if (line.p[0] == '!') {
		rule->negated = true;
		line = span_n(line.p + 1, line.n - 1);
	}
	if (line.n && line.p[line.n - 1] == '/') {
		rule->folders_only = true;
		line.n--;
	}
	rule->anchored = line.n && memchr(line.p, '/', line.n);
	rule->pattern = line;
	return line.n > 0;
}

static int add_rule(struct ignore *g, const struct ignore_rule *rule)
{
	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 16;
		struct ignore_rule *rules = mem_realloc(g->rules, room * sizeof *rules);
		if (!rules)
			return -1;
		g->rules = rules;
		g->room = room;
	}
	g->rules[g->count++] = *rule;
	return 0;
}

int ignore_init(struct ignore *g, const struct ignore *up, struct span path, struct span text, struct err *e)
{
	struct span rest = text, line;
	struct ignore_rule rule;
	struct hash_stream h;

	*g = (struct ignore){.up = up, .skip = path.n ? path.n + 1 : 0};
	if (span_starts(rest, "\xef\xbb\xbf"))
		rest = span_n(rest.p + 3, rest.n - 3);
	while (g->count < RULES_MAX && span_line(&rest, &line))
		if (parse_rule(line, &rule) && add_rule(g, &rule)) {
			ignore_release(g);
			return err_nomem(e);
		}
	hash_start(&h, NULL);
	if (up)
		hash_update(&h, up->digest.b, HASH_SIZE);
	hash_update(&h, path.p ? path.p : "", path.n);
	hash_update(&h, "\0", 1);
	hash_update(&h, text.p ? text.p : "", text.n);
	hash_end(&h, &g->digest);
	return 0;
}

void ignore_release(struct ignore *g)
{
	mem_free(g->rules);
	g->rules = NULL;
	g->count = 0;
}

static bool rule_matches(const struct ignore_rule *rule, struct span path, bool folder)
{
	const char *slash;

	if (rule->folders_only && !folder)
		return false;
	if (rule->anchored)
		return wild_path(rule->pattern, path);
	slash = memrchr(path.p, '/', path.n);
	return wild_name(rule->pattern, slash ? span_n(slash + 1, (size_t)(path.p + path.n - slash - 1)) : path);
}

bool ignore_match(const struct ignore *g, struct span path, bool folder)
{
	for (; g; g = g->up) {
		struct span below = span_n(path.p + g->skip, path.n - g->skip);

		for (size_t i = g->count; i-- > 0;)
			if (rule_matches(&g->rules[i], below, folder))
				return !g->rules[i].negated;
	}
	return false;
}
