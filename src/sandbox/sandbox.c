#include "sandbox/internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "sandbox/protect.h"

/* A sandbox's life.
 *
 *	stopped ──poke──▶ starting ──READY──▶ running ◀──▶ asleep
 *	   ▲                 │                   │            │
 *	   └── free          └───────────┬───────┴────────────┘
 *	                                 ▼ channel closed, process gone, too slow, free
 *	   failed ◀── all gone ──── ending
 *
 * Failed starts again at the next use. Ending closes the channel, at which muster-init exits and the kernel ends every
 * process of its namespace; bubblewrap ends after it, so its exit is the proof. What has not ended by then is killed.
 */

static const struct sm_state states[] = {
	[BOX_STOPPED] = {"stopped", SM_TO(BOX_STARTING) | SM_TO(BOX_ENDING)},
	[BOX_STARTING] = {"starting", SM_TO(BOX_RUNNING) | SM_TO(BOX_ENDING)},
	[BOX_RUNNING] = {"running", SM_TO(BOX_ASLEEP) | SM_TO(BOX_ENDING)},
	[BOX_ASLEEP] = {"asleep", SM_TO(BOX_RUNNING) | SM_TO(BOX_ENDING)},
	[BOX_ENDING] = {"ending", SM_TO(BOX_FAILED)},
	[BOX_FAILED] = {"failed", SM_TO(BOX_STARTING) | SM_TO(BOX_ENDING)},
};

enum { START_MS = 10000, END_POLL_MS = 2, END_FORCE_US = 500000, END_GIVE_UP_US = 10000000 };

void sandbox_limits_default(struct sandbox_limits *l)
{
	*l = (struct sandbox_limits){.memory = 512 * MIB,
		.cpus = 0.5,
		.processes = 256,
		.disk = 2048 * MIB,
		.tmp = 64 * MIB,
		.files = 1024,
		.file_size = 1024 * MIB};
}

static void on_tick(struct tick *t);
static void on_timer(struct timer *t);
static void begin_ending(struct sandbox *s, const struct err *why);

/* Copying the spec. */

static const char *keep(struct sandbox *s, const char *text, bool *failed)
{
	char *copy = text ? arena_dup(&s->arena, span_of(text)) : NULL;
	*failed |= text && !copy;
	return copy;
}

static const char *const *keep_list(struct sandbox *s, const char *const *list, bool *failed)
{
	size_t n = 0;
	if (!list)
		return NULL;
	while (list[n])
		n++;
	const char **copy = arena_alloc(&s->arena, (n + 1) * sizeof(*copy));
	*failed |= !copy;
	for (size_t i = 0; copy && i < n; i++)
		copy[i] = keep(s, list[i], failed);
	return copy;
}

static int keep_spec(struct sandbox *s, const struct sandbox_spec *spec, struct err *e)
{
	bool failed = false;
	s->spec = *spec;
	s->spec.copy = keep(s, spec->copy, &failed);
	s->spec.git_dir = keep(s, spec->git_dir, &failed);
	s->spec.image = keep(s, spec->image, &failed);
	s->spec.home = keep(s, spec->home, &failed);
	s->spec.protect = keep_list(s, spec->protect, &failed);
	s->spec.read_only = keep_list(s, spec->read_only, &failed);
	struct sandbox_allow *allow =
		spec->allow_count ? arena_alloc(&s->arena, spec->allow_count * sizeof(*allow)) : NULL;
	failed |= spec->allow_count && !allow;
	for (size_t i = 0; allow && i < spec->allow_count; i++) {
		allow[i] = spec->allow[i];
		allow[i].host = keep(s, spec->allow[i].host, &failed);
	}
	s->spec.allow = allow;
	return failed ? err_set(e, ERR_TOO_LARGE, "the sandbox's description is too large") : 0;
}

/* As root, the sandbox's processes need a uid of their own: the limits on processes do not hold for root, and what they
 * write must not belong to it. */
static int choose_uid(struct sandbox *s, struct err *e)
{
	struct stat st;
	if (!s->host->root) {
		s->spec.uid = 0;
		return 0;
	}
	if (s->spec.uid == 0) {
		if (fault_hit(FAULT_IO) || stat(s->spec.copy, &st) != 0)
			return err_errno(e, errno, "the working copy %s", s->spec.copy);
		s->spec.uid = st.st_uid;
	}
	if (s->spec.uid == 0)
		return err_set(e, ERR_INVALID,
			"the working copy %s belongs to root and no uid was allotted to it: allot one and chown it",
			s->spec.copy);
	return 0;
}

static int check_limits(const struct sandbox_limits *l, struct err *e)
{
	if (l->memory < 16 * MIB || l->cpus < 0.01 || l->processes < 4 || l->tmp < 64 * KIB || l->files < 16 ||
		l->file_size < 64 * KIB || l->disk < MIB)
		return err_set(e, ERR_INVALID,
			"the sandbox's limits are too small to run anything: at least 16 MiB of memory, 0.01 cpus, 4 "
			"processes, 1 MiB of disk, 64 KiB of /tmp, 16 files");
	return 0;
}

struct sandbox *sandbox_new_on(struct loop *l, const struct sandbox_spec *spec, const struct sandbox_host *host,
	const struct cgroup_host *cgroups, struct err *e)
{
	if (!spec->copy || spec->copy[0] != '/') {
		err_set(e, ERR_INVALID, "a sandbox needs the absolute path of its working copy");
		return NULL;
	}
	if (check_limits(&spec->limits, e) != 0)
		return NULL;
	struct sandbox *s = MEM_NEW(struct sandbox);
	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->loop = l;
	s->host = host;
	s->cgroups = cgroups;
	s->channel = s->errors = -1;
	for (int k = 0; k < CGROUP_KINDS; k++)
		s->cgroup.dir[k] = -1;
	s->cgroup.host = cgroups;
	s->cgroup.init = s->cgroup.spare.dir = -1;
	arena_init(&s->arena, MIB);
	list_init(&s->commands);
	list_init(&s->dials);
	sm_init(&s->sm, states, BOX_STOPPED);
	timer_init(&s->timer, l, on_timer);
	tick_init(&s->tick, l, on_tick);
	quota_init(s);
	if (keep_spec(s, spec, e) != 0 || choose_uid(s, e) != 0 ||
		egress_check(spec->allow, spec->allow_count, e) != 0) {
		arena_release(&s->arena);
		mem_free(s);
		return NULL;
	}
	return s;
}

struct sandbox *sandbox_new(struct loop *l, const struct sandbox_spec *spec, struct err *e)
{
	const struct sandbox_host *host = sandbox_probe(e);
	if (!host)
		return NULL;
	if (host->level == SANDBOX_NONE) {
		err_set(e, ERR_NO_SANDBOX, "%s. To mend it: %s", host->why, host->fix);
		return NULL;
	}
	if (host->level == SANDBOX_RLIMITS && spec->untrusted) {
		err_set(e, ERR_NO_SANDBOX,
			"this project was imported and is not trusted yet, and without cgroups this host limits its "
			"commands too weakly. To mend it: trust the project, or start muster under `systemd-run --user "
			"--scope -p Delegate=yes`");
		return NULL;
	}
	return sandbox_new_on(l, spec, host, sandbox_cgroups(), e);
}

enum sandbox_state sandbox_state(const struct sandbox *s)
{
	switch ((enum box_state)sm_is(&s->sm)) {
	case BOX_STARTING:
		return SANDBOX_STARTING;
	case BOX_RUNNING:
		return SANDBOX_RUNNING;
	case BOX_ASLEEP:
		return SANDBOX_ASLEEP;
	case BOX_FAILED:
		return SANDBOX_FAILED;
	case BOX_STOPPED:
		return SANDBOX_STOPPED;
	case BOX_ENDING:
		break;
	}
	return s->freeing == KEEP ? SANDBOX_FAILED : SANDBOX_STOPPED;
}

/* The channel. */

int sandbox_send(struct sandbox *s, const struct frame *f, struct err *e)
{
	int error = fault_hit(FAULT_IO) ? EIO : frame_send(s->channel, f, MSG_DONTWAIT);
	if (error == EAGAIN) {
		err_set(e, ERR_OVERLOADED, "the sandbox takes no more commands at the moment");
		return 1;
	}
	return error ? err_set(e, ERR_SANDBOX, "the sandbox ended: %s", strerror(error)) : 0;
}

static void on_ready(struct sandbox *s, struct frame *f)
{
	struct err e = ERR_INIT;
	int listener = frame_take(f, 0);
	timer_stop(&s->timer);
	if (s->spec.allow_count) {
		s->egress = listener < 0 ? NULL : egress_new(s->loop, listener, &s->spec, &e);
		if (!s->egress) {
			begin_ending(s, &e);
			return;
		}
	}
	sm_move(&s->sm, BOX_RUNNING);
	sandbox_poke(s);
}

static void take_frame(struct sandbox *s, struct frame *f)
{
	struct command *c = command_find(s, f->head.id);
	switch (f->head.type) {
	case WIRE_READY:
		if (sm_is(&s->sm) == BOX_STARTING)
			on_ready(s, f);
		break;
	case WIRE_STARTED:
		if (c)
			command_started(c, f);
		break;
	case WIRE_EXITED:
		if (c)
			command_exited(c, &f->head);
		break;
	case WIRE_DIALED:
		dial_answered(s, f);
		break;
	default:
		log_warn("sandbox", "unexpected frame %u from muster-init", f->head.type);
	}
}

static void on_channel(struct watch *w, int revents)
{
	struct sandbox *s = container_of(w, struct sandbox, watch);
	char room[sizeof(struct wire)];
	struct err e = ERR_INIT;
	if (revents & WATCH_WRITE) {
		if (watch_change(w, WATCH_READ, &e) != 0) {
			begin_ending(s, &e);
			return;
		}
		sandbox_poke(s);
	}
	while (s->channel >= 0) {
		struct frame f;
		int error = frame_recv(s->channel, &f, room, sizeof(room), MSG_DONTWAIT);
		if (error == EAGAIN)
			return;
		if (error) {
			begin_ending(s, NULL);
			return;
		}
		take_frame(s, &f);
		frame_close(&f);
	}
}

/* Starting. */

static void on_gone(struct child *c, int status, int signum)
{
	struct sandbox *s = container_of(c, struct sandbox, child);
	(void)status;
	(void)signum;
	if (sm_is(&s->sm) != BOX_ENDING)
		begin_ending(s, NULL);
	/* the timer sees that it is gone */
}

static const char *const git_only[] = {".git", NULL};

static int start(struct sandbox *s, struct err *e)
{
	if (protect_make(s->spec.copy, s->spec.protect, e) != 0 ||
		(s->spec.git_dir && protect_make(s->spec.copy, git_only, e) != 0))
		return -1;
	if (cgroup_new(&s->cgroup, s->cgroups, &s->spec.limits, s->spec.uid, e) != 0)
		return -1;
	if (launch_start(s, on_gone, e) != 0)
		return -1;
	if (watch_start(&s->watch, s->loop, s->channel, WATCH_READ, on_channel, e) != 0)
		return -1;
	return timer_start(&s->timer, START_MS, e);
}

static void send_all(struct sandbox *s)
{
	list_for (it, &s->commands) {
		command_send(list_entry(it, struct command, link));
		if (sm_is(&s->sm) != BOX_RUNNING)
			return;
	}
	dial_send(s);
}

static bool anything_waits(const struct sandbox *s)
{
	list_for (it, &s->dials)
		if (list_entry(it, struct sandbox_dial, link)->state == SANDBOX_DIAL_WAITS)
			return true;
	list_for (it, &s->commands) {
		struct command *c = list_entry(it, struct command, link);
		if (sm_is(&c->sm) == COMMAND_WAITING || c->signal_due)
			return true;
	}
	return false;
}

static void on_tick(struct tick *t)
{
	struct sandbox *s = container_of(t, struct sandbox, tick);
	struct err e = ERR_INIT;
	if (sm_is(&s->sm) == BOX_ENDING && s->timer.at == 0) { /* see look_again */
		on_timer(&s->timer);
		return;
	}
	if (s->freeing != KEEP) {
		if (sm_is(&s->sm) != BOX_ENDING)
			begin_ending(s, NULL);
		return;
	}
	if (!anything_waits(s))
		return;
	switch ((enum box_state)sm_is(&s->sm)) {
	case BOX_STOPPED:
	case BOX_FAILED:
		sm_move(&s->sm, BOX_STARTING);
		err_clear(&s->why);
		if (start(s, &e) != 0)
			begin_ending(s, &e);
		break;
	case BOX_ASLEEP:
		if (sandbox_wake(s, &e) != 0) {
			begin_ending(s, &e);
			break;
		}
		/* fall through */
	case BOX_RUNNING:
		send_all(s);
		if (sm_is(&s->sm) == BOX_RUNNING && anything_waits(s) &&
			watch_change(&s->watch, WATCH_READ | WATCH_WRITE, &e) != 0)
			begin_ending(s, &e);
		break;
	case BOX_STARTING:
	case BOX_ENDING:
		break;
	}
}

void sandbox_poke(struct sandbox *s)
{
	tick_start(&s->tick);
}

/* Ending. */

/* What bubblewrap or the launcher said last, as the reason. */
static void read_errors(struct sandbox *s)
{
	char text[512];
	ssize_t n = s->errors >= 0 ? read(s->errors, text, sizeof(text)) : 0;
	struct span said = span_trim(span_n(text, n > 0 ? (size_t)n : 0));
	if (s->why.code != ERR_OK)
		return;
	if (said.n > 0)
		err_set(&s->why, ERR_SANDBOX, "the sandbox could not start: %.*s", (int)said.n, said.p);
	else if (cgroup_ooms(&s->cgroup) > 0)
		err_set(&s->why, ERR_SANDBOX, "the sandbox ended: out of memory (its limit is %llu MiB)",
			(unsigned long long)(s->spec.limits.memory / MIB));
	else
		err_set(&s->why, ERR_SANDBOX, "the sandbox ended");
}

/* Is everything gone by then? Without memory for the timer the tick asks instead, in every turn. */
static void look_again(struct sandbox *s, int ms)
{
	struct err e = ERR_INIT;
	if (timer_start(&s->timer, ms, &e) != 0)
		sandbox_poke(s);
}

static void begin_ending(struct sandbox *s, const struct err *why)
{
	if (sm_is(&s->sm) == BOX_ENDING)
		return;
	if (why && why->code != ERR_OK)
		s->why = *why;
	if (sm_is(&s->sm) == BOX_ASLEEP)
		(void)cgroup_freeze(&s->cgroup, false, NULL); /* else it is killed frozen, which works as well */
	read_errors(s);
	sm_move(&s->sm, BOX_ENDING);
	watch_stop(&s->watch);
	if (s->channel >= 0)
		close(s->channel);
	if (s->errors >= 0)
		close(s->errors);
	s->channel = s->errors = -1;
	cgroup_kill(&s->cgroup);
	egress_free(s->egress);
	s->egress = NULL;
	quota_stop(s);
	struct err told = s->why;
	if (s->freeing != KEEP)
		err_set(&told, ERR_CANCELLED, "the sandbox was closed");
	list_for (it, &s->commands)
		command_abort(list_entry(it, struct command, link), told.code, told.text);
	dial_abort(s, &told);
	s->ending_since = clock_mono(loop_clock(s->loop));
	look_again(s, 0);
}

void sandbox_recycle(struct sandbox *s)
{
	struct sandbox_stats st = {0};
	struct err why = ERR_INIT;
	if (sm_is(&s->sm) != BOX_RUNNING || s->command_count > 0)
		return;
	cgroup_stats(&s->cgroup, &st);
	if (st.memory < s->spec.limits.memory / 4 * 3)
		return;
	err_set(&why, ERR_SANDBOX, "the sandbox's RAM disks had taken its memory and were given up");
	begin_ending(s, &why);
}

static void release(struct sandbox *s)
{
	void (*on_freed)(void *ctx) = s->on_freed;
	void *ctx = s->freed_ctx;
	list_for (it, &s->commands)
		command_free(list_entry(it, struct command, link)); /* ended jobs */
	tick_stop(&s->tick);
	arena_release(&s->arena);
	mem_free(s);
	if (on_freed)
		on_freed(ctx);
}

/* Does a command still wait for its callback? What was asked for while we end waits for the next start, unless there is
 * none. */
static bool busy(struct sandbox *s)
{
	bool any = false;
	list_for (it, &s->commands) {
		struct command *c = list_entry(it, struct command, link);
		if (sm_is(&c->sm) == COMMAND_WAITING && s->freeing != KEEP)
			command_abort(c, ERR_CANCELLED, "the sandbox was closed");
		any |= sm_is(&c->sm) != COMMAND_DONE && sm_is(&c->sm) != COMMAND_WAITING;
	}
	return any;
}

static void on_timer(struct timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, timer);
	struct err e = ERR_INIT;
	if (sm_is(&s->sm) == BOX_STARTING) {
		err_set(&e, ERR_SANDBOX, "the sandbox did not start within %d seconds", START_MS / 1000);
		begin_ending(s, &e);
		return;
	}
	int64_t since = clock_mono(loop_clock(s->loop)) - s->ending_since;
	if (s->child.pid && since > END_FORCE_US)
		child_kill(&s->child, SIGKILL);
	bool waits = busy(s) || s->child.pid || s->du_state != DU_IDLE;
	bool gone = !waits && cgroup_remove(&s->cgroup);
	if (!gone && !s->child.pid && since > END_FORCE_US)
		cgroup_kill(&s->cgroup);
	if (!gone && !waits && since > END_GIVE_UP_US) {
		log_error("sandbox", "a cgroup of a sandbox cannot be removed; it is tried again at the next start");
		cgroup_let_go(&s->cgroup);
		gone = true;
	}
	if (!gone) {
		look_again(s, END_POLL_MS);
		return;
	}
	protect_remove(s->spec.copy, s->spec.protect);
	if (s->spec.git_dir)
		protect_remove(s->spec.copy, git_only);
	if (s->freeing != KEEP) {
		struct err cancelled = ERR_INIT;
		err_set(&cancelled, ERR_CANCELLED, "the sandbox was closed");
		dial_abort(s, &cancelled);
		release(s);
		return;
	}
	sm_move(&s->sm, BOX_FAILED);
	sandbox_poke(s);
}

void sandbox_free(struct sandbox *s, void (*on_freed)(void *ctx), void *ctx)
{
	if (!s)
		return;
	s->freeing = FREE_ASKED;
	s->on_freed = on_freed;
	s->freed_ctx = ctx;
	sandbox_poke(s);
}

/* Sleeping. */

int sandbox_sleep(struct sandbox *s, struct err *e)
{
	if (sm_is(&s->sm) == BOX_ASLEEP)
		return 0;
	if (sm_is(&s->sm) != BOX_RUNNING)
		return err_set(e, ERR_CONFLICT, "only a running sandbox can sleep; this one is %s", sm_name(&s->sm));
	struct frame stop = {.head = {.type = WIRE_SIGNAL, .status = SIGSTOP}};
	if (cgroup_freeze(&s->cgroup, true, NULL) != 0 && sandbox_send(s, &stop, e) != 0)
		return -1;
	sm_move(&s->sm, BOX_ASLEEP);
	return 0;
}

int sandbox_wake(struct sandbox *s, struct err *e)
{
	if (sm_is(&s->sm) != BOX_ASLEEP)
		return 0;
	struct frame go = {.head = {.type = WIRE_SIGNAL, .status = SIGCONT}};
	if (cgroup_freeze(&s->cgroup, false, NULL) != 0 && sandbox_send(s, &go, e) != 0)
		return -1;
	sm_move(&s->sm, BOX_RUNNING);
	sandbox_poke(s);
	return 0;
}

int sandbox_stats(struct sandbox *s, struct sandbox_stats *out, struct err *e)
{
	*out = (struct sandbox_stats){.disk = s->disk};
	if (sm_is(&s->sm) != BOX_RUNNING && sm_is(&s->sm) != BOX_ASLEEP)
		return err_set(e, ERR_CONFLICT, "the sandbox is %s", sm_name(&s->sm));
	out->processes = (int)s->command_count;
	cgroup_stats(&s->cgroup, out);
	return 0;
}
