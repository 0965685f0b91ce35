/* wire: what muster and muster-init say to each other. Included by both sides; nothing else is shared.
 *
 * The channel is a SOCK_SEQPACKET socketpair made by muster before anything runs. One message is one frame: a struct
 * wire, then `size` bytes of payload, with up to WIRE_FDS descriptors beside it (SCM_RIGHTS). Both ends are the same
 * build on the same machine, so structs travel as they are. Commands never hold an end of it: it is close-on-exec and
 * muster-init is not dumpable, so that /proc/1/fd is closed to them.
 *
 * One program, two lives. Outside, as the launcher: it joins the sandbox's cgroups, waits for LAUNCH, takes the private
 * uid and becomes bubblewrap. Inside, as PID 1: bubblewrap starts it again with the same channel; it takes BEGIN,
 * answers READY, and then runs commands.
 *
 *	muster → launcher   LAUNCH
 *	muster → init       BEGIN  RUN  SIGNAL  DIAL
 *	init → muster       READY  STARTED  EXITED  DIALED
 *
 * For every RUN there is exactly one EXITED, after at most one STARTED. Closing the channel ends everything. */
#ifndef MUSTER_SANDBOX_WIRE_H
#define MUSTER_SANDBOX_WIRE_H

#include <stdint.h>

enum {
	WIRE_CHANNEL_FD = 3, /* the channel's number in the launcher and in bubblewrap */
	WIRE_FIRST_FD = 4,   /* further descriptors follow from here */
	WIRE_FDS = 32,
	WIRE_FRAME = 160 * 1024, /* largest frame; an argument of execve is at most 128 KiB anyway */
	WIRE_RLIMITS = 8,
	WIRE_COMMANDS = 128, /* alive at once in one sandbox, jobs and terminals included */
};

enum wire_type {
	WIRE_LAUNCH = 1,
	WIRE_BEGIN,
	WIRE_RUN,
	WIRE_SIGNAL,
	WIRE_DIAL,
	WIRE_READY,
	WIRE_STARTED,
	WIRE_EXITED,
	WIRE_DIALED
};

struct wire {
	uint32_t type;
	uint32_t id;	/* of the command or the dial */
	uint32_t size;	/* of the payload */
	int32_t status; /* EXITED: exit status or -1; SIGNAL: the signal; DIAL: the port; DIALED: errno */
	int32_t signal; /* EXITED */
	int32_t error;	/* EXITED: errno when it never started; status is then one of enum wire_stage */
	int64_t took_us;
};

/* LAUNCH: descriptors = those that bubblewrap inherits, from WIRE_FIRST_FD on. Payload: this, then as NUL-terminated
 * strings the argument vector of bubblewrap, the paths of `stages` sources, `etc` names in the host's /etc, and `files`
 * pairs of a name and a content. With a uid, every source is mounted at WIRE_STAGE/0, /1, … in a mount namespace of the
 * launcher's own: the private uid need not be able to reach the source's path, and the mounts vanish with the sandbox,
 * however it ends. The names that exist and the files are put together at WIRE_STAGE/etc. */
struct wire_launch {
	uint32_t uid; /* 0: stay who we are, no stages */
	uint32_t argc, stages, etc, files;
};
#define WIRE_STAGE "/tmp"

struct wire_rlimit {
	uint32_t resource; /* RLIMIT_… */
	uint64_t value;
};

/* BEGIN: descriptor = the compiled seccomp filter (struct sock_filter[]), which muster-init enters and every command
 * inherits. */
struct wire_begin {
	uint32_t egress_port; /* listen on 127.0.0.1:port and hand the listening socket over with READY; 0: none */
	uint32_t keeper;      /* no cgroup can end a command as a whole: put a keeper process above each */
	uint32_t landlock;    /* the version to use, 0: none */
	uint32_t rlimits;
	struct wire_rlimit rlimit[WIRE_RLIMITS];
};

/* READY: descriptor = the listening socket, if asked for. */

enum { WIRE_RUN_PTY = 1, WIRE_RUN_CGROUP = 2, WIRE_RUN_INPUT = 4, WIRE_RUN_TELL = 8 };

/* RUN: descriptors in this order: the output's write end (not with a PTY), the input (INPUT), the directory of its
 * cgroup v2 (CGROUP). Payload: this, then strings: the folder below /work
 * ("" = itself), argc arguments, envc variables. TELL: send STARTED once it is about to execute (with a PTY: always,
 * and the terminal's master side rides along). */
struct wire_run {
	uint32_t flags;
	uint32_t pad;
	uint32_t argc, envc;
	uint16_t rows, cols;
	uint32_t pad2;
	uint64_t data_limit; /* RLIMIT_DATA; 0: none of its own */
};

/* Where a command failed that never ran. */
enum wire_stage {
	WIRE_AT_FORK = 1,
	WIRE_AT_FOLDER,
	WIRE_AT_PTY,
	WIRE_AT_LIMITS,
	WIRE_AT_LANDLOCK,
	WIRE_AT_SECCOMP,
	WIRE_AT_EXEC,
	WIRE_AT_KEEPER,
};

#endif
