/* tree: encode and decode. The reader trusts nothing: a blob may come from a damaged disk or another machine. */
#include "vcs/tree.h"

#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"

#define MAGIC "mt1\n"
#define FRONT (1 + 1 + 8 + HASH_SIZE)

bool entry_name_ok(struct span name)
{
	return name.n > 0 && name.n <= 255 && !memchr(name.p, '/', name.n) && !memchr(name.p, 0, name.n) &&
	       !span_is(name, ".") && !span_is(name, "..") && !span_is(name, ".git");
}

static void add_u64(struct buf *out, uint64_t v)
{
	char b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (char)(v >> (8 * i));
	buf_add(out, b, sizeof b);
}

static uint64_t get_u64(const char *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

void tree_begin(struct buf *out)
{
	buf_adds(out, MAGIC);
}

void tree_add(struct buf *out, const struct entry *entry)
{
	BUG_ON(!entry_name_ok(entry->name) || entry->kind == ENTRY_OTHER);
	buf_addc(out, (char)entry->kind);
	buf_addc(out, (char)entry->name.n);
	add_u64(out, entry->size);
	buf_add(out, entry->hash.b, HASH_SIZE);
	if (entry->kind == ENTRY_DIR)
		add_u64(out, entry->files);
	buf_addspan(out, entry->name);
}

int tree_open(struct tree *t, struct span blob, struct err *e)
{
	if (!span_starts(blob, MAGIC))
		return err_set(e, ERR_CORRUPT, "this is no description of a folder; run muster verify");
	*t = (struct tree){.rest = span_n(blob.p + strlen(MAGIC), blob.n - strlen(MAGIC))};
	return 0;
}

int tree_next(struct tree *t, struct entry *out, struct err *e)
{
	const char *p = t->rest.p;
	size_t front, n;

	if (t->rest.n == 0)
		return 0;
	front = FRONT + (p[0] == ENTRY_DIR ? 8 : 0);
	if (!memchr("fxld", p[0], 4) || t->rest.n < front)
		goto damaged;
	n = (unsigned char)p[1];
	if (t->rest.n < front + n)
		goto damaged;
	*out = (struct entry){.kind = (enum entry_kind)p[0], .size = get_u64(p + 2), .files = 1};
	memcpy(out->hash.b, p + 10, HASH_SIZE);
	if (out->kind == ENTRY_DIR)
		out->files = get_u64(p + FRONT);
	out->name = span_n(p + front, n);
	if (!entry_name_ok(out->name) || (t->last.p && span_order(out->name, t->last) <= 0))
		goto damaged;
	t->last = out->name;
	t->rest = span_n(p + front + n, t->rest.n - front - n);
	return 1;
damaged:
	return err_set(e, ERR_CORRUPT, "the description of a folder is damaged; run muster verify");
}

int tree_load(struct store *s, const struct hash *h, struct blob **blob, struct tree *t, struct err *e)
{
	*t = (struct tree){.rest = SPAN_NONE};
	*blob = NULL;
	if (!h)
		return 0;
	*blob = store_blob(s, h, e);
	if (!*blob)
		return -1;
	if (tree_open(t, blob_span(*blob), e)) {
		blob_unref(*blob);
		*blob = NULL;
		return -1;
	}
	return 0;
}

int tree_entries(struct span blob, struct entry **out, size_t *count, struct err *e)
{
	size_t room = blob.n / (FRONT + 1) + 1, n = 0;
	struct entry *entries = mem_calloc(room, sizeof *entries);
	struct tree t;
	int rc;

	if (!entries)
		return err_nomem(e);
	rc = tree_open(&t, blob, e) ? -1 : 1;
	while (rc == 1) {
		struct entry next;

		rc = tree_next(&t, &next, e);
		if (rc == 1) {
			BUG_ON(n == room);
			entries[n++] = next;
		}
	}
	if (rc < 0) {
		mem_free(entries);
		return -1;
	}
	*out = entries;
	*count = n;
	return 0;
}
