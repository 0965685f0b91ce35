/* vault: what is put comes back, nothing readable is on the disk, and every wrong state is refused. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vault.h"

static char dir[] = "/tmp/muster-vault-XXXXXX";
static char vault_path[64], key_path[64];

static int clean(void **state)
{
	(void)state;
	fs_unlink(vault_path, NULL);
	fs_unlink(key_path, NULL);
	return 0;
}

static void slurp(const char *path, struct buf *out)
{
	struct err e = ERR_INIT;

	must(fs_read(path, out, &e), &e);
}

static void test_round_trip(void **state)
{
	struct err e = ERR_INIT;
	struct vault *v = vault_open(dir, true, &e);
	struct buf disk = BUF_INIT(1 * MIB), masked = BUF_INIT(4 * KIB);
	struct stat st;
	json_t *names;

	(void)state;
	if (!v)
		fail_msg("%s", e.text);
	assert_null(vault_get(v, "openai"));
	must(vault_put(v, "openai", "sk-canary-123456", &e), &e);
	must(vault_put(v, "db", "postgres-canary", &e), &e);
	must(vault_put(v, "openai", "sk-canary-second", &e), &e);
	vault_close(v);

	slurp(vault_path, &disk);
	assert_null(memmem(disk.data, disk.len, "canary", 6));
	assert_null(memmem(disk.data, disk.len, "openai", 6));
	assert_int_equal(stat(key_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(vault_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	v = vault_open(dir, false, &e);
	if (!v)
		fail_msg("%s", e.text);
	assert_string_equal(vault_get(v, "openai"), "sk-canary-second");
	names = vault_list(v, &e);
	assert_string_equal(json_string_value(json_array_get(names, 0)), "db");
	assert_int_equal(json_array_size(names), 2);
	json_decref(names);
	log_mask(span_of("key=sk-canary-second!"), &masked);
	assert_string_equal(masked.data, "key=***!");
	must(vault_delete(v, "db", &e), &e);
	assert_int_equal(vault_delete(v, "db", &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	vault_close(v);
	v = vault_open(dir, false, &e);
	assert_null(vault_get(v, "db"));
	vault_close(v);
	buf_release(&disk);
	buf_release(&masked);
}

static void test_refused(void **state)
{
	struct err e = ERR_INIT;
	struct vault *v;
	struct buf disk = BUF_INIT(1 * MIB);
	char long_name[200];

	(void)state;
	assert_null(vault_open(dir, false, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	v = vault_open(dir, true, &e);
	memset(long_name, 'a', sizeof long_name);
	long_name[sizeof long_name - 1] = 0;
	assert_int_equal(vault_put(v, long_name, "123456", &e), -1);
	assert_int_equal(vault_put(v, "a b", "123456", &e), -1);
	assert_int_equal(vault_put(v, "", "123456", &e), -1);
	assert_int_equal(vault_put(v, "a", "short", &e), -1);
	must(vault_put(v, "a", "123456", &e), &e);
	vault_close(v);

	/* Every changed byte is noticed. */
	slurp(vault_path, &disk);
	for (size_t i = 0; i < disk.len; i++) {
		disk.data[i] ^= 1;
		must(fs_replace(vault_path, buf_span(&disk), 0600, &e), &e);
		disk.data[i] ^= 1;
		assert_null(vault_open(dir, true, &e));
		assert_true(e.code == ERR_CORRUPT || e.code == ERR_NEWER);
	}
	must(fs_replace(vault_path, buf_span(&disk), 0600, &e), &e);

	assert_int_equal(chmod(key_path, 0640), 0);
	assert_null(vault_open(dir, true, &e));
	assert_int_equal(e.code, ERR_DENIED);
	assert_non_null(strstr(e.text, "chmod 600"));
	assert_int_equal(chmod(key_path, 0600), 0);
	must(fs_replace(key_path, span_of("zz"), 0600, &e), &e);
	assert_null(vault_open(dir, true, &e));
	assert_int_equal(e.code, ERR_CORRUPT);
	fs_unlink(key_path, NULL);
	assert_null(vault_open(dir, true, &e));
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_false(fs_exists(key_path));
	buf_release(&disk);
}

static void test_key_elsewhere(void **state)
{
	struct err e = ERR_INIT;
	struct vault *v;
	char other[80];

	(void)state;
	snprintf(other, sizeof other, "%s/elsewhere", dir);
	setenv("MUSTER_VAULT_KEY_FILE", other, 1);
	v = vault_open(dir, true, &e);
	if (!v)
		fail_msg("%s", e.text);
	must(vault_put(v, "x", "elsewhere-secret", &e), &e);
	vault_close(v);
	assert_false(fs_exists(key_path));
	assert_int_equal(chmod(other, 0440), 0);
	v = vault_open(dir, false, &e);
	assert_non_null(v);
	vault_close(v);
	assert_int_equal(chmod(other, 0444), 0);
	assert_null(vault_open(dir, false, &e));
	assert_int_equal(e.code, ERR_DENIED);
	unsetenv("MUSTER_VAULT_KEY_FILE");
	fs_unlink(other, NULL);
}

static void test_derive(void **state)
{
	struct err e = ERR_INIT;
	struct vault *v = vault_open(dir, true, &e);
	uint8_t a[KEY_SIZE], b[KEY_SIZE], c[KEY_SIZE];

	(void)state;
	vault_chain_key(v, a);
	vault_derive(v, "muster journal chain 1", b);
	vault_derive(v, "another", c);
	assert_memory_equal(a, b, KEY_SIZE);
	assert_memory_not_equal(a, c, KEY_SIZE);
	vault_close(v);
	v = vault_open(dir, false, &e);
	vault_chain_key(v, b);
	assert_memory_equal(a, b, KEY_SIZE);
	vault_close(v);
}

/* Any failing allocation or file call during a change leaves the old secret readable, in memory and on disk. */
static void test_faults(void **state)
{
	struct err e = ERR_INIT;
	struct vault *v = vault_open(dir, true, &e), *again;
	bool done = false;

	(void)state;
	must(vault_put(v, "k", "old-secret", &e), &e);
	for (uint64_t n = 1; n < 300 && !done; n++) {
		const char *is;
		fault_arm(FAULT_KINDS, n, false);
		done = vault_put(v, "k", "new-secret", &e) == 0;
		fault_disarm();
		is = vault_get(v, "k");
		assert_true(strcmp(is, "old-secret") == 0 || strcmp(is, "new-secret") == 0);
		again = vault_open(dir, false, &e);
		if (!again)
			fail_msg("%s", e.text);
		assert_non_null(vault_get(again, "k"));
		vault_close(again);
	}
	assert_true(done);
	assert_string_equal(vault_get(v, "k"), "new-secret");
	vault_close(v);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test_teardown(test_round_trip, clean),
		cmocka_unit_test_teardown(test_refused, clean),
		cmocka_unit_test_teardown(test_key_elsewhere, clean),
		cmocka_unit_test_teardown(test_derive, clean),
		cmocka_unit_test_teardown(test_faults, clean),
	};
	int rc;

	json_setup();
	if (crypt_setup(NULL) || !mkdtemp(dir))
		return 1;
	snprintf(vault_path, sizeof vault_path, "%s/vault", dir);
	snprintf(key_path, sizeof key_path, "%s/vault.key", dir);
	rc = cmocka_run_group_tests(all, NULL, NULL);
	fs_remove_tree(dir, NULL);
	return rc;
}
