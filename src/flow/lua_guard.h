/* lua_guard: what a flow finds in its globals, and the functions of the base library that must know about limits.
 *
 * Replaced: pcall, xpcall and coroutine.resume, wrap, close (a broken limit goes through them), coroutine.yield (not
 * from the flow's own coroutines), getmetatable (not that of arrays), setmetatable (no __gc, no __mode), load (texts
 * only), require ("lib/<name>.lua" of the flow's source), tostring, pairs, and of the other libraries what their files
 * say. Absent: next, print, dofile, loadfile, collectgarbage, warn, io, os, debug, package, string.dump,
 * math.randomseed.
 *
 * A metatable that gets __mode after setmetatable makes a weak table all the same. Such a flow sees when memory is
 * collected and may diverge from its own journal; it harms nothing else. */
#ifndef MUSTER_FLOW_LUA_GUARD_H
#define MUSTER_FLOW_LUA_GUARD_H

#include <lua.h>

/* Open the library into the globals. Raises Lua errors. */
void lua_guard_open(lua_State *L);

/* Set functions (NULL-terminated luaL_Reg) in the global table `library`, made when absent. */
struct luaL_Reg;
void lua_guard_library(lua_State *L, const char *library, const struct luaL_Reg *functions);

#endif
