/* options: every setting of the installation, from one table (options.def) with type, range, default, environment
 * variable and help.
 *
 * A value comes from the last of these that has one: the default, the configuration file (<data>/config.yaml, or the
 * file that MUSTER_CONFIG names), the environment, an override (`--option NAME=VALUE`). An unknown name or a value out
 * of range is an error that names file and line (or the variable) and the nearest known name; nothing is ignored.
 * Read on one thread; immutable after start-up but for options_override and options_take. */
#ifndef MUSTER_CONFIG_OPTIONS_H
#define MUSTER_CONFIG_OPTIONS_H

#include "base/json.h"

enum option {
#define X(symbol, name, type, least, most, standard, environment, choices, help) OPTION_##symbol,
#include "config/options.def"
#undef X
	OPTIONS
};

struct options;

/* The data folder: `flag` (of --data) when not NULL, else MUSTER_DATA, else $XDG_DATA_HOME/muster, else
 * $HOME/.local/share/muster. An absolute path, mem_free it; it need not exist. ERR_USAGE when nothing says where. */
char *options_data_dir(const char *flag, struct err *e);

/* Defaults, then the file, then the environment. data_dir may be NULL: then only MUSTER_CONFIG names a file. No
 * config.yaml in the data folder is fine; a file that MUSTER_CONFIG names must exist. */
struct options *options_load(const char *data_dir, struct err *e);
/* The same with this text for the file, which is called `name` in messages. */
struct options *options_read(struct span text, const char *name, struct err *e);
/* One value of another one, with its source. Nobody may hold what options_text or options_tree gave of it. */
int options_take(struct options *o, enum option which, const struct options *from, struct err *e);
void options_free(struct options *o);
/* "name=value" from the command line. TREE values are given as YAML. */
int options_override(struct options *o, const char *assignment, struct err *e);

/* Values; BUG when the option has another type. Strings and trees are borrowed as long as the options. */
const char *options_text(const struct options *o, enum option which); /* TEXT and CHOICE */
int64_t options_int(const struct options *o, enum option which);
double options_number(const struct options *o, enum option which);
bool options_bool(const struct options *o, enum option which);
const json_t *options_tree(const struct options *o, enum option which);
const json_t *options_value(const struct options *o, enum option which); /* of whatever type */
/* Where the value came from: "default", "FILE:LINE", the variable's name, "command line". */
const char *options_source(const struct options *o, enum option which);
const char *option_name(enum option which);
/* Set e to ERR_INVALID for something wrong inside a TREE: "FILE:LINE: providers/x: message" when it came from the file.
 * `pointer` is relative to the option. Returns -1. */
int options_tree_error(const struct options *o, enum option which, const char *pointer, struct err *e, const char *fmt,
	...) __attribute__((format(printf, 5, 6)));
/* The table for `muster describe`: [{name, type, default, least?, most?, choices?, environment?,
 * help}]; with o also value and source. Values of trees that may hold keys are left out. NULL: no memory. */
json_t *options_describe(const struct options *o, struct err *e);

#endif
