#include "sandbox/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/mem.h"

#define MKFS "/sbin/mkfs.ext4" /* root's PATH may lack the folder */

enum { LOOP_TRIES = 32 };

struct disk {
	char *image, *fresh, *mount, *work, *home;
};

static int disk_names(struct disk *d, const char *copy, struct err *e)
{
	*d = (struct disk){
		.image = mem_printf("%s.img", copy),
		.fresh = mem_printf("%s.img.new", copy),
		.mount = mem_printf("%s.disk", copy),
		.work = mem_printf("%s.disk/work", copy),
		.home = mem_printf("%s.disk/home", copy),
	};
	return d->image && d->fresh && d->mount && d->work && d->home ? 0 : err_nomem(e);
}

static void disk_release(struct disk *d)
{
	mem_free(d->image);
	mem_free(d->fresh);
	mem_free(d->mount);
	mem_free(d->work);
	mem_free(d->home);
}

static int private_errno = ENOSYS; /* why this process has no mount namespace of its own; 0: it has */

void disk_private(void)
{
	bool failed = fault_hit(FAULT_IO) || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	private_errno = failed ? errno : 0;
}

bool disk_is_there(const char *copy)
{
	cleanup_free char *image = mem_printf("%s.img", copy);
	return image && fs_exists(image);
}

/* ---- making ---- */

/* Run it with its complaints in a pipe; those become the error. */
static int run_mkfs(const char *const argv[], struct err *e)
{
	static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
	posix_spawn_file_actions_t actions;
	cleanup_buf struct buf said = BUF_INIT(4096);
	struct err ignored = ERR_INIT;
	int ends[2], status = 0, rc;
	pid_t pid;
	if (fault_hit(FAULT_SPAWN) || pipe2(ends, O_CLOEXEC) != 0)
		return err_errno(e, errno, "start %s", argv[0]);
	rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDWR, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, 0, 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
	if (rc == 0)
		rc = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)argv, (char *const *)env);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (rc) {
		close(ends[0]);
		return rc == ENOENT ? err_set(e, ERR_NO_SANDBOX, "%s is missing: apt-get install e2fsprogs", argv[0])
				    : err_errno(e, rc, "start %s", argv[0]);
	}
	rc = fs_read_fd(ends[0], &said, &ignored);
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	struct span text = span_trim(buf_span(&said));
	return err_set(e, ERR_SANDBOX, "%s failed: %.*s", argv[0], rc ? 0 : (int)(text.n > 300 ? 300 : text.n), text.p);
}

static int make_image(const struct disk *d, uint64_t bytes, struct err *e)
{
	const char *const argv[] = {MKFS, "-q", "-F", "-m", "0", "-b", "4096", "-i", "8192", "-J", "size=4", "-O",
		"^resize_inode", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", d->fresh, NULL};
	int fd = fs_open(d->fresh, O_RDWR | O_CREAT | O_TRUNC, 0600, e);
	if (fd < 0)
		return -1;
	int rc = fault_hit(FAULT_IO) || ftruncate(fd, (off_t)bytes) ? err_errno(e, errno, "%s", d->fresh) : 0;
	if (rc == 0)
		rc = run_mkfs(argv, e);
	if (rc == 0)
		rc = fs_fsync(fd, e);
	close(fd);
	if (rc == 0)
		rc = fs_rename(d->fresh, d->image, e);
	return rc;
}

/* ---- mounting ---- */

/* Tie the image to a free loop device, which is free again when nothing has it open or mounted. The open device, or -1.
 */
static int loop_of(const char *image, char *name, size_t size, struct err *e)
{
	cleanup_fd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return err_set(e, ERR_NO_SANDBOX,
			"/dev/loop-control: %s: modprobe loop, or in a container give it the loop devices",
			strerror(errno));
	cleanup_fd int file = fs_open(image, O_RDWR, 0, e);
	if (file < 0)
		return -1;
	struct loop_config config = {.fd = (__u32)file, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
	snprintf((char *)config.info.lo_file_name, sizeof(config.info.lo_file_name), "%.*s",
		(int)sizeof(config.info.lo_file_name) - 1, image);
	for (int i = 0; i < LOOP_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			return err_set(e, ERR_NO_SANDBOX, "no loop device is free: %s", strerror(errno));
		snprintf(name, size, "/dev/loop%d", number);
		int device = open(name, O_RDWR | O_CLOEXEC);
		if (device < 0)
			return err_set(e, ERR_NO_SANDBOX, "%s: %s: in a container, give it the loop devices", name,
				strerror(errno));
		if (!fault_hit(FAULT_IO) && ioctl(device, LOOP_CONFIGURE, &config) == 0)
			return device;
		close(device);
		if (errno != EBUSY) /* else another process took it */
			return err_errno(e, errno, "%s for %s", name, image);
	}
	return err_set(e, ERR_NO_SANDBOX, "other programs take every loop device that is free; try again");
}

static bool is_mounted(const struct disk *d)
{
	struct stat at, beside;
	return stat(d->mount, &at) == 0 && stat(d->image, &beside) == 0 && at.st_dev != beside.st_dev;
}

static bool is_bound(const char *from, const char *to)
{
	struct stat a, b;
	return stat(from, &a) == 0 && stat(to, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static int make_folder(const char *path, uid_t uid, struct err *e)
{
	if (fs_mkdirs(path, 0700, e))
		return -1;
	return uid && (fault_hit(FAULT_IO) || chown(path, uid, uid))
		       ? err_errno(e, errno, "give %s to uid %u", path, uid)
		       : 0;
}

static int mount_image(const struct disk *d, struct err *e)
{
	char name[64];
	if (is_mounted(d))
		return 0;
	cleanup_fd int device = loop_of(d->image, name, sizeof(name), e);
	if (device < 0)
		return -1;
	if (fault_hit(FAULT_IO) ||
		mount(name, d->mount, "ext4", MS_NOSUID | MS_NODEV | MS_NOATIME, "discard,errors=remount-ro"))
		return err_errno(e, errno, "mount %s", d->image);
	return 0;
}

static int bind(const char *from, const char *to, uid_t uid, struct err *e)
{
	if (is_bound(from, to))
		return 0;
	if (make_folder(from, uid, e) || make_folder(to, uid, e))
		return -1;
	return fault_hit(FAULT_IO) || mount(from, to, NULL, MS_BIND, NULL) ? err_errno(e, errno, "bind %s", to) : 0;
}

int disk_open(const char *copy, const char *home, uint64_t bytes, uid_t uid, struct err *e)
{
	struct disk d;
	int rc = disk_names(&d, copy, e);
	if (rc == 0 && bytes < DISK_MIN_MIB * MIB)
		rc = err_set(e, ERR_INVALID, "a disk of its own has at least %d MiB", DISK_MIN_MIB);
	if (rc == 0 && geteuid() != 0)
		rc = err_set(e, ERR_NO_SANDBOX,
			"only root can mount a disk: run muster as root, for instance as a system service");
	if (rc == 0 && private_errno)
		rc = err_set(e, ERR_NO_SANDBOX, "no mount namespace of our own: %s", strerror(private_errno));
	if (rc == 0 && !fs_exists(d.image))
		rc = make_image(&d, bytes, e);
	if (rc == 0)
		rc = fs_mkdirs(d.mount, 0700, e);
	if (rc == 0)
		rc = mount_image(&d, e);
	if (rc == 0)
		rc = bind(d.work, copy, uid, e);
	if (rc == 0)
		rc = bind(d.home, home, uid, e);
	if (rc)
		disk_close(copy, home);
	disk_release(&d);
	return rc ? err_wrap(e, "a disk for %s", copy) : 0;
}

void disk_close(const char *copy, const char *home)
{
	cleanup_free char *disk = mem_printf("%s.disk", copy);
	const char *const paths[] = {home, copy, disk};
	if (!disk || !disk_is_there(copy))
		return;
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		umount2(paths[i], MNT_DETACH | UMOUNT_NOFOLLOW);
}

int disk_remove(const char *copy, const char *home, struct err *e)
{
	struct disk d;
	int rc = disk_names(&d, copy, e);
	if (rc == 0)
		disk_close(copy, home);
	rc = rc || fs_remove_tree(copy, e) || fs_remove_tree(home, e) || fs_remove_tree(d.mount, e) ||
			     fs_unlink(d.image, e)
		     ? -1
		     : 0;
	disk_release(&d);
	return rc;
}

int disk_try(const char *dir, struct err *e)
{
	cleanup_free char *at = mem_printf("%s/muster-disk-XXXXXX", dir);
	if (!at || !mkdtemp(at))
		return at ? err_errno(e, errno, "a folder in %s", dir) : err_nomem(e);
	cleanup_free char *copy = fs_join(at, "copy"), *home = fs_join(at, "home");
	struct err ignored = ERR_INIT;
	int rc = copy && home ? disk_open(copy, home, DISK_MIN_MIB * MIB, 0, e) : err_nomem(e);
	if (copy && home)
		disk_close(copy, home);
	fs_remove_tree(at, &ignored);
	return rc;
}
