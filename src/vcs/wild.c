/* wild: matching with one level of backtracking: when a later `*` has matched, an earlier one never needs another try,
 * so only the last is remembered. The same holds for `**` over parts. */
#include "vcs/wild.h"

#include "base/utf8.h"

static size_t char_at(struct span s, size_t i, uint32_t *cp)
{
	size_t n = utf8_char(span_n(s.p + i, s.n - i), cp);

	if (*cp != UTF8_BAD)
		return n;
	*cp = (unsigned char)s.p[i];
	return 1;
}

/* The class that begins at p[i] == '[' against cp: its end in *end, 0 when it has none (it matches nothing). */
static bool class_has(struct span p, size_t i, uint32_t cp, size_t *end)
{
	size_t at = i + 1;
	bool negated = at < p.n && (p.p[at] == '!' || p.p[at] == '^'), found = false;

	at += negated;
	for (size_t first = at; at < p.n && (p.p[at] != ']' || at == first);) {
		uint32_t low, high;

		if (p.p[at] == '\\' && at + 1 < p.n)
			at++;
		at += char_at(p, at, &low);
		high = low;
		if (at + 1 < p.n && p.p[at] == '-' && p.p[at + 1] != ']') {
			at += 1 + (p.p[at + 1] == '\\' && at + 2 < p.n);
			at += char_at(p, at, &high);
		}
		found |= cp >= low && cp <= high;
	}
	*end = at < p.n ? at + 1 : 0;
	return found != negated;
}

/* Does the single element of the pattern at *i match the character at *j? Moves both on when it does. */
static bool one(struct span p, size_t *i, struct span s, size_t *j)
{
	uint32_t cp, want;
	size_t n = char_at(s, *j, &cp), at = *i, end = 0;

	if (p.p[at] == '[') {
		bool has = class_has(p, at, cp, &end);
		if (!end || !has)
			return false;
	}
	if (!end && p.p[at] == '?')
		end = at + 1;
	if (!end) {
		at += p.p[at] == '\\' && at + 1 < p.n;
		end = at + char_at(p, at, &want);
		if (want != cp)
			return false;
	}
	*i = end;
	*j += n;
	return true;
}

bool wild_name(struct span p, struct span s)
{
	size_t i = 0, j = 0, star = (size_t)-1, from = 0;
	uint32_t cp;

	while (j < s.n) {
		if (i < p.n && p.p[i] == '*') {
			star = ++i;
			from = j;
		} else if (i < p.n && one(p, &i, s, &j)) {
			continue;
		} else if (star != (size_t)-1) {
			from += char_at(s, from, &cp);
			i = star;
			j = from;
		} else {
			return false;
		}
	}
	while (i < p.n && p.p[i] == '*')
		i++;
	return i == p.n;
}

bool wild_part(struct span *rest, struct span *part)
{
	size_t n = 0;

	while (rest->n && rest->p[0] == '/')
		*rest = span_n(rest->p + 1, rest->n - 1);
	while (n < rest->n && rest->p[n] != '/')
		n++;
	*part = span_n(rest->p, n);
	*rest = span_n(rest->p + n, rest->n - n);
	return n > 0;
}

bool wild_path(struct span p, struct span path)
{
	struct span want, part, after_stars = SPAN_NONE, from = SPAN_NONE;
	bool stars = false;

	for (;;) {
		struct span p_rest = p, rest = path;
		bool more = wild_part(&rest, &part);

		if (!wild_part(&p_rest, &want)) {
			if (!more)
				return true;
		} else if (span_is(want, "**")) {
			struct span probe = p_rest, next;
			if (!wild_part(&probe, &next))
				return more;
			stars = true;
			after_stars = p = p_rest;
			from = path;
			continue;
		} else if (!more) {
			return false;
		} else if (wild_name(want, part)) {
			p = p_rest;
			path = rest;
			continue;
		}
		if (!stars || !wild_part(&from, &part))
			return false;
		p = after_stars;
		path = from;
	}
}

bool wild_has(struct span p)
{
	for (size_t i = 0; i < p.n; i++)
		if (memchr("*?[\\", p.p[i], 4))
			return true;
	return false;
}
