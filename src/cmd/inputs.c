/* inputs: see inputs.h. */
#include "cmd/inputs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/map.h"
#include "base/mem.h"

#define PIECE (64 * KIB)

/* ---- lines of text ---- */

int inputs_open(struct inputs *in, const char *path, const struct mode *m, const json_t *common, struct err *e)
{
	struct stat st;
	*in = (struct inputs){.path = path, .mode = m, .common = common, .text = BUF_INIT(CAP_BATCH_LINE + PIECE)};
	in->fd = fs_open(path, O_RDONLY | O_NONBLOCK, 0, e); /* not to wait for the other end of a pipe */
	if (in->fd < 0)
		return err_wrap(e, "--inputs");
	if (!fstat(in->fd, &st) && S_ISREG(st.st_mode))
		return 0;
	inputs_close(in);
	return err_set(e, ERR_INVALID,
		"--inputs %s is no ordinary file; it is read more than once, so write the lines to a file first", path);
}

void inputs_close(struct inputs *in)
{
	if (in->path && in->fd >= 0)
		close(in->fd);
	in->fd = -1;
	buf_release(&in->text);
}

/* 1: a line without its end, 0: none is left, -1. */
static int next_text(struct inputs *in, struct span *line, struct err *e)
{
	for (size_t looked = 0;;) {
		struct span all = buf_span(&in->text), rest = span_n(all.p + in->at, all.n - in->at);
		const char *end = rest.n > looked ? memchr(rest.p + looked, '\n', rest.n - looked) : NULL;
		if ((end ? (size_t)(end - rest.p) : rest.n) > CAP_BATCH_LINE)
			return err_set(e, ERR_TOO_LARGE,
				"%s:%" PRId64 ": the line is longer than the allowed %lu bytes", in->path,
				in->number + 1, CAP_BATCH_LINE);
		if (end) {
			*line = span_n(rest.p, (size_t)(end - rest.p));
			in->at += line->n + 1;
			in->number++;
			return 1;
		}
		looked = rest.n;
		buf_drop(&in->text, in->at);
		in->at = 0;
		int got = fs_read_some(in->fd, PIECE, &in->text, e);
		if (got < 0)
			return err_wrap(e, "--inputs %s", in->path);
		if (got)
			continue;
		*line = buf_span(&in->text); /* the last one, without an end */
		in->at = line->n;
		in->number += line->n > 0;
		return line->n > 0;
	}
}

/* ---- what a line says ---- */

static bool is_name(const char *text)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t n = strlen(text);
	return n && n <= CAP_BATCH_ID && strspn(text, letters) == n && *text != '.' && *text != '-';
}

static int take_id(const json_t *id, char name[CAP_BATCH_ID + 1], struct err *e)
{
	char number[32];
	const char *text = json_string_value(id);
	if (json_is_integer(id)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(id));
		text = number;
	}
	if (!text || !is_name(text))
		return err_set(e, ERR_INVALID,
			"the id names the project's folder: it must be a whole number, or a text of at most %d "
			"letters, "
			"digits, \".\", \"_\" and \"-\" that begins with a letter or digit",
			CAP_BATCH_ID);
	snprintf(name, CAP_BATCH_ID + 1, "%s", text);
	return 0;
}

/* Takes the id out of the line. */
static int take_name(struct inputs *in, json_t *line, struct input_line *out, struct err *e)
{
	json_t *id = mode_input(in->mode, "id") ? NULL : json_get(line, "id");
	int named = id ? NAMED_BY_ID : NAMED_BY_NUMBER;
	snprintf(out->name, sizeof(out->name), "%" PRId64, out->number);
	if (in->named != NAMED_YET_UNKNOWN && in->named != (unsigned)named)
		return err_set(e, ERR_INVALID,
			"this line has %s id, but those before it have %s: give one to all or to none",
			id ? "an" : "no", id ? "none" : "one");
	in->named = named;
	if (id && take_id(id, out->name, e))
		return -1;
	if (id)
		json_object_del(line, "id");
	return 0;
}

static int take_line(struct inputs *in, struct span text, struct input_line *out, struct err *e)
{
	char where[PATH_MAX + 32];
	snprintf(where, sizeof(where), "%s:%" PRId64, in->path, in->number);
	cleanup_json json_t *line = json_parse(text, where, e);
	if (!line)
		return -1;
	cleanup_json json_t *given = in->common ? json_clone(in->common) : json_object();
	out->number = in->number;
	int failed = !json_is_object(line) ? err_set(e, ERR_INVALID, "an object is expected: {\"input\": value, …}")
		     : !given		   ? err_nomem(e)
					   : take_name(in, line, out, e);
	if (!failed && json_object_update(given, line))
		failed = err_nomem(e);
	if (failed || mode_check_inputs(in->mode, given, &out->values, e))
		return err_wrap(e, "%s", where);
	return 1;
}

int inputs_next(struct inputs *in, struct input_line *out, struct err *e)
{
	struct span text = SPAN_NONE;
	int got;
	*out = (struct input_line){0};
	while ((got = next_text(in, &text, e)) > 0)
		if (span_trim(text).n)
			return take_line(in, text, out, e);
	return got;
}

void input_line_release(struct input_line *l)
{
	json_decref(l->values);
	l->values = NULL;
}

/* ---- all of it ---- */

static int check_file(const json_t *value, const char *name, struct err *e)
{
	const char *path = json_string_value(value);
	return !path || fs_exists(path) ? 0
					: err_set(e, ERR_NOT_FOUND, "input \"%s\": there is no file %s", name, path);
}

static int check_files(const struct mode *m, const struct input_line *l, struct err *e)
{
	const char *name;
	json_t *value, *one;
	size_t i;
	json_object_foreach(l->values, name, value)
	{
		if (!mode_input_is_file(m, name))
			continue;
		if (check_file(value, name, e))
			return -1;
		json_array_foreach(value, i, one) if (check_file(one, name, e)) return -1;
	}
	return 0;
}

/* names: of the lines so far, with their numbers. */
static int check_line(
	const struct inputs *in, const struct input_line *l, struct map *names, struct inputs_seen *seen, struct err *e)
{
	int width = (int)strlen(l->name);
	void *before = NULL;
	if (check_files(in->mode, l, e))
		return -1;
	if (seen->lines++ == CAP_BATCH_LINES)
		return err_set(e, ERR_TOO_LARGE, "more than %d lines; split the file", CAP_BATCH_LINES);
	if (width > seen->widest)
		seen->widest = width;
	/* numbers differ by themselves */
	if (in->named == NAMED_BY_ID && map_set(names, span_of(l->name), (void *)(intptr_t)l->number, &before, e))
		return -1;
	return before ? err_set(e, ERR_INVALID, "line %" PRId64 " has the id \"%s\" too", (int64_t)(intptr_t)before,
				l->name)
		      : 0;
}

int inputs_check(const char *path, const struct mode *m, const json_t *common, struct inputs_seen *seen, struct err *e)
{
	struct inputs in;
	struct input_line line;
	struct map names;
	int got;
	*seen = (struct inputs_seen){0};
	if (inputs_open(&in, path, m, common, e))
		return -1;
	map_init(&names, CAP_BATCH_LINES);
	while ((got = inputs_next(&in, &line, e)) > 0) {
		int failed = check_line(&in, &line, &names, seen, e);
		input_line_release(&line);
		if (failed) {
			got = err_wrap(e, "%s:%" PRId64, path, in.number);
			break;
		}
	}
	map_release(&names, NULL);
	inputs_close(&in);
	if (!got && !seen->lines)
		return err_set(e, ERR_INVALID, "--inputs %s holds no line", path);
	return got;
}
