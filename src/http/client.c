#include "http/client.h"

#include <pthread.h>
#include <string.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/sm.h"
#include "http/easy.h"

/* Purpose: curl's multi interface, driven by our watches and one timer.
 *
 * Happy path: start adds an easy handle; curl asks for watches and time-outs through its two callbacks; a ready
 * descriptor or the timer calls curl_multi_socket_action, which calls on_header and on_write below; a message
 * from curl_multi_info_read moves the transfer to ENDING and its tick calls on_done. Whatever ends a transfer (curl, a
 * time-out, a cap, a cancel) goes through end() and that tick, so nobody is called from inside curl or a start, but
 * for on_head and on_body, which must be: they are where curl's back-pressure is.
 *
 *   HEAD ─blank line─▶ BODY ◀──▶ PAUSED;   each ──end()──▶ ENDING ─tick─▶ freed
 *
 * Failure modes: a watch or timer that cannot be had would leave transfers hanging for ever: all of them are failed.
 * curl takes an answer cut inside its head for a whole one: the state HEAD at the end tells. */

enum { HEAD, BODY, PAUSED, ENDING };
static const struct sm_state states[] = {
	[HEAD] = {"head", SM_TO(BODY) | SM_TO(ENDING)},
	[BODY] = {"body", SM_TO(PAUSED) | SM_TO(ENDING)},
	[PAUSED] = {"paused", SM_TO(BODY) | SM_TO(ENDING)},
	[ENDING] = {"ending", 0},
};

struct http {
	struct loop *loop;
	CURLM *multi;
	struct timer timer;
	struct list transfers;
	struct list sockets;
	size_t alive;
};

struct http_socket {
	struct watch watch;
	struct http *http;
	struct list link;
};

struct transfer {
	struct http *http;
	struct http_request *request;
	struct sm sm;
	struct easy easy;
	struct list link;
	struct tick tick;
	struct timer timer;
	int64_t started, last_byte; /* monotonic µs; last_byte 0: no byte of the body yet */
	size_t head_bytes, body_bytes;
	const struct err *why;
};

/* ---- the end of a transfer ---- */

/* The first reason counts. */
static void end(struct transfer *t, const struct err *why)
{
	if (sm_is(&t->sm) == ENDING)
		return;
	if (why->code != ERR_OK)
		err_keep(&t->why, why);
	sm_move(&t->sm, ENDING);
	timer_stop(&t->timer);
	tick_start(&t->tick);
}

static void fail_all(struct http *h, const struct err *why)
{
	list_for (it, &h->transfers)
		end(list_entry(it, struct transfer, link), why);
}

static void transfer_free(struct transfer *t)
{
	timer_stop(&t->timer);
	easy_release(&t->easy);
	err_drop(&t->why);
	mem_free(t);
}

static void finish(struct transfer *t)
{
	struct http_request *r = t->request;
	curl_multi_remove_handle(t->http->multi, t->easy.curl);
	list_remove(&t->link);
	t->http->alive--;
	r->on_done(r, err_kept(t->why));
	transfer_free(t);
}

static void end_by_curl(struct transfer *t, CURLcode rc)
{
	struct err why = ERR_INIT;
	const char *words = t->easy.words[0] ? t->easy.words : curl_easy_strerror(rc);
	if (rc != CURLE_OK && t->easy.denied) {
		end(t, t->easy.denied);
		return;
	}
	switch (rc) {
	case CURLE_OK:
		if (sm_is(&t->sm) == HEAD)
			err_set(&why, ERR_NETWORK, "%s closed the connection inside the head of its answer",
				t->easy.host);
		break;
	case CURLE_OUT_OF_MEMORY:
		err_nomem(&why);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		err_set(&why, ERR_TIMEOUT, "%s: %s", t->easy.host, words);
		break;
	case CURLE_URL_MALFORMAT:
		err_set(&why, ERR_INVALID, "%s: %s", t->easy.host, words);
		break;
	default:
		err_set(&why, ERR_NETWORK, "%s: %s", t->easy.host, words);
	}
	end(t, &why);
}

/* Collect what curl has finished; called after every curl_multi_socket_action. */
static void collect(struct http *h)
{
	CURLMsg *m;
	int left;
	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct transfer *t = NULL;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		if (sm_is(&t->sm) == ENDING) /* by us; curl's own reason is only the consequence */
			continue;
		end_by_curl(t, m->data.result);
	}
}

/* ---- time-outs ---- */

static int64_t deadline(const struct transfer *t, int *limit, const char **what)
{
	const struct http_request *r = t->request;
	int64_t at = INT64_MAX;
	if (t->last_byte == 0 && r->first_byte_ms) {
		at = t->started + r->first_byte_ms * 1000ll;
		*limit = r->first_byte_ms;
		*what = "sent nothing of an answer for";
	} else if (t->last_byte && r->idle_ms && sm_is(&t->sm) != PAUSED) {
		at = t->last_byte + r->idle_ms * 1000ll;
		*limit = r->idle_ms;
		*what = "stopped sending for";
	}
	if (r->total_ms && t->started + r->total_ms * 1000ll < at) {
		at = t->started + r->total_ms * 1000ll;
		*limit = r->total_ms;
		*what = "was not done after";
	}
	return at;
}

/* Bytes do not move the timer; when it fires, it looks how late it really is. */
static int timer_set(struct transfer *t, struct err *e)
{
	int limit;
	const char *what;
	int64_t at = deadline(t, &limit, &what);
	if (at == INT64_MAX)
		return 0;
	return timer_start(&t->timer, (at - clock_mono(loop_clock(t->http->loop)) + 999) / 1000, e);
}

static void on_timer(struct timer *timer)
{
	struct transfer *t = container_of(timer, struct transfer, timer);
	struct err why = ERR_INIT;
	int limit = 0;
	const char *what = "";
	if (deadline(t, &limit, &what) > clock_mono(loop_clock(t->http->loop))) {
		if (timer_set(t, &why) != 0)
			end(t, &why);
		return;
	}
	err_set(&why, ERR_TIMEOUT, "%s %s %.1f s", t->easy.host, what, limit / 1000.0);
	end(t, &why);
}

/* ---- what curl calls while a transfer runs ---- */

static void refuse(struct transfer *t, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void refuse(struct transfer *t, enum err_code code, const char *fmt, ...)
{
	struct err why = ERR_INIT;
	va_list ap;
	va_start(ap, fmt);
	err_setv(&why, code, fmt, ap);
	va_end(ap);
	end(t, &why);
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct http_request *r = t->request;
	n *= size;
	if (sm_is(&t->sm) == ENDING)
		return 0;
	t->head_bytes += n;
	if (t->head_bytes > CAP_HTTP_HEAD) {
		refuse(t, ERR_TOO_LARGE, "%s sent headers of more than %lu bytes", t->easy.host, CAP_HTTP_HEAD);
		return 0;
	}
	/* The blank line; trailers come after the body, and 1xx answers before the real one. */
	bool blank = *p == '\r' || *p == '\n'; /* as curl sees it, whatever else is in the line */
	if (!blank || sm_is(&t->sm) != HEAD)
		return n;
	long status = 0;
	curl_easy_getinfo(t->easy.curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 101 || status < 100) { /* curl hands out what follows as a body */
		refuse(t, ERR_NETWORK, "%s sent status %ld, which no answer to this request has", t->easy.host, status);
		return 0;
	}
	if (status < 200)
		return n;
	r->status = (int)status;
	sm_move(&t->sm, BODY);
	if (r->on_head)
		r->on_head(r);
	return sm_is(&t->sm) == ENDING ? 0 : n;
}

static size_t on_write(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *t = arg;
	struct http_request *r = t->request;
	n *= size;
	if (sm_is(&t->sm) == ENDING)
		return 0;
	bool first = t->last_byte == 0;
	t->last_byte = clock_mono(loop_clock(t->http->loop));
	struct err why;
	if (first && timer_set(t, &why) != 0) {
		end(t, &why);
		return 0;
	}
	if (n > r->response_cap - t->body_bytes) {
		refuse(t, ERR_TOO_LARGE, "%s sent more than the %zu bytes allowed", t->easy.host, r->response_cap);
		return 0;
	}
	t->body_bytes += n;
	if (!r->on_body(r, span_n(p, n)) && sm_is(&t->sm) == BODY) {
		sm_move(&t->sm, PAUSED);
		curl_easy_pause(t->easy.curl, CURLPAUSE_RECV);
	}
	return sm_is(&t->sm) == ENDING ? 0 : n;
}

static void on_tick(struct tick *tick)
{
	struct transfer *t = container_of(tick, struct transfer, tick);
	if (sm_is(&t->sm) == ENDING) {
		finish(t);
		return;
	}
	sm_move(&t->sm, BODY); /* resumed */
	t->last_byte = clock_mono(loop_clock(t->http->loop));
	CURLcode rc = timer_set(t, NULL) == 0 ? curl_easy_pause(t->easy.curl, CURLPAUSE_CONT) : CURLE_OUT_OF_MEMORY;
	if (rc != CURLE_OK)
		end_by_curl(t, rc);
}

/* ---- what curl asks of the loop ---- */

static void act(struct http *h, curl_socket_t fd, int ready)
{
	int running;
	struct err e = ERR_INIT;
	CURLMcode rc = curl_multi_socket_action(h->multi, fd, ready, &running);
	if (rc != CURLM_OK) {
		err_set(&e, rc == CURLM_OUT_OF_MEMORY ? ERR_NOMEM : ERR_INTERNAL, "cannot go on with any request: %s",
			curl_multi_strerror(rc));
		fail_all(h, &e);
	}
	collect(h);
}

static void on_socket_ready(struct watch *w, int revents)
{
	struct http_socket *s = container_of(w, struct http_socket, watch);
	int ready = (revents & WATCH_READ ? CURL_CSELECT_IN : 0) | (revents & WATCH_WRITE ? CURL_CSELECT_OUT : 0);
	act(s->http, w->fd, revents ? ready : CURL_CSELECT_ERR);
}

static void on_http_timer(struct timer *t)
{
	act(container_of(t, struct http, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;
	struct err e = ERR_INIT;
	(void)multi;
	if (ms < 0)
		timer_stop(&h->timer);
	else if (timer_start(&h->timer, ms, &e) != 0)
		fail_all(h, &e);
	return 0;
}

static void socket_free(struct http_socket *s)
{
	watch_stop(&s->watch);
	list_remove(&s->link);
	mem_free(s);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http *h = arg;
	struct http_socket *s = known;
	struct err e = ERR_INIT;
	int events = (what & CURL_POLL_IN ? WATCH_READ : 0) | (what & CURL_POLL_OUT ? WATCH_WRITE : 0);
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_free(s);
		return 0;
	}
	if (s) {
		if (watch_change(&s->watch, events, &e) != 0)
			fail_all(h, &e);
		return 0;
	}
	s = MEM_NEW(struct http_socket);
	if (!s || watch_start(&s->watch, h->loop, fd, events, on_socket_ready, &e) != 0) {
		if (!s)
			err_nomem(&e);
		mem_free(s);
		fail_all(h, &e); /* -1 would make curl refuse every later request, too */
		return 0;
	}
	s->http = h;
	list_push(&h->sockets, &s->link);
	curl_multi_assign(h->multi, fd, s);
	return 0;
}

/* ---- life ---- */

static CURLcode global;

static void setup_once(void)
{
	global = curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free, mem_realloc, mem_strdup, mem_calloc);
}

int http_setup(struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, setup_once);
	if (global != CURLE_OK)
		return err_set(e, ERR_INTERNAL, "the HTTP client cannot start: %s", curl_easy_strerror(global));
	return 0;
}

struct http *http_new(struct loop *l, struct err *e)
{
	if (http_setup(e) != 0)
		return NULL;
	struct http *h = MEM_NEW(struct http);
	if (h)
		h->multi = curl_multi_init();
	if (!h || !h->multi) {
		mem_free(h);
		err_nomem(e);
		return NULL;
	}
	h->loop = l;
	timer_init(&h->timer, l, on_http_timer);
	list_init(&h->transfers);
	list_init(&h->sockets);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->alive)
		BUG("http client freed with %zu requests alive", h->alive);
	curl_multi_cleanup(h->multi);
	list_for (it, &h->sockets)
		socket_free(list_entry(it, struct http_socket, link));
	timer_stop(&h->timer);
	mem_free(h);
}

size_t http_alive(const struct http *h)
{
	return h->alive;
}

/* ---- requests ---- */

/* The callbacks that need the transfer. */
static int callbacks_set(struct transfer *t, struct err *e)
{
	CURL *curl = t->easy.curl;
	if (curl_easy_setopt(curl, CURLOPT_PRIVATE, t) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_HEADERDATA, t) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_write) == CURLE_OK &&
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, t) == CURLE_OK)
		return 0;
	return err_nomem(e);
}

int http_request_start(struct http_request *r, struct http *h, struct err *e)
{
	r->status = 0;
	r->priv = NULL;
	struct transfer *t = MEM_NEW(struct transfer);
	if (!t)
		return err_nomem(e);
	t->http = h;
	t->request = r;
	t->started = clock_mono(loop_clock(h->loop));
	sm_init(&t->sm, states, HEAD);
	tick_init(&t->tick, h->loop, on_tick);
	timer_init(&t->timer, h->loop, on_timer);
	list_init(&t->link);
	if (easy_init(&t->easy, r, e) != 0 || callbacks_set(t, e) != 0 || timer_set(t, e) != 0)
		goto fail;
	CURLMcode rc = curl_multi_add_handle(h->multi, t->easy.curl);
	if (rc != CURLM_OK) {
		err_set(e, rc == CURLM_OUT_OF_MEMORY ? ERR_NOMEM : ERR_INTERNAL, "%s: %s", t->easy.host,
			curl_multi_strerror(rc));
		goto fail;
	}
	list_push(&h->transfers, &t->link);
	h->alive++;
	r->priv = t;
	if (fault_hit(FAULT_NET))
		refuse(t, ERR_NETWORK, "%s: connection refused (injected)", t->easy.host);
	return 0;
fail:
	transfer_free(t);
	return -1;
}

void http_request_cancel(struct http_request *r)
{
	struct transfer *t = r->priv;
	refuse(t, ERR_CANCELLED, "the request to %s was cancelled", t->easy.host);
}

void http_request_resume(struct http_request *r)
{
	struct transfer *t = r->priv;
	if (sm_is(&t->sm) == PAUSED)
		tick_start(&t->tick);
}

const char *http_response_header(const struct http_request *r, const char *name)
{
	struct transfer *t = r->priv;
	struct curl_header *h;
	if (curl_easy_header(t->easy.curl, name, 0, CURLH_HEADER, -1, &h) != CURLHE_OK)
		return NULL;
	if (strpbrk(h->value, "\r\n")) /* where lines end with LF alone, curl takes some for one */
		return NULL;
	return h->value;
}
