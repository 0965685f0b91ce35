/* hostjob: the flow's calls that a job on the worker pool serves: reading files, time, commits, branches, merges,
 * artifacts. Each sets op->result or op->error. Git moves are decided by the branch's expected old value, so that doing
 * them again after a crash is the same as once. */
#include <stdio.h>

#include "base/caps.h"
#include "base/fs.h"
#include "flow/hostcall.h"
#include "flow/house_private.h"

static void job_failed(struct op *op, const struct err *why)
{
	if (op->error.code == ERR_OK)
		op->error = *why;
}

static const char *job_path(struct op *op)
{
	const char *path = json_str(op->args, "path");
	return path ? path : ".";
}

void job_read(struct op *op)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_FILE_READ);
	struct err e = ERR_INIT;
	if (files_read(op->copy->files, job_path(op), &text, NULL, &e))
		job_failed(op, &e);
	else
		op->result = json_from_span(buf_span(&text));
}

void job_list(struct op *op)
{
	op->result = files_list(op->copy->files, job_path(op), &op->error);
}

void job_glob(struct op *op)
{
	const char *pattern = json_str(op->args, "pattern");
	op->result = files_glob(op->copy->files, pattern ? pattern : "**", 10000, &op->error);
}

void job_exists(struct op *op)
{
	bool folder;
	op->result = files_exists(op->copy->files, job_path(op), &folder) ? json_string(folder ? "folder" : "file")
									  : json_false();
}

void job_tree(struct op *op)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_EVENT_DATA / 2);
	if (!files_tree(op->copy->files, job_path(op), (int)json_int(op->args, "max", 400), &text, &op->error))
		op->result = json_from_span(buf_span(&text));
}

void job_now(struct op *op)
{
	op->result = json_real((double)clock_wall(loop_clock(op->run->loop)) / 1e6);
}

void job_random(struct op *op)
{
	uint64_t bits;
	if (op->run->rng)
		bits = rng_next(op->run->rng);
	else
		crypt_random(&bits, sizeof(bits));
	op->result = json_real((double)(bits >> 11) / 9007199254740992.0);
}

/* The copy's files as a commit on its branch; the same again after a crash finds it done. */
void job_commit(struct op *op)
{
	struct workcopy *c = op->copy;
	const char *message = json_str(op->args, "message");
	struct commit_author who = {.name = "muster", .email = "muster@localhost", .at_us = op->run->now};
	if (json_str(op->args, "author"))
		who.name = json_str(op->args, "author");
	char oid[OID_TEXT];
	snapshot_release(&op->taken);
	if (snapshot_take(c->copy, NULL, 0, &op->taken, &op->error) ||
		project_commit(c->env.project, op->run->store, &op->taken.root, c->branch, c->head, &who,
			message ? message : "Work of a run", oid, &op->error) ||
		project_copy_update(c->env.project, c->copy, c->branch, &op->error))
		return;
	op->result = json_pack("{s:s}", "commit", oid);
}

/* The run's last commit: what it finds changed, no call has reported. A person did it, or a program left behind. */
void job_end_commit(struct op *op)
{
	job_commit(op);
	json_t *changed = op->result ? changes_json(&op->taken.changes, 200) : NULL;
	if (op->result && json_put(op->result, "changed", changed))
		err_nomem(&op->error);
}

void job_branch(struct op *op)
{
	struct run *r = op->run;
	const char *name = json_str(op->args, "name");
	if (!name || !*name || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(name) ||
		!strcmp(name, "run")) {
		err_set(&op->error, ERR_INVALID, "branch{name=}: use small letters, digits, - and _");
		return;
	}
	job_commit(op); /* what is in the run's copy now is where the branch begins */
	const char *from = json_str(op->result, "commit");
	if (!from)
		return;
	cleanup_free char *dir = mem_printf("%s-%s", r->main->dir, name);
	cleanup_free char *branch = mem_printf("%s-%s", r->main->branch, name);
	struct copy *copy = NULL;
	if (!dir || !branch)
		err_nomem(&op->error);
	else if (!copy_remove(dir, &op->error) && !copy_place(r->settings, dir, r->main->uid, &op->error) &&
		 !project_checkout(
			 r->main->env.project, from, dir, branch, r->main->uid, &copy, r->store, &op->error)) {
		char manifest[HASH_HEX];
		hash_hex(copy_snapshot(copy), manifest);
		copy_close(copy);
		json_t *value = project_copy_keep(dir, &op->error)
					? NULL
					: json_pack("{s:s, s:s, s:s, s:s, s:s}", "copy", name, "branch", branch, "dir",
						  dir, "from", from, "manifest", manifest);
		json_decref(op->result);
		op->result = value;
	}
}

/* The run's files as a commit. A branch that has moved although the journal does not know was moved by this merge
 * before a stop: the files may be half those of the merge by now, so they are not looked at. */
static int commit_ours(struct op *op, char oid[OID_TEXT])
{
	struct workcopy *c = op->copy;
	if (op->was_announced && project_branch(c->env.project, c->branch, oid, &op->error))
		return -1;
	if (op->was_announced && *oid && strcmp(oid, c->head) != 0)
		return 0;
	job_commit(op);
	if (!op->result)
		return -1;
	snprintf(oid, OID_TEXT, "%s", json_str(op->result, "commit"));
	return 0;
}

static int commit_theirs(struct op *op, struct snapshot *taken, char oid[OID_TEXT])
{
	struct workcopy *theirs = op->theirs;
	const char *message = json_str(op->args, "message");
	struct commit_author who = {.name = "muster", .email = "muster@localhost", .at_us = op->run->now};
	return snapshot_take(theirs->copy, NULL, 0, taken, &op->error) ||
			       project_commit(op->run->main->env.project, op->run->store, &taken->root, theirs->branch,
				       theirs->head, &who, message ? message : "Work of an agent", oid, &op->error)
		       ? -1
		       : 0;
}

/* Their files into the run's. */
static void merge(struct op *op, const char *ours, const char *theirs)
{
	struct run *r = op->run;
	struct project *p = r->main->env.project;
	const char *message = json_str(op->args, "message");
	struct commit_author who = {.name = "muster", .email = "muster@localhost", .at_us = r->now};
	char oid[OID_TEXT];
	json_t *conflicts = NULL;
	struct hash root;
	int failed = project_merge_branches(p, r->main->branch, ours, theirs, &who,
		message ? message : "Merge an agent's work", oid, &conflicts, &op->error);
	json_decref(op->result);
	op->result = NULL;
	if (failed && conflicts) {
		err_clear(&op->error);
		op->result = json_pack(
			"{s:b, s:o, s:s, s:s}", "merged", 0, "conflicts", conflicts, "commit", ours, "theirs", theirs);
		return;
	}
	json_decref(conflicts);
	if (!failed && *oid)
		failed = project_tree(p, r->store, oid, &root, &op->error) ||
			 snapshot_restore(r->main->copy, &root, &op->error);
	if (!failed)
		op->result = json_pack("{s:b, s:s, s:s}", "merged", 1, "commit", oid, "theirs", theirs);
}

void job_merge(struct op *op)
{
	const char *name = json_str(op->args, "branch");
	char ours[OID_TEXT], theirs[OID_TEXT];
	struct snapshot taken = {0};
	if (!op->theirs)
		err_set(&op->error, ERR_NOT_FOUND, "merge{branch=}: there is no branch \"%s\"", name ? name : "");
	else if (!commit_ours(op, ours) && !commit_theirs(op, &taken, theirs))
		merge(op, ours, theirs);
	snapshot_release(&taken);
}

void job_artifact(struct op *op)
{
	const char *name = json_str(op->args, "name"), *type = json_str(op->args, "type");
	const json_t *content = json_get(op->args, "content");
	cleanup_buf struct buf bytes = BUF_INIT(CAP_BLOB);
	struct store_blob blob = {0};
	char hex[HASH_HEX];
	if (!name) {
		err_set(&op->error, ERR_INVALID, "artifact{} needs a name");
		return;
	}
	if (json_is_string(content))
		buf_addspan(&bytes, json_span(op->args, "content"));
	else if (content)
		json_print(content, &bytes);
	else if (files_read(op->copy->files, job_path(op), &bytes, NULL, &op->error))
		return;
	if (buf_check(&bytes, "an artifact", &op->error))
		return;
	store_blob_hash(buf_span(&bytes), &blob.hash);
	blob.bytes = blob_new(bytes.data ? bytes.data : "", bytes.len);
	if (!blob.bytes)
		err_nomem(&op->error);
	else if (!store_put_blobs(op->run->store, &blob, 1, &op->error)) {
		hash_hex(&blob.hash, hex);
		op->result = json_pack("{s:s, s:s, s:s?, s:s, s:I}", "name", name, "type",
			type	  ? type
			: content ? "text"
				  : "file",
			"path", content ? NULL : job_path(op), "blob", hex, "size", (json_int_t)bytes.len);
	}
	blob_unref(blob.bytes);
}

/* The run's branch into the person's project; only for runs whose project was new or empty, at their end. */
void job_land(struct op *op)
{
	struct commit_author who = {.name = "muster", .email = "muster@localhost", .at_us = op->run->now};
	char oid[OID_TEXT];
	bool already;
	json_t *conflicts = NULL;
	if (!project_merge(
		    op->run->main->env.project, op->run->main->branch, &who, oid, &already, &conflicts, &op->error))
		op->result = json_pack("{s:s, s:b}", "landed", oid, "already", already);
	json_decref(conflicts);
}
