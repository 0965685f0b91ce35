/* Archives as new folders: what is taken, what is refused, and that nothing is left of what was refused. */
#include "cases.h"

#include <dirent.h>
#include <errno.h>

#include "base/caps.h"
#include "base/fault.h"
#include "pack.h"
#include "scratch.h"
#include "workspace/archive_in.h"

static struct scratch dir;
static size_t runs;

static int setup(void **state)
{
	(void)state;
	scratch_new(&dir);
	assert_int_equal(mkdir(at(&dir, "in"), 0755), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_free(&dir);
	return 0;
}

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = -2;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int unpack(struct archive_in *in, struct err *e)
{
	in->name = "t.zip";
	*e = (struct err)ERR_INIT;
	return archive_unpack(in, at(&dir, "packed"), at(&dir, "in/new"), e);
}

/* ---- text cases ---- */

static void split(struct span line, const char *between, struct buf *name, struct buf *content)
{
	size_t at_ = span_find(line, span_of(between), 2), end = at_ == (size_t)-1 ? line.n : at_;

	buf_clear(name);
	buf_clear(content);
	case_decode(span_n(line.p + 2, end - 2), name);
	if (end < line.n)
		case_decode(span_n(line.p + end + strlen(between), line.n - end - strlen(between)), content);
	buf_addc(name, 0);
	buf_addc(content, 0);
}

/* Contents have no space; names may. */
static void split_file(struct span line, struct buf *name, struct buf *content)
{
	size_t cut = line.n;

	while (cut > 2 && line.p[cut - 1] != ' ')
		cut--;
	buf_clear(name);
	buf_clear(content);
	case_decode(span_n(line.p + 2, cut - 3), name);
	case_decode(span_n(line.p + cut, line.n - cut), content);
	buf_addc(name, 0);
	buf_addc(content, 0);
}

static bool is_entry(struct span line)
{
	return line.n > 2 && line.p[1] == ' ' && strchr("fxdlhpsc", line.p[0]);
}

static bool build(const struct test_case *c, int format, int filter)
{
	cleanup_buf struct buf name = BUF_INIT(8192), content = BUF_INIT(8192);
	struct pack p;

	pack_begin(&p, at(&dir, "packed"), format, filter);
	for (size_t i = 0; i < c->count && !p.error; i++) {
		char kind = c->lines[i].p[0];

		if (!is_entry(c->lines[i]))
			continue;
		if (kind == 'f' || kind == 'x')
			split_file(c->lines[i], &name, &content);
		else
			split(c->lines[i], " -> ", &name, &content);
		if (format == ARCHIVE_FORMAT_ZIP && !strchr("fxdl", kind))
			p.error = "not in a zip";
		else
			pack_add(&p, kind, name.data, content.data, content.len - 1);
	}
	pack_end(&p);
	return !p.error;
}

static void expect(const struct test_case *c, struct span line, size_t *files)
{
	cleanup_buf struct buf name = BUF_INIT(8192), content = BUF_INIT(8192);
	char path[1100], target[PATH_MAX] = "";
	struct stat st;

	if (span_starts(line, "-> ")) {
		split(span_n(line.p + 1, line.n - 1), " ", &name, &content);
		snprintf(path, sizeof path, "in/new/%s", name.data);
		assert_true(readlink(at(&dir, path), target, sizeof target - 1) > 0);
		assert_string_equal(target, content.data);
		return;
	}
	if (line.p[0] == '/')
		split(line, "\n", &name, &content);
	else
		split_file(line, &name, &content);
	snprintf(path, sizeof path, "in/new/%s", name.data);
	if (lstat(at(&dir, path), &st))
		fail_msg("%s: no %s", c->where, path);
	if (line.p[0] == '/') {
		assert_true(S_ISDIR(st.st_mode));
		return;
	}
	assert_int_equal(st.st_mode, S_IFREG | (line.p[0] == '*' ? 0755 : 0644));
	if (strcmp(got(&dir, path), content.data) != 0)
		fail_msg("%s: %s has \"%s\"", c->where, path, got(&dir, path));
	(*files)++;
}

static void judge(const struct test_case *c)
{
	struct archive_in in = {.name = NULL};
	struct err e = ERR_INIT;
	int rc = unpack(&in, &e);
	size_t files = 0;

	for (size_t i = 0; i < c->count; i++) {
		struct span line = c->lines[i];

		if (is_entry(line))
			continue;
		if (line.p[0] != '!') {
			if (rc)
				fail_msg("%s: %s", c->where, e.text);
			expect(c, line, &files);
			continue;
		}
		char *want = span_dup(span_n(line.p + 2, line.n - 2));
		if (rc == 0 || e.code != ERR_INVALID || !strstr(e.text, want))
			fail_msg("%s: %d %s", c->where, rc, e.text);
		mem_free(want);
	}
	if (entries(at(&dir, "in")) != (rc == 0))
		fail_msg("%s: something is left", c->where);
	must(fs_remove_tree(at(&dir, "in/new"), &e), &e);
	runs++;
}

static void run_case(const struct test_case *c)
{
	static const int kinds[][2] = {{ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE},
		{ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP}, {ARCHIVE_FORMAT_TAR_GNUTAR, ARCHIVE_FILTER_ZSTD},
		{ARCHIVE_FORMAT_TAR_PAX_INTERCHANGE, ARCHIVE_FILTER_GZIP}, {ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE}};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (build(c, kinds[i][0], kinds[i][1]))
			judge(c);
}

static void test_cases(void **state)
{
	(void)state;
	size_t done = cases_run("archive", run_case);

	print_message("%zu cases, %zu archives\n", done, runs);
	assert_true(runs > 3 * done);
}

/* ---- caps ---- */

static void pack_one(int format, int filter, const char *content, uint64_t size)
{
	struct pack p;

	pack_begin(&p, at(&dir, "packed"), format, filter);
	pack_add(&p, 'f', "a", "small", 5);
	pack_add(&p, 'f', "b", content, size);
	assert_null(p.error);
	pack_end(&p);
}

static void refused(struct archive_in *in, enum err_code code, const char *why)
{
	struct err e = ERR_INIT;

	assert_int_equal(unpack(in, &e), -1);
	if (e.code != code || !strstr(e.text, why))
		fail_msg("%s: %s", err_name(e.code), e.text);
	assert_int_equal(entries(at(&dir, "in")), 0);
}

static void bombs(void **state)
{
	static const int filters[] = {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD};
	struct archive_in in = {.name = NULL};
	char zeros[4096] = {1};

	(void)state;
	memset(zeros, 'z', sizeof zeros - 1);
	for (size_t i = 0; i < 2; i++) {
		pack_one(ARCHIVE_FORMAT_TAR_USTAR, filters[i], zeros, CAP_ARCHIVE_SLACK + 64 * MIB);
		refused(&in, ERR_TOO_LARGE, "grows more than 250 times");
		assert_true(in.bytes < CAP_ARCHIVE_SLACK + 64 * MIB); /* it ended early */
	}
	pack_one(ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE, zeros, CAP_ARCHIVE_SLACK + 64 * MIB);
	refused(&in, ERR_TOO_LARGE, "grows more than 250 times");
	pack_one(ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_XZ, "x", 1);
	refused(&in, ERR_INVALID, "xz; pack it with gzip or zstd");
}

/* What is left out has to be read, too. */
static void caps_of_what_is_left_out(void **state)
{
	static const struct archive_caps small = {
		.entries = 4, .bytes = 3000, .file = 2000, .ratio = 1, .slack = 1 << 20, .time_ms = 60000};
	struct archive_in in = {.caps = &small};
	struct err e = ERR_INIT;
	struct pack p;

	(void)state;
	for (int i = 0; i < 4; i++) {
		pack_begin(&p, at(&dir, "packed"), i & 1 ? ARCHIVE_FORMAT_ZIP : ARCHIVE_FORMAT_TAR_USTAR,
			ARCHIVE_FILTER_NONE);
		pack_add(&p, 'f', "a", "x", 1);
		pack_add(&p, 'f', ".git/x", "0123456789", i < 2 ? 2999 : 3000);
		pack_end(&p);
		if (i < 2) {
			must(unpack(&in, &e), &e);
			assert_int_equal(in.bytes, 1);
			must(fs_remove_tree(at(&dir, "in/new"), &e), &e);
		} else {
			refused(&in, ERR_TOO_LARGE, "unpacked it has more than 3000");
		}
	}
}

static void caps(void **state)
{
	static const struct archive_caps small = {
		.entries = 4, .bytes = 3000, .file = 2000, .ratio = 1, .slack = 1 << 20, .time_ms = 60000};
	struct archive_caps late = small;
	struct archive_in in = {.caps = &small};
	atomic_bool cancel = true;
	struct err e = ERR_INIT;
	struct pack p;

	(void)state;
	late.time_ms = -1;
	pack_one(ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP, "0123456789", 1995);
	must(unpack(&in, &e), &e);
	assert_int_equal(in.entries, 2);
	assert_int_equal(in.bytes, 2000);
	assert_int_equal(unpack(&in, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	must(fs_remove_tree(at(&dir, "in/new"), &e), &e);
	in.cancel = &cancel;
	refused(&in, ERR_CANCELLED, "cancelled");
	in.cancel = NULL;
	in.caps = &late;
	refused(&in, ERR_TIMEOUT, "takes longer");
	in.caps = &small;
	pack_one(ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP, "0123456789", 2001);
	refused(&in, ERR_TOO_LARGE, "more than 2000 bytes");
	pack_begin(&p, at(&dir, "packed"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE);
	pack_add(&p, 'f', "a", "0123456789", 1900);
	pack_add(&p, 'f', "b", "0123456789", 1900);
	pack_end(&p);
	refused(&in, ERR_TOO_LARGE, "unpacked it has more than 3000");
	pack_begin(&p, at(&dir, "packed"), ARCHIVE_FORMAT_ZIP, ARCHIVE_FILTER_NONE);
	pack_add(&p, 'f', "a/b/c/d/e", "x", 1);
	pack_end(&p);
	refused(&in, ERR_TOO_LARGE, "more than 4 files and folders");
}

static void long_names(void **state)
{
	struct archive_in in = {.name = NULL};
	char name[1200] = "";
	struct pack p;

	(void)state;
	for (int i = 0; i < 65; i++)
		strcat(name, "d/");
	strcat(name, "f");
	pack_begin(&p, at(&dir, "packed"), ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE);
	pack_add(&p, 'f', name, "x", 1);
	pack_end(&p);
	refused(&in, ERR_TOO_LARGE, "too long or too deep");
	memset(name, 'n', 256);
	name[256] = 0;
	pack_begin(&p, at(&dir, "packed"), ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE);
	pack_add(&p, 'f', name, "x", 1);
	pack_end(&p);
	refused(&in, ERR_TOO_LARGE, "too long or too deep");
}

/* ---- what is no archive, or a damaged one ---- */

static void not_one(void **state)
{
	struct archive_in in = {.name = NULL};
	struct buf whole = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;

	(void)state;
	put(&dir, "packed", "just text");
	refused(&in, ERR_INVALID, "was not unpacked: it cannot be read");
	put(&dir, "packed", "");
	refused(&in, ERR_INVALID, "was not unpacked");
	/* Cut anywhere, a compressed archive is refused. */
	pack_one(ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP, "0123456789", 5000);
	must(fs_read(at(&dir, "packed"), &whole, &e), &e);
	for (size_t n = 1; n < whole.len; n++) {
		put_bytes(&dir, "packed", whole.data, n);
		if (unpack(&in, &e) == 0) {
			/* only the trailer, which holds nothing, may be missing */
			assert_true(n + 20 > whole.len);
			must(fs_remove_tree(at(&dir, "in/new"), &e), &e);
		}
		assert_int_equal(entries(at(&dir, "in")), 0);
	}
	buf_release(&whole);
}

static void twice_compressed(void **state)
{
	struct archive_in in = {.name = NULL};
	struct archive *a = archive_write_new();
	struct archive_entry *entry = archive_entry_new();

	(void)state;
	archive_write_set_format(a, ARCHIVE_FORMAT_TAR_USTAR);
	archive_write_add_filter(a, ARCHIVE_FILTER_GZIP);
	archive_write_add_filter(a, ARCHIVE_FILTER_GZIP);
	assert_int_equal(archive_write_open_filename(a, at(&dir, "packed")), ARCHIVE_OK);
	archive_entry_set_pathname(entry, "a");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_size(entry, 1);
	archive_write_header(a, entry);
	archive_write_data(a, "x", 1);
	archive_entry_free(entry);
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	refused(&in, ERR_INVALID, "compressed more than once");
}

static void not_utf8(void **state)
{
	struct archive_in in = {.name = NULL};
	struct pack p;

	(void)state;
	pack_begin(&p, at(&dir, "packed"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_NONE);
	pack_add(&p, 'f', "caf\xe9", "x", 1);
	pack_end(&p);
	refused(&in, ERR_INVALID, "is not UTF-8");
}

/* Every call in turn fails, once: a clean error, nothing left, or all is there. */
static void each_failure(void **state)
{
	struct archive_in in = {.name = NULL};
	struct pack p;
	struct err e;
	int failures = 0;

	(void)state;
	pack_begin(&p, at(&dir, "packed"), ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_GZIP);
	pack_add(&p, 'f', "top/a/b", "0123456789", 200000);
	pack_add(&p, 'd', "top/c", "", 0);
	pack_add(&p, 'l', "top/l", "a/b", 0);
	pack_add(&p, 'h', "top/h", "top/a/b", 0);
	pack_end(&p);
	for (int kind = 0; kind < 2; kind++)
		for (uint64_t n = 1;; n++) {
			fault_arm(kind ? FAULT_IO : FAULT_ALLOC, n, false);
			int rc = unpack(&in, &e);
			bool fired = fault_seen() >= n;
			fault_disarm();
			if (rc == 0)
				must(fs_remove_tree(at(&dir, "in/new"), &e), &e);
			else
				failures++;
			assert_true(rc == 0 || e.code != ERR_OK);
			if (entries(at(&dir, "in"))) { /* the removal is what failed */
				must(fs_remove_tree(at(&dir, "in"), &e), &e);
				assert_int_equal(mkdir(at(&dir, "in"), 0755), 0);
			}
			if (!fired) {
				must(rc, &e);
				break;
			}
		}
	assert_true(failures > 30);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {T(test_cases), T(bombs), T(caps), T(caps_of_what_is_left_out), T(long_names),
		T(not_one), T(twice_compressed), T(not_utf8), T(each_failure)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
