#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "sandbox/init/init.h"
#include "sandbox/internal.h"

/* What this host can do for sandboxes, found by starting one. Nothing is concluded from versions or settings: a sandbox
 * is started and `true` is run in it. Only when that fails are settings read, to name the command that mends it. */

enum { PROBE_UID = 71907, PROBE_MS = 15000 };

static struct cgroup_host cgroups;
static struct sandbox_host host;
static enum { UNKNOWN, KNOWN } probed;

const struct cgroup_host *sandbox_cgroups(void)
{
	return &cgroups;
}

static bool find_bwrap(char *path, size_t room)
{
	static const char *const places[] = {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};
	const char *given = getenv("MUSTER_BWRAP"), *dirs = getenv("PATH");
	if (given) {
		snprintf(path, room, "%s", given);
		return access(path, X_OK) == 0;
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, room, "%s", places[i]);
		if (access(path, X_OK) == 0)
			return true;
	}
	while (dirs && *dirs) {
		size_t n = strcspn(dirs, ":");
		if (dirs[0] == '/' && snprintf(path, room, "%.*s/bwrap", (int)n, dirs) < (int)room &&
			access(path, X_OK) == 0)
			return true;
		dirs += n + (dirs[n] == ':');
	}
	path[0] = 0;
	return false;
}

/* The trial. */

struct trial {
	struct sandbox_exec exec;
	struct timer timer;
	struct sandbox *sandbox;
	struct loop *loop;
	struct err why;
};

static void trial_freed(void *ctx)
{
	((struct trial *)ctx)->sandbox = NULL;
}

static void trial_over(struct trial *t)
{
	timer_stop(&t->timer);
	sandbox_free(t->sandbox, trial_freed, t);
}

static void trial_done(struct sandbox_exec *x, const struct err *why)
{
	struct trial *t = container_of(x, struct trial, exec);
	t->why = *why;
	if (why->code == ERR_OK && x->status != 0)
		err_set(&t->why, ERR_SANDBOX, "`true` ended with status %d and signal %d", x->status, x->signal);
	trial_over(t);
}

static void trial_late(struct timer *timer)
{
	struct trial *t = container_of(timer, struct trial, timer);
	sandbox_exec_cancel(&t->exec);
}

static int try_copy(const char *copy, struct trial *t, struct err *e)
{
	struct sandbox_spec spec = {.copy = copy, .uid = host.root ? PROBE_UID : 0};
	sandbox_limits_default(&spec.limits);
	static const char *const argv[] = {"true", NULL};
	t->exec = (struct sandbox_exec){.argv = argv, .on_done = trial_done};
	timer_init(&t->timer, t->loop, trial_late);
	t->sandbox = sandbox_new_on(t->loop, &spec, &host, &cgroups, e);
	if (!t->sandbox)
		return -1;
	if (timer_start(&t->timer, PROBE_MS, e) != 0 || sandbox_exec_start(&t->exec, t->sandbox, e) != 0) {
		t->why = *e;
		trial_over(t);
	}
	while (t->sandbox && loop_turn(t->loop, -1))
		;
	if (t->why.code != ERR_OK) {
		*e = t->why;
		return -1;
	}
	return 0;
}

static int try_it(struct err *e)
{
	char copy[] = "/tmp/muster-probe-XXXXXX";
	struct trial t = {.loop = loop_new(e)};
	if (!t.loop)
		return -1;
	int rc = -1;
	if (!mkdtemp(copy))
		err_errno(e, errno, "cannot make a folder in /tmp");
	else if (host.root && chown(copy, PROBE_UID, PROBE_UID) != 0)
		err_errno(e, errno, "cannot give %s to the uid %d", copy, PROBE_UID);
	else
		rc = try_copy(copy, &t, e);
	rmdir(copy);
	loop_free(t.loop);
	return rc;
}

/* Why not, and what mends it. */

static bool setting_is(const char *path, const char *value)
{
	cleanup_buf struct buf text = BUF_INIT(4 * KIB);
	return fs_read(path, &text, NULL) == 0 && span_is(span_trim(buf_span(&text)), value);
}

struct remedy {
	const char *path, *value; /* the setting that stands in the way */
	const char *why, *fix;
};
static const struct remedy remedies[] = {
	{"/proc/sys/kernel/unprivileged_userns_clone", "0", "this kernel lets only root make user namespaces",
		"sysctl -w kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/user/max_user_namespaces", "0", "user namespaces are switched off",
		"sysctl -w user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		"AppArmor keeps programs from making user namespaces",
		"sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
};

static void explain(const struct err *why)
{
	snprintf(host.why, sizeof(host.why), "%.*s", (int)sizeof(host.why) - 1, why->text);
	for (size_t i = 0; i < sizeof(remedies) / sizeof(*remedies); i++) {
		if (!setting_is(remedies[i].path, remedies[i].value))
			continue;
		snprintf(host.why, sizeof(host.why), "%s", remedies[i].why);
		snprintf(host.fix, sizeof(host.fix), "%s", remedies[i].fix);
		return;
	}
	snprintf(host.fix, sizeof(host.fix),
		"apt-get install --reinstall bubblewrap; in a container, start it with "
		"--security-opt seccomp=unconfined --security-opt apparmor=unconfined");
}

static void look(void)
{
	struct utsname u;
	struct err e = ERR_INIT;
	host = (struct sandbox_host){.root = geteuid() == 0};
	if (uname(&u) == 0)
		snprintf(host.kernel, sizeof(host.kernel), "%.60s %.60s", u.sysname, u.release);
	if (!find_bwrap(host.bwrap, sizeof(host.bwrap))) {
		snprintf(host.why, sizeof(host.why), "bubblewrap is not installed");
		snprintf(host.fix, sizeof(host.fix), "apt-get install bubblewrap");
		return;
	}
	cgroup_discover(&cgroups, NULL);
	cgroup_sweep(&cgroups);
	host.landlock = landlock_version();
	host.private_uids = host.root;
	host.kill_cgroup = cgroups.at[CGROUP_UNIFIED][0] != 0;
	host.level = cgroup_level(&cgroups);
	if (try_it(&e) != 0) {
		host.level = SANDBOX_NONE;
		explain(&e);
	}
}

const struct sandbox_host *sandbox_probe(struct err *e)
{
	(void)e;
	if (probed == UNKNOWN)
		look();
	probed = KNOWN;
	return &host;
}

static int line(json_t *list, const char *name, bool ok, const char *detail, const char *fix, struct err *e)
{
	json_t *row = json_make(e, "{s:s, s:b, s:s}", "name", name, "ok", ok, "detail", detail);
	if (!row || (!ok && fix && json_put_span(row, "fix", span_of(fix)) != 0) || json_array_append(list, row) != 0) {
		json_decref(row);
		return err_nomem(e);
	}
	json_decref(row);
	return 0;
}

json_t *sandbox_report(struct err *e)
{
	static const char *const levels[] = {"none: agents' commands are refused",
		"rlimits only: of memory, what each process has for itself is limited, not what it shares nor all "
		"together; "
		"processor time only by time-outs",
		"cgroup v1: memory, processor time and processes", "cgroup v2: memory, processor time and processes"};
	const struct sandbox_host *h = sandbox_probe(e);
	json_t *list = json_array();
	bool works = h->level != SANDBOX_NONE;
	if (!list) {
		err_nomem(e);
		return NULL;
	}
	const char *delegate = h->root ? "start muster as a systemd service with Delegate=yes"
				       : "systemd-run --user --scope -p Delegate=yes muster serve";
	if (line(list, "bubblewrap", h->bwrap[0] != 0, h->bwrap[0] ? h->bwrap : h->why, h->fix, e) != 0 ||
		line(list, "sandbox", works, works ? "a sandbox was started and ran a command" : h->why, h->fix, e) !=
			0 ||
		line(list, "limits", h->level > SANDBOX_RLIMITS, levels[h->level], delegate, e) != 0 ||
		line(list, "ending commands", h->kill_cgroup || h->landlock >= 6,
			h->kill_cgroup	   ? "all of a command's processes at once, by its cgroup"
			: h->landlock >= 6 ? "all of a command's processes at once, by its Landlock domain"
					   : "by the tree of processes: a command that fights it ends its sandbox",
			delegate, e) != 0 ||
		line(list, "commands apart", h->landlock >= 2,
			h->landlock >= 6   ? "commands of one sandbox cannot read, trace or signal each other"
			: h->landlock >= 2 ? "commands of one sandbox cannot read or trace each other, but can signal"
					   : "commands of one sandbox can read and trace each other",
			"a kernel with Landlock (5.19; 6.12 for signals)", e) != 0 ||
		line(list, "private uids", h->private_uids,
			h->private_uids ? "each working copy's commands run under a uid of their own"
					: "commands run under your own uid, inside the sandbox's namespaces",
			"run muster as root, for instance as a system service", e) != 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}
