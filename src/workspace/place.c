/* place: resolve a path once, then work on a name in an open folder.
 * A link at the end is read and its target resolved in its turn, each time from the root and beneath it; so the last
 * name is never a link, and rename, unlink and O_EXCL act on exactly what was looked at. A link that is swapped in
 * between is an error or its new, still inner, target: never a way out. */
#include <fcntl.h>
#include <stdio.h>

#include "base/mem.h"
#include "vcs/wild.h"
#include "workspace/private.h"

#define HOPS 16

struct files *files_open(const char *dir, uid_t uid, struct err *e)
{
	int root = fs_open(dir, O_PATH | O_DIRECTORY, 0, e);
	struct files *f;

	if (root < 0)
		return NULL;
	f = MEM_NEW(struct files);
	if (!f) {
		err_nomem(e);
		close(root);
		return NULL;
	}
	*f = (struct files){.root = root, .uid = geteuid() == 0 ? uid : 0};
	return f;
}

void files_close(struct files *f)
{
	if (!f)
		return;
	close(f->root);
	mem_free(f);
}

void place_release(struct place *p)
{
	if (p->dir >= 0)
		close(p->dir);
	p->dir = -1;
}

/* Where the open folder or file lies must not be inside .git, whatever links led there. */
static int refuse_git(struct files *f, int fd, const char *path, struct err *e)
{
	char where[PATH_MAX];
	struct span rest, part;

	if (beneath_where(f->root, fd, where, sizeof where))
		return beneath_err(e, errno, path);
	rest = span_of(where);
	while (wild_part(&rest, &part))
		if (span_is(part, ".git"))
			return err_set(e, ERR_DENIED, "%s: leads into .git, which only the git tools change", path);
	return 0;
}

int files_open_at(struct files *f, const char *path, int flags, struct err *e)
{
	char normal[PATH_MAX];
	int fd;

	if (files_path(span_of(path), normal, sizeof normal, e))
		return -1;
	fd = beneath_open(f->root, normal, flags, 0, BENEATH_FOLLOW);
	if (fd < 0)
		return beneath_err(e, errno, path);
	if (refuse_git(f, fd, path, e)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* This folder, or -1 when it cannot be given away (then it is closed). One that is still the host's own was made by who
 * was stopped before giving it away, or by a person; commands could not write there. */
static int give_folder(const struct files *f, int fd)
{
	struct stat st;

	if (fd < 0 || !f->uid)
		return fd;
	if (SEAM(fstat(fd, &st)) == 0 &&
		(st.st_uid != geteuid() || SEAM(fchownat(fd, "", f->uid, f->uid, AT_EMPTY_PATH)) == 0))
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Make the folders of path that are missing. */
static int make_parents(struct files *f, const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	int dir = beneath_open(f->root, ".", O_PATH | O_DIRECTORY, 0, BENEATH_FOLLOW), next;

	for (size_t i = 0; dir >= 0 && i <= n; i++) {
		const char *name;

		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		name = memrchr(part, '/', i);
		name = name ? name + 1 : part;
		next = beneath_open(f->root, part, O_PATH | O_DIRECTORY, 0, BENEATH_FOLLOW);
		if (next < 0 && errno == ENOENT && (SEAM(mkdirat(dir, name, 0755)) == 0 || errno == EEXIST))
			next = beneath_open(f->root, part, O_PATH | O_DIRECTORY, 0, BENEATH_FOLLOW);
		next = give_folder(f, next);
		int saved = errno;
		close(dir);
		errno = saved;
		dir = next;
	}
	return dir;
}

/* Split into the folder, opened, and the name. */
static int open_parent(struct files *f, char *path, bool make, struct place *p)
{
	char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path, *parent = slash ? path : ".";

	if (*name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		errno = EISDIR;
		return -1;
	}
	if (strlen(name) >= sizeof p->name) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(p->name, name, strlen(name) + 1);
	if (slash)
		*slash = 0;
	p->dir = beneath_open(f->root, *parent ? parent : ".", O_PATH | O_DIRECTORY, 0, BENEATH_FOLLOW);
	if (p->dir < 0 && errno == ENOENT && make)
		p->dir = make_parents(f, parent);
	else if (make)
		p->dir = give_folder(f, p->dir);
	if (slash)
		*slash = '/';
	return p->dir < 0 ? -1 : 0;
}

/* Put a link's target in place of its name. */
static int follow(const struct place *p, char *path)
{
	char target[PATH_MAX];
	ssize_t n = SEAM(readlinkat(p->dir, p->name, target, sizeof target));
	char *slash = strrchr(path, '/');
	size_t front = slash ? (size_t)(slash - path) + 1 : 0;

	if (n < 0)
		return errno == EINVAL ? 0 : -1; /* no longer a link: look again */
	while (n > 1 && target[n - 1] == '/')
		n--;
	if (n == 0 || target[0] == '/') {
		errno = EXDEV;
		return -1;
	}
	if (front + (size_t)n >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(path + front, target, (size_t)n);
	path[front + (size_t)n] = 0;
	return 0;
}

int place_find(struct files *f, const char *path, enum place_how how, struct place *p, struct err *e)
{
	char at[PATH_MAX];

	if (files_path(span_of(path), at, sizeof at, e))
		return -1;
	if (strcmp(at, ".") == 0)
		return err_set(e, ERR_INVALID, "%s: is the project's folder itself; name a file in it", path);
	for (int hop = 0; hop < HOPS; hop++) {
		place_release(p);
		if (open_parent(f, at, how == PLACE_MAKE, p))
			return beneath_err(e, errno, path);
		p->exists = SEAM(fstatat(p->dir, p->name, &p->st, AT_SYMLINK_NOFOLLOW)) == 0;
		if (!p->exists && errno != ENOENT)
			return beneath_err(e, errno, path);
		if (!p->exists || how == PLACE_ITSELF || !S_ISLNK(p->st.st_mode)) {
			if (strcmp(p->name, ".git") == 0)
				return err_set(
					e, ERR_DENIED, "%s: leads to .git, which only the git tools change", path);
			return refuse_git(f, p->dir, path, e);
		}
		if (follow(p, at))
			return beneath_err(e, errno, path);
	}
	return beneath_err(e, ELOOP, path);
}
