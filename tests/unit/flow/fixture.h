/* fixture: a house in a temporary folder with modes and roles of the test, a scripted model, and commands run by
 * /bin/sh in place of the sandbox. */
#ifndef MUSTER_TESTS_FLOW_FIXTURE_H
#define MUSTER_TESTS_FLOW_FIXTURE_H

#include "flow/house.h"
#include "flow/run.h"
#include "unit.h"

struct fixture {
	char root[64]; /* temporary folder: data/, modes/, roles/, project/, script.jsonl */
	struct loop *loop;
	struct store *store;
	struct llm *llm;
	struct house *house;
	uint8_t key[KEY_SIZE];
	char id[ID_TEXT];
	int settled;
	struct buf script;
	bool shipped; /* use the shipped modes and roles */
	bool passivate;
	bool simulated; /* a loop whose clock is set by the test, and a store in memory */
	/* of the configuration, all owned: facts of models ({"script:…": {context}}), classes, prices */
	json_t *models, *classes, *prices;
	json_t *settings; /* of the installation; owned */
};

/* Make the folder; write the parts with the functions below, then open. */
void fixture_init(struct fixture *f);
void fixture_release(struct fixture *f);
void fixture_file(struct fixture *f, const char *path, const char *text);
/* mode.yaml with roles [worker], and this flow. */
void fixture_mode(struct fixture *f, const char *id, const char *flow);
/* roles/worker.md with these tools and extra front matter lines. */
void fixture_role(struct fixture *f, const char *id, const char *front, const char *body);
/* A line of the script. */
void fixture_line(struct fixture *f, const char *json);
void fixture_open(struct fixture *f);
/* Close house and store (as a clean stop of the program does), keep the folder. */
void fixture_close(struct fixture *f);
/* Create and start a run; request: extra members as JSON text or NULL. */
void fixture_start(struct fixture *f, const char *mode, const char *request);
/* Run the loop until the run is quiet in the given state; fails after some seconds. */
struct run *fixture_until(struct fixture *f, const char *state);
/* All events of the run as NDJSON (mem_free). */
char *fixture_journal(struct fixture *f);
int fixture_count(struct fixture *f, const char *type);
/* The data of the last event of a type, new reference, or NULL. */
json_t *fixture_last(struct fixture *f, const char *type);
void fixture_command(struct fixture *f, const char *json);
/* Open the house and run the mode to its end, which is completed with this text as its result. */
void fixture_gives(struct fixture *f, const char *mode, const char *result);
/* Content of a file of the run's working copy (mem_free), or NULL. */
char *fixture_copy_file(struct fixture *f, const char *path);

#endif
