/* flow_rig: one flow with a host that writes down what it is told.
 *
 * Every call is a line of `log` ("0.1 agent {…}"), ends and handlers too; calls named in `instant` are answered at once
 * with null. Sources: flow.lua and up to 8 other files. Faults do not strike the host itself. */
#ifndef MUSTER_TESTS_FLOW_RIG_H
#define MUSTER_TESTS_FLOW_RIG_H

#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/fault.h"
#include "base/mem.h"
#include "flow/flow.h"

struct rig {
	struct flow *f;
	const char *names[9], *texts[9];
	struct flow_limits limits;
	struct buf log;
	bool quiet;	     /* do not log */
	const char *instant; /* " phase say log " */
	bool ended, ok;
	char *result; /* JSON of the main function's value, or its error's text */
	enum err_code code;
	int count;	/* calls so far */
	char last[300]; /* key of the last call */
};

static inline struct span rig_file(void *ctx, const char *name)
{
	struct rig *r = ctx;

	for (size_t i = 0; i < 9; i++)
		if (r->names[i] && strcmp(r->names[i], name) == 0)
			return span_of(r->texts[i]);
	return SPAN_NONE;
}

static inline int rig_disarm(void)
{
	int armed = fault_armed;

	fault_armed = 0;
	return armed;
}

static inline void rig_call(void *ctx, const char *key, const char *name, const json_t *args, const json_t *handlers)
{
	struct rig *r = ctx;
	int armed = rig_disarm();
	char *text = json_text(args), *names = handlers ? json_text(handlers) : NULL, word[40];
	struct err e = ERR_INIT;

	r->count++;
	snprintf(r->last, sizeof r->last, "%s", key);
	if (!r->quiet)
		buf_addf(&r->log, "%s %s %s%s%s\n", key, name, text, names ? " " : "", names ? names : "");
	mem_free(text);
	mem_free(names);
	snprintf(word, sizeof word, " %s ", name);
	if (r->instant && strstr(r->instant, word))
		must(flow_deliver(r->f, key, true, NULL, NULL, &e), &e);
	fault_armed = armed;
}

static inline void rig_handled(void *ctx, const char *key, bool ok, const json_t *value, const struct err *error)
{
	struct rig *r = ctx;
	int armed = rig_disarm();
	char *text = ok ? json_text(value) : NULL;

	assert_true(ok == (value != NULL) && ok == (error == NULL));
	buf_addf(&r->log, "%s %s %s\n", key, ok ? "handled" : "raised", ok ? text : error->text);
	mem_free(text);
	fault_armed = armed;
}

static inline void rig_background_failed(void *ctx, const char *key, const struct err *error)
{
	struct rig *r = ctx;
	int armed = rig_disarm();

	buf_addf(&r->log, "%s failed %s\n", key, error->text);
	fault_armed = armed;
}

static inline void rig_ended(void *ctx, bool ok, const json_t *value, const struct err *error)
{
	struct rig *r = ctx;
	int armed = rig_disarm();

	assert_false(r->ended);
	assert_true(ok == (value != NULL) && ok == (error == NULL));
	r->ended = true;
	r->ok = ok;
	r->code = ok ? ERR_OK : error->code;
	r->result = ok ? json_text(value) : mem_strdup(error->text);
	assert_non_null(r->result);
	fault_armed = armed;
}

static inline void rig_init(struct rig *r, const char *flow)
{
	*r = (struct rig){.names = {"flow.lua"}, .texts = {flow}, .log = BUF_INIT(64 * MIB)};
	r->limits = (struct flow_limits){.memory = 8 * MIB, .slice_ms = 2000, .steps = 1000, .parallel = 1024};
}

static inline void rig_add(struct rig *r, const char *name, const char *text)
{
	size_t i = 0;

	while (r->names[i])
		i++;
	assert_true(i < 9);
	r->names[i] = name;
	r->texts[i] = text;
}

static inline int rig_open(struct rig *r, const char *run, uint64_t seed, struct err *e)
{
	struct flow_source source = {rig_file, r};
	struct flow_host host = {rig_call, rig_handled, rig_background_failed, rig_ended, r};
	cleanup_json json_t *v = json_parse(span_of(run), "run", e);

	r->f = v ? flow_new(&source, &host, &r->limits, v, seed, e) : NULL;
	return r->f ? 0 : -1;
}

static inline void rig_start(struct rig *r)
{
	struct err e = ERR_INIT;

	must(rig_open(r, "{\"inputs\":{\"task\":\"t\"},\"settings\":{}}", 1, &e), &e);
	flow_start(r->f);
	must(flow_rest(r->f, &e), &e);
}

/* Deliver JSON ("" for none) and rest. */
static inline void rig_deliver(struct rig *r, const char *key, const char *json)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *v = *json ? json_parse(span_of(json), "value", &e) : NULL;

	assert_true(!*json || v);
	must(flow_deliver(r->f, key, true, v, NULL, &e), &e);
	must(flow_rest(r->f, &e), &e);
}

static inline void rig_fail(struct rig *r, const char *key, enum err_code code, const char *text)
{
	struct err e = ERR_INIT, error = ERR_INIT;

	err_set(&error, code, "%s", text);
	must(flow_deliver(r->f, key, false, NULL, &error, &e), &e);
	must(flow_rest(r->f, &e), &e);
}

static inline void rig_release(struct rig *r)
{
	flow_free(r->f);
	buf_release(&r->log);
	mem_free(r->result);
}

/* The log so far must be this; it is emptied. */
static inline void rig_expect(struct rig *r, const char *log)
{
	assert_string_equal(r->log.data ? r->log.data : "", log);
	buf_clear(&r->log);
}

/* Run a flow whose calls are all answered at once; its result must be this JSON (or contain this error). */
static inline void rig_result(const char *flow, const char *json)
{
	struct rig r;

	rig_init(&r, flow);
	r.instant = " log say phase sleep now ";
	rig_start(&r);
	if (!r.ended || !r.ok)
		fail_msg("%s\n%s", flow, r.ended ? r.result : "waits");
	assert_string_equal(r.result, json);
	rig_release(&r);
}

static inline void rig_error(const char *flow, const char *part)
{
	struct rig r;

	rig_init(&r, flow);
	r.instant = " log say phase sleep now ";
	rig_start(&r);
	if (!r.ended || r.ok || !strstr(r.result, part))
		fail_msg("%s\nwanted: %s\ngot: %s", flow, part, r.ended ? r.result : "waits");
	rig_release(&r);
}

/* Resting must end with this limit, told with this text; whatever the flow tries. */
static inline void rig_limit(struct rig *r, const char *part)
{
	struct err e = ERR_INIT, again = ERR_INIT;

	must(rig_open(r, "{}", 1, &e), &e);
	flow_start(r->f);
	if (flow_rest(r->f, &e) == 0)
		fail_msg("%s\nwas not stopped: %s", r->texts[0], r->ended ? r->result : "waits");
	if (e.code != ERR_FLOW_LIMIT || !strstr(e.text, part))
		fail_msg("%s\n%s: %s", r->texts[0], err_name(e.code), e.text);
	assert_int_equal(flow_rest(r->f, &again), -1);
	assert_string_equal(again.text, e.text);
	assert_false(r->ended);
	rig_release(r);
}

#endif
