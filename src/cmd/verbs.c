/* verbs: the table of all verbs, in the order in which they are shown. */
#include "cmd/verb.h"

#include <stddef.h>

const struct verb *const verb_table[] = {
#define X(name) &verb_##name,
	VERBS(X)
#undef X
		NULL};

const struct verb_option verb_common[] = {
	{"data", "DIR", false, "the data folder (default: MUSTER_DATA, $XDG_DATA_HOME/muster, ~/.local/share/muster)"},
	{"url", "URL", false, "ask this server instead (default: MUSTER_URL, where --data is not given)"},
	{"option", "NAME=VALUE", true, "a setting of config.yaml, for this time only"},
	{"help", NULL, false, "what the verb does and takes"},
	{NULL},
};
