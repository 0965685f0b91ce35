/* lua_calls: the host calls that a flow has as Lua functions, in one table: the global's name, the call's name, its
 * parameters. A new host call is one row here and its service in the owner.
 *
 * Every call has one JSON object as its arguments. A row's form says how Lua's arguments become that object: by
 * position (`plan(tasks)`), as one table (`agent{…}`), or either (`gate "plan"`, `gate{name = "plan"}`). Unknown
 * names in a table and missing arguments are errors. */
#ifndef MUSTER_FLOW_LUA_CALLS_H
#define MUSTER_FLOW_LUA_CALLS_H

#include <lua.h>

#include "base/json.h"

enum call_form {
	FORM_POSITIONAL,
	FORM_NAMED,
	FORM_EITHER, /* one table is the arguments, anything else the first parameter */
	FORM_TEXT,   /* all arguments as one text, with tabs between them; or one table where there are more params */
};

enum { CALL_PARAMS = 16 };

struct call_row {
	const char *name;
	enum call_form form;
	int required;			 /* how many of the first params must not be nil */
	const char *params[CALL_PARAMS]; /* in order of position; all that a table may have */
	bool handlers;			 /* has a member `on` with functions */
	bool keeps;			 /* the handlers outlive the call */
	bool final;			 /* does not return: nothing of the flow runs after it */
};

extern const struct call_row call_rows[]; /* ends with name NULL */

/* `on` of the call's table at stack slot 1: pushes the functions {name → function} and what the host is told of them
 * {name → true | {summary, schema}}, and returns true; false and nothing pushed without one. Raises on a
 * malformed one. */
bool lua_call_handlers(lua_State *L, const struct call_row *row);

/* The arguments object of the call whose arguments are the stack slots 1 to n; without `on`. Does not raise, but for
 * FORM_TEXT, which raises before it makes anything. NULL: ERR_INVALID "agent.task: …", ERR_NOMEM. */
json_t *lua_call_args(lua_State *L, int n, const struct call_row *row, struct err *e);

#endif
