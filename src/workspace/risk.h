/* risk: what a person should look at before trusting files that came from elsewhere: secrets, what runs code or
 * commands, and files that other programs run by themselves (risk.def).
 *
 * Every file is looked through to its end, in a window of fixed size; nothing is run. Time is linear in what there is;
 * a hit is a hint, and no hit is no promise. Secrets are masked in what is shown. Blocks: pool. */
#ifndef MUSTER_WORKSPACE_RISK_H
#define MUSTER_WORKSPACE_RISK_H

#include <stdatomic.h>

#include "base/json.h"

enum risk_severity { RISK_LOW, RISK_MEDIUM, RISK_HIGH };
struct risk_rule;

#define RISK_EXCERPT 200
struct risk {
	const struct risk_rule *rule;
	char *path;
	uint64_t line; /* from 1; 0: the file as a whole */
	char excerpt[RISK_EXCERPT];
};
struct risks {
	struct risk *items; /* by path, then line */
	size_t count, room;
	uint64_t files, bytes, more; /* more: hits beyond CAP_RISKS, or CAP_RISKS_RULE of one rule in one file */
	bool incomplete;	     /* not everything could be looked at */
};
int risk_scan(const char *dir, const atomic_bool *cancel, struct risks *out, struct err *e);
void risks_release(struct risks *r);
/* {files, bytes, more, incomplete, high, medium, low, found: [{file, line, rule, severity, words, excerpt}]} */
json_t *risks_json(const struct risks *r, struct err *e);

/* One text as a file of that name; for what is not on the disk. */
int risk_text(const char *path, struct span text, struct risks *out, struct err *e);

#endif
