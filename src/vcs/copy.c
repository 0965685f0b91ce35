/* copy: nodes and stamps.
 * A stamp proves that a file is unchanged only when its ctime is clearly older than the moment its content was read:
 * within one tick of the kernel's clock a file can be written again without its times moving. File systems that keep
 * whole seconds get a margin of two. */
#include "vcs/copy.h"

#include <fcntl.h>
#include <time.h>

#include "base/caps.h"
#include "base/mem.h"
#include "vcs/beneath.h"

#define NS 1000000000ll
#define GRAIN (20 * 1000 * 1000ll) /* two ticks of a kernel at 100 Hz */
#define GRAIN_COARSE (2 * NS)

static int64_t ns(struct timespec t)
{
	return (int64_t)t.tv_sec * NS + t.tv_nsec;
}

int64_t stamp_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now); /* what the kernel stamps files with */
	return ns(now);
}

void stamp_set(struct stamp *s, const struct stat *st, int64_t at)
{
	*s = (struct stamp){.known = true,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime = ns(st->st_mtim),
		.ctime = ns(st->st_ctim),
		.at = at};
}

bool stamp_same(const struct stamp *s, const struct stat *st)
{
	int64_t grain = s->ctime % NS == 0 && s->mtime % NS == 0 ? GRAIN_COARSE : GRAIN;

	return s->known && s->ino == st->st_ino && s->size == (uint64_t)st->st_size && s->mtime == ns(st->st_mtim) &&
	       s->ctime == ns(st->st_ctim) && s->ctime + grain < s->at;
}

struct node *node_find(struct node *dir, const char *name, size_t *at)
{
	size_t low = 0, high = dir->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(dir->kids[mid]->name, name);
		if (order == 0) {
			*at = mid;
			return dir->kids[mid];
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*at = low;
	return NULL;
}

static struct node *node_new(struct node *up, struct span name, enum entry_kind kind)
{
	struct node *n = mem_calloc(1, sizeof *n + name.n + 1);

	if (!n)
		return NULL;
	n->up = up;
	n->kind = kind;
	n->loaded = true;
	n->others = kind == ENTRY_OTHER;
	if (name.n)
		memcpy(n->name, name.p, name.n);
	return n;
}

static int make_room(struct node *dir, size_t count)
{
	size_t room = dir->room ? dir->room * 2 : 8;
	struct node **kids;

	if (count <= dir->room)
		return 0;
	if (room < count)
		room = count;
	kids = mem_realloc(dir->kids, room * sizeof(struct node *));
	if (!kids)
		return -1;
	dir->kids = kids;
	dir->room = room;
	return 0;
}

struct node *node_insert(struct node *dir, size_t at, const char *name, enum entry_kind kind, struct err *e)
{
	struct node *n;

	if (make_room(dir, dir->count + 1) || !(n = node_new(dir, span_of(name), kind))) {
		err_nomem(e);
		return NULL;
	}
	memmove(dir->kids + at + 1, dir->kids + at, (dir->count - at) * sizeof(struct node *));
	dir->kids[at] = n;
	dir->count++;
	node_dirty(n);
	return n;
}

void node_free(struct node *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++)
		node_free(n->kids[i]);
	mem_free(n->kids);
	mem_free(n);
}

void node_remove(struct node *dir, size_t at)
{
	node_free(dir->kids[at]);
	dir->count--;
	memmove(dir->kids + at, dir->kids + at + 1, (dir->count - at) * sizeof(struct node *));
	node_dirty(dir);
}

void node_dirty(struct node *n)
{
	for (; n; n = n->up)
		n->dirty = n->kind == ENTRY_DIR;
}

int node_load(struct copy *c, struct node *dir, struct err *e)
{
	struct blob *blob;
	struct tree t;
	struct entry entry;
	int rc;

	if (dir->loaded)
		return 0;
	if (tree_load(c->store, &dir->hash, &blob, &t, e))
		return -1;
	while ((rc = tree_next(&t, &entry, e)) == 1) {
		struct node *kid = make_room(dir, dir->count + 1) ? NULL : node_new(dir, entry.name, entry.kind);
		if (!kid) {
			rc = err_nomem(e);
			break;
		}
		kid->loaded = entry.kind != ENTRY_DIR;
		kid->hash = entry.hash;
		kid->size = entry.size;
		kid->files = entry.files;
		dir->kids[dir->count++] = kid;
	}
	blob_unref(blob);
	dir->loaded = rc == 0;
	return rc;
}

void copy_forget(struct copy *c)
{
	node_free(c->root);
	c->root = NULL;
}

int copy_root(struct copy *c, struct node **root, struct err *e)
{
	if (!c->root) {
		c->root = node_new(NULL, SPAN_NONE, ENTRY_DIR);
		if (!c->root)
			return err_nomem(e);
		c->root->hash = c->last;
		c->root->loaded = !c->has_last;
		c->root->dirty = !c->has_last;
	}
	*root = c->root;
	return 0;
}

int copy_root_fd(const struct copy *c, struct err *e)
{
	return fs_open(c->dir, O_RDONLY | O_DIRECTORY, 0, e);
}

struct copy *copy_open(struct store *store, const char *dir, const struct hash *last, struct err *e)
{
	struct copy *c;

	if (!fs_is_dir(dir)) {
		err_set(e, ERR_NOT_FOUND, "%s: the working copy's folder is missing; restore it from its snapshot",
			dir);
		return NULL;
	}
	c = MEM_NEW(struct copy);
	if (c)
		c->dir = mem_strdup(dir);
	if (!c || !c->dir) {
		mem_free(c);
		err_nomem(e);
		return NULL;
	}
	c->store = store;
	c->has_last = last != NULL;
	if (last)
		c->last = *last;
	return c;
}

void copy_close(struct copy *c)
{
	if (!c)
		return;
	copy_forget(c);
	mem_free(c->dir);
	mem_free(c);
}

void copy_live(struct copy *c, bool live)
{
	c->live = live;
}

const char *copy_dir(const struct copy *c)
{
	return c->dir;
}

const struct hash *copy_snapshot(const struct copy *c)
{
	return c->has_last ? &c->last : NULL;
}
