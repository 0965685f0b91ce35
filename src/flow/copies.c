/* copies: the working copies of a run: their folder, branch, files, snapshot cache and sandbox.
 *
 * A copy is known from the journal (run.created, branch results) and opened only when something uses it; so a run that
 * waits, or is replayed, touches no file. */
#include "flow/private.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "flow/house_private.h"
#include "sandbox/disk.h"

struct workcopy *copy_add(
	struct run *r, const char *name, const char *dir, const char *branch, const char *head, struct err *e)
{
	struct workcopy *c = MEM_NEW(struct workcopy);
	if (!c || !(c->dir = mem_strdup(dir ? dir : "")) || !(c->branch = mem_strdup(branch ? branch : ""))) {
		if (c)
			mem_free(c->dir);
		mem_free(c);
		err_nomem(e);
		return NULL;
	}
	c->run = r;
	snprintf(c->name, sizeof(c->name), "%s", name ? name : "run");
	snprintf(c->head, sizeof(c->head), "%s", head ? head : "");
	list_init(&c->waiting);
	list_push(&r->copies, &c->link);
	return c;
}

static void settings_limits(const json_t *settings, struct sandbox_limits *l)
{
	const json_t *sandbox = json_get(settings, "sandbox");
	sandbox_limits_default(l);
	l->memory = (uint64_t)json_int(sandbox, "memory_mib", (int64_t)(l->memory / MIB)) * MIB;
	l->cpus = json_num(sandbox, "cpus", l->cpus);
	if (l->cpus == 0)
		l->cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
	l->processes = (int)json_int(sandbox, "processes", l->processes);
	l->disk = (uint64_t)json_int(sandbox, "disk_mib", (int64_t)(l->disk / MIB)) * MIB;
	l->tmp = (uint64_t)json_int(sandbox, "tmp_mib", (int64_t)(l->tmp / MIB)) * MIB;
}

/* ---- the place ---- */

static char *home_of(const char *dir) /* caches of package managers; not part of the copy */
{
	return mem_printf("%s.home", dir);
}

static int open_disk(const json_t *settings, const char *dir, uid_t uid, struct err *e)
{
	struct sandbox_limits limits;
	cleanup_free char *home = home_of(dir);
	settings_limits(settings, &limits);
	return home ? disk_open(dir, home, limits.disk, uid, e) : err_nomem(e);
}

int copy_place(const json_t *settings, const char *dir, uid_t uid, struct err *e)
{
	const char *limit = json_str(json_get(settings, "sandbox"), "disk_limit");
	if (!limit || strcmp(limit, "hard") != 0)
		return 0;
	return open_disk(settings, dir, uid, e) == 0 ? 0 : err_wrap(e, "sandbox.disk_limit is hard");
}

void copy_unplace(const char *dir)
{
	cleanup_free char *home = home_of(dir);
	if (home)
		disk_close(dir, home);
}

int copy_remove(const char *dir, struct err *e)
{
	cleanup_free char *home = home_of(dir);
	return home ? disk_remove(dir, home, e) : err_nomem(e);
}

/* The name of one entry of the folder of copies that is this run's: a copy, or what stands beside one (.git, .home).
 * 1, or 0: there is none, or -1. */
static int find_entry(const char *dir, const char *id, char out[NAME_MAX + 1], struct err *e)
{
	DIR *d = fault_hit(FAULT_IO) ? NULL : opendir(dir);
	struct dirent *it;
	int found = 0;
	if (!d)
		return errno == ENOENT ? 0 : err_errno(e, errno, "%s", dir);
	while (!found && (it = readdir(d)))
		if ((found = !strncmp(it->d_name, id, strlen(id))))
			snprintf(out, NAME_MAX + 1, "%s", it->d_name);
	closedir(d);
	return found;
}

int house_remove_copies(const struct house *h, const char *id, struct err *e)
{
	char name[NAME_MAX + 1];
	cleanup_free char *dir = fs_join(h->data_dir, "copies");
	if (!dir)
		return err_nomem(e);
	int found;
	while ((found = find_entry(dir, id, name, e)) > 0) {
		cleanup_free char *entry = fs_join(dir, name);
		cleanup_free char *copy = mem_printf("%s/%.*s", dir, (int)strcspn(name, "."), name);
		if (!entry || !copy)
			return err_nomem(e);
		if (copy_remove(copy, e) || fs_remove_tree(entry, e))
			return -1;
	}
	return found;
}

/* ---- a copy in use ---- */

static int make_sandbox(struct workcopy *c, struct err *e)
{
	static const char *const protect[] = {".git", NULL};
	struct run *r = c->run;
	const json_t *allow_list = json_get(json_get(r->settings, "sandbox"), "allow");
	struct sandbox_allow allow[64];
	size_t n = 0, i;
	json_t *item;
	json_array_foreach(allow_list, i, item)
	{
		const char *host = json_str(item, "host");
		if (host && n < 64)
			allow[n++] = (struct sandbox_allow){.host = host, .port = (int)json_int(item, "port", 443)};
	}
	cleanup_free char *git_dir = project_copy_git_dir(c->dir, e);
	if (!git_dir)
		return -1;
	cleanup_free char *home = home_of(c->dir);
	if (!home || fs_mkdirs(home, 0700, e) || (c->uid && chown(home, c->uid, c->uid)))
		return home ? -1 : err_nomem(e);
	struct sandbox_spec spec = {.copy = c->dir,
		.home = home,
		.git_dir = git_dir,
		.read_only = project_objects(c->env.project), /* the copy's git directory borrows them */
		.protect = protect,
		.allow = allow,
		.allow_count = n,
		.uid = c->uid,
		.untrusted = json_bool(r->created, "untrusted", false)};
	settings_limits(r->settings, &spec.limits);
	c->sandbox = sandbox_new(r->loop, &spec, e);
	return c->sandbox ? 0 : -1;
}

static int sim_exec(struct tool_env *env, struct tool_call *t, const char *line, struct err *e)
{
	struct workcopy *c = env->exec_ctx;
	struct house *h = c->run->house;
	int status = 0;
	cleanup_free char *dir = t->cwd ? fs_join(c->dir, t->cwd) : NULL;
	if (t->cwd && !dir)
		return err_nomem(e);
	if (h->exec(h->exec_ctx, line, dir ? dir : c->dir, &t->content, &status))
		return err_set(e, ERR_SPAWN, "the command could not be run");
	t->exit = status;
	return 0;
}

/* Its files as the journal knows them. */
static int make_again(struct workcopy *c, struct err *e)
{
	struct run *r = c->run;
	struct copy *copy = NULL;
	struct project *p = project_open(json_str(r->created, "dir"), NULL, e);
	uid_t uid = house_uid(r->house);
	int failed = !p || copy_place(r->settings, c->dir, uid, e) ||
		     project_checkout(p, c->head, c->dir, c->branch, uid, &copy, r->store, e) ||
		     (c->has_last && snapshot_restore(copy, &c->last, e)) || project_copy_keep(c->dir, e);
	copy_close(copy);
	project_close(p);
	return failed ? err_wrap(e, "making the working copy %s again after the machine stopped", c->dir) : 0;
}

int copy_ready(struct workcopy *c, struct err *e)
{
	struct run *r = c->run;
	bool kept;
	if (c->files)
		return 0;
	if (!r->house->exec && (project_copy_kept(c->dir, &kept, e) || (!kept && make_again(c, e))))
		return -1;
	struct stat st;
	if (stat(c->dir, &st))
		return err_errno(e, errno, "the working copy %s of run %s", c->dir, run_short(r->id));
	c->uid = getuid() == 0 ? st.st_uid : 0;
	c->has_disk = disk_is_there(c->dir);
	if (c->has_disk && open_disk(r->settings, c->dir, c->uid, e))
		return -1;
	struct files *files = files_open(c->dir, c->uid, e);
	if (!files)
		return -1;
	c->env.project = project_open(json_str(r->created, "dir"), NULL, e);
	c->copy = c->env.project ? copy_open(r->store, c->dir, c->has_last ? &c->last : NULL, e) : NULL;
	if (!c->copy || (!r->house->exec && make_sandbox(c, e))) {
		files_close(files);
		copy_close(c->copy);
		project_close(c->env.project);
		c->copy = NULL;
		c->env.project = NULL;
		return -1;
	}
	c->files = files;
	c->env.loop = r->loop;
	c->env.store = r->store;
	c->env.copy = c->copy;
	c->env.files = files;
	c->env.sandbox = c->sandbox;
	c->env.locks = &r->locks;
	c->env.run = r->id;
	c->env.branch = c->branch;
	c->env.head = c->head;
	c->env.settings = r->settings;
	c->env.base = r->has_base ? &r->base : NULL;
	const char *check = c->fixed ? c->fixed : json_str(r->created, "check");
	if (check && !(c->env.check = mem_strdup(check)))
		return err_nomem(e);
	if (r->house->exec) {
		c->env.exec = sim_exec;
		c->env.exec_ctx = c;
	}
	return 0;
}

static void copy_free_now(struct workcopy *c)
{
	struct run *r = c->run;
	list_remove(&c->link);
	files_close(c->files);
	copy_close(c->copy);
	project_close(c->env.project);
	mem_free(c->env.check);
	json_decref(c->check);
	mem_free(c->fixed);
	mem_free(c->dir);
	mem_free(c->branch);
	mem_free(c);
	tick_start(&r->flush); /* closing waits for the last of them */
}

static void unplace_run(struct work *w)
{
	copy_unplace(container_of(w, struct workcopy, unplace)->dir);
}

static void unplace_done(struct work *w)
{
	copy_free_now(container_of(w, struct workcopy, unplace));
}

/* Unmounting writes what the disk still has to: some milliseconds. */
static void copy_emptied(void *ctx)
{
	struct workcopy *c = ctx;
	struct err e = ERR_INIT;
	if (!c->has_disk) {
		copy_free_now(c);
	} else if (work_start(&c->unplace, c->run->loop, unplace_run, unplace_done, &e)) {
		copy_unplace(c->dir);
		copy_free_now(c);
	}
}

/* Asynchronous: its sandbox ends first, then its disk is unmounted. */
void copy_free(struct workcopy *c)
{
	struct sandbox *s = steal(&c->sandbox);
	if (s)
		sandbox_free(s, copy_emptied, c);
	else
		copy_emptied(c);
}
