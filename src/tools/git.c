/* git: the tools for the repository, through libgit2 on the host, never the git program. status, diff and log read;
 * commit moves the run's own branch; branch and merge are refused with who does it instead. git_init tells that a
 * repository is there: every project is one. */
#include <stdio.h>
#include <string.h>

#include "tools/private.h"

#define SHOWN 500 /* changed files named by git_status */
#define LOGGED 50

/* A snapshot of the copy as it is now. What somebody changed since the last one is reported as changed. */
static int look(struct tool_call *c, struct snapshot *now)
{
	if (snapshot_take(c->env->copy, NULL, 0, now, &c->error))
		return -1;
	for (size_t i = 0; i < now->changes.count && i < 200; i++)
		tool_changed(c, now->changes.items[i].path);
	return 0;
}

/* The branch's commit; before its first one, the commit that the copy was made of; "" when there is none. */
static int branch_commit(struct tool_call *c, char oid[OID_TEXT], struct err *e)
{
	if (project_branch(c->env->project, c->env->branch, oid, e))
		return -1;
	if (!*oid && c->env->head)
		snprintf(oid, OID_TEXT, "%s", c->env->head);
	return 0;
}

/* The commit that an argument names, else the branch's. */
static int commit_named(struct tool_call *c, char oid[OID_TEXT])
{
	const char *ref = tool_arg(c, "ref");
	return ref ? project_resolve(c->env->project, ref, oid, &c->error) : branch_commit(c, oid, &c->error);
}

/* ---- reading ---- */

static void status_job(struct tool_call *c)
{
	struct snapshot now = {0};
	struct changes changes = {0};
	char oid[OID_TEXT];
	if (!look(c, &now) && !commit_named(c, oid) &&
		!project_changes(c->env->project, c->env->store, oid, &now.root, &changes, &c->error)) {
		buf_addf(&c->content, "branch %s %s%.10s, %zu changed\n", c->env->branch,
			*oid ? "at " : "without a commit", oid, changes.count);
		for (size_t i = 0; i < changes.count && i < SHOWN; i++)
			buf_addf(&c->content, "%c %s\n", "AMD"[changes.items[i].kind], changes.items[i].path);
		if (changes.count > SHOWN)
			buf_addf(&c->content, "… and %zu more\n", changes.count - SHOWN);
	}
	changes_release(&changes);
	snapshot_release(&now);
}

/* Of a diff only the files at or below a path. */
static void only_below(struct buf *diff, const char *path, struct err *e)
{
	struct buf kept;
	struct span rest = buf_span(diff), line;
	bool keep = false;
	cleanup_free char *file = mem_printf(" b/%s", path);
	cleanup_free char *folder = mem_printf(" b/%s/", path);
	if (!file || !folder) {
		err_nomem(e);
		return;
	}
	buf_init(&kept, diff->cap);
	while (span_line(&rest, &line)) {
		if (span_starts(line, "diff --git "))
			keep = span_ends(line, file) || span_find(line, span_of(folder), 0) != (size_t)-1;
		if (keep) {
			buf_addspan(&kept, line);
			buf_addc(&kept, '\n');
		}
	}
	buf_release(diff);
	*diff = kept;
}

static void diff_job(struct tool_call *c)
{
	struct snapshot now = {0};
	struct hash root;
	char oid[OID_TEXT];
	if (!look(c, &now) && !commit_named(c, oid) &&
		!project_tree(c->env->project, c->env->store, oid, &root, &c->error) &&
		!snapshot_diff_text(c->env->store, &root, &now.root, &c->content, &c->error)) {
		if (c->path && strcmp(c->path, ".") != 0)
			only_below(&c->content, c->path, &c->error);
		if (!c->content.len)
			buf_adds(&c->content, "[no difference]");
	}
	snapshot_release(&now);
}

static void log_job(struct tool_call *c)
{
	char oid[OID_TEXT];
	if (commit_named(c, oid))
		return;
	cleanup_json json_t *log = project_log(c->env->project, oid, LOGGED, &c->error);
	size_t i;
	json_t *entry;
	json_array_foreach(log, i, entry) buf_addf(&c->content, "%.10s %s: %.200s\n", json_str(entry, "oid"),
		json_str(entry, "author"), json_str(entry, "message"));
	if (log && !json_array_size(log))
		buf_adds(&c->content, "[no commit yet]");
}

/* ---- refs ---- */

static void init_job(struct tool_call *c)
{
	buf_addf(&c->content, "the project is a git repository; this work is on the branch %s", c->env->branch);
}

static void committed(struct tool_call *c, const char *oid, bool unchanged)
{
	buf_addf(&c->content, unchanged ? "nothing has changed since %.10s" : "committed %.10s", oid);
	c->extra = json_pack("{s:{s:s, s:s}}", "commit", "oid", oid, "message", tool_arg(c, "message"));
}

/* Everything is staged; each role has one fixed author. */
static int commit(struct tool_call *c, const char *parent, char oid[OID_TEXT], struct err *e)
{
	struct snapshot now = {0};
	char email[160];
	snprintf(email, sizeof(email), "%s@muster.localhost", c->role);
	struct commit_author who = {.name = c->role, .email = email, .at_us = clock_wall(loop_clock(c->env->loop))};
	int failed = look(c, &now) ? err_set(e, c->error.code, "%s", c->error.text)
				   : project_commit(c->env->project, c->env->store, &now.root, c->env->branch, parent,
					     &who, tool_arg(c, "message"), oid, e);
	if (!failed)
		failed = project_copy_update(c->env->project, c->env->copy, c->env->branch, e);
	snapshot_release(&now);
	return failed;
}

static void commit_job(struct tool_call *c)
{
	char parent[OID_TEXT], oid[OID_TEXT];
	if (!branch_commit(c, parent, &c->error) && !commit(c, parent, oid, &c->error))
		committed(c, oid, !strcmp(oid, parent));
}

static void branch_job(struct tool_call *c)
{
	err_set(&c->error, ERR_DENIED,
		"this work stays on its own branch, %s; a flow makes branches for agents with branch{}",
		c->env->branch);
}

static void merge_job(struct tool_call *c)
{
	err_set(&c->error, ERR_DENIED, "branch %s is merged by `muster merge` or by the flow's merge{}",
		tool_arg(c, "name"));
}

/* The branch has left the commit that the journal knows: when the same commit can be made on that one, it was made. */
static int recover(struct tool_call *c, struct err *e)
{
	char now[OID_TEXT], oid[OID_TEXT];
	const char *known = c->env->head ? c->env->head : "";
	struct err why = ERR_INIT;
	if (c->tool != &tool_git_commit)
		return TOOL_RUN_AGAIN;
	if (branch_commit(c, now, e))
		return TOOL_LOST;
	if (!strcmp(now, known) || commit(c, known, oid, &why)) {
		err_clear(&c->error);
		json_decref(c->changed);
		c->changed = NULL;
		return TOOL_RUN_AGAIN;
	}
	committed(c, oid, false);
	return TOOL_DONE;
}

#define NO_ARGS "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}"
#define REF                                                                                                            \
	"\"ref\":{\"type\":\"string\",\"minLength\":1,\"description\":\"a commit, branch or tag; HEAD~2 and the "      \
	"like\"}"
#define REF_ARG "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" REF "}}"
#define REF_PATH_ARGS                                                                                                  \
	"{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{" REF                                     \
	",\"path\":{\"type\":\"string\",\"description\":\"only this file or folder\"}}}"
#define NAME_ARG                                                                                                       \
	"{\"type\":\"object\",\"required\":[\"name\"],\"additionalProperties\":false,\"properties\":{\"name\":{"       \
	"\"type\":\"string\",\"minLength\":1}}}"
#define GIT(name_, job_, summary_, schema_, directive_, effects_)                                                      \
	const struct tool tool_##name_ = {.name = #name_,                                                              \
		.summary = summary_,                                                                                   \
		.schema = schema_,                                                                                     \
		.directive = directive_,                                                                               \
		.effects = effects_,                                                                                   \
		.policy = "allow",                                                                                     \
		.job = job_,                                                                                           \
		.recover = recover}

GIT(git_status, status_job, "Files that differ from the last commit of this work's branch.", NO_ARGS, "", TOOL_GIT);
GIT(git_diff, diff_job, "The differences from the last commit (or from another one: ref) as a unified diff.",
	REF_PATH_ARGS, "", TOOL_GIT);
GIT(git_log, log_job, "The latest commits of this work's branch.", REF_ARG, "", TOOL_READS);
GIT(git_init, init_job, "Make sure that the project is a git repository.", NO_ARGS, "git_init", TOOL_READS);
GIT(git_commit, commit_job, "Commit all changes on this work's branch.",
	"{\"type\":\"object\",\"required\":[\"message\"],\"additionalProperties\":false,\"properties\":{\"message\":{"
	"\"type\":\"string\","
	"\"minLength\":1}}}",
	"git_commit", TOOL_GIT);
GIT(git_branch, branch_job, "Make a branch.", NAME_ARG, "git_branch", TOOL_READS);
GIT(git_merge, merge_job, "Merge a branch.", NAME_ARG, "git_merge", TOOL_READS);
