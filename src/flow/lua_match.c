/* lua_match: a backtracking matcher that reads the pattern as it goes.
 *
 *   pattern = ["^"] { item } ["$"]
 *   item    = single [ "*" | "+" | "-" | "?" ] | "(" ")" | "(" | ")" | "%b" x y | "%f" set | "%" digit
 *   single  = char | "." | "%" class | set
 *   set     = "[" ["^"] { char | char "-" char | "%" class } "]"
 *
 * Everything that advances asks spend(); the depth of recursion is bounded by DEPTH. */
#include "flow/lua_match.h"

#include <string.h>

#include "flow/lua_state.h"

enum { DEPTH = 200, WORK_EVERY = 4096, SET_LOOK = 32 /* bytes of a set that are one look */ };

static void spend(struct lua_match *m, ptrdiff_t looks)
{
	int64_t before = m->work;

	m->work += looks;
	if (m->work > m->allowed)
		luaL_error(m->L,
			"the pattern needs too much work on this text; write it with fewer repetitions, or use re "
			"(re.match, re.find, re.gsub)");
	if (m->work / WORK_EVERY != before / WORK_EVERY)
		lua_host_work(m->L);
}

/* ---- single characters ---- */

static bool in(unsigned char c, unsigned char low, unsigned char high)
{
	return c >= low && c <= high;
}

static bool is_class(unsigned char c, char name)
{
	bool lower = in(c, 'a', 'z'), upper = in(c, 'A', 'Z'), digit = in(c, '0', '9');
	bool graph = in(c, 0x21, 0x7e), yes;

	switch (name | 0x20) {
	case 'a':
		yes = lower || upper;
		break;
	case 'c':
		yes = c < 0x20 || c == 0x7f;
		break;
	case 'd':
		yes = digit;
		break;
	case 'g':
		yes = graph;
		break;
	case 'l':
		yes = lower;
		break;
	case 'p':
		yes = graph && !lower && !upper && !digit;
		break;
	case 's':
		yes = c == ' ' || in(c, '\t', '\r');
		break;
	case 'u':
		yes = upper;
		break;
	case 'w':
		yes = lower || upper || digit;
		break;
	case 'z': /* out of use, but still there */
		yes = c == 0;
		break;
	case 'x':
		yes = digit || in(c, 'a', 'f') || in(c, 'A', 'F');
		break;
	default:
		return c == (unsigned char)name; /* an escaped character */
	}
	return yes != !!in((unsigned char)name, 'A', 'Z');
}

/* Behind the single that begins at p. */
static const char *single_end(struct lua_match *m, const char *p)
{
	char c = *p++;

	if (c == '%') {
		if (p == m->pattern_end)
			luaL_error(m->L, "malformed pattern (ends with '%%')");
		return p + 1;
	}
	if (c != '[')
		return p;
	if (p < m->pattern_end && *p == '^')
		p++;
	do { /* the first character may be "]" */
		if (p >= m->pattern_end)
			luaL_error(m->L, "malformed pattern (missing ']')");
		c = *p++;
		if (c == '%')
			p++;
	} while (p >= m->pattern_end || *p != ']');
	return p + 1;
}

/* Is c in the set that stands from p ("[") to last ("]")? */
static bool in_set(unsigned char c, const char *p, const char *last)
{
	bool wanted = true;

	if (p[1] == '^') {
		wanted = false;
		p++;
	}
	for (p++; p < last; p++) {
		if (*p == '%') {
			p++;
			if (is_class(c, *p))
				return wanted;
		} else if (p[1] == '-' && p + 2 < last) {
			if (in(c, (unsigned char)p[0], (unsigned char)p[2]))
				return wanted;
			p += 2;
		} else if ((unsigned char)*p == c) {
			return wanted;
		}
	}
	return !wanted;
}

/* Does the character at s match the single from p to end? */
static bool matches_single(struct lua_match *m, const char *s, const char *p, const char *end)
{
	unsigned char c;

	spend(m, 1 + (end - p) / SET_LOOK);
	if (s >= m->text_end)
		return false;
	c = (unsigned char)*s;
	switch (*p) {
	case '.':
		return true;
	case '%':
		return is_class(c, p[1]);
	case '[':
		return in_set(c, p, end - 1);
	default:
		return (unsigned char)*p == c;
	}
}

/* ---- items ---- */

static const char *match(struct lua_match *m, const char *s, const char *p);

static const char *match_most(struct lua_match *m, const char *s, const char *p, const char *end)
{
	ptrdiff_t n = 0;
	const char *rest;

	while (matches_single(m, s + n, p, end))
		n++;
	for (; n >= 0; n--) {
		rest = match(m, s + n, end + 1);
		if (rest)
			return rest;
	}
	return NULL;
}

static const char *match_least(struct lua_match *m, const char *s, const char *p, const char *end)
{
	for (;; s++) {
		const char *rest = match(m, s, end + 1);
		if (rest)
			return rest;
		if (!matches_single(m, s, p, end))
			return NULL;
	}
}

static const char *match_open(struct lua_match *m, const char *s, const char *p, int kind)
{
	const char *rest;

	if (m->count == LUA_MATCH_CAPTURES)
		luaL_error(m->L, "too many captures");
	m->captures[m->count].at = s;
	m->captures[m->count++].n = kind;
	rest = match(m, s, p);
	if (!rest)
		m->count--;
	return rest;
}

static const char *match_close(struct lua_match *m, const char *s, const char *p)
{
	int i = m->count - 1;
	const char *rest;

	while (i >= 0 && m->captures[i].n != CAPTURE_OPEN)
		i--;
	if (i < 0)
		luaL_error(m->L, "invalid pattern capture");
	m->captures[i].n = s - m->captures[i].at;
	rest = match(m, s, p);
	if (!rest)
		m->captures[i].n = CAPTURE_OPEN;
	return rest;
}

/* %bxy: p is at x. NULL: no match. */
static const char *balanced(struct lua_match *m, const char *s, const char *p)
{
	int open = 1;

	if (m->pattern_end - p < 2)
		luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
	if (s >= m->text_end || *s != p[0])
		return NULL;
	while (++s < m->text_end) {
		spend(m, 1);
		if (*s == p[1]) {
			if (--open == 0)
				return s + 1;
		} else if (*s == p[0]) {
			open++;
		}
	}
	return NULL;
}

/* %1: the text of a closed capture again. NULL: no match. */
static const char *back_reference(struct lua_match *m, const char *s, char digit)
{
	int i = digit - '1';
	size_t n;

	if (i < 0 || i >= m->count || m->captures[i].n == CAPTURE_OPEN)
		luaL_error(m->L, "invalid capture index %%%d", i + 1);
	if (m->captures[i].n == CAPTURE_POSITION)
		return NULL; /* it has no text */
	n = (size_t)m->captures[i].n;
	spend(m, (ptrdiff_t)n / 16);
	if ((size_t)(m->text_end - s) < n || memcmp(m->captures[i].at, s, n) != 0)
		return NULL;
	return s + n;
}

/* %f[set]: p is at "[". */
static bool frontier(struct lua_match *m, const char *s, const char *p, const char *end)
{
	unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
	unsigned char here = s < m->text_end ? (unsigned char)*s : 0;

	spend(m, (end - p) / SET_LOOK);
	return !in_set(before, p, end - 1) && in_set(here, p, end - 1);
}

/* The items that begin with "%" and are no singles: moves *s and *p behind it. 1: matched, 0: no match, -1: a single.
 */
static int match_special(struct lua_match *m, const char **s, const char **p)
{
	char name = *p + 1 < m->pattern_end ? (*p)[1] : 0;
	const char *end;

	if (name == 'b') {
		end = balanced(m, *s, *p + 2);
		*p += 4;
		*s = end ? end : *s;
		return end != NULL;
	}
	if (name == 'f') {
		*p += 2;
		if (*p >= m->pattern_end || **p != '[')
			luaL_error(m->L, "missing '[' after '%%f' in pattern");
		end = single_end(m, *p);
		if (!frontier(m, *s, *p, end))
			return 0;
		*p = end;
		return 1;
	}
	if (in((unsigned char)name, '0', '9')) {
		end = back_reference(m, *s, name);
		*p += 2;
		*s = end ? end : *s;
		return end != NULL;
	}
	return -1;
}

/* One item with its repetition; recursion where there is a choice. Returns true when *s and *p moved on, else *result
 * is the answer. */
static bool match_item(struct lua_match *m, const char **s, const char **p, const char **result)
{
	const char *end = single_end(m, *p);
	char repeat = end < m->pattern_end ? *end : 0;

	spend(m, (end - *p) / SET_LOOK); /* to find its end */
	switch (repeat) {
	case '*':
		*result = match_most(m, *s, *p, end);
		return false;
	case '-':
		*result = match_least(m, *s, *p, end);
		return false;
	case '+':
		*result = matches_single(m, *s, *p, end) ? match_most(m, *s + 1, *p, end) : NULL;
		return false;
	case '?':
		*result = matches_single(m, *s, *p, end) ? match(m, *s + 1, end + 1) : NULL;
		if (*result)
			return false;
		*p = end + 1;
		return true;
	default:
		*result = NULL;
		if (!matches_single(m, *s, *p, end))
			return false;
		++*s;
		*p = end;
		return true;
	}
}

/* The end of the match of the pattern's rest p at s; NULL: none. */
static const char *match(struct lua_match *m, const char *s, const char *p)
{
	const char *result = NULL;
	int special;

	if (++m->depth > DEPTH)
		luaL_error(m->L, "pattern too complex");
	for (;;) {
		spend(m, 1);
		if (p >= m->pattern_end) {
			result = s;
			break;
		}
		if (*p == '(') {
			if (p + 1 < m->pattern_end && p[1] == ')')
				result = match_open(m, s, p + 2, CAPTURE_POSITION);
			else
				result = match_open(m, s, p + 1, CAPTURE_OPEN);
			break;
		}
		if (*p == ')') {
			result = match_close(m, s, p + 1);
			break;
		}
		if (*p == '$' && p + 1 == m->pattern_end) {
			result = s == m->text_end ? s : NULL;
			break;
		}
		special = *p == '%' ? match_special(m, &s, &p) : -1;
		if (special == 0 || (special < 0 && !match_item(m, &s, &p, &result)))
			break;
	}
	m->depth--;
	return result;
}

void lua_match_start(struct lua_match *m, lua_State *L, struct span text, struct span pattern, int64_t allowed)
{
	m->L = L;
	m->text = text.p;
	m->text_end = text.p + text.n;
	m->pattern_end = pattern.p + pattern.n;
	m->work = m->depth = m->count = 0;
	m->allowed = allowed;
}

const char *lua_match_at(struct lua_match *m, const char *s, const char *p)
{
	BUG_ON(!s);
	m->depth = m->count = 0;
	return match(m, s, p);
}
