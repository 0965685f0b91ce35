/* usage: what was spent, added up by who, where, when and on what. One walk over the rows of usage, which are as many
 * as runs have roles, models and days; the sums are kept by the text of their group. */
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/private.h"

static const int columns[] = {USAGE_user, USAGE_project, USAGE_run, USAGE_role, USAGE_model, USAGE_day};
static const int sums[] = {USAGE_calls, USAGE_input, USAGE_output, USAGE_cached, USAGE_usd, USAGE_usd_unknown};
#define GROUPS (sizeof columns / sizeof *columns)
#define SUMS (sizeof sums / sizeof *sums)

struct adding {
	int groups[GROUPS];
	size_t count;
	struct map map; /* the group's values, each with NUL behind it → struct line */
	struct buf key;
};

struct line {
	const struct map_entry *entry; /* its key, once all are there */
	int64_t sums[SUMS];
};

static const char *column_name(int column)
{
	return store_tables[TABLE_USAGE].columns[column].name;
}

static int read_groups(struct adding *a, const char *text, struct err *e)
{
	while (*text) {
		size_t n = strcspn(text, ","), i = 0;
		while (i < GROUPS && !span_is(span_n(text, n), column_name(columns[i])))
			i++;
		for (size_t k = 0; k < a->count && i < GROUPS; k++)
			i = a->groups[k] == columns[i] ? GROUPS : i;
		if (i == GROUPS)
			return err_set(e, ERR_INVALID,
				"usage is grouped by user, project, run, role, model and day, each once, not \"%.*s\"",
				(int)(n < 40 ? n : 40), text);
		a->groups[a->count++] = columns[i];
		text += n + (text[n] == ',');
	}
	return 0;
}

static int add_row(void *ctx, const struct cell *cells, struct err *e)
{
	struct adding *a = ctx;
	buf_clear(&a->key);
	for (size_t i = 0; i < a->count; i++) {
		const struct cell *c = &cells[a->groups[i]];
		if (c->kind == CELL_TEXT)
			buf_addspan(&a->key, c->text);
		else
			buf_addf(&a->key, "%04lld-%02lld-%02lld", (long long)(c->i / 10000),
				(long long)(c->i / 100 % 100), (long long)(c->i % 100));
		buf_addc(&a->key, '\0');
	}
	if (buf_check(&a->key, "a group of usage", e))
		return -1;
	struct line *line = map_get(&a->map, buf_span(&a->key));
	if (!line) {
		line = MEM_NEW(struct line);
		if (!line)
			return err_nomem(e);
		if (map_set(&a->map, buf_span(&a->key), line, NULL, e)) {
			mem_free(line);
			return err_wrap(e, "usage has too many rows; ask for fewer days or another group");
		}
	}
	for (size_t i = 0; i < SUMS; i++)
		if (__builtin_add_overflow(line->sums[i], cells[sums[i]].i, &line->sums[i]))
			return err_set(e, ERR_INVALID, "%s of all exceeds what can be counted", column_name(sums[i]));
	return 0;
}

static json_t *line_json(const struct adding *a, const struct line *line, struct err *e)
{
	cleanup_json json_t *row = json_make(e, "{}");
	const char *value = line->entry->key;
	int failed = !row;
	for (size_t i = 0; i < a->count; i++, value += strlen(value) + 1)
		failed = failed || json_put(row, column_name(a->groups[i]), json_string(value));
	for (size_t i = 0; i < SUMS; i++)
		failed = failed || json_put(row, column_name(sums[i]),
					   store_tables[TABLE_USAGE].columns[sums[i]].type == COLUMN_USD
						   ? json_real((double)line->sums[i] / 1e9)
						   : json_integer(line->sums[i]));
	double input = (double)line->sums[1], cached = (double)line->sums[3];
	failed = failed || json_put(row, "cache_rate", json_real(input > 0 ? cached / input : 0));
	if (failed && e->code == ERR_OK)
		err_nomem(e);
	return failed ? NULL : steal(&row);
}

static int by_key(const void *a, const void *b)
{
	const struct map_entry *x = (*(struct line *const *)a)->entry, *y = (*(struct line *const *)b)->entry;
	size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
	int order = memcmp(x->key, y->key, n);
	return order ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static json_t *lines_json(const struct adding *a, const struct usage_query *q, struct err *e)
{
	size_t n = map_count(&a->map), from = (size_t)q->skip < n ? (size_t)q->skip : n, count = 0;
	size_t most = q->limit < 0 || (size_t)q->limit > n - from ? n - from : (size_t)q->limit;
	cleanup_free struct line **lines = mem_calloc(n + 1, sizeof(*lines));
	cleanup_json json_t *array = json_make(e, "[]");
	struct map_entry *entry;
	if (!lines || !array) {
		err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; (entry = map_next(&a->map, &i));) {
		lines[count] = entry->value;
		lines[count++]->entry = entry;
	}
	qsort(lines, count, sizeof(*lines), by_key);
	for (size_t i = from; i < from + most; i++) {
		json_t *row = line_json(a, lines[i], e);
		if (!row)
			return NULL;
		if (json_array_append_new(array, row)) {
			err_nomem(e);
			return NULL;
		}
	}
	return steal(&array);
}

json_t *store_usage(struct store *s, const struct usage_query *q, struct err *e)
{
	struct adding a = {.key = BUF_INIT(CAP_EVENT_DATA * 4)};
	struct filter f;
	json_t *out = NULL;
	if (read_groups(&a, q->group, e) || filter_from(TABLE_USAGE, q->filter, &f, e))
		return NULL;
	if (q->from || q->until) {
		f.ranges[f.range_count].column = USAGE_day;
		f.ranges[f.range_count].least = q->from;
		f.ranges[f.range_count++].below = q->until ? q->until : INT64_MAX;
	}
	map_init(&a.map, CAP_USAGE_ROWS);
	struct reader *r = store_reader(s, false, e);
	if (r && !s->driver->ops->rows(r, TABLE_USAGE, &f, -1, add_row, &a, e))
		out = lines_json(&a, q, e);
	if (r)
		store_reader_end(s, r);
	map_release(&a.map, mem_free);
	buf_release(&a.key);
	return out;
}
