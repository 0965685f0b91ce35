/* calls: what a directive asks for, as the same tool calls that a model with function calling would make.
 *
 * READ target, …           read_file{path} for each; a folder's path is that of its README.md
 * CREATE target, …         write_file{path, content: "", create: true, kind: "file"|"folder"} for each; `create` means
 *                          that the path must not exist yet
 * DELETE target, …         delete_path{path, kind} for each
 * DELEGATE                 delegate{items: [{target, kind, prompt}]}; the master's one target is ".", a folder
 * CHANGE                   write_file{path: own path, content}
 * REPLACE, INSERT          edit_file{path: own path, edits: [{from, to}]}; INSERT's `to` begins with `from`
 * SCRATCH                  note{key: "scratch", value}
 * UPDATE_DOCUMENTATION     document{target: "documentation", content}
 * UPDATE_README            document{target: own path, with a / at its end, content}
 * RUN, run_command         shell{command}; with NO_TIMEOUT also timeout_s: 0, which means none
 * run_tests                run_tests{path?}
 * install_dependencies     install_dependencies{file}
 * git_init                 git_init{}
 * git_commit               git_commit{message}
 * git_branch, git_merge    git_branch{name}, git_merge{name}
 * SPAWN                    spawn{items: [{role: "build_tester", prompt}]}
 * WAIT                     wait{}
 * FINISH                   finish{result}
 *
 * `kind` says what the agent believes the path to be, so that the tool can refuse when it is the other. The calls of
 * one directive are independent and keep its order. */
#ifndef MUSTER_DIRECTIVE_CALLS_H
#define MUSTER_DIRECTIVE_CALLS_H

#include "base/json.h"
#include "directive/tree.h"

struct directive_call {
	const char *tool;  /* static */
	json_t *arguments; /* an object; owned by the list */
};

struct directive_calls {
	struct directive_call *calls;
	size_t count; /* at least 1 after success */
};

/* own_path: the agent's own file (coder; tester: its scratch file) or folder (manager), relative to the project's root;
 * may be NULL for the others. Release *out after success. ERR_INVALID: the directive needs an own path and there is
 * none. ERR_NOMEM. */
int directive_calls(const struct directive *d, const char *own_path, struct directive_calls *out, struct err *e);
void directive_calls_release(struct directive_calls *c);

#endif
