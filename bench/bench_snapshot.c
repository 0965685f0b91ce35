/* What snapshots and working copies cost in a project of 5,000 files in 501 folders, on a store on disk.
 * Figures are medians of ROUNDS rounds. The floors beside them: fstatat of every file, and one durable append of the
 * store's own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "rig.h"
#include "store/store.h"
#include "vcs/project.h"
#include "workspace/files.h"

#define FILES 5000
#define FOLDERS 500
#define ROUNDS 41

static const uint8_t key[KEY_SIZE] = "a key of the benchmark, 32 bytes";
static struct loop *loop;
static struct store *store;

static void file_name(int i, char out[64])
{
	snprintf(out, 64, "d%02d/e%02d/file%04d.c", i % FOLDERS % 25, i % FOLDERS / 25, i);
}

/* In this folder of the rig's. */
static void write_file(const char *root, const char *name, int salt)
{
	char path[512], text[2048], x[1501];

	memset(x, 'x', sizeof x - 1);
	x[sizeof x - 1] = 0;
	snprintf(path, sizeof path, "%s/%s", root, name);
	snprintf(text, sizeof text, "%s %d\n%s\n", name, salt, x);
	rig_put(path, span_of(text));
}

static void make_project(void)
{
	char name[64];

	for (int i = 0; i < FILES; i++) {
		file_name(i, name);
		write_file("project", name, 0);
	}
}

/* ---- what is measured, and what comes before it ---- */

static struct project *project;
static struct project_state state;
static struct copy *copy;
static struct files *files;
static char edited[64];
static int salt;

static void take_of(const char *path)
{
	struct err e = ERR_INIT;
	struct snapshot taken;
	must(snapshot_take(copy, path ? &path : NULL, 1, &taken, &e), &e);
	snapshot_release(&taken);
}

static void take(void)
{
	take_of(NULL);
}

static void take_edited(void)
{
	take_of(edited);
}

static void edit_by_tool(void)
{
	struct err e = ERR_INIT;
	char text[64];
	file_name(rand() % FILES, edited);
	snprintf(text, sizeof text, "edited %d\n", ++salt);
	must(files_write(files, edited, span_of(text), NULL, &e), &e);
}

/* Files that changed in the moment of a snapshot are read again by the next. */
static void settle(void)
{
	usleep(30000);
}

static void edit_by_hand(void)
{
	char name[64];
	settle();
	file_name(rand() % FILES, name);
	write_file("copies/1", name, ++salt);
}

static void make_new(void)
{
	char name[64];
	salt++;
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "new%d/d%02d/file%d", salt, i % 50, i);
		write_file("copies/1", name, salt);
	}
}

static struct hash before;

static void take_another(void)
{
	before = *copy_snapshot(copy);
	edit_by_hand();
	take();
	settle();
}

static void restore(void)
{
	struct err e = ERR_INIT;
	must(snapshot_restore(copy, &before, &e), &e);
}

static void stat_files(void)
{
	char name[64];
	struct stat st;
	int fd = open(copy_dir(copy), O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < FILES; i++) {
		file_name(i, name);
		must_sys(fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW), name);
	}
	close(fd);
}

static void put_blob(void)
{
	struct store_blob b;
	struct err e = ERR_INIT;
	char text[32];
	snprintf(text, sizeof text, "blob %d", ++salt);
	b.bytes = blob_new(text, strlen(text));
	store_blob_hash(blob_span(b.bytes), &b.hash);
	must(store_put_blobs(store, &b, 1, &e), &e);
	blob_unref(b.bytes);
}

static void open_project(void)
{
	struct err e = ERR_INIT;
	project_close(project);
	project = project_open(rig_path("project"), &state, &e);
	must(!project, &e);
}

static struct copy *other;

/* It stays: ext4 is slow to make files for seconds after many were removed. */
static void close_other(void)
{
	copy_close(steal(&other));
}

static void checkout(void)
{
	static int count;
	struct err e = ERR_INIT;
	const char *dir = rig_path("copies/%d", ++count);
	must(project_checkout(project, state.head, dir, "muster/bench", 0, &other, store, &e), &e);
}

static void edit_and_take(void)
{
	edit_by_tool();
	take_edited();
}

static void commit(void)
{
	static const struct commit_author who = {"bench", "bench@localhost", 0};
	static char head[OID_TEXT];
	char oid[OID_TEXT];
	struct err e = ERR_INIT;
	must(project_commit(project, store, copy_snapshot(copy), "muster/bench", *head ? head : state.head, &who,
		     "edit", oid, &e),
		&e);
	memcpy(head, oid, sizeof head);
}

static void measure(
	const char *what, const char *tag, const char *note, int rounds, void (*prepare)(void), void (*once)(void))
{
	struct sample ms = {0};
	for (int i = 0; i < rounds; i++) {
		if (prepare)
			prepare();
		double begin = rig_ms();
		once();
		sample_add(&ms, rig_ms() - begin);
	}
	rig_median(what, tag, "ms", &ms, note);
}

int main(void)
{
	struct store_options o = {.access = STORE_OWN, .chain_key = key, .clock = &clock_real};
	struct err e = ERR_INIT;

	rig_setup("snapshot");
	rig_folder();
	o.dir = rig_path("data");
	loop = loop_new(&e);
	store = loop ? store_open(loop, &o, &e) : NULL;
	must(!store, &e);
	printf("snapshots on %s: %d files in %d folders\n", rig_machine(), FILES, FOLDERS + 26);
	make_project();
	measure("make a repository of a folder", "import_ms", "", 1, NULL, open_project);
	measure("open it again", "open_ms", "", 5, NULL, open_project);
	measure("first working copy", "checkout_first_ms", "", 1, NULL, checkout);
	measure("another one", "checkout_ms", "(git worktree add 337)", 5, close_other, checkout);
	close_other();
	copy = copy_open(store, rig_path("copies/1"), NULL, &e);
	files = files_open(rig_path("copies/1"), 0, &e);
	must(!copy || !files, &e);
	take();
	measure("snapshot after an edit by tool", "tool_ms", "(target 0.3)", ROUNDS, edit_by_tool, take_edited);
	measure("  floor: one blob into the store", "floor_put_ms", "", ROUNDS, NULL, put_blob);
	measure("snapshot by walk, nothing changed", "walk_ms", "", ROUNDS, settle, take);
	measure("snapshot by walk, one file changed", "walk_one_ms", "(target 10)", ROUNDS, edit_by_hand, take);
	measure("  floor: fstatat of every file", "floor_stat_ms", "", ROUNDS, NULL, stat_files);
	measure("restore of one changed file", "restore_ms", "", ROUNDS, take_another, restore);
	measure("first commit of the run", "commit_first_ms", "", 1, edit_and_take, commit);
	measure("commit after one edit", "commit_ms", "(libgit2 add+commit 6)", 11, edit_and_take, commit);
	measure("snapshot by walk, 2,000 new files", "walk_new_ms", "", 3, make_new, take);
	rig_finish();
	copy_close(copy);
	files_close(files);
	project_close(project);
	store_close(store);
	loop_free(loop);
	rig_folder_remove();
	return 0;
}
