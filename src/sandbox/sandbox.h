/* sandbox: the isolated place where one working copy's commands, terminals and previews run (DESIGN section 9).
 *
 * One sandbox = one bubblewrap process whose PID 1 is muster-init, a small static program that we talk to over an
 * inherited socketpair: it starts commands and terminals, forwards output, reaps. The working copy is at /work; nothing
 * else of the host is writable; no network unless an allow-list is given (then through the egress proxy at
 * 127.0.0.1:3128 inside). A sandbox dies with this process. Deny by default: what the caller does not grant is not
 * there. */
#ifndef MUSTER_SANDBOX_SANDBOX_H
#define MUSTER_SANDBOX_SANDBOX_H

#include <sys/socket.h>

#include "base/json.h"
#include "loop/loop.h"

/* What this host can do, found by trying. */
enum sandbox_level {
	SANDBOX_NONE,	 /* cannot isolate: runs are refused */
	SANDBOX_RLIMITS, /* namespaces and seccomp, limits only by rlimits: refuses untrusted projects */
	SANDBOX_CGROUP1,
	SANDBOX_CGROUP2,
};
struct sandbox_host {
	enum sandbox_level level;
	bool root, private_uids; /* each working copy may run under a uid of its own */
	bool kill_cgroup;	 /* a command's processes can be ended as one by their cgroup */
	int landlock;	 /* version; from 2 on commands of one sandbox cannot read each other, from 6 on not signal; 0:
			    none */
	char bwrap[256]; /* path of bubblewrap */
	char why[512];	 /* when NONE: what is missing */
	char fix[512];	 /* and the exact command that mends it */
	char kernel[128];
};
/* Probes once by really starting a sandbox; blocking, some 20 ms; results are cached for the process. */
const struct sandbox_host *sandbox_probe(struct err *e);
/* For `muster doctor`: [{name, ok, detail, fix?}] */
json_t *sandbox_report(struct err *e);

struct sandbox_allow {
	const char *host; /* exact lower-case name, or ".example.org" for its subdomains */
	int port;
	bool internal; /* an administrator's entry: may resolve to private, loopback and link-local addresses */
	/* Decides instead of it, for each address that the name leads to; on the loop's thread. NULL: internal does */
	bool (*may)(void *ctx, const char *host, const struct sockaddr *a);
	void *ctx;
};

struct sandbox_limits {
	uint64_t memory;    /* bytes for all processes; default 512 MiB */
	double cpus;	    /* default 0.5 */
	int processes;	    /* default 256 */
	uint64_t disk;	    /* bytes of the working copy and the home, 4 KiB for an entry at least; watched: measured at
			       most every second, and what runs is ended above it (ERR_DISK_FULL) unless they shrink;
			       files deleted but held open are not seen; default 2 GiB. For a hard limit see disk.h */
	uint64_t tmp;	    /* bytes of /tmp; default 64 MiB */
	int files;	    /* open files per process; default 1024 */
	uint64_t file_size; /* largest single file; default 1 GiB */
};
void sandbox_limits_default(struct sandbox_limits *l);

struct sandbox_spec {
	const char *copy;    /* absolute path of the working copy on the host, bound at /work */
	const char *git_dir; /* the project's git directory, bound read-only at the same place /work/.git points to; or
				NULL */
	const char *const *protect;   /* paths below /work that stay read-only even when absent (".git", "muster.yaml");
					 NULL-terminated */
	const char *const *read_only; /* extra host paths bound read-only at the same path (tool chains);
					 NULL-terminated or NULL */
	const char *image; /* an unpacked root tree instead of the host's /usr; NULL: the host's /usr, read-only */
	const struct sandbox_allow *allow;
	size_t allow_count; /* 0: no network at all */
	const char *home;   /* host folder bound at /home/muster, where package managers keep their caches; NULL: a
			       private RAM disk of limits.tmp, gone with the sandbox */
	/* Told of every connection the egress proxy refused, for the audit; may be NULL. */
	void (*on_denied)(void *ctx, const char *host, int port, const char *why);
	void *ctx;
	uid_t uid; /* as root: the uid allotted to this working copy, which must own it (sandbox_own); 0: the copy's
		      owner, unless that is root: ERR_INVALID. As an ordinary user ignored: it is our own */
	bool untrusted; /* an imported or cloned project nobody has trusted yet: refused at SANDBOX_RLIMITS */
	struct sandbox_limits limits;
};

enum sandbox_state { SANDBOX_STARTING, SANDBOX_RUNNING, SANDBOX_ASLEEP, SANDBOX_STOPPED, SANDBOX_FAILED };

struct sandbox;
/* Does not start it: the first use does, milliseconds later. The spec is copied. -1: ERR_NO_SANDBOX with the fix. */
struct sandbox *sandbox_new(struct loop *l, const struct sandbox_spec *spec, struct err *e);
/* Ends every process; on_freed (may be NULL) fires when all are gone and the memory is free. Commands under way get
 * their callback first (ERR_CANCELLED). */
void sandbox_free(struct sandbox *s, void (*on_freed)(void *ctx), void *ctx);
enum sandbox_state sandbox_state(const struct sandbox *s);
int sandbox_sleep(struct sandbox *s, struct err *e); /* freeze all processes; the next use wakes */
int sandbox_wake(struct sandbox *s, struct err *e);
struct sandbox_stats {
	uint64_t memory, memory_peak, cpu_us, disk;
	int processes;
};
int sandbox_stats(struct sandbox *s, struct sandbox_stats *out, struct err *e);

/* A command: /bin/sh -c LINE (or argv), from a folder below /work, with no stdin, output merged in order of arrival.
 * When it ends its leftover processes are ended, unless background. */
struct sandbox_exec {
	/* set by the caller, borrowed until on_done */
	const char *line;	 /* or NULL: */
	const char *const *argv; /* NULL-terminated */
	const char *cwd;	 /* relative to /work; NULL: /work itself. Must not leave it. */
	const char *const *env;	 /* extra NAME=value; NULL-terminated or NULL. PATH, HOME=/home/muster, USER, SHELL,
				    LANG=C.UTF-8, TERM and with an allow-list the proxy variables are set; nothing of our
				    own environment is */
	struct span input;	 /* given as standard input (a file of these bytes); none: /dev/null */
	int64_t timeout_ms;	 /* 0: none; at the end TERM, 2 s later KILL to all its processes */
	bool background; /* on_done fires at its start with job set; it lives until killed or the sandbox ends */
	uint64_t memory; /* bytes for this command, 0: the sandbox's. With cgroup v2 for all its processes, else for
			    each */
	/* Output as it comes; valid during the call. Return false to pause reading (then sandbox_exec_resume). May be
	 * NULL. */
	bool (*on_output)(struct sandbox_exec *x, struct span bytes);
	/* Exactly once. why->code: ERR_OK (it ran: see status, signal), ERR_TIMEOUT, ERR_CANCELLED, ERR_SPAWN,
	 * ERR_DISK_FULL (limits.disk), ERR_SANDBOX (the sandbox died under it, or could not start). */
	void (*on_done)(struct sandbox_exec *x, const struct err *why);
	void *ctx;
	/* results */
	int status; /* exit status 0-255; -1 when a signal ended it */
	int signal;
	bool out_of_memory;
	int64_t took_us;
	uint32_t job;		 /* background: for sandbox_job_kill */
	struct command *command; /* private */
};
int sandbox_exec_start(struct sandbox_exec *x, struct sandbox *s, struct err *e);
void sandbox_exec_cancel(struct sandbox_exec *x); /* kills; on_done fires with ERR_CANCELLED */
void sandbox_exec_resume(struct sandbox_exec *x);
int sandbox_job_kill(struct sandbox *s, uint32_t job, struct err *e);
/* Background jobs: [{job, line, running, status}] and the tail of a job's output (capped ring, 64 KiB). */
json_t *sandbox_jobs(struct sandbox *s, struct err *e);
int sandbox_job_output(struct sandbox *s, uint32_t job, struct buf *out, struct err *e);

/* A terminal: its own session on a PTY. */
struct sandbox_term {
	const char *const *argv; /* NULL: the login shell */
	int rows, cols;
	void (*on_output)(struct sandbox_term *t, struct span bytes); /* pulled: see sandbox_term_pull */
	void (*on_done)(struct sandbox_term *t, const struct err *why);
	void *ctx;
	int status; /* as of an exec */
	int signal;
	struct command *command; /* private */
};
int sandbox_term_start(struct sandbox_term *t, struct sandbox *s, struct err *e);
int sandbox_term_write(struct sandbox_term *t, struct span bytes, struct err *e);
int sandbox_term_resize(struct sandbox_term *t, int rows, int cols, struct err *e);
void sandbox_term_pull(struct sandbox_term *t, bool on); /* output flows only while on (it is at start) */
void sandbox_term_close(struct sandbox_term *t);

/* A connection to a port inside, on 127.0.0.1 or ::1, for previews. The descriptor is a non-blocking TCP socket that
 * may still be connecting; the receiver owns it. on_done fires once, unless cancelled: fd -1 with ERR_NETWORK when
 * nothing listens there, or why the sandbox ended. */
struct sandbox_dial {
	void *ctx; /* the caller's */
	/* private */
	struct sandbox *sandbox;
	struct list link;
	void (*on_done)(struct sandbox_dial *d, int fd, const struct err *why);
	uint32_t id;
	int port;
	enum { SANDBOX_DIAL_WAITS, SANDBOX_DIAL_SENT } state;
};
int sandbox_dial_start(struct sandbox_dial *d, struct sandbox *s, int port,
	void (*on_done)(struct sandbox_dial *d, int fd, const struct err *why), struct err *e);
void sandbox_dial_cancel(struct sandbox_dial *d); /* no callback after it */

/* Give a working copy to its uid: chown of the whole tree, never following links. Blocking; for root only. */
int sandbox_own(const char *copy, uid_t uid, struct err *e);

#endif
