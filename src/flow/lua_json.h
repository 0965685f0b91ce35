/* lua_json: values of a flow as JSON and back.
 *
 * To JSON: a table with the array mark (json.array, arrays that came from JSON, results of parallel), or one whose keys
 * are 1..n with n > 0, is an array; a table without keys or with texts as keys is an object; members are made in sorted
 * order. Refused, with the path (".plan[2].title"): functions, threads, userdata, tables within themselves, mixed keys,
 * lists with holes, NaN and infinities, text that is no UTF-8 or holds a NUL, more than CAP_FLOW_JSON_DEPTH levels,
 * CAP_FLOW_JSON_VALUES values or CAP_FLOW_JSON_TEXT bytes of text (one text or table may stand in many places, so that
 * the memory of the flow bounds none of it), and all that is left when the slice has used its time. Integers stay exact
 * 64-bit integers, floats stay reals.
 *
 * From JSON: arrays are marked; a null within an array is the value `null`, a null member of an object is left out (so
 * that `if x.reason` and `x.reason or …` work); a null by itself is nil. `null` given to the host is JSON's null. */
#ifndef MUSTER_FLOW_LUA_JSON_H
#define MUSTER_FLOW_LUA_JSON_H

#include <lua.h>

#include "base/json.h"

/* A new JSON value of the Lua value at `index`; nil is null. Never raises and never allocates in Lua. `what` begins the
 * path in messages; member `skip` (may be NULL) of the outermost object is left out. NULL: ERR_INVALID, ERR_NOMEM. */
json_t *lua_json_take(lua_State *L, int index, const char *what, const char *skip, struct err *e);
/* The same of the value at the top of a stack, outside of a slice and as one of its own. */
json_t *lua_json_take_slice(lua_State *L, const char *what, struct err *e);
/* Push a value. Raises when memory is used up. */
void lua_json_push(lua_State *L, const json_t *v);
/* Mark the table at the top of the stack as an array. Raises. */
void lua_json_mark_array(lua_State *L);
/* `json` (encode, decode, array) and `null`. */
void lua_json_open(lua_State *L);
/* Is it a table with the array mark? The value `null`? */
bool lua_json_is_array(lua_State *L, int index);
bool lua_json_is_null(lua_State *L, int index);

#endif
