/* files: reading, writing, editing, removing; what is refused; what survives a failure of any single call. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"
#include "scratch.h"
#include "workspace/files.h"

struct fixture {
	struct scratch s;
	struct files *f;
};

static int setup(void **state)
{
	struct fixture *x = calloc(1, sizeof(*x));
	struct err e = ERR_INIT;

	scratch_new(&x->s);
	assert_int_equal(mkdir(at(&x->s, "copy"), 0755), 0);
	put(&x->s, "outside/secret", "secret");
	snprintf(x->s.dir + strlen(x->s.dir), 8, "/copy");
	x->f = files_open(x->s.dir, 0, &e);
	assert_non_null(x->f);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	files_close(x->f);
	*strrchr(x->s.dir, '/') = 0;
	scratch_free(&x->s);
	free(x);
	return 0;
}

static int write_text(struct files *f, const char *path, const char *text, struct err *e)
{
	return files_write(f, path, span_of(text), NULL, e);
}

/* Number of entries in a folder. */
static int entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = -2;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void path_forms(void **state)
{
	static const struct {
		const char *text, *want;
		enum err_code code;
	} cases[] = {
		{"a", "a", ERR_OK}, {"a/b.c", "a/b.c", ERR_OK}, {"./a", "a", ERR_OK}, {"a/./b", "a/b", ERR_OK},
		{"a/", "a", ERR_OK}, {".", ".", ERR_OK}, {"./", ".", ERR_OK}, {"...", "...", ERR_OK},
		{"a..b/..c", "a..b/..c", ERR_OK}, {".gitignore", ".gitignore", ERR_OK},
		{".github/x", ".github/x", ERR_OK}, {"sp ace/ünï", "sp ace/ünï", ERR_OK},
		{"new\nline", "new\nline", ERR_OK}, {"%2e%2e/x", "%2e%2e/x", ERR_OK}, /* not a URL: a plain name */
		{"back\\..\\slash", "back\\..\\slash", ERR_OK}, {"", NULL, ERR_INVALID}, {"a//b", NULL, ERR_INVALID},
		{"/etc/passwd", NULL, ERR_OUTSIDE}, {"/", NULL, ERR_OUTSIDE}, {"..", NULL, ERR_OUTSIDE},
		{"../x", NULL, ERR_OUTSIDE}, {"a/../../x", NULL, ERR_OUTSIDE}, {"a/..", NULL, ERR_OUTSIDE},
		{".git", NULL, ERR_DENIED}, {".git/config", NULL, ERR_DENIED}, {"a/.git/hooks/x", NULL, ERR_DENIED},
		{"./.git/config", NULL, ERR_DENIED}, {"\xff\xfe", NULL, ERR_INVALID},
		{"\xc0\xae\xc0\xae/x", NULL, ERR_INVALID}, /* overlong dots */
	};
	char out[PATH_MAX], name[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err e = ERR_INIT;
		int rc = files_path(span_of(cases[i].text), out, sizeof(out), &e);
		if ((rc == 0) != (cases[i].code == ERR_OK) || e.code != cases[i].code)
			fail_msg("\"%s\": %s %s", cases[i].text, err_name(e.code), e.text);
		if (rc == 0)
			assert_string_equal(out, cases[i].want);
		else
			assert_true(strlen(e.text) > 20);
	}
	struct err e = ERR_INIT;
	assert_int_equal(files_path(span_n("a\0b", 3), out, sizeof(out), &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	memset(name, 'n', sizeof(name));
	assert_int_equal(files_path(span_n(name, 256), out, sizeof(out), &e), -1);
	assert_int_equal(files_path(span_n(name, 255), out, sizeof(out), &e), 0);
	assert_int_equal(files_path(span_n(name, 20), out, 20, &e), -1);
}

static void write_and_read(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(1000);
	struct hash hash, want;
	bool created = false;

	must(files_write(x->f, "a/b/c.txt", span_of("hello"), &created, &e), &e);
	assert_true(created);
	assert_string_equal(got(&x->s, "a/b/c.txt"), "hello");
	must(files_write(x->f, "a/b/c.txt", span_of("again"), &created, &e), &e);
	assert_false(created);
	buf_adds(&out, "> ");
	must(files_read(x->f, "./a/b/c.txt", &out, &hash, &e), &e);
	assert_string_equal(out.data, "> again");
	hash_bytes(&want, NULL, span_of("again"));
	assert_true(hash_eq(&hash, &want));

	/* Empty, binary, and large to the byte. */
	must(files_write(x->f, "empty", span_of(""), NULL, &e), &e);
	buf_clear(&out);
	must(files_read(x->f, "empty", &out, NULL, &e), &e);
	assert_int_equal(out.len, 0);
	must(files_write(x->f, "bin", span_n("\0\xff\0", 3), NULL, &e), &e);
	must(files_read(x->f, "bin", &out, NULL, &e), &e);
	assert_memory_equal(out.data, "\0\xff\0", 3);
	char big[1000];
	memset(big, 'x', sizeof(big));
	must(files_write(x->f, "big", span_n(big, 1000), NULL, &e), &e);
	buf_clear(&out);
	must(files_read(x->f, "big", &out, NULL, &e), &e);
	assert_int_equal(out.len, 1000);
	buf_clear(&out);
	buf_adds(&out, "1");
	assert_int_equal(files_read(x->f, "big", &out, NULL, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_string_equal(out.data, "1");
	assert_int_equal(entries(at(&x->s, "a/b")), 1); /* no temporary files left */
}

/* A kill in the middle of a write leaves a temporary file; the next process removes it. */
static void leftovers_of_a_kill_are_removed(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	must(files_write(x->f, "a/b", span_of("x"), NULL, &e), &e);
	must(files_write(x->f, "a/.muster-0123456789abcdef.txt", span_of("a person's"), NULL, &e), &e);
	int fd = open(at(&x->s, "a/.muster-0123456789abcdef.tmp"), O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(entries(at(&x->s, "a")), 3);
	files_tidy(x->f, "a/b");
	assert_int_equal(entries(at(&x->s, "a")), 2);
	files_tidy(x->f, "no/such/folder");
}

static void huge_files(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(CAP_FILE_READ);
	size_t before = mem_in_use();
	char *big = mem_alloc(CAP_FILE_WRITE + 1);

	put(&x->s, "sparse", "");
	assert_int_equal(truncate(at(&x->s, "sparse"), 1ll << 40), 0);
	assert_int_equal(files_read(x->f, "sparse", &out, NULL, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_null(out.data); /* refused before memory was taken */
	struct file_edit edit = {span_of("a"), span_of("b")};
	assert_int_equal(files_edit(x->f, "sparse", &edit, 1, NULL, NULL, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	memset(big, 'x', CAP_FILE_WRITE + 1);
	assert_int_equal(files_write(x->f, "new", span_n(big, CAP_FILE_WRITE + 1), NULL, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_false(there(&x->s, "new"));
	mem_free(big);
	assert_int_equal(mem_in_use(), before);
}

static void modes_are_kept(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	struct stat st;

	put(&x->s, "run.sh", "#!/bin/sh\n");
	assert_int_equal(chmod(at(&x->s, "run.sh"), 04751), 0);
	must(write_text(x->f, "run.sh", "#!/bin/bash\n", &e), &e);
	assert_int_equal(stat(at(&x->s, "run.sh"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751); /* executable as before, but never setuid */
	must(write_text(x->f, "plain", "x", &e), &e);
	assert_int_equal(stat(at(&x->s, "plain"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
}

static void owner_is_given(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	struct stat st;
	struct files *f;

	if (geteuid() != 0) { /* an ordinary user gives nothing away: the files are its own */
		must(write_text(x->f, "a", "x", &e), &e);
		assert_int_equal(stat(at(&x->s, "a"), &st), 0);
		assert_int_equal(st.st_uid, geteuid());
		return;
	}
	f = files_open(x->s.dir, 12345, &e);
	assert_non_null(f);
	must(write_text(f, "n/e/w", "x", &e), &e);
	must(files_mkdir(f, "n/dir", &e), &e);
	for (const char *const *p = (const char *const[]){"n", "n/e", "n/e/w", "n/dir", NULL}; *p; p++) {
		assert_int_equal(stat(at(&x->s, *p), &st), 0);
		assert_int_equal(st.st_uid, 12345);
		assert_int_equal(st.st_gid, 12345);
	}
	/* stopped between making a folder and giving it away, twice */
	assert_int_equal(mkdir(at(&x->s, "half"), 0755), 0);
	assert_int_equal(mkdir(at(&x->s, "whole"), 0755), 0);
	must(write_text(f, "half/way/x", "x", &e), &e);
	must(write_text(f, "whole/x", "x", &e), &e);
	for (const char *const *p = (const char *const[]){"half", "half/way", "whole", NULL}; *p; p++) {
		assert_int_equal(stat(at(&x->s, *p), &st), 0);
		assert_int_equal(st.st_uid, 12345);
	}
	put(&x->s, "roots", "x");
	must(write_text(f, "roots", "y", &e), &e);
	assert_int_equal(stat(at(&x->s, "roots"), &st), 0);
	assert_int_equal(st.st_uid, 12345);
	files_close(f);
}

static void special_files_do_not_hang(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(1000);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct file_edit edit = {span_of("a"), span_of("b")};
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(mkfifo(at(&x->s, "fifo"), 0666), 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/sock", x->s.dir);
	assert_int_equal(bind(sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(symlink("fifo", at(&x->s, "to-fifo")), 0);
	alarm(20);
	for (const char *const *p = (const char *const[]){"fifo", "sock", "to-fifo", NULL}; *p; p++) {
		assert_int_equal(files_read(x->f, *p, &out, NULL, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(files_edit(x->f, *p, &edit, 1, NULL, NULL, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_int_equal(write_text(x->f, *p, "x", &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
	json_t *hits = files_search(x->f, "a", false, ".", 10, &e);
	assert_non_null(hits);
	assert_int_equal(json_array_size(hits), 0);
	json_decref(hits);
	if (geteuid() == 0 && mknod(at(&x->s, "null"), S_IFCHR | 0666, makedev(1, 3)) == 0) {
		assert_int_equal(files_read(x->f, "null", &out, NULL, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
	alarm(0);
	assert_int_equal(files_read(x->f, "fifo/x", &out, NULL, &e), -1);
	must(files_delete(x->f, "fifo", &e), &e);
	assert_false(there(&x->s, "fifo"));
	close(sock);
}

static void folders_are_not_files(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(1000);
	bool is_dir = false;

	put(&x->s, "dir/file", "x");
	assert_int_equal(files_read(x->f, "dir", &out, NULL, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(write_text(x->f, "dir", "x", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(write_text(x->f, ".", "x", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(write_text(x->f, "dir/file/below", "x", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(files_read(x->f, "none", &out, NULL, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_true(files_exists(x->f, "dir", &is_dir) && is_dir);
	assert_true(files_exists(x->f, "dir/file", &is_dir) && !is_dir);
	assert_true(files_exists(x->f, ".", &is_dir) && is_dir);
	assert_false(files_exists(x->f, "dir/none", NULL));
	assert_false(files_exists(x->f, "../outside", NULL));
	must(files_mkdir(x->f, "x/y/z", &e), &e);
	must(files_mkdir(x->f, "x/y/z", &e), &e);
	assert_true(files_exists(x->f, "x/y/z", &is_dir) && is_dir);
	assert_int_equal(files_mkdir(x->f, "dir/file", &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
}

static void links_stay_inside(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(1000);
	struct stat st;

	put(&x->s, "real/file", "inside");
	assert_int_equal(symlink("real", at(&x->s, "in")), 0);
	assert_int_equal(symlink("../real/file", at(&x->s, "real/up")), 0);
	assert_int_equal(symlink("real/new", at(&x->s, "dangling")), 0);
	assert_int_equal(symlink("../outside", at(&x->s, "out")), 0);
	assert_int_equal(symlink("../outside/secret", at(&x->s, "outfile")), 0);
	assert_int_equal(symlink("/etc", at(&x->s, "abs")), 0);
	assert_int_equal(symlink("/etc/passwd", at(&x->s, "absfile")), 0);
	assert_int_equal(symlink("/proc/self/root", at(&x->s, "magic")), 0);
	assert_int_equal(symlink("loop2", at(&x->s, "loop1")), 0);
	assert_int_equal(symlink("loop1", at(&x->s, "loop2")), 0);
	assert_int_equal(symlink("..", at(&x->s, "parent")), 0);

	must(files_read(x->f, "in/file", &out, NULL, &e), &e);
	assert_string_equal(out.data, "inside");
	must(write_text(x->f, "in/file", "written", &e), &e);
	assert_string_equal(got(&x->s, "real/file"), "written");
	must(write_text(x->f, "real/up", "through", &e), &e);
	assert_string_equal(got(&x->s, "real/file"), "through");
	assert_int_equal(lstat(at(&x->s, "real/up"), &st), 0);
	assert_true(S_ISLNK(st.st_mode)); /* the link is still one */
	must(write_text(x->f, "dangling", "made", &e), &e);
	assert_string_equal(got(&x->s, "real/new"), "made");

	for (const char *const *p = (const char *const[]){"out/secret", "outfile", "abs/passwd", "absfile",
		     "magic/etc/passwd", "loop1", "loop1/x", "parent/outside/secret", "out/new", "abs/new", NULL};
		*p; p++) {
		buf_clear(&out);
		if (files_read(x->f, *p, &out, NULL, &e) != -1 || e.code != ERR_OUTSIDE)
			fail_msg("read %s: %s", *p, e.text);
		if (write_text(x->f, *p, "owned", &e) != -1 || e.code != ERR_OUTSIDE)
			fail_msg("write %s: %s", *p, e.text);
	}
	assert_int_equal(files_delete(x->f, "out/secret", &e), -1);
	assert_int_equal(e.code, ERR_OUTSIDE);
	assert_null(files_list(x->f, "out", &e));
	assert_int_equal(e.code, ERR_OUTSIDE);
	assert_null(files_search(x->f, "secret", false, "out", 10, &e));
	assert_int_equal(e.code, ERR_OUTSIDE);
	must(files_delete(x->f, "out", &e), &e); /* the link itself */
	assert_false(there(&x->s, "out"));
	assert_string_equal(got(&x->s, "../outside/secret"), "secret");
}

static void links_into_git_are_refused(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(1000);

	put(&x->s, ".git/hooks/sample", "hook");
	assert_int_equal(symlink(".git", at(&x->s, "g")), 0);
	assert_int_equal(symlink(".git/hooks", at(&x->s, "h")), 0);
	assert_int_equal(symlink(".git/config", at(&x->s, "c")), 0);
	for (const char *const *p = (const char *const[]){"g/config", "h/pre-commit", "c", "h/sample", "g", NULL}; *p;
		p++) {
		if (write_text(x->f, *p, "owned", &e) != -1 || e.code != ERR_DENIED)
			fail_msg("write %s: %s", *p, e.text);
	}
	assert_int_equal(files_read(x->f, "h/sample", &out, NULL, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(files_delete(x->f, "h/sample", &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(entries(at(&x->s, ".git/hooks")), 1);
	assert_string_equal(got(&x->s, ".git/hooks/sample"), "hook");
}

static void names_that_are_not_utf8(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	cleanup_buf struct buf out = BUF_INIT(10000);

	put(&x->s, "\xff\xfe.txt", "needle");
	put(&x->s, "evil\n\x1b[31m", "needle");
	cleanup_json json_t *list = files_list(x->f, ".", &e);
	assert_non_null(list);
	assert_int_equal(json_array_size(list), 2);
	must(files_tree(x->f, ".", 100, &out, &e), &e);
	assert_null(strchr(out.data, 0x1b));
	size_t lines = 0;
	for (size_t i = 0; i < out.len; i++)
		lines += out.data[i] == '\n';
	assert_int_equal(lines, 2);
	cleanup_json json_t *hits = files_search(x->f, "needle", false, ".", 100, &e);
	assert_int_equal(json_array_size(hits), 2);
	cleanup_json json_t *globbed = files_glob(x->f, "*", 100, &e);
	assert_int_equal(json_array_size(globbed), 2);
}

static void deleting(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;

	put(&x->s, "d/e/f", "x");
	put(&x->s, "d/g", "x");
	assert_int_equal(symlink("../../outside", at(&x->s, "d/out")), 0);
	assert_int_equal(chmod(at(&x->s, "d/e"), 0), 0);
	must(files_delete(x->f, "d", &e), &e);
	assert_false(there(&x->s, "d"));
	assert_string_equal(got(&x->s, "../outside/secret"), "secret");
	assert_int_equal(files_delete(x->f, "d", &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(files_delete(x->f, ".", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_int_equal(files_delete(x->f, ".git", &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
}

/* ---- edits ---- */

static void check_edit(struct fixture *x, const char *text, const struct file_edit *edits, size_t count,
	enum err_code code, const char *want)
{
	struct err e = ERR_INIT;
	struct hash before, after, expect;

	put(&x->s, "e.txt", text);
	int rc = files_edit(x->f, "e.txt", edits, count, &before, &after, &e);
	if (e.code != code || (rc == 0) != (code == ERR_OK))
		fail_msg("\"%s\": %s: %s", text, err_name(e.code), e.text);
	if (rc == 0) {
		assert_string_equal(got(&x->s, "e.txt"), want);
		hash_bytes(&expect, NULL, span_of(text));
		assert_true(hash_eq(&before, &expect));
		hash_bytes(&expect, NULL, span_of(want));
		assert_true(hash_eq(&after, &expect));
	} else {
		assert_string_equal(got(&x->s, "e.txt"), text);
		if (want && !strstr(e.text, want))
			fail_msg("\"%s\" does not say \"%s\"", e.text, want);
	}
	assert_int_equal(entries(x->s.dir), 1);
}

#define EDIT(from, to)                                                                                                 \
	{                                                                                                              \
		{from, sizeof(from) - 1},                                                                              \
		{                                                                                                      \
			to, sizeof(to) - 1                                                                             \
		}                                                                                                      \
	}

static void edits_are_exact(void **state)
{
	struct fixture *x = *state;
	const struct file_edit one[] = {EDIT("two", "TWO")};
	const struct file_edit cut[] = {EDIT("two ", "")};
	const struct file_edit several[] = {EDIT("three", "3"), EDIT("one", "1"), EDIT("two", "one")};
	const struct file_edit overlap[] = {EDIT("one two", "x"), EDIT("two three", "y")};
	const struct file_edit touching[] = {EDIT("one ", "1"), EDIT("two ", "2")};
	const struct file_edit empty[] = {EDIT("", "x")};
	const struct file_edit self[] = {EDIT("aa", "b")};
	const struct file_edit bad[] = {EDIT("one", "1"), EDIT("none", "x"), EDIT("o", "0")};
	const struct file_edit lines[] = {EDIT("a\r\nb", "c\r\nd")};
	const struct file_edit same[] = {EDIT("one", "one")};
	char many[402];

	check_edit(x, "one two three", one, 1, ERR_OK, "one TWO three");
	check_edit(x, "one two three", cut, 1, ERR_OK, "one three");
	check_edit(x, "two", one, 1, ERR_OK, "TWO");
	check_edit(x, "one two three", several, 3, ERR_OK, "1 one 3"); /* all against the text as it was */
	check_edit(x, "one two three", touching, 2, ERR_OK, "12three");
	check_edit(x, "one two three", overlap, 2, ERR_CONFLICT, "edits 1 and 2 overlap");
	check_edit(x, "one two three", empty, 1, ERR_INVALID, "empty");
	check_edit(x, "one two three", one, 0, ERR_INVALID, "no edits");
	check_edit(x, "one two two", one, 1, ERR_CONFLICT, "occurs 2 times");
	check_edit(x, "one", one, 1, ERR_CONFLICT, "does not occur");
	check_edit(x, "", one, 1, ERR_CONFLICT, "does not occur");
	check_edit(x, "aaa", self, 1, ERR_CONFLICT, "occurs 2 times"); /* overlapping places are ambiguous */
	check_edit(x, "one two", bad, 3, ERR_CONFLICT, "edit 2: the text to replace does not occur; edit 3");
	check_edit(x, "a\r\nb", lines, 1, ERR_OK, "c\r\nd");
	check_edit(x, "a\nb", lines, 1, ERR_CONFLICT, "does not occur");
	check_edit(x, "one", same, 1, ERR_OK, "one");
	memset(many, 'a', 401);
	many[401] = 0;
	check_edit(x, many, self, 1, ERR_CONFLICT, "more than 100 times");
}

static void edits_of_strange_content(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	const struct file_edit nul[] = {{{"\0\xff", 2}, {"\xfe\0\0", 3}}};
	cleanup_buf struct buf out = BUF_INIT(100);

	put_bytes(&x->s, "bin", "a\0\xff\0b", 5);
	must(files_edit(x->f, "bin", nul, 1, NULL, NULL, &e), &e);
	must(files_read(x->f, "bin", &out, NULL, &e), &e);
	assert_int_equal(out.len, 6);
	assert_memory_equal(out.data, "a\xfe\0\0\0b", 6);
	assert_int_equal(files_edit(x->f, "none", nul, 1, NULL, NULL, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

/* ---- every single failure ---- */

/* The content of w.txt is the old one or the new one, and nothing else is left behind. */
static void whole(struct fixture *x, bool failed, const char *old, const char *new)
{
	const char *text = got(&x->s, "w.txt");

	assert_true(strcmp(text, new) == 0 || (failed && strcmp(text, old) == 0));
	assert_true(entries(x->s.dir) == 1 || failed);
}

static void atomic_at_every_failure(void **state)
{
	struct fixture *x = *state;
	const struct file_edit edit[] = {EDIT("old", "new")};
	int failures = 0;

	for (int kind = 0; kind < 2; kind++)
		for (int what = 0; what < 2; what++)
			for (uint64_t n = 1;; n++) {
				struct err e = ERR_INIT;
				put(&x->s, "w.txt", "old text");
				fault_arm(kind ? FAULT_IO : FAULT_ALLOC, n, false);
				int rc = what ? files_edit(x->f, "w.txt", edit, 1, NULL, NULL, &e)
					      : write_text(x->f, "w.txt", "new text", &e);
				bool hit = fault_seen() >= n;
				fault_disarm();
				assert_true(rc == 0 || hit);
				assert_true(rc == 0 || e.code != ERR_OK);
				whole(x, rc != 0, "old text", "new text");
				if (!hit)
					break;
				failures++;
			}
	assert_true(failures > 20);
}

static void atomic_for_readers(void **state)
{
	struct fixture *x = *state;
	struct err e = ERR_INIT;
	char a[5000], b[7000], seen[8000];

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	must(files_write(x->f, "f", span_n(a, sizeof(a)), NULL, &e), &e);
	int fd = open(at(&x->s, "f"), O_RDONLY);
	must(files_write(x->f, "f", span_n(b, sizeof(b)), NULL, &e), &e);
	assert_int_equal(read(fd, seen, sizeof(seen)), sizeof(a)); /* who had it open still has the old one */
	assert_memory_equal(seen, a, sizeof(a));
	close(fd);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {cmocka_unit_test(path_forms), T(write_and_read),
		T(leftovers_of_a_kill_are_removed), T(huge_files), T(modes_are_kept), T(owner_is_given),
		T(special_files_do_not_hang), T(folders_are_not_files), T(links_stay_inside),
		T(links_into_git_are_refused), T(names_that_are_not_utf8), T(deleting), T(edits_are_exact),
		T(edits_of_strange_content), T(atomic_at_every_failure), T(atomic_for_readers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
