/* lua_text: values as text without addresses, and the functions of `string` and `math` that needed a bound or a seed.
 *
 * tostring of a table, function, coroutine or userdata without __tostring is its kind ("table") or its __name;
 * string.format uses the same for %s and refuses %p; string.rep makes at most CAP_FLOW_REP bytes; math.random draws
 * from the run's seed. */
#ifndef MUSTER_FLOW_LUA_TEXT_H
#define MUSTER_FLOW_LUA_TEXT_H

#include <lua.h>

/* Push the text of the value at `index`. Raises. */
const char *lua_text_push(lua_State *L, int index, size_t *n);
void lua_text_open(lua_State *L);

#endif
