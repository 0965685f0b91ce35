/* artifacts: the outputs of a run, and the files that it changed: listed, looked at, downloaded.
 *
 * Each is known by an id made of its name and content, so that what an id names never changes. Contents are blobs of
 * the journal: what the list shows can be had also after the working copy is gone. */
#include <unistd.h>

#include "api/aside.h"
#include "api/overview.h"
#include "api/page.h"
#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "http/reply_file.h"
#include "store/pieces.h"
#include "vcs/snapshot.h"
#include "workspace/language.h"

#define PREVIEW (64 * KIB)

/* ---- the list ---- */

static json_t *row_of(const char *kind, const char *name, const json_t *about, const char *type, const char *hash)
{
	static const char *const passed[] = {"path", "size", "agent", "change", NULL};
	cleanup_json json_t *row =
		json_pack("{s:s, s:s, s:s?, s:s?}", "kind", kind, "name", name, "type", type, "blob", hash);
	cleanup_free char *whole = hash ? mem_printf("%s/%s/%s", kind, hash, name) : NULL;
	struct hash h;
	char id[HASH_HEX];
	for (const char *const *field = passed; row && *field; field++)
		if (json_get(about, *field) && json_put(row, *field, json_incref(json_get(about, *field))))
			return NULL;
	if (!row || (hash && !whole))
		return NULL;
	if (whole) {
		hash_bytes(&h, NULL, span_of(whole));
		hash_hex(&h, id);
		id[32] = '\0';
		if (json_put(row, "id", json_string(id)))
			return NULL;
	}
	return steal(&row);
}

static int add(json_t *list, json_t *row)
{
	return row && !json_array_append_new(list, row) ? 0 : -1;
}

static int add_named(const struct overview *o, json_t *list)
{
	size_t i;
	json_t *one;
	json_array_foreach(o->artifacts, i, one)
	{
		const char *name = json_str(one, "name");
		if (add(list, row_of("artifact", name ? name : "", one, json_str(one, "type"), json_str(one, "blob"))))
			return -1;
	}
	return 0;
}

/* What its files are now against what they were at its beginning. */
static int add_files(const struct overview *o, struct store *s, json_t *list, struct err *e)
{
	struct changes changes = {0};
	struct hash base;
	size_t i;
	json_t *one;
	if (hash_parse(&base, json_span(o->created, "snapshot")) || hash_eq(&base, &o->files_at))
		return 0;
	cleanup_json json_t *rows =
		snapshot_diff(s, &base, &o->files_at, &changes, e) ? NULL : changes_json(&changes, changes.count);
	changes_release(&changes);
	json_array_foreach(rows, i, one)
	{
		const char *path = json_str(one, "path"), *change = json_str(one, "change");
		const struct language *language = path ? language_of(path) : NULL;
		bool gone = change && !strcmp(change, "deleted");
		if (path && add(list, row_of("file", path, one, language ? language->name : NULL,
					      gone ? NULL : json_str(one, "hash"))))
			return err_nomem(e);
	}
	return rows ? 0 : -1;
}

static json_t *outputs(struct ask *q, struct err *e)
{
	struct overview o;
	cleanup_json json_t *list = json_array();
	overview_init(&o, q->run_id);
	int failed = !list || overview_read(&o, q->needs->store, e) || add_named(&o, list) ||
		     add_files(&o, q->needs->store, list, e);
	overview_release(&o);
	if (failed && e->code == ERR_OK)
		err_nomem(e);
	return failed ? NULL : steal(&list);
}

static json_t *read_list(struct ask *q, struct page *p, struct err *e)
{
	json_t *list = outputs(q, e);
	return list ? page_part(p, list, e) : NULL;
}

static json_t *list_artifacts(struct ask *q, struct err *e)
{
	return page_start(q, read_list, 200, e);
}

/* ---- one of them ---- */

struct looking {
	char *id;
	int fd; /* of its content */
};

static json_t *find(struct ask *q, const char *id, struct err *e)
{
	cleanup_json json_t *list = outputs(q, e);
	size_t i;
	json_t *one;
	json_array_foreach(
		list, i, one) if (json_str(one, "id") && !strcmp(json_str(one, "id"), id)) return json_incref(one);
	if (list)
		err_set(e, ERR_NOT_FOUND, "the run has no artifact %.64s; its list is at …/artifacts", id);
	return NULL;
}

static int hash_of(const json_t *row, struct hash *out, struct err *e)
{
	return hash_parse(out, json_span(row, "blob")) ? err_set(e, ERR_CORRUPT, "an artifact names no content") : 0;
}

/* Its first bytes, where they are text. */
static int add_text(json_t *row, struct store *s, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(4 * PREVIEW);
	struct blob_reader r = {.fd = -1};
	struct span piece = SPAN_NONE;
	struct hash h;
	if (hash_of(row, &h, e))
		return -1;
	int rc = blob_reader_open(&r, s, &h, e) ? -1 : blob_reader_next(&r, &piece, e);
	struct span head = span_n(piece.p, utf8_cut(piece, PREVIEW));
	bool binary = utf8_binary(head);
	if (rc >= 0 && !binary)
		utf8_clean(head, &text);
	rc = rc < 0 || json_put(row, "size", json_integer(r.size)) || json_put(row, "binary", json_boolean(binary)) ||
	     (!binary && (json_put_span(row, "text", buf_span(&text)) ||
				 json_put(row, "more", json_boolean(r.size > (int64_t)head.n))));
	blob_reader_release(&r);
	return rc ? -1 : 0;
}

static json_t *work_look(struct ask *q, void *ctx, struct err *e)
{
	struct looking *l = ctx;
	cleanup_json json_t *row = find(q, l->id, e);
	if (!row || add_text(row, q->needs->store, e)) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	return steal(&row);
}

static json_t *work_open(struct ask *q, void *ctx, struct err *e)
{
	struct looking *l = ctx;
	struct hash h;
	cleanup_json json_t *row = find(q, l->id, e);
	if (!row || hash_of(row, &h, e) || (l->fd = blob_open(q->needs->store, &h, e)) < 0)
		return NULL;
	return steal(&row);
}

static void looking_free(struct looking *l)
{
	if (l->fd >= 0)
		close(l->fd);
	mem_free(l->id);
	mem_free(l);
}

static json_t *end_look(struct ask *q, void *ctx, json_t *out, struct err *e)
{
	(void)q;
	(void)e;
	looking_free(ctx);
	return out;
}

static json_t *end_open(struct ask *q, void *ctx, json_t *out, struct err *e)
{
	struct looking *l = ctx;
	(void)e;
	if (out) {
		struct server_request *r = q->request;
		const char *path = json_str(out, "path") ? json_str(out, "path") : json_str(out, "name");
		const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
		cleanup_free char *etag = mem_printf("\"%s\"", json_str(out, "blob"));
		int fd = l->fd;
		l->fd = -1;
		ask_forget(q);
		reply_file(r, fd, &(struct reply_file){"application/octet-stream", name, etag});
	}
	json_decref(out);
	looking_free(l);
	return NULL;
}

static json_t *look(struct ask *q, json_t *(*work)(struct ask *q, void *ctx, struct err *e),
	json_t *(*end)(struct ask *q, void *ctx, json_t *out, struct err *e), struct err *e)
{
	struct looking *l = MEM_NEW(struct looking);
	if (!l || !(l->id = ask_param(q, "artifact"))) {
		mem_free(l);
		err_nomem(e);
		return NULL;
	}
	l->fd = -1;
	return aside_start(q, &q->api->reads, (struct aside){work, end, l}, e);
}

static json_t *get_artifact(struct ask *q, struct err *e)
{
	return look(q, work_look, end_look, e);
}

static json_t *get_content(struct ask *q, struct err *e)
{
	return look(q, work_open, end_open, e);
}

const struct route routes_artifacts[] = {
	{"GET", API "/runs/{run}/artifacts", WHO_VIEWER,
		"what its agents named as outputs, then the files that it changed, by path", PAGE_QUERY, NULL,
		"[@artifact]", 0, list_artifacts},
	{"GET", API "/runs/{run}/artifacts/{artifact}", WHO_VIEWER, "one, with its first 64 KiB where they are text",
		NULL, NULL, "@artifact", 0, get_artifact},
	{"GET", API "/runs/{run}/artifacts/{artifact}/content", WHO_VIEWER, "all of it, or a Range of it", NULL, NULL,
		"s", 0, get_content, .content_type = "application/octet-stream"},
	{0},
};
