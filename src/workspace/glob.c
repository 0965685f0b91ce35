/* glob: paths that match a pattern. Braces are expanded first, into at most CAP_PATTERN_BRACES patterns; then one walk
 * over the tree tests every file and folder against them. */
#include <stdlib.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "vcs/wild.h"
#include "workspace/private.h"

struct glob {
	char *patterns[CAP_PATTERN_BRACES];
	size_t count;
	json_t *out;
	int max;
	int64_t more;
	bool nomem;
};

static void glob_release(struct glob *g)
{
	for (size_t i = 0; i < g->count; i++)
		mem_free(g->patterns[i]);
	json_decref(g->out);
}

/* The first brace group of p: its ends in *open and *close, with a comma of its own inside; false when there is none.
 */
static bool find_braces(struct span p, size_t *open, size_t *close)
{
	for (size_t i = 0; i < p.n; i++) {
		bool comma = false;
		int depth = 0;

		if (p.p[i] == '\\') {
			i++;
			continue;
		}
		if (p.p[i] != '{')
			continue;
		for (size_t j = i; j < p.n; j++) {
			if (p.p[j] == '\\')
				j++;
			else if (p.p[j] == '{')
				depth++;
			else if (p.p[j] == ',' && depth == 1)
				comma = true;
			else if (p.p[j] == '}' && --depth == 0) {
				*open = i;
				*close = j;
				if (comma)
					return true;
				break;
			}
		}
	}
	return false;
}

static int expand(struct glob *g, struct span p, struct err *e);

/* p with the braces replaced by one of their choices. */
static int expand_choice(struct glob *g, struct span p, size_t open, size_t close, struct span choice, struct err *e)
{
	cleanup_buf struct buf one = BUF_INIT(CAP_PATTERN);

	buf_add(&one, p.p, open);
	buf_addspan(&one, choice);
	buf_add(&one, p.p + close + 1, p.n - close - 1);
	return buf_check(&one, "the pattern", e) ? -1 : expand(g, buf_span(&one), e);
}

static int expand(struct glob *g, struct span p, struct err *e)
{
	size_t open, close, from;
	int depth = 0;

	if (!find_braces(p, &open, &close)) {
		if (g->count == CAP_PATTERN_BRACES)
			return err_set(e, ERR_TOO_LARGE,
				"the pattern's braces stand for more than %d patterns; use fewer", CAP_PATTERN_BRACES);
		g->patterns[g->count] = span_dup(p);
		return g->patterns[g->count] ? (g->count++, 0) : err_nomem(e);
	}
	from = open + 1;
	for (size_t i = open + 1; i <= close; i++) {
		if (p.p[i] == '\\' && i + 1 < close) {
			i++;
		} else if (p.p[i] == '{') {
			depth++;
		} else if (p.p[i] == '}' && i < close) {
			depth--;
		} else if ((p.p[i] == ',' && depth == 0) || i == close) {
			if (expand_choice(g, p, open, close, span_n(p.p + from, i - from), e))
				return -1;
			from = i + 1;
		}
	}
	return 0;
}

/* A dependency folder is entered when a pattern has its name as a part. */
static bool glob_skip(void *ctx, const char *name)
{
	struct glob *g = ctx;

	if (!folder_is_dependency(name))
		return false;
	for (size_t i = 0; i < g->count; i++) {
		struct span rest = span_of(g->patterns[i]), part;
		while (wild_part(&rest, &part))
			if (span_is(part, name))
				return false;
	}
	return true;
}

static bool glob_each(void *ctx, const struct walk_entry *entry)
{
	struct glob *g = ctx;
	bool match = false;
	json_t *path;

	if (S_ISDIR(entry->st.st_mode))
		return true;
	for (size_t i = 0; i < g->count && !match; i++)
		match = wild_path(span_of(g->patterns[i]), span_of(entry->path));
	if (!match)
		return true;
	if ((int64_t)json_array_size(g->out) >= g->max) {
		g->more++;
		return true;
	}
	path = json_from_span(span_of(entry->path));
	g->nomem = !path || json_array_append_new(g->out, path);
	return !g->nomem;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

/* A walk is in order of parts; a list reads better in order of the whole text. */
static json_t *sorted(json_t *paths, struct err *e)
{
	size_t count = json_array_size(paths);
	cleanup_free json_t **items = mem_calloc(count ? count : 1, sizeof(json_t *));
	cleanup_json json_t *out = json_array();

	if (!items || !out) {
		err_nomem(e);
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		items[i] = json_array_get(paths, i);
	qsort(items, count, sizeof(json_t *), by_path);
	for (size_t i = 0; i < count; i++)
		if (json_array_append(out, items[i])) {
			err_nomem(e);
			return NULL;
		}
	return steal(&out);
}

json_t *files_glob(struct files *f, const char *pattern, int max, struct err *e)
{
	__attribute__((cleanup(glob_release))) struct glob g = {.out = json_array(), .max = max};
	struct walk w = {.skip = glob_skip, .each = glob_each, .ctx = &g};
	json_t *out;

	if (!g.out) {
		err_nomem(e);
		return NULL;
	}
	if (!*pattern || strlen(pattern) > CAP_PATTERN || !utf8_valid(span_of(pattern))) {
		err_set(e, ERR_INVALID, "the pattern must have 1 to %d bytes of UTF-8, such as src/**/*.c",
			CAP_PATTERN);
		return NULL;
	}
	while (span_starts(span_of(pattern), "./"))
		pattern += 2;
	if (expand(&g, span_of(pattern), e) || walk_run(f, ".", &w, e))
		return NULL;
	if (g.nomem) {
		err_nomem(e);
		return NULL;
	}
	out = sorted(g.out, e);
	if (out && json_more(out, g.more + (w.incomplete ? 1 : 0), e)) {
		json_decref(out);
		return NULL;
	}
	return out;
}
