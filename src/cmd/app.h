/* app: what a verb stands on: the data folder, its configuration, vault, journal, models and house, opened as far as
 * the verb needs them.
 *
 * The owner's lock guards everything that is made in the folder. Shipped modes, roles and recordings lie in one folder
 * (`share`): MUSTER_SHARE, else ../share/muster beside the program, else the source tree above its build folder. */
#ifndef MUSTER_CMD_APP_H
#define MUSTER_CMD_APP_H

#include "api/api.h"
#include "cmd/args.h"

/* In a backup, and in what is restored from it: the data folder that it was made of. */
#define APP_ORIGIN "origin"

struct app {
	const struct args *args;
	struct loop *loop;
	struct options *options;
	char *data_dir, *share, *modes_dir, *roles_dir, *own_modes, *own_roles, *templates, *own_templates, *sock;
	struct vault *vault;
	struct store *store; /* APP_READ and above; NULL in APP_READ when there is no data folder yet */
	json_t *llm_config;
	struct llm *llm;     /* APP_OWN */
	struct house *house; /* APP_OWN, or after app_house */
	bool house_open;
};

enum app_need {
	APP_FOLDERS, /* configuration and where things are; nothing is made or opened */
	APP_READ,    /* the journal for reading, also beside an owner */
	APP_OWN,     /* everything, as the owner; ERR_OWNED names who is */
	APP_SERVE,   /* the same, to stay: runs that only wait leave memory */
};

int app_open(struct app *a, const struct args *args, enum app_need need, struct err *e);
/* ERR_NOT_FOUND when there is no data folder to read. */
int app_must_have(const struct app *a, struct err *e);
/* APP_READ: make the projections anew, as the owner for that long. */
int app_rebuild(struct app *a, struct err *e);
/* A house without models over a journal that is open for reading: for replay. */
int app_house(struct app *a, struct err *e);
/* Closes the house alone: what its runs had to say is durable then, or could not be written. */
void app_house_close(struct app *a);
/* Closes the house (turning the loop until its runs are down), the journal and the rest. Harmless after a failed open.
 */
void app_close(struct app *a);
#define cleanup_app __attribute__((cleanup(app_close)))

/* Where modes and roles are looked for. */
struct bundle_places app_places(const struct app *a);
/* What the api stands on, of an app that owns its folder. */
struct api_needs app_needs(const struct app *a);

/* The whole row of the run that a person names by id or a part of it. */
json_t *app_run(const struct app *a, const char *name, struct err *e);
/* Models of the configuration and the environment. */
int app_llm(struct app *a, struct err *e);

#endif
