/* book: the fold of project records. */
#include "api/book.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "accounts/accounts.h"
#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define KIND "project"
#define DAY_US (24LL * 3600 * 1000000)

struct entry {
	json_t *value;
	bool busy;
};
struct book {
	struct api_needs needs;
	struct map by_id; /* of struct entry, oldest first */
	char *home;
};

static void entry_free(void *p)
{
	struct entry *x = p;
	json_decref(x->value);
	mem_free(x);
}

void book_free(struct book *b)
{
	if (!b)
		return;
	map_release(&b->by_id, entry_free);
	mem_free(b->home);
	mem_free(b);
}

/* value NULL: the project is gone; borrowed. */
static int apply(struct book *b, const char *id, json_t *value, struct err *e)
{
	struct entry *x = map_get(&b->by_id, span_of(id));
	if (!value) {
		x = map_del(&b->by_id, span_of(id));
		if (x)
			entry_free(x);
		return 0;
	}
	if (!x) {
		x = MEM_NEW(struct entry);
		if (!x)
			return err_nomem(e);
		if (map_set(&b->by_id, span_of(id), x, NULL, e)) {
			mem_free(x);
			return -1;
		}
	}
	json_decref(x->value);
	x->value = json_incref(value);
	return 0;
}

static int by_age(const void *a, const void *b)
{
	int64_t x = json_int(*(json_t *const *)a, "created", 0), y = json_int(*(json_t *const *)b, "created", 0);
	return x == y  ? strcmp(json_str(*(json_t *const *)a, "id"), json_str(*(json_t *const *)b, "id"))
	       : x < y ? -1
		       : 1;
}

static int read_all(struct book *b, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "kind", KIND);
	cleanup_json json_t *rows = filter ? store_records(b->needs.store, filter, e) : NULL;
	size_t count = json_array_size(rows);
	cleanup_free json_t **values = mem_calloc(count + 1, sizeof(*values));
	if (!rows || !values)
		return rows ? err_nomem(e) : -1;
	for (size_t i = 0; i < count; i++) {
		values[i] = json_get(json_array_get(rows, i), "value");
		if (!json_str(values[i], "id"))
			return err_set(e, ERR_CORRUPT, "the record of a project has no id");
	}
	if (count)
		qsort(values, count, sizeof(*values), by_age);
	for (size_t i = 0; i < count; i++)
		if (apply(b, json_str(values[i], "id"), values[i], e))
			return -1;
	return 0;
}

/* ---- changes ---- */

/* [{kind, id, value}]; value NULL: the record is gone. */
static json_t *records_of(const char *id, const json_t *value, struct err *e)
{
	return json_make(
		e, "[{s:s, s:s, s:O}]", "kind", KIND, "id", id, "value", value ? (json_t *)value : json_null());
}

/* Whoever makes a project owns it; not who is the first to change one that is known by its runs. */
static int add_owner(
	const struct book *b, const char *what, const char *who, const json_t *value, json_t *records, struct err *e)
{
	if (!b->needs.accounts || strcmp(what, "project.created") != 0)
		return 0;
	json_t *owner = accounts_membership(b->needs.accounts, json_str(value, "id"), who, ROLE_OWNER, e);
	if (!owner || json_is_null(owner))
		return owner ? 0 : -1;
	return json_array_append_new(records, owner) ? err_nomem(e) : 0;
}

static void committed(void *ctx, const struct err *why)
{
	struct book_change *c = ctx;
	struct book *b = c->book;
	cleanup_json json_t *value = c->value, *records = c->records;
	const char *id = json_str(value, "id");
	struct entry *x = map_get(&b->by_id, span_of(id));
	struct err e = ERR_INIT;
	if (x)
		x->busy = false;
	c->value = NULL;
	c->kept = why->code == ERR_OK;
	if (why->code == ERR_OK)
		apply(b, id, value, &e);
	if (why->code == ERR_OK && b->needs.accounts)
		accounts_journaled(b->needs.accounts, records);
	c->cb(c, why->code == ERR_OK ? &e : why);
}

static int check(struct book *b, const json_t *value, struct err *e)
{
	struct entry *x = map_get(&b->by_id, json_span(value, "id"));
	if (x && x->busy)
		return err_set(e, ERR_LOCKED, "the project %s is being changed; try again", json_str(value, "id"));
	if (json_int(value, "version", 0) != (x ? json_int(x->value, "version", 0) : 0) + 1)
		return err_set(
			e, ERR_STALE, "the project %s has changed meanwhile; read it again", json_str(value, "id"));
	if (!x && map_count(&b->by_id) >= CAP_PROJECTS)
		return err_set(e, ERR_TOO_LARGE, "there are %d projects, the most that there may be; delete some",
			CAP_PROJECTS);
	if (x)
		x->busy = true;
	return 0;
}

int book_put(struct book *b, struct book_change *c, const char *what, const char *who, json_t *value, struct err *e)
{
	cleanup_json json_t *records = value ? records_of(json_str(value, "id"), value, e) : NULL;
	cleanup_free char *object = mem_printf(KIND "/%s", value ? json_str(value, "id") : "");
	struct audit a = {.who = who, .what = what, .object = object, .records = records};
	c->book = b;
	c->value = value;
	if (!records || !object || add_owner(b, what, who, value, records, e) || check(b, value, e)) {
		json_decref(value);
		return value && e->code != ERR_OK ? -1 : err_nomem(e);
	}
	c->records = json_incref(records);
	int rc = store_record(b->needs.store, &a, committed, c, e);
	struct entry *x = map_get(&b->by_id, json_span(value, "id"));
	if (rc) {
		if (x)
			x->busy = false;
		json_decref(value);
		json_decref(c->records);
	}
	return rc;
}

/* ---- reading ---- */

/* Is it one of the folders that we make? */
static bool is_ours(const struct book *b, const char *dir)
{
	size_t n = strlen(b->home);
	return dir && !strncmp(dir, b->home, n) && dir[n] == '/' && dir[n + 1];
}

/* As its newest run tells of it; but of one that was deleted, only the runs are left. */
static json_t *from_runs(struct book *b, const char *id, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "project", id);
	cleanup_json json_t *rows = filter ? store_runs(b->needs.store, filter, 1, e) : NULL;
	const json_t *row = json_array_get(rows, 0);
	const char *dir = json_str(row, "dir"), *slash = dir ? strrchr(dir, '/') : NULL;
	if (!rows)
		return NULL;
	if (!dir || (is_ours(b, dir) && !fs_exists(dir))) {
		err_set(e, ERR_NOT_FOUND, "there is no project %.80s", id);
		return NULL;
	}
	int64_t at = json_int(row, "created", 0);
	const char *user = json_str(row, "user");
	return json_make(e, "{s:s, s:s, s:s, s:[], s:s, s:s, s:s, s:I, s:I, s:s, s:i, s:b}", "id", id, "name",
		slash && slash[1] ? slash + 1 : "project", "description", "", "tags", "state", "active", "dir", dir,
		"origin", "folder", "created", (json_int_t)at, "updated", (json_int_t)at, "created_by",
		user ? user : "owner", "version", 0, "trusted", true);
}

const char *book_home(const struct book *b)
{
	return b->home;
}

const json_t *book_get(struct book *b, const char *id, struct err *e)
{
	struct entry *x = map_get(&b->by_id, span_of(id));
	if (x)
		return x->value;
	cleanup_json json_t *value = strlen(id) < PROJECT_ID ? from_runs(b, id, e) : NULL;
	if (!value || apply(b, id, value, e)) {
		if (e->code == ERR_OK)
			err_set(e, ERR_NOT_FOUND, "there is no project %.80s", id);
		return NULL;
	}
	return value; /* the book has it */
}

const json_t *book_folder(const struct book *b, const char *name)
{
	const struct map_entry *entry;
	for (size_t i = 0; (entry = map_next(&b->by_id, &i));) {
		const json_t *value = ((const struct entry *)entry->value)->value;
		const char *slash = strrchr(json_str(value, "dir"), '/');
		const char *command = json_str(value, "command");
		if (((slash && !strcmp(slash + 1, name)) || (command && !strcmp(command, name))) &&
			json_int(value, "version", 0))
			return value;
	}
	return NULL;
}

const json_t *book_at(const struct book *b, size_t i)
{
	const struct map_entry *entry, *found = NULL;
	size_t count = map_count(&b->by_id), n = 0;
	if (i >= count)
		return NULL;
	for (size_t k = 0; n < count - i && (entry = map_next(&b->by_id, &k)); n++)
		found = entry;
	return found ? ((const struct entry *)found->value)->value : NULL;
}

/* ---- opening ---- */

/* The end of what was deleted long ago. Folders that we did not make are never removed. */
static int purge_one(struct book *b, const json_t *value, struct err *e)
{
	const char *dir = json_str(value, "dir"), *id = json_str(value, "id");
	if (is_ours(b, dir) && fs_remove_tree(dir, e))
		return -1;
	cleanup_json json_t *records = records_of(id, NULL, e);
	cleanup_free char *object = mem_printf(KIND "/%s", id);
	struct audit a = {.who = "system", .what = "project.ended", .object = object, .records = records};
	if (!records || !object)
		return records ? err_nomem(e) : -1;
	return store_record_wait(b->needs.store, &a, e);
}

static int purge(struct book *b, struct err *e)
{
	int64_t now = clock_wall(loop_clock(b->needs.loop));
	const struct map_entry *entry;
	for (size_t i = 0; (entry = map_next(&b->by_id, &i));) {
		const json_t *value = ((const struct entry *)entry->value)->value;
		int64_t deleted = json_int(value, "deleted", 0);
		if (!deleted || now - deleted < PROJECT_KEPT_DAYS * DAY_US)
			continue;
		if (purge_one(b, value, e) || apply(b, entry->key, NULL, e))
			return -1;
	}
	return 0;
}

static char *find_home(const char *data_dir, struct err *e)
{
	cleanup_free char *path = fs_join(data_dir, "projects");
	char real[PATH_MAX];
	char *out = NULL;
	if (path && realpath(path, real)) {
		out = mem_strdup(real);
	} else if (path) { /* not there yet */
		if (fault_hit(FAULT_IO) || !realpath(data_dir, real)) {
			err_errno(e, errno, "%s", data_dir);
			return NULL;
		}
		out = fs_join(real, "projects");
	}
	if (!out)
		err_nomem(e);
	return out;
}

struct book *book_open(const struct api_needs *n, struct err *e)
{
	struct book *b = MEM_NEW(struct book);
	if (!b) {
		err_nomem(e);
		return NULL;
	}
	b->needs = *n;
	map_init(&b->by_id, CAP_PROJECTS);
	b->home = find_home(n->data_dir, e);
	if (!b->home || read_all(b, e) || (n->serving && purge(b, e))) {
		book_free(b);
		return NULL;
	}
	return b;
}
