/* search: lines that contain a text or match a POSIX extended expression.
 * What a hostile expression could cost is bounded before it is compiled: no back-references (they match in exponential
 * time), and repetition counts whose product stays small (the C library unrolls them). Lines are matched up to
 * CAP_SEARCH_LINE bytes, and the whole search ends after TIME_SEARCH. */
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "workspace/private.h"

#define REPEATS_MAX 1000
#define GROUPS_MAX 32

struct search {
	struct span text; /* when not regex */
	regex_t compiled;
	bool regex, late, nomem;
	json_t *out;
	int max;
	int64_t more, skipped, deadline;
};

static bool search_skip(void *ctx, const char *name)
{
	(void)ctx;
	return folder_is_dependency(name);
}

/* The largest count of an interval {m,n} at p[i] == '{', or 1. */
static long interval(struct span p, size_t i)
{
	long low = 0, high = 0;

	for (i++; i < p.n && p.p[i] >= '0' && p.p[i] <= '9' && low < 100000; i++)
		low = low * 10 + (p.p[i] - '0');
	if (i < p.n && p.p[i] == ',')
		for (i++; i < p.n && p.p[i] >= '0' && p.p[i] <= '9' && high < 100000; i++)
			high = high * 10 + (p.p[i] - '0');
	low = high > low ? high : low;
	return low > 1 ? low : 1;
}

static int tame(struct span p, struct err *e)
{
	long repeats = 1;
	int groups = 0;

	for (size_t i = 0; i < p.n; i++) {
		if (p.p[i] == '\\' && i + 1 < p.n) {
			i++;
			if (p.p[i] >= '1' && p.p[i] <= '9')
				return err_set(e, ERR_INVALID,
					"the expression uses the back-reference \\%c; write it without", p.p[i]);
		} else if (p.p[i] == '{') {
			repeats *= interval(p, i);
		} else if (p.p[i] == '(') {
			groups++;
		}
		if (repeats > REPEATS_MAX)
			return err_set(e, ERR_INVALID,
				"the expression's repetition counts multiply to more than %d; use + or *", REPEATS_MAX);
		if (groups > GROUPS_MAX)
			return err_set(
				e, ERR_INVALID, "the expression has more than %d groups; make it simpler", GROUPS_MAX);
	}
	return 0;
}

static int compile(struct search *s, const char *pattern, struct err *e)
{
	char why[128];
	int rc;

	if (tame(s->text, e))
		return -1;
	rc = fault_hit(FAULT_ALLOC) ? REG_ESPACE : regcomp(&s->compiled, pattern, REG_EXTENDED | REG_NOSUB);
	if (rc == REG_ESPACE)
		return err_nomem(e);
	if (rc) {
		regerror(rc, &s->compiled, why, sizeof why);
		return err_set(e, ERR_INVALID, "the expression is not valid (%s); it is a POSIX extended one", why);
	}
	s->regex = true;
	return 0;
}

static bool line_matches(struct search *s, struct span line)
{
	regmatch_t range;

	if (!s->regex)
		return span_find(line, s->text, 0) != (size_t)-1;
	range.rm_so = 0;
	range.rm_eo = (regoff_t)(line.n < CAP_SEARCH_LINE ? line.n : CAP_SEARCH_LINE);
	return regexec(&s->compiled, line.p ? line.p : "", 1, &range, REG_STARTEND) == 0;
}

static bool found(struct search *s, const char *path, int64_t number, struct span line)
{
	json_t *name, *text, *hit;

	if ((int64_t)json_array_size(s->out) >= s->max) {
		s->more++;
		return true;
	}
	if (line.n > CAP_SEARCH_SHOWN)
		line.n = utf8_cut(line, CAP_SEARCH_SHOWN);
	name = json_from_span(span_of(path));
	text = json_from_span(line);
	hit = json_make(NULL, "{s:o, s:I, s:o}", "path", name, "line", (json_int_t)number, "text", text);
	s->nomem = !hit || json_array_append_new(s->out, hit);
	return !s->nomem;
}

static bool search_text(struct search *s, const char *path, struct span text)
{
	struct span rest = text, line;

	/* Most files have no hit: one pass over the whole tells. */
	if (!s->regex && span_find(text, s->text, 0) == (size_t)-1)
		return true;
	for (int64_t number = 1; span_line(&rest, &line); number++) {
		if (s->regex && clock_mono(&clock_real) > s->deadline) {
			s->late = true;
			return false;
		}
		if (line_matches(s, line) && !found(s, path, number, line))
			return false;
	}
	return true;
}

static bool search_file(struct search *s, int dir, const char *name, const char *path)
{
	cleanup_fd int fd = SEAM(openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
	struct blob *b = NULL;
	struct stat st;
	bool go_on = true;

	if (fd >= 0 && SEAM(fstat(fd, &st)) == 0 && S_ISREG(st.st_mode))
		b = beneath_read(fd, CAP_SEARCH_FILE);
	if (!b || utf8_binary(blob_span(b)))
		s->skipped++;
	else
		go_on = search_text(s, path, blob_span(b));
	blob_unref(b);
	if (go_on && clock_mono(&clock_real) > s->deadline) {
		s->late = true;
		return false;
	}
	return go_on;
}

static bool search_each(void *ctx, const struct walk_entry *entry)
{
	return !S_ISREG(entry->st.st_mode) || search_file(ctx, entry->dir, entry->name, entry->path);
}

static int run(struct search *s, struct files *f, const char *path, struct err *e)
{
	struct walk w = {.skip = search_skip, .each = search_each, .ctx = s};
	bool folder;

	if (files_exists(f, path, &folder) && !folder) {
		cleanup_place struct place p = PLACE_INIT;
		if (place_find(f, path, PLACE_FOLLOW, &p, e))
			return -1;
		search_file(s, p.dir, p.name, path);
	} else if (walk_run(f, path, &w, e)) {
		return -1;
	}
	return s->nomem ? err_nomem(e) : 0;
}

/* What the result leaves out, as its last element. */
static int add_rest(struct search *s, struct err *e)
{
	json_t *rest;

	if (!s->more && !s->skipped && !s->late)
		return 0;
	rest = json_make(
		e, "{s:I, s:I, s:b}", "more", (json_int_t)s->more, "skipped", (json_int_t)s->skipped, "late", s->late);
	if (!rest)
		return -1;
	return json_array_append_new(s->out, rest) ? err_nomem(e) : 0;
}

json_t *files_search(struct files *f, const char *pattern, bool regex, const char *path, int max, struct err *e)
{
	struct search s = {
		.text = span_of(pattern), .max = max, .deadline = clock_mono(&clock_real) + TIME_SEARCH * 1000};
	cleanup_json json_t *out = NULL;

	if (s.text.n == 0 || s.text.n > CAP_PATTERN) {
		err_set(e, ERR_INVALID, "the search text must have 1 to %d bytes", CAP_PATTERN);
		return NULL;
	}
	if (regex && compile(&s, pattern, e))
		return NULL;
	out = s.out = json_array();
	if (!s.out || run(&s, f, path, e) || add_rest(&s, e)) {
		if (!s.out)
			err_nomem(e);
		out = NULL;
		json_decref(s.out);
	}
	if (s.regex)
		regfree(&s.compiled);
	return steal(&out);
}
