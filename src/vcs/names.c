/* names: getdents into one growing text, then pointers into it, sorted: three allocations whatever the folder's size.
 */
#include "vcs/names.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "vcs/beneath.h"

#define TEXT_MAX (256u * 1024 * 1024)

static bool wanted(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, ".git") != 0;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Point items at the names in the text, and sort them. */
static int index_text(struct names *n, struct err *e)
{
	char *p = n->text;

	n->items = mem_calloc(n->count + 1, sizeof *n->items);
	if (!n->items)
		return err_nomem(e);
	for (size_t i = 0; i < n->count; i++) {
		n->items[i] = p;
		p += strlen(p) + 1;
	}
	qsort(n->items, n->count, sizeof *n->items, by_bytes);
	return 0;
}

int names_read(int dir, size_t cap, struct names *out, struct err *e)
{
	_Alignas(struct dirent64) char room[32 * 1024];
	cleanup_buf struct buf text = BUF_INIT(TEXT_MAX);
	ssize_t n;

	while ((n = SEAM(getdents64(dir, room, sizeof room))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry = (const struct dirent64 *)(room + at);

			at += entry->d_reclen;
			if (!wanted(entry->d_name))
				continue;
			if (out->count == cap) {
				out->left_out++;
				continue;
			}
			buf_add(&text, entry->d_name, strlen(entry->d_name) + 1);
			out->count++;
		}
	if (n < 0)
		return err_errno(e, errno, "read a folder");
	if (buf_check(&text, "the names of a folder", e))
		return -1;
	out->text = buf_take(&text);
	return out->text ? index_text(out, e) : err_nomem(e);
}

void names_release(struct names *n)
{
	mem_free(n->text);
	mem_free(n->items);
	*n = (struct names)NAMES_INIT;
}
