/* A thread swaps folders and links under the feet of 10,000 writes, edits, reads and deletions: none gets outside. */
#include "unit.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "scratch.h"
#include "workspace/files.h"

#define ROUNDS 10000

struct swap {
	struct scratch s;
	_Atomic bool stop;
	_Atomic long swaps;
};

static int exchange(const struct scratch *s, const char *a, const char *b)
{
	char from[PATH_MAX], to[PATH_MAX];

	snprintf(from, sizeof(from), "%s/copy/%s", s->dir, a);
	snprintf(to, sizeof(to), "%s/copy/%s", s->dir, b);
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE);
}

/* "d" is a folder, then a link to the outside, then a folder again; the same for a file and for a folder deeper. */
static void *swapper(void *arg)
{
	struct swap *w = arg;

	while (!w->stop) {
		if (exchange(&w->s, "d", "l") == 0)
			w->swaps++;
		exchange(&w->s, "top/d", "top/l");
		exchange(&w->s, "file", "flink");
	}
	return NULL;
}

static long files_in(const char *dir)
{
	DIR *d = opendir(dir);
	long n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void swapped_links(void **state)
{
	struct swap w = {.stop = false};
	struct err e = ERR_INIT;
	pthread_t thread;
	long wrote = 0, refused = 0;
	struct file_edit edit = {{"inner", 5}, {"inner", 5}};
	cleanup_buf struct buf out = BUF_INIT(4096);

	(void)state;
	scratch_new(&w.s);
	put(&w.s, "copy/d/x", "inner");
	put(&w.s, "copy/top/d/x", "inner");
	put(&w.s, "copy/file", "inner");
	put(&w.s, "outside/x", "outer");
	assert_int_equal(symlink("../outside", at(&w.s, "copy/l")), 0);
	assert_int_equal(symlink(at(&w.s, "outside"), at(&w.s, "copy/top/l")), 0);
	assert_int_equal(symlink("../outside/x", at(&w.s, "copy/flink")), 0);
	struct files *f = files_open(at(&w.s, "copy"), 0, &e);
	assert_non_null(f);
	assert_int_equal(pthread_create(&thread, NULL, swapper, &w), 0);
	for (int i = 0; i < ROUNDS; i++) {
		static const char *const to[] = {"d/x", "top/d/x", "file", "d/new/deep", "l/x", "top/l/y"};
		const char *path = to[i % 6];
		if (files_write(f, path, span_of("inner"), NULL, &e) == 0)
			wrote++;
		else
			refused++;
		if (i % 3 == 0)
			files_edit(f, path, &edit, 1, NULL, NULL, &e);
		if (i % 5 == 0) {
			buf_clear(&out);
			if (files_read(f, path, &out, NULL, &e) == 0 && out.len)
				assert_string_equal(out.data, "inner");
		}
		if (i % 7 == 0)
			files_delete(f, i % 2 ? "d/new" : "top/d/y", &e);
		if (i % 97 == 0)
			json_decref(files_search(f, "outer", false, ".", 10, &e));
	}
	w.stop = true;
	pthread_join(thread, NULL);
	assert_true(w.swaps > 100);
	assert_true(wrote > 100);
	assert_true(refused > 100); /* or the race was none */
	assert_string_equal(got(&w.s, "outside/x"), "outer");
	assert_int_equal(files_in(at(&w.s, "outside")), 1);
	print_message("%ld writes, %ld refused, %ld swaps, 0 outside\n", wrote, refused, (long)w.swaps);
	files_close(f);
	scratch_free(&w.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(swapped_links)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
