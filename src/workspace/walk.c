/* walk: the entries of folders in byte order. Each folder is opened by name in its parent without following links, so a
 * walk never leaves the tree and never goes in circles; what cannot be opened, lies too deep or comes after
 * CAP_WALK_ENTRIES is left out, and `incomplete` says that something was. */
#include <fcntl.h>

#include "base/caps.h"
#include "base/mem.h"
#include "workspace/private.h"

static const char *const dependency_folders[] = {"node_modules", ".venv", "venv", "__pycache__", "target", "build",
	"dist", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".gradle", ".next", ".nuxt", ".cache",
	".svn", ".hg", "vendor", "site-packages", "bower_components", ".eggs", ".terraform"};

bool folder_is_dependency(const char *name)
{
	for (size_t i = 0; i < sizeof dependency_folders / sizeof *dependency_folders; i++)
		if (strcmp(name, dependency_folders[i]) == 0)
			return true;
	return false;
}

/* ---- the walk ---- */

enum { GO_ON, ENOUGH, FAILED };

static int folder_open(int dir, const char *name)
{
	return SEAM(openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

static uint32_t count_entries(int dir, const char *name)
{
	cleanup_names struct names inside = NAMES_INIT;
	cleanup_fd int fd = folder_open(dir, name);

	if (fd < 0 || names_read(fd, CAP_DIR_ENTRIES, &inside, NULL))
		return 0;
	return (uint32_t)(inside.count + inside.left_out);
}

static int walk_folder(struct walk *w, int dir, struct buf *path, int depth, struct err *e);

static int walk_one(struct walk *w, int dir, const char *name, struct buf *path, int depth, struct err *e)
{
	struct walk_entry entry = {.name = name, .dir = dir, .depth = depth};
	int rc = GO_ON, sub;

	if (w->entries >= CAP_WALK_ENTRIES || SEAM(fstatat(dir, name, &entry.st, AT_SYMLINK_NOFOLLOW))) {
		w->incomplete = true;
		return w->entries >= CAP_WALK_ENTRIES ? ENOUGH : GO_ON;
	}
	w->entries++;
	entry.path = path->data;
	entry.collapsed = S_ISDIR(entry.st.st_mode) && w->skip && w->skip(w->ctx, name);
	if (entry.collapsed)
		entry.entries = count_entries(dir, name);
	if (!w->each(w->ctx, &entry))
		return ENOUGH;
	if (!S_ISDIR(entry.st.st_mode) || entry.collapsed)
		return GO_ON;
	sub = depth < CAP_WALK_DEPTH ? folder_open(dir, name) : -1;
	if (sub < 0) {
		w->incomplete = true;
		return GO_ON;
	}
	rc = walk_folder(w, sub, path, depth + 1, e);
	close(sub);
	return rc;
}

static int walk_folder(struct walk *w, int dir, struct buf *path, int depth, struct err *e)
{
	cleanup_names struct names names = NAMES_INIT;
	size_t before = path->len;
	int rc = GO_ON;

	if (names_read(dir, CAP_DIR_ENTRIES, &names, e))
		return FAILED;
	w->incomplete |= names.left_out > 0;
	for (size_t i = 0; i < names.count && rc == GO_ON; i++) {
		if (beneath_is_temp(names.items[i]))
			continue;
		if (path->len)
			buf_addc(path, '/');
		buf_adds(path, names.items[i]);
		if (path->failed == BUF_NOMEM) {
			err_nomem(e);
			rc = FAILED;
		} else if (path->failed) { /* a path longer than any call takes */
			path->failed = BUF_FINE;
			w->incomplete = true;
		} else {
			rc = walk_one(w, dir, names.items[i], path, depth, e);
		}
		buf_cut(path, before);
	}
	return rc;
}

int walk_run(struct files *f, const char *path, struct walk *w, struct err *e)
{
	cleanup_buf struct buf at = BUF_INIT(PATH_MAX);
	char normal[PATH_MAX];
	cleanup_fd int dir = -1;

	if (files_path(span_of(path), normal, sizeof normal, e))
		return -1;
	dir = files_open_at(f, normal, O_RDONLY | O_DIRECTORY, e);
	if (dir < 0)
		return -1;
	if (strcmp(normal, ".") != 0)
		buf_adds(&at, normal);
	return walk_folder(w, dir, &at, 0, e) == FAILED ? -1 : 0;
}
