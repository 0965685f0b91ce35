/* project_new: projects made of nothing, a template, requirements, a folder or an archive.
 *
 *   (archive: its bytes, or a form with them, kept) → on the pool: files, repository, first commit → record → reply
 *
 * The folder has its whole content before there is a record; what a stop of the program leaves is a folder that nobody
 * names, and that goes when the same request comes again: the folder is named by its Idempotency-Key. Of requests with
 * the same key only one is at work, so the folder is its own. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/mman.h>

#include "api/project_past.h"
#include "api/projects.h"
#include "base/caps.h"
#include "base/fault.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "http/form.h"
#include "http/upload.h"
#include "vcs/project.h"
#include "workspace/archive_in.h"
#include "workspace/archive_out.h"
#include "workspace/files.h"
#include "workspace/risk.h"

enum origin { ORIGIN_EMPTY, ORIGIN_TEMPLATE, ORIGIN_REQUIREMENTS, ORIGIN_FOLDER, ORIGIN_ARCHIVE };
static const char *const origin_names[] = {"empty", "template", "requirements", "folder", "archive"};

struct making {
	struct list link; /* of the api's makings */
	struct toil toil; /* its work, whether it waits for others or not */
	struct book_change change;
	struct ask *q;
	enum origin origin;
	struct template_places templates;
	char *dir, *template, *requirements;
	char id[PROJECT_ID];
	struct upload upload; /* of an archive; or the form with it */
	struct form form;
	struct spool *content; /* of either */
	atomic_bool gone;
	bool told; /* the reply has begun: lines of progress, then the end */
	struct timer beat;
	_Atomic uint64_t entries, bytes;
	struct archive_in in;
	struct past past;
	json_t *about, *import;
	bool ours; /* what lies in dir was put there by this request */
	struct err why;
};

static void making_free(struct making *m)
{
	if (m->upload.request)
		upload_release(&m->upload);
	if (m->form.request)
		form_release(&m->form);
	past_release(&m->past); /* nothing is left of it, but where the pool had no room */
	json_decref(m->about);
	json_decref(m->import);
	list_remove(&m->link);
	mem_free(m->dir);
	mem_free(m->template);
	mem_free(m->requirements);
	mem_free(m);
}

/* A line of a reply that has begun; out is consumed. */
static void tell(struct making *m, json_t *out)
{
	cleanup_buf struct buf line = BUF_INIT(CAP_HTTP_QUEUE);
	struct err e = ERR_INIT;
	if (out)
		json_print(out, &line);
	buf_addc(&line, '\n');
	if (!out || buf_check(&line, "a line", &e) || reply_write(m->q->request, buf_span(&line), &e))
		log_debug("api", "%s: a line of progress is lost", m->q->id);
	json_decref(out);
}

static void tell_progress(struct making *m)
{
	struct err e = ERR_INIT;
	tell(m, json_make(&e, "{s:I, s:I}", "entries", (json_int_t)atomic_load(&m->entries), "bytes",
			(json_int_t)atomic_load(&m->bytes)));
}

static json_t *problem_of(const struct err *why)
{
	cleanup_buf struct buf text = BUF_INIT(8 * ERR_TEXT_MAX);
	struct err e = ERR_INIT;
	log_mask(span_of(why->text), &text);
	return json_make(&e, "{s:{s:s, s:i, s:o}}", "problem", "code", err_name(why->code), "status",
		err_http(why->code), "detail", json_from_span(buf_span(&text)));
}

/* The end of the ask; out is consumed, NULL: why. */
static void conclude(struct making *m, json_t *out, const struct err *why)
{
	struct err copy = *why, none = ERR_INIT;
	struct ask *q = m->q;
	struct server_request *r = q->request;
	bool told = m->told;
	timer_stop(&m->beat);
	if (told)
		tell(m, out ? json_make(&none, "{s:o}", "project", out) : problem_of(&copy));
	making_free(m);
	if (!told) {
		ask_end(q, out, &copy);
		return;
	}
	ask_forget(q);
	reply_end(r);
}

static void fail(struct making *m)
{
	conclude(m, NULL, &m->why);
}

static void beat(struct timer *t)
{
	struct making *m = container_of(t, struct making, beat);
	struct err ignored = ERR_INIT;
	tell_progress(m);
	timer_start(t, TIME_PROGRESS, &ignored);
}

/* Progress, when it was asked for, before the work begins. */
static void begin_telling(struct making *m)
{
	struct err ignored = ERR_INIT;
	if (!json_bool(m->q->query, "progress", false) ||
		reply_start(m->q->request, 200, "application/x-ndjson", &ignored))
		return;
	m->told = true;
	tell_progress(m);
	timer_start(&m->beat, TIME_PROGRESS, &ignored);
}

/* ---- on the pool ---- */

static int write_requirements(struct making *m, struct err *e)
{
	if (fs_mkdirs(m->dir, 0755, e))
		return -1;
	struct files *f = files_open(m->dir, 0, e);
	int rc = f ? files_take(f, "requirements.md", span_of(m->requirements), NULL, e) : -1;
	files_close(f);
	return rc;
}

static void count(void *ctx, uint64_t entries, uint64_t bytes)
{
	struct making *m = ctx;
	atomic_store(&m->entries, entries);
	atomic_store(&m->bytes, bytes);
}

/* What was small enough for memory as a file; -1. */
static int as_file(struct span text, struct err *e)
{
	int fd = fault_hit(FAULT_IO) ? -1 : memfd_create("archive", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, "keep the archive");
	if (!fs_write_fd(fd, text, e))
		return fd;
	close(fd);
	return -1;
}

static int unpack(struct making *m, struct err *e)
{
	struct risks risks;
	char path[32];
	cleanup_fd int small = m->content->fd < 0 ? as_file(m->content->text, e) : -1;
	if (m->content->fd < 0 && small < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", small < 0 ? m->content->fd : small);
	m->in.name = "that was sent";
	m->in.cancel = &m->gone;
	m->in.progress = count;
	m->in.ctx = m;
	if (past_prepare(&m->past, m->dir, e))
		return -1;
	m->in.history = m->past.source;
	if (archive_unpack(&m->in, path, m->dir, e) || archive_about_take(m->dir, &m->about, e) ||
		risk_scan(m->dir, &m->gone, &risks, e))
		return -1;
	json_t *found = risks_json(&risks, e);
	risks_release(&risks);
	json_object_del(found, "found"); /* the record holds the counts; the rest is for who asks for it */
	m->import = found ? json_make(e, "{s:I, s:I, s:I, s:o}", "entries", (json_int_t)m->in.entries, "bytes",
				    (json_int_t)m->in.bytes, "left_out", (json_int_t)m->in.left_out, "risks", found)
			  : NULL;
	return m->import ? 0 : -1;
}

static int fill(struct making *m, struct err *e)
{
	switch (m->origin) {
	case ORIGIN_TEMPLATE:
		return template_make(&m->templates, m->template, m->dir, e);
	case ORIGIN_REQUIREMENTS:
		return write_requirements(m, e);
	case ORIGIN_ARCHIVE:
		return unpack(m, e);
	case ORIGIN_FOLDER:
		return fs_is_dir(m->dir) ? 0 : err_set(e, ERR_NOT_FOUND, "%s: there is no such folder", m->dir);
	case ORIGIN_EMPTY:
		return 0;
	}
	BUG("a project of origin %d", (int)m->origin);
}

/* With its repository; its real folder names it. */
static int settle(struct making *m, struct err *e)
{
	struct project *p = project_open(m->dir, NULL, e);
	if (!p)
		return -1;
	char *real = mem_strdup(project_dir(p));
	project_close(p);
	if (!real)
		return err_nomem(e);
	mem_free(m->dir);
	m->dir = real;
	house_project_id(real, m->id);
	return 0;
}

/* What a killed program left of the folder goes first. */
static int clear(struct making *m, struct err *e)
{
	if (m->origin == ORIGIN_FOLDER)
		return 0;
	if (fs_remove_tree(m->dir, e))
		return -1;
	m->ours = true;
	return 0;
}

static void undo(struct work *w)
{
	struct making *m = container_of(w, struct making, toil.work);
	if (m->ours)
		(void)fs_remove_tree(m->dir, NULL);
}

static void run(struct work *w)
{
	struct making *m = container_of(w, struct making, toil.work);
	struct err *e = &m->why;
	if (fs_mkdirs(book_home(m->q->api->book), 0700, e) || clear(m, e) || fill(m, e) ||
		(m->in.has_history ? past_give(&m->past, e) : settle(m, e)))
		undo(w);
	if (!m->in.has_history || m->why.code != ERR_OK)
		past_release(&m->past);
}

/* What git made of the archive's history becomes the folder's; without one its files are its first commit. */
static void take_past(struct work *w)
{
	struct making *m = container_of(w, struct making, toil.work);
	struct err *e = &m->why;
	if (past_take(&m->past, m->dir, &m->gone) &&
		json_put(m->import, "no_history", json_from_span(span_of(m->past.why.text))))
		err_nomem(e);
	past_release(&m->past);
	if (e->code != ERR_OK || settle(m, e))
		undo(w);
}

/* ---- the record ---- */

static void done(struct work *w);
static void take_back(struct making *m);

static void past_made(struct past *p)
{
	struct making *m = container_of(p, struct making, past);
	m->toil = (struct toil){.why = ERR_INIT};
	if (toil_start(&m->toil, &m->q->api->toils, m->q->needs->loop, take_past, done, &m->why))
		take_back(m);
}

static void begin_past(struct making *m)
{
	m->in.has_history = false; /* once */
	m->past.cb = past_made;
	if (past_start(&m->past, m->q->needs->loop, &m->past.why))
		past_made(&m->past);
}

static void undone(struct work *w)
{
	fail(container_of(w, struct making, toil.work));
}

/* It has no record: its folder goes. */
static void take_back(struct making *m)
{
	struct err ignored = ERR_INIT;
	if (work_start(&m->toil.work, m->q->needs->loop, undo, undone, &ignored))
		fail(m);
}

static void recorded(struct book_change *change, const struct err *why)
{
	struct making *m = container_of(change, struct making, change);
	struct err e = *why;
	if (!change->kept) {
		m->why = *why;
		take_back(m);
		return;
	}
	const json_t *record = why->code == ERR_OK ? book_get(change->book, m->id, &e) : NULL;
	cleanup_free char *place = mem_printf("/api/v1/projects/%s", m->id);
	json_t *out = NULL;
	if (record && m->told)
		out = json_incref((json_t *)record);
	else if (record && place && !reply_header(m->q->request, "Location", place, &e))
		out = project_reply(m->q, record, &e);
	conclude(m, out, &e);
}

/* The first of the texts that is one. */
static const char *first_text(const char *a, const char *b, const char *c)
{
	return a && *a ? a : b && *b ? b : c;
}

/* What an archive says of its project, as far as a record may hold it. */
static json_t *about_of(const struct making *m)
{
	cleanup_free char *text = json_text(m->about);
	if (text && strlen(text) <= CAP_PROJECT_ABOUT)
		return json_incref(m->about);
	json_t *out = json_clone(m->about);
	json_object_del(out, "runs");
	json_object_del(out, "agents");
	return out;
}

static json_t *record_of(struct making *m, struct err *e)
{
	const json_t *given = m->q->body ? m->q->body : m->q->query;
	const char *slash = strrchr(m->dir, '/');
	const char *name = first_text(json_str(given, "name"), json_str(m->about, "name"),
		m->origin == ORIGIN_FOLDER && slash ? slash + 1 : "project");
	const char *words = first_text(json_str(given, "description"), json_str(m->about, "description"), "");
	int64_t now = clock_wall(loop_clock(m->q->needs->loop));
	json_t *tags = json_get(given, "tags");
	json_t *out = json_make(e, "{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:I, s:I, s:s, s:i, s:b}", "id", m->id, "name",
		name, "description", words, "tags", tags ? json_incref(tags) : json_array(), "state", "active", "dir",
		m->dir, "origin", origin_names[m->origin], "created", (json_int_t)now, "updated", (json_int_t)now,
		"created_by", m->q->caller.name, "version", 1, "trusted", m->origin != ORIGIN_ARCHIVE);
	bool named = m->origin == ORIGIN_FOLDER && ask_header(m->q, "idempotency-key");
	if (out && ((named && json_put(out, "command", json_string(m->q->command_id))) ||
			   (m->about && json_put(out, "about", about_of(m))) ||
			   (m->import && json_put(out, "import", json_incref(m->import))))) {
		json_decref(out);
		err_nomem(e);
		return NULL;
	}
	return out;
}

static void done(struct work *w)
{
	struct making *m = container_of(w, struct making, toil.work);
	struct err none = ERR_INIT;
	if (m->toil.why.code != ERR_OK)
		m->why = m->toil.why;
	if (m->why.code != ERR_OK) {
		take_back(m);
		return;
	}
	if (m->in.has_history) {
		begin_past(m);
		return;
	}
	const json_t *known = book_get(m->q->api->book, m->id, &none);
	json_t *value = known && json_int(known, "version", 0) ? NULL : record_of(m, &m->why);
	m->change.cb = recorded;
	if (!value && m->why.code == ERR_OK)
		err_set(&m->why, ERR_EXISTS, "the folder %s is the project %s already", m->dir, m->id);
	if (!value || book_put(m->q->api->book, &m->change, "project.created", project_who(m->q), value, &m->why))
		take_back(m);
}

/* ---- the ask ---- */

/* One that this caller asked for before, with the same Idempotency-Key: its reply. */
static json_t *made_before(struct ask *q, struct err *e)
{
	const json_t *record = ask_header(q, "idempotency-key") ? book_folder(q->api->book, q->command_id) : NULL;
	if (!record)
		return NULL;
	if (ask_may(q, json_str(record, "id"), ROLE_VIEWER))
		return project_reply(q, record, e);
	err_set(e, ERR_EXISTS, "a project that you may not see was made with this Idempotency-Key; use another key");
	return NULL;
}

static int check_alone(const struct ask *q, struct err *e)
{
	list_for (it, &q->api->makings)
		if (!strcmp(list_entry(it, struct making, link)->q->command_id, q->command_id))
			return err_set(e, ERR_LOCKED,
				"a project is being made with this Idempotency-Key already; ask again in a moment");
	return 0;
}

static struct making *making_new(struct ask *q, struct err *e)
{
	struct making *m = check_alone(q, e) ? NULL : MEM_NEW(struct making);
	if (!m) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	m->q = q;
	list_init(&m->link);
	timer_init(&m->beat, q->needs->loop, beat);
	m->templates = q->needs->templates;
	m->dir = mem_printf("%s/%s", book_home(q->api->book), q->command_id);
	if (!m->dir) {
		making_free(m);
		err_nomem(e);
		return NULL;
	}
	return m;
}

/* From now on it is at work. */
static void take(struct making *m)
{
	list_push(&m->q->api->makings, &m->link);
}

static int choose(struct making *m, const json_t *body, struct err *e)
{
	const char *template = json_str(body, "template"), *words = json_str(body, "requirements");
	const char *dir = json_str(body, "dir");
	if (!!template + !!words + !!dir + !!json_str(body, "git") > 1)
		return err_set(e, ERR_INVALID, "template, requirements, git and dir exclude each other; give one");
	if (dir && m->q->caller.kind != CALLER_LOCAL)
		return err_set(e, ERR_DENIED, "dir names a folder of the host, which only the data folder's owner may");
	if (dir && *dir != '/')
		return err_set(e, ERR_INVALID, "dir must be absolute");
	m->origin = template ? ORIGIN_TEMPLATE : words ? ORIGIN_REQUIREMENTS : dir ? ORIGIN_FOLDER : ORIGIN_EMPTY;
	m->template = template ? mem_strdup(template) : NULL;
	m->requirements = words ? mem_strdup(words) : NULL;
	if (dir) {
		mem_free(m->dir);
		m->dir = mem_strdup(dir);
	}
	return (template && !m->template) || (words && !m->requirements) || !m->dir ? err_nomem(e) : 0;
}

json_t *project_create(struct ask *q, struct err *e)
{
	struct making *m = project_check(q->body, e) ? NULL : making_new(q, e);
	json_t *before = m ? made_before(q, e) : NULL;
	if (!m)
		return NULL;
	if (!before && e->code == ERR_OK && !choose(m, q->body, e) && json_str(q->body, "git")) {
		making_free(m);
		return project_clone(q, e);
	}
	if (before || e->code != ERR_OK || work_start(&m->toil.work, q->needs->loop, run, done, e)) {
		making_free(m);
		return before;
	}
	take(m);
	return NULL;
}

/* ---- an archive ---- */

static void on_gone(struct server_request *r)
{
	struct making *m = r->user;
	atomic_store(&m->gone, true);
	clone_cancel(&m->past.clone);
}

/* It is here, whole: m->content. */
static void received(struct making *m, const struct err *why)
{
	m->why = *why;
	if (why->code != ERR_OK || toil_start(&m->toil, &m->q->api->toils, m->q->needs->loop, run, done, &m->why)) {
		fail(m);
		return;
	}
	m->q->request->user = m;
	m->q->request->on_gone = on_gone;
	begin_telling(m);
}

static void on_upload(struct upload *u, const struct err *why)
{
	struct making *m = container_of(u, struct making, upload);
	struct err none = ERR_INIT;
	m->content = &u->content;
	received(m, why ? why : &none);
}

/* The fields of a form go before those of the query. */
static json_t *form_fields(struct making *m, struct err *e)
{
	static const char *const names[] = {"name", "description"};
	json_t *out = json_clone(m->q->query);
	if (!out) {
		err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct form_part *part = form_part(&m->form, names[i]);
		if (!part)
			continue;
		if (part->content.fd >= 0 || !utf8_valid(part->content.text))
			err_set(e, ERR_INVALID, "the field %s of the form is too long, or no text", names[i]);
		else if (json_put_span(out, names[i], part->content.text))
			err_nomem(e);
	}
	if (e->code == ERR_OK && !project_check(out, e))
		return out;
	json_decref(out);
	return NULL;
}

/* What a browser calls the file is of no use here. */
static void on_form(struct form *f, const struct err *why)
{
	struct making *m = container_of(f, struct making, form);
	struct err e = ERR_INIT;
	struct form_part *archive = form_part(f, "archive");
	if (why)
		e = *why;
	else if (!archive)
		err_set(&e, ERR_INVALID, "the form has no field `archive` with the file");
	else
		m->q->body = form_fields(m, &e);
	m->content = archive ? &archive->content : NULL;
	received(m, &e);
}

static bool is_type(const struct ask *q, const char *wanted)
{
	const char *type = ask_header(q, "content-type");
	size_t n = type ? strcspn(type, "; \t") : 0;
	return n == strlen(wanted) && !strncasecmp(type, wanted, n);
}

#define FORM "multipart/form-data"
#define FORM_PARTS 8

static int check_type(struct ask *q, struct err *e)
{
	static const char *const types[] = {"application/zip", "application/x-zip-compressed", "application/gzip",
		"application/x-gzip", "application/x-tar", "application/zstd", "application/octet-stream"};
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (is_type(q, types[i]))
			return 0;
	return is_type(q, FORM) ? 0
				: err_set(e, ERR_MEDIA_TYPE,
					  "the body must be an archive (application/zip, gzip, x-tar, zstd or "
					  "octet-stream), or a form with one (" FORM ")");
}

json_t *project_import(struct ask *q, struct err *e)
{
	if (check_type(q, e) || project_check(q->query, e))
		return NULL;
	struct making *m = making_new(q, e);
	json_t *before = m ? made_before(q, e) : NULL;
	if (!m)
		return NULL;
	m->origin = ORIGIN_ARCHIVE;
	m->past.clone.uid = house_uid(q->needs->house);
	if (before || e->code != ERR_OK) {
		making_free(m);
		return before;
	}
	take(m);
	if (is_type(q, FORM))
		form_start(&m->form, q->request, q->needs->data_dir, CAP_UPLOAD, FORM_PARTS, on_form);
	else
		upload_start(&m->upload, q->request, q->needs->data_dir, CAP_UPLOAD, on_upload);
	return NULL;
}
