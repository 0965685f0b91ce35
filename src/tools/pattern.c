#include "tools/pattern.h"

#include <stdint.h>

#include "base/caps.h"
#include "base/err.h"
#include "tools/shell_line.h"

/* Purpose: match without backtracking, so that no pattern and no text make it slow.
 * Happy path: the pattern is a row of steps; the set of steps that one may stand before moves along the text.
 * Failure modes: none. */

enum step { STEP_CHAR, STEP_ANY, STEP_FOLDERS }; /* FOLDERS: go on, or pass the ANY and the "/" that follow it */

struct steps {
	uint8_t kind[3 * CAP_POLICY_PATTERN];
	char c[3 * CAP_POLICY_PATTERN];
	size_t count;
};

static void add_step(struct steps *s, enum step kind, char c)
{
	s->kind[s->count] = (uint8_t)kind;
	s->c[s->count++] = c;
}

static void compile(struct steps *s, struct span pattern)
{
	s->count = 0;
	for (size_t i = 0; i < pattern.n; i++) {
		if (span_starts(span_n(pattern.p + i, pattern.n - i), "**/")) {
			add_step(s, STEP_FOLDERS, 0);
			add_step(s, STEP_ANY, 0);
			add_step(s, STEP_CHAR, '/');
			i += 2;
		} else if (pattern.p[i] == '*') {
			add_step(s, STEP_ANY, 0);
		} else {
			add_step(s, STEP_CHAR, pattern.p[i]);
		}
	}
}

/* Before which steps may one stand without reading more? at[count] is the end. */
static void spread(const struct steps *s, uint8_t *at)
{
	for (size_t i = 0; i < s->count; i++) {
		if (!at[i] || s->kind[i] == STEP_CHAR)
			continue;
		at[i + 1] = 1;
		if (s->kind[i] == STEP_FOLDERS)
			at[i + 3] = 1;
	}
}

/* Move over one character of the text; false when no step is left. unknown_passes: an unknown part may be whatever the
 * pattern wants; else only ANY takes it. */
static bool advance(const struct steps *s, uint8_t *at, char c, bool unknown_passes)
{
	bool unknown = c == SHELL_UNKNOWN, some = false, before = false;

	if (unknown && unknown_passes) {
		for (size_t i = 0; i <= s->count; i++)
			at[i] = some |= at[i];
		return some;
	}
	for (size_t i = 0; i <= s->count; i++) {
		bool here = i < s->count && at[i];
		at[i] = before || (here && s->kind[i] == STEP_ANY);
		before = here && s->kind[i] == STEP_CHAR && !unknown && s->c[i] == c;
		some |= at[i];
	}
	return some;
}

static bool matches(const struct steps *s, struct span text, bool unknown_passes)
{
	uint8_t at[3 * CAP_POLICY_PATTERN + 1] = {1};

	spread(s, at);
	for (size_t i = 0; i < text.n; i++) {
		if (s->count && s->kind[s->count - 1] == STEP_ANY && at[s->count - 1])
			return true; /* it takes all the rest */
		if (!advance(s, at, text.p[i], unknown_passes))
			return false;
		spread(s, at);
	}
	return at[s->count];
}

enum pattern_match pattern_match(struct span pattern, struct span text)
{
	struct steps s;

	BUG_ON(pattern.n > CAP_POLICY_PATTERN);
	compile(&s, pattern);
	if (matches(&s, text, false))
		return PATTERN_YES;
	bool unknown = text.n && memchr(text.p, SHELL_UNKNOWN, text.n);
	return unknown && matches(&s, text, true) ? PATTERN_MAYBE : PATTERN_NO;
}
