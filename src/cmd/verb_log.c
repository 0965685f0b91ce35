/* log: prints a run's events. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "cmd/app.h"
#include "cmd/line.h"
#include "cmd/out.h"
#include "config/nearest.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"follow", NULL, false, "go on with new events until the run ends"},
	{"after", "SEQ", false, "only events after this one"},
	{"type", "TYPE", true, "only events of this type (tool.finished) or family (tool)"},
	{"json", NULL, false, "print the events as JSON lines"},
	{NULL},
};

struct printing {
	const struct args *args;
	struct app *app;
	struct overview overview;
	struct tail tail;
	struct buf out;
	char stream[EVENT_STREAM_MAX];
	int64_t after;
	bool json, over;
	struct err error;
};

static bool wanted(const struct printing *p, const struct event *ev)
{
	const char *type = event_kinds[ev->type].type, *name;
	bool any = false;
	for (int i = 0; (name = args_next(p->args, "type", &i));) {
		size_t n = strlen(name);
		any = true;
		if (!strcmp(name, type) || (!strncmp(name, type, n) && type[n] == '.'))
			return true;
	}
	return !any;
}

static int check_types(const struct args *args, struct err *e)
{
	const char *name;
	for (int i = 0; (name = args_next(args, "type", &i));) {
		struct nearest near;
		bool known = false;
		size_t n = strlen(name);
		nearest_init(&near, name);
		for (int t = 0; t < EVENT_TYPES; t++) {
			const char *type = event_kinds[t].type;
			known |= !strcmp(name, type) || (!strncmp(name, type, n) && type[n] == '.');
			nearest_try(&near, type);
		}
		if (!known)
			return err_set(e, ERR_USAGE, "--type %s: there is no such event%s", name, nearest_hint(&near));
	}
	return 0;
}

static void print_line(struct printing *p, const struct event *ev, const json_t *data)
{
	struct buf *out = &p->out;
	buf_addf(out, "%6" PRId64 " ", ev->seq);
	text_clock(ev->at, out);
	buf_addf(out, " %-16s ", event_kinds[ev->type].type);
	if (line_of(&p->overview, ev, data, out) == LINE_NONE) {
		int columns = terminal_columns(STDOUT_FILENO);
		text_fit(blob_span(ev->data), columns > 60 ? (size_t)columns - 34 : 200, out);
	}
	buf_addc(out, '\n');
}

/* -1: stop (p->error says why; ERR_OK when nobody reads). */
static int print_event(struct printing *p, const struct event *ev)
{
	cleanup_json json_t *data = event_data(ev, &p->error);
	if (!data)
		return -1;
	if (ev->seq > p->after && wanted(p, ev)) {
		if (p->json) {
			event_print(ev, p->stream, &p->out);
			buf_addc(&p->out, '\n');
		} else {
			print_line(p, ev, data);
		}
	}
	overview_event(&p->overview, ev, data);
	return p->out.len > 64 * KIB ? out_write(&p->out, &p->error) : 0;
}

static int print_past(struct printing *p)
{
	struct event events[64];
	int64_t at = 0;
	int got, failed = 0;
	while (!failed && (got = store_read(p->app->store, p->stream, at, events, 64, &p->error)) != 0) {
		if (got < 0)
			return -1;
		for (int i = 0; i < got; i++) {
			at = events[i].seq;
			failed |= failed ? 0 : print_event(p, &events[i]);
			event_release(&events[i]);
		}
	}
	return failed ? -1 : out_write(&p->out, &p->error);
}

static bool ended(const struct overview *o)
{
	return !strcmp(o->state, "completed") || !strcmp(o->state, "cancelled") || !strcmp(o->state, "failed");
}

static void on_event(struct tail *t, const char *stream, const struct event *ev)
{
	struct printing *p = container_of(t, struct printing, tail);
	(void)stream;
	if (!p->over && ev->seq)
		p->over = print_event(p, ev) || out_write(&p->out, &p->error) || ended(&p->overview);
}

static void on_failed(struct tail *t, const struct err *why)
{
	struct printing *p = container_of(t, struct printing, tail);
	p->error = *why;
	p->over = true;
}

/* New events are looked for in the journal itself, so this also works while nobody owns the folder. */
static int follow(struct printing *p)
{
	if (ended(&p->overview))
		return 0;
	p->tail = (struct tail){.stream = p->stream, .after = p->overview.seq, .cb = on_event, .failed = on_failed};
	if (tail_start(&p->tail, p->app->store, &p->error))
		return -1;
	while (!p->over)
		loop_turn(p->app->loop, -1);
	tail_stop(&p->tail);
	return p->error.code == ERR_OK ? 0 : -1;
}

static int print_log(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	struct printing p = {.args = args, .app = &a, .json = args_has(args, "json"), .out = BUF_INIT(CAP_OUTPUT)};
	if (args_int(args, "after", 0, INT64_MAX, 0, &p.after, e) || check_types(args, e) ||
		app_open(&a, args, APP_READ, e))
		return -1;
	cleanup_json json_t *row = app_run(&a, args_word(args, 0), e);
	if (!row)
		return -1;
	snprintf(p.stream, sizeof(p.stream), "run/%s", json_str(row, "run"));
	overview_init(&p.overview, json_str(row, "run"));
	int failed = print_past(&p);
	if (!failed && args_has(args, "follow"))
		failed = follow(&p);
	*e = p.error;
	buf_release(&p.out);
	overview_release(&p.overview);
	return failed;
}

const struct verb verb_log = {
	.name = "log",
	.words = "RUN",
	.least = 1,
	.most = 1,
	.summary = "print a run's events",
	.options = options,
	.run = print_log,
};
