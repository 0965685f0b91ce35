/* log: prints a run's events. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "cmd/line.h"
#include "cmd/out.h"
#include "cmd/source.h"
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
	struct overview overview;
	struct buf out;
	char stream[EVENT_STREAM_MAX];
	int64_t after;
	int64_t head; /* the newest event when it began */
	bool json, follow;
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

static bool ended(const struct overview *o)
{
	return !strcmp(o->state, "completed") || !strcmp(o->state, "cancelled") || !strcmp(o->state, "failed");
}

static int print_event(void *ctx, const struct event *ev, const json_t *data, struct err *e)
{
	struct printing *p = ctx;
	if (ev->seq > p->after && wanted(p, ev)) {
		if (p->json) {
			event_print(ev, p->stream, &p->out);
			buf_addc(&p->out, '\n');
		} else {
			print_line(p, ev, data);
		}
	}
	overview_event(&p->overview, ev, data);
	bool live = p->follow && ev->seq >= p->head;
	if ((live || p->out.len > 64 * KIB) && out_write(&p->out, e))
		return e->code == ERR_OK ? 1 : -1; /* nobody reads any more */
	return live && ended(&p->overview);
}

static int print_log(const struct args *args, struct err *e)
{
	struct source s cleanup_source = {0};
	struct printing p = {.args = args,
		.json = args_has(args, "json"),
		.follow = args_has(args, "follow"),
		.out = BUF_INIT(CAP_OUTPUT)};
	if (args_int(args, "after", 0, INT64_MAX, 0, &p.after, e) || check_types(args, e) || source_open(&s, args, e))
		return -1;
	cleanup_json json_t *row = source_run(&s, args_word(args, 0), e);
	const char *run = json_str(row, "run");
	if (!row)
		return -1;
	p.head = json_int(row, "seq", 0);
	snprintf(p.stream, sizeof(p.stream), "run/%s", run);
	overview_init(&p.overview, run);
	int failed = source_events(&s, run, p.follow, print_event, &p, e);
	if (!failed)
		failed = out_write(&p.out, e);
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
