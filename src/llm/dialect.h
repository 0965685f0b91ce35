/* dialect: one provider's wire format, pure: bytes in, bytes out, no I/O.
 *
 * encode() writes a request as pieces that are sent in order without being joined. A decoder takes the stream's events
 * as they come and gathers text and tool calls. An answer counts only when its end marker came (decoder_done): of a
 * stream that stops before it nothing is used. */
#ifndef MUSTER_LLM_DIALECT_H
#define MUSTER_LLM_DIALECT_H

#include "base/arena.h"
#include "llm/llm.h"

/* ---- requests ---- */

/* The pieces of a request; what is not borrowed lives in the arena. A failed add is remembered: wire_check tells. */
struct wire {
	struct arena arena;
	struct span *pieces;
	size_t count, room, bytes;
	char *joined; /* see wire_join */
	bool failed;
};
void wire_init(struct wire *w);
void wire_release(struct wire *w);
void wire_add(struct wire *w, struct span borrowed);
void wire_lit(struct wire *w, const char *literal);
void wire_copy(struct wire *w, struct span bytes);
void wire_printf(struct wire *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wire_text(struct wire *w, struct span text); /* as a JSON string with its quotes */
void wire_json(struct wire *w, const json_t *v);
/* 0, or -1 with ERR_NOMEM or ERR_TOO_LARGE (more than CAP_REQUEST_BODY). */
int wire_check(const struct wire *w, struct err *e);
/* Small pieces become one, with nothing borrowed and the arena empty: less to keep while the answer is written. */
void wire_join(struct wire *w);

/* Differences among servers that speak a dialect. */
struct profile {
	const char *name;
	const char *max_tokens;	 /* the member's name */
	bool stream_usage;	 /* understands stream_options.include_usage */
	bool done_marker;	 /* ends its streams with [DONE] */
	bool schema;		 /* understands response_format json_schema */
	bool needs_max_tokens;	 /* refuses requests without a limit, or has a small default */
	bool samples;		 /* an unknown model of it takes a temperature */
	const char *no_thinking; /* member that switches thinking off, for NO_THINK_TOOLS; NULL none */
};
const struct profile *profile_named(const struct profile *list, const char *name); /* NULL: none */

/* ---- answers ---- */

#define DECODER_BLOCKS 1024 /* content blocks of one answer */

struct draft { /* a tool call as it is written */
	char *name;
	struct buf args;
	long index; /* the provider's number of it */
};

struct decoder {
	const struct dialect *dialect;
	const struct profile *profile;
	void (*on_text)(void *ctx, struct span text);
	void (*on_arguments)(void *ctx, int index, const char *tool, struct span piece);
	void *ctx;
	struct buf text;
	struct draft *drafts;
	size_t draft_count, draft_room;
	size_t bytes; /* gathered, capped by CAP_MODEL_REPLY */
	struct llm_usage usage;
	bool usage_told;
	enum llm_stop stop;
	char model[160];
	/* of the dialect */
	int state;
	int *blocks; /* anthropic: what each content block is */
	size_t block_count, block_room;
};

enum { STREAM_START, STREAM_OPEN, STREAM_STOPPED, STREAM_ENDED };

struct dialect {
	const char *name;
	enum llm_wire wire;
	const struct profile *profiles; /* to one without a name; the first is the default */
	const char *path;		/* after the base URL; {model} in it stands for the model */
	bool lines;			/* streams a JSON object a line (NDJSON), not events */
	/* Headers besides content-type: writes name/value pairs (literals, or into the arena); returns their number. */
	int (*headers)(struct wire *w, const char *key, struct http_header *out, int max);
	int (*encode)(struct wire *w, const struct llm_call *c, const char *model, const struct profile *p,
		unsigned flags, struct span tools, struct err *e);
	/* One tool, {name, description, schema}, as the provider wants it. */
	void (*encode_tool)(const json_t *tool, struct buf *out);
	/* One event of the stream. -1: ERR_MODEL_REPLY (malformed, wrong order), ERR_TOO_LARGE, or what an error event
	 * says. */
	int (*event)(struct decoder *d, struct span name, struct span data, struct err *e);
};
extern const struct dialect dialect_anthropic, dialect_openai, dialect_responses, dialect_gemini, dialect_ollama;
/* All tools, joined by commas. ERR_INVALID: one has no name or schema. */
int encode_tools(const struct dialect *d, const json_t *tools, struct buf *out, struct err *e);

void decoder_init(struct decoder *d, const struct dialect *dialect, const struct profile *p);
void decoder_release(struct decoder *d);
/* The end marker came: whatever follows is ignored. */
bool decoder_done(const struct decoder *d);
/* The stream has ended: 0 when it may (a dialect without an end marker), -1 ERR_MODEL_REPLY. */
int decoder_finish(struct decoder *d, struct err *e);
/* The calls of a finished answer as `c<turn>_<n>`; *calls is the caller's. None when it was cut for length. */
int decoder_calls(struct decoder *d, int turn, struct llm_tool_call **calls, size_t *count, struct err *e);

/* For dialects. */
/* An event's data; NULL: ERR_MODEL_REPLY, ERR_NOMEM. */
json_t *decoder_json(struct span data, const char *what, struct err *e);
void decoder_model(struct decoder *d, const char *name); /* what answers says its name is; NULL or "": it does not */
int decoder_add_text(struct decoder *d, struct span piece, struct err *e);
struct draft *decoder_find(struct decoder *d, long index);				     /* NULL: none yet */
struct draft *decoder_draft(struct decoder *d, long index, struct span name, struct err *e); /* a new one */
int decoder_add_arguments(struct decoder *d, struct draft *t, struct span piece, struct err *e);
/* A count of tokens, made sane: 0 to 10^12. */
int64_t decoder_tokens(const json_t *obj, const char *key, int64_t otherwise);
int decoder_bad(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* ERR_MODEL_REPLY */

/* The raw text of a call's arguments, as an object or as what a model got wrong; none at all are an empty object. */
int decode_arguments(struct llm_tool_call *call, struct span raw, struct err *e);

/* ---- shared by encoders ---- */

/* The message's bytes on this wire, made on first use. Borrowed from the message. */
struct span message_wire(struct llm_message *m, enum llm_wire wire,
	int (*encode)(const struct llm_message *m, struct buf *out), struct err *e);
/* A call's id with the characters that providers refuse replaced. */
void encode_id(struct buf *out, const char *id);
/* A message's arguments as a JSON object; unparsable ones as {"invalid_json": "…"}. */
void encode_arguments(struct buf *out, const struct llm_tool_call *call);
void encode_arguments_text(struct buf *out, const struct llm_tool_call *call); /* the same as a JSON string */
void encode_text(struct buf *out, struct span text);			       /* a JSON string with its quotes */
/* An offered tool as {name, description, SCHEMA}, by the name that the provider has for its schema. */
void encode_offer(struct buf *out, const json_t *tool, const char *schema);
/* Headers of a dialect whose key is a bearer token (RFC 6750). */
int bearer_header(struct wire *w, const char *key, struct http_header *out, int max);
/* Order in which the messages from `from` go out: within a run of messages that are not the assistant's, tool results
 * come first, because providers want them right after the calls. Fills order[] (indices, count of them). */
void wire_order(struct llm_message *const *messages, size_t count, size_t *order);
/* All messages in that order, as encode writes them, joined by commas. */
int wire_messages(struct wire *w, const struct llm_call *c, enum llm_wire wire,
	int (*encode)(const struct llm_message *m, struct buf *out), struct err *e);
/* Behind the last message, in that order, of the turn that begins at `from`: the assistant's, or all between two of
 * his. */
size_t wire_turn(struct llm_message *const *messages, const size_t *order, size_t count, size_t from);
/* Largest answer to ask for; 0: leave it to the provider. */
int wire_max_tokens(const struct llm_call *c, const struct profile *p);
/* That, and the temperature, as members after others. flags: of models.def. */
void wire_limits(struct wire *w, const struct llm_call *c, const struct profile *p, unsigned flags);

#endif
