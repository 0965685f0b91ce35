/* http_call: a model call over HTTP, as a state machine.
 *
 *   WAITING ──2xx event stream──▶ STREAMING ──end marker──▶ COMPLETE ─┐
 *      │ └───any other answer──▶ REFUSED (its body is kept) ──────────┤
 *      │                            STREAMING ──bad event──▶ FAILED ──┤ request's end
 *      └─────────── llm_call_cancel, in any state ──▶ CANCELLED ──────┴──────────────▶ on_done
 *
 * Everything ends in the request's on_done, which decides by the state. An answer is complete with its end marker: what
 * the connection does afterwards is no concern, and it is not waited for longer than TIME_MODEL_LINGER. */
#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/sm.h"
#include "base/utf8.h"
#include "llm/private.h"
#include "llm/problem.h"
#include "llm/sse.h"

#define HEADERS_MAX 32

enum { WAITING, STREAMING, REFUSED, COMPLETE, FAILED, CANCELLED };
static const struct sm_state states[] = {
	[WAITING] = {"waiting", SM_TO(STREAMING) | SM_TO(REFUSED) | SM_TO(CANCELLED)},
	[STREAMING] = {"streaming", SM_TO(COMPLETE) | SM_TO(FAILED) | SM_TO(CANCELLED)},
	[REFUSED] = {"refused", SM_TO(CANCELLED)},
	[COMPLETE] = {"complete", SM_TO(CANCELLED)},
	[FAILED] = {"failed", SM_TO(CANCELLED)},
	[CANCELLED] = {"cancelled", 0},
};

struct http_call {
	struct llm_call *call;
	struct llm *llm;
	struct sm sm;
	struct http_request request;
	struct http_header headers[HEADERS_MAX];
	struct wire wire;
	struct sse sse;
	struct decoder decoder;
	struct buf body;       /* of a refusal */
	const struct err *why; /* in FAILED */
	struct timer linger;
	char *url;
	int64_t began;
};

static void http_call_free(struct http_call *h)
{
	timer_stop(&h->linger);
	decoder_release(&h->decoder);
	sse_release(&h->sse);
	buf_release(&h->body);
	wire_release(&h->wire);
	err_drop(&h->why);
	mem_free(h->url);
	mem_free(h);
}

/* ---- the answer ---- */

static void told_text(void *ctx, struct span text)
{
	struct http_call *h = ctx;

	if (h->call->on_text && sm_is(&h->sm) == STREAMING)
		h->call->on_text(h->call, text);
}

static void told_arguments(void *ctx, int index, const char *tool, struct span piece)
{
	struct http_call *h = ctx;

	if (h->call->on_arguments && sm_is(&h->sm) == STREAMING)
		h->call->on_arguments(h->call, index, tool, piece);
}

static int on_event(struct sse *s, struct span name, struct span data, struct err *e)
{
	struct http_call *h = s->ctx;

	return h->decoder.dialect->event(&h->decoder, name, data, e);
}

static const char *stream_type(const struct http_call *h)
{
	return h->decoder.dialect->lines ? "application/x-ndjson" : "text/event-stream";
}

static bool is_event_stream(const struct http_call *h)
{
	const struct http_request *r = &h->request;
	const char *type = http_response_header(r, "content-type");

	return type && strncasecmp(type, stream_type(h), strlen(stream_type(h))) == 0;
}

static void on_head(struct http_request *r)
{
	struct http_call *h = container_of(r, struct http_call, request);

	if (sm_is(&h->sm) == WAITING)
		sm_move(&h->sm, r->status / 100 == 2 && is_event_stream(h) ? STREAMING : REFUSED);
}

static void lingered(struct timer *t)
{
	struct http_call *h = container_of(t, struct http_call, linger);

	http_request_cancel(&h->request);
}

static void stream_bytes(struct http_call *h, struct span bytes)
{
	struct err why = ERR_INIT;

	if (sse_feed(&h->sse, bytes, &why)) {
		if (sm_is(&h->sm) == STREAMING) {
			err_keep(&h->why, &why);
			sm_move(&h->sm, FAILED);
			http_request_cancel(&h->request);
		}
	} else if (sm_is(&h->sm) == STREAMING && decoder_done(&h->decoder)) {
		sm_move(&h->sm, COMPLETE);
		if (timer_start(&h->linger, TIME_MODEL_LINGER, NULL))
			http_request_cancel(&h->request);
	}
}

static bool on_body(struct http_request *r, struct span bytes)
{
	struct http_call *h = container_of(r, struct http_call, request);
	size_t room = CAP_MODEL_ERROR - h->body.len;

	if (sm_is(&h->sm) == STREAMING)
		stream_bytes(h, bytes);
	else if (sm_is(&h->sm) == REFUSED)
		buf_add(&h->body, bytes.p, bytes.n < room ? bytes.n : room);
	return true;
}

/* ---- the end ---- */

static int refusal(struct http_call *h, struct err *e)
{
	const char *name = call_target(h->call)->provider->name;
	const char *type = http_response_header(&h->request, "content-type");
	struct span body = span_trim(buf_span(&h->body));

	h->call->retry_ms = problem_retry_ms(http_response_header(&h->request, "retry-after"),
		http_response_header(&h->request, "retry-after-ms"), clock_wall(loop_clock(h->llm->loop)));
	if (h->request.status / 100 != 2)
		return problem_from_body(e, name, h->request.status, body);
	/* Gateways report failures with status 200. */
	if (span_starts(body, "{\"error\""))
		return problem_from_body(e, name, 0, body);
	if (!body.n)
		return err_set(e, ERR_MODEL_REPLY, "%s sent an empty answer", name);
	cleanup_buf struct buf shown = BUF_INIT(8 * KIB);
	problem_show(span_of(type && *type ? type : "something without a type"), &shown);
	return err_set(e, ERR_MODEL_REPLY, "%s sent %.*s instead of an event stream; check the base URL %.200s", name,
		(int)utf8_cut(buf_span(&shown), 80), shown.data, call_target(h->call)->provider->base_url);
}

static int verdict(struct http_call *h, const struct err *why, struct err *e)
{
	const char *name = call_target(h->call)->provider->name;

	switch (sm_is(&h->sm)) {
	case CANCELLED:
		return err_set(e, ERR_CANCELLED, "the model call was cancelled");
	case FAILED:
		*e = *h->why;
		return err_wrap(e, "%s", name);
	case REFUSED:
		if (why->code == ERR_OK || why->code == ERR_NETWORK || why->code == ERR_TOO_LARGE)
			return refusal(h, e);
		break;
	case STREAMING:
		if (why->code == ERR_OK && decoder_finish(&h->decoder, e))
			return err_wrap(e, "%s", name);
		break;
	default:
		break;
	}
	if (sm_is(&h->sm) != COMPLETE && why->code != ERR_OK) {
		*e = *why;
		return err_wrap(e, "%s", name);
	}
	if (sm_is(&h->sm) == WAITING)
		return err_set(e, ERR_MODEL_REPLY, "%s sent an empty answer", name);
	return call_take(h->call, &h->decoder, e);
}

static void on_done(struct http_request *r, const struct err *why)
{
	struct http_call *h = container_of(r, struct http_call, request);
	struct llm_call *c = h->call;
	struct llm *l = h->llm;
	struct err e = ERR_INIT;
	int64_t began = h->began;

	c->status = r->status;
	if (verdict(h, why, &e) && h->decoder.usage_told)
		c->usage = h->decoder.usage;
	http_call_free(h);
	call_end(c, l, began, &e);
}

/* ---- the start ---- */

static int add_headers(struct http_call *h, const struct provider *p, struct err *e)
{
	const char *name;
	json_t *value;
	int n = 0;

	h->headers[n++] = (struct http_header){"content-type", "application/json"};
	h->headers[n++] = (struct http_header){"accept", stream_type(h)};
	n += p->dialect->headers(&h->wire, p->key, h->headers + n, HEADERS_MAX - n);
	json_object_foreach(p->headers, name, value)
	{
		if (n == HEADERS_MAX)
			return err_set(e, ERR_INVALID, "providers/%s/headers: more than %d", p->name, HEADERS_MAX - 4);
		h->headers[n++] = (struct http_header){name, json_string_value(value)};
	}
	h->request.headers = h->headers;
	h->request.header_count = (size_t)n;
	return wire_check(&h->wire, e);
}

static int make_url(struct http_call *h, const struct provider *p, const char *model, struct err *e)
{
	static const char place[] = "{model}";
	const char *path = p->dialect->path, *at = strstr(path, place);

	if (at && (strstr(model, "..") ||
			  model[strspn(model, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")]))
		return err_set(e, ERR_INVALID, "a model of %s cannot be called \"%.100s\": letters, digits, . - _ only",
			p->name, model);
	h->url = at ? mem_printf("%s%.*s%s%s", p->base_url, (int)(at - path), path, model, at + sizeof place - 1)
		    : mem_printf("%s%s", p->base_url, path);
	return h->url ? 0 : err_nomem(e);
}

static int build(struct http_call *h, struct err *e)
{
	const struct target *t = call_target(h->call);
	const struct provider *p = t->provider;
	struct span tools = SPAN_NONE;

	if (json_array_size(h->call->tools)) {
		const struct blob *offer = llm_offer(h->llm, h->call->tools, p->dialect, e);
		/* The cache may drop its bytes before curl has sent them. */
		char *copy = offer ? arena_dup(&h->wire.arena, blob_span(offer)) : NULL;
		if (!copy)
			return offer ? err_nomem(e) : -1;
		tools = span_n(copy, offer->size);
	}
	if (p->dialect->encode(&h->wire, h->call, t->model, p->profile, t->flags, tools, e))
		return -1;
	wire_join(&h->wire);
	return make_url(h, p, t->model, e) ? -1 : add_headers(h, p, e);
}

static int timeout_ms(int64_t ms)
{
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

static int start(struct llm_call *c, struct llm *l, struct err *e)
{
	const struct provider *p = call_target(c)->provider;
	struct http_call *h;

	if (!l->http && !(l->http = http_new(l->loop, e)))
		return -1;
	h = MEM_NEW(struct http_call);
	if (!h)
		return err_nomem(e);
	h->call = c;
	h->llm = l;
	h->began = clock_mono(loop_clock(l->loop));
	sm_init(&h->sm, states, WAITING);
	timer_init(&h->linger, l->loop, lingered);
	wire_init(&h->wire);
	buf_init(&h->body, CAP_MODEL_ERROR);
	sse_init(&h->sse, CAP_MODEL_LINE, on_event);
	h->sse.ctx = h;
	h->sse.plain = p->dialect->lines;
	decoder_init(&h->decoder, p->dialect, p->profile);
	h->decoder.on_text = told_text;
	h->decoder.on_arguments = told_arguments;
	h->decoder.ctx = h;
	if (build(h, e))
		goto fail;
	h->request.method = "POST";
	h->request.url = h->url;
	h->request.body = h->wire.pieces;
	h->request.body_pieces = h->wire.count;
	h->request.first_byte_ms = timeout_ms(l->first_byte_ms);
	h->request.idle_ms = timeout_ms(l->idle_ms);
	h->request.total_ms = timeout_ms(c->total_ms);
	h->request.response_cap = CAP_MODEL_STREAM;
	h->request.on_head = on_head;
	h->request.on_body = on_body;
	h->request.on_done = on_done;
	if (http_request_start(&h->request, l->http, e))
		goto fail;
	c->priv = h;
	return 0;
fail:
	http_call_free(h);
	return -1;
}

static void cancel(struct llm_call *c)
{
	struct http_call *h = c->priv;

	if (sm_is(&h->sm) == CANCELLED)
		return;
	sm_move(&h->sm, CANCELLED);
	http_request_cancel(&h->request);
}

const struct service service_http = {"http", start, cancel};
