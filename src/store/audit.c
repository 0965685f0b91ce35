/* audit: who did what, and the records that this changed: written as one event, listed from the projections. */
#include "base/mem.h"
#include "store/private.h"

/* The event's payload; NULL fields are left out. */
static int payload(const struct audit *a, struct event *ev, struct err *e)
{
	cleanup_json json_t *data = json_make(e, "{s:s, s:s, s:s*, s:O*, s:O*}", "who", a->who, "what", a->what,
		"object", a->object, "detail", (json_t *)a->detail, "records", (json_t *)a->records);
	cleanup_free char *text = data ? json_text(data) : NULL;

	if (!data)
		return -1;
	ev->data = text ? blob_new(text, strlen(text)) : NULL;
	return ev->data ? 0 : err_nomem(e);
}

/* An event without its payload. */
static int event_of(const struct store *s, const struct audit *a, struct event *ev, struct err *e)
{
	*ev = (struct event){.seq = APPEND_AT_END, .type = EVENT_AUDIT, .at = clock_wall(s->clock)};
	if (!a->who || !a->what || strlen(a->who) >= sizeof ev->actor_id)
		return err_set(e, ERR_INVALID,
			"an audit.recorded event needs to say who (in fewer than %zu bytes) and what",
			sizeof ev->actor_id);
	if (strcmp(a->who, "system") != 0) {
		ev->actor = ACTOR_PERSON;
		memcpy(ev->actor_id, a->who, strlen(a->who) + 1);
	}
	id_new(ev->id, ev->at, NULL);
	return 0;
}

int store_record(
	struct store *s, const struct audit *a, void (*cb)(void *ctx, const struct err *why), void *ctx, struct err *e)
{
	struct event ev;
	struct append append = {.stream = "house", .events = &ev, .event_count = 1, .cb = cb, .ctx = ctx};
	int rc = event_of(s, a, &ev, e) || payload(a, &ev, e) ? -1 : store_append(s, &append, e);

	event_release(&ev);
	return rc;
}

int store_record_wait(struct store *s, const struct audit *a, struct err *e)
{
	struct event ev;
	struct append append = {.stream = "house", .events = &ev, .event_count = 1};
	int rc = event_of(s, a, &ev, e) || payload(a, &ev, e) ? -1 : store_append_wait(s, &append, e);

	event_release(&ev);
	return rc;
}

json_t *store_records(struct store *s, const json_t *filter, struct err *e)
{
	struct filter f;

	return filter_from(TABLE_RECORDS, filter, &f, e) ? NULL : store_list(s, TABLE_RECORDS, &f, -1, e);
}

static void equals(struct filter *f, int column, const char *value)
{
	if (!value)
		return;
	f->conditions[f->count].column = column;
	f->conditions[f->count++].value = cell_text(value);
}

static void within(struct filter *f, int column, int64_t least, int64_t below)
{
	f->ranges[f->range_count].column = column;
	f->ranges[f->range_count].least = least;
	f->ranges[f->range_count++].below = below ? below : INT64_MAX;
}

json_t *store_audit(struct store *s, const struct audit_query *q, struct err *e)
{
	struct filter f = {.count = 0};

	equals(&f, AUDIT_who, q->who);
	equals(&f, AUDIT_what, q->what);
	equals(&f, AUDIT_object, q->object);
	if (q->before)
		within(&f, AUDIT_seq, 0, q->before);
	if (q->from || q->until)
		within(&f, AUDIT_at, q->from, q->until);
	return store_list(s, TABLE_AUDIT, &f, q->limit, e);
}
