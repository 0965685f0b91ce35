/* large: the large files of a landing, which libgit2's checkout would have in memory whole, written piece by piece.
 * Where anything is unusual (a file stands where a folder is to be, a link is on the way, the object lies in a pack)
 * the file is left for the checkout, which knows such cases. */
#include <fcntl.h>
#include <limits.h>

#include "vcs/beneath.h"
#include "vcs/loose.h"
#include "vcs/private.h"

static bool is_large(struct project *p, const git_oid *id)
{
	struct err why = ERR_INIT; /* the checkout will meet it and say so */
	struct loose l;
	bool is = loose_open(&l, project_objects(p), id, &why) == 1 && l.size > CAP_FILE_WHOLE;

	loose_release(&l);
	return is;
}

int large_find(struct project *p, const git_tree *from, const git_tree *to, git_index *out)
{
	git_diff_options o = GIT_DIFF_OPTIONS_INIT;
	cleanup_git(git_diff) *diff = NULL;
	int rc;

	/* A link that becomes a file is not made by a checkout once the link is gone. */
	o.flags |= GIT_DIFF_INCLUDE_TYPECHANGE;
	rc = LIBGIT(git_diff_tree_to_tree(&diff, p->repo, (git_tree *)from, (git_tree *)to, &o));

	for (size_t i = 0; rc == 0 && i < git_diff_num_deltas(diff); i++) {
		const git_diff_delta *delta = git_diff_get_delta(diff, i);
		const git_diff_file *file = &delta->new_file;
		git_index_entry entry = {.mode = file->mode, .id = file->id, .path = file->path};

		if (delta->status != GIT_DELTA_TYPECHANGE &&
			(file->mode == GIT_FILEMODE_BLOB || file->mode == GIT_FILEMODE_BLOB_EXECUTABLE) &&
			is_large(p, &file->id) && LIBGIT(git_index_add(out, &entry)))
			git_error_clear(); /* not a path for a file */
	}
	return rc;
}

/* The open folder of a path, made where it is missing, and the name in it; -1. */
static int open_folder(int root, const char *path, const char **name)
{
	char part[NAME_MAX + 1];
	int dir = beneath_open(root, ".", O_RDONLY | O_DIRECTORY, 0, BENEATH_NO_FOLLOW);

	for (const char *slash; dir >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		cleanup_fd int up = dir;

		dir = -1;
		if (snprintf(part, sizeof part, "%.*s", (int)(slash - path), path) >= (int)sizeof part ||
			(SEAM(mkdirat(up, part, 0777)) && errno != EEXIST))
			break;
		dir = SEAM(openat(up, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
	}
	*name = path;
	return dir;
}

static bool copy_content(struct loose *from, int fd)
{
	struct err why = ERR_INIT;
	struct span piece;
	int rc;

	while ((rc = loose_next(from, &piece, &why)) > 0)
		if (fs_write_fd(fd, piece, &why))
			return false;
	return rc == 0;
}

static bool write_file(struct project *p, int root, git_index_entry *entry)
{
	struct err why = ERR_INIT;
	const char *name;
	cleanup_fd int dir = open_folder(root, entry->path, &name), fd = -1;
	struct loose from;
	struct stat st;
	bool done;

	if (dir < 0 || (SEAM(unlinkat(dir, name, 0)) && errno != ENOENT))
		return false;
	fd = SEAM(openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		entry->mode == GIT_FILEMODE_BLOB_EXECUTABLE ? 0777 : 0666));
	if (fd < 0)
		return false;
	done = loose_open(&from, project_objects(p), &entry->id, &why) == 1 && copy_content(&from, fd) &&
	       SEAM(fstat(fd, &st)) == 0;
	loose_release(&from);
	if (!done) {
		(void)SEAM(unlinkat(dir, name, 0));
		return false;
	}
	entry->mtime = (git_index_time){(int32_t)st.st_mtim.tv_sec, (uint32_t)st.st_mtim.tv_nsec};
	entry->ctime = (git_index_time){(int32_t)st.st_ctim.tv_sec, (uint32_t)st.st_ctim.tv_nsec};
	entry->dev = (uint32_t)st.st_dev;
	entry->ino = (uint32_t)st.st_ino;
	entry->uid = st.st_uid;
	entry->gid = st.st_gid;
	entry->file_size = (uint32_t)st.st_size;
	return true;
}

int large_write(struct project *p, git_index *files)
{
	cleanup_fd int root = fs_open(p->dir, O_PATH | O_DIRECTORY, 0, NULL);
	int rc = 0;

	for (size_t i = git_index_entrycount(files); rc == 0 && i-- > 0;) {
		git_index_entry entry = *git_index_get_byindex(files, i);

		if (root >= 0 && write_file(p, root, &entry))
			rc = LIBGIT(git_index_add(files, &entry));
		else
			rc = LIBGIT(git_index_remove(files, entry.path, 0));
	}
	return rc;
}
