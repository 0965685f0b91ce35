/* archive_in: unpacking. Above 600 lines because archives, their history and commits share one way of writing files.
 *
 * Nothing in the passing folder is ever opened through a link (BENEATH_NO_FOLLOW), so the order of entries does not
 * matter; whether links stay inside is looked at in the end, when it is known which folder becomes the root: by their
 * words, and by the kernel, since a link to a link may lead where its words do not. */
#include "workspace/archive_in.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "vcs/export.h"
#include "workspace/archive_name.h"
#include "workspace/private.h"

#define PIECE (64 * KIB)
#define FILTERS 2 /* one compression, and libarchive's own source of bytes */
#define LIBARCHIVE(call) (fault_hit(FAULT_IO) ? ARCHIVE_FATAL : (call))

/* Not taken: who packs chooses how much memory it takes to unpack, up to GiBs. */
static const unsigned char xz[] = {0xfd, '7', 'z', 'X', 'Z'};

const struct archive_caps archive_caps = {.entries = CAP_ARCHIVE_FILES,
	.bytes = CAP_ARCHIVE_BYTES,
	.file = CAP_BLOB,
	.ratio = CAP_ARCHIVE_RATIO,
	.slack = CAP_ARCHIVE_SLACK,
	.time_ms = TIME_ARCHIVE};

struct job {
	struct archive_in *in;
	const struct archive_caps *caps;
	struct archive *a;
	uint64_t size;		       /* of the archive's file */
	uint64_t skipped;	       /* bytes of what is left out, which count for the caps */
	int64_t deadline;	       /* of the monotonic clock */
	int root;		       /* the passing folder */
	int dir;		       /* the last entry's folder, */
	char at[CAP_ARCHIVE_PATH + 1]; /* and its path */
	char *piece;
	struct job *past;		/* of the history; NULL: none is wanted */
	char top[CAP_ARCHIVE_PATH + 1]; /* the folder that its `.git` lies in: "", or "name/" */
};

/* ---- limits ---- */

static int check(const struct job *j, uint64_t file, struct err *e)
{
	const struct archive_caps *caps = j->caps;
	const struct archive_in *in = j->in;
	uint64_t bytes = in->bytes + j->skipped;

	if (in->cancel && atomic_load(in->cancel))
		return err_set(e, ERR_CANCELLED, "it was cancelled");
	if (clock_mono(&clock_real) > j->deadline)
		return err_set(e, ERR_TIMEOUT, "it takes longer than %lld s", (long long)caps->time_ms / 1000);
	if (in->entries > caps->entries)
		return err_set(
			e, ERR_TOO_LARGE, "it has more than %llu files and folders", (unsigned long long)caps->entries);
	if (file > caps->file)
		return err_set(
			e, ERR_TOO_LARGE, "a file in it has more than %llu bytes", (unsigned long long)caps->file);
	if (bytes > caps->bytes)
		return err_set(
			e, ERR_TOO_LARGE, "unpacked it has more than %llu bytes", (unsigned long long)caps->bytes);
	if (bytes > caps->slack && (bytes - caps->slack) / caps->ratio > j->size)
		return err_set(e, ERR_TOO_LARGE,
			"it grows more than %llu times when it is unpacked, as no honest one does",
			(unsigned long long)caps->ratio);
	return 0;
}

/* ---- entries ---- */

static int twice(struct err *e, const char *path)
{
	char shown[ARCHIVE_SHOWN];

	archive_shown(span_of(path), shown);
	return err_set(e, ERR_INVALID, "the name \"%s\" is there twice, or is a file and a folder", shown);
}

static int entry_err(struct err *e, int errnum, const char *path)
{
	char shown[ARCHIVE_SHOWN];

	if (errnum == EEXIST || errnum == ENOTDIR || errnum == ELOOP || errnum == EISDIR)
		return twice(e, path);
	archive_shown(span_of(path), shown);
	return err_errno(e, errnum, "%s", shown);
}

/* Make the folder `path` and those above it; the job's folder is then that. */
static int enter(struct job *j, const char *path, struct err *e)
{
	char part[CAP_ARCHIVE_PATH + 1];
	size_t n = strlen(path);
	int dir, next;

	if (j->dir >= 0 && strcmp(j->at, path) == 0)
		return 0;
	if (j->dir >= 0)
		close(j->dir);
	j->dir = -1;
	dir = beneath_open(j->root, ".", O_PATH | O_DIRECTORY, 0, BENEATH_NO_FOLLOW);
	for (size_t i = 1; dir >= 0 && n && i <= n; i++) {
		const char *name;

		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		name = strrchr(part, '/');
		name = name ? name + 1 : part;
		next = SEAM(mkdirat(dir, name, 0755));
		if (next == 0)
			j->in->entries++;
		if (next == 0 || errno == EEXIST)
			next = beneath_open(dir, name, O_PATH | O_DIRECTORY, 0, BENEATH_NO_FOLLOW);
		int saved = errno;
		close(dir);
		errno = saved;
		dir = next;
	}
	if (dir < 0)
		return entry_err(e, errno, path);
	j->dir = dir;
	snprintf(j->at, sizeof j->at, "%s", path);
	return check(j, 0, e);
}

/* Enter the folder of a path; its last name. */
static int enter_parent(struct job *j, const char *path, const char **name, struct err *e)
{
	char parent[CAP_ARCHIVE_PATH + 1] = "";
	const char *slash = strrchr(path, '/');

	if (slash)
		snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
	*name = slash ? slash + 1 : path;
	return enter(j, parent, e);
}

static int broken(struct job *j, struct err *e)
{
	const char *why = archive_error_string(j->a);
	char shown[ARCHIVE_SHOWN];

	if (archive_errno(j->a) == ENOMEM)
		return err_nomem(e);
	archive_shown(span_of(why ? why : "it ends too early"), shown);
	return err_set(e, ERR_INVALID, "it cannot be read: %s", shown);
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t rc = SEAM(write(fd, p, n));

		if (rc < 0)
			return -1;
		p += rc;
		n -= (size_t)rc;
	}
	return 0;
}

/* Sparse entries come with their holes as zeros, which count. */
static int take_data(struct job *j, int fd, const char *path, struct err *e)
{
	uint64_t file = 0;
	la_ssize_t n;

	while ((n = LIBARCHIVE(archive_read_data(j->a, j->piece, PIECE))) > 0) {
		file += (uint64_t)n;
		j->in->bytes += (uint64_t)n;
		if (check(j, file, e))
			return -1;
		if (write_all(fd, j->piece, (size_t)n))
			return entry_err(e, errno, path);
		if (j->in->progress)
			j->in->progress(j->in->ctx, j->in->entries, j->in->bytes);
	}
	return n < 0 ? broken(j, e) : 0;
}

/* Read over what is left out: libarchive would do so itself, without any cap and without an end. */
static int skip_data(struct job *j, struct err *e)
{
	la_ssize_t n;

	while ((n = LIBARCHIVE(archive_read_data(j->a, j->piece, PIECE))) > 0) {
		j->skipped += (uint64_t)n;
		if (check(j, 0, e))
			return -1;
	}
	return n < 0 ? broken(j, e) : 0;
}

/* A new file, to write to; -1. */
static int make_file(struct job *j, const char *path, bool exec, struct err *e)
{
	mode_t mode = exec ? 0755 : 0644;
	const char *name;

	if (enter_parent(j, path, &name, e))
		return -1;
	int fd = SEAM(openat(j->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
	if (fd >= 0 && SEAM(fchmod(fd, mode)) == 0)
		return fd;
	entry_err(e, errno, path);
	if (fd >= 0)
		close(fd);
	return -1;
}

static int take_file(struct job *j, struct archive_entry *entry, const char *path, struct err *e)
{
	cleanup_fd int fd = make_file(j, path, archive_entry_perm(entry) & 0111, e);

	return fd < 0 ? -1 : take_data(j, fd, path, e);
}

static int take_symlink(struct job *j, const char *target, const char *path, struct err *e)
{
	const char *name;

	if (!target || !*target || strlen(target) >= PATH_MAX)
		return err_set(e, ERR_INVALID, "a symbolic link in it has no target, or one that is too long");
	if (enter_parent(j, path, &name, e))
		return -1;
	return SEAM(symlinkat(target, j->dir, name)) ? entry_err(e, errno, path) : 0;
}

/* A second name of a file that came before. */
static int take_hardlink(struct job *j, struct archive_entry *entry, const char *path, struct err *e)
{
	struct archive_name target;
	const char *name;
	char self[32];
	struct stat st;

	if (archive_name(span_of(archive_entry_hardlink(entry)), &target, e))
		return err_wrap(e, "a hard link");
	if (archive_entry_size_is_set(entry) && archive_entry_size(entry) > 0)
		return err_set(e, ERR_INVALID, "a hard link in it has content of its own");
	cleanup_fd int fd = target.git || !target.path[0]
				    ? -1
				    : beneath_open(j->root, target.path, O_PATH | O_NOFOLLOW, 0, BENEATH_NO_FOLLOW);
	if (fd < 0 || SEAM(fstat(fd, &st)) || !S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "a hard link in it leads to no file that came before it");
	if (enter_parent(j, path, &name, e))
		return -1;
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	return SEAM(linkat(AT_FDCWD, self, j->dir, name, AT_SYMLINK_FOLLOW)) ? entry_err(e, errno, path) : 0;
}

/* ---- history ---- */

static bool is_hex(const char *text, size_t n)
{
	return strspn(text, "0123456789abcdef") == n && strlen(text) == n;
}

/* Objects, branches and tags, by their names; nothing that tells git what to do. */
static bool is_history(const char *path)
{
	size_t n = strlen(path);
	bool pack = n > 23 && !strncmp(path, "objects/pack/pack-", 18) && strrchr(path, '/') == path + 12;

	return !strcmp(path, "HEAD") || !strcmp(path, "packed-refs") || !strncmp(path, "refs/heads/", 11) ||
	       !strncmp(path, "refs/tags/", 10) ||
	       (pack && (!strcmp(path + n - 5, ".pack") || !strcmp(path + n - 4, ".idx"))) ||
	       (n == 49 && !strncmp(path, "objects/", 8) && path[10] == '/' && is_hex(path + 11, 38));
}

/* What of an entry's path is history of the new folder; NULL: nothing. Which folder becomes the new one is known in the
 * end only: of several with a `.git` the first counts. */
static const char *history_path(struct job *j, struct archive_entry *entry, const char *path)
{
	const char *slash = strchr(path, '/');
	size_t top = !strncmp(path, ".git/", 5)			? 0
		     : slash && !strncmp(slash + 1, ".git/", 5) ? (size_t)(slash - path) + 1
								: SIZE_MAX;

	if (!j->past || top == SIZE_MAX || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) ||
		!is_history(path + top + 5))
		return NULL;
	if (!j->in->has_history)
		snprintf(j->top, sizeof j->top, "%.*s", (int)top, path);
	return strlen(j->top) == top && !strncmp(path, j->top, top) ? path + top + 5 : NULL;
}

static int take_history(struct job *j, struct archive_entry *entry, const char *path, struct err *e)
{
	j->in->has_history = true;
	j->past->a = j->a;
	j->past->piece = j->piece;
	return take_file(j->past, entry, path, e);
}

static int take(struct job *j, struct archive_entry *entry, struct err *e)
{
	struct archive_name name;
	char shown[ARCHIVE_SHOWN];

	if (archive_name(span_of(archive_entry_pathname(entry)), &name, e))
		return -1;
	if (archive_entry_is_encrypted(entry))
		return err_set(e, ERR_INVALID, "it is encrypted; pack it without a password");
	j->in->entries++;
	if (check(j, 0, e))
		return -1;
	const char *history = name.git ? history_path(j, entry, name.path) : NULL;
	if (history)
		return take_history(j, entry, history, e);
	if (name.git) {
		j->in->left_out++;
		return skip_data(j, e);
	}
	if (!name.path[0] && archive_entry_filetype(entry) == AE_IFDIR)
		return skip_data(j, e);
	if (!name.path[0])
		return err_set(e, ERR_INVALID, "a file in it has no name");
	if (archive_entry_hardlink(entry))
		return take_hardlink(j, entry, name.path, e);
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return take_file(j, entry, name.path, e);
	case AE_IFDIR:
		return enter(j, name.path, e) ? -1 : skip_data(j, e);
	case AE_IFLNK:
		return take_symlink(j, archive_entry_symlink(entry), name.path, e);
	default:
		archive_shown(span_of(name.path), shown);
		return err_set(e, ERR_INVALID, "\"%s\" is a device, pipe or socket", shown);
	}
}

static int take_all(struct job *j, struct err *e)
{
	struct archive_entry *entry;
	int rc;

	while ((rc = LIBARCHIVE(archive_read_next_header(j->a, &entry))) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		if (archive_filter_count(j->a) > FILTERS)
			return err_set(e, ERR_INVALID, "it is compressed more than once");
		if (take(j, entry, e))
			return -1;
		if (j->in->progress)
			j->in->progress(j->in->ctx, j->in->entries, j->in->bytes);
	}
	return rc == ARCHIVE_EOF ? 0 : broken(j, e);
}

/* ---- what became of it ---- */

struct links {
	int root;
	bool bad;
	char shown[ARCHIVE_SHOWN];
};

static bool check_link(void *ctx, const struct walk_entry *entry)
{
	struct links *l = ctx;
	char target[PATH_MAX];
	ssize_t n;
	int fd;

	if (!S_ISLNK(entry->st.st_mode))
		return true;
	n = SEAM(readlinkat(entry->dir, entry->name, target, sizeof target));
	fd = n < 0 ? -1 : beneath_open(l->root, entry->path, O_PATH, 0, BENEATH_FOLLOW);
	l->bad = n < 0 || (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) ||
		 !archive_link_ok(entry->path, span_n(target, (size_t)n));
	if (fd >= 0)
		close(fd);
	if (l->bad)
		archive_shown(span_of(entry->path), l->shown);
	return !l->bad;
}

/* All symbolic links below a folder stay there. */
static int check_links(const char *dir, struct err *e)
{
	struct files *f = files_open(dir, 0, e);
	struct links l = {.root = f ? f->root : -1};
	struct walk w = {.each = check_link, .ctx = &l};
	int rc = f ? walk_run(f, ".", &w, e) : -1;

	files_close(f);
	if (rc == 0 && l.bad)
		return err_set(e, ERR_INVALID, "the link \"%s\" leads out of its folder, or into .git", l.shown);
	if (rc == 0 && w.incomplete)
		return err_set(e, ERR_TOO_LARGE, "it has more files and folders than can be looked through");
	return rc;
}

/* The folder that becomes the new one: the passing one, or the only folder in it; mem_free it. */
static char *find_top(const struct job *j, const char *stage, struct err *e)
{
	cleanup_names struct names names = NAMES_INIT;
	cleanup_fd int dir = SEAM(openat(j->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct stat st = {.st_mode = 0};
	char *top;

	if (dir < 0) {
		err_errno(e, errno, "%s", stage);
		return NULL;
	}
	if (names_read(dir, 2, &names, e))
		return NULL;
	if (names.count == 0) {
		err_set(e, ERR_INVALID, "it holds no files");
		return NULL;
	}
	if (names.count == 1 && SEAM(fstatat(dir, names.items[0], &st, AT_SYMLINK_NOFOLLOW))) {
		err_errno(e, errno, "%s", stage);
		return NULL;
	}
	top = S_ISDIR(st.st_mode) ? fs_join(stage, names.items[0]) : mem_strdup(stage);
	if (!top)
		err_nomem(e);
	return top;
}

/* ---- a commit ---- */

static int take_content(struct job *j, struct export_reader *r, const struct export_file *f, struct err *e)
{
	cleanup_fd int fd = make_file(j, f->path, f->kind == ENTRY_EXEC, e);
	struct span piece;
	int rc;

	if (fd < 0)
		return -1;
	while ((rc = export_next(r, &piece, e)) > 0) {
		j->in->bytes += piece.n;
		if (check(j, f->size, e))
			return -1;
		if (write_all(fd, piece.p, piece.n))
			return entry_err(e, errno, f->path);
		if (j->in->progress)
			j->in->progress(j->in->ctx, j->in->entries, j->in->bytes);
	}
	return rc;
}

static int take_target(struct job *j, struct export_reader *r, const struct export_file *f, struct err *e)
{
	char target[PATH_MAX] = "";
	size_t n = 0;
	struct span piece;
	int rc;

	if (f->size >= sizeof target)
		return take_symlink(j, NULL, f->path, e);
	while ((rc = export_next(r, &piece, e)) > 0 && n + piece.n < sizeof target) {
		memcpy(target + n, piece.p, piece.n);
		n += piece.n;
	}
	target[n] = 0;
	return rc < 0 ? -1 : take_symlink(j, strlen(target) == n ? target : NULL, f->path, e);
}

static int take_committed(struct job *j, struct project *p, const struct export_file *f, struct err *e)
{
	struct export_reader r = {.blob = NULL};
	struct archive_name name;
	int rc;

	if (archive_name(span_of(f->path), &name, e))
		return -1;
	j->in->entries++;
	if (check(j, f->size, e))
		return -1;
	rc = export_open(&r, p, f, e);
	if (rc == 0)
		rc = f->kind == ENTRY_LINK ? take_target(j, &r, f, e) : take_content(j, &r, f, e);
	export_release(&r);
	return rc;
}

int archive_commit(struct archive_in *in, struct project *p, const char *commit, const char *dir, struct err *e)
{
	struct job j = {.in = in, .caps = in->caps ? in->caps : &archive_caps, .dir = -1, .size = UINT64_MAX};
	struct export_list list;
	int rc;

	in->entries = in->bytes = in->left_out = 0;
	j.deadline = clock_mono(&clock_real) + j.caps->time_ms * 1000;
	j.root = fs_open(dir, O_RDONLY | O_DIRECTORY, 0, e);
	if (j.root < 0)
		return -1;
	rc = export_list(p, commit, &list, e);
	for (size_t i = 0; i < list.count && rc == 0; i++)
		rc = take_committed(&j, p, &list.items[i], e);
	export_list_release(&list);
	if (rc == 0)
		rc = check_links(dir, e);
	if (rc == 0 && SEAM(syncfs(j.root)))
		rc = err_errno(e, errno, "%s", dir);
	if (j.dir >= 0)
		close(j.dir);
	close(j.root);
	return rc;
}

/* ---- the folder's name ---- */

static int settle(const struct job *j, const char *stage, const char *dir, struct err *e)
{
	cleanup_free char *top = find_top(j, stage, e);

	if (!top || check_links(top, e))
		return -1;
	j->in->has_history &= (strcmp(top, stage) == 0) == !*j->top; /* else it is another folder's */
	if (SEAM(syncfs(j->root)))
		return err_errno(e, errno, "%s", dir);
	if (SEAM(renameat2(AT_FDCWD, top, AT_FDCWD, dir, RENAME_NOREPLACE)))
		return err_errno(e, errno, "%s", dir);
	return 0;
}

/* ---- the whole ---- */

static int open_archive(struct job *j, int fd, struct err *e)
{
	char start[sizeof xz];
	struct stat st;

	if (SEAM(fstat(fd, &st)))
		return err_errno(e, errno, "read it");
	if (pread(fd, start, sizeof start, 0) == sizeof start && memcmp(start, xz, sizeof start) == 0)
		return err_set(e, ERR_INVALID, "it is compressed with xz; pack it with gzip or zstd");
	j->size = (uint64_t)st.st_size;
	j->a = archive_read_new();
	j->piece = mem_alloc(PIECE);
	if (!j->a || !j->piece)
		return err_nomem(e);
	/* Anything but ARCHIVE_OK would be a filter that runs a program. */
	if (archive_read_support_filter_gzip(j->a) != ARCHIVE_OK ||
		archive_read_support_filter_zstd(j->a) != ARCHIVE_OK || archive_read_support_format_tar(j->a) ||
		archive_read_support_format_zip(j->a))
		return err_set(e, ERR_INTERNAL, "libarchive was built without gzip or zstd");
	if (LIBARCHIVE(archive_read_open_fd(j->a, fd, PIECE)) != ARCHIVE_OK)
		return broken(j, e);
	return 0;
}

static int unpack(struct job *j, int fd, const char *stage, const char *dir, struct err *e)
{
	if (SEAM(mkdir(stage, 0755)))
		return err_errno(e, errno, "make a folder beside %s", dir);
	j->root = fs_open(stage, O_RDONLY | O_DIRECTORY, 0, e);
	return j->root < 0 || open_archive(j, fd, e) || take_all(j, e) || settle(j, stage, dir, e) ? -1 : 0;
}

int archive_unpack(struct archive_in *in, const char *path, const char *dir, struct err *e)
{
	struct job j = {.in = in, .caps = in->caps ? in->caps : &archive_caps, .root = -1, .dir = -1}, past = j;
	char temp[BENEATH_TEMP];
	const char *slash = strrchr(dir, '/');
	cleanup_fd int fd = fs_open(path, O_RDONLY, 0, e);
	cleanup_free char *stage = NULL;
	struct archive_locale locale;
	int rc;

	in->entries = in->bytes = in->left_out = 0;
	in->has_history = false;
	if (fd < 0)
		return -1;
	beneath_temp(temp);
	stage = mem_printf("%.*s%s", slash ? (int)(slash - dir) + 1 : 0, dir, temp);
	if (!stage)
		return err_nomem(e);
	j.deadline = clock_mono(&clock_real) + j.caps->time_ms * 1000;
	past.size = UINT64_MAX;
	past.deadline = j.deadline;
	if (in->history) {
		past.root = fs_open(in->history, O_RDONLY | O_DIRECTORY, 0, e);
		if (past.root < 0)
			return -1;
		j.past = &past;
	}
	rc = archive_locale_enter(&locale, e);
	if (rc == 0) {
		rc = unpack(&j, fd, stage, dir, e);
		archive_locale_leave(&locale);
	}
	archive_read_free(j.a);
	mem_free(j.piece);
	if (past.dir >= 0)
		close(past.dir);
	if (past.root >= 0)
		close(past.root);
	if (j.dir >= 0)
		close(j.dir);
	if (j.root >= 0)
		close(j.root);
	(void)fs_remove_tree(stage, NULL); /* also what a stripped folder lay in */
	return rc ? err_wrap(e, "the archive %s was not unpacked", in->name) : 0;
}
