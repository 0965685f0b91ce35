/* clone: a git repository from elsewhere, fetched by the git program in a sandbox of its own.
 *
 * The sandbox has one folder, in which nothing is but this clone, and reaches the URL's host and port alone, through
 * the egress proxy. No file of the repository is checked out there, so that none of its hooks, filters, attributes or
 * submodules come into play. What is left in the folder is for vcs/adopt.h: pack, refs, head. */
#ifndef MUSTER_WORKSPACE_CLONE_H
#define MUSTER_WORKSPACE_CLONE_H

#include "http/guard.h"
#include "sandbox/sandbox.h"

/* May a person give this URL? http only where the administrator exempts the host or its addresses, which is seen when
 * it is connected to. ERR_INVALID, ERR_DENIED, ERR_TOO_LARGE. */
int clone_url(const struct guard *g, const char *url, struct guard_url *out, struct err *e);

struct clone {
	/* Set by the caller, valid until on_done. */
	const char *dir;	   /* absolute, empty, owned by uid */
	const char *url;	   /* as clone_url gave it; NULL: the repository `source` in dir, without any network */
	const struct guard *guard; /* with url */
	const char *ca;		   /* file of authorities (PEM) to trust, for https; NULL: the system's */
	uid_t uid;		   /* as sandbox_spec's */
	/* git says how far it is. */
	void (*on_progress)(struct clone *c, const char *text, int percent);
	/* Once; nothing runs in the folder any more. ERR_NETWORK (git's words), ERR_DENIED (the proxy's), ERR_INVALID,
	 * ERR_TOO_LARGE, ERR_TIMEOUT, ERR_CANCELLED, … */
	void (*on_done)(struct clone *c, const struct err *why);
	/* private */
	struct sandbox *sandbox;
	struct sandbox_exec exec;
	struct guard_url at;
	char *env[12];
	const char *read_only[2];
	char line[CAP_CLONE_LINE], fatal[CAP_CLONE_LINE], denied[CAP_CLONE_LINE];
	size_t length;
	struct err why;
};
int clone_start(struct clone *c, struct loop *l, struct err *e);
void clone_cancel(struct clone *c);

#endif
