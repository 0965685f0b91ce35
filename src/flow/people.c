/* people: carries out people's interventions on a live run. A command is checked here, then becomes an input; what it
 * does is done when that is delivered, live and in replay alike. */
#include "flow/private.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "config/nearest.h"
#include "flow/house_private.h"
#include "flow/program.h"

/* ---- commands: is it possible now? ---- */

static int check_answer(struct run *r, const json_t *command, struct err *e)
{
	const char *id = json_str(command, "action"), *option = json_str(command, "option"),
		   *text = json_str(command, "text");
	const struct action *a = id ? map_get(&r->actions, span_of(id)) : NULL;
	if (!a)
		return err_set(e, ERR_CONFLICT,
			"action %s of run %s is not open: it was answered already, expired, or there is none",
			id ? id : "?", run_short(r->id));
	if (!option && !text)
		return err_set(e, ERR_INVALID, "answer with an option or a text");
	if (option && text && *text && !strcmp(a->kind, "budget") && !strcmp(option, "extend")) {
		char *rest;
		double more = strtod(text, &rest);
		if (!(more > 0 && more <= 1e6) || *rest)
			return err_set(e, ERR_INVALID,
				"extend by how many dollars? \"%s\" is no number above 0, up to a million", text);
	}
	if (!option)
		return 0;
	cleanup_buf struct buf known = BUF_INIT(4096);
	size_t i;
	json_t *o;
	json_array_foreach(a->options, i, o)
	{
		if (json_is_string(o) && !strcmp(json_string_value(o), option))
			return 0;
		buf_addf(&known, "%s%s", i ? ", " : "", json_string_value(o));
	}
	return err_set(e, ERR_INVALID, "\"%s\" is no option of action %s; it has: %s", option, id,
		known.len ? known.data : "none, answer with a text");
}

/* It may have ended, and its memory wait for an operation. */
static struct agent *living(struct run *r, const char *id)
{
	const struct agent_entry *entry = id ? run_agent(r, id) : NULL;
	return entry && entry->agent && sm_is(&entry->agent->sm) != AGENT_ENDED ? entry->agent : NULL;
}

static int check_agent(struct run *r, const json_t *command, struct err *e)
{
	const char *id = json_str(command, "agent");
	const struct agent_entry *entry = id ? run_agent(r, id) : NULL;
	if (!entry)
		return err_set(e, ERR_NOT_FOUND, "run %s has no agent \"%s\"; `muster show %s` lists them", r->id,
			id ? id : "", r->id);
	return living(r, id) ? 0 : err_set(e, ERR_CONFLICT, "agent %s has ended", id);
}

static int check_redirect(struct run *r, const json_t *command, struct err *e)
{
	const char *id = json_str(command, "role");
	if (check_agent(r, command, e))
		return -1;
	const struct agent_entry *old = run_agent(r, json_str(command, "agent"));
	const struct role *role = id ? program_role(r, old->key, id) : NULL;
	cleanup_buf struct buf prompt = BUF_INIT(CAP_EVENT_DATA);
	if (!role)
		return err_set(e, ERR_NOT_FOUND, "the run's mode has no role \"%s\"", id ? id : "");
	return role_prompt(role, old->vars, &prompt, e);
}

static int check_kind(const char *kind, struct err *e)
{
	static const char *const kinds[] = {"answer", "pause", "resume", "cancel", "steer", "redirect", "modify",
		"budget", "model", "record", "rename", "merged", "forked", NULL};
	struct nearest n;
	nearest_init(&n, kind);
	for (const char *const *k = kinds; *k; k++) {
		if (!strcmp(*k, kind))
			return 0;
		nearest_try(&n, *k);
	}
	return err_set(e, ERR_INVALID, "there is no command \"%s\"%s", kind, nearest_hint(&n));
}

static int check_text(const json_t *command, const char *field, struct err *e)
{
	const char *kind = json_str(command, "kind");
	return json_str(command, field) ? 0 : err_set(e, ERR_INVALID, "%s needs a %s", kind, field);
}

static int check_rename(const struct run *r, const json_t *command, struct err *e)
{
	struct span name = json_span(command, "name");
	if (!span_trim(name).n || name.n > CAP_RUN_NAME || memchr(name.p, '\n', name.n))
		return err_set(e, ERR_INVALID, "a name of run %s is one line of at most %d bytes", run_short(r->id),
			CAP_RUN_NAME);
	return 0;
}

/* 0: it becomes an input of the run; 1: it is the case already; -1: it is refused. */
static int judge(struct run *r, const char *kind, const json_t *command, struct err *e)
{
	bool rename = !strcmp(kind, "rename"), note = rename || !strcmp(kind, "merged") || !strcmp(kind, "forked");
	bool resume = !strcmp(kind, "resume");
	if (rename && check_rename(r, command, e))
		return -1;
	if (run_final(r) && !note)
		return err_set(e, ERR_FINAL, "run %s is %s; fork it to go on: muster fork %s", run_short(r->id),
			run_state(r), run_short(r->id));
	if (r->life == RUN_FAILED && !resume && strcmp(kind, "cancel") != 0 && !note)
		return err_set(e, ERR_CONFLICT, "run %s has failed: resume it first", run_short(r->id));
	if (resume && r->life == RUN_FAILED && r->flow_failed)
		return err_set(e, ERR_FINAL,
			"run %s failed in its flow, which would fail again (%s); fork it at an earlier event: muster "
			"fork %s --at SEQ",
			r->id, err_kept(r->error)->text, r->id);
	if ((resume && r->life == RUN_ACTIVE) || (!strcmp(kind, "pause") && r->life == RUN_PAUSED))
		return 1;
	if (!strcmp(kind, "answer"))
		return check_answer(r, command, e);
	if (!strcmp(kind, "steer"))
		return check_agent(r, command, e) ? -1 : check_text(command, "text", e);
	if (!strcmp(kind, "redirect"))
		return check_redirect(r, command, e);
	return strcmp(kind, "modify") ? 0 : check_text(command, "name", e);
}

static int record_answer(struct run *r, const json_t *command, struct err *e)
{
	const struct action *a = map_get(&r->actions, span_of(json_str(command, "action")));
	const char *option = json_str(command, "option");
	return recorder_answer(r->recorder, a->name, option ? option : json_str(command, "text"), e);
}

static void command_input(struct run *r, const char *kind, const json_t *command)
{
	static const struct {
		const char *kind;
		enum event_type type;
	} own[] = {{"answer", EVENT_ACTION_RESOLVED}, {"merged", EVENT_RUN_MERGED}, {"forked", EVENT_RUN_FORKED},
		{"rename", EVENT_RUN_RENAMED}};
	const char *by = json_str(command, "by") ? json_str(command, "by") : "person";
	enum event_type type = EVENT_RUN_INTERVENED;
	json_t *data = json_clone(command);
	json_object_set_new(data, "by", json_string(by));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!strcmp(own[i].kind, kind)) {
			type = own[i].type;
			json_object_del(data, "kind");
		}
	run_input(r, type, ACTOR_PERSON, by, data);
}

int run_command(struct run *r, const json_t *command, int64_t command_n, struct err *e)
{
	const char *kind = json_str(command, "kind");
	if (r->broken) { /* of this process: the next one looks at the command again */
		*e = *r->broken;
		return err_wrap(e, "run %s", run_short(r->id));
	}
	if (command_n && command_n <= r->last_command)
		return 0; /* given before, by another who looked meanwhile */
	if (command_n)
		r->last_command = command_n;
	bool record = kind && !strcmp(kind, "record"); /* of this process, no event of the run */
	int judged = record		   ? 1
		     : !kind		   ? err_set(e, ERR_INVALID, "a command needs a kind")
		     : check_kind(kind, e) ? -1
					   : judge(r, kind, command, e);
	/* what is refused now, or done, is not asked again */
	if (command_n && json_array_append_new(r->done_commands, json_integer(command_n)))
		return err_nomem(e);
	if (command_n)
		tick_start(&r->flush);
	if (record)
		return run_record(r, json_str(command, "record"), e);
	if (judged)
		return judged < 0 ? -1 : 0;
	if (!strcmp(kind, "answer") && r->recorder && record_answer(r, command, e))
		return -1;
	command_input(r, kind, command);
	if (r->broken) {
		*e = *r->broken;
		return -1;
	}
	return 0;
}

/* ---- delivered ---- */

static int resume(struct run *r, struct err *e)
{
	enum run_life before = r->life;
	if (before != RUN_PAUSED && before != RUN_FAILED)
		return 0;
	r->life = RUN_ACTIVE;
	err_drop(&r->error);
	run_emit(r, EVENT_RUN_RESUMED, NULL, json_object());
	list_for (it, &r->awake) /* also those that failed while it was paused */
		if (agent_resume(list_entry(it, struct agent, link), e))
			return -1;
	r->flow_ready = true;
	return 0;
}

static bool clean_up_call(const char *name)
{
	return !strcmp(name, "log") || !strcmp(name, "say") || !strcmp(name, "task");
}

static int cancel(struct run *r, const char *by, struct err *e)
{
	if (r->life == RUN_COMPLETED || r->life == RUN_CANCELLED)
		return 0;
	for (struct list *it = r->awake.prev, *prev = it->prev; it != &r->awake; it = prev, prev = it->prev)
		if (agent_stop(list_entry(it, struct agent, link), "cancelled", "the run was cancelled", e))
			return -1;
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&r->actions, &i));)
		action_close(r, it->key, "the run was cancelled");
	list_for (op, &r->ops)
		op_drop(list_entry(op, struct op, link));
	if (!r->ended_flow) {
		r->life = RUN_CANCELLED; /* what the flow does from here on starts nothing */
		programs_cancel(r, clean_up_call, 100);
	}
	r->life = RUN_CANCELLED;
	*r->waits = '\0';
	run_emit(r, EVENT_RUN_CANCELLED, NULL, json_pack("{s:s}", "by", by));
	run_changed(r);
	return 0;
}

/* Another role takes the task over; the old agent's conversation stays in the journal. */
static int redirect(struct run *r, const json_t *data, struct err *e)
{
	const char *id = json_str(data, "agent"), *role_id = json_str(data, "role"), *text = json_str(data, "text");
	struct agent_entry *old = run_agent(r, id);
	struct agent *was = living(r, id);
	if (!was)
		return 0;
	cleanup_buf struct buf task = BUF_INIT(1u << 20);
	if (was->message_count)
		buf_addspan(&task, span_n(was->messages[0]->text, was->messages[0]->text_len));
	buf_addf(&task,
		"\n\nYou take this task over from an agent of role %s that had worked on it for %d turns; its files "
		"are in place.",
		was->role->id, was->turns_all);
	if (text)
		buf_addf(&task, " The person who handed it to you says: %s", text);
	cleanup_json json_t *args = json_pack("{s:s, s:o}", "role", role_id, "task", json_from_span(buf_span(&task)));
	if (!args || buf_check(&task, "the task", e))
		return args ? -1 : err_nomem(e);
	if (was->scope)
		json_object_set_new(args, "scope", json_string(was->scope));
	if (was->file)
		json_object_set_new(args, "file", json_string(was->file));
	if (was->copy)
		json_object_set_new(args, "copy", json_string(was->copy));
	if (*was->parent)
		json_object_set_new(args, "parent", json_string(was->parent));
	if (old->vars)
		json_object_set(args, "vars", old->vars);
	if (json_object_size(was->handlers))
		json_object_set(args, "on", was->handlers);
	char *waiter = steal(&old->waiter);
	struct agent_entry *entry = agent_begin(r, old->key, args, e);
	if (!entry) {
		old->waiter = waiter;
		return -1;
	}
	entry->waiter = waiter;
	return agent_stop(was, "cancelled", "redirected", e);
}

int run_intervened(struct run *r, const json_t *data, struct err *e)
{
	const char *kind = json_str(data, "kind"), *by = json_str(data, "by");
	if (!strcmp(kind, "pause") && r->life == RUN_ACTIVE) {
		r->life = RUN_PAUSED;
		*r->waits = '\0';
		run_emit(r, EVENT_RUN_PAUSED, NULL, json_pack("{s:s?}", "by", by));
		run_changed(r);
	} else if (!strcmp(kind, "resume")) {
		return resume(r, e);
	} else if (!strcmp(kind, "cancel")) {
		return cancel(r, by, e);
	} else if (!strcmp(kind, "steer")) {
		struct agent *a = living(r, json_str(data, "agent"));
		return a ? agent_tell(a, "person", json_span(data, "text"), e) : 0;
	} else if (!strcmp(kind, "redirect")) {
		return redirect(r, data, e);
	} else if (!strcmp(kind, "modify")) {
		run_emit(r, EVENT_FLOW_VAR, NULL,
			json_pack("{s:O, s:O?}", "name", json_get(data, "name"), "value", json_get(data, "value")));
		return programs_set_var(r, json_str(data, "name"), json_get(data, "value"), e);
	} else if (!strcmp(kind, "model")) {
		mem_free(r->model);
		r->model = mem_strdup(json_str(data, "model"));
		return r->model ? 0 : err_nomem(e);
	} else if (!strcmp(kind, "budget")) {
		r->budget_usd = json_num(data, "value", r->budget_usd);
		struct err ignored = ERR_INIT;
		struct budget *b = r->live ? house_budget(r->house, r->scopes[0], &ignored) : NULL;
		if (b)
			b->limit = r->budget_usd;
	}
	return 0;
}
