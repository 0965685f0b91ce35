/* run: opening a run from its journal, its segments, its end, and closing it.
 *
 * At the end of the flow: agents that nobody awaited are stopped, the files are committed, a project that was new or
 * empty receives the branch, and run.completed says which evidence there is: a passing check on exactly the final
 * files, a failing one, or none. */
#include "flow/private.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/caps.h"
#include "flow/house_private.h"
#include "flow/program.h"

const char *run_short(const char *id)
{
	size_t n = strlen(id);
	return n > 8 ? id + n - 8 : id;
}

const char *run_id(const struct run *r)
{
	return r->id;
}

const char *run_state(const struct run *r)
{
	static const char *const names[] = {[RUN_ACTIVE] = "running",
		[RUN_PAUSED] = "paused",
		[RUN_FAILED] = "failed",
		[RUN_COMPLETED] = "completed",
		[RUN_CANCELLED] = "cancelled"};
	return r->life == RUN_ACTIVE && *r->waits ? "waiting" : names[r->life];
}

const char *run_waits_on(const struct run *r)
{
	return r->life == RUN_ACTIVE && *r->waits ? r->waits : NULL;
}

bool run_final(const struct run *r)
{
	return r->life == RUN_COMPLETED || r->life == RUN_CANCELLED;
}

const struct err *run_error(const struct run *r)
{
	return err_kept(r->error);
}

const struct err *run_broken(const struct run *r)
{
	return err_kept(r->broken);
}

bool run_quiet(const struct run *r)
{
	if (r->appends || r->draft_count || r->unpaid)
		return false;
	if (r->life == RUN_ACTIVE)
		return *r->waits && !ops_working(r);
	list_for (it, &r->ops) {
		enum op_state state = list_entry(it, struct op, link)->state;
		if (state == OP_UNDERWAY || state == OP_DROPPED || state == OP_KEPT)
			return false;
	}
	return true;
}

int64_t run_wakes_in(const struct run *r, int64_t now)
{
	int64_t first = -1;
	list_for (it, &r->ops) {
		const struct op *op = list_entry(it, struct op, link);
		if (op->type->waits && op->state != OP_DROPPED && (first < 0 || op_left(op, now) < first))
			first = op_left(op, now);
	}
	return first;
}

const char *run_model(struct run *r, const struct agent *a)
{
	return r->model ? r->model : a->model;
}

/* ---- segments ---- */

void run_flow_ended(struct run *r, bool ok, const json_t *value, const struct err *error)
{
	if (r->life == RUN_CANCELLED)
		return;
	r->ended_flow = true;
	r->flow_ready = true;
	json_decref(r->outcome);
	r->outcome = json_incref((json_t *)value);
	struct err too_large = ERR_INIT;
	if (ok && value && host_check_size("the flow's result", value, &too_large)) {
		ok = false;
		error = &too_large;
	}
	if (!ok) {
		r->flow_failed = true;
		run_fail(r, error, NULL);
	}
}

void run_segment_began(struct run *r)
{
	run_emit(r, EVENT_RUN_STARTED, NULL, json_pack("{s:i}", "segment", r->segments++));
}

static int begin_flow(struct run *r, struct err *e)
{
	/* not the run's id: the flow must do the same in a fork */
	json_t *given = json_pack("{s:s, s:O, s:O, s:O?, s:O?}", "mode", json_str(r->created, "mode"), "inputs",
		json_get(r->created, "inputs"), "settings", r->settings, "files", json_get(r->created, "files"),
		"project", json_get(r->created, "project_info"));
	return program_begin(r, "", bundle_ref(r->bundle), given, e);
}

/* ---- the end ---- */

static const char *evidence(const struct run *r)
{
	const struct workcopy *c = r->main;
	if (!c->check)
		return "unchecked";
	if (json_int(c->check, "exit", 1) != 0)
		return "failing";
	if (json_get(c->check, "altered")) /* the run changed what the check means */
		return "unchecked";
	return c->check_version >= c->edit_version ? "done" : "unchecked";
}

static void complete(struct run *r)
{
	char hex[HASH_HEX];
	hash_hex(&r->main->last, hex);
	json_t *data = json_pack("{s:s, s:O?, s:s?, s:s?, s:O?}", "evidence", evidence(r), "result", r->outcome,
		"snapshot", r->main->has_last ? hex : NULL, "commit", *r->main->head ? r->main->head : NULL, "check",
		r->main->check);
	if (data && r->landed)
		json_object_set_new(data, "merged", json_string(r->landed));
	r->life = RUN_COMPLETED;
	*r->waits = '\0';
	run_emit(r, EVENT_RUN_COMPLETED, NULL, data);
	run_changed(r);
}

void run_conclude(struct run *r)
{
	struct err e = ERR_INIT;
	struct map_entry *action;
	if (!r->ended_flow || r->life != RUN_ACTIVE)
		return;
	list_for (it, &r->awake)
		agent_stop(list_entry(it, struct agent, link), "cancelled", "the flow has ended", &e);
	if (r->flow_ready || ops_working(r) || r->ending)
		return;
	/* Branches that nobody waits for are given up where they wait: what they did from here on would be lost. */
	for (size_t i = 0; (action = map_next(&r->actions, &i));)
		action_close(r, action->key, "the flow has ended");
	list_for (it, &r->ops)
		op_drop(list_entry(it, struct op, link));
	r->ending = true;
	cleanup_json json_t *args = json_pack("{s:O}", "message", json_get(r->created, "title"));
	host_want(r, "end.commit", "end.commit", args);
}

int run_ending(struct run *r, const char *step, bool ok, const json_t *data, struct err *e)
{
	(void)e;
	if (!ok) {
		struct err why = ERR_INIT;
		const json_t *error = json_get(data, "error");
		err_set(&why, err_code_named(json_str(error, "code")), "%s", json_str(error, "text"));
		if (!strcmp(step, "end.land")) { /* the person's checkout is in the way: `muster merge` later */
			run_emit(r, EVENT_ERROR, NULL,
				json_pack(
					"{s:s, s:b, s:s}", "severity", "warning", "recoverable", 1, "text", why.text));
			complete(r);
			return 0;
		}
		r->ending = false;
		run_fail(r, &why, "committing the result");
		return 0;
	}
	if (!strcmp(step, "end.commit") && edits_in(json_get(json_get(data, "value"), "changed")))
		r->main->edit_version = ++r->main->version;
	if (!strcmp(step, "end.commit") && json_bool(r->created, "land", false)) {
		cleanup_json json_t *args = json_object();
		host_want(r, "end.land", "end.land", args);
		return 0;
	}
	if (!strcmp(step, "end.land")) {
		mem_free(r->landed);
		r->landed = mem_strdup(json_str(json_get(data, "value"), "landed"));
	}
	complete(r);
	return 0;
}

/* ---- opening ---- */

static int set_scopes(struct run *r, struct err *e)
{
	const char *user = json_str(r->created, "user");
	r->scopes[0] = mem_printf("run/%s", r->id);
	r->scopes[1] = mem_printf("project/%s", json_str(r->created, "project"));
	r->scopes[2] = mem_printf("user/%s", user ? user : "owner");
	r->scopes[3] = mem_strdup("house");
	r->project_stream = mem_strdup(r->scopes[1] ? r->scopes[1] : "");
	for (int i = 0; i < BUDGET_SCOPES; i++)
		if (!r->scopes[i])
			return err_nomem(e);
	return r->project_stream ? 0 : err_nomem(e);
}

int policies_load(struct policy *p, const json_t *outer, const json_t *run, struct err *e)
{
	for (enum policy_scope s = POLICY_INSTALLATION; s < POLICY_RUN; s++)
		if (policy_load_json(p, s, json_get(outer, policy_scope_name(s)), e))
			return -1;
	return policy_load_json(p, POLICY_RUN, run, e);
}

static int set_policy(struct run *r, struct err *e)
{
	const struct policy *defaults = tools_policy(e);
	r->policy = defaults ? policy_new() : NULL;
	if (!r->policy)
		return defaults ? err_nomem(e) : -1;
	policy_share(r->policy, defaults);
	return policies_load(r->policy, json_get(r->created, "policies"), json_get(r->created, "policy"), e);
}

static int set_bundle(struct run *r, struct err *e)
{
	struct hash h;
	if (hash_parse(&h, json_span(r->created, "bundle")))
		return err_set(e, ERR_CORRUPT, "run %s names no bundle", r->id);
	struct blob *text = store_blob(r->store, &h, e);
	if (!text)
		return err_wrap(e, "the pinned mode of run %s", run_short(r->id));
	r->bundle = bundle_parse(blob_span(text), e);
	blob_unref(text);
	return r->bundle ? 0 : -1;
}

json_t *run_created(struct store *s, const char *id, struct event *first, struct err *e)
{
	char stream[EVENT_STREAM_MAX];
	struct event ev;
	snprintf(stream, sizeof(stream), "run/%s", id);
	int got = store_read(s, stream, 0, &ev, 1, e);
	if (got <= 0) {
		if (!got)
			err_set(e, ERR_NOT_FOUND, "there is no run %s", id);
		return NULL;
	}
	json_t *data = ev.type == EVENT_RUN_CREATED ? event_data(&ev, e) : NULL;
	if (ev.type != EVENT_RUN_CREATED)
		err_set(e, ERR_CORRUPT, "run %s does not begin with run.created", id);
	event_release(&ev);
	ev.data = NULL;
	if (first)
		*first = ev;
	return data;
}

static int begin(struct run *r, struct err *e)
{
	struct event first;
	r->created = run_created(r->store, r->id, &first, e);
	if (!r->created)
		return -1;
	r->read = r->seq = r->durable = first.seq;
	r->now = first.at;
	snprintf(r->cause, sizeof(r->cause), "%s", first.id);
	r->settings = json_incref(json_get(r->created, "settings"));
	r->seed = (uint64_t)json_int(r->created, "seed", 0);
	const char *model = json_str(r->created, "model");
	if (model && !(r->model = mem_strdup(model)))
		return err_nomem(e);
	r->budget_usd = json_num(r->created, "budget_usd", -1);
	r->matched = 1;
	r->main = copy_add(r, "run", json_str(r->created, "copy"), json_str(r->created, "branch"),
		json_str(r->created, "base"), e);
	if (!r->main || set_scopes(r, e) || set_policy(r, e) || set_bundle(r, e))
		return -1;
	struct hash h;
	if (!hash_parse(&h, json_span(r->created, "snapshot"))) {
		r->main->last = r->base = h;
		r->main->has_last = true;
		r->has_base = !json_bool(json_get(r->created, "project_info"), "empty", false);
	}
	return 0;
}

void agent_entry_free(void *value)
{
	struct agent_entry *entry = value;
	agent_free(entry->agent);
	mem_free(entry->key);
	mem_free(entry->waiter);
	json_decref(entry->vars);
	json_decref(entry->outcome);
	mem_free(entry);
}

static void free_json(void *value)
{
	json_decref(value);
}

static void run_free(struct run *r)
{
	list_remove(&r->link);
	if (r->live && !house_run(r->house, r->id)) /* it may have been opened again meanwhile */
		mem_free(map_del(&r->house->budgets, span_of(r->scopes[0])));
	tick_stop(&r->flush);
	if (r->house->llm && r->live)
		llm_script_forget(r->house->llm, r->id);
	recorder_close(r->recorder);
	map_release(&r->agents, agent_entry_free);
	map_release(&r->handlers, free_json);
	map_release(&r->actions, action_free_value);
	map_release(&r->signals, free_json);
	map_release(&r->waiters, free_json);
	programs_release(r);
	bundle_free(r->bundle);
	policy_free(r->policy);
	locks_release(&r->locks);
	for (int i = r->ahead_at; i < r->ahead_count; i++)
		event_release(&r->ahead[i]);
	mem_free(r->ahead);
	for (size_t i = 0; i < r->draft_count; i++)
		event_release(&r->drafts[i]);
	mem_free(r->drafts);
	for (size_t i = 0; i < r->blob_count; i++)
		blob_unref(r->blobs[i].bytes);
	mem_free(r->blobs);
	for (int i = 0; i < BUDGET_SCOPES; i++)
		mem_free(r->scopes[i]);
	mem_free(r->project_stream);
	mem_free(r->phase);
	mem_free(r->landed);
	mem_free(r->model);
	json_decref(r->created);
	err_drop(&r->error);
	err_drop(&r->broken);
	json_decref(r->settings);
	json_decref(r->outcome);
	json_decref(r->done_commands);
	mem_free(r);
}

static struct run *run_new(struct house *h, const char *id, bool dry, struct err *e)
{
	struct run *r = MEM_NEW(struct run);
	if (!r) {
		err_nomem(e);
		return NULL;
	}
	r->house = h;
	r->store = h->store;
	r->loop = h->loop;
	r->dry = dry;
	snprintf(r->id, sizeof(r->id), "%s", id);
	snprintf(r->stream, sizeof(r->stream), "run/%s", id);
	list_init(&r->link);
	list_init(&r->ops);
	list_init(&r->copies);
	list_init(&r->awake);
	list_init(&r->programs);
	map_init(&r->agents, CAP_AGENTS * 2);
	map_init(&r->handlers, 65536);
	map_init(&r->actions, 65536);
	map_init(&r->signals, 65536);
	map_init(&r->waiters, 65536);
	locks_init(&r->locks, 65536);
	tick_init(&r->flush, h->loop, run_tick);
	r->done_commands = json_array();
	r->told = true;
	if (!r->done_commands)
		err_nomem(e);
	return r;
}

/* Tell the script which of its lines the journal has used. */
static int tell_script(struct run *r, struct err *e)
{
	const char *model = r->model;
	struct event ev[64];
	int got = 0;
	bool failed = false;
	if (!model || strncmp(model, "script:", 7) != 0 || !r->house->llm)
		return 0;
	for (int64_t after = 0; !failed && (got = store_read(r->store, r->stream, after, ev, 64, e)) > 0;)
		for (int i = 0; i < got; i++) {
			bool may = ev[i].type == EVENT_MODEL_ANSWERED || ev[i].type == EVENT_MODEL_FAILED ||
				   ev[i].type == EVENT_ACTION_RESOLVED;
			json_t *data = may && !failed ? event_data(&ev[i], e) : NULL;
			int64_t line = json_int(data, "line", 0);
			failed |= (may && !data) ||
				  (line && llm_script_used_in(r->house->llm, model + 7, r->id, line, e));
			json_decref(data);
			after = ev[i].seq;
			event_release(&ev[i]);
		}
	return got || failed ? -1 : 0;
}

/* --record: real answers are appended to a script as they come, people's too. */
int run_record(struct run *r, const char *path, struct err *e)
{
	if (!path || run_final(r))
		return 0;
	recorder_close(r->recorder);
	r->recorder = NULL;
	char date[CLOCK_TEXT];
	const char *model = r->model ? r->model : "";
	if (!strncmp(model, "exec:", 5) &&
		strrchr(model, '/')) /* the program's name, not where it lies; replies name the model */
		model = strrchr(model, '/') + 1;
	clock_text(date, r->now);
	cleanup_json json_t *header = json_make(e, "{s:s, s:O, s:s?, s:s%}", "mode", json_str(r->created, "mode"),
		"inputs", json_get(r->created, "inputs"), "model", model, "date", date, (size_t)10);
	struct llm_model one[8];
	struct err none = ERR_INIT;
	if (header && r->model && llm_resolve(r->house->llm, r->model, one, 8, &none) > 0 && one[0].priced)
		json_object_set_new(header, "prices",
			json_pack("{s:f, s:f, s:f, s:f, s:s, s:s}", "input", one[0].price.input, "output",
				one[0].price.output, "cached", one[0].price.cached, "cache_write",
				one[0].price.cache_write, "date", one[0].price.date, "source", one[0].price.source));
	if (!header)
		return -1;
	r->recorder = recorder_open(path, header, e);
	return r->recorder ? 0 : -1;
}

static int go_live(struct run *r, struct err *e)
{
	if (house_lease(r->house, r->stream, &r->fence, e) || tell_script(r, e) ||
		run_record(r, json_str(r->created, "record"), e))
		return -1;
	r->live = true;
	mem_free(steal(&r->ahead)); /* 57 KiB that no live run needs */
	struct budget *b = house_budget(r->house, r->scopes[0], e);
	if (!b)
		return -1;
	struct map_entry *it;
	b->limit = r->budget_usd;
	b->spent = r->usd;
	b->reserved = 0;
	for (size_t i = 0; (it = map_next(&r->agents, &i));)
		b->reserved += ((struct agent_entry *)it->value)->reserved;
	for (size_t i = 0; (it = map_next(&r->actions, &i));)
		((struct action *)it->value)->asked_script = false;
	ops_recover(r);
	run_rest(r);
	r->told = false;
	tick_start(&r->flush);
	if (r->broken) {
		*e = *r->broken;
		return -1;
	}
	return 0;
}

struct run *run_open(struct house *h, const char *id, bool dry, struct err *e)
{
	json_starved(); /* what lacked memory before was not this run's */
	struct run *r = run_new(h, id, dry, e);
	if (!r)
		return NULL;
	if (r->done_commands && !begin(r, e) && !begin_flow(r, e)) {
		run_rest(r);
		if (!run_catch_up(r, e) && (dry || !go_live(r, e))) {
			list_push(&h->runs, &r->link);
			return r;
		}
	}
	house_discard(r);
	return NULL;
}

void run_close(struct run *r, void (*done)(void *ctx), void *ctx)
{
	struct err e = ERR_INIT;
	if (r->live && !r->broken)
		run_flush(r, &e);
	r->closing = true;
	r->closed = done;
	r->closed_ctx = ctx;
	list_for (it, &r->ops)
		op_drop(list_entry(it, struct op, link));
	tick_start(&r->flush);
}

void run_look(struct run *r)
{
	if (r->closing) { /* operations first, then what they used */
		if (!list_empty(&r->ops) || r->appends)
			return;
		if (!r->freeing) {
			r->freeing = true;
			list_for (it, &r->copies)
				copy_free(list_entry(it, struct workcopy, link));
		}
		if (!list_empty(&r->copies))
			return;
		void (*done)(void *) = r->closed;
		void *ctx = r->closed_ctx;
		run_free(r);
		done(ctx);
		return;
	}
	if (r->live && !r->broken)
		actions_try_script(r);
	bool quiet = run_quiet(r);
	if (quiet && !r->was_quiet)
		r->told = false;
	r->was_quiet = quiet;
	bool settled = r->broken || (!r->appends && !r->draft_count);
	if (!r->live || r->told || !settled)
		return;
	r->told = true;
	house_settled(r->house, r);
}

/* ---- replay ---- */

int64_t run_replay(struct house *h, const char *id, struct err *e)
{
	struct run *r = run_open(h, id, true, e);
	if (!r)
		return -1;
	int64_t matched = r->matched;
	house_discard(r);
	return matched;
}
