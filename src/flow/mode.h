/* mode: a kind of job, as modes/<id>/mode.yaml describes it (docs/contracts.md, Modes).
 *
 * Every field is checked when it is loaded; an unknown or wrong one is ERR_INVALID "file:line: …" with the nearest
 * known name. Immutable after loading. Strings and JSON values are borrowed from `json`. */
#ifndef MUSTER_FLOW_MODE_H
#define MUSTER_FLOW_MODE_H

#include "base/json.h"

enum mode_input_type {
	INPUT_TEXT,
	INPUT_TEXTAREA,
	INPUT_NUMBER,
	INPUT_SELECT,
	INPUT_FILE,
	INPUT_BOOLEAN,
	INPUT_ROLE,
	INPUT_TYPES
};

struct mode_input {
	const char *name, *label, *placeholder, *help; /* label: the name when none is given; others NULL */
	enum mode_input_type type;
	bool required;
	bool multiple;		 /* select, file: the value is a list */
	const json_t *options;	 /* select: texts or whole numbers */
	const json_t *accept;	 /* file: endings like ".csv"; NULL any */
	const json_t *otherwise; /* default; NULL */
};

struct mode {
	json_t *json; /* the whole, with empty lists and objects where fields are absent, and `label`s */
	char *dir;    /* where it was loaded from */
	const char *id, *name, *description, *engine, *category, *icon; /* category, icon: "" when absent */
	struct mode_input *inputs;
	size_t input_count;
	const char
		*named_by; /* the input whose first words are a run's name, when none is given; NULL: the mode's name */
	const json_t *tags, *outputs, *gates, *settings, *roles, *calls, *limits, *estimate, *examples, *tips;
};

/* Load dir/mode.yaml. ERR_NOT_FOUND, ERR_PARSE, ERR_INVALID. */
struct mode *mode_load(const char *dir, struct err *e);
/* What a bundle holds of a mode that was loaded once. */
struct mode *mode_pinned(const json_t *json, struct err *e);
void mode_free(struct mode *m);
/* Look in the data folder's modes (may be NULL), then among the shipped ones. ERR_NOT_FOUND names the nearest id. */
struct mode *mode_find(const char *id, const char *data_modes_dir, const char *shipped_modes_dir, struct err *e);
/* All modes by id, the data folder's before shipped ones of the same id: a new array of mode_json values. A mode that
 * cannot be loaded stands as {id, dir, error: {code, message}}, so that it does not hide the others. */
json_t *mode_list(const char *data_modes_dir, const char *shipped_modes_dir, struct err *e);

static inline const char *mode_id(const struct mode *m)
{
	return m->id;
}
static inline const char *mode_name(const struct mode *m)
{
	return m->name;
}
static inline const json_t *mode_settings(const struct mode *m)
{
	return m->settings;
}
/* For `muster modes --json` and describe: every field, and `dir`. A new reference. */
json_t *mode_json(const struct mode *m, struct err *e);

/* The name of a run with these inputs, to which none was given; mem_free it. NULL: no memory. */
char *mode_run_name(const struct mode *m, const json_t *inputs);
/* NULL: it has no such input. */
const struct mode_input *mode_input(const struct mode *m, const char *name);
bool mode_input_is_file(const struct mode *m, const char *name);
/* Check what a person gave (an object, or NULL for nothing) and write a new object with the values the flow gets: texts
 * trimmed of nothing, numbers and booleans read from texts, one file or option of a `multiple` input as a list,
 * defaults filled in, empty texts left out. ERR_INVALID naming the input: unknown (with the nearest), missing, not one
 * of the options, wrong type, wrong ending. */
int mode_check_inputs(const struct mode *m, const json_t *inputs, json_t **out, struct err *e);
/* One value for one input, normalised; NULL as above. `where` begins the message. */
json_t *mode_check_value(const struct mode_input *in, const json_t *value, const char *where, struct err *e);

#endif
