/* action: see action.h. */
#include "cmd/action.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/out.h"
#include "config/nearest.h"

const struct action *action_find(const struct args *args, const struct action *table, struct err *e)
{
	const char *word = args_word(args, 0);
	struct nearest near;
	int given = 0;
	while (args_word(args, given))
		given++;
	nearest_init(&near, word ? word : "");
	for (const struct action *a = table; a->name; a++) {
		nearest_try(&near, a->name);
		if (word && strcmp(word, a->name) != 0)
			continue;
		if (given >= 1 + a->words || !word)
			return a;
		err_set(e, ERR_USAGE, "muster %s %s: a word is missing; usage: muster %s %s", args->verb->name, a->name,
			args->verb->name, args->verb->words);
		return NULL;
	}
	err_set(e, ERR_USAGE, "muster %s knows no \"%s\"%s; usage: muster %s %s", args->verb->name, word,
		nearest_hint(&near), args->verb->name, args->verb->words);
	return NULL;
}

int action_do(const struct args *args, const struct action *table, struct err *e)
{
	struct remote *r cleanup_remote = NULL;
	const struct action *a = action_find(args, table, e);
	if (!a || remote_find(args, &r, e))
		return -1;
	if (!r)
		return err_set(e, ERR_USAGE,
			"muster %s asks a server: name it with --url or MUSTER_URL, or start `muster serve` here",
			args->verb->name);
	return a->run(r, args, e);
}

static void add_cell(struct table *t, const json_t *row, const char *field)
{
	cleanup_buf struct buf cell = BUF_INIT(CAP_OUTPUT);
	size_t n = strcspn(field, "@");
	cleanup_free char *name = mem_strndup(field, n);
	const json_t *v = name ? json_get(row, name) : NULL;
	cleanup_free char *other = v && !json_is_string(v) && !json_is_null(v) ? json_text(v) : NULL;
	if (field[n] && json_int(row, name ? name : "", 0) > 0)
		text_time(json_int(row, name, 0), &cell);
	else if (!field[n])
		buf_adds(&cell, json_is_string(v) ? json_string_value(v) : other ? other : "");
	table_take(t, &cell);
}

int action_print(
	const struct args *args, const json_t *rows, const char *const *fields, const char *none, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	struct table t;
	size_t i;
	json_t *row;
	int columns = 0, failed = 0;
	if (args_has(args, "json"))
		return out_json(rows, e);
	while (fields[columns])
		columns++;
	table_init(&t, columns);
	for (const char *const *f = fields; *f; f++) {
		char head[32];
		size_t n = 0;
		for (; (*f)[n] && (*f)[n] != '@' && n < sizeof(head) - 1; n++)
			head[n] = (char)toupper((unsigned char)(*f)[n]);
		table_add(&t, span_n(head, n));
	}
	json_array_foreach(rows, i, row) for (const char *const *f = fields; *f; f++) add_cell(&t, row, *f);
	if (json_array_size(rows))
		failed = table_print(&t, &out, e);
	else
		buf_addf(&out, "%s\n", none);
	table_release(&t);
	return failed ? -1 : out_write(&out, e);
}
