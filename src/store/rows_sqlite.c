/* rows_sqlite: each change is one statement (UPDATE, or an upsert), built once for its shape: table, verb and changed
 * columns. */
#include "store/rows_sqlite.h"

#include "base/mem.h"

#define SQL_MAX 4096
enum verb { VERB_GET, VERB_CHANGE, VERB_MAKE, VERB_DROP };

static bool stored(const struct column *c)
{
	return c->type != COLUMN_SEQ && c->type != COLUMN_AT;
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
	}
}

void rows_sqlite_column(enum table_id t, int column, struct buf *out)
{
	const struct column *c = &store_tables[t].columns[column];

	if (stored(c))
		buf_addf(out, "\"%s\"", c->name);
	else
		buf_addf(out, "(SELECT %s FROM streams WHERE name = 'run/' || run)",
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

static int sqlite_put(struct rows *rows, enum table_id t, const struct cell *key, const struct change *changes,
	size_t count, bool make, struct err *e)
{
	struct rows_sqlite *r = container_of(rows, struct rows_sqlite, rows);
	struct row_shape shape = {
		.table = (unsigned char)t, .verb = make ? VERB_MAKE : VERB_CHANGE, .count = (unsigned char)count};

	for (size_t i = 0; i < count; i++)
		shape.columns[i] = (unsigned char)(changes[i].column * 2 + changes[i].add);
	return finish(r, prepare(r, &shape, key, store_tables[t].keys, changes, e), e);
}

static int sqlite_drop(struct rows *rows, enum table_id t, const struct cell *key, int keys, struct err *e)
{
	struct rows_sqlite *r = container_of(rows, struct rows_sqlite, rows);
	struct row_shape shape = {.table = (unsigned char)t, .verb = VERB_DROP, .count = (unsigned char)keys};

	return finish(r, prepare(r, &shape, key, keys, NULL, e), e);
}

static int sqlite_clear(struct rows *rows, struct err *e)
{
	struct rows_sqlite *r = container_of(rows, struct rows_sqlite, rows);

	for (int t = 0; t < TABLES; t++) {
		cleanup_free char *sql = mem_printf("DELETE FROM \"%s\"", store_tables[t].name);
		if (!sql)
			return err_nomem(e);
		if (db_exec(r->db, sql, e))
			return -1;
	}
	return 0;
}

static const struct rows_ops sqlite_rows_ops = {sqlite_get, sqlite_put, sqlite_drop, sqlite_clear};

void rows_sqlite_init(struct rows_sqlite *r, struct db *db)
{
	*r = (struct rows_sqlite){.rows = {.ops = &sqlite_rows_ops}, .db = db};
}

void rows_sqlite_release(struct rows_sqlite *r)
{
	for (int i = 0; i < r->shape_count; i++)
		mem_free(r->sql[i]);
	r->shape_count = 0;
}
