/* lua_pattern: a backtracking matcher that reads the pattern as it goes.
 *
 *   pattern = ["^"] { item } ["$"]
 *   item    = single [ "*" | "+" | "-" | "?" ] | "(" ")" | "(" | ")" | "%b" x y | "%f" set | "%" digit
 *   single  = char | "." | "%" class | set
 *   set     = "[" ["^"] { char | char "-" char | "%" class } "]"
 *
 * Everything that advances asks spend(); the depth of recursion is bounded by DEPTH. */
#include "flow/lua_pattern.h"

#include <string.h>

#include "flow/lua_guard.h"
#include "flow/lua_state.h"

enum { CAPTURES = 32, DEPTH = 200, WORK_EVERY = 4096 };
enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

struct matcher {
	lua_State *L;
	const char *text, *text_end;
	const char *pattern, *pattern_end;
	int64_t work, allowed;
	int depth;
	int count; /* of captures */
	struct {
		const char *at;
		ptrdiff_t n; /* or CAPTURE_ */
	} captures[CAPTURES];
};

static void spend(struct matcher *m)
{
	if (++m->work > m->allowed)
		luaL_error(m->L,
			"the pattern needs too much work on this text; write it with fewer repetitions, or use re "
			"(re.match, re.find, re.gsub)");
	if (m->work % WORK_EVERY == 0)
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
static const char *single_end(struct matcher *m, const char *p)
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
static bool matches_single(struct matcher *m, const char *s, const char *p, const char *end)
{
	unsigned char c;

	spend(m);
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

static const char *match(struct matcher *m, const char *s, const char *p);

static const char *match_most(struct matcher *m, const char *s, const char *p, const char *end)
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

static const char *match_least(struct matcher *m, const char *s, const char *p, const char *end)
{
	for (;; s++) {
		const char *rest = match(m, s, end + 1);
		if (rest)
			return rest;
		if (!matches_single(m, s, p, end))
			return NULL;
	}
}

static const char *match_open(struct matcher *m, const char *s, const char *p, int kind)
{
	const char *rest;

	if (m->count == CAPTURES)
		luaL_error(m->L, "too many captures");
	m->captures[m->count].at = s;
	m->captures[m->count++].n = kind;
	rest = match(m, s, p);
	if (!rest)
		m->count--;
	return rest;
}

static const char *match_close(struct matcher *m, const char *s, const char *p)
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
static const char *balanced(struct matcher *m, const char *s, const char *p)
{
	int open = 1;

	if (m->pattern_end - p < 2)
		luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
	if (s >= m->text_end || *s != p[0])
		return NULL;
	while (++s < m->text_end) {
		spend(m);
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
static const char *back_reference(struct matcher *m, const char *s, char digit)
{
	int i = digit - '1';
	size_t n;

	if (i < 0 || i >= m->count || m->captures[i].n == CAPTURE_OPEN)
		luaL_error(m->L, "invalid capture index %%%d", i + 1);
	if (m->captures[i].n == CAPTURE_POSITION)
		return NULL; /* it has no text */
	n = (size_t)m->captures[i].n;
	m->work += (int64_t)(n / 16);
	if ((size_t)(m->text_end - s) < n || memcmp(m->captures[i].at, s, n) != 0)
		return NULL;
	return s + n;
}

/* %f[set]: p is at "[". */
static bool frontier(struct matcher *m, const char *s, const char *p, const char *end)
{
	unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
	unsigned char here = s < m->text_end ? (unsigned char)*s : 0;

	return !in_set(before, p, end - 1) && in_set(here, p, end - 1);
}

/* The items that begin with "%" and are no singles: moves *s and *p behind it. 1: matched, 0: no match, -1: a single.
 */
static int match_special(struct matcher *m, const char **s, const char **p)
{
	char name = *p + 1 < m->pattern_end ? (*p)[1] : 0;
	const char *end;

	if (name == 'b') {
		*s = balanced(m, *s, *p + 2);
		*p += 4;
		return *s != NULL;
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
		*s = back_reference(m, *s, name);
		*p += 2;
		return *s != NULL;
	}
	return -1;
}

/* One item with its repetition; recursion where there is a choice. Returns true when *s and *p moved on, else *result
 * is the answer. */
static bool match_item(struct matcher *m, const char **s, const char **p, const char **result)
{
	const char *end = single_end(m, *p);
	char repeat = end < m->pattern_end ? *end : 0;

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
static const char *match(struct matcher *m, const char *s, const char *p)
{
	const char *result = NULL;
	int special;

	if (++m->depth > DEPTH)
		luaL_error(m->L, "pattern too complex");
	for (;;) {
		spend(m);
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

/* ---- the functions ---- */

static void start(struct matcher *m, lua_State *L, struct span text, struct span pattern)
{
	m->L = L;
	m->text = text.p;
	m->text_end = text.p + text.n;
	m->pattern = pattern.p;
	m->pattern_end = pattern.p + pattern.n;
	m->work = m->depth = m->count = 0;
	m->allowed = PATTERN_WORK + 64 * (int64_t)text.n;
}

static const char *match_at(struct matcher *m, const char *s, const char *p)
{
	m->depth = m->count = 0;
	return match(m, s, p);
}

/* Capture i; capture 0 of a pattern without any is the whole match. */
static void push_capture(struct matcher *m, int i, const char *from, const char *to)
{
	if (i >= m->count) {
		if (i != 0)
			luaL_error(m->L, "invalid capture index %%%d", i + 1);
		lua_pushlstring(m->L, from, (size_t)(to - from));
	} else if (m->captures[i].n == CAPTURE_OPEN) {
		luaL_error(m->L, "unfinished capture");
	} else if (m->captures[i].n == CAPTURE_POSITION) {
		lua_pushinteger(m->L, m->captures[i].at - m->text + 1);
	} else {
		lua_pushlstring(m->L, m->captures[i].at, (size_t)m->captures[i].n);
	}
}

static int push_captures(struct matcher *m, const char *from, const char *to, bool whole)
{
	int n = m->count == 0 && whole ? 1 : m->count;

	luaL_checkstack(m->L, n, "too many captures");
	for (int i = 0; i < n; i++)
		push_capture(m, i, from, to);
	return n;
}

static struct span check_span(lua_State *L, int index)
{
	struct span s;

	s.p = luaL_checklstring(L, index, &s.n);
	return s;
}

/* A start position as string.find takes it, from 0; beyond the end: n + 1. */
static size_t start_position(lua_State *L, int index, size_t n)
{
	lua_Integer i = luaL_optinteger(L, index, 1);

	if (i > 0)
		return (lua_Unsigned)i - 1 > n ? n + 1 : (size_t)i - 1;
	if (i == 0 || i < -(lua_Integer)n)
		return 0;
	return n - (size_t)-i;
}

static bool is_plain(struct span pattern)
{
	for (size_t i = 0; i < pattern.n; i++)
		if (!pattern.p[i] || strchr("^$*+?.([%-", pattern.p[i]))
			return false;
	return true;
}

static int find_or_match(lua_State *L, bool find)
{
	struct span text = check_span(L, 1), pattern = check_span(L, 2);
	size_t init = start_position(L, 3, text.n);
	struct matcher m;
	const char *p = pattern.p, *end;
	bool anchor;

	if (init > text.n) {
		lua_pushnil(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || is_plain(pattern))) {
		size_t at = pattern.n ? span_find(text, pattern, init) : init;
		if (at == (size_t)-1) {
			lua_pushnil(L);
			return 1;
		}
		lua_pushinteger(L, (lua_Integer)at + 1);
		lua_pushinteger(L, (lua_Integer)(at + pattern.n));
		return 2;
	}
	start(&m, L, text, pattern);
	anchor = pattern.n && *p == '^';
	p += anchor;
	for (const char *s = text.p + init; s <= m.text_end; s++) {
		end = match_at(&m, s, p);
		if (end && find) {
			lua_pushinteger(L, s - text.p + 1);
			lua_pushinteger(L, end - text.p);
			return push_captures(&m, s, end, false) + 2;
		}
		if (end)
			return push_captures(&m, s, end, true);
		if (anchor)
			break;
	}
	lua_pushnil(L);
	return 1;
}

static int string_find(lua_State *L)
{
	return find_or_match(L, true);
}

static int string_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* upvalues: text, pattern, place to go on, end of the last match (as integers from 0; -1 none). */
static int gmatch_step(lua_State *L)
{
	struct span text = check_span(L, lua_upvalueindex(1)), pattern = check_span(L, lua_upvalueindex(2));
	lua_Integer at = lua_tointeger(L, lua_upvalueindex(3)), last = lua_tointeger(L, lua_upvalueindex(4));
	struct matcher m;
	const char *end;

	start(&m, L, text, pattern);
	for (const char *s = text.p + at; s <= m.text_end; s++) {
		end = match_at(&m, s, pattern.p);
		if (!end || end - text.p == last)
			continue;
		lua_pushinteger(L, end - text.p);
		lua_copy(L, -1, lua_upvalueindex(3));
		lua_replace(L, lua_upvalueindex(4));
		return push_captures(&m, s, end, true);
	}
	lua_pushinteger(L, (lua_Integer)text.n + 1);
	lua_replace(L, lua_upvalueindex(3));
	return 0;
}

static int string_gmatch(lua_State *L)
{
	struct span text = check_span(L, 1);
	size_t init = start_position(L, 3, text.n);

	check_span(L, 2);
	lua_settop(L, 2);
	lua_pushinteger(L, (lua_Integer)init);
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, gmatch_step, 4);
	return 1;
}

/* Add a replacement text with its %0-%9 and %%. */
static void add_text(struct matcher *m, luaL_Buffer *b, const char *from, const char *to)
{
	size_t n;
	const char *p = lua_tolstring(m->L, 3, &n), *end = p + n;

	for (; p < end; p++) {
		if (*p != '%') {
			luaL_addchar(b, *p);
			continue;
		}
		p++;
		if (p < end && *p == '%') {
			luaL_addchar(b, '%');
		} else if (p < end && *p == '0') {
			luaL_addlstring(b, from, (size_t)(to - from));
		} else if (p < end && in((unsigned char)*p, '1', '9')) {
			push_capture(m, *p - '1', from, to);
			luaL_tolstring(m->L, -1, NULL); /* a position is a number */
			lua_remove(m->L, -2);
			luaL_addvalue(b);
		} else {
			luaL_error(m->L, "invalid use of '%%' in replacement string");
		}
	}
}

/* Add what the match from..to becomes. */
static void add_match(struct matcher *m, luaL_Buffer *b, const char *from, const char *to, int kind)
{
	lua_State *L = m->L;

	if (kind == LUA_TSTRING || kind == LUA_TNUMBER) {
		add_text(m, b, from, to);
		return;
	}
	if (kind == LUA_TFUNCTION) {
		lua_pushvalue(L, 3);
		lua_call(L, push_captures(m, from, to, true), 1);
	} else {
		push_capture(m, 0, from, to);
		lua_gettable(L, 3);
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, from, (size_t)(to - from));
	} else if (lua_isstring(L, -1)) {
		luaL_addvalue(b);
	} else {
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	}
}

static int string_gsub(lua_State *L)
{
	struct span text = check_span(L, 1), pattern = check_span(L, 2);
	int kind = lua_type(L, 3);
	lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)text.n + 1), done = 0;
	bool anchor = pattern.n && *pattern.p == '^';
	const char *s = text.p, *last = NULL, *end;
	struct matcher m;
	luaL_Buffer b;

	luaL_argexpected(L, kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TTABLE || kind == LUA_TFUNCTION,
		3, "string/function/table");
	start(&m, L, text, pattern);
	luaL_buffinit(L, &b);
	while (done < most) {
		end = match_at(&m, s, pattern.p + anchor);
		if (end && end != last) {
			done++;
			add_match(&m, &b, s, end, kind);
			s = last = end;
		} else if (s < m.text_end) {
			luaL_addchar(&b, *s++);
		} else {
			break;
		}
		if (anchor)
			break;
	}
	luaL_addlstring(&b, s, (size_t)(m.text_end - s));
	luaL_pushresult(&b);
	lua_pushinteger(L, done);
	return 2;
}

void lua_pattern_open(lua_State *L)
{
	static const luaL_Reg string[] = {{"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch},
		{"gsub", string_gsub}, {NULL, NULL}};

	lua_guard_library(L, LUA_STRLIBNAME, string);
}
