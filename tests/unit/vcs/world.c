#include "world.h"

#include <dirent.h>
#include <sys/wait.h>

static const uint8_t key[KEY_SIZE] = "a key of 32 bytes for the tests";

static int begin(void **state, bool disk)
{
	struct world *w = MEM_NEW(struct world);
	struct store_options o = {.chain_key = key, .clock = &clock_real};
	struct err e = ERR_INIT;
	char data[300];

	json_setup();
	scratch_new(&w->top);
	snprintf(data, sizeof(data), "%s/data", w->top.dir);
	o.dir = disk ? data : NULL;
	w->loop = loop_new(&e);
	assert_non_null(w->loop);
	w->store = store_open(w->loop, &o, &e);
	if (!w->store)
		fail_msg("%s", e.text);
	snprintf(w->s.dir, sizeof(w->s.dir), "%.200s/copy", w->top.dir);
	assert_int_equal(mkdir(w->s.dir, 0755), 0);
	w->copy = copy_open(w->store, w->s.dir, NULL, &e);
	assert_non_null(w->copy);
	*state = w;
	return 0;
}

int world_new(void **state)
{
	return begin(state, false);
}

int world_new_disk(void **state)
{
	return begin(state, true);
}

int world_free(void **state)
{
	struct world *w = *state;

	copy_close(w->copy);
	store_close(w->store);
	loop_free(w->loop);
	scratch_free(&w->top);
	mem_free(w);
	return 0;
}

static void take(struct world *w, const char *paths, struct snapshot *out)
{
	const char *list[64];
	size_t count = 0;
	char *text = strdup(paths ? paths : ""), *save = NULL;
	struct err e = ERR_INIT;

	for (char *p = strtok_r(text, " ", &save); p; p = strtok_r(NULL, " ", &save))
		list[count++] = p;
	must(snapshot_take(w->copy, paths ? list : NULL, count, out, &e), &e);
	free(text);
}

struct hash snap(struct world *w, const char *paths)
{
	struct snapshot s;

	take(w, paths, &s);
	snapshot_release(&s);
	return s.root;
}

struct hash snap_is(struct world *w, const char *paths, const char *want)
{
	struct snapshot s;
	cleanup_buf struct buf text = BUF_INIT(1 << 20);

	take(w, paths, &s);
	for (size_t i = 0; i < s.changes.count; i++)
		buf_addf(&text, "%s%c%s", i ? " " : "", "+~-"[s.changes.items[i].kind], s.changes.items[i].path);
	assert_string_equal(buf_span(&text).p, want);
	snapshot_release(&s);
	return s.root;
}

void restore_to(struct world *w, struct hash h)
{
	struct err e = ERR_INIT;

	must(snapshot_restore(w->copy, &h, &e), &e);
	assert_memory_equal(copy_snapshot(w->copy), &h, sizeof(h));
}

void reopen(struct world *w)
{
	struct err e = ERR_INIT;
	struct hash last = *copy_snapshot(w->copy);

	copy_close(w->copy);
	w->copy = copy_open(w->store, w->s.dir, &last, &e);
	assert_non_null(w->copy);
}

static void describe_one(struct buf *out, const char *dir, const char *name, int depth)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct stat st;
	struct dirent **entries;
	struct err e = ERR_INIT;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(lstat(path, &st), 0);
	buf_addf(out, "%*s%s", depth, "", name);
	if (S_ISLNK(st.st_mode)) {
		n = readlink(path, target, sizeof(target));
		buf_addf(out, " -> %.*s\n", (int)n, target);
	} else if (S_ISREG(st.st_mode)) {
		buf_addf(out, "%s: ", st.st_mode & 0100 ? "*" : "");
		must(fs_read(path, out, &e), &e);
		buf_addc(out, '\n');
	} else if (S_ISDIR(st.st_mode)) {
		buf_adds(out, "/\n");
		int count = scandir(path, &entries, NULL, alphasort);
		for (int i = 0; i < count; i++) {
			const char *sub = entries[i]->d_name;
			if (strcmp(sub, ".") != 0 && strcmp(sub, "..") != 0 && strcmp(sub, ".git") != 0)
				describe_one(out, path, sub, depth + 1);
			free(entries[i]);
		}
		free(entries);
	} else {
		buf_adds(out, " (special)\n");
	}
}

char *describe(const char *dir)
{
	struct buf out = BUF_INIT(64 << 20);

	describe_one(&out, dir, ".", 0);
	assert_int_equal(out.failed, BUF_FINE);
	return buf_take(&out);
}

void rest(void)
{
	usleep(45000);
}

char *shell(const char *dir, const char *command)
{
	struct buf out = BUF_INIT(1 << 20);
	char line[4096], piece[512];
	size_t n;
	FILE *p;

	snprintf(line, sizeof(line),
		"cd '%s' && export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=Ada "
		"GIT_AUTHOR_EMAIL=ada@example.org "
		"GIT_COMMITTER_NAME=Ada GIT_COMMITTER_EMAIL=ada@example.org GIT_TERMINAL_PROMPT=0 && { %s\n} 2>&1",
		dir, command);
	p = popen(line, "r");
	assert_non_null(p);
	while ((n = fread(piece, 1, sizeof(piece), p)) > 0)
		buf_add(&out, piece, n);
	int status = pclose(p);
	if (status != 0)
		fail_msg("%s: exit %d: %s", command, WEXITSTATUS(status), buf_span(&out).p);
	return buf_take(&out);
}
