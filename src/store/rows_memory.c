/* rows_memory: one map for each table. A change builds the whole new row first and then swaps it in, so a failure
 * leaves the old one. Replaced rows wait on the undo list until the append is kept. */
#include "store/rows_memory.h"

#include "base/caps.h"
#include "base/mem.h"

struct memory_row {
	struct cell cells[ROW_CELLS];
	bool deleted; /* until the append is kept; so that undoing needs no memory */
	char texts[];
};

struct memory_undo {
	struct memory_undo *next;
	enum table_id table;
	struct memory_row *old; /* NULL: there was none */
	size_t key_len;
	char key[];
};

/* The key as bytes: each cell with its kind and length in front. */
static int key_bytes(enum table_id t, const struct cell *key, int keys, struct buf *out, struct err *e)
{
	buf_clear(out);
	for (int i = 0; i < keys; i++) {
		if (key[i].kind == CELL_TEXT)
			buf_addf(out, "t%zu:", key[i].text.n);
		else
			buf_addf(out, "i%lld:", (long long)key[i].i);
		if (key[i].kind == CELL_TEXT)
			buf_addspan(out, key[i].text);
	}
	return buf_check(out, store_tables[t].name, e);
}

static struct memory_row *row_new(const struct cell *cells, int count, struct err *e)
{
	struct memory_row *row;
	size_t texts = 0;
	char *p;

	for (int i = 0; i < count; i++)
		texts += cells[i].kind == CELL_TEXT ? cells[i].text.n : 0;
	row = mem_calloc(1, sizeof *row + texts + 1);
	if (!row) {
		err_nomem(e);
		return NULL;
	}
	p = row->texts;
	for (int i = 0; i < count; i++) {
		row->cells[i] = cells[i];
		if (cells[i].kind != CELL_TEXT)
			continue;
		if (cells[i].text.n)
			memcpy(p, cells[i].text.p, cells[i].text.n);
		row->cells[i].text.p = p;
		p += cells[i].text.n;
	}
	return row;
}

static struct memory_row *row_deleted(void)
{
	struct memory_row *row = MEM_NEW(struct memory_row);

	if (row)
		row->deleted = true;
	return row;
}

static struct memory_row *row_at(const struct rows_memory *m, enum table_id t, struct span key)
{
	struct memory_row *row = map_get(&m->tables[t], key);

	return row && !row->deleted ? row : NULL;
}

/* Put `row` (owned; NULL: no memory) where the key is, and remember what was there. */
static int swap_in(struct rows_memory *m, enum table_id t, struct span key, struct memory_row *row, struct err *e)
{
	struct memory_undo *undo = row ? mem_alloc(sizeof *undo + key.n) : NULL;
	void *old = NULL;

	if (!undo) {
		mem_free(row);
		return err_nomem(e);
	}
	if (map_set(&m->tables[t], key, row, &old, e)) {
		mem_free(undo);
		mem_free(row);
		return err_wrap(e, "%s", store_tables[t].name);
	}
	undo->table = t;
	undo->old = old;
	undo->key_len = key.n;
	memcpy(undo->key, key.p, key.n);
	undo->next = m->undo;
	m->undo = undo;
	return 0;
}

void rows_memory_keep(struct rows_memory *m)
{
	while (m->undo) {
		struct memory_undo *undo = m->undo;
		struct span key = span_n(undo->key, undo->key_len);
		struct memory_row *row = map_get(&m->tables[undo->table], key);
		m->undo = undo->next;
		if (row && row->deleted)
			mem_free(map_del(&m->tables[undo->table], key));
		mem_free(undo->old);
		mem_free(undo);
	}
}

void rows_memory_undo(struct rows_memory *m)
{
	while (m->undo) {
		struct memory_undo *undo = m->undo;
		struct span key = span_n(undo->key, undo->key_len);
		void *mine = NULL;
		m->undo = undo->next;
		if (!undo->old)
			mine = map_del(&m->tables[undo->table], key);
		else /* the key is there, so this needs no memory */
			BUG_ON(map_set(&m->tables[undo->table], key, undo->old, &mine, NULL) != 0);
		mem_free(mine);
		mem_free(undo);
	}
}

const struct cell *rows_memory_find(const struct rows_memory *m, enum table_id t, const struct cell *key)
{
	cleanup_buf struct buf bytes = BUF_INIT(CAP_EVENT_DATA * 4);
	struct memory_row *row;

	if (key_bytes(t, key, store_tables[t].keys, &bytes, NULL))
		return NULL;
	row = row_at(m, t, buf_span(&bytes));
	return row ? row->cells : NULL;
}

const struct cell *rows_memory_next(const struct rows_memory *m, enum table_id t, size_t *i)
{
	struct map_entry *entry;

	while ((entry = map_next(&m->tables[t], i)))
		if (!((struct memory_row *)entry->value)->deleted)
			return ((struct memory_row *)entry->value)->cells;
	return NULL;
}

static int memory_get(struct rows *r, enum table_id t, const struct cell *key, struct cell *cells, struct err *e)
{
	struct rows_memory *m = container_of(r, struct rows_memory, rows);
	cleanup_buf struct buf bytes = BUF_INIT(CAP_EVENT_DATA * 4);
	struct memory_row *row;

	if (key_bytes(t, key, store_tables[t].keys, &bytes, e))
		return -1;
	row = row_at(m, t, buf_span(&bytes));
	if (!row)
		return 0;
	memcpy(cells, row->cells, sizeof row->cells);
	for (int i = 0; i < store_tables[t].count; i++) {
		if (cells[i].kind != CELL_TEXT)
			continue;
		cells[i].text.p = arena_dup(&r->arena, cells[i].text);
		if (!cells[i].text.p)
			return err_nomem(e);
	}
	return 1;
}

static int memory_put(struct rows *r, enum table_id t, const struct cell *key, const struct change *changes,
	size_t count, bool make, struct err *e)
{
	struct rows_memory *m = container_of(r, struct rows_memory, rows);
	const struct table *table = &store_tables[t];
	cleanup_buf struct buf bytes = BUF_INIT(CAP_EVENT_DATA * 4);
	struct cell cells[ROW_CELLS] = {0};
	struct memory_row *row;

	if (key_bytes(t, key, table->keys, &bytes, e))
		return -1;
	row = row_at(m, t, buf_span(&bytes));
	if (!row && !make)
		return 0;
	for (int i = 0; i < table->count; i++)
		cells[i] = row ? row->cells[i]
			   : i < table->keys
				   ? key[i]
				   : (struct cell){table->columns[i].zero ? CELL_INT : CELL_NULL, 0, SPAN_NONE};
	for (size_t i = 0; i < count; i++) {
		struct cell *to = &cells[changes[i].column];
		int64_t sum = to->kind == CELL_INT ? to->i : 0;
		if (changes[i].add && __builtin_add_overflow(sum, changes[i].value.i, &sum))
			return err_set(e, ERR_INVALID, "%s.%s exceeds what can be counted", table->name,
				table->columns[changes[i].column].name);
		*to = changes[i].add ? cell_int(sum) : changes[i].value;
	}
	row = row_new(cells, table->count, e);
	return row ? swap_in(m, t, buf_span(&bytes), row, e) : -1;
}

static int memory_drop(struct rows *r, enum table_id t, const struct cell *key, int keys, struct err *e)
{
	struct rows_memory *m = container_of(r, struct rows_memory, rows);
	cleanup_buf struct buf bytes = BUF_INIT(CAP_EVENT_DATA * 4);
	struct map_entry *entry;

	if (key_bytes(t, key, keys, &bytes, e))
		return -1;
	if (keys == store_tables[t].keys)
		return row_at(m, t, buf_span(&bytes)) ? swap_in(m, t, buf_span(&bytes), row_deleted(), e) : 0;
	for (size_t i = 0; (entry = map_next(&m->tables[t], &i));) {
		struct span entry_key = span_n(entry->key, entry->key_len);
		if (span_starts(entry_key, bytes.data) && swap_in(m, t, entry_key, row_deleted(), e))
			return -1;
	}
	return 0;
}

static int memory_clear(struct rows *r, struct err *e)
{
	struct rows_memory *m = container_of(r, struct rows_memory, rows);

	(void)e;
	for (int t = 0; t < TABLES; t++)
		map_release(&m->tables[t], mem_free);
	return 0;
}

static const struct rows_ops memory_ops = {memory_get, memory_put, memory_drop, memory_clear};

void rows_memory_init(struct rows_memory *m)
{
	*m = (struct rows_memory){.rows = {.ops = &memory_ops}};
	for (int t = 0; t < TABLES; t++)
		map_init(&m->tables[t], CAP_STORE_ROWS);
}

void rows_memory_release(struct rows_memory *m)
{
	rows_memory_keep(m);
	memory_clear(&m->rows, NULL);
}
