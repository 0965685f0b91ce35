/* metrics: what this process does, in the text format of Prometheus (version 0.0.4), for administrators. */
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/private.h"
#include "base/caps.h"
#include "base/fs.h"
#include "flow/queue.h"
#include "notify/traces.h"

static void add(struct buf *out, const char *name, const char *type, const char *help, double value)
{
	buf_addf(out, "# HELP muster_%s %s\n# TYPE muster_%s %s\nmuster_%s %.17g\n", name, help, name, type, name,
		value);
}

static void add_replies(struct buf *out, const struct api *a)
{
	buf_adds(out, "# HELP muster_replies_total Replies of the API by the first digit of their status.\n"
		      "# TYPE muster_replies_total counter\n");
	for (int class = 2; class <= 5; class ++)
		buf_addf(out, "muster_replies_total{class=\"%dxx\"} %llu\n", class,
			(unsigned long long)a->replies[class]);
}

/* proc(5): the second number of statm, in pages. */
static double resident(void)
{
	cleanup_buf struct buf text = BUF_INIT(256);
	struct err ignored = ERR_INIT;
	long all, held;
	if (fs_read("/proc/self/statm", &text, &ignored) || sscanf(text.data, "%ld %ld", &all, &held) != 2)
		return 0;
	return (double)held * (double)sysconf(_SC_PAGESIZE);
}

static void add_process(struct buf *out)
{
	struct rusage use;
	getrusage(RUSAGE_SELF, &use);
	double seconds = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
			 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
	add(out, "cpu_seconds_total", "counter", "Processor time of this process.", seconds);
	add(out, "resident_bytes", "gauge", "Memory of this process that is in RAM.", resident());
}

static size_t count(const struct list *l)
{
	size_t n = 0;
	for (const struct list *it = l->next; it != l; it = it->next)
		n++;
	return n;
}

static json_t *metrics(struct ask *q, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(64 * KIB);
	const struct api *a = q->api;
	struct server_request *r = q->request;
	buf_adds(&out, "# HELP muster_info The version that runs.\n# TYPE muster_info "
		       "gauge\nmuster_info{version=\"" MUSTER_VERSION "\"} 1\n");
	add_replies(&out, a);
	add(&out, "requests_total", "counter", "Requests to the API.", (double)a->requests);
	add(&out, "connections", "gauge", "Open connections.", (double)a->server.count);
	add(&out, "followers", "gauge", "Clients that follow streams.", (double)count(&a->feeds));
	add(&out, "runs_live", "gauge", "Runs at work.", q->needs->queue ? (double)queue_live(q->needs->queue) : 0);
	add(&out, "runs_queued", "gauge", "Runs that wait for their turn.",
		q->needs->queue ? (double)queue_waiting(q->needs->queue) : 0);
	add(&out, "trace_spans_sent_total", "counter", "Spans that the collector of traces has taken.",
		(double)traces_sent(q->needs->traces));
	add(&out, "trace_spans_dropped_total", "counter", "Spans that it did not take in time.",
		(double)traces_dropped(q->needs->traces));
	add_process(&out);
	if (buf_check(&out, "the metrics", e))
		return NULL;
	ask_forget(q);
	reply_bytes(r, 200, "text/plain; version=0.0.4", buf_span(&out));
	return NULL;
}

const struct route routes_metrics[] = {
	{"GET", "/metrics", WHO_ADMIN, "what this process does, for Prometheus", NULL, NULL, NULL, 0, metrics,
		.content_type = "text/plain"},
	{0},
};
