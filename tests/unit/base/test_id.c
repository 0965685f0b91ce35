/* Identifiers, random numbers, clocks and cryptography. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/id.h"
#include "base/mem.h"
#include "torture.h"
#include "unit.h"

/* The 48 bits of time in an id. */
static uint64_t millis_of(const char *id)
{
	char hex[13];

	memcpy(hex, id, 8);
	memcpy(hex + 8, id + 9, 4);
	hex[12] = 0;
	return strtoull(hex, NULL, 16);
}

static void ids_are_version_7(void **state)
{
	(void)state;
	char id[ID_TEXT];
	int64_t at = INT64_C(4102444800123456); /* 2100: later than any other id of this program */

	id_new(id, at, NULL);
	assert_true(id_valid(id));
	assert_int_equal(millis_of(id), at / 1000);
	assert_false(id_valid(NULL));
	assert_false(id_valid(""));
	assert_true(id_valid("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"));	/* the example of RFC 9562 */
	assert_false(id_valid("017f22e2-79b0-4cc3-98c4-dc0c0c07398f")); /* version 4 */
	assert_false(id_valid("017f22e2-79b0-7cc3-18c4-dc0c0c07398f")); /* variant */
	assert_false(id_valid("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")); /* one spelling only */
	assert_false(id_valid("017f22e2-79b0-7cc3-98c4-dc0c0c07398f0"));
	assert_false(id_valid("017f22e2179b0-7cc3-98c4-dc0c0c07398f"));
}

static void ids_grow_strictly(void **state)
{
	(void)state;
	char before[ID_TEXT], id[ID_TEXT];
	struct rng r = {7};

	id_new(before, 5000000, &r);
	for (int i = 0; i < 50000; i++) {
		int64_t at = i % 3 ? 5000000 : 4000000 - i; /* standing still and going back */
		id_new(id, at, i % 2 ? &r : NULL);
		assert_true(id_valid(id));
		assert_true(strcmp(before, id) < 0);
		memcpy(before, id, sizeof id);
	}
}

enum { THREADS = 4, EACH = 5000 };

static void *make_ids(void *arg)
{
	char(*ids)[ID_TEXT] = arg;

	for (int i = 0; i < EACH; i++)
		id_new(ids[i], 1000, NULL);
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void ids_of_threads_differ(void **state)
{
	(void)state;
	char(*ids)[ID_TEXT] = mem_calloc(THREADS * EACH, ID_TEXT);
	pthread_t threads[THREADS];

	assert_non_null(ids);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_ids, ids + i * EACH), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 1; i < EACH; i++)
		assert_true(strcmp(ids[i - 1], ids[i]) < 0);
	qsort(ids, THREADS * EACH, ID_TEXT, by_text);
	for (int i = 1; i < THREADS * EACH; i++) /* also without the random part */
		assert_true(strncmp(ids[i - 1], ids[i], 18) < 0);
	mem_free(ids);
}

static void random_numbers_repeat_by_seed(void **state)
{
	(void)state;
	struct rng r = {0};
	int seen[7] = {0};

	/* The reference sequence of splitmix64 from 0. */
	assert_true(rng_next(&r) == UINT64_C(0xE220A8397B1DCDAF));
	assert_true(rng_next(&r) == UINT64_C(0x6E789E6AA1B965F4));
	assert_true(rng_next(&r) == UINT64_C(0x06C45D188009454F));
	for (int i = 0; i < 7000; i++)
		seen[rng_below(&r, 7)]++;
	for (int i = 0; i < 7; i++)
		assert_in_range(seen[i], 850, 1150);
	assert_int_equal(rng_below(&r, 1), 0);
	for (int i = 0; i < 1000; i++) {
		double u = rng_unit(&r);
		assert_true(u >= 0 && u < 1);
	}
}

static void clock_writes_utc(void **state)
{
	(void)state;
	static const struct {
		int64_t us;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000000Z"},
		{-1, "1969-12-31T23:59:59.999999Z"},
		{INT64_C(1795168800000000), "2026-11-20T10:00:00.000000Z"},
		{INT64_C(951782400000001), "2000-02-29T00:00:00.000001Z"},
		{INT64_MAX, "9999-12-31T23:59:59.999999Z"},
		{INT64_MIN, "0000-01-01T00:00:00.000000Z"},
	};
	char text[CLOCK_TEXT];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		clock_text(text, cases[i].us);
		assert_string_equal(text, cases[i].text);
	}
}

static void clock_can_be_fake(void **state)
{
	(void)state;
	struct clock c;
	int64_t before = clock_mono(&clock_real);

	clock_fake(&c, 1000);
	assert_int_equal(clock_wall(&c), 1000);
	assert_int_equal(clock_mono(&c), 0);
	clock_advance(&c, 5);
	assert_int_equal(clock_wall(&c), 1005);
	assert_int_equal(clock_mono(&c), 5);
	c.fake_wall = 0; /* a step back leaves the other alone */
	assert_int_equal(clock_mono(&c), 5);
	assert_true(clock_wall(&clock_real) > INT64_C(1700000000000000));
	assert_true(clock_mono(&clock_real) >= before);
}

static const uint8_t key[KEY_SIZE] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22,
	23, 24, 25, 26, 27, 28, 29, 30, 31};

static void hashes_are_blake2b_256(void **state)
{
	(void)state;
	struct hash h, again;
	struct hash_stream s;
	char hex[HASH_HEX];

	hash_bytes(&h, NULL, span_of("abc"));
	hash_hex(&h, hex);
	assert_string_equal(hex, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
	hash_bytes(&h, key, span_of("abc"));
	hash_hex(&h, hex);
	assert_string_equal(hex, "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f");
	hash_start(&s, key);
	hash_update(&s, "a", 1);
	hash_update(&s, "", 0);
	hash_update(&s, "bc", 2);
	hash_end(&s, &again);
	assert_true(hash_eq(&h, &again));
	hash_bytes(&again, NULL, SPAN_NONE);
	assert_false(hash_eq(&h, &again));
	assert_int_equal(hash_parse(&again, span_of(hex)), 0);
	assert_true(hash_eq(&h, &again));
	assert_int_equal(hash_parse(&again, span_n(hex, 63)), -1);
	hex[5] = 'g';
	assert_int_equal(hash_parse(&again, span_of(hex)), -1);
	assert_true(hash_eq(&h, &again)); /* untouched by a failure */
}

static void seals_open_with_the_key_only(void **state)
{
	(void)state;
	cleanup_buf struct buf sealed = BUF_INIT(1000), twice = BUF_INIT(1000), plain = BUF_INIT(1000);
	cleanup_buf struct buf small = BUF_INIT(10);
	uint8_t other[KEY_SIZE];

	memcpy(other, key, KEY_SIZE);
	other[31] ^= 1;
	assert_int_equal(crypt_seal(key, span_of("secret"), &sealed), 0);
	assert_int_equal(crypt_seal(key, span_of("secret"), &twice), 0);
	assert_false(span_eq(buf_span(&sealed), buf_span(&twice))); /* the nonce is new */
	assert_int_equal(crypt_open(key, buf_span(&sealed), &plain), 0);
	assert_string_equal(plain.data, "secret");
	assert_int_equal(crypt_open(other, buf_span(&sealed), &plain), -1);
	for (size_t i = 0; i < sealed.len; i++) { /* any changed byte, any missing one */
		sealed.data[i] ^= 4;
		assert_int_equal(crypt_open(key, buf_span(&sealed), &plain), -1);
		sealed.data[i] ^= 4;
		assert_int_equal(crypt_open(key, span_n(sealed.data, i), &plain), -1);
	}
	assert_string_equal(plain.data, "secret");
	assert_int_equal(crypt_seal(key, span_of("secret"), &small), -1);
	assert_int_equal(small.failed, BUF_FULL);
	buf_clear(&sealed);
	buf_clear(&plain);
	assert_int_equal(crypt_seal(key, SPAN_NONE, &sealed), 0);
	assert_int_equal(crypt_open(key, buf_span(&sealed), &plain), 0);
	assert_int_equal(plain.len, 0);
	crypt_wipe(other, sizeof other);
	for (size_t i = 0; i < sizeof other; i++)
		assert_int_equal(other[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_grow_strictly),
		cmocka_unit_test(ids_of_threads_differ),
		cmocka_unit_test(ids_are_version_7),
		cmocka_unit_test(random_numbers_repeat_by_seed),
		cmocka_unit_test(clock_writes_utc),
		cmocka_unit_test(clock_can_be_fake),
		cmocka_unit_test(hashes_are_blake2b_256),
		cmocka_unit_test(seals_open_with_the_key_only),
	};
	struct err e = ERR_INIT;

	if (crypt_setup(&e))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
