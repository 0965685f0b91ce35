/* rows_sqlite: each change is one statement (UPDATE, or an upsert), built once for its shape: table, verb and changed
 * columns. */
#include "store/rows_sqlite.h"

#include "base/caps.h"
#include "base/mem.h"
#include "store/sqlite.h"

#define SQL_MAX 4096
#define WAITING_MAX 8192
enum verb { VERB_GET, VERB_CHANGE, VERB_MAKE, VERB_DROP };

static bool stored(const struct column *c)
{
	return c->type != COLUMN_SEQ && c->type != COLUMN_AT;
}

static void add_index(const struct table *table, int column, struct buf *out)
{
	const char *name = table->columns[column].name;

	buf_addf(out, "CREATE INDEX \"%s_%s\" ON \"%s\"(\"%s\");\n", table->name, name, table->name, name);
}

void rows_sqlite_schema(struct buf *out)
{
	for (int t = 0; t < TABLES; t++) {
		const struct table *table = &store_tables[t];
		buf_addf(out, "CREATE TABLE \"%s\"(", table->name);
		for (int i = 0; i < table->count; i++) {
			const struct column *c = &table->columns[i];
			if (!stored(c))
				continue;
			buf_addf(out, "\"%s\" %s%s, ", c->name,
				c->type == COLUMN_TEXT || c->type == COLUMN_JSON ? "TEXT" : "INTEGER",
				i < table->keys ? " NOT NULL"
				: c->zero	? " NOT NULL DEFAULT 0"
						: "");
		}
		buf_adds(out, "PRIMARY KEY(");
		for (int i = 0; i < table->keys; i++)
			buf_addf(out, "%s\"%s\"", i ? "," : "", table->columns[i].name);
		buf_adds(out, ")) STRICT, WITHOUT ROWID;\n");
		if (table->newest >= table->keys) /* the newest fifty of a hundred thousand */
			add_index(table, table->newest, out);
		for (int i = 0; i < TABLE_INDEXES && table->indexed[i]; i++)
			add_index(table, table->indexed[i], out);
	}
}

void rows_sqlite_column(enum table_id t, int column, struct buf *out)
{
	const struct column *c = &store_tables[t].columns[column];

	if (stored(c))
		buf_addf(out, "\"%s\"", c->name);
	else
		buf_addf(out, "(SELECT %s FROM " SQLITE_HEADS " WHERE name = 'run/' || run)",
			c->type == COLUMN_SEQ ? "seq" : "at");
}

void rows_sqlite_columns(enum table_id t, struct buf *out)
{
	for (int i = 0; i < store_tables[t].count; i++) {
		buf_adds(out, i ? "," : "");
		rows_sqlite_column(t, i, out);
	}
}

static void add_keys(struct buf *sql, const struct table *table, int keys)
{
	for (int i = 0; i < keys; i++)
		buf_addf(sql, "%s\"%s\" = ?%d", i ? " AND " : " WHERE ", table->columns[i].name, i + 1);
}

static void build_make(struct buf *sql, const struct table *table, const struct row_shape *shape)
{
	buf_addf(sql, "INSERT INTO \"%s\"(", table->name);
	for (int i = 0; i < table->keys; i++)
		buf_addf(sql, "%s\"%s\"", i ? "," : "", table->columns[i].name);
	for (int i = 0; i < shape->count; i++)
		buf_addf(sql, ",\"%s\"", table->columns[shape->columns[i] / 2].name);
	buf_adds(sql, ") VALUES(");
	for (int i = 0; i < table->keys + shape->count; i++)
		buf_addf(sql, "%s?%d", i ? "," : "", i + 1);
	buf_adds(sql, ") ON CONFLICT DO UPDATE SET ");
	for (int i = 0; i < shape->count; i++) {
		const char *name = table->columns[shape->columns[i] / 2].name;
		if (shape->columns[i] % 2)
			buf_addf(sql, "%s\"%s\" = coalesce(\"%s\", 0) + excluded.\"%s\"", i ? "," : "", name, name,
				name);
		else
			buf_addf(sql, "%s\"%s\" = excluded.\"%s\"", i ? "," : "", name, name);
	}
}

static void build(struct buf *sql, const struct row_shape *shape)
{
	const struct table *table = &store_tables[shape->table];

	switch ((enum verb)shape->verb) {
	case VERB_GET:
		buf_adds(sql, "SELECT ");
		for (int i = 0; i < table->count; i++) {
			buf_adds(sql, i ? "," : "");
			if (stored(&table->columns[i]))
				buf_addf(sql, "\"%s\"", table->columns[i].name);
			else
				buf_adds(sql, "NULL");
		}
		buf_addf(sql, " FROM \"%s\"", table->name);
		add_keys(sql, table, table->keys);
		break;
	case VERB_CHANGE:
		buf_addf(sql, "UPDATE \"%s\" SET ", table->name);
		for (int i = 0; i < shape->count; i++) {
			const char *name = table->columns[shape->columns[i] / 2].name;
			if (shape->columns[i] % 2)
				buf_addf(sql, "%s\"%s\" = coalesce(\"%s\", 0) + ?%d", i ? "," : "", name, name,
					table->keys + i + 1);
			else
				buf_addf(sql, "%s\"%s\" = ?%d", i ? "," : "", name, table->keys + i + 1);
		}
		add_keys(sql, table, table->keys);
		break;
	case VERB_MAKE:
		build_make(sql, table, shape);
		break;
	case VERB_DROP:
		buf_addf(sql, "DELETE FROM \"%s\"", table->name);
		add_keys(sql, table, shape->count);
		break;
	}
}

/* The SQL of this shape. */
static const char *sql_of(struct rows_sqlite *r, const struct row_shape *shape, struct err *e)
{
	cleanup_buf struct buf sql = BUF_INIT(SQL_MAX);

	for (int i = 0; i < r->shape_count; i++)
		if (memcmp(&r->shapes[i], shape, sizeof *shape) == 0)
			return r->sql[i];
	BUG_ON(r->shape_count == ROW_SHAPES);
	build(&sql, shape);
	if (buf_check(&sql, "a statement", e))
		return NULL;
	r->shapes[r->shape_count] = *shape;
	r->sql[r->shape_count] = buf_take(&sql);
	if (!r->sql[r->shape_count]) {
		err_nomem(e);
		return NULL;
	}
	return r->sql[r->shape_count++];
}

static sqlite3_stmt *prepare(struct rows_sqlite *r, const struct row_shape *shape, const struct cell *key, int keys,
	const struct change *changes, struct err *e)
{
	const char *sql = sql_of(r, shape, e);
	sqlite3_stmt *st;

	if (!sql || db_query(r->db, &st, e, sql, ""))
		return NULL;
	for (int i = 0; i < keys; i++)
		if (db_bind_cell(r->db, st, i + 1, &key[i], e))
			return NULL;
	for (int i = 0; changes && i < shape->count; i++)
		if (db_bind_cell(r->db, st, keys + i + 1, &changes[i].value, e))
			return NULL;
	return st;
}

static int sqlite_get(struct rows *rows, enum table_id t, const struct cell *key, struct cell *cells, struct err *e)
{
	struct rows_sqlite *r = container_of(rows, struct rows_sqlite, rows);
	struct row_shape shape = {.table = (unsigned char)t, .verb = VERB_GET};
	sqlite3_stmt *st = prepare(r, &shape, key, store_tables[t].keys, NULL, e);
	int rc = st ? db_step(r->db, st, e) : -1;

	for (int i = 0; rc == 1 && i < store_tables[t].count; i++) {
		cells[i] = db_cell(st, i);
		if (cells[i].kind != CELL_TEXT)
			continue;
		cells[i].text.p = arena_dup(&rows->arena, cells[i].text);
		if (!cells[i].text.p)
			rc = err_nomem(e);
	}
	if (st)
		db_reset(st);
	return rc;
}

static int finish(struct rows_sqlite *r, sqlite3_stmt *st, struct err *e)
{
	return st ? db_step(r->db, st, e) : -1;
}

static int put_now(struct rows_sqlite *r, const struct row_shape *shape, const struct cell *key,
	const struct change *changes, struct err *e)
{
	return finish(r, prepare(r, shape, key, store_tables[shape->table].keys, changes, e), e);
}

/* ---- sums that wait ---- */

struct row_sums {
	struct row_shape shape;
	struct cell key[ROW_KEYS];
	int64_t sums[ROW_SUMS];
	size_t changes; /* 0: all were taken back */
	char texts[];
};

struct row_undo {
	struct row_sums *sums;
	int64_t added[ROW_SUMS];
};

static struct row_sums *sums_new(const struct row_shape *shape, const struct cell *key, struct err *e)
{
	int keys = store_tables[shape->table].keys;
	struct row_sums *s;
	size_t texts = 0;
	char *p;

	for (int i = 0; i < keys; i++)
		texts += key[i].kind == CELL_TEXT ? key[i].text.n : 0;
	s = mem_calloc(1, sizeof *s + texts + 1);
	if (!s) {
		err_nomem(e);
		return NULL;
	}
	s->shape = *shape;
	p = s->texts;
	for (int i = 0; i < keys; i++) {
		s->key[i] = key[i];
		if (key[i].kind != CELL_TEXT)
			continue;
		if (key[i].text.n)
			memcpy(p, key[i].text.p, key[i].text.n);
		s->key[i].text.p = p;
		p += key[i].text.n;
	}
	return s;
}

static struct row_sums *sums_of(
	struct rows_sqlite *r, const struct row_shape *shape, const struct cell *key, struct err *e)
{
	struct row_sums *s;

	buf_clear(&r->name);
	buf_add(&r->name, shape, 3 + shape->count);
	for (int i = 0; i < store_tables[shape->table].keys; i++) {
		buf_add(&r->name, &key[i].i, sizeof key[i].i);
		buf_add(&r->name, &key[i].text.n, sizeof key[i].text.n);
		buf_addspan(&r->name, key[i].text);
	}
	if (buf_check(&r->name, "the key of a row", e))
		return NULL;
	s = map_get(&r->waiting, buf_span(&r->name));
	if (s)
		return s;
	s = sums_new(shape, key, e);
	if (s && map_set(&r->waiting, buf_span(&r->name), s, NULL, e)) {
		mem_free(s);
		return NULL;
	}
	if (s)
		r->waiting_in[shape->table]++;
	return s;
}

static int add_sums(struct rows_sqlite *r, const struct row_shape *shape, const struct cell *key,
	const struct change *changes, struct err *e)
{
	int64_t sums[ROW_SUMS] = {0};
	struct row_undo *undo;
	struct row_sums *s;

	/* Only a rebuild comes here: an append's group is small. Everything that waits is then of this one write. */
	if (r->rows.again && map_count(&r->waiting) >= WAITING_MAX && rows_sqlite_flush(r, e))
		return -1;
	if (r->undo_count == r->undo_room) {
		size_t room = r->undo_room ? r->undo_room * 2 : 64;
		undo = mem_realloc(r->undo, room * sizeof *undo);
		if (!undo)
			return err_nomem(e);
		r->undo = undo;
		r->undo_room = room;
	}
	s = sums_of(r, shape, key, e);
	if (!s)
		return -1;
	for (int i = 0; i < shape->count; i++)
		if (__builtin_add_overflow(s->sums[i], changes[i].value.i, &sums[i]))
			return err_set(e, ERR_INVALID, "a sum of %s exceeds what can be counted",
				store_tables[shape->table].name);
	memcpy(s->sums, sums, sizeof sums);
	s->changes++;
	undo = &r->undo[r->undo_count++];
	undo->sums = s;
	for (int i = 0; i < shape->count; i++)
		undo->added[i] = changes[i].value.i;
	return 0;
}

void rows_sqlite_mark(struct rows_sqlite *r)
{
	r->undo_count = 0;
}

void rows_sqlite_undo(struct rows_sqlite *r)
{
	while (r->undo_count) {
		struct row_undo *undo = &r->undo[--r->undo_count];
		undo->sums->changes--;
		for (int i = 0; i < undo->sums->shape.count; i++)
			undo->sums->sums[i] -= undo->added[i];
	}
}

void rows_sqlite_forget(struct rows_sqlite *r)
{
	r->undo_count = 0;
	map_release(&r->waiting, mem_free);
	memset(r->waiting_in, 0, sizeof r->waiting_in);
}

int rows_sqlite_flush(struct rows_sqlite *r, struct err *e)
{
	struct map_entry *entry;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (entry = map_next(&r->waiting, &i));) {
		const struct row_sums *s = entry->value;
		struct change changes[ROW_SUMS] = {0};
		for (int c = 0; c < s->shape.count; c++)
			changes[c].value = cell_int(s->sums[c]);
		if (s->changes)
			rc = put_now(r, &s->shape, s->key, changes, e);
	}
	rows_sqlite_forget(r);
	return rc;
}

/* ---- changes ---- */

static int sqlite_put(struct rows *rows, enum table_id t, const struct cell *key, const struct change *changes,
	size_t count, bool make, struct err *e)
{
	struct rows_sqlite *r = container_of(rows, struct rows_sqlite, rows);
	struct row_shape shape = {
		.table = (unsigned char)t, .verb = make ? VERB_MAKE : VERB_CHANGE, .count = (unsigned char)count};
	bool only_sums = count <= ROW_SUMS, sets_sum = false;

	for (size_t i = 0; i < count; i++) {
		shape.columns[i] = (unsigned char)(changes[i].column * 2 + changes[i].add);
		only_sums &= changes[i].add;
		sets_sum |= !changes[i].add && store_tables[t].columns[changes[i].column].zero;
	}
	if (only_sums)
		return add_sums(r, &shape, key, changes, e);
	if (sets_sum && r->waiting_in[t] && rows_sqlite_flush(r, e))
		return -1;
	return put_now(r, &shape, key, changes, e);
}

static int sqlite_drop(struct rows *rows, enum table_id t, const struct cell *key, int keys, struct err *e)
{
	struct rows_sqlite *r = container_of(rows, struct rows_sqlite, rows);
	struct row_shape shape = {.table = (unsigned char)t, .verb = VERB_DROP, .count = (unsigned char)keys};

	if (r->waiting_in[t] && rows_sqlite_flush(r, e))
		return -1;
	return finish(r, prepare(r, &shape, key, keys, NULL, e), e);
}

static int sqlite_clear(struct rows *rows, struct err *e)
{
	struct rows_sqlite *r = container_of(rows, struct rows_sqlite, rows);

	rows_sqlite_forget(r);
	return sqlite_remake_rows(r->db, e);
}

static const struct rows_ops sqlite_rows_ops = {sqlite_get, sqlite_put, sqlite_drop, sqlite_clear};

void rows_sqlite_init(struct rows_sqlite *r, struct db *db)
{
	*r = (struct rows_sqlite){.rows = {.ops = &sqlite_rows_ops}, .db = db, .name = BUF_INIT(CAP_EVENT_DATA * 4)};
	map_init(&r->waiting, CAP_STORE_ROWS);
}

void rows_sqlite_release(struct rows_sqlite *r)
{
	for (int i = 0; i < r->shape_count; i++)
		mem_free(r->sql[i]);
	r->shape_count = 0;
	rows_sqlite_forget(r);
	buf_release(&r->name);
	mem_free(r->undo);
	r->undo = NULL;
	r->undo_room = 0;
}
