/* route: a row of the table of routes, and the asking of one by a request: an ask.
 *
 * A resource is a file that exports `const struct route routes_<resource>[]`, ended by an empty row, and a name in
 * ROUTES. Handlers run on the loop's thread. Before one is called, all of this holds: the caller is known and may call
 * it; the project and the run in the path exist and the caller may see them; query and body are as their shapes say.
 *
 * A handler returns what is replied, or NULL with the error that becomes a problem document. Or it takes the ask:
 * returns NULL without an error, and ends it later, once, by ask_end, or answers the request by its own hand
 * (http/reply.h) and forgets the ask by ask_forget. */
#ifndef MUSTER_API_ROUTE_H
#define MUSTER_API_ROUTE_H

#include "api/api.h"
#include "base/json.h"
#include "http/reply.h"

/* The least that the caller must be: in the project of a path with {project} or {run}, else in the installation. */
enum who {
	WHO_UNSAID, /* a mistake in the table */
	WHO_ANYONE, /* nobody needs to be known */
	WHO_KNOWN,  /* any person */
	WHO_VIEWER,
	WHO_MEMBER,
	WHO_ADMIN,
	WHO_OWNER,
	WHO_LOCAL, /* the data folder's owner over its socket, and nobody else */
};

struct ask;

struct route {
	const char *method, *path; /* {name}: a segment */
	enum who who;
	const char *summary; /* one line */
	const char *query;   /* shape (base/shape.h) of s, i, n, b, (…) fields; NULL: none */
	const char *body;    /* shape; NULL: none is read */
	const char *reply;   /* type of a shape ("@run", "[@run]"); NULL: no content */
	int status;	     /* of success; 0: 200 */
	json_t *(*handle)(struct ask *q, struct err *e);
	bool raw;		  /* the handler reads the body by its own hand; `body` then says what it is */
	const char *content_type; /* of the reply, when it is not JSON; several with blanks between them */
	/* Browsers come here by themselves, also sent by a page of another site, whose parameters may be more than
	 * those that are named here (request_query). What goes wrong sends them on to /?error=CODE. */
	bool visited;
	/* Also over the WebSocket (spoken.h): the handler looks at nothing of the request, and takes no ask. */
	bool spoken;
};

/* Where the resources lie. */
#define API "/api/v1"

#define ROUTES(X)                                                                                                      \
	X(runs)                                                                                                        \
	X(events)                                                                                                      \
	X(socket)                                                                                                      \
	X(metrics)                                                                                                     \
	X(changes)                                                                                                     \
	X(actions)                                                                                                     \
	X(interventions)                                                                                               \
	X(retention)                                                                                                   \
	X(replay)                                                                                                      \
	X(removal)                                                                                                     \
	X(history)                                                                                                     \
	X(artifacts)                                                                                                   \
	X(estimate)                                                                                                    \
	X(auth)                                                                                                        \
	X(oidc)                                                                                                        \
	X(people)                                                                                                      \
	X(audit)                                                                                                       \
	X(notices)                                                                                                     \
	X(money)                                                                                                       \
	X(config)                                                                                                      \
	X(uploads)                                                                                                     \
	X(providers)                                                                                                   \
	X(catalogue)                                                                                                   \
	X(system)                                                                                                      \
	X(projects)                                                                                                    \
	X(templates)

#define X(name) extern const struct route routes_##name[];
ROUTES(X)
#undef X

/* ---- the table ---- */

#define ROUTE_VALUES 4 /* {…} segments of a path */

/* The values of a path's {…} segments, in their order; views into the path. */
struct route_match {
	const struct route *route;
	struct span values[ROUTE_VALUES];
};
/* 0, or -1 with ERR_NOT_FOUND, or ERR_METHOD naming those that the path knows. */
int route_find(const char *method, const char *path, struct route_match *out, struct err *e);
/* Called for every route. */
void route_each(void (*each)(void *ctx, const struct route *r), void *ctx);
/* [{name, method, path, who, summary, query, schema, reply}] for `muster describe`. */
json_t *routes_describe(struct err *e);
/* Read every row's shapes, once; routes_release forgets them. ERR_INTERNAL names a row that is no good. */
int routes_setup(struct err *e);
void routes_release(void);
/* Of query and body; NULL: it takes none. */
const json_t *route_query_schema(const struct route *r);
const json_t *route_body_schema(const struct route *r);
extern const char *const who_names[];

/* ---- an ask ---- */

struct ask {
	struct api *api;
	const struct api_needs *needs;
	struct server_request *request;
	const struct route *route;
	struct caller caller;
	char id[ID_TEXT];	  /* of the request; in X-Request-Id, logs and audit */
	char command_id[ID_TEXT]; /* the same for every request of this caller with this Idempotency-Key; else id */
	const char *run_id;	  /* of paths with {run}: */
	json_t *run;		  /* the run's row; owned by the ask */
	json_t *known;		  /* the project's record, of paths with {project}; owned by the ask */
	const char *project;	  /* of paths with {project} or {run} */
	enum member_role role;	  /* of the caller in that project, or in the installation */
	json_t *query, *body;	  /* objects, checked; owned by the ask */
	bool noted;		  /* what was denied is in the audit already */
	struct route_match match; /* private */
	char *path;
};

/* The value of {name} in the path; mem_free it. NULL: no memory. BUG when the path has none. */
char *ask_param(const struct ask *q, const char *name);
/* A header's value by lower-case name, or NULL. */
const char *ask_header(const struct ask *q, const char *name);
/* May the caller see this project, as at least this role? */
bool ask_may(const struct ask *q, const char *project, enum member_role least);
/* How many rows are asked for: `limit` of the query, 1 to PAGE_MOST. all: the data folder's owner may ask for any
 * number, -1: all. */
#define PAGE_MOST 1000
int ask_limit(const struct ask *q, int standard, bool all, int *out, struct err *e);
/* Leave in a filter of store_runs or store_actions only what the caller may see. -1: ERR_NOT_FOUND for a project that
 * they may not, ERR_NOMEM. */
int ask_visible(const struct ask *q, json_t *filter, struct err *e);
/* Say in `command` who gives it ("by"). The data folder's owner may say another name. -1: no memory. */
int ask_sign(const struct ask *q, json_t *command);
/* May the caller name this model? Programs and scripts (exec:, script:) only the data folder's owner. NULL is fine. */
int ask_model(const struct ask *q, const char *model, struct err *e);
/* The end of a taken ask: out is consumed; NULL: the error. */
void ask_end(struct ask *q, json_t *out, const struct err *why);
/* Forget a taken ask whose request somebody else ends. */
void ask_forget(struct ask *q);
/* A list goes on behind this cursor: a Link header (RFC 8288) with the same query and `cursor`. */
int ask_next(struct ask *q, const char *cursor, struct err *e);
/* A list by time, newest first, in pages. Ask the store for `fetch` rows before `before` (0: all); ask_paged (rows are
 * consumed; NULL stays an error) takes away what the page before had and links to the one behind. time: the rows'
 * member; those of one microsecond come once each, too. */
struct ask_page {
	int limit, fetch; /* -1: all */
	int64_t before;
	size_t skip;
};
int ask_page(const struct ask *q, int standard, struct ask_page *out, struct err *e);
json_t *ask_paged(struct ask *q, const struct ask_page *p, json_t *rows, const char *time, struct err *e);

#endif
