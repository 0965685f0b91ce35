/* refs: branches and commits by name.
 * A branch moves only from an expected value, so that whoever repeats an interrupted operation finds out what it did. A
 * crash may leave git's own lock file; that of a branch of ours is removed, since only the run's one owner moves it. */
#include <limits.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "vcs/private.h"

#define OWN "muster/"

static bool plain(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80 ||
	       strchr("._/+-@#=,%", c);
}

int ref_name(const char *branch, char out[REF_TEXT], struct err *e)
{
	struct span name = span_of(branch);
	bool ok = name.n > 0 && name.n < 256 && branch[0] != '-' && !span_is(name, "HEAD") && utf8_valid(name);
	int valid = 0;

	for (size_t i = 0; ok && i < name.n; i++)
		ok = plain((unsigned char)branch[i]);
	if (ok) {
		snprintf(out, REF_TEXT, "refs/heads/%s", branch);
		ok = git_reference_name_is_valid(&valid, out) == 0 && valid;
	}
	return ok ? 0
		  : err_set(e, ERR_INVALID,
			    "\"%s\" is no name for a branch; use letters, digits, '-', '_', '.' and '/'", branch);
}

int ref_read(struct project *p, const char *branch, git_oid *out, bool *exists, struct err *e)
{
	char name[REF_TEXT];
	int rc;

	if (ref_name(branch, name, e))
		return -1;
	rc = LIBGIT(git_reference_name_to_id(out, p->repo, name));
	*exists = rc == 0;
	return rc == 0 || rc == GIT_ENOTFOUND ? 0 : libgit_err(e, rc, "branch %s", branch);
}

/* Names and addresses stand in a line of the commit: no control characters, no angle brackets. */
static void clean_line(const char *text, const char *otherwise, struct buf *out)
{
	struct span s = span_of(text);

	for (size_t i = 0; i < s.n && out->len < 200; i++)
		buf_addc(out, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f || strchr("<>", s.p[i]) ? ' ' : s.p[i]);
	if (span_trim(buf_span(out)).n == 0) {
		buf_clear(out);
		buf_adds(out, otherwise);
	}
}

/* The author as git accepts it. */
static int clean_author(const struct commit_author *who, struct buf *name, struct buf *email, struct err *e)
{
	clean_line(who->name, "muster", name);
	clean_line(who->email, "muster@localhost", email);
	return buf_check(name, "the author", e) || buf_check(email, "the author", e) ? -1 : 0;
}

static int signature(git_signature **out, const struct commit_author *who, struct err *e)
{
	cleanup_buf struct buf name = BUF_INIT(256), email = BUF_INIT(256);
	int rc;

	if (clean_author(who, &name, &email, e))
		return -1;
	rc = LIBGIT(git_signature_new(out, name.data, email.data, who->at_us / 1000000, 0));
	return rc ? libgit_err(e, rc, "author of a commit") : 0;
}

/* Who stands in the reflog. */
static int set_ident(struct project *p, const struct commit_author *who, struct err *e)
{
	cleanup_buf struct buf name = BUF_INIT(256), email = BUF_INIT(256);
	int rc;

	if (clean_author(who, &name, &email, e))
		return -1;
	rc = LIBGIT(git_repository_set_ident(p->repo, name.data, email.data));
	return rc ? libgit_err(e, rc, "author of a change") : 0;
}

int locked_by_another(const struct project *p, const char *what, const char *git_dir, const char *file, struct err *e)
{
	struct span dir = span_of(git_dir);
	if (span_ends(dir, "/")) /* libgit2's do */
		dir.n--;
	return err_set(e, ERR_LOCKED,
		"%s of %s is locked; wait for the other git program, or, if there is none, remove %.*s/%s.lock", what,
		p->dir, (int)dir.n, dir.p, file);
}

/* Remove a lock file that a crash left on a branch of ours. */
static int break_lock(struct project *p, const char *name, struct err *e)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s.lock", p->git_dir, name) >= (int)sizeof path)
		return err_set(e, ERR_INVALID, "the path of branch %s is too long", name);
	return fs_unlink(path, e);
}

/* The folders of a branch, up to refs: libgit2 syncs files and the folder each is in, but not folders that it makes. */
static int sync_folders(struct project *p, const char *name, struct err *e)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof path, "%s/%s", p->git_dir, name) >= (int)sizeof path)
		return err_set(e, ERR_INVALID, "the path of branch %s is too long", name);
	for (size_t top = strlen(p->git_dir) + strlen("/refs"), i = strlen(path); i > top; i--)
		if (path[i] == '/') {
			path[i] = 0;
			if (fs_fsync_dir(path, e))
				return -1;
		}
	path[strlen(p->git_dir) + strlen("/refs")] = 0;
	return fs_fsync_dir(path, e);
}

int ref_move(struct project *p, const char *branch, const git_oid *from, const git_oid *to,
	const struct commit_author *who, const char *why, struct err *e)
{
	cleanup_git(git_reference) *ref = NULL;
	char name[REF_TEXT];
	int rc;

	if (ref_name(branch, name, e) || set_ident(p, who, e))
		return -1;
	if (fs_fsync_dir(p->objects[0], e)) /* new folders of the objects that the branch will need */
		return -1;
	for (int tries = 0; tries < 2; tries++) {
		rc = LIBGIT(git_reference_create_matching(&ref, p->repo, name, to, from != NULL, from, why));
		if (rc != GIT_ELOCKED || strncmp(branch, OWN, strlen(OWN)) != 0)
			break;
		if (break_lock(p, name, e))
			return -1;
	}
	if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS || (rc == GIT_ENOTFOUND && from))
		return err_set(e, ERR_CONFLICT,
			"branch %s was moved by somebody else meanwhile; look at it and try again", branch);
	if (rc == GIT_ELOCKED)
		return locked_by_another(p, name, p->git_dir, name, e);
	return rc ? libgit_err(e, rc, "move branch %s", branch) : sync_folders(p, name, e);
}

int commit_find(struct project *p, const char *oid, git_commit **out, struct err *e)
{
	git_oid id;
	int rc;

	if (strlen(oid) != 40 || git_oid_fromstr(&id, oid))
		return err_set(e, ERR_INVALID, "\"%s\" is not the name of a commit; 40 hex digits are", oid);
	rc = LIBGIT(git_commit_lookup(out, p->repo, &id));
	return rc ? libgit_err(e, rc, "commit %.12s", oid) : 0;
}

int commit_make(struct project *p, const git_oid *tree_id, const git_commit *const *parents, size_t count,
	const struct commit_author *who, const char *message, git_oid *out, struct err *e)
{
	cleanup_git(git_signature) *sign = NULL;
	cleanup_git(git_tree) *tree = NULL;
	cleanup_buf struct buf text = BUF_INIT(1 * MIB);
	int rc;

	utf8_clean(span_trim(span_of(message)), &text);
	buf_addc(&text, '\n');
	if (buf_check(&text, "the message", e) || signature(&sign, who, e))
		return -1;
	rc = LIBGIT(git_tree_lookup(&tree, p->repo, tree_id));
	if (rc == 0)
		rc = LIBGIT(git_commit_create(out, p->repo, NULL, sign, sign, NULL, text.data, tree, count,
			(const git_commit **)(uintptr_t)parents));
	return rc ? libgit_err(e, rc, "write a commit") : 0;
}

int project_branch(struct project *p, const char *branch, char oid[OID_TEXT], struct err *e)
{
	git_oid id;
	bool exists;

	LOCKED(p);
	if (ref_read(p, branch, &id, &exists, e))
		return -1;
	oid[0] = 0;
	if (exists)
		git_oid_tostr(oid, OID_TEXT, &id);
	return 0;
}

/* ---- branches set back ---- */

static const char *known_commit(const struct branch_at *known, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(known[i].name, name))
			return known[i].commit;
	return "";
}

static int rewind_one(struct project *p, const git_reference *ref, const char *commit, struct err *e)
{
	cleanup_git(git_reference) *moved = NULL;
	cleanup_git(git_commit) *to = NULL;
	const char *name = git_reference_name(ref);
	int rc;

	if (!*commit) {
		rc = LIBGIT(git_reference_remove(p->repo, name));
		return rc ? libgit_err(e, rc, "remove %s", name) : 0;
	}
	if (commit_find(p, commit, &to, e))
		return -1;
	rc = LIBGIT(git_reference_create(&moved, p->repo, name, git_commit_id(to), 1, "as the journal knows it"));
	return rc ? libgit_err(e, rc, "set %s back", name) : 0;
}

int project_rewind(struct project *p, const char *branch, const struct branch_at *known, size_t count, struct err *e)
{
	static const struct commit_author muster = {.name = "muster", .email = "muster@localhost"};
	cleanup_git(git_reference_iterator) *it = NULL;
	char name[REF_TEXT], glob[REF_TEXT + 1];
	size_t len;
	int rc;

	LOCKED(p);
	if (ref_name(branch, name, e) || set_ident(p, &muster, e))
		return -1;
	len = strlen(name);
	snprintf(glob, sizeof glob, "%s*", name);
	rc = LIBGIT(git_reference_iterator_glob_new(&it, p->repo, glob));
	while (rc == 0) {
		cleanup_git(git_reference) *ref = NULL;
		rc = LIBGIT(git_reference_next(&ref, it));
		const char *own = rc ? NULL : git_reference_name(ref);
		if (own && (!own[len] || own[len] == '-') &&
			rewind_one(p, ref, known_commit(known, count, own + strlen("refs/heads/")), e))
			return -1;
	}
	return rc == GIT_ITEROVER ? 0 : libgit_err(e, rc, "the branches of %s", p->dir);
}
