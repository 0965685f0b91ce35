/* vault: the file is a line that names the format, then a secretbox of "name\0value\0…" in order of insertion.
 *
 * Happy path: read the key, derive the sealing key, open, split. A change builds the new content, replaces the file
 * (whole and durable) and only then changes what is in memory.
 * Failure modes: a key that others may read, a missing key, a wrong key or damaged file (one and the same to the
 * cipher), a full log mask. Buffers for plain text get their whole room at once, so that growing leaves no copies, and
 * are wiped. */
#include "config/vault.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define MAGIC "muster vault 1\n"
#define VAULT_SIZE (CAP_VAULT_SECRETS * (CAP_VAULT_VALUE + 256))
#define SECRET_LEAST 6 /* what the log can mask */

struct vault {
	char *path;
	uint8_t master[KEY_SIZE], seal[KEY_SIZE];
	struct map secrets; /* name → char * */
};

static void wipe_free(void *secret)
{
	crypt_wipe(secret, strlen(secret));
	mem_free(secret);
}

static void wipe_buf(struct buf *b)
{
	if (b->data)
		crypt_wipe(b->data, b->room);
	buf_release(b);
}
#define cleanup_wiped __attribute__((cleanup(wipe_buf)))

void vault_derive(const struct vault *v, const char *label, uint8_t out[KEY_SIZE])
{
	struct hash h;

	_Static_assert(KEY_SIZE == HASH_SIZE, "a hash is a key");
	hash_bytes(&h, v->master, span_of(label));
	memcpy(out, h.b, KEY_SIZE);
	crypt_wipe(&h, sizeof h);
}

void vault_chain_key(const struct vault *v, uint8_t out[KEY_SIZE])
{
	vault_derive(v, "muster journal chain 1", out);
}

/* ---- the key ---- */

/* A key named from outside may be readable by a group (secrets mounted for a service); one in the data folder not. */
static int key_guarded(const char *path, bool outside, struct err *e)
{
	struct stat st;

	if (stat(path, &st))
		return err_set(e, ERR_NOT_FOUND, "the vault's key %s cannot be found", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "the vault's key %s is no file", path);
	if (st.st_mode & (outside ? 037 : 077))
		return err_set(e, ERR_DENIED,
			"the vault's key %s can be read or changed by others (mode %03o); do: chmod 600 %s", path,
			(unsigned)(st.st_mode & 0777), path);
	return 0;
}

static int key_read(struct vault *v, const char *path, bool outside, struct err *e)
{
	cleanup_wiped struct buf text = BUF_INIT(4 * KIB);
	struct hash key;
	int rc;

	if (key_guarded(path, outside, e) || fs_read(path, &text, e))
		return -1;
	rc = hash_parse(&key, span_trim(buf_span(&text)));
	if (!rc)
		memcpy(v->master, key.b, KEY_SIZE);
	crypt_wipe(&key, sizeof key);
	return rc ? err_set(e, ERR_CORRUPT, "the vault's key %s must be 64 hex digits; restore it from a backup", path)
		  : 0;
}

static int key_make(const char *path, struct err *e)
{
	char hex[HASH_HEX + 1];
	struct hash key;
	int rc;

	crypt_random(key.b, sizeof key.b);
	hash_hex(&key, hex);
	hex[HASH_HEX - 1] = '\n';
	rc = fs_replace(path, span_n(hex, HASH_HEX), 0600, e);
	crypt_wipe(&key, sizeof key);
	crypt_wipe(hex, sizeof hex);
	return rc;
}

/* ---- the content ---- */

static int take_secret(struct vault *v, const char *name, const char *value, struct err *e)
{
	char *copy = mem_strdup(value);
	void *old = NULL;

	if (!copy)
		return err_nomem(e);
	if (log_secret(copy, e) || map_set(&v->secrets, span_of(name), copy, &old, e)) {
		wipe_free(copy);
		return -1;
	}
	if (old)
		wipe_free(old);
	return 0;
}

static int split(struct vault *v, struct span plain, struct err *e)
{
	while (plain.n) {
		const char *name = plain.p, *value, *end;
		const char *nul = memchr(name, 0, plain.n);
		value = nul ? nul + 1 : NULL;
		end = value ? memchr(value, 0, plain.n - (size_t)(value - name)) : NULL;
		if (!end)
			return err_set(e, ERR_CORRUPT, "the vault %s is damaged", v->path);
		if (take_secret(v, name, value, e))
			return -1;
		plain = span_n(end + 1, plain.n - (size_t)(end + 1 - name));
	}
	return 0;
}

static int vault_read(struct vault *v, struct err *e)
{
	struct buf sealed = BUF_INIT(VAULT_SIZE);
	cleanup_wiped struct buf plain = BUF_INIT(VAULT_SIZE);
	size_t skip = strlen(MAGIC);
	int rc = fs_read(v->path, &sealed, e);

	if (!rc)
		buf_grow(&plain, sealed.len);
	if (!rc && !span_starts(buf_span(&sealed), "muster vault "))
		rc = err_set(e, ERR_CORRUPT, "%s is no vault", v->path);
	if (!rc && !span_starts(buf_span(&sealed), MAGIC))
		rc = err_set(e, ERR_NEWER, "the vault %s was written by a newer version of muster", v->path);
	if (!rc && crypt_open(v->seal, span_n(sealed.data + skip, sealed.len - skip), &plain))
		rc = plain.failed ? buf_check(&plain, "the vault", e)
				  : err_set(e, ERR_CORRUPT,
					    "the vault %s cannot be opened: it was changed, or this is not its key",
					    v->path);
	if (!rc)
		rc = split(v, buf_span(&plain), e);
	buf_release(&sealed);
	return rc;
}

/* The file with `name` set to value (NULL: without it). */
static int vault_write(const struct vault *v, const char *name, const char *value, struct err *e)
{
	cleanup_wiped struct buf plain = BUF_INIT(VAULT_SIZE);
	cleanup_buf struct buf file = BUF_INIT(VAULT_SIZE + KIB);
	struct map_entry *entry;
	size_t room = name && value ? strlen(name) + strlen(value) + 2 : 1;

	for (size_t i = 0; (entry = map_next(&v->secrets, &i));)
		room += entry->key_len + strlen(entry->value) + 2;
	buf_grow(&plain, room);
	for (size_t i = 0; (entry = map_next(&v->secrets, &i));) {
		if (name && strcmp(entry->key, name) == 0)
			continue;
		buf_add(&plain, entry->key, entry->key_len + 1);
		buf_add(&plain, entry->value, strlen(entry->value) + 1);
	}
	if (name && value) {
		buf_add(&plain, name, strlen(name) + 1);
		buf_add(&plain, value, strlen(value) + 1);
	}
	buf_adds(&file, MAGIC);
	if (buf_check(&plain, "the vault", e))
		return -1;
	if (crypt_seal(v->seal, buf_span(&plain), &file))
		return buf_check(&file, "the vault", e) ? -1 : err_set(e, ERR_INTERNAL, "the vault cannot be sealed");
	return fs_replace(v->path, buf_span(&file), 0600, e);
}

/* ---- open and close ---- */

static int vault_load(struct vault *v, const char *data_dir, bool create, struct err *e)
{
	const char *named = getenv("MUSTER_VAULT_KEY_FILE");
	bool outside = named && *named, exists;
	cleanup_free char *key = outside ? mem_strdup(named) : fs_join(data_dir, "vault.key");

	v->path = fs_join(data_dir, "vault");
	if (!key || !v->path)
		return err_nomem(e);
	exists = fs_exists(v->path);
	if (!fs_exists(key)) {
		if (exists)
			return err_set(e, ERR_NOT_FOUND,
				"the key %s of the vault %s is missing; restore it from a backup, or set "
				"MUSTER_VAULT_KEY_FILE",
				key, v->path);
		if (!create)
			return err_set(e, ERR_NOT_FOUND, "there is no vault in %s yet", data_dir);
		if (key_make(key, e))
			return -1;
	}
	if (key_read(v, key, outside, e))
		return -1;
	vault_derive(v, "muster vault 1", v->seal);
	if (exists)
		return vault_read(v, e);
	return create ? vault_write(v, NULL, NULL, e)
		      : err_set(e, ERR_NOT_FOUND, "there is no vault in %s yet", data_dir);
}

struct vault *vault_open(const char *data_dir, bool create, struct err *e)
{
	struct vault *v = MEM_NEW(struct vault);

	if (!v) {
		err_nomem(e);
		return NULL;
	}
	map_init(&v->secrets, CAP_VAULT_SECRETS);
	if (vault_load(v, data_dir, create, e)) {
		vault_close(v);
		return NULL;
	}
	return v;
}

void vault_close(struct vault *v)
{
	if (!v)
		return;
	map_release(&v->secrets, wipe_free);
	mem_free(v->path);
	crypt_wipe(v, sizeof *v);
	mem_free(v);
}

/* ---- secrets ---- */

const char *vault_get(const struct vault *v, const char *name)
{
	return map_get(&v->secrets, span_of(name));
}

static int name_ok(const char *name, struct err *e)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:/");

	if (n == 0 || n > 128 || name[n])
		return err_set(e, ERR_INVALID,
			"a secret's name is 1 to 128 letters, digits and . _ - : / ; \"%.100s\" is not", name);
	return 0;
}

int vault_put(struct vault *v, const char *name, const char *value, struct err *e)
{
	size_t n = strlen(value);

	if (name_ok(name, e))
		return -1;
	if (n < SECRET_LEAST || n > CAP_VAULT_VALUE)
		return err_set(e, ERR_INVALID, "the secret %s has %zu bytes; %d to %lu are possible", name, n,
			SECRET_LEAST, CAP_VAULT_VALUE);
	if (!vault_get(v, name) && map_count(&v->secrets) >= CAP_VAULT_SECRETS)
		return err_set(e, ERR_TOO_LARGE, "the vault holds %d secrets, no more are possible", CAP_VAULT_SECRETS);
	if (log_secret(value, e) || vault_write(v, name, value, e))
		return -1;
	return take_secret(v, name, value, e);
}

int vault_delete(struct vault *v, const char *name, struct err *e)
{
	if (!vault_get(v, name))
		return err_set(e, ERR_NOT_FOUND, "the vault has no secret \"%.100s\"", name);
	if (vault_write(v, name, NULL, e))
		return -1;
	wipe_free(map_del(&v->secrets, span_of(name)));
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *vault_list(const struct vault *v, struct err *e)
{
	const char *names[CAP_VAULT_SECRETS];
	json_t *list = json_array();
	struct map_entry *entry;
	size_t n = 0;

	for (size_t i = 0; n < CAP_VAULT_SECRETS && (entry = map_next(&v->secrets, &i));)
		names[n++] = entry->key;
	qsort(names, n, sizeof *names, by_text);
	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, json_string(names[i]))) {
			json_decref(list);
			list = NULL;
		}
	if (!list)
		err_nomem(e);
	return list;
}
