/* answer: makes the model call that request.c has prepared. It starts when model.requested is durable and ends as
 * model.answered or model.failed; what the model writes meanwhile is shown, files too. A real answer is recorded before
 * it is used. A call that a stop of the program interrupted keeps its whole reservation as spent, unknown. */
#include "flow/private.h"

#include "agent/filestream.h"
#include "flow/house_private.h"

#define STREAMED_CALLS 16

struct shown_file {
	bool begun;
	struct filestream stream;
};

struct answer {
	struct shown_file *files; /* by index of the tool call; [0] also of a directive's text; NULL: none yet */
	struct llm_model model;
	int models; /* that there are to fall back to, with it */
	struct llm_message **messages, *extra;
};

static void show_file(void *ctx, const char *path, int64_t offset, struct span text)
{
	struct op *op = ctx;
	run_show(op->run, EVENT_FILE_STREAM,
		json_pack("{s:s, s:s, s:I, s:o}", "agent", op->agent->id, "path", path, "offset", (json_int_t)offset,
			"text", json_from_span(text)));
}

static void show_result(void *ctx, const char *path, int64_t offset, struct span text)
{
	struct op *op = ctx;
	(void)path;
	run_show(op->run, EVENT_ANSWER_DELTA,
		json_pack("{s:s, s:i, s:I, s:o}", "agent", op->agent->id, "turn", op->agent->turn, "offset",
			(json_int_t)offset, "text", json_from_span(text)));
}

/* NULL: no memory, so this file is not shown; what is done with it is not affected. */
static struct shown_file *shown_file(struct answer *w, int index)
{
	if (!w->files)
		w->files = mem_calloc(STREAMED_CALLS, sizeof(*w->files));
	return w->files ? &w->files[index] : NULL;
}

static void answer_text(struct llm_call *c, struct span text)
{
	struct op *op = c->ctx;
	if (op->agent)
		run_show(op->run, EVENT_MESSAGE_DELTA,
			json_pack("{s:s, s:i, s:I, s:o}", "agent", op->agent->id, "turn", op->agent->turn, "offset",
				(json_int_t)op->shown, "text", json_from_span(text)));
	op->shown += (int64_t)text.n;
	if (op->agent && op->agent->dialect == DIALECT_DIRECTIVE && op->agent->file && op->answer) {
		struct shown_file *file = shown_file(op->answer, 0);
		if (!file)
			return;
		if (!file->begun)
			filestream_init_raw(&file->stream, op->agent->file);
		file->begun = true;
		filestream_feed(&file->stream, text, show_file, op);
	}
}

/* A file as the model writes it, or what it ends with. */
static void answer_arguments(struct llm_call *c, int index, const char *tool, struct span piece)
{
	struct op *op = c->ctx;
	bool finish = tool && !strcmp(tool, "finish");
	if (!op->agent || index >= STREAMED_CALLS || !tool || (!finish && strcmp(tool, "write_file") != 0))
		return;
	struct shown_file *file = shown_file(op->answer, index);
	if (!file)
		return;
	if (!file->begun)
		filestream_init(&file->stream);
	if (finish)
		file->stream.wanted = "result";
	file->begun = true;
	filestream_feed(&file->stream, piece, finish ? show_result : show_file, op);
}

static json_t *calls_json(struct llm_call *c)
{
	json_t *list = json_array();
	for (size_t i = 0; list && i < c->call_count; i++) {
		const struct llm_tool_call *t = &c->calls[i];
		json_t *item = json_pack("{s:s}", "name", t->name ? t->name : "");
		if (t->arguments)
			json_object_set(item, "arguments", t->arguments);
		else
			json_object_set_new(item, "bad", json_from_span(span_of(t->bad ? t->bad : "")));
		json_array_append_new(list, item);
	}
	return list;
}

static json_t *answered_json(struct op *op, struct llm_call *c)
{
	static const char *const stops[] = {"end", "tools", "length", "refusal"};
	struct agent *a = op->agent;
	json_t *data = json_pack("{s:s, s:i, s:s, s:{s:I, s:I, s:I, s:I, s:b}, s:f, s:s, s:I}", "agent", a->id, "turn",
		a->turn, "stop", stops[c->stop], "usage", "input", (json_int_t)c->usage.input, "output",
		(json_int_t)c->usage.output, "cached", (json_int_t)c->usage.cached, "cache_write",
		(json_int_t)c->usage.cache_write, "estimated", c->usage.estimated, "usd",
		c->model->priced ? llm_cost(c->model, &c->usage) : 0.0, "model",
		*c->answered_by ? c->answered_by : c->model->name, "ms", (json_int_t)c->took_ms);
	if (data && c->text_len)
		json_object_set_new(data, "text", json_from_span(span_n(c->text, c->text_len)));
	if (data && c->call_count)
		json_object_set_new(data, "calls", calls_json(c));
	if (data && c->line)
		json_object_set_new(data, "line", json_integer(c->line));
	return data;
}

static void answer_done(struct llm_call *c, const struct err *why)
{
	struct op *op = c->ctx;
	struct run *r = op->run;
	struct agent *a = op->agent;
	struct err e = ERR_INIT;
	if (op->state == OP_DROPPED) {
		op_done(op, EVENT_MODEL_FAILED, NULL);
		return;
	}
	if (r->recorder && why->code != ERR_CANCELLED) {
		int failed = why->code == ERR_OK ? recorder_reply(r->recorder, c, op->name, &e)
						 : recorder_failure(r->recorder, c, why, &e);
		if (failed) {
			op_broke(op, &e);
			return;
		}
	}
	if (why->code == ERR_OK) {
		op_done(op, EVENT_MODEL_ANSWERED, answered_json(op, c));
		return;
	}
	json_t *data = json_pack("{s:s, s:i, s:i, s:s, s:s, s:i}", "agent", a->id, "turn", a->turn, "attempt",
		a->attempt, "code", err_name(why->code), "text", why->text, "candidates", op->answer->models);
	if (data && c->retry_ms >= 0)
		json_object_set_new(data, "retry_ms", json_integer(c->retry_ms));
	if (data && c->line)
		json_object_set_new(data, "line", json_integer(c->line));
	if (data && c->status)
		json_object_set_new(data, "status", json_integer(c->status));
	op_done(op, EVENT_MODEL_FAILED, data);
}

void answer_start(struct op *op)
{
	struct run *r = op->run;
	struct agent *a = op->agent;
	struct err e = ERR_INIT;
	struct answer *w = MEM_NEW(struct answer);
	struct llm_model found[CANDIDATES];
	struct hash prompt, own;
	char own_hex[HASH_HEX];
	size_t count;
	int models = w ? llm_resolve(r->house->llm, run_model(r, a), found, CANDIDATES, &e) : err_nomem(&e);
	if (models < 1 || agent_request(a, &w->messages, &count, &w->extra, &prompt, &own, &e)) {
		mem_free(w);
		op_broke(op, &e);
		return;
	}
	w->model = found[a->candidate < models ? a->candidate : models - 1];
	hash_hex(&own, own_hex);
	mem_free(op->name);
	op->name = mem_strdup(own_hex);
	op->answer = w;
	w->models = models;
	op->shown = 0;
	op->call = (struct llm_call){.model = &w->model,
		.run = r->id,
		.play = r->id,
		.role = a->role->id,
		.agent = a->id,
		.prompt = op->name,
		.turn = a->turn,
		.system = span_of(a->system),
		.messages = w->messages,
		.message_count = count,
		.tools = a->compacting || !json_array_size(a->offers) ? NULL : a->offers,
		.output_schema = a->compacting || a->dialect == DIALECT_DIRECTIVE || json_array_size(a->offers)
					 ? NULL
					 : a->output,
		.temperature = a->role->temperature,
		.max_tokens = a->max_tokens,
		.total_ms = (int64_t)a->role->minutes * 60000,
		.on_text = answer_text,
		.on_arguments = answer_arguments,
		.on_done = answer_done,
		.ctx = op};
	run_show(r, EVENT_AGENT_STATUS, json_pack("{s:s, s:s}", "agent", a->id, "status", "thinking"));
	if (llm_call_start(&op->call, r->house->llm, &e)) {
		struct agent *who = op->agent;
		op_done(op, EVENT_MODEL_FAILED,
			json_pack("{s:s, s:i, s:i, s:s, s:s, s:i}", "agent", who->id, "turn", who->turn, "attempt",
				who->attempt, "code", err_name(e.code), "text", e.text, "candidates", models));
	}
}

void answer_cancel(struct op *op)
{
	llm_call_cancel(&op->call);
}

void answer_release(struct op *op)
{
	if (!op->answer)
		return;
	llm_call_release(&op->call);
	for (int i = 0; op->answer->files && i < STREAMED_CALLS; i++)
		if (op->answer->files[i].begun)
			filestream_release(&op->answer->files[i].stream);
	mem_free(op->answer->files);
	mem_free(op->answer->messages);
	llm_message_unref(op->answer->extra);
	mem_free(op->answer);
}

void answer_recover(struct op *op)
{
	struct agent *a = op->agent;
	struct agent_entry *entry = run_agent(op->run, a->id);
	op_done(op, EVENT_MODEL_FAILED,
		json_pack("{s:s, s:i, s:i, s:s, s:s, s:f}", "agent", a->id, "turn", a->turn, "attempt", a->attempt,
			"code", "lost", "text", "the program stopped while the model answered", "usd_unknown",
			entry->reserved));
}
