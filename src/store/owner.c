/* owner: folder, lock, format and key.
 *
 * The lock is one of the open file description (F_OFD_SETLK), so that a second open in this process conflicts as well
 * and closing another descriptor of the file does not drop it. Order on first use: folder, lock, format, key, then the
 * database; a crash in between leaves a folder that the next owner completes. */
#include "store/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE_US 10000
#define FORMAT_PREFIX "muster data folder, format "

static int owned(int fd, const char *dir, struct err *e)
{
	cleanup_buf struct buf holder = BUF_INIT(512);
	struct span who;

	if (fs_read_fd(fd, &holder, e))
		return -1;
	who = span_trim(buf_span(&holder));
	if (who.n == 0)
		who = span_of("a process that is just starting");
	return err_set(e, ERR_OWNED, "the data folder %s is owned by %.*s; stop that, or let it do the work", dir,
		(int)who.n, who.p);
}

/* The holder that the lock file names is of this machine and no longer lives. A child that it was just starting,
 * between fork and exec, may keep its lock for some milliseconds more. */
static bool holder_is_dead(int fd, const char *host)
{
	char text[512] = "", at[256] = "";
	long pid;

	return pread(fd, text, sizeof text - 1, 0) > 0 && sscanf(text, "process %ld on %255s", &pid, at) == 2 &&
	       pid > 0 && !strcmp(at, host) && kill((pid_t)pid, 0) && errno == ESRCH;
}

static int lock(int fd, const char *dir, struct err *e)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	cleanup_buf struct buf text = BUF_INIT(512);
	char host[256] = "";
	int rc = -1;

	if (gethostname(host, sizeof host - 1))
		return err_errno(e, errno, "the name of this host");
	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		rc = fault_hit(FAULT_IO) ? -1 : fcntl(fd, F_OFD_SETLK, &lock);
		if (rc == 0 || (errno != EAGAIN && errno != EACCES))
			break;
		if (!holder_is_dead(fd, host))
			return owned(fd, dir, e);
		usleep(LOCK_PAUSE_US);
	}
	if (rc && (errno == EAGAIN || errno == EACCES))
		return owned(fd, dir, e);
	if (rc)
		return err_errno(e, errno, "lock %s/lock", dir);
	buf_addf(&text, "process %ld on %s\n", (long)getpid(), host);
	if (buf_check(&text, "the lock", e))
		return -1;
	if (fault_hit(FAULT_IO) || ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		return err_errno(e, errno, "write %s/lock", dir);
	return fs_write_fd(fd, buf_span(&text), e);
}

static int read_format(const char *path, const char *dir, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(512);
	struct span s;
	int version = 0;

	if (fs_read(path, &text, e))
		return -1;
	s = span_trim(buf_span(&text));
	if (!span_starts(s, FORMAT_PREFIX) || s.n > strlen(FORMAT_PREFIX) + 6)
		return err_set(e, ERR_CORRUPT, "%s is no format of a muster data folder; restore a backup", path);
	for (size_t i = strlen(FORMAT_PREFIX); i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return err_set(e, ERR_CORRUPT, "%s names no format; restore a backup", path);
		version = version * 10 + s.p[i] - '0';
	}
	if (version > OWNER_FORMAT)
		return err_set(e, ERR_NEWER,
			"the data folder %s has format %d; this program knows format %d; use a newer muster", dir,
			version, OWNER_FORMAT);
	/* Format 1 is the first there is. */
	return version == OWNER_FORMAT ? 0
				       : err_set(e, ERR_CORRUPT, "%s names format %d, which never was", path, version);
}

int owner_check(const char *dir, struct err *e)
{
	cleanup_free char *path = fs_join(dir, "format");

	if (!path)
		return err_nomem(e);
	if (!fs_exists(path))
		return err_set(
			e, ERR_NOT_FOUND, "%s is no muster data folder; start a run, or give another --data", dir);
	return read_format(path, dir, e);
}

int owner_write_format(const char *dir, struct err *e)
{
	cleanup_free char *path = fs_join(dir, "format");
	cleanup_buf struct buf text = BUF_INIT(512);

	if (!path)
		return err_nomem(e);
	if (fs_exists(path))
		return read_format(path, dir, e);
	buf_addf(&text, FORMAT_PREFIX "%d\n", OWNER_FORMAT);
	return buf_check(&text, "the format", e) ? -1 : fs_replace(path, buf_span(&text), 0600, e);
}

int owner_take(const char *dir, struct err *e)
{
	cleanup_free char *path = fs_join(dir, "lock");
	cleanup_fd int fd = -1;
	int taken;

	if (!path)
		return err_nomem(e);
	if (fs_mkdirs_durable(dir, 0700, e))
		return -1;
	fd = fs_open(path, O_RDWR | O_CREAT, 0600, e);
	if (fd < 0 || lock(fd, dir, e) || owner_write_format(dir, e))
		return -1;
	taken = fd;
	fd = -1;
	return taken;
}

void owner_leave(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int make_key(const char *dir, const char *path, struct err *e)
{
	cleanup_free char *db = fs_join(dir, "muster.db");
	struct hash key;
	char text[HASH_HEX + 1];
	int rc;

	if (!db)
		return err_nomem(e);
	if (fs_exists(db))
		return err_set(e, ERR_NOT_FOUND,
			"%s is missing, and without it the journal cannot be checked; put it back", path);
	crypt_random(key.b, sizeof key.b);
	hash_hex(&key, text);
	text[HASH_HEX - 1] = '\n';
	rc = fs_replace(path, span_n(text, HASH_HEX), 0600, e);
	crypt_wipe(text, sizeof text);
	crypt_wipe(&key, sizeof key);
	return rc;
}

int owner_chain_key(const char *dir, bool make, uint8_t out[KEY_SIZE], struct err *e)
{
	cleanup_free char *path = fs_join(dir, "vault.key");
	cleanup_buf struct buf text = BUF_INIT(512);
	struct hash key, derived;

	if (!path)
		return err_nomem(e);
	if (!fs_exists(path) && make && make_key(dir, path, e))
		return -1;
	if (fs_read(path, &text, e))
		return -1;
	if (hash_parse(&key, span_trim(buf_span(&text))))
		return err_set(e, ERR_CORRUPT, "%s must hold 64 hexadecimal digits; put the right key back", path);
	hash_bytes(&derived, key.b, span_of("muster: chain of the journal"));
	memcpy(out, derived.b, KEY_SIZE);
	crypt_wipe(&key, sizeof key);
	crypt_wipe(&derived, sizeof derived);
	crypt_wipe(text.data, text.len);
	return 0;
}
