/* landlock: a domain for each command (Documentation/userspace-api/landlock.rst), since commands of one sandbox have
 * one uid, and by that alone could trace, read and signal each other. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/init/init.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* As of version 6; older kernels take the shorter struct. */
struct ruleset {
	uint64_t handled_fs, handled_net, scoped;
};
struct path_beneath {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));
enum {
	CREATE_VERSION = 1,
	RULE_PATH_BENEATH = 1,
	FS_MAKE_BLOCK = 1 << 11,
	FS_REFER = 1 << 13,
	SCOPE_ABSTRACT = 1,
	SCOPE_SIGNAL = 2
};

int landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_VERSION);
	return v < 0 ? 0 : (int)v;
}

int landlock_enter(int version, int signals)
{
	if (version < 1)
		return 0;
	struct ruleset set = {0};
	size_t size = sizeof(set);
	if (version >= 6) {
		set.scoped = SCOPE_ABSTRACT | (signals ? SCOPE_SIGNAL : 0);
	} else {
		/* Any restriction makes a domain: the right to make block devices, which nobody here has anyway. Moving
		 * files between folders must be handled to stay possible; version 1 cannot, so it gets no domain. */
		if (version < 2)
			return 0;
		size = sizeof(set.handled_fs);
		set.handled_fs = FS_MAKE_BLOCK | FS_REFER;
	}
	int fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (fd < 0)
		return errno;
	int error = 0;
	if (set.handled_fs) {
		struct path_beneath rule = {.allowed = FS_REFER, .fd = open("/", O_PATH | O_CLOEXEC)};
		if (rule.fd < 0 || syscall(SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &rule, 0) != 0)
			error = errno;
		if (rule.fd >= 0)
			close(rule.fd);
	}
	if (!error && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		error = errno;
	close(fd);
	return error;
}
