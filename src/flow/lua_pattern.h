/* lua_pattern: string.find, match, gmatch and gsub (Lua 5.4 manual, 6.4.1) with bounded work.
 *
 * One call may look at CAP_FLOW_PATTERN_WORK places, plus 64 for each byte of the text; beyond that it raises an
 * ordinary error that names `re` as the other way. The bound counts the same on every machine. Letters are ASCII. */
#ifndef MUSTER_FLOW_LUA_PATTERN_H
#define MUSTER_FLOW_LUA_PATTERN_H

#include <lua.h>

void lua_pattern_open(lua_State *L);

#endif
