/* earlier: see earlier.h. */
#include "cmd/earlier.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cmd/out.h"
#include "flow/run.h"

char *earlier_project(const char *projects, const char *name, struct err *e)
{
	cleanup_free char *path = fs_join(projects, name);
	char real[PATH_MAX];
	char *out = path && realpath(path, real) ? mem_strdup(real) : steal(&path);
	if (!out)
		err_nomem(e);
	return out;
}

static const char *differing(const json_t *before, const json_t *now)
{
	const json_t *sides[][2] = {{before, now}, {now, before}};
	const char *name;
	json_t *value;
	for (int i = 0; i < 2; i++)
		json_object_foreach((json_t *)sides[i][0], name, value)
		{
			if (!json_equal(value, json_get(sides[i][1], name)))
				return name;
		}
	return NULL;
}

static void add_value(const json_t *value, struct buf *out)
{
	cleanup_free char *text = value ? json_text(value) : NULL;
	text_fit(span_of(text ? text : "absent"), 60, out);
}

static int check_same(struct app *a, const json_t *row, const struct input_line *line, struct err *e)
{
	cleanup_json json_t *created = run_created(a->store, json_str(row, "run"), NULL, e);
	const json_t *inputs = json_get(created, "inputs");
	const char *name = created ? differing(inputs, line->values) : NULL;
	if (!created || !name)
		return created ? 0 : -1;
	cleanup_buf struct buf how = BUF_INIT(ERR_TEXT_MAX);
	buf_adds(&how, "was ");
	add_value(json_get(inputs, name), &how);
	buf_adds(&how, " and is now ");
	add_value(json_get(line->values, name), &how);
	return err_set(e, ERR_INVALID,
		"this line was changed after its run %s began: the input \"%s\" %s. Change it back, give the line "
		"another id, or name another folder with --projects",
		run_short(json_str(row, "run")), name, how.failed ? "differs" : how.data);
}

json_t *earlier_run(
	struct app *a, const struct mode *m, const struct input_line *line, const char *project, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s, s:s, s:n}", "dir", project, "mode", mode_id(m), "parent");
	cleanup_json json_t *rows = filter ? store_runs(a->store, filter, 1, e) : NULL;
	json_t *row = json_array_get(rows, 0);
	return !row || check_same(a, row, line, e) ? NULL : json_incref(row);
}

bool earlier_ended(const json_t *row)
{
	const char *state = json_str(row, "state");
	return !strcmp(state, "completed") || !strcmp(state, "cancelled") ||
	       (!strcmp(state, "failed") && !json_str(json_get(row, "error"), "where"));
}
