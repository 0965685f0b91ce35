/* backup: a copy of the journal that is one moment of it, made while it is written to. The format file comes last: a
 * copy that was interrupted is no data folder. */
#include <dirent.h>
#include <errno.h>

#include "base/duplicate.h"
#include "base/fs.h"
#include "base/mem.h"
#include "store/heads.h"
#include "store/owner.h"
#include "store/private.h"

static int check_empty(const char *dir, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int rc = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_errno(e, errno, "read the folder %s", dir);
	while (rc == 0 && (entry = readdir(d)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			rc = err_set(e, ERR_EXISTS, "%s is not empty; back up into a new folder", dir);
	closedir(d);
	return rc;
}

/* Before the journal: a command that the owner takes in meanwhile is in either or in both, where it counts once. */
static int copy_spool(const char *dir, const char *to_dir, struct err *e)
{
	cleanup_free char *from = fs_join(dir, "commands"), *to = fs_join(to_dir, "commands");

	return from && to ? duplicate_tree(from, to, NULL, e) : err_nomem(e);
}

static int sign_copy(struct store *s, const char *to_dir, struct err *e)
{
	struct driver *copy = sqlite_open(to_dir, STORE_READ, false, s->key, s->clock, e);
	struct reader *r = copy ? copy->ops->reader(copy, true, e) : NULL;
	int rc = r ? heads_write(copy, r, to_dir, e) : -1;

	if (r)
		copy->ops->reader_end(r);
	if (copy)
		copy->ops->close(copy);
	return rc;
}

int store_backup(struct store *s, const char *to_dir, struct err *e)
{
	if (!s->driver->ops->copy)
		return err_set(e, ERR_INVALID, "a store in memory cannot be backed up");
	if (check_empty(to_dir, e) || fs_mkdirs_durable(to_dir, 0700, e) || copy_spool(s->dir, to_dir, e) ||
		s->driver->ops->copy(s->driver, to_dir, e) || sign_copy(s, to_dir, e) || owner_write_format(to_dir, e))
		return err_wrap(e, "backup to %s", to_dir);
	return 0;
}
