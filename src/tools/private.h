/* What tool files share. */
#ifndef MUSTER_TOOLS_PRIVATE_H
#define MUSTER_TOOLS_PRIVATE_H

#include "base/mem.h"
#include "tools/tool.h"

/* Run job on the worker pool, then end the call: with c->error when the job set it. */
int tool_pool(struct tool_call *c, void (*job)(struct tool_call *c), struct err *e);
/* Run a command line in the sandbox (or in what replaces it) and end the call: content is the output and the exit
 * status. `after`, when not NULL, is called with the exit status known and before the call ends. timeout_ms 0: none. */
int tool_command(struct tool_call *c, const char *line, int64_t timeout_ms, bool background,
	void (*after)(struct tool_call *c), struct err *e);
void tool_command_cancel(struct tool_call *c);
/* Name a path that the call changed. */
void tool_changed(struct tool_call *c, const char *path);
/* The argument as text. */
const char *tool_arg(const struct tool_call *c, const char *key);
/* May this agent write there (normal form)? Its own file or folder, then people's locks. */
int tool_check_place(struct tool_call *c, const char *path, struct err *e);

/* ---- for recover(), all blocking ---- */

/* The content of a file before the call: that of the copy's last snapshot. NULL with *existed false: there was none;
 * NULL with *existed true: it was no file. -1: cannot be told. */
int tool_before(struct tool_call *c, const char *path, struct blob **content, bool *existed, struct err *e);
/* What became of a file that was to be given the content `after`: DONE, RUN_AGAIN (it is as it was before), or LOST
 * (somebody else changed it; content says so). */
int tool_judge_file(struct tool_call *c, const char *path, const struct blob *before, struct span after, struct err *e);

/* The table, one line a tool: tools.def. */
#define X(name) extern const struct tool tool_##name;
#include "tools/tools.def"
#undef X

#endif
