/* git: the repository through the host (libgit2), never the git program: status, diff, log read; commit, branch and
 * merge move the refs of the run's own branches. git_init tells that a repository is there: every project is one. */
#include <string.h>

#include "tools/private.h"

static int start(struct tool_call *c, struct err *e);

/* ---- reading ---- */

static void status_job(struct tool_call *c)
{
	struct snapshot now = {0};
	struct hash root;
	struct changes changes = {0};
	char oid[OID_TEXT];
	if (snapshot_take(c->env->copy, NULL, 0, &now, &c->error) ||
		project_branch(c->env->project, c->env->branch, oid, &c->error))
		return;
	if (!project_tree(c->env->project, c->env->store, oid, &root, &c->error) &&
		!snapshot_diff(c->env->store, *oid ? &root : NULL, &now.root, &changes, &c->error)) {
		buf_addf(&c->content, "branch %s at %.10s, %zu changed\n", c->env->branch, *oid ? oid : "(no commit)",
			changes.count);
		for (size_t i = 0; i < changes.count && i < 500; i++)
			buf_addf(&c->content, "%c %s\n", "AMD"[changes.items[i].kind], changes.items[i].path);
	}
	changes_release(&changes);
	snapshot_release(&now);
	c->changed_unknown = true;
}

static void diff_job(struct tool_call *c)
{
	const char *ref = tool_arg(c, "ref");
	struct snapshot now = {0};
	struct hash root;
	char oid[OID_TEXT];
	if (snapshot_take(c->env->copy, NULL, 0, &now, &c->error) ||
		(ref	  ? (void)snprintf(oid, sizeof(oid), "%s", ref),
			0 : project_branch(c->env->project, c->env->branch, oid, &c->error)))
		return;
	if (!project_tree(c->env->project, c->env->store, oid, &root, &c->error) &&
		!snapshot_diff_text(c->env->store, &root, &now.root, &c->content, &c->error) && !c->content.len)
		buf_adds(&c->content, "[no difference]");
	snapshot_release(&now);
	c->changed_unknown = true;
}

static void log_job(struct tool_call *c)
{
	const char *ref = tool_arg(c, "ref");
	char oid[OID_TEXT];
	if (!ref && project_branch(c->env->project, c->env->branch, oid, &c->error))
		return;
	cleanup_json json_t *log = project_log(c->env->project, ref ? ref : oid, 50, &c->error);
	size_t i;
	json_t *entry;
	json_array_foreach(log, i, entry) buf_addf(&c->content, "%.10s %s: %.200s\n", json_str(entry, "oid"),
		json_str(entry, "author"), json_str(entry, "message"));
}

/* ---- refs ---- */

static void init_job(struct tool_call *c)
{
	buf_addf(&c->content, "the project is a git repository; this work is on the branch %s", c->env->branch);
}

/* Everything is staged; each role has one fixed author. Done before a crash is done now: the branch shows it. */
static void commit_job(struct tool_call *c)
{
	struct snapshot now = {0};
	char parent[OID_TEXT], oid[OID_TEXT], email[160];
	struct commit_author who = c->env->author;
	snprintf(email, sizeof(email), "%s@muster.localhost", c->role);
	who.name = c->role;
	who.email = email;
	who.at_us = clock_wall(loop_clock(c->env->loop));
	if (snapshot_take(c->env->copy, NULL, 0, &now, &c->error) ||
		project_branch(c->env->project, c->env->branch, parent, &c->error) ||
		project_commit(c->env->project, c->env->store, &now.root, c->env->branch, parent, &who,
			tool_arg(c, "message"), oid, &c->error)) {
		snapshot_release(&now);
		return;
	}
	snapshot_release(&now);
	buf_addf(&c->content, strcmp(oid, parent) ? "committed %.10s" : "nothing has changed since %.10s", oid);
	c->extra = json_pack("{s:{s:s, s:s}}", "commit", "oid", oid, "message", tool_arg(c, "message"));
	c->changed_unknown = true;
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

static const struct {
	const struct tool *tool;
	void (*job)(struct tool_call *c);
} jobs[] = {
	{&tool_git_status, status_job},
	{&tool_git_diff, diff_job},
	{&tool_git_log, log_job},
	{&tool_git_init, init_job},
	{&tool_git_commit, commit_job},
	{&tool_git_branch, branch_job},
	{&tool_git_merge, merge_job},
};

static int start(struct tool_call *c, struct err *e)
{
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		if (jobs[i].tool == c->tool)
			return tool_pool(c, jobs[i].job, e);
	BUG("no git tool %s", c->tool->name);
}

static int recover(struct tool_call *c, struct err *e)
{
	(void)c;
	(void)e;
	return TOOL_RUN_AGAIN;
}

#define NO_ARGS "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}"
#define REF_ARG "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"ref\":{\"type\":\"string\"}}}"
#define NAME_ARG                                                                                                       \
	"{\"type\":\"object\",\"required\":[\"name\"],\"additionalProperties\":false,\"properties\":{\"name\":{"       \
	"\"type\":\"string\",\"minLength\":1}}}"
#define GIT(name_, summary_, schema_, directive_, effects_)                                                            \
	const struct tool tool_##name_ = {.name = #name_,                                                              \
		.summary = summary_,                                                                                   \
		.schema = schema_,                                                                                     \
		.directive = directive_,                                                                               \
		.effects = effects_,                                                                                   \
		.policy = "allow",                                                                                     \
		.start = start,                                                                                        \
		.recover = recover}

GIT(git_status, "Files that differ from the last commit of this work's branch.", NO_ARGS, "", TOOL_GIT);
GIT(git_diff, "The differences from the last commit (or from another one: ref) as a unified diff.", REF_ARG, "",
	TOOL_GIT);
GIT(git_log, "The latest commits of this work's branch.", REF_ARG, "", TOOL_READS);
GIT(git_init, "Make sure that the project is a git repository.", NO_ARGS, "git_init", TOOL_READS);
GIT(git_commit, "Commit all changes on this work's branch.",
	"{\"type\":\"object\",\"required\":[\"message\"],\"additionalProperties\":false,\"properties\":{\"message\":{"
	"\"type\":\"string\","
	"\"minLength\":1}}}",
	"git_commit", TOOL_GIT);
GIT(git_branch, "Make a branch.", NAME_ARG, "git_branch", TOOL_READS);
GIT(git_merge, "Merge a branch.", NAME_ARG, "git_merge", TOOL_READS);
