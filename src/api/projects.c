/* projects: what there is, and changes of what is known of one. */
#include "api/projects.h"
#include "api/settings.h"

#include <stdio.h>
#include <strings.h>

#include "base/caps.h"
#include "base/mem.h"

#define DAY_US (24LL * 3600 * 1000000)

json_t *project_reply(struct ask *q, const json_t *record, struct err *e)
{
	char tag[32];
	snprintf(tag, sizeof(tag), "\"%lld\"", (long long)json_int(record, "version", 0));
	return reply_header(q->request, "ETag", tag, e) ? NULL : json_incref((json_t *)record);
}

const char *project_who(const struct ask *q)
{
	return q->caller.kind == CALLER_LOCAL ? "local" : q->caller.person;
}

static int check_text(const char *text, const char *what, size_t most, struct err *e)
{
	return !text || strlen(text) <= most ? 0
					     : err_set(e, ERR_INVALID, "%s must have at most %zu bytes", what, most);
}

int project_check(const json_t *given, struct err *e)
{
	const json_t *tags = json_get(given, "tags"), *tag;
	size_t i;
	if (check_text(json_str(given, "name"), "name", CAP_PROJECT_NAME, e) ||
		check_text(json_str(given, "description"), "description", CAP_PROJECT_WORDS, e))
		return -1;
	if (json_array_size(tags) > CAP_PROJECT_TAGS)
		return err_set(e, ERR_INVALID, "there may be at most %d tags", CAP_PROJECT_TAGS);
	json_array_foreach(tags, i, tag) if (check_text(json_string_value(tag), "a tag", CAP_PROJECT_TAG, e)) return -1;
	return 0;
}

/* ---- reading ---- */

static bool holds(const char *text, const char *word)
{
	return text && strcasestr(text, word);
}

static bool has_tag(const json_t *record, const char *tag)
{
	const json_t *one;
	size_t i;
	json_array_foreach(json_get(record, "tags"), i, one) if (!strcmp(json_string_value(one), tag)) return true;
	return false;
}

/* Unless another state is asked for: what is there, or is on its way. */
static bool is_listed(const char *state)
{
	return strcmp(state, "archived") != 0 && strcmp(state, "deleted") != 0;
}

static bool matches(const struct ask *q, const json_t *record)
{
	const char *word = json_str(q->query, "q"), *state = json_str(q->query, "state"),
		   *tag = json_str(q->query, "tag");
	if (!(state ? !strcmp(json_str(record, "state"), state) : is_listed(json_str(record, "state"))) ||
		!ask_may(q, json_str(record, "id"), ROLE_VIEWER))
		return false;
	return (!tag || has_tag(record, tag)) &&
	       (!word || holds(json_str(record, "name"), word) || holds(json_str(record, "description"), word));
}

/* Where the page begins: behind the record that the cursor names. */
static int find_page(struct ask *q, size_t *at, struct err *e)
{
	const char *cursor = json_str(q->query, "cursor");
	const json_t *record;
	*at = 0;
	for (size_t i = 0; cursor && (record = book_at(q->api->book, i)); i++)
		if (!strcmp(json_str(record, "id"), cursor))
			*at = i + 1;
	return !cursor || *at ? 0 : err_set(e, ERR_INVALID, "cursor: there is no such place; begin without one");
}

static json_t *list_projects(struct ask *q, struct err *e)
{
	cleanup_json json_t *out = json_array();
	int limit;
	const json_t *record, *last = NULL;
	size_t at;
	if (!out || ask_limit(q, 100, false, &limit, e) || find_page(q, &at, e)) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	for (; (record = book_at(q->api->book, at)); at++) {
		if (!matches(q, record))
			continue;
		if (json_array_size(out) == (size_t)limit)
			return ask_next(q, json_str(last, "id"), e) ? NULL : json_incref(out);
		last = record;
		if (json_array_append(out, (json_t *)record)) {
			err_nomem(e);
			return NULL;
		}
	}
	return json_incref(out);
}

int project_there(const json_t *record, struct err *e)
{
	const char *state = json_str(record, "state");
	bool there = strcmp(state, "importing") != 0 && strcmp(state, "failed") != 0;
	return there ? 0
		     : err_set(e, ERR_CONFLICT, "the project has no files: it is %s",
			       *state == 'i' ? "being imported" : "an import that failed");
}

static json_t *get_project(struct ask *q, struct err *e)
{
	const json_t *record = book_get(q->api->book, q->project, e);
	return record ? project_reply(q, record, e) : NULL;
}

/* ---- changing ---- */

struct changing {
	struct book_change change;
	struct ask *q;
	char id[PROJECT_ID];
};

static void changed(struct book_change *change, const struct err *why)
{
	struct changing *c = container_of(change, struct changing, change);
	struct err e = ERR_INIT;
	const json_t *record = why->code == ERR_OK ? book_get(change->book, c->id, &e) : NULL;
	json_t *out = record ? project_reply(c->q, record, &e) : NULL;
	ask_end(c->q, out, why->code == ERR_OK ? &e : why);
	mem_free(c);
}

/* If-Match names the version that the caller has seen (RFC 9110 13.1.1). */
static int check_seen(struct ask *q, const json_t *record, struct err *e)
{
	const char *seen = ask_header(q, "if-match");
	char tag[32];
	snprintf(tag, sizeof(tag), "\"%lld\"", (long long)json_int(record, "version", 0));
	return !seen || !strcmp(seen, "*") || !strcmp(seen, tag)
		       ? 0
		       : err_set(e, ERR_STALE, "the project is at version %s, not %.20s; read it again", tag, seen);
}

/* The record with these members over it, one version on; takes the ask. */
static json_t *change(struct ask *q, const char *what, json_t *members, struct err *e)
{
	cleanup_json json_t *over = members;
	const json_t *record = book_get(q->api->book, q->project, e);
	json_t *value = NULL;
	struct changing *c;
	if (!record || !over || check_seen(q, record, e)) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	c = MEM_NEW(struct changing);
	value = json_clone(record);
	if (!c || !value || json_object_update(value, over) ||
		json_put_int(value, "version", json_int(record, "version", 0) + 1) ||
		json_put_int(value, "updated", clock_wall(loop_clock(q->needs->loop)))) {
		json_decref(value);
		mem_free(c);
		err_nomem(e);
		return NULL;
	}
	if (!json_int(value, "deleted", 0))
		json_object_del(value, "deleted");
	*c = (struct changing){.change.cb = changed, .q = q};
	snprintf(c->id, sizeof(c->id), "%s", q->project);
	if (book_put(q->api->book, &c->change, what, project_who(q), value, e)) {
		mem_free(c);
		return NULL;
	}
	return NULL;
}

static json_t *patch_project(struct ask *q, struct err *e)
{
	const char *name = json_str(q->body, "name");
	if (name && !*name) {
		err_set(e, ERR_INVALID, "name must not be empty");
		return NULL;
	}
	return project_check(q->body, e) || settings_check(q, json_get(q->body, "settings"), e)
		       ? NULL
		       : change(q, "project.changed", json_incref(q->body), e);
}

/* One that is in this state goes into that. */
static json_t *turn(struct ask *q, const char *what, const char *from, const char *to, int64_t deleted, struct err *e)
{
	const json_t *record = book_get(q->api->book, q->project, e);
	if (!record)
		return NULL;
	if (!strcmp(json_str(record, "state"), to)) /* done already */
		return project_reply(q, record, e);
	if (from && strcmp(json_str(record, "state"), from) != 0) {
		err_set(e, ERR_CONFLICT, "the project is %s, not %s", json_str(record, "state"), from);
		return NULL;
	}
	return change(q, what, json_make(e, "{s:s, s:I}", "state", to, "deleted", (json_int_t)deleted), e);
}

/* No run of it may be at work. */
static int check_idle(struct ask *q, struct err *e)
{
	cleanup_json json_t *filter = json_make(
		e, "{s:s, s:[s, s, s, s]}", "project", q->project, "state", "created", "queued", "running", "waiting");
	cleanup_json json_t *rows = filter ? store_runs(q->needs->store, filter, 1, e) : NULL;
	if (!rows)
		return -1;
	return !json_array_size(rows)
		       ? 0
		       : err_set(e, ERR_CONFLICT, "the run %s of this project is at work; cancel or pause it first",
				 json_str(json_array_get(rows, 0), "run"));
}

static json_t *archive(struct ask *q, struct err *e)
{
	return check_idle(q, e) ? NULL : turn(q, "project.archived", "active", "archived", 0, e);
}

static json_t *unarchive(struct ask *q, struct err *e)
{
	return turn(q, "project.unarchived", "archived", "active", 0, e);
}

static json_t *delete_project(struct ask *q, struct err *e)
{
	int64_t now = clock_wall(loop_clock(q->needs->loop));
	json_t *out = check_idle(q, e) ? NULL : turn(q, "project.deleted", NULL, "deleted", now, e);
	if (e->code == ERR_OK)
		project_clone_stop(q->api, q->project);
	return out;
}

static json_t *restore(struct ask *q, struct err *e)
{
	const json_t *record = book_get(q->api->book, q->project, e);
	bool imported = !json_str(record, "source") || json_get(record, "import");
	return record ? turn(q, "project.restored", "deleted", imported ? "active" : "failed", 0, e) : NULL;
}

const struct route routes_projects[] = {
	{"GET", API "/projects", WHO_KNOWN, "projects, newest first; q: a word of name or description",
		"q:s? state:(active|archived|deleted|importing|failed)? tag:s? limit:i? cursor:s?", NULL, "[@project]",
		0, list_projects},
	{"POST", API "/projects", WHO_MEMBER,
		"make a project: empty, of a template, of requirements, of the git repository at an https URL (it is "
		"importing until its stream says otherwise), or (the data folder's owner) of a folder that exists; "
		"with "
		"an Idempotency-Key, once",
		NULL, "name:s? description:s? tags:[s]? template:s? requirements:s? git:s? dir:s?", "@project", 201,
		project_create},
	{"POST", API "/projects/import", WHO_MEMBER,
		"make a project of an archive: zip, or tar, plain or with gzip or zstd; progress=1: NDJSON lines "
		"{entries, bytes}, then {project} or {problem}",
		"name:s? description:s? progress:b?",
		"the archive's bytes; or a form (multipart/form-data) with name, description and, as archive, the file",
		"@project", 201, project_import, .raw = true},
	{"GET", API "/projects/{project}", WHO_VIEWER, "one project", NULL, NULL, "@project", 0, get_project},
	{"PATCH", API "/projects/{project}", WHO_ADMIN,
		"change name, description, tags, trust, or what it says of its runs (settings, as a whole); If-Match: "
		"if "
		"nobody else did",
		NULL, "name:s? description:s? tags:[s]? trusted:b? settings:o?", "@project", 0, patch_project},
	{"DELETE", API "/projects/{project}", WHO_OWNER, "delete a project; for 30 days it can be restored", NULL, NULL,
		"@project", 0, delete_project},
	{"POST", API "/projects/{project}/restore", WHO_OWNER, "bring a deleted project back", NULL, NULL, "@project",
		0, restore},
	{"POST", API "/projects/{project}/retry", WHO_ADMIN, "begin an import from git that failed anew", NULL, NULL,
		"@project", 0, project_retry},
	{"POST", API "/projects/{project}/archive", WHO_ADMIN, "put a project aside: no run begins in it", NULL, NULL,
		"@project", 0, archive},
	{"POST", API "/projects/{project}/unarchive", WHO_ADMIN, "take a project back from the archive", NULL, NULL,
		"@project", 0, unarchive},
	{"GET", API "/projects/{project}/stats", WHO_VIEWER,
		"files, lines and bytes by language; tokens and dollars of its runs", NULL, NULL, "@stats", 0,
		project_stats},
	{"GET", API "/projects/{project}/risks", WHO_VIEWER, "secrets and risky content of its files", NULL, NULL,
		"@risks", 0, project_risks},
	{"GET", API "/projects/{project}/export", WHO_VIEWER,
		"its files at its last commit as an archive; runs=1: with the events of its newest runs, artifacts=1: "
		"with "
		"their artifacts",
		"format:(zip|tar.gz)? runs:b? artifacts:b?", NULL, NULL, 0, project_export,
		.content_type = "application/zip application/gzip"},
	{0},
};
