#include "base/arena.h"
#include "base/blob.h"
#include "base/list.h"
#include "base/mem.h"
#include "torture.h"
#include "unit.h"

static void counts_what_is_in_use(void **state)
{
	(void)state;
	size_t before = mem_in_use();
	char *p = mem_alloc(1000), *q;

	assert_non_null(p);
	assert_true(mem_in_use() >= before + 1000);
	q = mem_realloc(p, 100000);
	assert_non_null(q);
	assert_true(mem_in_use() >= before + 100000);
	mem_free(q);
	mem_free(NULL);
	assert_int_equal(mem_in_use(), before);
}

static void zero_sizes_give_pointers(void **state)
{
	(void)state;
	cleanup_free void *a = mem_alloc(0), *b = mem_alloc(0), *c = mem_calloc(0, 8), *d = mem_realloc(NULL, 0);

	assert_non_null(a);
	assert_non_null(b);
	assert_non_null(c);
	assert_non_null(d);
	assert_ptr_not_equal(a, b);
	d = mem_realloc(d, 0);
	assert_non_null(d);
}

static void calloc_zeroes_and_sees_overflow(void **state)
{
	(void)state;
	cleanup_free unsigned char *p = mem_calloc(64, 3);
	volatile size_t huge = SIZE_MAX / 2;

	assert_non_null(p);
	for (int i = 0; i < 192; i++)
		assert_int_equal(p[i], 0);
	assert_null(mem_calloc(huge, 3));
	assert_null(mem_strndup("x", SIZE_MAX));
}

static void strings_are_copied(void **state)
{
	(void)state;
	cleanup_free char *a = mem_strdup("abc"), *b = mem_strndup("abcdef", 4), *c = mem_printf("%d-%s", 7, "x");
	char *given = steal(&a);

	assert_null(a);
	assert_string_equal(given, "abc");
	assert_string_equal(b, "abcd");
	assert_string_equal(c, "7-x");
	mem_free(given);
}

static void armed_faults_fail_every_function(void **state)
{
	(void)state;
	cleanup_free void *p = mem_alloc(10);

	fault_arm(FAULT_ALLOC, 1, true);
	assert_null(mem_alloc(1));
	assert_null(mem_calloc(1, 1));
	assert_null(mem_realloc(p, 20));
	assert_null(mem_strdup("x"));
	assert_null(mem_printf("%d", 1));
	assert_null(blob_alloc(1));
	fault_disarm();
}

static void arena_gives_aligned_zeroed_memory(void **state)
{
	(void)state;
	size_t before = mem_in_use();
	struct arena a;

	arena_init(&a, 1 << 20);
	for (size_t n = 0; n < 3000; n = n * 3 / 2 + 1) {
		unsigned char *p = arena_alloc(&a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xAA, n); /* the next one must not see it */
	}
	assert_string_equal(arena_dup(&a, span_n("hello", 4)), "hell");
	assert_string_equal(arena_dup(&a, SPAN_NONE), "");
	arena_release(&a);
	assert_int_equal(mem_in_use(), before);
	assert_non_null(arena_alloc(&a, 10)); /* usable again */
	arena_release(&a);
}

static void arena_keeps_its_cap(void **state)
{
	(void)state;
	struct arena a;

	arena_init(&a, 100);
	assert_non_null(arena_alloc(&a, 60));
	assert_null(arena_alloc(&a, 41));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 8));
	assert_non_null(arena_alloc(&a, 40));
	assert_null(arena_alloc(&a, 1));
	arena_release(&a);
	fault_arm(FAULT_ALLOC, 1, false);
	assert_null(arena_alloc(&a, 1));
	fault_disarm();
	assert_int_equal(a.used, 0);
}

static void arena_large_pieces_do_not_waste_the_chunk(void **state)
{
	(void)state;
	struct arena a;
	char *small, *next;

	arena_init(&a, 1 << 24);
	small = arena_alloc(&a, 16);
	assert_non_null(arena_alloc(&a, 500000));
	next = arena_alloc(&a, 16);
	assert_ptr_equal(next, small + 16);
	arena_release(&a);
}

static void blob_lives_until_the_last_unref(void **state)
{
	(void)state;
	size_t before = mem_in_use();
	struct blob *b = blob_new("a\0b", 3), *none = blob_new(NULL, 0);

	assert_non_null(b);
	assert_ptr_equal(blob_ref(b), b);
	blob_unref(b);
	assert_int_equal(blob_span(b).n, 3);
	assert_memory_equal(b->data, "a\0b\0", 4);
	blob_unref(b);
	assert_int_equal(none->size, 0);
	assert_int_equal(none->data[0], 0);
	blob_unref(none);
	blob_unref(NULL);
	assert_null(blob_ref(NULL));
	assert_null(blob_span(NULL).p);
	assert_null(blob_alloc(SIZE_MAX));
	assert_int_equal(mem_in_use(), before);
}

struct item {
	int n;
	struct list link;
};

static void list_keeps_order_while_the_body_removes(void **state)
{
	(void)state;
	struct item items[5];
	struct list head;
	int sum = 0, place = 1;

	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 1; i < 5; i++) {
		items[i].n = i;
		list_push(&head, &items[i].link);
	}
	items[0].n = 0;
	list_unshift(&head, &items[0].link);
	list_for (it, &head) {
		struct item *item = list_entry(it, struct item, link);
		sum += item->n * place;
		place *= 10;
		if (item->n % 2)
			list_remove(it);
	}
	assert_int_equal(sum, 43210);
	list_remove(&items[1].link); /* twice is harmless */
	assert_ptr_equal(list_shift(&head), &items[0].link);
	assert_ptr_equal(list_shift(&head), &items[2].link);
	assert_ptr_equal(list_shift(&head), &items[4].link);
	assert_null(list_shift(&head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_what_is_in_use),
		cmocka_unit_test(zero_sizes_give_pointers),
		cmocka_unit_test(calloc_zeroes_and_sees_overflow),
		cmocka_unit_test(strings_are_copied),
		cmocka_unit_test(armed_faults_fail_every_function),
		cmocka_unit_test(arena_gives_aligned_zeroed_memory),
		cmocka_unit_test(arena_keeps_its_cap),
		cmocka_unit_test(arena_large_pieces_do_not_waste_the_chunk),
		cmocka_unit_test(blob_lives_until_the_last_unref),
		cmocka_unit_test(list_keeps_order_while_the_body_removes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
