/* fork: finds where a run was quiet, and makes a new run that begins there with its files and conversations.
 *
 * Quiet at seq: no model, tool or outside host call is in flight, the next event is an input, so that the machine was
 * at rest, and the run has not begun to end. The files of that instant are the snapshot that follows the last change
 * before it: nothing changes a copy until its snapshot is taken. */
#include "flow/private.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/fs.h"
#include "flow/house_private.h"

#define BATCH 128

struct quiet {
	int64_t seq;
	struct hash snapshot;
};

struct scan {
	int64_t at;
	json_t *flying;	  /* calls in flight, by a key of each */
	bool ended;	  /* the run has begun to end: nothing goes on from here */
	bool failed;	  /* no memory */
	int unsnapped;	  /* changes whose snapshot has not come yet */
	json_t *branches; /* not merged yet, name → git branch: their working copies are the origin's */
	json_t *merging;  /* key of the call → name */
	struct hash last;
	struct quiet best, before, pending; /* before: the best but for the newest */
};

static bool outside_step(const json_t *data)
{
	static const char *const inside[] = {
		"agent", "start", "stop", "ask", "gate", "continue_as", "call", "handler", NULL};
	const char *call = json_str(data, "call");
	for (const char *const *name = inside; *name; name++)
		if (call && !strcmp(call, *name))
			return false;
	return true;
}

/* Does it end the run for good? A failure that is not the flow's can be resumed. */
static bool is_end(enum event_type type, const json_t *data)
{
	const char *key = json_str(data, "key"), *kind = json_str(data, "kind");
	return (type == EVENT_FLOW_RESULT && key && !strncmp(key, "end.", 4)) ||
	       (type == EVENT_RUN_INTERVENED && kind && !strcmp(kind, "cancel")) ||
	       (type == EVENT_RUN_FAILED && !json_str(data, "where"));
}

static const char *call_key(const json_t *data, char out[192])
{
	const char *agent = json_str(data, "agent"), *call = json_str(data, "call");
	snprintf(out, 192, "%s/%s", agent ? agent : "", call ? call : "");
	return out;
}

static void took_off(struct scan *s, const char *key)
{
	s->failed |= json_object_set_new(s->flying, key, json_true()) != 0;
}

static void landed(struct scan *s, const char *key)
{
	json_object_del(s->flying, key);
}

/* What an agent had in flight at its end ends without a word. */
static void land_all(struct scan *s, const char *agent)
{
	size_t n = agent ? strlen(agent) : 0;
	const char *key;
	json_t *value;
	void *next;
	json_object_foreach_safe(s->flying, next, key, value) if (n && !strncmp(key, agent, n) && key[n] == '/')
		landed(s, key);
}

static void scan_merge(struct scan *s, const json_t *step)
{
	const char *call = json_str(step, "call"), *key = json_str(step, "key"), *name;
	const char *which = json_str(json_get(step, "args"), "branch");
	json_t *branch;
	if (!call || !key || !which || strcmp(call, "merge") != 0)
		return;
	json_object_foreach(s->branches, name, branch)
	{
		if (!strcmp(which, name) || !strcmp(which, json_string_value(branch)))
			s->failed |= json_object_set_new(s->merging, key, json_string(name)) != 0;
	}
}

static void scan_branch(struct scan *s, const json_t *result)
{
	const json_t *value = json_get(result, "value");
	const char *key = json_str(result, "key"), *merged = key ? json_str(s->merging, key) : NULL;
	if (json_str(value, "dir") && json_str(value, "copy"))
		s->failed |= json_object_set(s->branches, json_str(value, "copy"), json_get(value, "branch")) != 0;
	if (merged && json_bool(value, "merged", false))
		json_object_del(s->branches, merged);
}

/* Account for one event. The agent's model call is its call "". */
static void scan_event(struct scan *s, const struct event *ev, const json_t *data)
{
	char key[192];
	if (is_end(ev->type, data) && !s->ended) {
		s->ended = true;
		if (ev->type == EVENT_FLOW_RESULT && s->best.seq == ev->seq - 1) /* its call was in flight */
			s->best = s->before;
	}
	switch (ev->type) {
	case EVENT_MODEL_REQUESTED:
	case EVENT_TOOL_STARTED:
		took_off(s, call_key(data, key));
		break;
	case EVENT_MODEL_ANSWERED:
	case EVENT_MODEL_FAILED: /* perhaps of a request that could not be made */
		landed(s, call_key(data, key));
		break;
	case EVENT_TOOL_LOST:
		landed(s, call_key(data, key));
		hash_parse(&s->last, json_span(data, "manifest"));
		break;
	case EVENT_TOOL_FINISHED:
		landed(s, call_key(data, key));
		s->unsnapped += json_bool(data, "walk", false) || json_array_size(json_get(data, "changed"));
		break;
	case EVENT_AGENT_FINISHED:
		land_all(s, json_str(data, "agent"));
		break;
	case EVENT_FLOW_STEP:
		if (outside_step(data) && json_str(data, "key"))
			took_off(s, json_str(data, "key"));
		scan_merge(s, data);
		break;
	case EVENT_RUN_RESUMED: /* the end could not be written */
		s->ended = false;
		break;
	case EVENT_FLOW_RESULT:
		scan_branch(s, data);
		if (json_str(data, "key"))
			landed(s, json_str(data, "key"));
		s->unsnapped += json_bool(data, "walk", false) || json_array_size(json_get(data, "changed"));
		break;
	case EVENT_SNAPSHOT_TAKEN:
		s->unsnapped -= s->unsnapped > 0;
		if (json_str(data, "copy") && !strcmp(json_str(data, "copy"), "run")) {
			hash_parse(&s->last, json_span(data, "manifest"));
			if (s->pending.seq && !s->unsnapped) {
				s->pending.snapshot = s->last;
				s->best = s->pending;
				s->pending.seq = 0;
			}
		}
		break;
	default:
		break;
	}
}

static void consider(struct scan *s, int64_t seq)
{
	if (json_object_size(s->flying) || json_object_size(s->branches) || seq > s->at || s->ended)
		return;
	s->before = s->best;
	if (s->unsnapped)
		s->pending = (struct quiet){.seq = seq};
	else
		s->best = (struct quiet){.seq = seq, .snapshot = s->last};
}

static int scan_run(struct scan *s, struct store *store, const char *stream, struct err *e)
{
	struct event ev[BATCH];
	int64_t after = 0;
	int got, failed = 0;
	while (!failed && (got = store_read(store, stream, after, ev, BATCH, e)) != 0) {
		if (got < 0)
			return -1;
		for (int i = 0; i < got; i++) {
			if (after && event_kinds[ev[i].type].class == EVENT_CLASS_INPUT && after <= s->at)
				consider(s, after);
			bool wanted = !failed && (after <= s->at || s->pending.seq);
			json_t *data = wanted ? event_data(&ev[i], e) : NULL;
			failed |= wanted && !data;
			if (data && ev[i].type == EVENT_RUN_CREATED)
				hash_parse(&s->last, json_span(data, "snapshot"));
			if (data)
				scan_event(s, &ev[i], data);
			json_decref(data);
			after = ev[i].seq;
			event_release(&ev[i]);
		}
	}
	if (failed)
		return -1;
	if (!after)
		return err_set(e, ERR_NOT_FOUND, "there is no such run");
	consider(s, after);
	s->at = s->at < after ? s->at : after;
	return s->failed ? err_nomem(e) : 0;
}

int run_quiet_point(struct house *h, const char *id, int64_t at, int64_t *quiet, struct hash *snapshot, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	snprintf(stream, sizeof(stream), "run/%s", id);
	cleanup_json json_t *flying = json_object(), *branches = json_object(), *merging = json_object();
	struct scan s = {.at = at, .flying = flying, .branches = branches, .merging = merging};
	if (!flying || !branches || !merging)
		return err_nomem(e);
	if (scan_run(&s, h->store, stream, e))
		return err_wrap(e, "run %s", run_short(id));
	if (!s.best.seq)
		return err_set(
			e, ERR_CONFLICT, "run %s was never quiet up to event %lld", run_short(id), (long long)s.at);
	*quiet = s.best.seq;
	*snapshot = s.best.snapshot;
	return 0;
}

/* ---- the new run ---- */

/* run.created of the fork: its own copy and branch, everything else as it was. */
static json_t *created_of_fork(
	struct store *s, const char *from, int64_t quiet, const char *copy, const char *branch, struct err *e)
{
	json_t *data = run_created(s, from, NULL, e);
	if (!data)
		return NULL;
	int failed = json_put(data, "copy", json_string(copy)) | json_put(data, "branch", json_string(branch)) |
		     json_put(data, "forked", json_pack("{s:s, s:I}", "run", from, "at", (json_int_t)quiet)) |
		     json_put(data, "land", json_false());
	json_object_del(data, "record");
	if (failed) {
		json_decref(data);
		err_nomem(e);
		return NULL;
	}
	return data;
}

/* The origin's events up to there, and a pause after them. */
static int copy_events(struct house *h, const char *from, int64_t quiet, json_t *created, struct event *out,
	int64_t *count, struct err *e)
{
	char source[EVENT_STREAM_MAX];
	snprintf(source, sizeof(source), "run/%s", from);
	while (*count < quiet) {
		int max = quiet - *count < BATCH ? (int)(quiet - *count) : BATCH;
		int got = store_read(h->store, source, *count, out + *count, max, e);
		if (got <= 0)
			return got < 0 ? -1
				       : err_set(e, ERR_CORRUPT, "run %s ends before event %lld", from,
						 (long long)quiet);
		*count += got;
	}
	for (int64_t i = 0; i < quiet; i++) {
		id_new(out[i].id, out[i].at, NULL);
		*out[i].cause = '\0';
	}
	out[quiet] = (struct event){.seq = quiet + 1,
		.type = EVENT_RUN_INTERVENED,
		.v = 1,
		.at = clock_wall(loop_clock(h->loop)),
		.actor = ACTOR_SYSTEM};
	id_new(out[quiet].id, out[quiet].at, NULL);
	static const char pause[] = "{\"by\":\"fork\",\"kind\":\"pause\"}";
	cleanup_free char *text = json_text(created);
	blob_unref(out[0].data);
	out[0].data = text ? blob_new(text, strlen(text)) : NULL;
	out[quiet].data = blob_new(pause, strlen(pause));
	*count = quiet + 1;
	return out[0].data && out[quiet].data ? 0 : err_nomem(e);
}

struct forking {
	struct house_job job;
	char from[ID_TEXT], to[ID_TEXT], stream[EVENT_STREAM_MAX];
	char *dir, *branch;
	uid_t uid;
	int64_t at, quiet, count;
	struct event *events; /* of the new run, so many */
	json_t *created;
};

/* In one piece: a fork that is not whole would begin in the middle of something. */
static int prepare_events(struct forking *f, struct err *e)
{
	struct house *h = f->job.house;
	f->events = mem_calloc((size_t)f->quiet + 1, sizeof(*f->events));
	snprintf(f->stream, sizeof(f->stream), "run/%s", f->to);
	if (!f->events)
		return err_nomem(e);
	if (house_lease(h, f->stream, &f->job.append.fence, e) ||
		copy_events(h, f->from, f->quiet, f->created, f->events, &f->count, e))
		return -1;
	f->job.append.stream = f->stream;
	f->job.append.events = f->events;
	f->job.append.event_count = (size_t)f->count;
	return 0;
}

static int work_fork(struct house_job *j, struct err *e)
{
	struct forking *f = container_of(j, struct forking, job);
	struct house *h = j->house;
	struct hash snapshot;
	if (run_quiet_point(h, f->from, f->at, &f->quiet, &snapshot, e))
		return -1;
	f->created = created_of_fork(h->store, f->from, f->quiet, f->dir, f->branch, e);
	if (!f->created)
		return -1;
	struct project *p = project_open(json_str(f->created, "dir"), NULL, e);
	struct copy *copy = NULL;
	int failed = !p || copy_place(json_get(f->created, "settings"), f->dir, f->uid, e) ||
		     project_checkout(p, json_str(f->created, "base"), f->dir, f->branch, f->uid, &copy, h->store, e) ||
		     snapshot_restore(copy, &snapshot, e) || project_copy_keep(f->dir, e) || prepare_events(f, e);
	copy_close(copy);
	project_close(p);
	return failed ? -1 : 0;
}

static json_t *forked(struct house_job *j, struct err *e)
{
	const struct forking *f = container_of(j, struct forking, job);
	if (house_resume_paused(j->house, f->to, e))
		return NULL;
	return json_make(e, "{s:s, s:I, s:s}", "run", f->to, "at", (json_int_t)f->quiet, "from", f->from);
}

static void release_fork(struct house_job *j)
{
	struct forking *f = container_of(j, struct forking, job);
	if (j->why.code != ERR_OK && f->dir)
		copy_unplace(f->dir);
	for (int64_t i = 0; i < f->count; i++)
		event_release(&f->events[i]);
	json_decref(f->created);
	mem_free(f->events);
	mem_free(f->dir);
	mem_free(f->branch);
	mem_free(f);
}

struct house_job *house_fork_job(struct house *h, const char *id, int64_t at, struct err *e)
{
	struct forking *f = MEM_NEW(struct forking);
	if (!f) {
		err_nomem(e);
		return NULL;
	}
	f->job = (struct house_job){.house = h, .work = work_fork, .end = forked, .release = release_fork};
	snprintf(f->from, sizeof(f->from), "%s", id);
	id_new(f->to, clock_wall(loop_clock(h->loop)), NULL);
	f->dir = mem_printf("%s/copies/%s", h->data_dir, f->to);
	f->branch = mem_printf("muster/%s", run_short(f->to));
	if (!f->dir || !f->branch) {
		release_fork(&f->job);
		err_nomem(e);
		return NULL;
	}
	f->at = at;
	f->uid = house_uid(h);
	return &f->job;
}

int house_fork(struct house *h, const char *id, int64_t at, char new_id[ID_TEXT], int64_t *quiet, struct err *e)
{
	cleanup_json json_t *out = house_job_wait(house_fork_job(h, id, at, e), e);
	if (!out)
		return -1;
	snprintf(new_id, ID_TEXT, "%s", json_str(out, "run"));
	*quiet = json_int(out, "at", 0);
	return 0;
}
