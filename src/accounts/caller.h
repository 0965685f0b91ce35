/* caller: who asks for something, and what they may do in the installation. */
#ifndef MUSTER_ACCOUNTS_CALLER_H
#define MUSTER_ACCOUNTS_CALLER_H

#include "base/id.h"

/* What a key may be used for; sessions and the data folder's owner have all of it. */
enum { SCOPE_READ = 1, SCOPE_WRITE = 2, SCOPE_ADMIN = 4, SCOPES_ALL = 7 };

/* Each may do what the ones before may. Of the installation, and of each project. */
enum member_role { ROLE_NONE, ROLE_VIEWER, ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER };

enum caller_kind {
	CALLER_NOBODY,
	CALLER_LOCAL, /* the data folder's owner, over its socket: owner of everything, with all scopes */
	CALLER_SESSION,
	CALLER_KEY,
};

#define CALLER_NAME 80

struct caller {
	enum caller_kind kind;
	char person[ID_TEXT]; /* "" of nobody and the data folder's owner */
	char name[CALLER_NAME];
	enum member_role role;	/* in the installation */
	unsigned scopes;	/* SCOPE_ bits */
	char token_id[ID_TEXT]; /* of the session or key */
};

#endif
