/* content: reading, writing, editing and removing single files.
 * A write goes to a temporary name beside its target and is renamed over it, so that readers, sandboxed programs
 * included, see the old content or the new. It is not synced: the durable copy of a file is its blob in the next
 * snapshot, from which a working copy is restored after a power cut. An edit looks once more, before its rename,
 * whether somebody else changed the file since it was read; then it is a conflict and nothing is written. */
#include <fcntl.h>
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "workspace/private.h"

static int regular(const struct stat *st, const char *path, struct err *e)
{
	if (S_ISREG(st->st_mode))
		return 0;
	if (S_ISDIR(st->st_mode))
		return beneath_err(e, EISDIR, path);
	return err_set(
		e, ERR_INVALID, "%s: is a device, pipe or socket; only regular files are read and written", path);
}

/* The content by descriptor: O_NONBLOCK keeps a FIFO from hanging us, fstat tells it from a file. */
static struct blob *read_whole(int fd, const char *path, size_t cap, struct stat *st, struct err *e)
{
	struct blob *b;

	if (SEAM(fstat(fd, st))) {
		err_errno(e, errno, "%s", path);
		return NULL;
	}
	if (regular(st, path, e))
		return NULL;
	b = beneath_read(fd, cap);
	if (!b && errno == EFBIG)
		err_set(e, ERR_TOO_LARGE,
			"%s: has %lld bytes, more than the %zu that can be read at once; use search, or "
			"shell commands such as head and sed -n",
			path, (long long)st->st_size, cap);
	else if (!b)
		err_errno(e, errno, "%s", path);
	return b;
}

int files_read(struct files *f, const char *path, struct buf *out, struct hash *hash, struct err *e)
{
	cleanup_fd int fd = files_open_at(f, path, O_RDONLY, e);
	struct blob *b;
	struct stat st;

	if (fd < 0)
		return -1;
	b = read_whole(fd, path, out->cap - out->len, &st, e);
	if (!b)
		return -1;
	if (hash)
		hash_bytes(hash, NULL, blob_span(b));
	buf_addspan(out, blob_span(b));
	blob_unref(b);
	return buf_check(out, path, e);
}

/* Write into a new temporary file in the place's folder. */
static int write_temp(const struct files *f, const struct place *p, const char *temp, struct span content)
{
	mode_t mode = p->exists ? p->st.st_mode & 0777 : 0644;
	int fd = SEAM(openat(p->dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)), rc = 0;

	if (fd < 0)
		return -1;
	for (size_t at = 0; rc == 0 && at < content.n;) {
		ssize_t n = SEAM(write(fd, content.p + at, content.n - at));
		if (n < 0)
			rc = -1;
		else
			at += (size_t)n;
	}
	if (rc == 0 && f->uid)
		rc = SEAM(fchown(fd, f->uid, f->uid));
	if (rc == 0)
		rc = SEAM(fchmod(fd, mode));
	int saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* unless_changed: the file as it was read; NULL: replace whatever is there. */
static int replace(const struct files *f, const struct place *p, const char *path, struct span content,
	const struct stat *unless_changed, struct err *e)
{
	char temp[BENEATH_TEMP];
	struct stat now = {0};
	int rc;

	beneath_temp(temp);
	rc = write_temp(f, p, temp, content) ? err_errno(e, errno, "write %s", path) : 0;
	if (rc == 0 && unless_changed &&
		(SEAM(fstatat(p->dir, p->name, &now, AT_SYMLINK_NOFOLLOW)) || !same_file(&now, unless_changed)))
		rc = err_set(e, ERR_CONFLICT,
			"%s: somebody else changed the file meanwhile; read it again and repeat the edit", path);
	if (rc == 0 && SEAM(renameat(p->dir, temp, p->dir, p->name)))
		rc = errno == EISDIR ? beneath_err(e, errno, path) : err_errno(e, errno, "write %s", path);
	if (rc)
		unlinkat(p->dir, temp, 0);
	return rc;
}

static int check_size(const char *path, size_t n, struct err *e)
{
	return n <= CAP_FILE_WRITE ? 0
				   : err_set(e, ERR_TOO_LARGE,
					     "%s: %zu bytes are more than the %lu that one call may write; write it in "
					     "parts or with a command",
					     path, n, CAP_FILE_WRITE);
}

int files_take(struct files *f, const char *path, struct span content, bool *created, struct err *e)
{
	cleanup_place struct place p = PLACE_INIT;

	if (place_find(f, path, PLACE_MAKE, &p, e) || (p.exists && regular(&p.st, path, e)))
		return -1;
	if (created)
		*created = !p.exists;
	return replace(f, &p, path, content, NULL, e);
}

int files_write(struct files *f, const char *path, struct span content, bool *created, struct err *e)
{
	return check_size(path, content.n, e) ? -1 : files_take(f, path, content, created, e);
}

int files_mkdir(struct files *f, const char *path, struct err *e)
{
	cleanup_place struct place p = PLACE_INIT;

	if (place_find(f, path, PLACE_MAKE, &p, e))
		return -1;
	if (p.exists && !S_ISDIR(p.st.st_mode))
		return err_set(e, ERR_EXISTS, "%s: is a file, not a folder", path);
	if (!p.exists && SEAM(mkdirat(p.dir, p.name, 0755)))
		return err_errno(e, errno, "make folder %s", path);
	if (f->uid && (!p.exists || p.st.st_uid == geteuid()) &&
		SEAM(fchownat(p.dir, p.name, f->uid, f->uid, AT_SYMLINK_NOFOLLOW)))
		return err_errno(e, errno, "give folder %s to uid %u", path, f->uid);
	return 0;
}

int files_delete(struct files *f, const char *path, struct err *e)
{
	cleanup_place struct place p = PLACE_INIT;

	if (place_find(f, path, PLACE_ITSELF, &p, e))
		return -1;
	if (!p.exists)
		return beneath_err(e, ENOENT, path);
	return beneath_remove(p.dir, p.name, e) ? err_wrap(e, "delete %s", path) : 0;
}

void files_tidy(struct files *f, const char *path)
{
	cleanup_place struct place p = PLACE_INIT;
	cleanup_names struct names names = NAMES_INIT;
	struct err e = ERR_INIT;

	if (place_find(f, path, PLACE_FOLLOW, &p, &e))
		return;
	cleanup_fd int dir = SEAM(openat(p.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (dir < 0 || names_read(dir, CAP_DIR_ENTRIES, &names, &e))
		return;
	for (size_t i = 0; i < names.count; i++)
		if (beneath_is_temp(names.items[i]))
			unlinkat(dir, names.items[i], 0);
}

bool files_exists(struct files *f, const char *path, bool *is_dir)
{
	struct err e = ERR_INIT;
	cleanup_fd int fd = files_open_at(f, path, O_PATH, &e);
	struct stat st;

	if (fd < 0 || SEAM(fstat(fd, &st)))
		return false;
	if (is_dir)
		*is_dir = S_ISDIR(st.st_mode);
	return true;
}

/* ---- edits ---- */

#define COUNT_MAX 100 /* further occurrences are "more than" */

/* An edit and where it applies in the content. */
struct spot {
	const struct file_edit *edit;
	size_t at, number;
};

static size_t occurrences(struct span content, struct span from, size_t *first)
{
	size_t count = 0, at = span_find(content, from, 0);

	*first = at;
	while (at != (size_t)-1 && count <= COUNT_MAX) {
		count++;
		at = span_find(content, from, at + 1);
	}
	return count;
}

static void complain(struct buf *why, size_t number, size_t total, size_t found)
{
	if (why->len)
		buf_adds(why, "; ");
	if (total > 1)
		buf_addf(why, "edit %zu: ", number + 1);
	if (found == 0)
		buf_adds(why, "the text to replace does not occur");
	else if (found > COUNT_MAX)
		buf_addf(why, "the text to replace occurs more than %d times", COUNT_MAX);
	else
		buf_addf(why, "the text to replace occurs %zu times", found);
}

static int by_place(const void *a, const void *b)
{
	const struct spot *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

/* Find each edit's one place; all complaints in one message. */
static int find_spots(
	struct span content, const struct file_edit *edits, size_t count, struct spot *spots, struct err *e)
{
	cleanup_buf struct buf why = BUF_INIT(ERR_TEXT_MAX);

	for (size_t i = 0; i < count; i++) {
		size_t at, found;

		if (edits[i].from.n == 0)
			return err_set(e, ERR_INVALID,
				"edit %zu: the text to replace is empty; give the text, or write the whole file",
				i + 1);
		found = occurrences(content, edits[i].from, &at);
		if (found != 1)
			complain(&why, i, count, found);
		spots[i] = (struct spot){&edits[i], at, i};
	}
	if (why.len || why.failed)
		return err_set(e, ERR_CONFLICT,
			"%.*s; give each with enough of its surroundings, exactly as in the file, "
			"that it occurs once. Nothing was changed",
			(int)why.len, buf_span(&why).p);
	qsort(spots, count, sizeof *spots, by_place);
	for (size_t i = 1; i < count; i++)
		if (spots[i - 1].at + spots[i - 1].edit->from.n > spots[i].at)
			return err_set(e, ERR_CONFLICT,
				"edits %zu and %zu overlap; make one of them. Nothing was changed",
				spots[i - 1].number + 1, spots[i].number + 1);
	return 0;
}

static void apply(struct span content, const struct spot *spots, size_t count, struct buf *out)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		buf_add(out, content.p + at, spots[i].at - at);
		buf_addspan(out, spots[i].edit->to);
		at = spots[i].at + spots[i].edit->from.n;
	}
	buf_add(out, content.p + at, content.n - at);
}

int edit_text(struct span content, const struct file_edit *edits, size_t count, struct buf *out, struct err *e)
{
	cleanup_free struct spot *spots = mem_calloc(count ? count : 1, sizeof *spots);

	if (!spots)
		return err_nomem(e);
	if (count == 0)
		return err_set(e, ERR_INVALID, "there are no edits; give at least one");
	if (find_spots(content, edits, count, spots, e))
		return -1;
	apply(content, spots, count, out);
	return buf_check(out, "the edited file", e);
}

int files_edit(struct files *f, const char *path, const struct file_edit *edits, size_t count, struct hash *before,
	struct hash *after, struct err *e)
{
	cleanup_place struct place p = PLACE_INIT;
	cleanup_buf struct buf text = BUF_INIT(CAP_FILE_WRITE);
	cleanup_fd int fd = -1;
	struct blob *old;
	struct stat st;
	int rc;

	if (place_find(f, path, PLACE_FOLLOW, &p, e))
		return -1;
	fd = beneath_open(p.dir, p.name, O_RDONLY, 0, BENEATH_NO_FOLLOW);
	if (fd < 0)
		return beneath_err(e, errno, path);
	old = read_whole(fd, path, CAP_FILE_WRITE, &st, e);
	if (!old)
		return -1;
	rc = edit_text(blob_span(old), edits, count, &text, e) ? err_wrap(e, "%s", path) : 0;
	if (rc == 0)
		rc = check_size(path, text.len, e) ? -1 : replace(f, &p, path, buf_span(&text), &st, e);
	if (rc == 0 && before)
		hash_bytes(before, NULL, blob_span(old));
	if (rc == 0 && after)
		hash_bytes(after, NULL, buf_span(&text));
	blob_unref(old);
	return rc;
}
