/* lua_match: the matcher of Lua patterns (Lua 5.4 manual, 6.4.1): one pattern at one place of a text, with captures.
 *
 * Work is counted: beyond `allowed` looks at a place it raises an ordinary error, the same on every machine. Letters
 * are ASCII. Recursion is bounded. Raises also for malformed patterns, with the manual's messages. */
#ifndef MUSTER_FLOW_LUA_MATCH_H
#define MUSTER_FLOW_LUA_MATCH_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum { LUA_MATCH_CAPTURES = 32 };
enum { CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

struct lua_match {
	lua_State *L;
	const char *text, *text_end;
	const char *pattern_end;
	int64_t work, allowed;
	int depth;
	int count; /* of captures */
	struct {
		const char *at;
		ptrdiff_t n; /* or CAPTURE_ */
	} captures[LUA_MATCH_CAPTURES];
};

/* The text and pattern must outlive it. */
void lua_match_start(struct lua_match *m, lua_State *L, struct span text, struct span pattern, int64_t allowed);
/* The end of the match that begins at s, of the pattern from p on (behind its "^"); NULL: none. The work counts on. */
const char *lua_match_at(struct lua_match *m, const char *s, const char *p);

#endif
