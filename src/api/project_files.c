/* project_files: what a project's folder holds: counted, looked through, and as an archive.
 *
 * An export is pulled: a piece from the pool, to the client, and the next one when there is room. */
#include <fcntl.h>
#include <stdio.h>

#include "api/overview.h"
#include "api/projects.h"
#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/pieces.h"
#include "vcs/project.h"
#include "workspace/archive_out.h"
#include "workspace/risk.h"
#include "workspace/stats.h"

/* ---- one answer from the pool ---- */

struct looking {
	struct toil toil;
	struct ask *q;
	json_t *(*look)(const struct looking *l, struct err *e);
	char *dir;
	atomic_bool gone;
	json_t *out;
	struct err why;
};

static void look_run(struct work *w)
{
	struct looking *l = container_of(w, struct looking, toil.work);
	l->out = l->look(l, &l->why);
}

static void look_done(struct work *w)
{
	struct looking *l = container_of(w, struct looking, toil.work);
	l->q->request->on_gone = NULL;
	ask_end(l->q, l->out, l->toil.why.code == ERR_OK ? &l->why : &l->toil.why);
	mem_free(l->dir);
	mem_free(l);
}

static void look_gone(struct server_request *r)
{
	struct looking *l = r->user;
	atomic_store(&l->gone, true);
}

static char *dir_of(struct ask *q, struct err *e)
{
	const json_t *record = book_get(q->api->book, q->project, e);
	char *dir = record && !project_there(record, e) ? mem_strdup(json_str(record, "dir")) : NULL;
	if (!dir && e->code == ERR_OK)
		err_nomem(e);
	return dir;
}

static json_t *look(struct ask *q, json_t *(*fn)(const struct looking *, struct err *), struct err *e)
{
	struct looking *l = MEM_NEW(struct looking);
	if (!l) {
		err_nomem(e);
		return NULL;
	}
	l->q = q;
	l->look = fn;
	l->dir = dir_of(q, e);
	if (!l->dir || toil_start(&l->toil, &q->api->toils, q->needs->loop, look_run, look_done, e)) {
		mem_free(l->dir);
		mem_free(l);
		return NULL;
	}
	q->request->user = l;
	q->request->on_gone = look_gone;
	return NULL;
}

/* What its files are, and what its runs spent. */
static json_t *stats_look(const struct looking *l, struct err *e)
{
	cleanup_json json_t *out = stats_of(l->dir, &l->gone, e);
	cleanup_json json_t *filter = out ? json_make(e, "{s:s}", "project", l->q->project) : NULL;
	struct usage_query usage = {.group = "project", .filter = filter, .limit = 1};
	cleanup_json json_t *rows = filter ? store_usage(l->q->needs->store, &usage, e) : NULL;
	const json_t *sum = json_array_get(rows, 0);
	if (!rows)
		return NULL;
	if (json_put_int(out, "input_tokens", json_int(sum, "input", 0)) ||
		json_put_int(out, "output_tokens", json_int(sum, "output", 0)) ||
		json_put_int(out, "cached_tokens", json_int(sum, "cached", 0)) ||
		json_put(out, "usd", json_real(json_num(sum, "usd", 0)))) {
		err_nomem(e);
		return NULL;
	}
	return steal(&out);
}

json_t *project_stats(struct ask *q, struct err *e)
{
	return look(q, stats_look, e);
}

static json_t *risks_look(const struct looking *l, struct err *e)
{
	struct risks risks;
	if (risk_scan(l->dir, &l->gone, &risks, e))
		return NULL;
	json_t *out = risks_json(&risks, e);
	risks_release(&risks);
	return out;
}

json_t *project_risks(struct ask *q, struct err *e)
{
	return look(q, risks_look, e);
}

/* ---- export ---- */

struct exporting {
	struct work work;
	struct ask *q; /* until the reply begins */
	struct server_request *request;
	struct loop *loop;
	struct store *store;
	json_t *record, *runs;
	bool events, artifacts; /* of the runs */
	size_t artifact_count;
	enum archive_kind kind;
	struct project *project;
	char commit[OID_TEXT];
	struct archive_extra extras[CAP_EXPORT_RUNS + CAP_EXPORT_ARTIFACTS];
	size_t extra_count;
	struct archive_out *out;
	struct span piece;
	enum { EXPORT_WORKING, EXPORT_FULL, EXPORT_OVER } state; /* FULL: the client has to read first */
	bool gone, last;
	struct err why;
};

static void exporting_free(struct exporting *x)
{
	archive_out_close(x->out);
	project_close(x->project);
	for (size_t i = 0; i < x->extra_count; i++) {
		close(x->extras[i].fd);
		mem_free((char *)x->extras[i].path);
	}
	json_decref(x->record);
	json_decref(x->runs);
	mem_free(x);
}

/* A run's events, in a file without a name. */
static int add_run(struct exporting *x, const char *run, struct err *e)
{
	struct archive_extra *extra = &x->extras[x->extra_count];
	extra->path = mem_printf("runs/%s.ndjson", run);
	extra->fd = extra->path ? open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600) : -1;
	if (extra->fd < 0) {
		mem_free((char *)extra->path);
		return err_set(e, ERR_IO, "a file for the events of the run %s cannot be made in /tmp", run);
	}
	x->extra_count++;
	return archive_run_events(x->store, run, extra->fd, &extra->size, e);
}

/* The name says what it was, in characters that are harmless everywhere. */
static char *artifact_path(const struct exporting *x, const char *run, const char *name)
{
	char *path = mem_printf("artifacts/%s/%zu-%.100s", run, x->artifact_count, name);
	for (char *p = path ? path + strlen("artifacts/") + strlen(run) + 1 : NULL; p && *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
			    strchr("._-", *p)))
			*p = '-';
	return path;
}

static int add_artifact(struct exporting *x, const char *run, const json_t *one, struct err *e)
{
	struct archive_extra *extra = &x->extras[x->extra_count];
	const char *name = json_str(one, "name");
	struct hash h;
	struct stat st;
	if (x->artifact_count == CAP_EXPORT_ARTIFACTS)
		return err_set(e, ERR_TOO_LARGE,
			"the project's runs have more than %d artifacts; download them one by one",
			CAP_EXPORT_ARTIFACTS);
	if (hash_parse(&h, json_span(one, "blob")))
		return 0; /* one without content */
	x->artifact_count++;
	extra->path = artifact_path(x, run, name ? name : "");
	extra->fd = extra->path ? blob_open(x->store, &h, e) : err_nomem(e);
	if (extra->fd < 0) {
		mem_free((char *)extra->path);
		return -1;
	}
	x->extra_count++;
	if (fstat(extra->fd, &st))
		return err_set(e, ERR_IO, "an artifact of the run %s cannot be read", run);
	extra->size = (uint64_t)st.st_size;
	return 0;
}

static int add_artifacts(struct exporting *x, const char *run, struct err *e)
{
	struct overview o;
	const json_t *one;
	size_t i;
	overview_init(&o, run);
	int rc = overview_read(&o, x->store, e);
	json_array_foreach(o.artifacts, i, one) if (!rc) rc = add_artifact(x, run, one, e);
	overview_release(&o);
	return rc;
}

static int add_runs(struct exporting *x, struct err *e)
{
	const json_t *row;
	size_t i;
	json_array_foreach(x->runs, i, row)
	{
		const char *run = json_str(row, "run");
		if ((x->events && add_run(x, run, e)) || (x->artifacts && add_artifacts(x, run, e)))
			return -1;
	}
	return 0;
}

static int open_export(struct exporting *x, struct err *e)
{
	struct archive_out_spec spec = {.kind = x->kind, .commit = x->commit, .about = x->record, .extras = x->extras};
	struct project_state st;
	cleanup_free char *git = fs_join(json_str(x->record, "dir"), ".git");
	if (!git)
		return err_nomem(e);
	if (!fs_exists(git)) /* who asks for a copy makes nothing */
		return err_set(e, ERR_NOT_FOUND, "%s has no git repository any more", json_str(x->record, "dir"));
	x->project = project_open(json_str(x->record, "dir"), &st, e);
	if (!x->project)
		return -1;
	if (add_runs(x, e))
		return -1;
	memcpy(x->commit, st.head, sizeof(x->commit));
	spec.extra_count = x->extra_count;
	x->out = archive_out_open(x->project, &spec, e);
	return x->out ? 0 : -1;
}

static void pull(struct work *w)
{
	struct exporting *x = container_of(w, struct exporting, work);
	if (!x->out && open_export(x, &x->why))
		return;
	x->last = archive_out_next(x->out, &x->piece, &x->why) == 0;
}

static void pulled(struct work *w);

/* Whole only after the last piece: else the client must see that something is missing. */
static void finish(struct exporting *x)
{
	if (x->last && !x->gone)
		reply_end(x->request);
	else
		reply_abort(x->request);
	exporting_free(x);
}

/* Give the piece at hand, and go for the next. */
static void push(struct exporting *x)
{
	struct err e = ERR_INIT;
	x->state = EXPORT_WORKING;
	if (!x->gone && x->piece.n && reply_write(x->request, x->piece, &e)) {
		x->gone = e.code != ERR_TOO_LARGE;
		x->state = x->gone ? EXPORT_OVER : EXPORT_FULL;
	}
	if (x->state == EXPORT_FULL)
		return;
	if (x->gone || x->last || work_start(&x->work, x->loop, pull, pulled, &e))
		finish(x);
}

static void export_drain(struct server_request *r)
{
	struct exporting *x = r->user;
	if (x->state == EXPORT_FULL)
		push(x);
}

static void export_gone(struct server_request *r)
{
	struct exporting *x = r->user;
	x->gone = true;
	if (x->state == EXPORT_FULL)
		finish(x);
}

static int name_reply(struct exporting *x, struct err *e)
{
	char name[ARCHIVE_FILE_NAME], header[ARCHIVE_FILE_NAME + 40];
	archive_file_name(json_str(x->record, "name"), x->kind, name);
	snprintf(header, sizeof(header), "attachment; filename=\"%s\"", name);
	return reply_header(x->request, "Content-Disposition", header, e);
}

static void pulled(struct work *w)
{
	struct exporting *x = container_of(w, struct exporting, work);
	struct ask *q = x->q;
	if (q && x->why.code == ERR_OK)
		name_reply(x, &x->why);
	if (q && x->why.code != ERR_OK) {
		struct err why = x->why;
		x->request->on_gone = NULL;
		x->request->on_drain = NULL;
		exporting_free(x);
		ask_end(q, NULL, &why);
		return;
	}
	if (x->why.code != ERR_OK) { /* too late to say so: it is cut */
		log_warn("api", "export of %s: %s", json_str(x->record, "id"), x->why.text);
		finish(x);
		return;
	}
	if (q) {
		struct err e = ERR_INIT;
		x->q = NULL;
		ask_forget(q);
		x->gone |= reply_start(x->request, 200, x->kind == ARCHIVE_ZIP ? "application/zip" : "application/gzip",
				   &e) != 0;
	}
	push(x);
}

static int take_runs(struct ask *q, struct exporting *x, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "project", q->project);
	x->events = json_bool(q->query, "runs", false);
	x->artifacts = json_bool(q->query, "artifacts", false);
	if (!x->events && !x->artifacts)
		return filter ? 0 : -1;
	x->runs = filter ? store_runs(q->needs->store, filter, CAP_EXPORT_RUNS, e) : NULL;
	return x->runs ? 0 : -1;
}

json_t *project_export(struct ask *q, struct err *e)
{
	const json_t *record = book_get(q->api->book, q->project, e);
	const char *format = json_str(q->query, "format");
	struct exporting *x = record && !project_there(record, e) ? MEM_NEW(struct exporting) : NULL;
	if (!x) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	x->q = q;
	x->request = q->request;
	x->loop = q->needs->loop;
	x->store = q->needs->store;
	x->record = json_incref((json_t *)record);
	x->kind = format && !strcmp(format, "tar.gz") ? ARCHIVE_TAR_GZ : ARCHIVE_ZIP;
	if (take_runs(q, x, e) || work_start(&x->work, x->loop, pull, pulled, e)) {
		exporting_free(x);
		return NULL;
	}
	x->request->user = x;
	x->request->on_gone = export_gone;
	x->request->on_drain = export_drain;
	return NULL;
}
