/* llm: ask a model one thing once, whoever serves it.
 *
 * A request is provider-neutral; a dialect (anthropic, openai, compatible, exec, script) encodes it, sends it and
 * decodes the streamed answer into text and tool calls. One call = one attempt: retries, fallbacks and budgets belong
 * to the agent loop, which journals them. A failure is a value with a reason, never half an answer: a truncated stream
 * yields no tool call at all. Messages are encoded once per dialect and the bytes are kept with the message, so that a
 * request for turn N splices N-1 stored pieces instead of encoding the history again. */
#ifndef MUSTER_LLM_LLM_H
#define MUSTER_LLM_LLM_H

#include "base/json.h"
#include "http/client.h"
#include "loop/loop.h"

struct vault;

/* ---- messages ---- */

/* The forms in which a message goes over the wire; each is encoded once and kept with the message. */
enum llm_wire {
	LLM_WIRE_ANTHROPIC,
	LLM_WIRE_OPENAI,
	LLM_WIRE_RESPONSES,
	LLM_WIRE_GEMINI,
	LLM_WIRE_OLLAMA,
	LLM_WIRE_EXEC,
	LLM_WIRES
};

enum llm_role { LLM_USER, LLM_ASSISTANT, LLM_TOOL };

struct llm_tool_call {
	char *id; /* muster's own id of the call; in an answer "c<turn>_<n>" with n from 0, which every provider takes
		   */
	char *name;
	json_t *arguments; /* an object; NULL with `bad` set when the model's arguments do not parse */
	char *bad;	   /* the raw text of arguments that are no JSON object; else NULL */
	char *text;	   /* in a message: the arguments, as JSON instead of a tree, which takes many times the room */
};
/* What it asks with, in a message; "" when nothing is known. */
const char *llm_call_text(const struct llm_tool_call *call);

/* One message, immutable once made; shared by reference count. Encodings are made on the loop's thread only. */
struct llm_message {
	_Atomic unsigned refs;
	enum llm_role role;
	char *text; /* UTF-8, may be "" */
	size_t text_len;
	struct llm_tool_call *calls; /* assistant */
	size_t call_count;
	char *call_id, *name, *status; /* tool: which call it answers; status ok, error, denied, lost */
	/* encodings by dialect, made on first use */
	struct blob *encoded[LLM_WIRES];
	unsigned tokens; /* estimate */
};
struct llm_message *llm_message_text(enum llm_role role, struct span text, struct err *e);
/* Takes ownership of calls[] (mem_alloc'ed, with its members) also on failure. */
struct llm_message *llm_message_calls(struct span text, struct llm_tool_call *calls, size_t count, struct err *e);
struct llm_message *llm_message_result(
	const char *call_id, const char *name, const char *status, struct span text, struct err *e);
struct llm_message *llm_message_ref(struct llm_message *m);
void llm_message_unref(struct llm_message *m);
void llm_tool_calls_free(struct llm_tool_call *calls, size_t count);

/* ---- models and prices ---- */

struct llm; /* configuration: providers with keys and addresses, model classes, prices, the script; one a process */

struct llm_price { /* dollars per million tokens */
	double input, output, cached, cache_write;
	char date[11], source[128]; /* who says so, and since when */
	/* Requests with more input tokens than this cost these multiples; 0: no such rule. */
	int64_t long_over;
	double long_input, long_output;
};

/* A model that was resolved: "anthropic:claude-…", a class ("strong") with its fallbacks, "exec:PROGRAM",
 * "script:FILE". */
struct llm_model {
	char name[512]; /* provider:model as journaled */
	bool priced;
	struct llm_price price;
	int context; /* tokens it can read; 0 unknown */
	int max_output;
	void *provider; /* private */
};

struct llm_usage {
	int64_t input, output, cached, cache_write; /* tokens; input counts all input tokens, cached ones included */
	bool estimated;
};
double llm_cost(const struct llm_model *m, const struct llm_usage *u);
/* Tokens in a text, without a tokenizer: bytes/3.6 for ASCII prose and code, more for other scripts; errs on the high
 * side. */
int64_t llm_estimate(struct span text);

struct llm_options {
	struct loop *loop;
	const json_t *config;	 /* {providers: {name: {base_url, key, kind, profile}}, classes: {strong: [..]}, prices:
				    {...}, models: {...}}; NULL: environment only */
	const char *prices_file; /* NULL: the data built in */
	bool allow_local;	 /* exec: and script: are accepted (only for the data folder's owner) */
	const struct vault *vault; /* keys by provider or variable name ("anthropic", "ANTHROPIC_API_KEY"); may be NULL;
				      borrowed while the llm lives */
	int64_t first_byte_ms, idle_ms; /* 0: TIME_FIRST_BYTE, TIME_IDLE */
};
struct llm *llm_new(const struct llm_options *o, struct err *e);
void llm_free(struct llm *l);
/* The ordered candidates for a class or a model name; count, or -1 with ERR_NO_MODEL (names the variables that would
 * configure one, and `muster demo`), ERR_NO_KEY, ERR_INVALID. */
int llm_resolve(struct llm *l, const char *model_or_class, struct llm_model *out, int max, struct err *e);
/* What is configured, for doctor and describe: [{name, kind, base_url?, key: bool, key_in?, key_end? (its last four
 * characters), models: [..]}]. */
json_t *llm_providers(const struct llm *l, struct err *e);
/* The models that are known, [{model, ready, context, max_output, classes: [..], price?: {input, output, cached,
 * cache_write (dollars per million tokens), date?, source?}}], and those of the configuration. */
json_t *llm_models(struct llm *l, struct err *e);
/* Look for the provider's key anew (the vault's has changed), for calls that begin from now on. ERR_NOT_FOUND. */
int llm_key_renew(struct llm *l, const char *name, struct err *e);

/* ---- one call ---- */

enum llm_stop { LLM_STOP_END, LLM_STOP_TOOLS, LLM_STOP_LENGTH, LLM_STOP_REFUSAL };

struct llm_call {
	/* set by the caller, borrowed until on_done */
	const struct llm_model *model;
	const char *run, *role, *agent;
	const char *prompt; /* hex hash of what muster itself has said to the agent, for recordings; NULL */
	int turn;
	struct span system; /* the stable prefix; marked for the provider's prompt cache */
	struct llm_message *const *messages;
	size_t message_count;
	const json_t *tools;	     /* [{name, description, schema}]; same object for the whole life of an agent */
	const json_t *output_schema; /* or NULL */
	double temperature;	     /* < 0: the provider's default */
	int max_tokens;
	int64_t total_ms; /* 0: only first-byte and idle time-outs bind */
	/* Which playing of a script this call belongs to: NULL is the process's one; a server gives the id of the top
	 * run, so that two runs of the same script do not take each other's lines. */
	const char *play;
	/* Text as it is written; valid during the call. May be NULL. */
	void (*on_text)(struct llm_call *c, struct span text);
	/* Piece of the raw JSON arguments of the index-th tool call as it is written (for live file streaming). May be
	 * NULL. */
	void (*on_arguments)(struct llm_call *c, int index, const char *tool, struct span piece);
	/* Exactly once. why->code: ERR_OK; ERR_RATE_LIMITED, ERR_OVERLOADED (retry_ms says when, -1 unknown),
	 * ERR_TIMEOUT, ERR_NETWORK, ERR_MODEL_REPLY (all retryable), ERR_MODEL (the provider refused: its message),
	 * ERR_TOO_LARGE (context overflow or cap), ERR_SCRIPT_EXHAUSTED, ERR_CANCELLED. */
	void (*on_done)(struct llm_call *c, const struct err *why);
	void *ctx;
	/* results, valid in on_done; the caller may steal text and calls */
	char *text;
	size_t text_len;
	struct llm_tool_call *calls; /* none when stop is LLM_STOP_LENGTH: the last one may be cut */
	size_t call_count;
	enum llm_stop stop;
	struct llm_usage usage; /* of a failed call as far as it was told, else zero */
	char answered_by[160];	/* the model's own name for itself */
	int status;		/* HTTP status, 0 none */
	int64_t retry_ms;	/* from Retry-After, -1 none */
	int64_t line;		/* script line used, 0 none */
	int64_t took_ms;
	void *priv;
};
int llm_call_start(struct llm_call *c, struct llm *l, struct err *e);
void llm_call_cancel(struct llm_call *c);  /* on_done fires with ERR_CANCELLED */
void llm_call_release(struct llm_call *c); /* frees what was not stolen of the results */

/* ---- scripts and recordings (spec: docs/contracts.md) ---- */

/* `script` is a FILE or "script:FILE". The forms with `play` are for servers (see llm_call.play; NULL: the process's).
 */
/* Lines that are used already (model.answered.line of the journal), told before the first call after a restart. */
int llm_script_used(struct llm *l, const char *script, int64_t line, struct err *e);
int llm_script_used_in(struct llm *l, const char *script, const char *play, int64_t line, struct err *e);
/* A person's answer for an action of this name, when the script has one left: 1 and *answer (mem_free it, either an
 * option or free text) and *line; 0 none; -1 error. */
int llm_script_answer(
	struct llm *l, const char *script, const char *action, char **answer, int64_t *line, struct err *e);
int llm_script_answer_in(struct llm *l, const char *script, const char *play, const char *action, char **answer,
	int64_t *line, struct err *e);
/* The run is over: forget which lines its playing used. */
void llm_script_forget(struct llm *l, const char *play);
/* Header of a script: borrowed object or NULL. */
const json_t *llm_script_header(struct llm *l, const char *script, struct err *e);

/* Recorder: appends real answers as a script; each line durable before the answer is used. */
struct recorder;
struct recorder *recorder_open(const char *path, const json_t *header, struct err *e); /* appends to an existing one */
int recorder_reply(struct recorder *r, const struct llm_call *c, const char *prompt_hash, struct err *e);
int recorder_failure(struct recorder *r, const struct llm_call *c, const struct err *why, struct err *e);
int recorder_answer(struct recorder *r, const char *action, const char *answer, struct err *e);
void recorder_close(struct recorder *r);

#endif
