/* traces: see traces.h.
 *
 *   spans ─▶ queue ─▶ a batch under way ─2xx─▶ gone
 *              ▲──── later, while the collector is away ────┘ (refused for good: dropped) */
#include "notify/traces.h"

#include <string.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/delivery.h"
#include "http/url.h"
#include "notify/spans.h"

struct waiting {
	struct list link;
	struct blob *text;
};

#define CAP_HEADERS 8 /* the first is ours */

struct traces {
	struct loop *loop;
	struct http_header headers[CAP_HEADERS]; /* names and values of all but the first are owned */
	size_t header_count;
	struct http *http;
	struct tail tail;
	struct spans spans;
	struct list queue; /* struct waiting; the first `sending` are under way */
	size_t count, sending;
	struct delivery delivery;
	struct timer timer;
	struct buf body;
	char *url;
	uint64_t sent, dropped;
	bool away, closing;
};

static void drop_first(struct traces *t, size_t n)
{
	for (; n && t->count; n--, t->count--) {
		struct waiting *w = list_entry(t->queue.next, struct waiting, link);
		list_remove(&w->link);
		blob_unref(w->text);
		mem_free(w);
	}
}

static void send(struct traces *t);

static void later(struct traces *t, int ms)
{
	struct err e = ERR_INIT;
	if (!t->timer.at && timer_start(&t->timer, ms, &e))
		log_warn("traces", "spans wait for the next one: %s", e.text);
}

static void on_timer(struct timer *timer)
{
	send(container_of(timer, struct traces, timer));
}

static void delivered(struct delivery *d, const struct err *why)
{
	struct traces *t = container_of(d, struct traces, delivery);
	size_t n = t->sending;
	bool again = why->code == ERR_NETWORK || why->code == ERR_TIMEOUT || why->code == ERR_OVERLOADED ||
		     why->code == ERR_RATE_LIMITED;
	t->sending = 0;
	if (why->code == ERR_OK)
		t->sent += n;
	else if (!again)
		t->dropped += n;
	if (why->code != ERR_OK && !t->away)
		log_warn("traces", "the collector at %s does not take spans: %s", t->url, why->text);
	t->away = why->code != ERR_OK;
	if (!again)
		drop_first(t, n);
	if (t->count && !t->closing)
		later(t, t->away ? TIME_TRACE_AWAY : 0);
}

static int compose(struct traces *t, struct err *e)
{
	size_t n = 0;
	buf_clear(&t->body);
	buf_adds(&t->body,
		"{\"resourceSpans\":[{\"resource\":{\"attributes\":["
		"{\"key\":\"service.name\",\"value\":{\"stringValue\":\"muster\"}},"
		"{\"key\":\"service.version\",\"value\":{\"stringValue\":\"" MUSTER_VERSION "\"}}]},"
		"\"scopeSpans\":[{\"scope\":{\"name\":\"muster\",\"version\":\"" MUSTER_VERSION "\"},\"spans\":[");
	list_for (it, &t->queue) {
		if (n == CAP_TRACE_BATCH)
			break;
		buf_adds(&t->body, n++ ? "," : "");
		buf_addspan(&t->body, blob_span(list_entry(it, struct waiting, link)->text));
	}
	buf_adds(&t->body, "]}]}]}");
	t->sending = n;
	return buf_check(&t->body, "a batch of spans", e);
}

static void send(struct traces *t)
{
	struct err e = ERR_INIT;
	if (t->sending || !t->count)
		return;
	t->delivery = (struct delivery){
		.url = t->url, .headers = t->headers, .header_count = t->header_count, .on_done = delivered};
	if (compose(t, &e) == 0) {
		t->delivery.body = buf_span(&t->body);
		if (delivery_start(&t->delivery, t->http, &e) == 0)
			return;
	}
	t->sending = 0;
	log_warn("traces", "spans are sent later: %s", e.text);
	if (!t->closing)
		later(t, TIME_TRACE_AWAY);
}

static void on_event(struct tail *tail, const char *stream, const struct event *ev)
{
	struct traces *t = container_of(tail, struct traces, tail);
	cleanup_buf struct buf text = BUF_INIT(64 * KIB);
	struct err e = ERR_INIT;
	if (ev->seq == 0 || strncmp(stream, "run/", 4) != 0)
		return;
	int made = spans_take(&t->spans, stream + 4, ev, &text, &e);
	if (made == 0)
		return;
	struct waiting *w = made < 0 || t->count == CAP_TRACE_SPANS ? NULL : MEM_NEW(struct waiting);
	if (!w || !(w->text = blob_new(text.data, text.len))) {
		mem_free(w);
		t->dropped++;
		return;
	}
	list_push(&t->queue, &w->link);
	t->count++;
	if (!t->sending)
		later(t, t->away ? TIME_TRACE_AWAY : TIME_TRACE_BATCH);
}

/* ---- headers ---- */

/* What a log could show of the value: all of it, and what stands behind "Bearer". */
static int mask(const char *value, struct err *e)
{
	const char *last = strrchr(value, ' ');
	if (strlen(value) >= 6 && log_secret(value, e) != 0)
		return -1;
	return last && strlen(last + 1) >= 6 ? log_secret(last + 1, e) : 0;
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* What is wrong is not said with the value, which is a secret. */
static int add_header(struct traces *t, struct span pair, struct err *e)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *equals = memchr(pair.p, '=', pair.n);
	size_t n = equals ? (size_t)(equals - pair.p) : 0;
	cleanup_buf struct buf value = BUF_INIT(8 * KIB);
	char *name = mem_strndup(pair.p, span_trim(span_n(pair.p, n)).n);
	struct http_header *h = &t->headers[t->header_count];
	if (!name)
		return err_nomem(e);
	if (t->header_count == CAP_HEADERS || !*name || name[strspn(name, letters)] ||
		url_decode(span_trim(span_n(equals + 1, pair.n - n - 1)), false, &value, e) != 0 ||
		buf_check(&value, "a header", e) != 0 || !value.len || !printable(value.data)) {
		mem_free(name);
		err_clear(e);
		return err_set(e, ERR_INVALID,
			"up to %d pairs are expected, with commas between them, such as "
			"authorization=Bearer%%20TOKEN",
			CAP_HEADERS - 1);
	}
	if (mask(value.data, e) != 0) {
		mem_free(name);
		return -1;
	}
	h->name = name;
	h->value = buf_take(&value);
	t->header_count++;
	return 0;
}

/* As OpenTelemetry writes them: name=value,name=value, the values with %XX. */
static int set_headers(struct traces *t, const char *text, struct err *e)
{
	t->headers[t->header_count++] = (struct http_header){"content-type", "application/json"};
	for (size_t n; text && *text; text += n + (text[n] == ',')) {
		n = strcspn(text, ",");
		if (add_header(t, span_trim(span_n(text, n)), e) != 0)
			return err_wrap(e, "the headers for the collector");
	}
	return 0;
}

struct traces *traces_open(struct loop *l, struct store *s, const char *url, const char *headers, struct err *e)
{
	struct traces *t = MEM_NEW(struct traces);
	size_t n = strlen(url);
	if (!t) {
		err_nomem(e);
		return NULL;
	}
	while (n && url[n - 1] == '/')
		n--;
	t->loop = l;
	list_init(&t->queue);
	spans_init(&t->spans);
	timer_init(&t->timer, l, on_timer);
	buf_init(&t->body, CAP_TRACE_BATCH * 64 * KIB);
	t->tail.cb = on_event;
	t->url = mem_printf("%.*s/v1/traces", (int)n, url);
	if (!t->url)
		err_nomem(e);
	else if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		err_set(e, ERR_INVALID, "\"%.200s\" is no address such as http://127.0.0.1:4318", url);
	else if (set_headers(t, headers, e) == 0 && (t->http = http_new(l, e)) && tail_start(&t->tail, s, e) == 0)
		return t;
	traces_close(t);
	return NULL;
}

void traces_close(struct traces *t)
{
	if (!t)
		return;
	t->closing = true;
	tail_stop(&t->tail);
	timer_stop(&t->timer);
	if (t->http && !t->away && !t->sending)
		send(t);
	int64_t until = clock_mono(loop_clock(t->loop)) + TIME_TRACE_CLOSE * 1000ll;
	while (t->sending && clock_mono(loop_clock(t->loop)) < until)
		loop_turn(t->loop, 100);
	if (t->sending)
		delivery_cancel(&t->delivery);
	while (t->sending)
		loop_turn(t->loop, -1);
	timer_stop(&t->timer);
	drop_first(t, t->count);
	http_free(t->http);
	spans_release(&t->spans);
	buf_release(&t->body);
	for (size_t i = 1; i < t->header_count; i++) {
		mem_free((char *)t->headers[i].name);
		mem_free((char *)t->headers[i].value);
	}
	mem_free(t->url);
	mem_free(t);
}

uint64_t traces_sent(const struct traces *t)
{
	return t ? t->sent : 0;
}

uint64_t traces_dropped(const struct traces *t)
{
	return t ? t->dropped : 0;
}
