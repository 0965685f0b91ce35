/* dirnames: opendir, collect, sort. */
#include "flow/dirnames.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
	char **list;
	size_t count, room;
};

static void release(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		mem_free(n->list[i]);
	mem_free(n->list);
}

static int add(struct names *n, const char *name, const char *dir, struct err *e)
{
	if (n->count == CAP_LIST_ENTRIES)
		return err_set(e, ERR_TOO_LARGE, "%s: more than %d names", dir, CAP_LIST_ENTRIES);
	if (n->count == n->room) {
		size_t room = n->room ? 2 * n->room : 32;
		char **list = mem_realloc(n->list, room * sizeof *list);
		if (!list)
			return err_nomem(e);
		n->list = list;
		n->room = room;
	}
	n->list[n->count] = mem_strdup(name);
	if (!n->list[n->count])
		return err_nomem(e);
	n->count++;
	return 0;
}

static json_t *to_json(const struct names *n, struct err *e)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n->count; i++)
		if (json_array_append_new(array, json_from_span(span_of(n->list[i])))) {
			json_decref(array);
			array = NULL;
		}
	if (!array)
		err_nomem(e);
	return array;
}

json_t *dirnames(const char *dir, const char *suffix, struct err *e)
{
	struct names n = {0};
	struct dirent *entry;
	json_t *array = NULL;
	int rc = 0;
	DIR *d = fault_hit(FAULT_IO) ? NULL : opendir(dir);

	if (!d && (errno == ENOENT || errno == ENOTDIR))
		return to_json(&n, e);
	if (!d) {
		err_errno(e, errno, "%s", dir);
		return NULL;
	}
	for (errno = 0; rc == 0 && (entry = readdir(d)); errno = 0)
		if (entry->d_name[0] != '.' && span_ends(span_of(entry->d_name), suffix))
			rc = add(&n, entry->d_name, dir, e);
	if (rc == 0 && errno)
		rc = err_errno(e, errno, "%s", dir);
	closedir(d);
	if (rc == 0) {
		if (n.count)
			qsort(n.list, n.count, sizeof *n.list, by_bytes);
		array = to_json(&n, e);
	}
	release(&n);
	return array;
}
