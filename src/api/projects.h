/* projects: what the files of this resource share. */
#ifndef MUSTER_API_PROJECTS_H
#define MUSTER_API_PROJECTS_H

#include "api/private.h"

/* The record as it is replied, with its ETag set; a new reference. */
json_t *project_reply(struct ask *q, const json_t *record, struct err *e);

/* Are name, description and tags, where they are given, within their caps? */
int project_check(const json_t *given, struct err *e);

/* The caller, for the audit. */
const char *project_who(const struct ask *q);

/* May its folder be looked at: is it there? ERR_CONFLICT. */
int project_there(const json_t *record, struct err *e);

/* project_new.c; both take the ask. */
json_t *project_create(struct ask *q, struct err *e);
json_t *project_import(struct ask *q, struct err *e);
/* project_clone.c; both take the ask. */
json_t *project_clone(struct ask *q, struct err *e);
json_t *project_retry(struct ask *q, struct err *e);
/* A project goes: its import ends, if it has one. */
void project_clone_stop(struct api *a, const char *id);
/* project_files.c; all take the ask. */
json_t *project_stats(struct ask *q, struct err *e);
json_t *project_risks(struct ask *q, struct err *e);
json_t *project_export(struct ask *q, struct err *e);

#endif
