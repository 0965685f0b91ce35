/* Blobs: rows and files, damage, and collecting. */
#include "fixture.h"

#include <fcntl.h>
#include <string.h>

#include "base/caps.h"
#include "store/pieces.h"

static char *file_of(const struct fixture *f, const struct hash *h)
{
	char hex[HASH_HEX];

	hash_hex(h, hex);
	return mem_printf("%s/blobs/%.2s/%.2s/%s", f->data, hex, hex + 2, hex);
}

static struct store_blob big_blob(int seed)
{
	char *bytes = mem_alloc(CAP_BLOB_INLINE + 1);
	struct store_blob b;

	memset(bytes, 'a' + seed, CAP_BLOB_INLINE + 1);
	b = blob_of(bytes, CAP_BLOB_INLINE + 1);
	mem_free(bytes);
	return b;
}

static void keeps_small_and_large_ones(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_blob blobs[] = {blob_of("", 0), blob_of("small\0one", 9), big_blob(0), big_blob(1)};

	for (int i = 0; i < 4; i++)
		assert_false(store_has_blob(f->store, &blobs[i].hash));
	must(store_put_blobs(f->store, blobs, 3, &e), &e);
	must(store_put_blobs(f->store, blobs, 4, &e), &e);
	for (int i = 0; i < 4; i++) {
		struct blob *b = store_blob(f->store, &blobs[i].hash, &e);
		char *path = file_of(f, &blobs[i].hash);
		assert_non_null(b);
		assert_true(span_eq(blob_span(b), blob_span(blobs[i].bytes)));
		assert_true(store_has_blob(f->store, &blobs[i].hash));
		cleanup_buf struct buf read = BUF_INIT(2 * CAP_BLOB_INLINE);
		cleanup_fd int fd = blob_open(f->store, &blobs[i].hash, &e);
		assert_true(fd >= 0);
		must(fs_read_fd(fd, &read, &e), &e);
		assert_true(span_eq(buf_span(&read), blob_span(b)));
		assert_int_equal(fs_exists(path), !f->memory && i >= 2);
		mem_free(path);
		blob_unref(b);
	}
	blobs[0].hash.b[0] ^= 1;
	assert_null(store_blob(f->store, &blobs[0].hash, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	err_clear(&e);
	assert_int_equal(blob_open(f->store, &blobs[0].hash, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	for (int i = 0; i < 4; i++)
		blob_unref(blobs[i].bytes);
}

static int append_naming(struct fixture *f, int64_t seq, const struct store_blob *b, bool with, struct err *e)
{
	char hex[HASH_HEX], *data;
	struct event ev;
	int rc;

	hash_hex(&b->hash, hex);
	data = mem_printf("{\"blob\":\"%s\",\"from\":\"x\",\"agent\":\"0\"}", hex);
	ev = event_of(seq, EVENT_MESSAGE_ADDED, data);
	struct append a = {.stream = "run/a",
		.events = &ev,
		.event_count = 1,
		.blobs = with ? b : NULL,
		.blob_count = with ? 1 : 0};
	rc = store_append_wait(f->store, &a, e);
	event_release(&ev);
	mem_free(data);
	return rc;
}

static void an_event_names_only_stored_blobs(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_blob small = blob_of("abc", 3), big = big_blob(2);

	assert_int_equal(append_naming(f, 1, &small, false, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "names the blob"));
	must(append_naming(f, 1, &small, true, &e), &e);
	must(append_naming(f, 2, &small, false, &e), &e);
	must(append_naming(f, 3, &big, true, &e), &e);
	verify_fine(f);
	assert_int_equal(append_one(f, "run/a", 4, EVENT_MESSAGE_ADDED, "{\"blob\":\"zz\"}", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	must(append_one(f, "run/a", 4, EVENT_MESSAGE_ADDED, "{\"blob\":null}", &e), &e);
	blob_unref(small.bytes);
	blob_unref(big.bytes);
}

static void damage_is_seen(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct store_blob small = blob_of("abc", 3), big = big_blob(3);
	struct store_verified v;
	char *path = file_of(f, &big.hash);
	int fd;

	must(append_naming(f, 1, &small, true, &e), &e);
	must(append_naming(f, 2, &big, true, &e), &e);
	sql(f, "UPDATE blobs SET body = x'616264' WHERE size = 3");
	assert_null(store_blob(f->store, &small.hash, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_int_equal(store_verify(f->store, NULL, &v, &e), -1);
	assert_int_equal(e.code, ERR_VERIFY_DIFFERS);
	assert_non_null(strstr(e.text, "event 1 of run/a names the blob"));
	sql(f, "UPDATE blobs SET body = x'616263' WHERE size = 3");
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, 77), 1);
	assert_null(store_blob(f->store, &big.hash, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	assert_int_equal(ftruncate(fd, 99), 0);
	assert_null(store_blob(f->store, &big.hash, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	close(fd);
	must(fs_unlink(path, &e), &e);
	assert_null(store_blob(f->store, &big.hash, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(store_verify(f->store, "run/a", &v, &e), -1);
	assert_non_null(strstr(e.text, "event 2 of run/a names the blob"));
	mem_free(path);
	blob_unref(small.bytes);
	blob_unref(big.bytes);
}

static bool is_live(void *ctx, const struct hash *h)
{
	return hash_eq(ctx, h);
}

/* Only what no event names, nobody holds live and is older than an hour goes; also files that no row knows. */
static void collects_what_nobody_names(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct clock clock;
	struct store_blob named = blob_of("named", 5), live = blob_of("live", 4), small = blob_of("small", 5),
			  big = big_blob(4), again = blob_of("again", 5), orphan = big_blob(5);
	struct store_blob put[] = {live, small, big, again};
	struct store_options o = {
		.dir = f->memory ? NULL : f->data, .access = STORE_OWN, .chain_key = test_key, .clock = &clock};
	char *path = file_of(f, &big.hash), *orphan_path = file_of(f, &orphan.hash), *folder;
	struct timespec old[2] = {{1, 0}, {1, 0}};

	clock_fake(&clock, clock_wall(&clock_real) - (int64_t)7200 * 1000000);
	fixture_close(f);
	f->store = store_open(f->loop, &o, &e);
	assert_non_null(f->store);
	must(append_naming(f, 1, &named, true, &e), &e);
	must(store_put_blobs(f->store, put, 4, &e), &e);
	assert_int_equal(store_collect(f->store, is_live, &live.hash, &e), 0);
	clock_advance(&clock, (int64_t)7200 * 1000000);
	must(store_put_blobs(f->store, &again, 1, &e), &e); /* begins its hour anew */
	if (!f->memory) {
		folder = mem_strndup(orphan_path, strlen(orphan_path) - 65);
		must(fs_mkdirs(folder, 0700, &e), &e);
		must(fs_replace(orphan_path, blob_span(orphan.bytes), 0600, &e), &e);
		assert_int_equal(utimensat(AT_FDCWD, orphan_path, old, 0), 0);
		assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
		mem_free(folder);
	}
	assert_int_equal(store_collect(f->store, is_live, &live.hash, &e), 2);
	assert_true(store_has_blob(f->store, &named.hash));
	assert_true(store_has_blob(f->store, &live.hash));
	assert_true(store_has_blob(f->store, &again.hash));
	assert_false(store_has_blob(f->store, &small.hash));
	assert_false(store_has_blob(f->store, &big.hash));
	assert_false(fs_exists(path));
	assert_false(fs_exists(orphan_path));
	verify_fine(f);
	mem_free(path);
	mem_free(orphan_path);
	blob_unref(named.bytes);
	blob_unref(live.bytes);
	blob_unref(small.bytes);
	blob_unref(big.bytes);
	blob_unref(again.bytes);
	blob_unref(orphan.bytes);
	fixture_close(f);
}

/* Write a content of n bytes in pieces of that size. */
static struct store_blob in_pieces(struct fixture *f, const char *bytes, size_t n, size_t piece)
{
	struct err e = ERR_INIT;
	struct blob_writer w;
	struct store_blob out;

	must(blob_writer_begin(&w, f->store, &e), &e);
	for (size_t at = 0; at < n; at += piece)
		must(blob_writer_add(&w, span_n(bytes + at, n - at < piece ? n - at : piece), &e), &e);
	must(blob_writer_end(&w, &out, &e), &e);
	blob_writer_release(&w);
	return out;
}

/* 0 and all of it compared, or -1. */
static int read_back(struct fixture *f, const struct hash *h, const char *bytes, size_t n, struct err *e)
{
	struct blob_reader r;
	struct span piece;
	size_t at = 0;
	int rc = blob_reader_open(&r, f->store, h, e);

	if (rc == 0)
		assert_int_equal(r.size, n);
	while (rc == 0 && (rc = blob_reader_next(&r, &piece, e)) > 0) {
		assert_true(piece.n <= n - at);
		assert_memory_equal(piece.p, bytes + at, piece.n);
		at += piece.n;
		rc = 0;
	}
	if (rc == 0)
		assert_int_equal(at, n);
	blob_reader_release(&r);
	return rc;
}

static int files_in(struct fixture *f)
{
	cleanup_free char *command = mem_printf("find %s/blobs -type f | wc -l", f->data);
	FILE *p = f->memory ? NULL : popen(command, "r");
	int n = -1;

	if (p) {
		assert_int_equal(fscanf(p, "%d", &n), 1);
		pclose(p);
	}
	return n;
}

static void goes_in_pieces(void **state)
{
	static const size_t sizes[] = {0, 1, CAP_BLOB_PIECE, CAP_BLOB_PIECE + 1, 1000003};
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char *bytes = mem_alloc(1000003);
	struct store_blob b, whole;
	struct blob_writer w;
	struct blob *back;
	int files = 0;

	for (size_t i = 0; i < 1000003; i++)
		bytes[i] = (char)(i * 2654435761u >> 13);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		whole = blob_of(bytes, sizes[i]);
		b = in_pieces(f, bytes, sizes[i], 70001);
		assert_true(hash_eq(&b.hash, &whole.hash));
		assert_false(store_has_blob(f->store, &b.hash)); /* not before it is put */
		must(store_put_blobs(f->store, &b, 1, &e), &e);
		must(read_back(f, &b.hash, bytes, sizes[i], &e), &e);
		back = store_blob(f->store, &b.hash, &e);
		assert_non_null(back);
		assert_true(span_eq(blob_span(back), blob_span(whole.bytes)));
		blob_unref(back);
		blob_unref(b.bytes);
		assert_int_equal(files_in(f), f->memory ? -1 : ++files);
		/* Again, and as a whole: it is known. */
		b = in_pieces(f, bytes, sizes[i], 4096);
		must(store_put_blobs(f->store, &b, 1, &e), &e);
		must(store_put_blobs(f->store, &whole, 1, &e), &e);
		assert_int_equal(files_in(f), f->memory ? -1 : files);
		blob_unref(b.bytes);
		blob_unref(whole.bytes);
	}
	must(append_naming(f, 1, &b, false, &e), &e);
	verify_fine(f);
	/* Given up half-way: nothing is left. */
	must(blob_writer_begin(&w, f->store, &e), &e);
	must(blob_writer_add(&w, span_n(bytes, 100000), &e), &e);
	blob_writer_release(&w);
	assert_int_equal(files_in(f), f->memory ? -1 : files);
	bytes[0] ^= 1;
	whole = blob_of(bytes, 10);
	assert_int_equal(read_back(f, &whole.hash, bytes, 10, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	blob_unref(whole.bytes);
	mem_free(bytes);
}

/* Damage is told at the end; what a killed program left goes after an hour, and so does what was never put. */
static void pieces_and_damage(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	cleanup_free char *bytes = mem_calloc(1, 300000);
	struct store_blob b = in_pieces(f, bytes, 300000, 65536), never = in_pieces(f, bytes, 200000, 65536);
	struct timespec old[2] = {{1, 0}, {1, 0}};
	cleanup_free char *path = file_of(f, &b.hash), *never_path = file_of(f, &never.hash);
	cleanup_free char *temp = mem_printf("%s/blobs/00/00/0123456789abcdef.tmp", f->data);
	int fd;

	must(store_put_blobs(f->store, &b, 1, &e), &e);
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "X", 1, 299999), 1);
	bytes[299999] = 'X';
	assert_int_equal(read_back(f, &b.hash, bytes, 300000, &e), -1);
	assert_int_equal(e.code, ERR_CORRUPT);
	err_clear(&e);
	close(fd);
	must(fs_replace(temp, span_of("half"), 0600, &e), &e);
	assert_int_equal(store_collect(f->store, is_live, &b.hash, &e), 0);
	assert_true(fs_exists(temp) && fs_exists(never_path));
	assert_int_equal(utimensat(AT_FDCWD, temp, old, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, never_path, old, 0), 0);
	assert_int_equal(store_collect(f->store, is_live, &b.hash, &e), 0);
	assert_false(fs_exists(temp) || fs_exists(never_path));
	/* Its file went: it is no blob. */
	assert_int_equal(store_put_blobs(f->store, &never, 1, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_false(store_has_blob(f->store, &never.hash));
}

/* Puts from pool threads while the loop's thread appends. */
struct put_job {
	struct work work;
	struct fixture *f;
	int number, rc;
	bool ended;
};

static void put_run(struct work *w)
{
	struct put_job *j = container_of(w, struct put_job, work);
	struct err e = ERR_INIT;

	for (int i = 0; i < 20 && j->rc == 0; i++) {
		char text[] = {(char)('a' + j->number), (char)('a' + i)};
		struct store_blob b = blob_of(text, 2);
		struct blob *back;
		j->rc = store_put_blobs(j->f->store, &b, 1, &e);
		back = store_blob(j->f->store, &b.hash, &e);
		if (!back)
			j->rc = -1;
		blob_unref(back);
		blob_unref(b.bytes);
	}
}

static void put_done(struct work *w)
{
	container_of(w, struct put_job, work)->ended = true;
}

static void puts_from_the_pool(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct put_job jobs[4] = {0};

	for (int i = 0; i < 4; i++) {
		jobs[i].f = f;
		jobs[i].number = i;
		must(work_start(&jobs[i].work, f->loop, put_run, put_done, &e), &e);
	}
	for (int i = 0; i < 50; i++)
		must(append_logs(f, "run/a", 1 + i * 3, 3, &e), &e);
	turn_until(f, jobs[0].ended && jobs[1].ended && jobs[2].ended && jobs[3].ended);
	for (int i = 0; i < 4; i++)
		assert_int_equal(jobs[i].rc, 0);
	verify_fine(f);
}

int main(void)
{
#define both(t)                                                                                                        \
	cmocka_unit_test_setup_teardown(t, fixture_disk, fixture_end),                                                 \
		cmocka_unit_test_setup_teardown(t, fixture_memory, fixture_end)
	const struct CMUnitTest tests[] = {
		both(keeps_small_and_large_ones),
		both(an_event_names_only_stored_blobs),
		cmocka_unit_test_setup_teardown(damage_is_seen, fixture_disk, fixture_end),
		both(collects_what_nobody_names),
		both(goes_in_pieces),
		cmocka_unit_test_setup_teardown(pieces_and_damage, fixture_disk, fixture_end),
		both(puts_from_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
