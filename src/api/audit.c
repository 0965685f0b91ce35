/* audit: who did what: a page of it as JSON, all of it as NDJSON or CSV. */
#include <stdio.h>
#include <stdlib.h>

#include "api/private.h"
#include "base/caps.h"
#include "base/mem.h"

#define PAGE 100
#define PIECE (128 * KIB) /* of an export, held at once */

static int query_of(const struct ask *q, struct audit_query *out, struct err *e)
{
	const char *cursor = json_str(q->query, "cursor");
	char *end = NULL;

	*out = (struct audit_query){.who = json_str(q->query, "who"),
		.what = json_str(q->query, "what"),
		.object = json_str(q->query, "object"),
		.from = json_int(q->query, "from", 0),
		.until = json_int(q->query, "until", 0),
		.before = cursor ? strtoll(cursor, &end, 10) : 0};
	if (cursor && (*end || out->before < 1))
		return err_set(e, ERR_INVALID, "\"%.40s\" is no cursor; take it from the Link header", cursor);
	return ask_limit(q, PAGE, false, &out->limit, e);
}

static json_t *list_audit(struct ask *q, struct err *e)
{
	struct audit_query query;
	cleanup_json json_t *rows = query_of(q, &query, e) ? NULL : store_audit(q->needs->store, &query, e);
	size_t n = json_array_size(rows);
	char cursor[32];

	if (n == (size_t)query.limit) {
		snprintf(cursor, sizeof cursor, "%lld", (long long)json_int(json_array_get(rows, n - 1), "seq", 0));
		if (ask_next(q, cursor, e))
			return NULL;
	}
	return steal(&rows);
}

/* ---- everything ---- */

struct export
{
	struct server_request *request;
	struct store *store;
	struct audit_query query;
	json_t *words; /* what the query borrows */
	bool csv;
};

void csv_add(struct buf *out, struct span text)
{
	bool formula = text.n && strchr("=+-@\t\r", text.p[0]);

	buf_adds(out, formula ? "\"'" : "\"");
	for (size_t i = 0; i < text.n; i++) {
		buf_adds(out, text.p[i] == '"' ? "\"" : "");
		buf_addc(out, text.p[i]);
	}
	buf_addc(out, '"');
}

static void add_row(const struct export *x, const json_t *row, struct buf *out)
{
	static const char *const texts[] = {"who", "what", "object"};
	cleanup_free char *detail = json_is_object(json_get(row, "detail")) ? json_text(json_get(row, "detail")) : NULL;
	char time[CLOCK_TEXT];

	if (!x->csv) {
		json_print(row, out);
		buf_addc(out, '\n');
		return;
	}
	clock_text(time, json_int(row, "at", 0));
	buf_addf(out, "%lld,%s", (long long)json_int(row, "seq", 0), time);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		buf_addc(out, ',');
		csv_add(out, json_span(row, texts[i]));
	}
	buf_addc(out, ',');
	csv_add(out, span_of(detail));
	buf_adds(out, "\r\n");
}

static void export_end(struct export *x)
{
	struct server_request *r = x->request;

	r->user = NULL;
	json_decref(x->words);
	mem_free(x);
	reply_end(r);
}

/* The next rows as text, up to a piece; *before moves on to the last of them. */
static int next_piece(const struct export *x, struct buf *text, int64_t *before, struct err *e)
{
	cleanup_json json_t *rows = store_audit(x->store, &x->query, e);

	for (size_t i = 0; i < json_array_size(rows) && text->len < PIECE; i++) {
		add_row(x, json_array_get(rows, i), text);
		*before = json_int(json_array_get(rows, i), "seq", 0);
	}
	return rows ? buf_check(text, "a piece of the audit", e) : -1;
}

/* Pieces as long as the client takes them; a failure shows as an end that is too early. */
static void pump(struct server_request *r)
{
	struct export *x = r->user;
	struct err e = ERR_INIT;

	for (;;) {
		cleanup_buf struct buf text = BUF_INIT(CAP_HTTP_QUEUE);
		int64_t before = 0;
		if (next_piece(x, &text, &before, &e) || !text.len)
			break;
		if (reply_write(r, buf_span(&text), &e))
			break;
		x->query.before = before;
	}
	if (e.code != ERR_TOO_LARGE) /* else it goes on when there is room */
		export_end(x);
}

static void gone(struct server_request *r)
{
	if (r->user)
		export_end(r->user);
}

static json_t *export_audit(struct ask *q, struct err *e)
{
	struct audit_query query;
	struct export *x = query_of(q, &query, e) ? NULL : MEM_NEW(struct export);
	struct server_request *r = q->request;
	const char *format = json_str(q->query, "format");

	if (!x) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	x->request = r;
	x->store = q->needs->store;
	x->query = query;
	x->query.limit = PAGE_MOST;
	x->words = json_incref(q->query);
	x->csv = format && strcmp(format, "csv") == 0;
	/* When the client is gone by now, the first piece says so. */
	reply_start(r, 200, x->csv ? "text/csv; charset=utf-8" : "application/x-ndjson", NULL);
	if (x->csv)
		reply_write(r, span_of("seq,at,who,what,object,detail\r\n"), NULL);
	r->user = x;
	r->on_drain = pump;
	r->on_gone = gone;
	ask_forget(q);
	pump(r);
	return NULL;
}

#define FILTERS "who:s? what:s? object:s? from:i? until:i? "

const struct route routes_audit[] = {
	{"GET", "/api/v1/audit", WHO_ADMIN, "who did what, newest first", FILTERS "cursor:s? limit:i?", NULL,
		"[@audit_event]", 0, list_audit},
	{"GET", "/api/v1/audit/export", WHO_ADMIN, "all of it, as NDJSON or CSV", FILTERS "format:(ndjson|csv)?", NULL,
		"s", 0, export_audit, .content_type = "application/x-ndjson text/csv"},
	{0},
};
