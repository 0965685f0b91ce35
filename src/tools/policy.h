/* policy: decides by rules whether a call runs, waits for a person, or is refused.
 *
 * Rules. A rule is an effect and a text "tool(pattern)": the pattern is matched against the first argument of the tool
 * (pattern.h has the wildcards; * in the tool's name stands for any characters, too). A rule with `when: tainted` only
 * counts while the agent has read untrusted input.
 *
 * Scopes, from outside in: the tool table's defaults, installation, user, project, run. Within a scope the last rule
 * that matches wins. Of the scopes, the innermost that has a matching rule wins, except that a scope whose winner is a
 * deny is final. When nothing matches, a person is asked.
 *
 * Paths. A first argument that is no URL is judged in two spellings, as given and with ".", ".." and double slashes
 * resolved: a rule that asks or denies counts when it matches either; one that allows must match the resolved one.
 *
 * Shell lines. The argument of the tool `shell` is taken apart (shell_line.h); every command in it is judged on its own
 * and the strictest verdict wins (deny, ask, allow). Then:
 *   - a rule that asks or denies counts when it matches any spelling of the command ("/usr/bin/git push",
 *     "timeout 5 git push"); one that allows must match the command itself;
 *   - where part of a command is only known when the line runs, a rule that allows must match whatever that part is; a
 *     rule that may match, and asks or denies, makes a person be asked (unless a rule behind it or further in
 *     allows for certain; a possible deny is not overruled from further in);
 *   - a line in doubt, where not all commands are known, is judged as if it also ran one command of which nothing is
 *     known. So it asks, unless a rule denies or allows everything, "shell(*)", and no narrower rule for shell comes
 *     behind it or further in;
 *   - a file that the line redirects to (or from) and that write_file (read_file) is denied, is denied here.
 * The person who is asked sees the reason and the whole line. */
#ifndef MUSTER_TOOLS_POLICY_H
#define MUSTER_TOOLS_POLICY_H

#include "base/json.h"

enum policy_effect { POLICY_ALLOW, POLICY_ASK, POLICY_DENY }; /* from lax to strict */
enum policy_scope { POLICY_DEFAULTS, POLICY_INSTALLATION, POLICY_USER, POLICY_PROJECT, POLICY_RUN, POLICY_SCOPES };

struct policy;

struct policy_verdict {
	enum policy_effect effect;
	enum policy_scope scope; /* of the rule; POLICY_SCOPES: no rule */
	const char *rule;	 /* its text, owned by the policy; NULL: no rule matches */
	char reason[512];	 /* for people, valid UTF-8: what was judged, by which rule of which scope */
};

struct policy *policy_new(void); /* NULL: no memory */
/* The rules of `shared`, which outlives p, come before p's own: many policies have the same ones. */
void policy_share(struct policy *p, const struct policy *shared);
void policy_free(struct policy *p);

/* Add a rule behind those of its scope. -1: ERR_INVALID (bad rule text, says how it must look), ERR_TOO_LARGE (pattern
 * or number of rules), ERR_NOMEM. */
int policy_add(struct policy *p, enum policy_scope scope, enum policy_effect effect, const char *text,
	bool when_tainted, struct err *e);
/* Add a list [{"allow"|"ask"|"deny": text, "when"?: "tainted"}]; NULL or null adds none. All or, on error, none; the
 * message names the rule by its place. */
int policy_load_json(struct policy *p, enum policy_scope scope, const json_t *list, struct err *e);

/* Judge a call. 0 with the verdict; -1: ERR_NOMEM. */
int policy_decide(const struct policy *p, const char *tool, struct span argument, bool tainted,
	struct policy_verdict *out, struct err *e);

const char *policy_effect_name(enum policy_effect effect); /* "allow" */
const char *policy_scope_name(enum policy_scope scope);	   /* "installation" */

#endif
