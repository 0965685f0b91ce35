/* rig: what the tests of tools share: a project with a working copy in a scratch folder, a store in memory, and calls
 * run to their end. Commands are run by /bin/sh in the copy, unless rig_sandbox gave it a sandbox. */
#ifndef MUSTER_TESTS_TOOLS_RIG_H
#define MUSTER_TESTS_TOOLS_RIG_H

#include "unit.h"

#include "base/mem.h"
#include "scratch.h"
#include "tools/tool.h"

struct rig {
	struct scratch top; /* <top>/project, <top>/copy */
	struct scratch s;   /* the copy */
	struct loop *loop;
	struct store *store;
	struct locks locks;
	struct tool_env env;
	json_t *settings;
	char head[OID_TEXT];
	/* of the next call; reset by rig_call */
	const char *scope, *own_file, *check;
	/* the last call */
	struct tool_call call;
	json_t *args;
	int done;
	struct buf shown;
};

int rig_new(void **state);
int rig_free(void **state);
/* Replace /bin/sh by a real sandbox; false when this host cannot isolate. */
bool rig_sandbox(struct rig *r);

/* Begin a call; its result is in r->call after rig_wait. */
void rig_start(struct rig *r, const char *tool, const char *args);
void rig_wait(struct rig *r);
/* Both. Returns the content as told to the agent. */
const char *rig_call(struct rig *r, const char *tool, const char *args);
/* The same; the call must end well / with this error. */
const char *rig_ok(struct rig *r, const char *tool, const char *args);
const char *rig_error(struct rig *r, const char *tool, const char *args, enum err_code code);
/* What recover() says of a call that was interrupted; its result is in r->call. */
int rig_recover(struct rig *r, const char *tool, const char *args);
/* Take a snapshot, as the run does after every change. */
void rig_snapshot(struct rig *r);
/* Paths of r->call.changed, joined by spaces. */
const char *rig_changed(struct rig *r);

#define assert_has(text, part)                                                                                         \
	do {                                                                                                           \
		const char *has_text = (text);                                                                         \
		if (!strstr(has_text, (part)))                                                                         \
			fail_msg("\"%s\" is not in: %s", (part), has_text);                                            \
	} while (0)
#define assert_lacks(text, part)                                                                                       \
	do {                                                                                                           \
		const char *has_text = (text);                                                                         \
		if (strstr(has_text, (part)))                                                                          \
			fail_msg("\"%s\" is in: %s", (part), has_text);                                                \
	} while (0)

#endif
