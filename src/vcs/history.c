/* history: what tools and verbs show of a repository: names resolved, logs, differences, the state of a copy. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "store/store.h"
#include "vcs/ignore.h"
#include "vcs/patch.h"
#include "vcs/private.h"
#include "vcs/tree.h"
#include "vcs/wild.h"

#define REVISION_MAX 256

/* What models and people may name: branches, tags, commits, and HEAD~2 and the like; nothing that searches messages or
 * could be taken for an option. */
static int check_revision(const char *text, struct err *e)
{
	size_t n = strlen(text);
	bool ok = n > 0 && n <= REVISION_MAX && text[0] != '-' && utf8_valid(span_of(text)) && !strstr(text, "@{");

	for (size_t i = 0; ok && i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 ||
		     strchr("._/+-@#=,%~^", c);
	}
	return ok ? 0
		  : err_set(e, ERR_INVALID,
			    "\"%.80s\" is not the name of a commit; use a branch, a tag, HEAD~1 or hex digits", text);
}

static int resolve(struct project *p, const char *text, git_commit **out, struct err *e)
{
	cleanup_git(git_object) *any = NULL;
	int rc;

	if (check_revision(text, e))
		return -1;
	rc = LIBGIT(git_revparse_single(&any, p->repo, text));
	if (rc == GIT_ENOTFOUND)
		return err_set(e, ERR_NOT_FOUND, "%s: the project has no such commit or branch", text);
	if (rc == 0)
		rc = LIBGIT(git_object_peel((git_object **)(void *)out, any, GIT_OBJECT_COMMIT));
	return rc ? libgit_err(e, rc, "%s", text) : 0;
}

int project_resolve(struct project *p, const char *text, char oid[OID_TEXT], struct err *e)
{
	cleanup_git(git_commit) *commit = NULL;

	LOCKED(p);
	if (resolve(p, text, &commit, e))
		return -1;
	git_oid_tostr(oid, OID_TEXT, git_commit_id(commit));
	return 0;
}

/* ---- difference of two commits ---- */

/* NULL or "": the empty tree, as *out NULL. */
static int tree_of(struct project *p, const char *text, git_tree **out, struct err *e)
{
	cleanup_git(git_commit) *commit = NULL;
	int rc;

	*out = NULL;
	if (!text || !*text)
		return 0;
	if (resolve(p, text, &commit, e))
		return -1;
	rc = LIBGIT(git_commit_tree(out, commit));
	return rc ? libgit_err(e, rc, "the files of %s", text) : 0;
}

static int print_patch(git_diff *diff, size_t i, struct buf *out, struct err *e)
{
	cleanup_git(git_patch) *patch = NULL;
	git_buf text = {0};
	int rc = LIBGIT(git_patch_from_diff(&patch, diff, i));

	if (rc == 0 && patch)
		rc = LIBGIT(git_patch_to_buf(&text, patch));
	if (rc)
		return libgit_err(e, rc, "difference of %s", git_diff_get_delta(diff, i)->new_file.path);
	rc = patch_add_text(span_n(text.ptr ? text.ptr : "", text.size), out, e);
	git_buf_dispose(&text);
	return rc;
}

int project_diff_text(
	struct project *p, const char *from, const char *to, const char *path, struct buf *out, struct err *e)
{
	cleanup_git(git_tree) *a = NULL;
	cleanup_git(git_tree) *b = NULL;
	cleanup_git(git_diff) *diff = NULL;
	git_diff_options o = GIT_DIFF_OPTIONS_INIT;
	char *only = (char *)(uintptr_t)path;
	int rc;

	LOCKED(p);
	o.flags |= GIT_DIFF_DISABLE_PATHSPEC_MATCH;
	o.max_size = CAP_DIFF_FILE;
	if (path && *path && strcmp(path, ".") != 0)
		o.pathspec = (git_strarray){&only, 1};
	if (tree_of(p, from, &a, e) || tree_of(p, to, &b, e))
		return -1;
	rc = LIBGIT(git_diff_tree_to_tree(&diff, p->repo, a, b, &o));
	if (rc)
		return libgit_err(e, rc, "difference of two commits");
	rc = 0;
	for (size_t i = 0; rc == 0 && i < git_diff_num_deltas(diff); i++)
		rc = print_patch(diff, i, out, e);
	return rc < 0 ? -1 : 0;
}

/* ---- log ---- */

static json_t *log_entry(const git_commit *c)
{
	const git_signature *author = git_commit_author(c);
	char oid[OID_TEXT];
	json_t *name = json_from_span(span_of(author && author->name ? author->name : ""));
	json_t *message = json_from_span(span_trim(span_of(git_commit_message(c))));

	git_oid_tostr(oid, sizeof oid, git_commit_id(c));
	return json_make(NULL, "{s:s, s:o, s:I, s:o}", "oid", oid, "author", name, "at",
		(json_int_t)git_commit_time(c) * 1000000, "message", message);
}

json_t *project_log(struct project *p, const char *from, int max, struct err *e)
{
	cleanup_git(git_revwalk) *walk = NULL;
	cleanup_git(git_commit) *start = NULL;
	cleanup_json json_t *out = json_array();
	git_oid id;
	int rc;

	LOCKED(p);
	if (!out) {
		err_nomem(e);
		return NULL;
	}
	if (!from || !*from)
		return steal(&out); /* before the first commit */
	if (resolve(p, from, &start, e))
		return NULL;
	rc = LIBGIT(git_revwalk_new(&walk, p->repo));
	if (rc == 0)
		rc = git_revwalk_sorting(walk, GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME);
	if (rc == 0)
		rc = LIBGIT(git_revwalk_push(walk, git_commit_id(start)));
	for (int i = 0; rc == 0 && i < max && (rc = git_revwalk_next(&id, walk)) == 0; i++) {
		cleanup_git(git_commit) *c = NULL;
		json_t *one;

		rc = LIBGIT(git_commit_lookup(&c, p->repo, &id));
		if (rc)
			break;
		one = log_entry(c);
		if (!one || json_array_append_new(out, one)) {
			err_nomem(e);
			return NULL;
		}
	}
	if (rc && rc != GIT_ITEROVER) {
		libgit_err(e, rc, "the log of %s", from);
		return NULL;
	}
	return steal(&out);
}

/* ---- the state of a copy ---- */

/* The levels of .gitignore above a path; kept from one path to the next, which mostly lies in the same folder. */
struct levels {
	struct store *store;
	const struct hash *root;
	struct ignore at[CAP_WALK_DEPTH + 1];
	struct blob *text[CAP_WALK_DEPTH + 1];
	size_t count;
	char *folder;
};

static void levels_clear(struct levels *l)
{
	for (size_t i = 0; i < l->count; i++) {
		ignore_release(&l->at[i]);
		blob_unref(l->text[i]);
	}
	l->count = 0;
	mem_free(l->folder);
	l->folder = NULL;
}

static int level_add(struct levels *l, struct span folder, struct err *e)
{
	cleanup_free char *path =
		mem_printf("%.*s%s.gitignore", (int)folder.n, folder.n ? folder.p : "", folder.n ? "/" : "");
	struct err why = ERR_INIT;
	struct blob *b;

	if (!path)
		return err_nomem(e);
	b = snapshot_file(l->store, l->root, path, &why);
	if (!b)
		return why.code == ERR_NOT_FOUND || why.code == ERR_INVALID ? 0 : err_set(e, why.code, "%s", why.text);
	if (ignore_init(&l->at[l->count], l->count ? &l->at[l->count - 1] : NULL, folder, blob_span(b), e)) {
		blob_unref(b);
		return -1;
	}
	l->text[l->count++] = b;
	return 0;
}

static int levels_for(struct levels *l, struct span folder, struct err *e)
{
	struct span rest = folder, part;

	if (l->folder && span_is(folder, l->folder))
		return 0;
	levels_clear(l);
	l->folder = span_dup(folder);
	if (!l->folder)
		return err_nomem(e);
	if (level_add(l, span_n(folder.p, 0), e))
		return -1;
	while (wild_part(&rest, &part) && l->count <= CAP_WALK_DEPTH)
		if (level_add(l, span_n(folder.p, (size_t)(part.p + part.n - folder.p)), e))
			return -1;
	return 0;
}

/* Is the path, or a folder above it, ignored? */
static int ignored(struct levels *l, const char *path, bool *out, struct err *e)
{
	const char *slash = strrchr(path, '/');
	const struct ignore *innermost;

	if (levels_for(l, span_n(path, slash ? (size_t)(slash - path) : 0), e))
		return -1;
	innermost = l->count ? &l->at[l->count - 1] : NULL;
	*out = ignore_match(innermost, span_of(path), false);
	for (const char *p = strchr(path, '/'); p && !*out; p = strchr(p + 1, '/')) {
		const struct ignore *g = innermost;
		while (g && g->skip > (size_t)(p - path)) /* a folder's own rules do not speak of itself */
			g = g->up;
		*out = ignore_match(g, span_n(path, (size_t)(p - path)), true);
	}
	return 0;
}

static int drop_ignored(struct store *s, const struct hash *root, struct changes *c, struct err *e)
{
	cleanup_free struct levels *l = MEM_NEW(struct levels);
	size_t kept = 0;
	int rc = 0;

	if (!l)
		return err_nomem(e);
	l->store = s;
	l->root = root;
	for (size_t i = 0; i < c->count; i++) {
		bool drop = false;

		if (rc == 0 && c->items[i].kind == CHANGE_ADDED)
			rc = ignored(l, c->items[i].path, &drop, e);
		if (drop)
			mem_free(c->items[i].path);
		else
			c->items[kept++] = c->items[i];
	}
	c->count = kept;
	levels_clear(l);
	return rc;
}

int project_changes(struct project *p, struct store *s, const char *commit, const struct hash *root,
	struct changes *out, struct err *e)
{
	struct hash before;

	*out = (struct changes){0};
	if (project_tree(p, s, commit, &before, e) || snapshot_diff(s, &before, root, out, e))
		return -1;
	if (drop_ignored(s, root, out, e)) {
		changes_release(out);
		return -1;
	}
	return 0;
}
