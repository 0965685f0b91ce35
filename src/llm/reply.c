/* reply: shapes are checked before anything is told, so that of a wrong answer nothing is used. */
#include "llm/reply.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "config/nearest.h"
#include "llm/dialect.h"
#include "llm/problem.h"

#define RETRY_MOST_S INT64_C(86400)

static const char *const stops[] = {[LLM_STOP_END] = "end",
	[LLM_STOP_TOOLS] = "tools",
	[LLM_STOP_LENGTH] = "length",
	[LLM_STOP_REFUSAL] = "refusal"};

static int known_only(const json_t *v, const char *const *known, const char *what, const char *part, struct err *e)
{
	struct nearest near;
	const char *key = nearest_unknown(&near, v, known);

	if (key)
		return err_set(
			e, ERR_INVALID, "%s: %s has no member \"%.60s\"%s", what, part, key, nearest_hint(&near));
	return 0;
}

static bool absent_or(const json_t *obj, const char *key, json_type type)
{
	const json_t *v = json_get(obj, key);

	return !v || json_is_null(v) || json_typeof(v) == type;
}

static int check_calls(const json_t *calls, const char *what, bool strict, struct err *e)
{
	static const char *const known[] = {"id", "name", "arguments", NULL};
	const json_t *call;
	size_t i;

	if (json_array_size(calls) > CAP_MODEL_TOOL_CALLS)
		return err_set(e, ERR_TOO_LARGE, "%s: more than the allowed %d tool calls", what, CAP_MODEL_TOOL_CALLS);
	json_array_foreach(calls, i, call)
	{
		const json_t *args = json_get(call, "arguments");
		if (!json_is_object(call) || !json_span(call, "name").n)
			return err_set(e, ERR_INVALID, "%s: tool call %zu has no name", what, i + 1);
		if (strict && known_only(call, known, what, "a tool call", e))
			return -1;
		if (args && !json_is_object(args) && !json_is_string(args))
			return err_set(
				e, ERR_INVALID, "%s: the arguments of tool call %zu must be an object", what, i + 1);
	}
	return 0;
}

static int check_reply(const json_t *r, const char *what, bool strict, struct err *e)
{
	static const char *const known[] = {"text", "tool_calls", "usage", "model", "stop", NULL};
	const char *stop = json_str(r, "stop");
	bool stop_ok = !stop;

	if (!json_is_object(r))
		return err_set(e, ERR_INVALID, "%s: \"reply\" must be an object", what);
	if (strict && known_only(r, known, what, "a reply", e))
		return -1;
	if (!absent_or(r, "text", JSON_STRING) || !absent_or(r, "tool_calls", JSON_ARRAY) ||
		!absent_or(r, "usage", JSON_OBJECT) || !absent_or(r, "model", JSON_STRING) ||
		!absent_or(r, "stop", JSON_STRING))
		return err_set(e, ERR_INVALID,
			"%s: of a reply text, model and stop are texts, tool_calls is a list, usage an object", what);
	for (size_t i = 0; i < sizeof stops / sizeof *stops; i++)
		stop_ok |= stop && strcmp(stop, stops[i]) == 0;
	if (!stop_ok)
		return err_set(e, ERR_INVALID, "%s: stop is end, tools, length or refusal, not \"%.40s\"", what, stop);
	return check_calls(json_get(r, "tool_calls"), what, strict, e);
}

static int check_error(const json_t *x, const char *what, bool strict, struct err *e)
{
	static const char *const known[] = {"status", "retry_after", "message", "cut_after_bytes", "code", NULL};
	const char *code = json_str(x, "code");

	if (!json_is_object(x))
		return err_set(e, ERR_INVALID, "%s: \"error\" must be an object", what);
	if (strict && known_only(x, known, what, "an error", e))
		return -1;
	if (!absent_or(x, "status", JSON_INTEGER) || !absent_or(x, "message", JSON_STRING) ||
		!absent_or(x, "cut_after_bytes", JSON_INTEGER) || !absent_or(x, "code", JSON_STRING))
		return err_set(e, ERR_INVALID,
			"%s: of an error status and cut_after_bytes are integers, message and code texts", what);
	if (code && (err_code_named(code) == ERR_CODES || err_code_named(code) == ERR_OK))
		return err_set(e, ERR_INVALID, "%s: there is no error code \"%.40s\"", what, code);
	return 0;
}

int reply_check(const json_t *v, const char *what, bool strict, struct err *e)
{
	const json_t *reply = json_get(v, "reply"), *error = json_get(v, "error");

	if (!reply && !error)
		return err_set(e, ERR_INVALID, "%s: neither \"reply\" nor \"error\"", what);
	if (reply && error && !json_get(error, "cut_after_bytes"))
		return err_set(e, ERR_INVALID, "%s: an error beside a reply needs cut_after_bytes", what);
	return (reply && check_reply(reply, what, strict, e)) || (error && check_error(error, what, strict, e)) ? -1
														: 0;
}

/* ---- taking ---- */

static int take_error(struct llm_call *c, const json_t *x, const char *what, struct err *e)
{
	const json_t *retry = json_get(x, "retry_after");
	struct span message = json_span(x, "message");
	const char *code = json_str(x, "code");
	int64_t cut = json_int(x, "cut_after_bytes", -1);

	c->status = (int)json_int(x, "status", 0);
	if (json_is_number(retry) && json_number_value(retry) >= 0)
		c->retry_ms = json_number_value(retry) > RETRY_MOST_S ? RETRY_MOST_S * 1000
								      : (int64_t)(json_number_value(retry) * 1000);
	if (cut >= 0 && !code && !c->status)
		return err_set(e, ERR_MODEL_REPLY, "%s: the answer was cut off after %lld bytes", what, (long long)cut);
	if (!message.n)
		message = span_of("(no message)");
	err_set(e,
		code	    ? err_code_named(code)
		: c->status ? problem_code(c->status, SPAN_NONE, message)
			    : ERR_NETWORK,
		"%s%s%.*s", what, c->status ? ": " : " failed: ", (int)(message.n > 600 ? 600 : message.n), message.p);
	return -1;
}

static int take_call(struct llm_tool_call *to, const json_t *v, int turn, size_t n, struct err *e)
{
	json_t *args = json_get(v, "arguments");

	to->id = mem_printf("c%d_%zu", turn, n);
	to->name = mem_strdup(json_str(v, "name"));
	if (!to->id || !to->name)
		return err_nomem(e);
	if (!json_is_object(args))
		return decode_arguments(to, json_span(v, "arguments"), e);
	to->arguments = json_incref(args);
	return 0;
}

static int tell_call(struct llm_call *c, int index, const struct llm_tool_call *call, struct err *e)
{
	char *text = call->bad ? mem_strdup(call->bad) : json_text(call->arguments);

	if (!text)
		return err_nomem(e);
	c->on_arguments(c, index, call->name, span_of(text));
	mem_free(text);
	return 0;
}

static int take_calls(struct llm_call *c, const json_t *list, const bool *cancelled, struct err *e)
{
	size_t n = json_array_size(list);

	if (!n)
		return 0;
	c->calls = mem_calloc(n, sizeof *c->calls);
	if (!c->calls)
		return err_nomem(e);
	c->call_count = n;
	for (size_t i = 0; i < n; i++) {
		if (take_call(&c->calls[i], json_array_get(list, i), c->turn, i, e))
			return -1;
		if (c->on_arguments && !*cancelled && tell_call(c, (int)i, &c->calls[i], e))
			return -1;
	}
	return 0;
}

static void take_usage(struct llm_call *c, const json_t *u)
{
	c->usage = (struct llm_usage){.input = decoder_tokens(u, "input", 0),
		.output = decoder_tokens(u, "output", 0),
		.cached = decoder_tokens(u, "cached", 0),
		.cache_write = decoder_tokens(u, "cache_write", 0),
		.estimated = json_bool(u, "estimated", false)};
}

static void estimate_usage(struct llm_call *c)
{
	c->usage = (struct llm_usage){.estimated = true, .input = llm_estimate(c->system)};
	for (size_t i = 0; i < c->message_count; i++)
		c->usage.input += c->messages[i]->tokens;
	c->usage.output = llm_estimate(span_n(c->text, c->text_len));
	for (size_t i = 0; i < c->call_count; i++) {
		char *args = c->calls[i].arguments ? json_text(c->calls[i].arguments) : NULL;
		c->usage.output += llm_estimate(span_of(args ? args : c->calls[i].bad));
		mem_free(args);
	}
}

static int take_reply(struct llm_call *c, const json_t *r, const bool *cancelled, struct err *e)
{
	struct span text = json_span(r, "text");
	const char *model = json_str(r, "model"), *stop = json_str(r, "stop");
	const json_t *usage = json_get(r, "usage");

	if (text.n > CAP_MODEL_REPLY)
		return err_set(
			e, ERR_TOO_LARGE, "the answer's text is longer than the allowed %lu bytes", CAP_MODEL_REPLY);
	c->text = mem_strndup(text.n ? text.p : "", text.n);
	if (!c->text)
		return err_nomem(e);
	c->text_len = text.n;
	if (c->on_text && text.n)
		c->on_text(c, text);
	if (take_calls(c, json_get(r, "tool_calls"), cancelled, e))
		return -1;
	c->stop = c->call_count ? LLM_STOP_TOOLS : LLM_STOP_END;
	for (size_t i = 0; stop && i < sizeof stops / sizeof *stops; i++)
		if (strcmp(stop, stops[i]) == 0)
			c->stop = (enum llm_stop)i;
	if (model)
		snprintf(c->answered_by, sizeof c->answered_by, "%s", model);
	if (json_is_object(usage))
		take_usage(c, usage);
	else
		estimate_usage(c);
	return 0;
}

int reply_take(struct llm_call *c, const json_t *v, const char *what, const bool *cancelled, struct err *e)
{
	const json_t *reply = json_get(v, "reply"), *error = json_get(v, "error");
	struct err why = ERR_INIT;

	if (reply_check(v, what, false, &why)) {
		err_set(e, why.code == ERR_TOO_LARGE ? ERR_TOO_LARGE : ERR_MODEL_REPLY, "%s", why.text);
		return -1;
	}
	if (!error)
		return take_reply(c, reply, cancelled, e);
	if (reply && c->on_text) {
		struct span text = json_span(reply, "text");
		int64_t cut = json_int(error, "cut_after_bytes", 0);
		text.n = utf8_cut(text, cut < 0 ? 0 : (uint64_t)cut < text.n ? (size_t)cut : text.n);
		if (text.n)
			c->on_text(c, text);
	}
	return take_error(c, error, what, e);
}

/* ---- making ---- */

static json_t *make_calls(const struct llm_call *c)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < c->call_count; i++) {
		const struct llm_tool_call *call = &c->calls[i];
		json_t *v = json_object();
		if (!v || json_put(v, "name", json_string(call->name)) ||
			(call->arguments ? json_put(v, "arguments", json_incref(call->arguments))
					 : json_put_span(v, "arguments", span_of(call->bad))) ||
			json_array_append(list, v)) {
			json_decref(list);
			list = NULL;
		}
		json_decref(v);
	}
	return list;
}

json_t *reply_make(const struct llm_call *c, struct err *e)
{
	const char *model = c->answered_by[0] ? c->answered_by : c->model->name;
	cleanup_json json_t *r = json_make(e, "{s:s, s:s, s:{s:I, s:I, s:I, s:I, s:b}}", "model", model, "stop",
		stops[c->stop], "usage", "input", (json_int_t)c->usage.input, "output", (json_int_t)c->usage.output,
		"cached", (json_int_t)c->usage.cached, "cache_write", (json_int_t)c->usage.cache_write, "estimated",
		(int)c->usage.estimated);

	if (!r)
		return NULL;
	if (json_put_span(r, "text", span_n(c->text, c->text_len)) ||
		(c->call_count && json_put(r, "tool_calls", make_calls(c)))) {
		err_nomem(e);
		return NULL;
	}
	return steal(&r);
}
