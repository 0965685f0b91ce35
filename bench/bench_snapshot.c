/* What snapshots and working copies cost in a project of 5,000 files in 501 folders, on a store on disk.
 * Figures are medians of ROUNDS rounds. The floors beside them: fstatat of every file, and one durable append of the
 * store's own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/fs.h"
#include "base/mem.h"
#include "store/store.h"
#include "vcs/project.h"
#include "workspace/files.h"

#define FILES 5000
#define FOLDERS 500
#define ROUNDS 41

static const uint8_t key[KEY_SIZE] = "a key of the benchmark, 32 bytes";
static char dir[] = "/tmp/muster-bench-XXXXXX";
static struct loop *loop;
static struct store *store;

static void die(const struct err *e)
{
	fprintf(stderr, "%s\n", e->text);
	exit(1);
}

static void must(int rc, const struct err *e)
{
	if (rc)
		die(e);
}

static double now_ms(void)
{
	return (double)clock_mono(&clock_real) / 1e3;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Median, and the middle 80% in *low and *high. */
static double median(double *values, size_t n, double *low, double *high)
{
	qsort(values, n, sizeof *values, by_size);
	*low = values[n / 10];
	*high = values[n - 1 - n / 10];
	return values[n / 2];
}

static const char *path_of(const char *name)
{
	static char out[4][4096];
	static int next;
	char *to = out[next++ % 4];

	snprintf(to, sizeof out[0], "%s/%s", dir, name);
	return to;
}

static void file_name(int i, char out[64])
{
	snprintf(out, 64, "d%02d/e%02d/file%04d.c", i % FOLDERS % 25, i % FOLDERS / 25, i);
}

static void write_file(const char *root, const char *name, int salt)
{
	char path[4096], text[2048], *slash;
	struct err e = ERR_INIT;
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", root, name);
	slash = strrchr(path, '/');
	*slash = 0;
	must(fs_mkdirs(path, 0755, &e), &e);
	*slash = '/';
	f = fopen(path, "w");
	memset(text, 'x', sizeof text);
	if (!f || fprintf(f, "%s %d\n%.*s\n", name, salt, 1500, text) < 0 || fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void make_project(void)
{
	char name[64];

	for (int i = 0; i < FILES; i++) {
		file_name(i, name);
		write_file(path_of("project"), name, 0);
	}
}

/* ---- what is measured ---- */

static struct copy *copy;
static struct files *files;
static struct snapshot taken;
static int salt;

static void take(const char *path)
{
	struct err e = ERR_INIT;

	must(snapshot_take(copy, path ? &path : NULL, 1, &taken, &e), &e);
	snapshot_release(&taken);
}

static void edit_by_tool(char name[64])
{
	struct err e = ERR_INIT;
	char text[64];

	file_name(rand() % FILES, name);
	snprintf(text, sizeof text, "edited %d\n", ++salt);
	must(files_write(files, name, span_of(text), NULL, &e), &e);
}

static double tool_edit(void)
{
	char name[64];
	double begin;

	edit_by_tool(name);
	begin = now_ms();
	take(name);
	return now_ms() - begin;
}

static double walk_unchanged(void)
{
	double begin;

	usleep(30000);
	begin = now_ms();
	take(NULL);
	return now_ms() - begin;
}

static double walk_one(void)
{
	char name[64];
	double begin;

	usleep(30000);
	file_name(rand() % FILES, name);
	write_file(copy_dir(copy), name, ++salt);
	begin = now_ms();
	take(NULL);
	return now_ms() - begin;
}

static double walk_new(void)
{
	char name[64];
	double begin;

	salt++;
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof name, "new%d/d%02d/file%d", salt, i % 50, i);
		write_file(copy_dir(copy), name, salt);
	}
	begin = now_ms();
	take(NULL);
	return now_ms() - begin;
}

static double restore_one(void)
{
	struct hash before = *copy_snapshot(copy);
	struct err e = ERR_INIT;
	double begin;

	walk_one();
	usleep(30000);
	begin = now_ms();
	must(snapshot_restore(copy, &before, &e), &e);
	return now_ms() - begin;
}

static double floor_stat(void)
{
	char name[64];
	struct stat st;
	int fd = open(copy_dir(copy), O_RDONLY | O_DIRECTORY);
	double begin = now_ms();

	for (int i = 0; i < FILES; i++) {
		file_name(i, name);
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW))
			exit(1);
	}
	close(fd);
	return now_ms() - begin;
}

static double floor_put(void)
{
	struct store_blob b;
	struct err e = ERR_INIT;
	char text[32];
	double begin = now_ms();

	snprintf(text, sizeof text, "blob %d", ++salt);
	b.bytes = blob_new(text, strlen(text));
	store_blob_hash(blob_span(b.bytes), &b.hash);
	must(store_put_blobs(store, &b, 1, &e), &e);
	blob_unref(b.bytes);
	return now_ms() - begin;
}

/* ---- projects ---- */

static struct project *project;
static struct project_state state;
static const struct commit_author who = {"bench", "bench@localhost", 0};

static double open_project(void)
{
	struct err e = ERR_INIT;
	double begin = now_ms();

	project_close(project);
	project = project_open(path_of("project"), &state, &e);
	if (!project)
		die(&e);
	return now_ms() - begin;
}

static double checkout(void)
{
	static int count;
	struct err e = ERR_INIT;
	struct copy *c;
	char name[32];
	double begin, took;

	snprintf(name, sizeof name, "copies/%d", ++count);
	begin = now_ms();
	must(project_checkout(project, state.head, path_of(name), "muster/bench", 0, &c, store, &e), &e);
	took = now_ms() - begin;
	copy_close(c); /* and stays: ext4 is slow to make files for seconds after many were removed */
	return took;
}

static double commit(void)
{
	static char head[OID_TEXT];
	char oid[OID_TEXT], name[64];
	struct err e = ERR_INIT;
	double begin;

	if (!head[0])
		memcpy(head, state.head, sizeof head);
	edit_by_tool(name);
	take(name);
	begin = now_ms();
	must(project_commit(project, store, copy_snapshot(copy), "muster/bench", head, &who, "edit", oid, &e), &e);
	memcpy(head, oid, sizeof head);
	return now_ms() - begin;
}

static struct buf json = {.cap = 1 << 16};

static void measure(const char *what, const char *tag, const char *note, int rounds, double (*one)(void))
{
	double times[ROUNDS], low, high, mid;

	for (int i = 0; i < rounds; i++)
		times[i] = one();
	mid = median(times, (size_t)rounds, &low, &high);
	printf("  %-44s %9.3f ms  (%.3f-%.3f)%s%s\n", what, mid, low, high, *note ? "  " : "", note);
	buf_addf(&json, ",\"%s_ms\":%.4f", tag, mid);
}

int main(void)
{
	struct store_options o = {.access = STORE_OWN, .chain_key = key, .clock = &clock_real};
	struct err e = ERR_INIT;
	struct utsname host;

	json_setup();
	must(crypt_setup(&e), &e);
	if (!mkdtemp(dir))
		return 1;
	o.dir = path_of("data");
	loop = loop_new(&e);
	store = loop ? store_open(loop, &o, &e) : NULL;
	if (!store)
		die(&e);
	uname(&host);
	printf("snapshots on %s %s, %ld processors: %d files in %d folders\n", host.sysname, host.release,
		sysconf(_SC_NPROCESSORS_ONLN), FILES, FOLDERS + 26);
	make_project();
	measure("make a repository of a folder", "import", "", 1, open_project);
	measure("open it again", "open", "", 5, open_project);
	measure("first working copy", "checkout_first", "", 1, checkout);
	measure("another one", "checkout", "(git worktree add 337)", 5, checkout);
	copy = copy_open(store, path_of("copies/1"), NULL, &e);
	files = files_open(path_of("copies/1"), 0, &e);
	if (!copy || !files)
		die(&e);
	take(NULL);
	measure("snapshot after an edit by tool", "tool", "(target 0.3)", ROUNDS, tool_edit);
	measure("  floor: one blob into the store", "floor_put", "", ROUNDS, floor_put);
	measure("snapshot by walk, nothing changed", "walk", "", ROUNDS, walk_unchanged);
	measure("snapshot by walk, one file changed", "walk_one", "(target 10)", ROUNDS, walk_one);
	measure("  floor: fstatat of every file", "floor_stat", "", ROUNDS, floor_stat);
	measure("restore of one changed file", "restore", "", ROUNDS, restore_one);
	measure("first commit of the run", "commit_first", "", 1, commit);
	measure("commit after one edit", "commit", "(libgit2 add+commit 6)", 11, commit);
	measure("snapshot by walk, 2,000 new files", "walk_new", "", 3, walk_new);
	printf("{\"bench\":\"snapshot\"%s}\n", buf_span(&json).p);
	buf_release(&json);
	copy_close(copy);
	files_close(files);
	project_close(project);
	store_close(store);
	loop_free(loop);
	return fs_remove_tree(dir, &e) ? 1 : 0;
}
