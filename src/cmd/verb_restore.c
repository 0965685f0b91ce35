/* restore: a backup becomes a data folder. */
#include <stdio.h>

#include "base/duplicate.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/app.h"
#include "cmd/aside.h"
#include "cmd/out.h"
#include "store/owner.h"

static int check_backup(const char *from, struct err *e)
{
	cleanup_free char *origin = fs_join(from, APP_ORIGIN);
	if (!origin)
		return err_nomem(e);
	if (!fs_exists(origin))
		return err_set(e, ERR_INVALID,
			"%s is no backup, or one that was interrupted; name a folder that `muster backup` made", from);
	return owner_check(from, e);
}

static int check_copy(const char *dir, struct store_verified *found, struct err *e)
{
	struct loop *loop = loop_new(e);
	struct vault *vault = loop ? vault_open(dir, false, e) : NULL;
	struct store *store = NULL;
	uint8_t key[KEY_SIZE];
	if (vault) {
		vault_chain_key(vault, key);
		struct store_options o = {.dir = dir, .access = STORE_READ, .chain_key = key};
		store = store_open(loop, &o, e);
		crypt_wipe(key, sizeof(key));
	}
	int rc = store ? store_verify(store, NULL, found, e) : -1;
	store_close(store);
	vault_close(vault);
	loop_free(loop);
	return rc;
}

static int restore(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	struct aside to cleanup_aside = {0};
	struct store_verified found;
	const char *from = args_word(args, 0);
	if (app_open(&a, args, APP_FOLDERS, e) || check_backup(from, e) || aside_begin(&to, a.data_dir, e) ||
		duplicate_tree(from, to.made, NULL, e) || check_copy(to.made, &found, e) || aside_end(&to, e))
		return -1;
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	buf_addf(&out, "restored %s to %s; verified: %lld streams, %lld events, %lld blobs\n", from, a.data_dir,
		(long long)found.streams, (long long)found.events, (long long)found.blobs);
	return out_write(&out, e);
}

const struct verb verb_restore = {
	.name = "restore",
	.words = "SRC",
	.least = 1,
	.most = 1,
	.summary = "make a data folder of a backup",
	.help = "The data folder (--data) must not be there yet; it is DIR.incomplete until it is whole and verified. "
		"It can "
		"be\n"
		"looked at anywhere; runs go on in it only at the place of which the backup was made, or where that is "
		"a link\n"
		"to it, since they name their projects by it.",
	.run = restore,
};
