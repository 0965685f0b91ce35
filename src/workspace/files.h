/* files: what tools and people do to the files of a working copy, by paths that cannot leave it.
 *
 * A path is relative to the copy's root, '/' separated, UTF-8, without NUL, "..", or empty parts; it is opened with
 * openat2 (RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS), so a symbolic link can be followed inside the copy and never out
 * of it, also when it is swapped meanwhile. `.git` at any level is refused (ERR_DENIED). ERR_OUTSIDE says which path
 * and why. All block: pool. */
#ifndef MUSTER_WORKSPACE_FILES_H
#define MUSTER_WORKSPACE_FILES_H

#include "base/buf.h"
#include "base/crypt.h"
#include "base/json.h"

struct files; /* an open root */
struct files *files_open(
	const char *dir, uid_t uid, struct err *e); /* uid: owner given to new files when root (0: unchanged) */
void files_close(struct files *f);

/* Is the text a well-formed relative path? -1 with ERR_OUTSIDE / ERR_INVALID. "." is the root. Writes the normal form.
 */
int files_path(struct span text, char *out, size_t room, struct err *e);

/* Content appended to out (cap: ERR_TOO_LARGE); hash of the whole content when not NULL. Folders are ERR_INVALID. */
int files_read(struct files *f, const char *path, struct buf *out, struct hash *hash, struct err *e);
/* Replace or create, with parents; atomic (temp + rename), mode kept. created says which. */
int files_write(struct files *f, const char *path, struct span content, bool *created, struct err *e);
/* The same for what a person gives, beyond the size of a tool call. */
int files_take(struct files *f, const char *path, struct span content, bool *created, struct err *e);
/* Each `from` must occur exactly once in the content as it stands; all are checked before anything is written:
 * ERR_CONFLICT lists every one that does not and its count. */
struct file_edit {
	struct span from, to;
};
int files_edit(struct files *f, const char *path, const struct file_edit *edits, size_t count, struct hash *before,
	struct hash *after, struct err *e);
/* The edits applied to a text in memory, by the same rules; appended to out. */
int edit_text(struct span content, const struct file_edit *edits, size_t count, struct buf *out, struct err *e);
int files_mkdir(struct files *f, const char *path, struct err *e);
int files_delete(struct files *f, const char *path, struct err *e); /* a folder with all in it; never follows links */
/* Remove what a write of this path left beside it when the program was killed in the middle. While no other write is
 * under way in the folder. What cannot be removed stays; it is part of no snapshot or listing. */
void files_tidy(struct files *f, const char *path);
bool files_exists(struct files *f, const char *path, bool *is_dir);
/* One folder: [{name, type: file|folder|link|other, size}], folders first, then by name; capped, then {"more": n} */
json_t *files_list(struct files *f, const char *path, struct err *e);
/* The project tree as indented text for prompts: dependency, build and VCS folders (node_modules, .venv, target, build,
 * dist, __pycache__, …) are one collapsed line with a count; at most max lines, then "… n more". */
int files_tree(struct files *f, const char *path, int max, struct buf *out, struct err *e);
/* Paths matching a glob (`*` within a part, `**` any parts, `?`, `[a-z]`, `{a,b}`), sorted; capped. Dependency folders
 * are skipped unless the pattern names them. */
json_t *files_glob(struct files *f, const char *pattern, int max, struct err *e);
/* Lines that contain a text or match a POSIX extended expression (regex) below path: [{path, line, text}], capped in
 * number, line length and time. What that left out, and binary and huge files, is told by a last element
 * {more, skipped, late}. */
json_t *files_search(struct files *f, const char *pattern, bool regex, const char *path, int max, struct err *e);

#endif
