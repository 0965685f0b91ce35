/* pattern: the globs of policy rules, matched against text that may be known only in part.
 *
 * `*` stands for any characters, / and none included; `**` + `/` for any folders ("a/b/"), none included; every other
 * character for itself. SHELL_UNKNOWN in the text stands for any characters, none included. */
#ifndef MUSTER_TOOLS_PATTERN_H
#define MUSTER_TOOLS_PATTERN_H

#include "base/buf.h"

enum pattern_match {
	PATTERN_NO,    /* whatever the unknown parts are */
	PATTERN_MAYBE, /* depends on them */
	PATTERN_YES,   /* whatever they are */
};

/* A pattern longer than CAP_POLICY_PATTERN is a BUG; policy_add refuses it. Takes time in proportion to the product of
 * both lengths. YES is never said wrongly; where unknown parts meet literal characters, MAYBE may be said for YES. */
enum pattern_match pattern_match(struct span pattern, struct span text);

#endif
