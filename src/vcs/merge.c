/* merge: branches of runs into each other, and a run's branch into the person's.
 *
 * Merging two branches happens in the object store alone; the person's checkout is only ever fast-forwarded (land.c).
 */
#include "base/mem.h"
#include "vcs/private.h"

/* ---- conflicts ---- */

static json_t *side_text(struct project *p, const git_index_entry *entry)
{
	cleanup_git(git_blob) *blob = NULL;
	cleanup_buf struct buf text = BUF_INIT(CAP_CONFLICT_TEXT + 64);
	size_t n, cut;

	if (!entry)
		return json_null();
	if (LIBGIT(git_blob_lookup(&blob, p->repo, &entry->id)))
		return json_string("(cannot be read)");
	if (git_blob_is_binary(blob))
		return json_string("(binary)");
	n = (size_t)git_blob_rawsize(blob);
	cut = n < CAP_CONFLICT_TEXT ? n : CAP_CONFLICT_TEXT;
	buf_add(&text, git_blob_rawcontent(blob), cut);
	if (cut < n)
		buf_adds(&text, "\n… cut here\n");
	return text.failed ? NULL : json_from_span(buf_span(&text));
}

static int add_conflict(struct project *p, json_t *list, const git_index_entry *base, const git_index_entry *ours,
	const git_index_entry *theirs, struct err *e)
{
	const char *path = ours ? ours->path : theirs ? theirs->path : base->path;
	json_t *name = json_from_span(span_of(path)), *a = side_text(p, base), *b = side_text(p, ours),
	       *c = side_text(p, theirs), *one;

	one = json_make(e, "{s:o, s:o, s:o, s:o}", "path", name, "base", a, "ours", b, "theirs", c);
	if (!one)
		return -1;
	return json_array_append_new(list, one) ? err_nomem(e) : 0;
}

/* The index's conflicts as JSON, and the error that names the first paths. */
static int report_conflicts(struct project *p, git_index *index, json_t **conflicts, struct err *e)
{
	const git_index_entry *base, *ours, *theirs;
	cleanup_buf struct buf names = BUF_INIT(ERR_TEXT_MAX / 2);
	cleanup_json json_t *list = json_array();
	git_index_conflict_iterator *it = NULL;
	int64_t more = 0, count = 0;
	int rc;

	if (!list)
		return err_nomem(e);
	rc = LIBGIT(git_index_conflict_iterator_new(&it, index));
	while (rc == 0 && (rc = git_index_conflict_next(&base, &ours, &theirs, it)) == 0) {
		const char *path = ours ? ours->path : theirs ? theirs->path : base->path;

		if (count++ >= CAP_CONFLICTS)
			more++;
		else if (add_conflict(p, list, base, ours, theirs, e)) {
			git_index_conflict_iterator_free(it);
			return -1;
		}
		buf_addf(&names, "%s%s", names.len ? ", " : "", path);
	}
	git_index_conflict_iterator_free(it);
	if (rc != GIT_ITEROVER)
		return libgit_err(e, rc, "read the conflicts");
	if (more) {
		json_t *last = json_make(e, "{s:I}", "more", (json_int_t)more);
		if (!last || json_array_append_new(list, last))
			return last ? err_nomem(e) : -1;
	}
	if (conflicts)
		*conflicts = steal(&list);
	return err_set(e, ERR_CONFLICT,
		"both sides changed %lld file%s: %s; decide what each should be, commit it, and "
		"merge again",
		(long long)count, count == 1 ? "" : "s", buf_span(&names).p);
}

/* ---- branches ---- */

/* 1 when a is b or an ancestor of it, 0, or -1. */
static int within(struct project *p, const git_oid *a, const git_oid *b, struct err *e)
{
	int rc;

	if (git_oid_equal(a, b))
		return 1;
	rc = LIBGIT(git_graph_descendant_of(p->repo, b, a));
	return rc < 0 ? libgit_err(e, rc, "compare the histories") : rc;
}

/* Is the branch already where the merge of these two would put it (done before a crash)? */
static int merged_before(
	struct project *p, const git_oid *tip, const git_oid *ours, const git_oid *theirs, struct err *e)
{
	cleanup_git(git_commit) *c = NULL;
	int rc, within_theirs;

	if (git_oid_equal(tip, theirs)) {
		within_theirs = within(p, ours, theirs, e);
		return within_theirs;
	}
	rc = LIBGIT(git_commit_lookup(&c, p->repo, tip));
	if (rc)
		return libgit_err(e, rc, "read the branch's last commit");
	return git_commit_parentcount(c) == 2 && git_oid_equal(git_commit_parent_id(c, 0), ours) &&
	       git_oid_equal(git_commit_parent_id(c, 1), theirs);
}

static int merge_trees(
	struct project *p, git_commit *ours, git_commit *theirs, git_oid *tree, json_t **conflicts, struct err *e)
{
	git_merge_options o = GIT_MERGE_OPTIONS_INIT;
	cleanup_git(git_index) *index = NULL;
	int rc;

	o.recursion_limit = 16;
	rc = LIBGIT(git_merge_commits(&index, p->repo, ours, theirs, &o));
	if (rc)
		return libgit_err(e, rc, "merge");
	if (git_index_has_conflicts(index))
		return report_conflicts(p, index, conflicts, e);
	rc = LIBGIT(git_index_write_tree_to(tree, index, p->repo));
	return rc ? libgit_err(e, rc, "write the merged files") : 0;
}

/* The locked inside of project_merge_branches. */
static int merge_into(struct project *p, const char *branch, git_commit *ours, git_commit *theirs,
	const struct commit_author *who, const char *message, git_oid *out, json_t **conflicts, struct err *e)
{
	const git_oid *a = git_commit_id(ours), *b = git_commit_id(theirs);
	const git_commit *parents[] = {ours, theirs};
	git_oid tip, tree;
	bool exists;
	int rc;

	if (ref_read(p, branch, &tip, &exists, e))
		return -1;
	if (!exists)
		return err_set(e, ERR_NOT_FOUND, "there is no branch %s; commit to it first", branch);
	rc = within(p, b, a, e);
	if (rc) {
		*out = *a;
		return rc < 0 ? -1 : 0;
	}
	if (!git_oid_equal(&tip, a)) {
		rc = merged_before(p, &tip, a, b, e);
		*out = tip;
		return rc ? (rc < 0 ? -1 : 0)
			  : err_set(e, ERR_CONFLICT,
				    "branch %s is not at %.12s any more; take the newer commits in first", branch,
				    git_oid_tostr_s(a));
	}
	rc = within(p, a, b, e);
	if (rc < 0)
		return -1;
	if (rc == 1) {
		*out = *b;
		return ref_move(p, branch, a, b, who, "fast-forward by muster", e);
	}
	if (merge_trees(p, ours, theirs, &tree, conflicts, e) ||
		commit_make(p, &tree, parents, 2, who, message, out, e))
		return -1;
	return ref_move(p, branch, a, out, who, "merge by muster", e);
}

/* One side has no commit yet, so the other one is the merge. */
static int merge_with_nothing(struct project *p, const char *branch, const char *ours, const char *theirs,
	const struct commit_author *who, char oid[OID_TEXT], struct err *e)
{
	cleanup_git(git_commit) *b = NULL;
	git_oid tip;
	bool exists;

	snprintf(oid, OID_TEXT, "%s", *ours ? ours : theirs);
	if (*ours || !*theirs)
		return 0;
	if (commit_find(p, theirs, &b, e) || ref_read(p, branch, &tip, &exists, e))
		return -1;
	if (exists && git_oid_equal(&tip, git_commit_id(b)))
		return 0; /* before a crash */
	return ref_move(p, branch, NULL, git_commit_id(b), who, "fast-forward by muster", e);
}

int project_merge_branches(struct project *p, const char *branch, const char *ours, const char *theirs,
	const struct commit_author *who, const char *message, char oid[OID_TEXT], json_t **conflicts, struct err *e)
{
	cleanup_git(git_commit) *a = NULL;
	cleanup_git(git_commit) *b = NULL;
	git_oid out;

	LOCKED(p);
	oid[0] = 0;
	if (conflicts)
		*conflicts = NULL;
	if (!*ours || !*theirs)
		return merge_with_nothing(p, branch, ours, theirs, who, oid, e);
	if (commit_find(p, ours, &a, e) || commit_find(p, theirs, &b, e) ||
		merge_into(p, branch, a, b, who, message, &out, conflicts, e))
		return -1;
	git_oid_tostr(oid, OID_TEXT, &out);
	return 0;
}

/* ---- into the person's checkout ---- */

static int merge_to_person(struct project *p, const char *branch, const struct commit_author *who, git_oid *out,
	bool *already, json_t **conflicts, struct err *e)
{
	cleanup_git(git_commit) *ours = NULL;
	cleanup_git(git_commit) *theirs = NULL;
	cleanup_git(git_commit) *merged = NULL;
	char name[REF_TEXT], text[OID_TEXT];
	cleanup_free char *message = NULL;
	git_oid run, person;
	bool exists, has_commit;
	int rc;

	if (ref_read(p, branch, &run, &exists, e) || land_branch(p, name, &person, &has_commit, e))
		return -1;
	*already = !exists; /* the run has changed nothing */
	*out = has_commit ? person : (git_oid){{0}};
	if (!exists)
		return 0;
	if (has_commit) {
		rc = within(p, &run, &person, e);
		*already = rc == 1;
		if (rc)
			return rc < 0 ? -1 : 0;
		message = mem_printf("Merge %s into %s", name + 11, branch);
		if (!message)
			return err_nomem(e);
		if (commit_find(p, git_oid_tostr(text, sizeof text, &run), &ours, e) ||
			commit_find(p, git_oid_tostr(text, sizeof text, &person), &theirs, e) ||
			merge_into(p, branch, ours, theirs, who, message, &run, conflicts, e))
			return -1;
	}
	*out = run;
	if (commit_find(p, git_oid_tostr(text, sizeof text, &run), &merged, e))
		return -1;
	return land(p, name, has_commit ? &person : NULL, merged, conflicts, e);
}

int project_merge(struct project *p, const char *branch, const struct commit_author *who, char oid[OID_TEXT],
	bool *already, json_t **conflicts, struct err *e)
{
	git_oid out;

	LOCKED(p);
	oid[0] = 0;
	*already = false;
	if (conflicts)
		*conflicts = NULL;
	if (merge_to_person(p, branch, who, &out, already, conflicts, e))
		return -1;
	if (!git_oid_is_zero(&out))
		git_oid_tostr(oid, OID_TEXT, &out);
	return 0;
}
