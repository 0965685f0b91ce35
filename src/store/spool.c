/* spool: files by fs_replace; temporary names (no .json at the end) are passed over. Order is that of the files' times,
 * then names: commands of one process follow each other. */
#include "store/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

int spool_put(const char *dir, const char *id, const char *stream, const json_t *command, struct err *e)
{
	cleanup_json json_t *whole =
		json_make(e, "{s:s, s:s, s:O}", "id", id, "stream", stream, "command", (json_t *)command);
	cleanup_buf struct buf text = BUF_INIT(CAP_EVENT_DATA);
	cleanup_free char *folder = fs_join(dir, "commands"), *path = NULL;
	char hex[HASH_HEX];
	struct hash name;

	if (!whole || !folder)
		return whole ? err_nomem(e) : -1;
	hash_bytes(&name, NULL, span_of(id));
	hash_hex(&name, hex);
	path = mem_printf("%s/%s.json", folder, hex);
	json_print(whole, &text);
	if (!path)
		return err_nomem(e);
	if (buf_check(&text, "a command", e))
		return -1;
	if (fs_exists(path))
		return 0;
	return fs_mkdirs_durable(folder, 0700, e) ? -1 : fs_replace(path, buf_span(&text), 0600, e);
}

struct spooled {
	struct timespec at;
	char name[HASH_HEX + 8];
};

static int by_time(const void *a, const void *b)
{
	const struct spooled *x = a, *y = b;

	if (x->at.tv_sec != y->at.tv_sec)
		return x->at.tv_sec < y->at.tv_sec ? -1 : 1;
	if (x->at.tv_nsec != y->at.tv_nsec)
		return x->at.tv_nsec < y->at.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* Fill list[]; returns how many, or -1. */
static int list_files(const char *folder, struct spooled *list, struct err *e)
{
	DIR *d = fault_hit(FAULT_IO) ? NULL : opendir(folder);
	struct dirent *entry;
	struct stat st;
	int n = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_errno(e, errno, "read the folder %s", folder);
	while (n < CAP_SPOOL_BATCH && (entry = readdir(d))) {
		size_t len = strlen(entry->d_name);
		if (len != HASH_HEX - 1 + 5 || !span_ends(span_n(entry->d_name, len), ".json"))
			continue;
		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue; /* the owner has just taken it */
		list[n].at = st.st_mtim;
		memcpy(list[n++].name, entry->d_name, len + 1);
	}
	closedir(d);
	qsort(list, (size_t)n, sizeof *list, by_time);
	return n;
}

int spool_each(const char *dir, bool take,
	int (*each)(void *ctx, const char *id, const char *stream, const json_t *command, struct err *e), void *ctx,
	struct err *e)
{
	cleanup_free char *folder = fs_join(dir, "commands");
	cleanup_free struct spooled *list = NULL;
	int n;

	if (!folder)
		return err_nomem(e);
	if (!fs_is_dir(folder))
		return 0;
	list = mem_calloc(CAP_SPOOL_BATCH, sizeof *list);
	if (!list)
		return err_nomem(e);
	n = list_files(folder, list, e);
	for (int i = 0; i < n; i++) {
		cleanup_free char *path = fs_join(folder, list[i].name);
		cleanup_buf struct buf text = BUF_INIT(CAP_EVENT_DATA);
		cleanup_json json_t *whole = NULL;
		struct err why = ERR_INIT;
		if (!path)
			return err_nomem(e);
		if (fs_read(path, &text, &why)) {
			if (why.code == ERR_NOT_FOUND)
				continue;
			if (e)
				*e = why;
			return -1;
		}
		whole = json_parse(buf_span(&text), path, e);
		if (!whole)
			return -1;
		if (!json_str(whole, "id") || !json_str(whole, "stream") || !json_get(whole, "command"))
			return err_set(e, ERR_CORRUPT, "%s is no command; remove it", path);
		if (each(ctx, json_str(whole, "id"), json_str(whole, "stream"), json_get(whole, "command"), e))
			return -1;
		if (take && fs_unlink(path, e))
			return -1;
	}
	return n < 0 ? -1 : 0;
}
