/* backup: the data folder as a folder of its own, made while its owner works (docs/decisions/0010).
 *
 * First the journal, which is one moment of it; then what it names, which may be newer: vault, settings, projects. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/duplicate.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "cmd/app.h"
#include "cmd/aside.h"
#include "cmd/out.h"
#include "vcs/project.h"

#define TRIES 5 /* of a project that changes while it is copied */

static const struct verb_option options[] = {
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

struct backup {
	struct app app;
	struct aside to;
	char home[PATH_MAX]; /* the data folder, without links */
	int projects;
	struct map folders; /* of all projects and runs that the journal names */
};

/* ---- projects ---- */

/* Objects come last: whatever the rest names is among them then. Locks are of the moment. */
static bool before_objects(const char *path)
{
	struct span s = span_of(path);
	return span_is(s, ".git/objects") || (span_starts(s, ".git/") && span_ends(s, ".lock"));
}

/* When packs came or went last; 0: there are none. */
static int64_t packs_changed(const char *dir)
{
	cleanup_free char *packs = fs_join(dir, ".git/objects/pack");
	struct stat st;
	return packs && stat(packs, &st) == 0 ? st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec : 0;
}

static int is_dirty(const char *dir, bool *dirty, struct err *e)
{
	struct project_state st = {.dirty = false};
	struct project *p = project_open(dir, &st, e);
	project_close(p);
	*dirty = st.dirty;
	return p ? 0 : -1;
}

/* *whole: neither packs nor a landing moved files meanwhile. */
static int copy_once(const char *from, const char *to, bool *whole, struct err *e)
{
	cleanup_free char *objects = fs_join(from, ".git/objects"), *to_objects = fs_join(to, ".git/objects");
	cleanup_free char *parent = mem_printf("%.*s", (int)(strrchr(to, '/') - to), to);
	int64_t packs = packs_changed(from);
	bool dirty, was_dirty = false;
	if (!objects || !to_objects || !parent)
		return err_nomem(e);
	if (fs_mkdirs(parent, 0700, e) || duplicate_tree(from, to, before_objects, e))
		return -1;
	if (!fs_is_dir(objects)) { /* no repository, or one that keeps its objects elsewhere */
		*whole = true;
		return 0;
	}
	if (duplicate_tree(objects, to_objects, NULL, e))
		return -1;
	*whole = packs == packs_changed(from);
	if (!*whole)
		return 0;
	if (is_dirty(to, &dirty, e) || (dirty && is_dirty(from, &was_dirty, e)))
		return -1;
	*whole = !dirty || was_dirty;
	return 0;
}

/* Is it one of the folders in which the data folder keeps projects? Others are their owners'. */
static bool starts_below(const struct backup *b, const char *dir)
{
	size_t n = strlen(b->home);
	return !strncmp(dir, b->home, n) && !strncmp(dir + n, "/projects/", 10) && dir[n + 10];
}

static int copy_project(struct backup *b, const char *name, struct err *e)
{
	cleanup_free char *from = fs_join(b->home, name), *to = fs_join(b->to.made, name);
	bool whole = false;
	if (!from || !to)
		return err_nomem(e);
	if (!fs_is_dir(from)) /* deleted */
		return 0;
	for (int i = 0; i < TRIES && !whole; i++)
		if (fs_remove_tree(to, e) || copy_once(from, to, &whole, e))
			return err_wrap(e, "the project %s", from);
	if (!whole)
		return err_set(
			e, ERR_CONFLICT, "the project %s changes all the time; try again when it is quieter", from);
	b->projects++;
	return 0;
}

/* ---- runs that will go on ---- */

/* The place in the backup of a folder below the data folder's projects; NULL: it is none. */
static char *place_of(const struct backup *b, const char *dir)
{
	return starts_below(b, dir) ? mem_printf("%s%s", b->to.made, dir + strlen(b->home)) : NULL;
}

static int rewind_run(struct backup *b, struct app *copy, const json_t *row, struct err *e)
{
	const char *state = json_str(row, "state"), *dir = json_str(row, "dir");
	struct err why = ERR_INIT;
	if (!state || !dir || !starts_below(b, dir) || !strcmp(state, "completed") || !strcmp(state, "cancelled"))
		return 0;
	cleanup_free char *place = place_of(b, dir);
	if (!place)
		return err_nomem(e);
	if (!fs_is_dir(place))
		return 0;
	if (house_rewind(copy->house, json_str(row, "run"), place, &why)) /* it could not go on where it is, either */
		log_warn("backup", "the branches of run %s stay as they are: %s", json_str(row, "run"), why.text);
	while (loop_turn(copy->loop, 0))
		;
	return 0;
}

/* ---- what the journal names ---- */

static int add_folders(struct backup *b, const json_t *rows, const char *member, struct err *e)
{
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		const char *dir = json_str(member ? json_get(row, member) : row, "dir");
		if (dir && map_set(&b->folders, span_of(dir), b, NULL, e))
			return -1;
	}
	return 0;
}

static int copy_folders(struct backup *b, struct err *e)
{
	const struct map_entry *entry;
	for (size_t i = 0; (entry = map_next(&b->folders, &i));)
		if (starts_below(b, entry->key) && copy_project(b, entry->key + strlen(b->home), e))
			return -1;
	return 0;
}

static int follow(struct backup *b, struct app *copy, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "kind", "project");
	cleanup_json json_t *records = filter ? store_records(copy->store, filter, e) : NULL;
	cleanup_json json_t *runs = records ? store_runs(copy->store, NULL, -1, e) : NULL;
	size_t i;
	json_t *row;
	if (!runs || add_folders(b, records, "value", e) || add_folders(b, runs, NULL, e) || copy_folders(b, e) ||
		app_house(copy, e))
		return -1;
	json_array_foreach(runs, i, row) if (rewind_run(b, copy, row, e)) return -1;
	return 0;
}

/* Projects are those of this moment of the journal: what it does not name may be half made. */
static int follow_journal(struct backup *b, struct err *e)
{
	struct app copy = b->app;
	uint8_t key[KEY_SIZE];
	vault_chain_key(b->app.vault, key);
	struct store_options o = {.dir = b->to.made, .access = STORE_READ, .chain_key = key};
	copy.data_dir = b->to.made;
	copy.store = store_open(copy.loop, &o, e);
	crypt_wipe(key, sizeof(key));
	int rc = copy.store ? follow(b, &copy, e) : -1;
	app_house_close(&copy);
	store_close(copy.store);
	return rc;
}

/* ---- the whole ---- */

static int copy_named(struct backup *b, const char *name, struct err *e)
{
	cleanup_free char *from = fs_join(b->home, name), *to = fs_join(b->to.made, name);
	return from && to ? duplicate_tree(from, to, NULL, e) : err_nomem(e);
}

/* The file that says so comes last: without it nothing is restored. */
static int mark_whole(struct backup *b, struct err *e)
{
	cleanup_free char *path = fs_join(b->to.made, APP_ORIGIN);
	return path ? fs_replace(path, span_of(b->home), 0600, e) : err_nomem(e);
}

static int fill(struct backup *b, struct err *e)
{
	static const char *const names[] = {"vault", "vault.key", "config.yaml", "modes", "roles", "templates", NULL};
	if (store_backup(b->app.store, b->to.made, e))
		return -1;
	for (const char *const *name = names; *name; name++)
		if (copy_named(b, *name, e))
			return -1;
	return follow_journal(b, e) || mark_whole(b, e) ? -1 : 0;
}

/* Projects are copied whole: a backup among them would hold itself. */
static int check_place(const struct backup *b, const char *place, struct err *e)
{
	cleanup_free char *near = fs_existing_dir(place);
	char real[PATH_MAX];
	size_t n = strlen(b->home);
	if (!near)
		return err_nomem(e);
	if (!realpath(near, real))
		return err_errno(e, errno, "%s", near);
	return !strncmp(real, b->home, n) && (!real[n] || real[n] == '/')
		       ? err_set(e, ERR_USAGE, "%s lies in the data folder itself; name a place outside of it", place)
		       : 0;
}

static int tell_json(const struct backup *b, struct err *e)
{
	cleanup_json json_t *out = json_make(e, "{s:s, s:s, s:i, s:[]}", "data", b->home, "backup", b->to.place,
		"projects", b->projects, "elsewhere");
	const struct map_entry *entry;
	for (size_t i = 0; out && (entry = map_next(&b->folders, &i));)
		if (!starts_below(b, entry->key) &&
			json_array_append_new(json_get(out, "elsewhere"), json_string(entry->key)))
			return err_nomem(e);
	return out ? out_json(out, e) : -1;
}

static int tell(const struct backup *b, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	const struct map_entry *entry;
	buf_addf(&out, "backed up %s to %s: the journal and %d projects\n", b->home, b->to.place, b->projects);
	for (size_t i = 0; (entry = map_next(&b->folders, &i));)
		if (!starts_below(b, entry->key))
			buf_addf(&out, "not in it, since it lies outside the data folder: %s\n", entry->key);
	return out_write(&out, e);
}

static int make(struct backup *b, const struct args *args, struct err *e)
{
	const char *place = args_word(args, 0);
	if (app_open(&b->app, args, APP_READ, e) || app_must_have(&b->app, e))
		return -1;
	if (!realpath(b->app.data_dir, b->home))
		return err_errno(e, errno, "%s", b->app.data_dir);
	return check_place(b, place, e) || aside_begin(&b->to, place, e) || fill(b, e) || aside_end(&b->to, e) ||
			       (args_has(args, "json") ? tell_json(b, e) : tell(b, e))
		       ? -1
		       : 0;
}

static int backup(const struct args *args, struct err *e)
{
	struct backup b = {.projects = 0};
	map_init(&b.folders, CAP_STORE_ROWS);
	int rc = make(&b, args, e);
	aside_release(&b.to);
	app_close(&b.app);
	map_release(&b.folders, NULL);
	return rc;
}

const struct verb verb_backup = {
	.name = "backup",
	.words = "DEST",
	.least = 1,
	.most = 1,
	.summary = "copy the data folder, also while it is at work",
	.help = "DEST is a new folder; DEST.incomplete until it is whole. It holds one moment of the journal, and the "
		"vault "
		"with\n"
		"its key (unless MUSTER_VAULT_KEY_FILE names that elsewhere): keep it as safe as the data folder. "
		"Working\n"
		"copies are not in it, they are made again. `muster verify --data DEST` checks it.",
	.options = options,
	.run = backup,
};
