/* use: what an hour brings: when sessions and keys were last used, known in memory at once, is journaled for all
 * together (of those whose record is more than an hour behind), and what is too old to count is removed. */
#include "accounts/private.h"
#include "base/log.h"

#define BATCH 256 /* records of one event */
#define HOUR_MS (3600 * 1000)
#define AGAIN_MS 1000

void use_note(struct accounts *a, struct record *r)
{
	r->used = clock_wall(a->clock);
}

/* The record's next value: null when it is over, NULL (without an error) when it stays as it is. */
static json_t *next_value(const struct accounts *a, const struct record *r, struct err *e)
{
	static const char *const ends[KINDS] = {
		[KIND_SESSION] = "expires", [KIND_TICKET] = "until", [KIND_INVITE] = "until"};
	json_t *value;

	if (ends[r->kind] && record_int(r, ends[r->kind]) <= clock_wall(a->clock))
		return json_null();
	if (r->used - record_int(r, "used") < HOUR)
		return NULL;
	value = json_clone(r->value);
	if (value && json_put_int(value, "used", r->used) == 0)
		return value;
	json_decref(value);
	err_nomem(e);
	return NULL;
}

static int collect(struct accounts *a, enum kind k, json_t *records, struct err *e)
{
	struct map_entry *entry;
	struct err why = ERR_INIT;

	for (size_t i = 0; json_array_size(records) < BATCH && (entry = map_next(&a->records[k], &i));) {
		const struct record *r = entry->value;
		json_t *value = next_value(a, r, &why), *record;
		if (!value && !why.code)
			continue;
		record = value ? json_make(&why, "{s:s, s:s, s:o}", "kind", kind_names[k], "id", r->id, "value", value)
			       : NULL;
		if (!record || json_array_append_new(records, record))
			return err_nomem(e);
	}
	return 0;
}

/* In memory at once: what is decided next builds on it. */
static int save(struct accounts *a, size_t *count, struct err *e)
{
	static const enum kind kinds[] = {KIND_SESSION, KIND_KEY, KIND_TICKET, KIND_INVITE};
	cleanup_json json_t *records = json_array();
	struct audit audit = {.who = "system", .what = "accounts.upkeep", .records = records};

	if (!records)
		return err_nomem(e);
	for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
		if (collect(a, kinds[k], records, e))
			return -1;
	*count = json_array_size(records);
	if (*count == 0)
		return 0;
	if (store_record(a->store, &audit, NULL, NULL, e))
		return -1;
	for (size_t i = 0; i < *count; i++)
		if (records_apply_json(a, json_array_get(records, i), e)) {
			a->stale = true;
			return -1;
		}
	return 0;
}

int use_save(struct accounts *a, struct err *e)
{
	size_t count = BATCH;

	while (count >= BATCH)
		if (save(a, &count, e))
			return -1;
	return 0;
}

void use_hourly(struct timer *t)
{
	struct accounts *a = container_of(t, struct accounts, hourly);
	struct err e = ERR_INIT;

	/* What commits now is not in memory yet, and must not be written over. */
	bool busy = a->now || a->stale;
	if (!busy && use_save(a, &e))
		log_warn("accounts", "the last use of sessions and keys could not be written: %s", e.text);
	if (timer_start(t, busy ? AGAIN_MS : HOUR_MS, &e))
		log_warn("accounts", "the last use of sessions and keys is no longer written: %s", e.text);
}
