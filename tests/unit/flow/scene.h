/* scene: runs of scripted agents, told in few lines: what the model answers, what the journal must hold. */
#ifndef MUSTER_TESTS_FLOW_SCENE_H
#define MUSTER_TESTS_FLOW_SCENE_H

#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "fixture.h"

/* Setup and teardown of a test: a fixture with the mode "simple" (one agent of role worker, task "do it", whose result
 * is the run's) and no roles. */
int scene_new(void **state);
int scene_free(void **state);

/* The worker's role: its tools (a YAML list's inside) and further lines of front matter. */
void scene_worker(struct fixture *f, const char *tools, const char *front);
/* The next answer of any agent of a role: text, then name and arguments of each call, NULL. */
void scene_says(struct fixture *f, const char *role, const char *text, ...) __attribute__((sentinel));
#define worker_calls(f, ...) scene_says(f, "worker", "", __VA_ARGS__, NULL)
#define worker_says(f, text) scene_says(f, "worker", text, NULL)
/* The next answer is cut at the limit of tokens. */
void scene_cut(struct fixture *f, const char *role, const char *text);
/* The next answer of a role is an error of the provider: members of "error" as JSON. */
void scene_fails(struct fixture *f, const char *role, const char *error);

/* Open the house, start the mode, wait for the state. */
void scene_play(struct fixture *f, const char *mode, const char *request, const char *state);
/* Answer the newest open action of this name. */
void scene_answer(struct fixture *f, const char *name, const char *option, const char *text);
/* A replay matches, the chain verifies. */
void scene_replays(struct fixture *f);
/* Everything the agents were told and answered, a line each: "0 task: …", "0 call write_file {…}", "0 ok: …". Owned. */
char *scene_talk(struct fixture *f);
bool scene_told(struct fixture *f, const char *text); /* does the talk hold this? */
#define assert_told(f, text)                                                                                           \
	do {                                                                                                           \
		if (!scene_told(f, text)) {                                                                            \
			char *scene_text = scene_talk(f);                                                              \
			fail_msg("nobody was told \"%s\":\n%s", text, scene_text);                                     \
		}                                                                                                      \
	} while (0)
#define assert_not_told(f, text)                                                                                       \
	do {                                                                                                           \
		if (scene_told(f, text)) {                                                                             \
			char *scene_text = scene_talk(f);                                                              \
			fail_msg("somebody was told \"%s\":\n%s", text, scene_text);                                   \
		}                                                                                                      \
	} while (0)
/* A text member of the last event of a type, "" when absent; valid until the next call. */
const char *scene_last(struct fixture *f, const char *type, const char *member);

/* What the run's budget counts as spent; what it has reserved. */
double scene_spent(struct fixture *f, double *reserved);
/* Another process opens the house and plays the run, until it is killed after so many microseconds or the run ends. */
void scene_play_until_killed(struct fixture *f, useconds_t us);

#endif
