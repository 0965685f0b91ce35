/* script: a file of answers that stands for a model (docs/contracts.md, "Models: exec and script"), and which of its
 * lines have been used. Pure but for reading the file.
 *
 * Lines are numbered from 1 as in the file. A line is used once in each playing (struct play), unless it repeats. What
 * is marked in the process's playing (NULL) is used for all. */
#ifndef MUSTER_LLM_SCRIPT_H
#define MUSTER_LLM_SCRIPT_H

#include "base/json.h"
#include "llm/llm.h"

struct script;

/* Read and check the whole file. Errors name file and line: ERR_PARSE, ERR_INVALID (unknown keys with the nearest known
 * one), ERR_NOT_FOUND, ERR_TOO_LARGE (CAP_SCRIPT). */
struct script *script_load(const char *path, struct err *e);
struct script *script_parse(struct span text, const char *name, struct err *e);
void script_free(struct script *s);
const json_t *script_header(const struct script *s); /* the "recording" object, or NULL */

/* The first unused line for this call (of a recording, first those with the call's own prompt, whatever number their
 * agent had): its number, now used, and a new reference to the line's object; -1 with ERR_SCRIPT_EXHAUSTED naming role,
 * agent and turn. */
int64_t script_take(struct script *s, const struct llm_call *c, json_t **line, struct err *e);
/* The same for an action's answer; 0 when there is none left. */
int64_t script_take_answer(struct script *s, const char *play, const char *action, json_t **line, struct err *e);
/* The line was taken but nothing came of it: unused again. Line 0 is harmless. */
void script_give_back(struct script *s, const char *play, int64_t line);
/* -1 with ERR_INVALID when the script has no such line. */
int script_mark(struct script *s, const char *play, int64_t line, struct err *e);
void script_forget(struct script *s, const char *play);

#endif
