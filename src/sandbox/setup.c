#include "sandbox/setup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "sandbox/init/wire.h"

/* The order matters. What is bound covers what was bound before it: parts of the working copy after the copy, paths
 * granted besides after the root folder's entries, and last everything that is left is made read-only. And bubblewrap
 * reads the whole table of mounts for each bind: so what makes the table long, /etc above all, comes late. */

static void add(struct setup *s, enum setup_kind kind, int stage, const char *a, const char *b, uint64_t size)
{
	if (s->count == SETUP_OPS || (!a && kind != SETUP_DIR)) {
		s->full = true;
		return;
	}
	s->ops[s->count++] = (struct setup_op){.kind = kind, .stage = stage, .a = a, .b = b, .size = size};
}

static int stage(struct setup *s, const char *path)
{
	if (s->stage_count == SETUP_STAGES) {
		s->full = true;
		return 0;
	}
	s->stages[s->stage_count] = path;
	return (int)s->stage_count++;
}

static void etc(struct setup *s, const char *name)
{
	if (s->etc_count == SETUP_ETC)
		s->full = true;
	else
		s->etc[s->etc_count++] = name;
}

static const char *join(struct setup *s, const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	char *p = arena_alloc(s->arena, n + m + 1);
	if (!p) {
		s->full = true;
		return "";
	}
	memcpy(p, a, n);
	memcpy(p + n, b, m);
	return p;
}

/* bwrap(1). No cgroup namespace: see cgroup.c. No terminal of ours goes in, so --new-session would only break job
 * control on the terminals made inside. */
static void plan_isolation(struct setup *s)
{
	static const char *const flags[] = {"--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net",
		"--unshare-uts", "--disable-userns", "--as-pid-1", "--die-with-parent", "--clearenv"};
	static const char *const values[][2] = {
		{"--cap-drop", "ALL"}, {"--uid", "1000"}, {"--gid", "1000"}, {"--hostname", "sandbox"}};
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		add(s, SETUP_FLAG, -1, flags[i], NULL, 0);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		add(s, SETUP_VALUE, -1, values[i][0], values[i][1], 0);
}

/* What of the host's /etc programs need to run at all: nothing that names users, hosts or services. */
static const char *const host_etc[] = {"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "ssl/certs",
	"ssl/openssl.cnf", "ca-certificates", "localtime", "mime.types", "magic", "fonts", "texmf", "java", "python3",
	"perl", "R", "xml", "sgml", "protocols", "services"};

const struct setup_file setup_files[SETUP_FILES] = {
	{"passwd", "root:x:0:0::/:/bin/false\n" SANDBOX_USER ":x:1000:1000::" SANDBOX_HOME
		   ":/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"},
	{"group", "root:x:0:\n" SANDBOX_USER ":x:1000:\nnogroup:x:65534:\n"},
	{"hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"},
	{"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"},
};

static void plan_root(struct setup *s, const struct sandbox_spec *spec, const struct setup_facts *f)
{
	int image = spec->image ? stage(s, spec->image) : -1;
	for (size_t i = 0; i < f->entry_count; i++) {
		const char *at = join(s, "/", f->entries[i].name);
		if (f->entries[i].link)
			add(s, SETUP_SYMLINK, -1, f->entries[i].link, at, 0);
		else
			add(s, SETUP_RO_BIND, image, at, at, 0);
	}
	if (spec->image)
		return;
	for (size_t i = 0; i < sizeof(host_etc) / sizeof(*host_etc); i++)
		etc(s, host_etc[i]);
	for (const char *const *p = spec->read_only; p && *p; p++) /* else it would find no place to be mounted on */
		if (span_starts(span_of(*p), "/etc/"))
			etc(s, *p + strlen("/etc/"));
	add(s, SETUP_ETC_TREE, -1, "", "/etc", 0);
}

static void plan_kernel(struct setup *s, const struct sandbox_spec *spec)
{
	add(s, SETUP_PROC, -1, "", "/proc", 0);
	add(s, SETUP_DEV, -1, "", "/dev", 0);
	add(s, SETUP_TMPFS_OPEN, -1, "", "/dev/shm", spec->limits.tmp);
	add(s, SETUP_READ_ONLY, -1, "", "/dev", 0);
	add(s, SETUP_TMPFS_OPEN, -1, "", "/tmp", spec->limits.tmp);
	add(s, SETUP_DIR, -1, "", "/var", 0);
	add(s, SETUP_SYMLINK, -1, "../tmp", "/var/tmp", 0);
	if (spec->home)
		add(s, SETUP_BIND, stage(s, spec->home), "", SANDBOX_HOME, 0);
	else
		add(s, SETUP_TMPFS, -1, "", SANDBOX_HOME, spec->limits.tmp);
}

/* A mount point cannot be renamed or removed, but a folder above one can: so each folder on the way to a protected path
 * becomes a mount point too. */
static void plan_protected(struct setup *s, int copy, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *part = arena_dup(s->arena, span_n(path, (size_t)(slash - path)));
		const char *below = join(s, "/", part ? part : "");
		const char *at = join(s, "/work", below);
		bool have = false;
		for (size_t i = 0; i < s->count; i++)
			have |= s->ops[i].b && strcmp(s->ops[i].b, at) == 0;
		if (!have)
			add(s, SETUP_BIND, copy, below, at, 0);
	}
	const char *below = join(s, "/", path);
	add(s, SETUP_RO_BIND, copy, below, join(s, "/work", below), 0);
}

static void plan_work(struct setup *s, const struct sandbox_spec *spec, const struct setup_facts *f)
{
	int copy = stage(s, spec->copy);
	add(s, SETUP_BIND, copy, "", "/work", 0);
	bool git_inside = f->git_at && strcmp(f->git_at, "/work/.git") == 0;
	for (const char *const *p = spec->protect; p && *p; p++)
		if (!git_inside || strcmp(*p, ".git") != 0)
			plan_protected(s, copy, *p);
}

static void plan_granted(struct setup *s, const struct sandbox_spec *spec, const struct setup_facts *f)
{
	for (const char *const *p = spec->read_only; p && *p; p++)
		add(s, SETUP_RO_BIND, stage(s, *p), "", *p, 0);
	if (f->git_at)
		add(s, SETUP_RO_BIND, stage(s, spec->git_dir), "", f->git_at, 0);
}

static int check_path(const char *what, const char *path, struct err *e)
{
	if (path && path[0] != '/')
		return err_set(e, ERR_INVALID, "the sandbox's %s must be an absolute path, not %s", what, path);
	return 0;
}

int setup_plan(struct setup *s, const struct sandbox_spec *spec, const struct setup_facts *f, struct arena *arena,
	struct err *e)
{
	*s = (struct setup){.arena = arena};
	if (check_path("working copy", spec->copy, e) != 0 || check_path("git directory", spec->git_dir, e) != 0 ||
		check_path("image", spec->image, e) != 0 || check_path("home", spec->home, e) != 0)
		return -1;
	for (const char *const *p = spec->read_only; p && *p; p++)
		if (check_path("read-only path", *p, e) != 0)
			return -1;
	plan_isolation(s);
	plan_kernel(s, spec);
	plan_work(s, spec, f);
	plan_root(s, spec, f);
	plan_granted(s, spec, f);
	add(s, SETUP_READ_ONLY, -1, "", "/", 0);
	add(s, SETUP_VALUE, -1, "--chdir", "/work", 0);
	if (s->full)
		return err_set(e, ERR_TOO_LARGE, "the sandbox's description is too large: at most %d extra paths",
			SETUP_STAGES - 4);
	return 0;
}

static void word(struct buf *out, size_t *n, const char *text)
{
	buf_add(out, text, strlen(text) + 1);
	++*n;
}

static void source(const struct setup *s, const struct setup_op *op, bool staged, struct buf *out, size_t *n)
{
	if (op->stage >= 0 && staged)
		buf_addf(out, WIRE_STAGE "/%d", op->stage);
	else if (op->stage >= 0)
		buf_adds(out, s->stages[op->stage]);
	word(out, n, op->a);
}

static void number(struct buf *out, size_t *n, const char *option, uint64_t value)
{
	word(out, n, option);
	buf_addf(out, "%llu", (unsigned long long)value);
	word(out, n, "");
}

static void etc_arguments(const struct setup *s, bool staged, int first_file, struct buf *out, size_t *n)
{
	if (staged) {
		word(out, n, "--ro-bind");
		word(out, n, WIRE_STAGE "/etc");
		word(out, n, "/etc");
		return;
	}
	for (size_t i = 0; i < s->etc_count; i++) {
		word(out, n, "--ro-bind-try");
		buf_adds(out, "/etc/");
		word(out, n, s->etc[i]);
		buf_adds(out, "/etc/");
		word(out, n, s->etc[i]);
	}
	for (size_t i = 0; i < SETUP_FILES; i++) {
		word(out, n, "--perms");
		word(out, n, "0644");
		number(out, n, "--file", (uint64_t)first_file + i);
		buf_adds(out, "/etc/");
		word(out, n, setup_files[i].name);
	}
}

static void op_arguments(
	const struct setup *s, const struct setup_op *op, bool staged, int first_file, struct buf *out, size_t *n)
{
	static const char *const options[] = {[SETUP_BIND] = "--bind",
		[SETUP_RO_BIND] = "--ro-bind",
		[SETUP_SYMLINK] = "--symlink",
		[SETUP_DIR] = "--dir",
		[SETUP_PROC] = "--proc",
		[SETUP_DEV] = "--dev",
		[SETUP_READ_ONLY] = "--remount-ro"};
	switch (op->kind) {
	case SETUP_FLAG:
		word(out, n, op->a);
		return;
	case SETUP_VALUE:
		word(out, n, op->a);
		break;
	case SETUP_BIND:
	case SETUP_RO_BIND:
	case SETUP_SYMLINK:
		word(out, n, options[op->kind]);
		source(s, op, staged, out, n);
		break;
	case SETUP_TMPFS:
	case SETUP_TMPFS_OPEN:
		word(out, n, "--perms");
		word(out, n, op->kind == SETUP_TMPFS ? "0755" : "1777");
		number(out, n, "--size", op->size);
		word(out, n, "--tmpfs");
		break;
	case SETUP_ETC_TREE:
		etc_arguments(s, staged, first_file, out, n);
		return;
	case SETUP_DIR:
	case SETUP_PROC:
	case SETUP_DEV:
	case SETUP_READ_ONLY:
		word(out, n, options[op->kind]);
		break;
	}
	word(out, n, op->b);
}

size_t setup_arguments(const struct setup *s, bool staged, int first_file, struct buf *out)
{
	size_t n = 0;
	for (size_t i = 0; i < s->count; i++)
		op_arguments(s, &s->ops[i], staged, first_file, out, &n);
	return n;
}

/* Entries that the sandbox makes itself, or that have no place in it. */
static bool entry_skipped(const char *name)
{
	static const char *const own[] = {"proc", "dev", "sys", "tmp", "run", "work", "home", "var", "root", "boot",
		"mnt", "media", "lost+found", "data"};
	if (name[0] == '.')
		return true;
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (strcmp(own[i], name) == 0)
			return true;
	return false;
}

static int add_entry(struct setup_facts *f, const char *root, const char *name, struct arena *arena, struct err *e)
{
	char path[PATH_MAX], text[PATH_MAX];
	struct stat st;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", root, name) >= sizeof(path))
		return err_set(e, ERR_TOO_LARGE, "the image's path is too long: %s", root);
	if (lstat(path, &st) != 0 || (!S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)))
		return 0; /* a host without /lib64, a file in the image's root */
	if (f->entry_count == SETUP_ENTRIES)
		return err_set(e, ERR_TOO_LARGE, "%s has more than %d entries", root, SETUP_ENTRIES);
	struct setup_entry *entry = &f->entries[f->entry_count];
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlink(path, text, sizeof(text));
		if (n < 0)
			return err_errno(e, errno, "cannot read the link %s", path);
		entry->link = arena_dup(arena, span_n(text, (size_t)n));
		if (!entry->link)
			return err_nomem(e);
	}
	entry->name = arena_dup(arena, span_of(name));
	if (!entry->name)
		return err_nomem(e);
	f->entry_count++;
	return 0;
}

static int read_entries(struct setup_facts *f, const char *image, struct arena *arena, struct err *e)
{
	static const char *const host[] = {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"};
	if (!image) {
		for (size_t i = 0; i < sizeof(host) / sizeof(*host); i++)
			if (add_entry(f, "", host[i], arena, e) != 0)
				return -1;
		return 0;
	}
	DIR *d = opendir(image);
	if (!d)
		return err_errno(e, errno, "cannot read the image %s", image);
	int rc = 0;
	for (struct dirent *it; rc == 0 && (it = readdir(d));)
		if (!entry_skipped(it->d_name))
			rc = add_entry(f, image, it->d_name, arena, e);
	closedir(d);
	return rc;
}

/* Not where it could hide a part of the system: .git may have been written by whoever worked in the copy. */
static bool git_place_ok(const char *at)
{
	static const char *const parts[] = {
		"/usr", "/bin", "/sbin", "/lib", "/etc", "/proc", "/dev", "/sys", "/tmp", "/work", SANDBOX_HOME};
	if (at[0] != '/' || !at[1] || strstr(at, "/../") || span_ends(span_of(at), "/.."))
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (strncmp(at, parts[i], strlen(parts[i])) == 0)
			return false;
	return true;
}

/* gitrepository-layout(5): .git is a folder, or a file "gitdir: PATH". A worktree's path is below the git directory. */
static int read_git(struct setup_facts *f, const struct sandbox_spec *spec, struct arena *arena, struct err *e)
{
	if (!spec->git_dir)
		return 0;
	cleanup_free char *path = fs_join(spec->copy, ".git");
	struct stat st;
	if (!path)
		return err_nomem(e);
	f->git_at = "/work/.git";
	if (lstat(path, &st) != 0 || S_ISDIR(st.st_mode))
		return 0;
	cleanup_buf struct buf text = BUF_INIT(PATH_MAX + 16);
	if (!S_ISREG(st.st_mode) || fs_read(path, &text, NULL) != 0 || !span_starts(buf_span(&text), "gitdir:"))
		return err_set(e, ERR_INVALID, "%s is neither a folder nor a git link; remove it", path);
	struct span to = span_trim(span_n(text.data + 7, text.len - 7));
	f->git_at = span_starts(to, spec->git_dir) ? spec->git_dir : arena_dup(arena, to);
	if (!f->git_at)
		return err_nomem(e);
	if (!git_place_ok(f->git_at))
		return err_set(
			e, ERR_INVALID, "%s points to %s, where the git directory cannot be shown", path, f->git_at);
	return 0;
}

int setup_facts_read(struct setup_facts *f, const struct sandbox_spec *spec, struct arena *arena, struct err *e)
{
	*f = (struct setup_facts){.entry_count = 0};
	if (read_entries(f, spec->image, arena, e) != 0)
		return -1;
	return read_git(f, spec, arena, e);
}
