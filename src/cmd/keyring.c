/* keyring: see keyring.h. */
#include "cmd/keyring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/caps.h"
#include "base/crypt.h"
#include "base/fs.h"
#include "base/mem.h"

#define CAP_KEYRING (1 * MIB)

/* The folder, made when it is missing and `make` says so. */
static char *folder(bool make, struct err *e)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	cleanup_free char *dir = config && *config == '/' ? mem_printf("%s/muster", config)
				 : home && *home	  ? mem_printf("%s/.config/muster", home)
							  : NULL;
	if (!(config && *config == '/') && !(home && *home)) {
		err_set(e, ERR_USAGE, "neither XDG_CONFIG_HOME nor HOME is set: give the key as MUSTER_KEY");
		return NULL;
	}
	if (!dir)
		err_nomem(e);
	return !dir || (make && fs_mkdirs(dir, 0700, e)) ? NULL : steal(&dir);
}

static char *path_in(char *dir, struct err *e)
{
	cleanup_free char *where = dir;
	char *out = where ? fs_join(where, "credentials") : NULL;
	if (where && !out)
		err_nomem(e);
	return out;
}

char *keyring_path(struct err *e)
{
	return path_in(folder(false, e), e);
}

static json_t *load(const char *path, struct err *e)
{
	struct stat is;
	cleanup_buf struct buf text = BUF_INIT(CAP_KEYRING);
	if (stat(path, &is))
		return errno == ENOENT ? json_make(e, "{}") : (err_errno(e, errno, "%s", path), NULL);
	if (is.st_mode & 077) {
		err_set(e, ERR_DENIED, "others can read %s, which holds keys: chmod 600 it", path);
		return NULL;
	}
	if (fs_read(path, &text, e))
		return NULL;
	json_t *out = json_parse(buf_span(&text), path, e);
	crypt_wipe(text.data, text.len);
	if (out && !json_is_object(out)) {
		json_decref(out);
		out = NULL;
		err_set(e, ERR_INVALID, "%s is not what `muster auth login` writes: remove it and sign in again", path);
	}
	return out;
}

static char *member(const char *url, const char *name, struct err *e)
{
	cleanup_free char *path = keyring_path(e);
	cleanup_json json_t *all = path ? load(path, e) : NULL;
	const char *text = json_str(json_get(all, url), name);
	char *out = text ? mem_strdup(text) : NULL;
	if (text && !out)
		err_nomem(e);
	return out;
}

char *keyring_get(const char *url, struct err *e)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	if (!(config && *config == '/') && !(home && *home)) /* nothing was ever kept */
		return NULL;
	return member(url, "key", e);
}

char *keyring_id(const char *url, struct err *e)
{
	return member(url, "id", e);
}

static int save(const char *path, const json_t *all, struct err *e)
{
	cleanup_free char *text = json_text(all);
	int failed = text ? fs_replace(path, span_of(text), 0600, e) : err_nomem(e);
	if (text)
		crypt_wipe(text, strlen(text));
	return failed;
}

int keyring_put(const char *url, const char *key, const char *id, struct err *e)
{
	cleanup_free char *path = path_in(folder(true, e), e);
	cleanup_json json_t *all = path ? load(path, e) : NULL;
	if (!all)
		return -1;
	return json_put(all, url, json_pack("{s:s, s:s*}", "key", key, "id", id)) ? err_nomem(e) : save(path, all, e);
}

int keyring_drop(const char *url, struct err *e)
{
	cleanup_free char *path = keyring_path(e);
	cleanup_json json_t *all = path ? load(path, e) : NULL;
	if (!all)
		return -1;
	return json_object_del(all, url) ? 1 : save(path, all, e);
}
