/* lua_table: pairs in sorted order and the functions of `table` that could run for ever.
 *
 * pairs(t) visits a snapshot of the keys: numbers, then texts by their bytes, then false and true; values are read when
 * their turn comes and keys that have gone are left out; any other kind of key is an error. table.sort is a stable
 * merge sort (it ends whatever the comparator says). insert, remove, concat, move are the manual's over at most
 * CAP_FLOW_ITEMS items. */
#ifndef MUSTER_FLOW_LUA_TABLE_H
#define MUSTER_FLOW_LUA_TABLE_H

#include <lua.h>

void lua_table_open(lua_State *L);

#endif
