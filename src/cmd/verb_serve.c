/* serve: the runtime for many people at once, over HTTP.
 *
 *   starting ─listening─▶ serving ─SIGTERM, Ctrl-C─▶ closing ─every connection and run is down─▶ end
 *
 * Runs that were at work when the last owner of the data folder stopped go on, one after the other, while requests are
 * served already. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cmd/app.h"
#include "cmd/interrupts.h"
#include "cmd/out.h"
#include "flow/queue.h"

static const struct verb_option options[] = {
	{"listen", "ADDRESS:PORT", false, "where to listen; port 0: a free one (server.listen)"},
	{NULL},
};

struct serving {
	struct app app;
	struct api *api;
	struct queue *queue;
	struct interrupts interrupts;
	bool over;
};

/* "127.0.0.1:8080", "[::1]:8080": the address is cut off in place. */
static int split(char *text, int *port, struct err *e)
{
	char *colon = strrchr(text, ':'), *end = NULL;
	long n = colon ? strtol(colon + 1, &end, 10) : -1;
	if (!colon || colon == text || !colon[1] || *end || n < 0 || n > 65535)
		return err_set(e, ERR_USAGE, "\"%s\" is no ADDRESS:PORT such as 127.0.0.1:8080 or [::1]:8080", text);
	*colon = '\0';
	*port = (int)n;
	size_t len = strlen(text);
	if (text[0] == '[' && text[len - 1] == ']') {
		memmove(text, text + 1, len - 2);
		text[len - 2] = '\0';
	}
	return 0;
}

static int listen_on(struct serving *s, const struct args *args, struct err *e)
{
	const char *given = args_get(args, "listen");
	cleanup_free char *text = mem_strdup(given ? given : options_text(s->app.options, OPTION_LISTEN));
	cleanup_buf struct buf line = BUF_INIT(CAP_OUTPUT);
	int port;
	if (!text)
		return err_nomem(e);
	if (split(text, &port, e) || api_listen(s->api, text, &port, e))
		return err_wrap(e, "server.listen");
	bool six = strchr(text, ':') != NULL;
	buf_addf(&line, "muster serves %s at http://%s%s%s:%d\n", s->app.data_dir, six ? "[" : "", text, six ? "]" : "",
		port);
	return out_write(&line, e);
}

static void interrupted(struct interrupts *i)
{
	struct serving *s = container_of(i, struct serving, interrupts);
	if (s->over)
		_exit(130); /* the journal has everything; sandboxes die with this process */
	s->over = true;
	loop_stop(s->app.loop);
}

static int begin(struct serving *s, const struct args *args, struct err *e)
{
	struct queue_limits limits = {.live = (int)options_int(s->app.options, OPTION_LIVE_RUNS),
		.per_user = (int)options_int(s->app.options, OPTION_LIVE_RUNS_USER)};
	struct app *a = &s->app;
	if (interrupts_start(&s->interrupts, a->loop, interrupted, e) ||
		!(s->queue = queue_new(a->house, a->loop, a->store, limits, e)))
		return -1;
	struct api_needs needs = app_needs(a);
	needs.queue = s->queue;
	needs.serving = true;
	s->api = api_open(&needs, e);
	if (!s->api || listen_on(s, args, e))
		return -1;
	int64_t found = queue_recover(s->queue, e);
	if (found > 0)
		log_info("serve", "%lld runs go on", (long long)found);
	return found < 0 ? -1 : 0;
}

static int serve(const struct args *args, struct err *e)
{
	struct serving s = {0};
	int failed = app_open(&s.app, args, APP_SERVE, e) || begin(&s, args, e);
	while (!failed && !s.over)
		loop_turn(s.app.loop, -1);
	api_close(s.api);
	queue_free(s.queue);
	interrupts_stop(&s.interrupts);
	app_close(&s.app);
	return failed ? -1 : 0;
}

const struct verb verb_serve = {
	.name = "serve",
	.words = "",
	.summary = "serve the runtime to many people over HTTP",
	.help = "Runs that were at work when this data folder's last owner stopped go on. Ctrl-C or SIGTERM once: no "
		"new\n"
		"connections, replies under way are given, runs stop where they are and go on at the next start;\n"
		"twice: at once, with the same result.",
	.options = options,
	.run = serve,
};
