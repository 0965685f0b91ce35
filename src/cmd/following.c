/* following: see following.h.
 *
 *   asking ──the connection breaks──▶ waiting a moment ──▶ asking
 *     └──the end, or an error that stays──▶ over */
#include "cmd/following.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define BREAKS 30 /* one after the other; the waits between them add up to a minute and a half */
#define WAIT_MS 200

/* null: an empty one */
static int copy(char *to, size_t room, const json_t *v, const char *name)
{
	const char *text = json_is_null(json_get(v, name)) ? "" : json_str(v, name);
	return text && snprintf(to, room, "%s", text) < (int)room ? 0 : -1;
}

static enum actor_kind actor_named(const char *name)
{
	static const enum actor_kind all[] = {ACTOR_PERSON, ACTOR_AGENT, ACTOR_FLOW};
	for (size_t i = 0; name && i < sizeof(all) / sizeof(*all); i++)
		if (!strcmp(actor_names[all[i]], name))
			return all[i];
	return ACTOR_SYSTEM;
}

int following_parse(const json_t *v, struct event *out, struct err *e)
{
	const json_t *data = json_get(v, "data"), *actor = json_get(v, "actor");
	const char *type = json_str(v, "type");
	*out = (struct event){.seq = json_int(v, "seq", 0),
		.at = json_int(v, "at", 0),
		.v = (int)json_int(v, "v", 0),
		.actor = actor_named(json_str(actor, "kind"))};
	if (!type || !json_is_object(data) || copy(out->id, sizeof(out->id), v, "id") ||
		copy(out->cause, sizeof(out->cause), v, "cause") ||
		copy(out->actor_id, sizeof(out->actor_id), actor, "id") ||
		(out->seq && hash_parse(&out->hash, json_span(v, "hash"))))
		return err_set(e, ERR_PARSE, "a line of the run's events is none");
	out->type = event_type_named(type);
	if (out->type == EVENT_TYPES)
		return err_set(e, ERR_NEWER,
			"the server writes events that this muster does not know (%.40s): update it", type);
	cleanup_free char *text = json_text(data);
	out->data = text ? blob_new(text, strlen(text)) : NULL;
	return out->data ? 0 : err_nomem(e);
}

static void wrong(struct following *f, const struct err *why)
{
	f->wrong = *why;
	remote_cancel(&f->call);
}

static void on_line(struct remote_call *c, struct span line)
{
	struct following *f = container_of(c, struct following, call);
	struct err e = ERR_INIT;
	struct event ev;
	if (f->stopped || f->wrong.code != ERR_OK)
		return;
	cleanup_json json_t *v = json_parse(line, "a line of the run's events", &e);
	if (!v || following_parse(v, &ev, &e)) {
		wrong(f, &e);
		return;
	}
	if (ev.seq && ev.seq != f->after + 1) {
		err_set(&e, ERR_CORRUPT, "event %lld came behind event %lld", (long long)ev.seq, (long long)f->after);
		wrong(f, &e);
	} else {
		f->heard = true;
		f->breaks = 0;
		f->after = ev.seq ? ev.seq : f->after;
		f->event(f, &ev, f->stream, json_get(v, "data"));
	}
	event_release(&ev);
}

static int start(struct following *f, struct err *e)
{
	cleanup_free char *path = mem_printf("/api/v1/runs/%s/events?after=%lld%s", f->stream + strlen("run/"),
		(long long)f->after, f->live ? "&follow=1" : "");
	f->asking = path && !remote_start(&f->call, f->remote, "GET", path, NULL, e);
	return f->asking ? 0 : path ? -1 : err_nomem(e);
}

static void on_again(struct timer *t)
{
	struct following *f = container_of(t, struct following, again);
	struct err e = ERR_INIT;
	if (start(f, &e))
		f->over(f, &e);
}

static void on_over(struct remote_call *c, json_t *reply, const struct err *why)
{
	struct following *f = container_of(c, struct following, call);
	struct err e = ERR_INIT;
	(void)reply;
	f->asking = false;
	if (f->stopped)
		return;
	if (f->wrong.code != ERR_OK)
		why = &f->wrong;
	bool broken = why->code == ERR_OK ? f->live : f->heard && err_retryable(why->code);
	if (!broken || ++f->breaks > BREAKS) {
		f->over(f, why);
		return;
	}
	log_info("follow", "%s: the connection to %s broke, it is asked again: %s", f->stream, f->remote->name,
		why->text);
	if (timer_start(&f->again, (int64_t)WAIT_MS * f->breaks, &e))
		f->over(f, &e);
}

int following_start(struct following *f, struct remote *r, const char *run, struct err *e)
{
	f->remote = r;
	f->call.line = on_line;
	f->call.over = on_over;
	snprintf(f->stream, sizeof(f->stream), "run/%s", run);
	timer_init(&f->again, r->loop, on_again);
	return start(f, e);
}

void following_stop(struct following *f)
{
	if (!f->remote || f->stopped)
		return;
	f->stopped = true;
	timer_stop(&f->again);
	if (f->asking)
		remote_cancel(&f->call);
}
