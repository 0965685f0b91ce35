#include "sandbox/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fs.h"

/* Numbers newer than the libseccomp of Debian 12 are given raw: from 424 on they are the same on all architectures. */

#define DENY(name) SCMP_SYS(name)

static const int denied[] = {
	/* namespaces and mounts */
	DENY(unshare),
	DENY(setns),
	DENY(mount),
	DENY(umount),
	DENY(umount2),
	DENY(pivot_root),
	DENY(chroot),
	428 /* open_tree */,
	429 /* move_mount */,
	430 /* fsopen */,
	431 /* fsconfig */,
	432 /* fsmount */,
	433 /* fspick */,
	442 /* mount_setattr */,
	457 /* statmount */,
	458 /* listmount */,
	467 /* open_tree_attr */,
	/* other processes */
	DENY(ptrace),
	DENY(process_vm_readv),
	DENY(process_vm_writev),
	DENY(kcmp),
	438 /* pidfd_getfd */,
	440 /* process_madvise */,
	448 /* process_mrelease */,
	DENY(move_pages),
	DENY(migrate_pages),
	/* wide surface, seldom needed */
	DENY(bpf),
	DENY(perf_event_open),
	DENY(userfaultfd),
	425 /* io_uring_setup */,
	426 /* io_uring_enter */,
	427 /* io_uring_register */,
	DENY(add_key),
	DENY(request_key),
	DENY(keyctl),
	DENY(fanotify_init),
	DENY(vmsplice),
	DENY(open_by_handle_at),
	DENY(name_to_handle_at),
	DENY(lookup_dcookie),
	DENY(modify_ldt),
	DENY(remap_file_pages),
	/* the machine */
	DENY(kexec_load),
	DENY(kexec_file_load),
	DENY(init_module),
	DENY(finit_module),
	DENY(delete_module),
	DENY(create_module),
	DENY(get_kernel_syms),
	DENY(query_module),
	DENY(reboot),
	DENY(swapon),
	DENY(swapoff),
	DENY(acct),
	DENY(quotactl),
	443 /* quotactl_fd */,
	DENY(syslog),
	DENY(settimeofday),
	DENY(clock_settime),
	DENY(clock_adjtime),
	DENY(adjtimex),
	DENY(sethostname),
	DENY(setdomainname),
	DENY(iopl),
	DENY(ioperm),
	DENY(nfsservctl),
	DENY(vhangup),
	DENY(uselib),
	DENY(ustat),
	DENY(sysfs),
	DENY(_sysctl),
	DENY(vserver),
};

/* mknod is used for fifos and plain files too: those stay. */
static const unsigned node_kinds[] = {S_IFCHR, S_IFBLK};

static const unsigned terminal_requests[] = {
	TIOCSTI, /* puts characters into another's input */
	0x541C,	 /* TIOCLINUX: pastes a selection */
	TIOCCONS,
	TIOCSETD,
};

static const unsigned new_namespaces[] = {
	CLONE_NEWUSER,
	CLONE_NEWNS,
	CLONE_NEWPID,
	CLONE_NEWNET,
	CLONE_NEWIPC,
	CLONE_NEWUTS,
	CLONE_NEWCGROUP,
	0x80 /* NEWTIME */,
};

/* Of the socket families only these; vsock above all is not confined by a network namespace. Pairs only of the first:
 * what makes a pair makes sockets of its family first, and loads the family's module. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/* Only the low half counts for the kernel: a rule that compared all 64 bits could be walked around. */
#define LOW 0xffffffffu

static int deny_if(scmp_filter_ctx ctx, int call, struct scmp_arg_cmp arg)
{
	return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), call, 1, &arg);
}

static int deny_calls(scmp_filter_ctx ctx)
{
	for (size_t i = 0; i < sizeof(denied) / sizeof(*denied); i++) {
		int call = denied[i];
		if (call < 0)
			continue; /* not a call of this architecture */
		int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), call, 0, NULL);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int deny_families(scmp_filter_ctx ctx, int call, const int *allowed, size_t count)
{
	int rc = 0;
	for (int family = 0; family <= AF_NETLINK && rc >= 0; family++) {
		bool listed = false;
		for (size_t i = 0; i < count; i++)
			listed |= allowed[i] == family;
		if (!listed)
			rc = deny_if(ctx, call, SCMP_A0(SCMP_CMP_MASKED_EQ, LOW, (scmp_datum_t)family));
	}
	/* With a high half set it is larger too. */
	return rc < 0 ? rc : deny_if(ctx, call, SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
}

static int deny_arguments(scmp_filter_ctx ctx)
{
	int rc = 0;
	for (size_t i = 0; i < sizeof(node_kinds) / sizeof(*node_kinds) && rc >= 0; i++) {
		rc = deny_if(ctx, SCMP_SYS(mknodat), SCMP_A2(SCMP_CMP_MASKED_EQ, S_IFMT, node_kinds[i]));
		if (rc >= 0 && SCMP_SYS(mknod) >= 0)
			rc = deny_if(ctx, SCMP_SYS(mknod), SCMP_A1(SCMP_CMP_MASKED_EQ, S_IFMT, node_kinds[i]));
	}
	for (size_t i = 0; i < sizeof(terminal_requests) / sizeof(*terminal_requests) && rc >= 0; i++)
		rc = deny_if(ctx, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_MASKED_EQ, LOW, terminal_requests[i]));
	for (size_t i = 0; i < sizeof(new_namespaces) / sizeof(*new_namespaces) && rc >= 0; i++)
		rc = deny_if(ctx, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, new_namespaces[i], new_namespaces[i]));
	if (rc >= 0)
		rc = deny_families(ctx, SCMP_SYS(socket), families, sizeof(families) / sizeof(*families));
	if (rc >= 0)
		rc = deny_families(ctx, SCMP_SYS(socketpair), families, 1);
	return rc;
}

static int compile(scmp_filter_ctx ctx, int fd, struct err *e)
{
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc >= 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree instead of a chain */
	if (rc >= 0)
		rc = deny_calls(ctx);
	if (rc >= 0)
		rc = deny_arguments(ctx);
	if (rc >= 0)
		rc = seccomp_export_bpf(ctx, fd);
	if (rc < 0)
		return err_errno(e, -rc, "cannot compile the system call filter");
	if (fault_hit(FAULT_IO) ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
		return err_errno(e, errno, "cannot seal the system call filter");
	return 0;
}

int filter_fd(struct err *e)
{
	static int made = -1;
	if (made >= 0)
		return made;
	int fd = fault_hit(FAULT_IO) ? -1 : memfd_create("muster-seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_errno(e, errno, "cannot make the system call filter");
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx ? compile(ctx, fd, e) : err_nomem(e);
	if (ctx)
		seccomp_release(ctx);
	if (rc != 0) {
		close(fd);
		return -1;
	}
	made = fd;
	return fd;
}
