/* house: see house.h. create.c makes runs, fork.c forks them; this file keeps the live ones and their
 * sleep. */
#include "flow/private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "flow/house_private.h"

#define LIVE_RUNS 20000
#define FIRST_UID 500000
#define NAP_US 2000000 /* shorter waits are not worth being rebuilt for; and a timer that is due must fire first */

/* A run that only waits, in no memory but this. */
struct sleeper {
	struct house *house;
	char id[ID_TEXT];
	struct timer timer;
};

static char *dup_path(const char *s)
{
	return mem_strdup(s ? s : "");
}

struct house *house_new(const struct house_options *o, struct err *e)
{
	struct house *h = MEM_NEW(struct house);
	if (!h) {
		err_nomem(e);
		return NULL;
	}
	h->loop = o->loop;
	h->store = o->store;
	h->llm = o->llm;
	h->data_dir = dup_path(o->data_dir);
	h->modes_dir = dup_path(o->modes_dir);
	h->roles_dir = dup_path(o->roles_dir);
	h->user = dup_path(o->user ? o->user : "owner");
	h->settings = o->settings ? json_incref((json_t *)o->settings) : json_object();
	h->policy = o->policy ? json_incref((json_t *)o->policy) : NULL;
	h->passivate = o->passivate;
	h->exec = o->exec;
	h->exec_ctx = o->exec_ctx;
	list_init(&h->runs);
	list_init(&h->budget_queue);
	map_init(&h->budgets, 1u << 20);
	map_init(&h->sleeping, 1u << 20);
	if (!h->data_dir || !h->modes_dir || !h->roles_dir || !h->user || !h->settings || budgets_load(h, e)) {
		if (e->code == ERR_OK)
			err_nomem(e);
		house_close(h, NULL, NULL);
		return NULL;
	}
	return h;
}

static void free_sleeper(void *value)
{
	struct sleeper *s = value;
	timer_stop(&s->timer);
	mem_free(s);
}

static void house_free(struct house *h)
{
	void (*done)(void *) = h->closed;
	void *ctx = h->closed_ctx;
	map_release(&h->budgets, mem_free);
	map_release(&h->sleeping, free_sleeper);
	mem_free(h->data_dir);
	mem_free(h->modes_dir);
	mem_free(h->roles_dir);
	mem_free(h->user);
	json_decref(h->settings);
	json_decref(h->policy);
	mem_free(h);
	if (done)
		done(ctx);
}

static void one_closed(void *ctx)
{
	struct house *h = ctx;
	if (h->closing && list_empty(&h->runs) && !h->open_count)
		house_free(h);
}

static void run_gone(void *ctx)
{
	struct house *h = ctx;
	h->open_count--;
	one_closed(h);
}

static void close_run(struct run *r)
{
	struct house *h = r->house;
	if (r->closing)
		return;
	h->open_count++;
	run_close(r, run_gone, h);
}

void house_discard(struct run *r)
{
	close_run(r);
}

void house_close(struct house *h, void (*done)(void *ctx), void *ctx)
{
	h->closing = true;
	h->closed = done;
	h->closed_ctx = ctx;
	h->open_count++;
	list_for (it, &h->runs)
		close_run(list_entry(it, struct run, link));
	run_gone(h);
}

void house_drain(struct house *h)
{
	h->draining = true;
}

bool house_calls(const struct house *h)
{
	list_for (it, &h->runs)
		if (ops_calling(list_entry(it, struct run, link)))
			return true;
	return false;
}

struct run *house_run(struct house *h, const char *id)
{
	list_for (it, &h->runs) {
		struct run *r = list_entry(it, struct run, link);
		if (!strcmp(r->id, id) && !r->closing)
			return r;
	}
	return NULL;
}

bool house_has(struct house *h, const char *id)
{
	list_for (it, &h->runs)
		if (!strcmp(list_entry(it, struct run, link)->id, id))
			return true;
	return false;
}

static void released(void *ctx)
{
	struct release *op = ctx;
	run_gone(op->house);
	op->cb(op);
}

bool house_release(struct house *h, const char *id, struct release *op)
{
	struct run *r = house_run(h, id);
	if (!r)
		return false;
	op->house = h;
	h->open_count++;
	run_close(r, released, op);
	return true;
}

int house_lease(struct house *h, const char *stream, int64_t *fence, struct err *e)
{
	return store_lease(h->store, stream, "folder", 3600 * 1000, fence, e);
}

static uid_t highest_owner(const char *dir)
{
	uid_t highest = 0;
	DIR *d = opendir(dir);
	struct dirent *it;
	struct stat st;
	while (d && (it = readdir(d)))
		if (!fstatat(dirfd(d), it->d_name, &st, AT_SYMLINK_NOFOLLOW) && st.st_uid > highest)
			highest = st.st_uid;
	if (d)
		closedir(d);
	return highest;
}

/* Above every uid that owns a copy now. */
uid_t house_uid(struct house *h)
{
	if (getuid() != 0)
		return 0;
	if (!h->next_uid) {
		h->next_uid = FIRST_UID;
		cleanup_free char *dir = fs_join(h->data_dir, "copies");
		uid_t highest = dir ? highest_owner(dir) : 0;
		if (highest >= h->next_uid)
			h->next_uid = highest + 1;
	}
	return h->next_uid++;
}

/* ---- resuming ---- */

static struct run *open_live(struct house *h, const char *id, struct err *e)
{
	struct run *r = house_run(h, id);
	if (r)
		return r;
	struct sleeper *s = map_del(&h->sleeping, span_of(id));
	if (s)
		free_sleeper(s);
	return run_open(h, id, false, e);
}

int house_resume_paused(struct house *h, const char *id, struct err *e)
{
	return open_live(h, id, e) ? 0 : -1;
}

int house_resume(struct house *h, const char *id, struct err *e)
{
	struct run *r = open_live(h, id, e);
	if (!r)
		return -1;
	if (r->broken) {
		*e = *r->broken;
		return -1;
	}
	if (run_final(r))
		return err_set(e, ERR_FINAL, "run %s is %s; fork it to go on: muster fork %s", run_short(id),
			run_state(r), run_short(id));
	bool just_failed = r->life == RUN_FAILED && r->seq > r->durable;
	if (r->life == RUN_ACTIVE || just_failed)
		return 0;
	cleanup_json json_t *command = json_pack("{s:s, s:s}", "kind", "resume", "by", h->user);
	return command ? run_command(r, command, 0, e) : err_nomem(e);
}

int house_command(struct house *h, const char *id, const json_t *command, int64_t command_n, struct err *e)
{
	struct run *r = open_live(h, id, e);
	return r ? run_command(r, command, command_n, e) : -1;
}

/* ---- sleep ---- */

static void wake(struct timer *t)
{
	struct sleeper *s = container_of(t, struct sleeper, timer);
	struct house *h = s->house;
	char id[ID_TEXT];
	struct err e = ERR_INIT;
	snprintf(id, sizeof(id), "%s", s->id);
	struct run *r = open_live(h, id, &e);
	if (r)
		r->woken = true;
	else
		log_write_about(LOG_ERROR, "house", (struct log_about){.run = id}, "it cannot be woken: %s", e.text);
}

/* What waits for no timer is opened by the command that it waits for: nothing is kept of it. */
static int put_to_sleep(struct house *h, struct run *r, struct err *e)
{
	int64_t left = run_wakes_in(r, clock_wall(loop_clock(h->loop)));
	struct sleeper *s = left >= 0 ? MEM_NEW(struct sleeper) : NULL;
	if (left < 0) {
		close_run(r);
		return 0;
	}
	if (!s)
		return err_nomem(e);
	s->house = h;
	snprintf(s->id, sizeof(s->id), "%s", r->id);
	timer_init(&s->timer, h->loop, wake);
	if (map_set(&h->sleeping, span_of(r->id), s, NULL, e) || timer_start(&s->timer, left / 1000 + 1, e)) {
		map_del(&h->sleeping, span_of(r->id));
		mem_free(s);
		return -1;
	}
	close_run(r);
	return 0;
}

static bool may_sleep(struct house *h, struct run *r)
{
	int64_t left = run_wakes_in(r, clock_wall(loop_clock(h->loop)));
	return r->life == RUN_ACTIVE && run_quiet(r) && (left < 0 || (left >= NAP_US && !r->woken));
}

void house_settled(struct house *h, struct run *r)
{
	if (h->watch)
		h->watch(h->watch_ctx, r);
	struct err e = ERR_INIT;
	if (h->passivate && !r->closing && may_sleep(h, r) && put_to_sleep(h, r, &e))
		log_write_about(LOG_WARN, "house", (struct log_about){.run = r->id}, "it stays in memory: %s", e.text);
	else if (h->passivate && !r->closing && run_quiet(r) && r->life != RUN_ACTIVE)
		close_run(r);
}

void house_watch(struct house *h, void (*cb)(void *ctx, struct run *r), void *ctx)
{
	h->watch = cb;
	h->watch_ctx = ctx;
}
