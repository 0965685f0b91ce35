/* problem: providers put their message in error.message (Anthropic, OpenAI and most others), error as a text, message,
 * or detail (FastAPI servers: a text or a list). Whatever is not JSON is shown by its first words without tags. */
#include "llm/problem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"

#define SHOWN 600	    /* bytes of a provider's message that are shown */
#define RETRY_MOST 86400000 /* nobody waits longer than a day */

static bool has(struct span text, const char *part)
{
	size_t n = strlen(part);

	for (size_t i = 0; i + n <= text.n; i++)
		if (strncasecmp(text.p + i, part, n) == 0)
			return true;
	return false;
}

static bool has_any(struct span text, const char *const *parts)
{
	for (; *parts; parts++)
		if (has(text, *parts))
			return true;
	return false;
}

/* How providers say that the request is longer than the model reads. */
static const char *const too_long[] = {"context_length_exceeded", "context length", "context window",
	"prompt is too long", "maximum context", "too many tokens", "exceeds the available context size",
	"input is too long", "reduce the length of the messages", "request_too_large", NULL};
/* 429s that waiting does not help. */
static const char *const used_up[] = {
	"insufficient_quota", "exceeded your current quota", "billing_hard_limit", "credit balance", NULL};

enum err_code problem_code(int status, struct span type, struct span message)
{
	if (status == 413 || ((status == 400 || status == 422 || status == 0 || status == 500) &&
				     (has_any(message, too_long) || has_any(type, too_long))))
		return ERR_TOO_LARGE;
	if (status == 429 || has(type, "rate_limit") || has(type, "rate limit"))
		return has_any(message, used_up) || has_any(type, used_up) ? ERR_MODEL : ERR_RATE_LIMITED;
	if (status == 408 || has(type, "timeout"))
		return ERR_TIMEOUT;
	if (status >= 500 || has(type, "overloaded") || has(type, "api_error") || has(type, "server_error") ||
		has(type, "service_unavailable"))
		return ERR_OVERLOADED;
	return ERR_MODEL;
}

struct said {
	struct span type, message;
	int status; /* some gateways put it into the body */
};

static struct said find_message(const json_t *v)
{
	const json_t *error = json_get(v, "error"), *detail = json_get(v, "detail"), *code;
	struct said s = {0};

	if (json_is_object(error)) {
		s.type = json_span(error, "type");
		s.message = json_span(error, "message");
		code = json_get(error, "code");
	} else {
		s.type = json_span(v, "type");
		s.message = json_is_string(error) ? json_span(v, "error") : json_span(v, "message");
		code = json_get(v, "code");
	}
	if (json_is_string(code) &&
		(!s.type.n || has_any(json_span(json_is_object(error) ? error : v, "code"), too_long) ||
			has_any(json_span(json_is_object(error) ? error : v, "code"), used_up)))
		s.type = json_span(json_is_object(error) ? error : v, "code");
	else if (json_is_integer(code) && json_integer_value(code) >= 400 && json_integer_value(code) < 600)
		s.status = (int)json_integer_value(code);
	if (!s.message.n && json_is_string(detail))
		s.message = json_span(v, "detail");
	if (!s.message.n && json_is_array(detail))
		s.message = json_span(json_array_get(detail, 0), "msg");
	return s;
}

void problem_show(struct span message, struct buf *out)
{
	struct buf masked = BUF_INIT(CAP_MODEL_ERROR * 4);

	log_mask(message, &masked);
	utf8_visible(span_n(buf_span(&masked).p, utf8_cut(buf_span(&masked), SHOWN)), false, out);
	if (masked.len > SHOWN)
		buf_adds(out, "…");
	buf_release(&masked);
}

/* A text without tags and with single blanks. */
static void strip(struct span text, struct buf *out)
{
	bool tag = false, blank = true;

	for (size_t i = 0; i < text.n && out->len < SHOWN; i++) {
		char c = text.p[i];
		if (c == '<')
			tag = true;
		else if (c == '>' && tag)
			tag = false;
		else if (!tag && !isspace((unsigned char)c)) {
			buf_addc(out, c);
			blank = false;
			continue;
		}
		if (!blank)
			buf_addc(out, ' ');
		blank = true;
	}
}

static const char *advice(int status)
{
	switch (status) {
	case 401:
	case 403:
		return "; check the provider's key";
	case 402:
		return "; the provider's account has no credit";
	case 404:
		return "; check the model's name and the base URL";
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return "; it redirects, set its final address as the base URL";
	default:
		return "";
	}
}

int problem_from_body(struct err *e, const char *provider, int status, struct span body)
{
	struct buf text = BUF_INIT(8 * KIB);
	cleanup_json json_t *v = NULL;
	struct said s = {0};
	enum err_code code;

	body = span_trim(body);
	if (span_starts(body, "{"))
		v = json_parse(body, "answer", NULL);
	if (v)
		s = find_message(v);
	if (s.message.n) {
		problem_show(s.message, &text);
	} else if (body.n) {
		struct buf plain = BUF_INIT(8 * KIB);
		strip(body, &plain);
		problem_show(buf_span(&plain), &text);
		buf_release(&plain);
	}
	code = problem_code(status, s.type, s.message.n ? s.message : body);
	err_set(e, code, "%s answered %d: %s%s", provider, status, text.len ? text.data : "(no message)",
		advice(status));
	buf_release(&text);
	return -1;
}

int problem_from_event(struct err *e, const json_t *v)
{
	struct buf text = BUF_INIT(8 * KIB);
	struct said s = find_message(v);

	problem_show(s.message.n ? s.message : s.type, &text);
	err_set(e, problem_code(s.status, s.type, s.message), "the model's answer broke off: %s",
		text.len ? text.data : "an error without a message");
	buf_release(&text);
	return -1;
}

int64_t problem_retry_ms(const char *retry_after, const char *retry_after_ms, int64_t wall_us)
{
	static const char *const formats[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"};
	double n;
	char *end;

	if (retry_after_ms && *retry_after_ms) {
		n = strtod(retry_after_ms, &end);
		if (end != retry_after_ms && !*end && n >= 0)
			return n > RETRY_MOST ? RETRY_MOST : (int64_t)n;
	}
	if (!retry_after || !*retry_after)
		return -1;
	n = strtod(retry_after, &end);
	if (end != retry_after && !*end)
		return !(n >= 0) ? -1 : n * 1000 > RETRY_MOST ? RETRY_MOST : (int64_t)(n * 1000);
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		struct tm tm = {0};
		const char *rest = strptime(retry_after, formats[i], &tm);
		int64_t ms;
		if (!rest || *rest)
			continue;
		ms = (int64_t)timegm(&tm) * 1000 - wall_us / 1000;
		return ms < 0 ? 0 : ms > RETRY_MOST ? RETRY_MOST : ms;
	}
	return -1;
}
