/* aside: see aside.h. */
#include "cmd/aside.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/duplicate.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

/* Nothing is there, or an empty folder, in whose place another can be put. */
static int check_free(const char *place, struct err *e)
{
	DIR *d = fault_hit(FAULT_IO) ? NULL : opendir(place);
	const struct dirent *it;
	int rc = 0;
	if (!d)
		return errno == ENOENT ? 0 : err_errno(e, errno, "%s", place);
	while (rc == 0 && (it = readdir(d)))
		if (strcmp(it->d_name, ".") != 0 && strcmp(it->d_name, "..") != 0)
			rc = err_set(e, ERR_EXISTS, "%s is not empty; name a folder that is not there yet", place);
	closedir(d);
	return rc;
}

int aside_begin(struct aside *a, const char *place, struct err *e)
{
	size_t n = strlen(place);
	while (n > 1 && place[n - 1] == '/')
		n--;
	a->place = mem_printf("%.*s", (int)n, place);
	cleanup_free char *made = mem_printf("%.*s.incomplete", (int)n, place);
	if (!a->place || !made)
		return err_nomem(e);
	if (check_free(a->place, e))
		return -1;
	if (fs_exists(made))
		return err_set(e, ERR_EXISTS,
			"%s is what an interrupted attempt left; remove it, or name another place", made);
	if (fs_mkdirs_durable(made, 0700, e))
		return -1;
	a->made = steal(&made);
	return 0;
}

static int sync_parent(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	cleanup_free char *parent =
		slash ? mem_printf("%.*s", slash == path ? 1 : (int)(slash - path), path) : mem_strdup(".");
	return parent ? fs_fsync_dir(parent, e) : err_nomem(e);
}

int aside_end(struct aside *a, struct err *e)
{
	if (sync_all(a->made, e) || fs_rename(a->made, a->place, e))
		return -1;
	mem_free(steal(&a->made));
	return sync_parent(a->place, e);
}

void aside_release(struct aside *a)
{
	if (a->made)
		(void)fs_remove_tree(a->made, NULL);
	mem_free(a->made);
	mem_free(a->place);
	*a = (struct aside){0};
}
