/* changes: the list of what differs between two snapshots, in memory and as JSON. */
#include <stdlib.h>

#include "base/mem.h"
#include "vcs/copy.h"

void changes_release(struct changes *c)
{
	for (size_t i = 0; i < c->count; i++)
		mem_free(c->items[i].path);
	mem_free(c->items);
	*c = (struct changes){0};
}

int changes_add(struct changes *c, struct span path, enum change_kind kind, const struct hash *before,
	const struct hash *after, uint64_t size)
{
	struct change *one;

	if (c->count == c->room) {
		size_t room = c->room ? c->room * 2 : 16;
		struct change *items = mem_realloc(c->items, room * sizeof *items);
		if (!items)
			return -1;
		c->items = items;
		c->room = room;
	}
	one = &c->items[c->count];
	*one = (struct change){.path = span_dup(path), .kind = kind, .size = size};
	if (!one->path)
		return -1;
	if (before)
		one->before = *before;
	if (after)
		one->after = *after;
	c->count++;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->path, ((const struct change *)b)->path);
}

void changes_sort(struct changes *c)
{
	if (c->count > 1)
		qsort(c->items, c->count, sizeof *c->items, by_path);
}

static json_t *change_json(const struct change *c)
{
	static const char *const names[] = {"added", "modified", "deleted"};
	json_t *path = json_from_span(span_of(c->path));
	char hex[HASH_HEX];

	if (!path)
		return NULL;
	if (c->kind == CHANGE_DELETED)
		return json_make(NULL, "{s:o, s:s}", "path", path, "change", names[c->kind]);
	hash_hex(&c->after, hex);
	return json_make(NULL, "{s:o, s:s, s:s, s:I}", "path", path, "change", names[c->kind], "hash", hex, "size",
		(json_int_t)c->size);
}

json_t *changes_json(const struct changes *c, size_t max)
{
	cleanup_json json_t *out = json_array();
	size_t n = c->count < max ? c->count : max;

	if (!out)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		json_t *one = change_json(&c->items[i]);
		if (!one || json_array_append_new(out, one))
			return NULL;
	}
	if (n < c->count) {
		json_t *more = json_make(NULL, "{s:I}", "more", (json_int_t)(c->count - n));
		if (!more || json_array_append_new(out, more))
			return NULL;
	}
	return steal(&out);
}
