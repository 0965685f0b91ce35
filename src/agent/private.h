/* private: what the files of agent/ share, which are the conversation (context.c), the calls of a turn (calls.c),
 * progress (progress.c).
 */
#ifndef MUSTER_AGENT_PRIVATE_H
#define MUSTER_AGENT_PRIVATE_H

#include "agent/agent.h"

#define AGENT_TRIES 3	   /* requests to one model before the next candidate */
#define AGENT_REPAIRS 3	   /* malformed replies in a row that are sent back; the next ends the agent */
#define AGENT_REFUSALS 5   /* of finish */
#define AGENT_SAME_NUDGE 3 /* the same call with the same result */
#define AGENT_SAME_STUCK 6
#define AGENT_IDLE_NUDGE 12 /* turns that changed and learned nothing */
#define AGENT_IDLE_STUCK 24

/* ---- context.c ---- */
int conversation_init(struct agent *a, const json_t *vars, struct err *e);
void conversation_release(struct agent *a);
/* Append a message (stolen, also on failure; NULL is no memory). own: the words are muster's or the flow's. */
int conversation_push(struct agent *a, struct llm_message *m, bool own, struct err *e);
int conversation_user(struct agent *a, struct span text, bool own, struct err *e);
/* Is there no room left for another answer? */
bool conversation_full(const struct agent *a);
/* Replace the older part by a summary (NULL: the deterministic fallback); emits agent.compacted. */
int conversation_compact(struct agent *a, const char *summary, struct err *e);

/* ---- calls.c ---- */
int calls_from_answer(struct agent *a, const json_t *data, struct err *e);
void calls_clear(struct agent *a);
/* Begin every call that may begin now; when all have ended, push their results and end the turn. */
int calls_advance(struct agent *a, struct err *e);
bool calls_ended(const struct agent *a);
/* Why the agent may not end for lack of evidence; NULL when it may. */
const char *calls_missing_evidence(const struct agent *a);
/* Everything the model may call, for messages. */
void calls_names(const struct agent *a, struct buf *out);

/* ---- agent.c ---- */
int agent_end(struct agent *a, const char *status, json_t *result, const struct err *why, struct err *e);
void agent_emit(struct agent *a, enum event_type type, json_t *data);	   /* puts "agent" into it; data stolen */
int agent_out_of_place(struct agent *a, const char *event, struct err *e); /* an event that does not fit the state */
int agent_ask(struct agent *a, struct err *e);				   /* → ASKING */

/* ---- progress.c ---- */
/* A call ended: remember whether it taught anything. */
void progress_call(struct agent *a, const struct agent_call *c);
/* The turn ended. May push a nudge or block the agent with an action. */
int progress_turn(struct agent *a, struct err *e);
void progress_reset(struct agent *a);

#endif
