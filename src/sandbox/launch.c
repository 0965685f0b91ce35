#include "sandbox/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "sandbox/filter.h"
#include "sandbox/image.h"
#include "sandbox/setup.h"

/* How the processes of a sandbox come to be: the launcher becomes bubblewrap, which starts muster-init inside.
 *
 * muster-init is executed from a sealed memfd: nothing to install, nothing to replace on disk, no noexec mount in the
 * way. The same descriptor serves the launcher outside and PID 1 inside.
 *
 * LAUNCH and BEGIN are sent at once; the socket keeps BEGIN until PID 1 reads it. */

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

enum { SEAL_TRIES = 10 };

/* Pages that the kernel is just moving between its lists look used: it waits 0.2 s for them and says EBUSY. */
static int seal(int fd)
{
	int rc;
	for (int i = 0; i < SEAL_TRIES; i++) {
		rc = fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
		if (rc == 0 || errno != EBUSY)
			break;
	}
	return rc;
}

static int memory_file(const char *name, unsigned flags, const void *data, size_t size, struct err *e)
{
	int fd = fault_hit(FAULT_IO) ? -1 : memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_errno(e, errno, "cannot make the memory file %s", name);
	if (fs_write_fd(fd, span_n(data, size), e) == 0 && lseek(fd, 0, SEEK_SET) == 0 && seal(fd) == 0)
		return fd;
	if (e->code == ERR_OK)
		err_errno(e, errno, "seal it");
	close(fd);
	return err_wrap(e, "cannot fill the memory file %s", name);
}

static int init_image(struct err *e)
{
	static int made = -1;
	if (made < 0)
		made = memory_file("muster-init", MFD_EXEC, muster_init_image, muster_init_image_size, e);
	return made;
}

static bool staged(const struct sandbox *s)
{
	return s->spec.uid != 0;
}

/* The descriptors of LAUNCH, which bubblewrap inherits: the image, and the contents of files that no stage holds. */
static int launch_descriptors(const struct sandbox *s, struct frame *f, struct err *e)
{
	int image = init_image(e);
	if (image < 0)
		return -1;
	f->fds[f->fd_count++] = image;
	for (size_t i = 0; !staged(s) && !s->spec.image && i < SETUP_FILES; i++) {
		const char *content = setup_files[i].content;
		int fd = memory_file("muster-file", 0, content, strlen(content), e);
		if (fd < 0)
			return -1;
		f->fds[f->fd_count++] = fd;
	}
	return 0;
}

static void add_string(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text) + 1);
}

static void add_stages(struct wire_launch *launch, const struct setup *plan, struct buf *strings)
{
	launch->stages = (uint32_t)plan->stage_count;
	for (size_t i = 0; i < plan->stage_count; i++)
		add_string(strings, plan->stages[i]);
	launch->etc = (uint32_t)plan->etc_count;
	for (size_t i = 0; i < plan->etc_count; i++)
		add_string(strings, plan->etc[i]);
	launch->files = plan->etc_count > 0 ? SETUP_FILES : 0;
	for (size_t i = 0; i < launch->files; i++) {
		add_string(strings, setup_files[i].name);
		add_string(strings, setup_files[i].content);
	}
}

static int send_launch(struct sandbox *s, const struct setup *plan, struct err *e)
{
	_Static_assert((int)SETUP_FILES < (int)WIRE_FDS, "descriptors of LAUNCH");
	cleanup_buf struct buf arguments = BUF_INIT(WIRE_FRAME), payload = BUF_INIT(WIRE_FRAME);
	struct frame f = {.head = {.type = WIRE_LAUNCH}};
	add_string(&arguments, s->host->bwrap);
	size_t argc = 1 + setup_arguments(plan, staged(s), WIRE_FIRST_FD + 1, &arguments);
	static const char *const last[] = {"--", "/proc/self/fd/4", "init"};
	_Static_assert(WIRE_FIRST_FD == 4, "the image's number");
	for (size_t i = 0; i < 3; i++, argc++)
		add_string(&arguments, last[i]);
	struct wire_launch launch = {.uid = s->spec.uid, .argc = (uint32_t)argc};
	if (staged(s))
		add_stages(&launch, plan, &arguments);
	int rc = launch_descriptors(s, &f, e);
	if (rc == 0) {
		buf_add(&payload, &launch, sizeof(launch));
		buf_addspan(&payload, buf_span(&arguments));
		rc = buf_check(&payload, "the sandbox's description", e);
		if (rc == 0)
			rc = buf_check(&arguments, "the sandbox's description", e);
	}
	if (rc == 0) {
		f.head.size = (uint32_t)payload.len;
		f.payload = payload.data;
		rc = sandbox_send(s, &f, e);
	}
	f.fds[0] = -1; /* the image is kept */
	frame_close(&f);
	return rc;
}

static void add_limit(struct wire_begin *b, int resource, uint64_t value)
{
	BUG_ON(b->rlimits == WIRE_RLIMITS);
	b->rlimit[b->rlimits++] = (struct wire_rlimit){.resource = (uint32_t)resource, .value = value};
}

static int send_begin(struct sandbox *s, struct err *e)
{
	const struct sandbox_limits *l = &s->spec.limits;
	struct wire_begin b = {.egress_port = s->spec.allow_count ? EGRESS_PORT : 0,
		.landlock = (uint32_t)s->host->landlock,
		.keeper = s->cgroups->at[CGROUP_UNIFIED][0] == 0};
	add_limit(&b, RLIMIT_CORE, 0);
	add_limit(&b, RLIMIT_NPROC, (uint64_t)l->processes);
	add_limit(&b, RLIMIT_NOFILE, (uint64_t)l->files);
	add_limit(&b, RLIMIT_FSIZE, l->file_size);
	add_limit(&b, RLIMIT_MEMLOCK, 64 * KIB);
	add_limit(&b, RLIMIT_MSGQUEUE, 64 * KIB);
	if (cgroup_level(s->cgroups) == SANDBOX_RLIMITS) /* for each process: the best there is */
		add_limit(&b, RLIMIT_DATA, l->memory);
	struct frame f = {.head = {.type = WIRE_BEGIN, .size = sizeof(b)}, .payload = (const char *)&b, .fd_count = 1};
	f.fds[0] = filter_fd(e);
	if (f.fds[0] < 0)
		return -1;
	return sandbox_send(s, &f, e);
}

static int start_launcher(struct sandbox *s, int theirs, int errors,
	void (*on_gone)(struct child *c, int status, int signum), struct err *e)
{
	int joins[CGROUP_KINDS], join_count = cgroup_joins(&s->cgroup, joins, e), image = init_image(e);
	if (join_count < 0)
		return -1;
	struct child_fd fds[4 + CGROUP_KINDS] = {
		{.fd = errors, .target = 2}, {.fd = theirs, .target = WIRE_CHANNEL_FD}};
	size_t n = 2;
	for (int i = 0; i < join_count; i++)
		fds[n++] = (struct child_fd){.fd = joins[i], .target = WIRE_FIRST_FD + i};
	int cgroup = s->cgroup.init, own = WIRE_FIRST_FD + join_count + (cgroup >= 0);
	if (cgroup >= 0)
		fds[n++] = (struct child_fd){.fd = cgroup, .target = WIRE_FIRST_FD + join_count};
	fds[n++] = (struct child_fd){.fd = image, .target = own};
	char file[32], count[16];
	snprintf(file, sizeof(file), "/proc/self/fd/%d", own);
	snprintf(count, sizeof(count), "%d", join_count);
	const char *argv[] = {"muster-init", "launch", count, cgroup >= 0 ? "1" : "0", NULL}, *env[] = {NULL};
	struct child_spec spec = {.file = file, .argv = argv, .env = env, .cwd = "/", .fds = fds, .fd_count = n};
	int rc = image < 0 ? -1 : child_start(&s->child, s->loop, &spec, on_gone, e);
	for (int i = 0; i < join_count; i++)
		close(joins[i]);
	return rc;
}

int launch_start(struct sandbox *s, void (*on_gone)(struct child *c, int status, int signum), struct err *e)
{
	cleanup_arena struct arena arena;
	arena_init(&arena, MIB);
	struct setup_facts facts;
	struct setup plan;
	if (setup_facts_read(&facts, &s->spec, &arena, e) != 0 || setup_plan(&plan, &s->spec, &facts, &arena, e) != 0)
		return -1;
	int pair[2], pipes[2];
	if (fault_hit(FAULT_IO) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return err_errno(e, errno, "cannot make the sandbox's channel");
	s->channel = pair[0];
	cleanup_fd int theirs = pair[1];
	if (fault_hit(FAULT_IO) || pipe2(pipes, O_CLOEXEC) != 0)
		return err_errno(e, errno, "cannot make a pipe for the sandbox");
	s->errors = pipes[0];
	cleanup_fd int errors = pipes[1];
	if (fcntl(s->channel, F_SETFL, O_NONBLOCK) != 0 || fcntl(s->errors, F_SETFL, O_NONBLOCK) != 0)
		return err_errno(e, errno, "cannot prepare the sandbox's channel");
	if (start_launcher(s, theirs, errors, on_gone, e) != 0)
		return -1;
	if (send_launch(s, &plan, e) != 0)
		return -1;
	return send_begin(s, e);
}
