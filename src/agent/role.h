/* role: what an agent is, as a Markdown file with YAML front matter (docs/contracts.md, Roles).
 *
 * Front matter: id, name, class, model?, temperature?, tools, output? (JSON Schema), dialect (native | directive),
 * language? (master | manager | coder | tester: the directive language, and the meaning of tools in both dialects),
 * context? (list of memory, tree, children: what is read again for every turn), check? (none | run | pass: the evidence
 * that finish needs), limits {turns, output_tokens, minutes}, prices?. The body is the system prompt; {name} slots are
 * filled from the task's variables; {{ and }} stand for braces. An unknown field is an error at load, a slot
 * without a value when the prompt is made.
 * Immutable; shared by reference count. */
#ifndef MUSTER_AGENT_ROLE_H
#define MUSTER_AGENT_ROLE_H

#include "base/json.h"
#include "directive/table.h"

enum role_dialect { DIALECT_NATIVE, DIALECT_DIRECTIVE };
enum role_check { CHECK_NONE, CHECK_RUN, CHECK_PASS };
enum { CONTEXT_MEMORY = 1, CONTEXT_TREE = 2, CONTEXT_CHILDREN = 4 };

struct role {
	unsigned refs;
	char *id, *name, *class, *model; /* model: NULL unless the role names one */
	double temperature;		 /* -1: the provider's default */
	json_t *tools;			 /* array of names */
	json_t *output;			 /* schema or NULL */
	json_t *prices;			 /* or NULL */
	enum role_dialect dialect;
	bool has_language;
	enum directive_language language;
	unsigned context; /* CONTEXT_ bits */
	enum role_check check;
	int turns, output_tokens, minutes;
	char *body;
};

/* Parse one role file; `path` is for messages ("roles/coder.md:4: …"). */
struct role *role_parse(struct span text, const char *path, struct err *e);
/* Of a role that belongs to no mode, whose flow could fulfil others: does each of its tools exist? ERR_INVALID names
 * the one that does not, and those that do. */
int role_check_tools(const struct role *r, const char *path, struct err *e);
struct role *role_ref(struct role *r);
void role_unref(struct role *r);
/* Append the system prompt: the body with its slots filled. A slot without a value is ERR_INVALID naming it. */
int role_prompt(const struct role *r, const json_t *vars, struct buf *out, struct err *e);
/* The same for any text (templates); `what` names it in messages. */
int text_fill(struct span text, const char *what, const json_t *vars, struct buf *out, struct err *e);

#endif
