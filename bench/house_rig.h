/* house_rig: a house in the rig's folder, opened as the program opens its own, with one mode, "bench", whose roles lead
 * and worker work alike. The data folder is "data", a scripted model's script is "script.jsonl". */
#ifndef MUSTER_BENCH_HOUSE_RIG_H
#define MUSTER_BENCH_HOUSE_RIG_H

#include "flow/house.h"
#include "flow/run.h"
#include "rig.h"

struct house_rig {
	struct loop *loop;
	struct store *store;
	json_t *models;
	struct llm *llm;
	struct house *house;
};

struct house_rig_options {
	const char *base_url; /* of the provider "mock", which speaks Chat Completions; NULL: there is none */
	bool no_sync;
	bool passivate;
};

/* One worker, until it finishes. */
extern const char house_rig_worker[];

/* Write the mode: the flow's text, and the tools of both roles as a list. */
void house_rig_mode(const char *flow, const char *tools);
/* Add an answer with one tool call to a script; args is JSON. One that names what it matches is given again and again,
 * another ("") once. */
void house_rig_call(struct buf *script, const char *match, const char *tool, const char *args);
void house_rig_script(struct buf *script); /* write it and release it */

void house_rig_open(struct house_rig *h, const struct house_rig_options *o); /* after the mode is there */
void house_rig_close(struct house_rig *h);
/* A run of the mode in a project of this name; house_resume begins it. */
void house_rig_create(struct house_rig *h, const char *project, const char *model, char id[ID_TEXT]);
/* Whether there is anything left that the run does. One that failed ends the program. */
bool house_rig_busy(struct house_rig *h, const char *id);

#endif
