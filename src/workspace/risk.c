/* risk: the scan. A file goes through a window: what was there before (BEHIND) for the beginning of a line, what is
 * new, and what comes after (AHEAD) for its end; a hit counts where it begins in what is new, so each counts once. */
#include "workspace/risk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "vcs/wild.h"
#include "workspace/assigned.h"
#include "workspace/language.h"
#include "workspace/private.h"

#define BEHIND (4 * KIB)
#define AHEAD (4 * KIB)
#define WINDOW (256 * KIB)
#define WORK_MAX (1ul << 30) /* bytes of lines looked at again and again in one file */

enum how { HOW_TOKEN, HOW_CALL, HOW_PIPE, HOW_NAME, HOW_MAGIC, HOW_KEY, HOW_ASSIGNED, HOW_SCRIPT };
enum class { CLASS_UPPER, CLASS_ALNUM, CLASS_WORD };

struct risk_rule {
	const char *id;
	enum risk_severity severity;
	const char *words;
	enum how how;
	struct span text;
	enum class class;
	size_t least;
	const char *also, *languages;
};

#define TEXT_OF(s)                                                                                                     \
	{                                                                                                              \
		s, sizeof(s) - 1                                                                                       \
	}
#define TOKEN(front, class_, least_) .how = HOW_TOKEN, .text = TEXT_OF(front), .class = CLASS_##class_, .least = least_
#define CALL(word, also_, in) .how = HOW_CALL, .text = TEXT_OF(word), .also = also_, .languages = in
#define PIPE(word) .how = HOW_PIPE, .text = TEXT_OF(word)
#define NAME(pattern) .how = HOW_NAME, .text = TEXT_OF(pattern)
#define MAGIC(bytes) .how = HOW_MAGIC, .text = TEXT_OF(bytes)
#define SCRIPT(name) .how = HOW_SCRIPT, .text = TEXT_OF("\"" name "\"")
#define KEY .how = HOW_KEY, .text = TEXT_OF("-----BEGIN ")
#define ASSIGNED .how = HOW_ASSIGNED
static const struct risk_rule rules[] = {
#define X(id_, severity_, words_, ...) {.id = id_, .severity = RISK_##severity_, .words = words_, __VA_ARGS__},
#include "workspace/risk.def"
#undef X
};
#define RULES (sizeof rules / sizeof *rules)

struct scan {
	struct risks *out;
	const atomic_bool *cancel;
	int64_t deadline; /* of the monotonic clock */
	const char *path; /* of the file at hand */
	const struct language *language;
	bool shell, binary;
	size_t hits[RULES];
	uint64_t work;
	uint64_t lines; /* before the window's new part */
	char *window;
	size_t from, to, len; /* of the window: the new part, and all */
	bool nomem;
};

/* ---- characters ---- */

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool in_class(char c, enum class class)
{
	if (class == CLASS_UPPER)
		return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
	return is_alnum(c) || (class == CLASS_WORD && (c == '_' || c == '-'));
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static bool in_word(char c)
{
	return is_alnum(c) || c == '_';
}

/* The length of a token of this rule that begins here, or 0. */
static size_t token_at(const struct risk_rule *r, struct span text, size_t at)
{
	size_t n = r->text.n;

	if (at && (in_word(text.p[at - 1]) || text.p[at - 1] == '-'))
		return 0;
	while (at + n < text.n && in_class(text.p[at + n], r->class))
		n++;
	return n - r->text.n >= r->least ? n : 0;
}

/* ---- what is shown ---- */

/* Cover every token in a text. */
static void mask(char *text)
{
	struct span all = span_of(text);

	for (size_t i = 0; i < RULES; i++) {
		if (rules[i].how != HOW_TOKEN)
			continue;
		for (size_t at = span_find(all, rules[i].text, 0); at != (size_t)-1;
			at = span_find(all, rules[i].text, at + 1)) {
			size_t n = token_at(&rules[i], all, at);

			if (n)
				memset(text + at + rules[i].text.n, '*', n - rules[i].text.n);
		}
	}
}

static bool add(struct scan *s, const struct risk_rule *r, uint64_t line, struct span shown)
{
	struct risks *out = s->out;
	cleanup_buf struct buf visible = BUF_INIT(16 * RISK_EXCERPT);
	struct risk *risk;

	if (out->count == CAP_RISKS || s->hits[r - rules]++ == CAP_RISKS_RULE) {
		out->more++;
		return out->count < CAP_RISKS;
	}
	if (out->count == out->room) {
		size_t room = out->room ? out->room * 2 : 16;
		struct risk *items = mem_realloc(out->items, room * sizeof *items);

		s->nomem |= !items;
		if (!items)
			return false;
		out->items = items;
		out->room = room;
	}
	risk = &out->items[out->count];
	*risk = (struct risk){.rule = r, .line = line, .path = mem_strdup(s->path)};
	s->nomem |= !risk->path;
	if (!risk->path)
		return false;
	out->count++;
	shown = span_trim(shown);
	shown.n = utf8_cut(shown, RISK_EXCERPT / 2);
	utf8_visible(shown, false, &visible);
	visible.len = utf8_cut(buf_span(&visible), RISK_EXCERPT - 1);
	snprintf(risk->excerpt, sizeof risk->excerpt, "%.*s", (int)visible.len, buf_span(&visible).p);
	mask(risk->excerpt);
	return true;
}

/* ---- the window ---- */

static struct span line_around(struct scan *s, size_t at)
{
	size_t a = at, b = at, low = at > BEHIND ? at - BEHIND : 0, high = at + AHEAD < s->len ? at + AHEAD : s->len;

	while (a > low && s->window[a - 1] != '\n')
		a--;
	while (b < high && s->window[b] != '\n')
		b++;
	s->work += b - a;
	return span_n(s->window + a, b - a);
}

static uint64_t lines_between(const char *p, size_t n)
{
	uint64_t lines = 0;
	const char *end = p + n;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		lines++;
		p++;
	}
	return lines;
}

static bool hit(struct scan *s, const struct risk_rule *r, size_t at, struct span shown)
{
	return add(s, r, s->lines + 1 + lines_between(s->window + s->from, at - s->from), shown);
}

/* ---- a rule at a place ---- */

static bool call_here(struct scan *s, const struct risk_rule *r, size_t at)
{
	char before = at ? s->window[at - 1] : '\n', first = r->text.p[0];
	struct span line = line_around(s, at);
	size_t after = (size_t)(s->window + at + r->text.n - line.p);

	if (in_word(first) && (in_word(before) || before == '.' || before == '$' || before == '-' || before == '>'))
		return false;
	return !*r->also || span_find(line, span_of(r->also), after) != (size_t)-1;
}

/* Is the rest of the line piped into a shell? */
static bool piped(struct scan *s, size_t at)
{
	static const char *const shells[] = {"sh", "bash", "zsh", "dash", "python", "python3", "perl", "node"};
	struct span line = line_around(s, at), rest;

	for (size_t i = (size_t)(s->window + at - line.p); i < line.n; i++) {
		if (line.p[i] != '|')
			continue;
		rest = span_trim(span_n(line.p + i + 1, line.n - i - 1));
		if (span_starts(rest, "sudo "))
			rest = span_trim(span_n(rest.p + 5, rest.n - 5));
		for (size_t k = 0; k < sizeof shells / sizeof *shells; k++) {
			size_t n = strlen(shells[k]);

			if (span_starts(rest, shells[k]) && (rest.n == n || !in_word(rest.p[n])))
				return true;
		}
	}
	return false;
}

/* A key has its text after it, also as one line with "\n" in it; a program that looks for keys has not. */
static bool is_key(const struct scan *s, size_t at)
{
	struct span rest = span_n(s->window + at, s->len - at < 256 ? s->len - at : 256);
	size_t end = span_find(rest, span_of("PRIVATE KEY-----"), 0), n = 0;

	if (end > 30) /* or nowhere */
		return false;
	rest = span_n(rest.p + end + 16, rest.n - end - 16);
	while (n < rest.n && n < 6 && is_one_of(rest.p[n], "\r\n\\nr"))
		n++;
	rest = span_n(rest.p + n, rest.n - n);
	for (n = 0; n < rest.n && (is_alnum(rest.p[n]) || is_one_of(rest.p[n], "+/=")); n++)
		;
	return n >= 32 || span_starts(rest, "Proc-Type:");
}

static bool has_language(const struct scan *s, const char *names)
{
	cleanup_free char *word = s->language ? mem_printf(" %s ", s->language->name) : NULL;

	return word && strstr(names, word);
}

static bool applies(const struct scan *s, const struct risk_rule *r)
{
	switch (r->how) {
	case HOW_TOKEN:
	case HOW_KEY:
		return true;
	case HOW_CALL:
		return has_language(s, r->languages);
	case HOW_PIPE:
		return s->shell;
	case HOW_SCRIPT: {
		const char *slash = strrchr(s->path, '/');
		return strcmp(slash ? slash + 1 : s->path, "package.json") == 0;
	}
	default:
		return false;
	}
}

static bool here(struct scan *s, const struct risk_rule *r, size_t at)
{
	struct span window = span_n(s->window, s->len);
	size_t n;

	switch (r->how) {
	case HOW_TOKEN:
		n = token_at(r, window, at);
		return !n || hit(s, r, at, span_n(s->window + at, n));
	case HOW_CALL:
		return !call_here(s, r, at) || hit(s, r, at, line_around(s, at));
	case HOW_PIPE:
		return (at && in_word(s->window[at - 1])) || !piped(s, at) || hit(s, r, at, line_around(s, at));
	case HOW_KEY:
		return !is_key(s, at) || hit(s, r, at, span_of("-----BEGIN … PRIVATE KEY-----"));
	case HOW_SCRIPT:
		n = at + r->text.n;
		while (n < s->len && (s->window[n] == ' ' || s->window[n] == '\t'))
			n++;
		return n >= s->len || s->window[n] != ':' || hit(s, r, at, line_around(s, at));
	default:
		return true;
	}
}

/* ---- lines ---- */

static bool look_assigned(struct scan *s, const struct risk_rule *r, size_t at, struct span line)
{
	struct span name;
	char shown[100];

	if (!assigned_secret(line, s->language && strcmp(s->language->name, "INI") == 0, &name))
		return true;
	snprintf(shown, sizeof shown, "%.*s = ***", (int)name.n, name.p);
	return hit(s, r, at, span_of(shown));
}

/* Lines that begin in the new part; of those longer than AHEAD, their pieces. */
static bool look_lines(struct scan *s, const struct risk_rule *r)
{
	size_t at = s->from;

	if (s->from && s->window[s->from - 1] != '\n') { /* seen from where it began, as far as it went */
		const char *nl = memchr(s->window + s->from, '\n', s->len - s->from);

		if (nl && (size_t)(nl - s->window) < s->from + AHEAD)
			at = (size_t)(nl - s->window) + 1;
	}
	while (at < s->to) {
		const char *nl = memchr(s->window + at, '\n', s->len - at);
		size_t end = nl ? (size_t)(nl - s->window) : s->len;

		end = end > at + AHEAD ? at + AHEAD : end;
		s->work += end - at;
		if (!look_assigned(s, r, at, span_n(s->window + at, end - at)))
			return false;
		at = end + (end < s->len && s->window[end] == '\n');
	}
	return true;
}

/* ---- a file ---- */

/* Look through the new part of the window. false: enough. */
static bool look(struct scan *s)
{
	struct span window = span_n(s->window, s->len);

	for (size_t i = 0; i < RULES; i++) {
		const struct risk_rule *r = &rules[i];

		if (r->how == HOW_ASSIGNED && !s->binary && !look_lines(s, r))
			return false;
		if (!applies(s, r))
			continue;
		for (size_t at = span_find(window, r->text, s->from);
			at < s->to && s->hits[i] <= CAP_RISKS_RULE && s->work < WORK_MAX;
			at = span_find(window, r->text, at + 1))
			if (!here(s, r, at))
				return false;
	}
	s->out->incomplete |= s->work >= WORK_MAX;
	return true;
}

static bool look_name(struct scan *s, const struct risk_rule *r)
{
	const char *p = r->text.p, *open = strchr(p, '{'), *close = open ? strchr(open, '}') : NULL;
	char pattern[100];

	if (!close)
		return wild_path(r->text, span_of(s->path));
	for (const char *a = open + 1, *b; a <= close; a = b + 1) {
		b = a + strcspn(a, ",}");
		snprintf(pattern, sizeof pattern, "%.*s%.*s%s", (int)(open - p), p, (int)(b - a), a, close + 1);
		if (wild_path(span_of(pattern), span_of(s->path)))
			return true;
	}
	return false;
}

/* The first bytes are there: what does the file's name, and its beginning, say? */
static bool begin_file(struct scan *s, struct span start)
{
	const char *end = strrchr(s->path, '.');

	memset(s->hits, 0, sizeof s->hits);
	s->lines = s->work = 0;
	s->language = language_of(s->path);
	s->shell = (s->language && s->language->kind == LANGUAGE_SHELL) || span_starts(start, "#!") ||
		   strstr(s->path, "package.json");
	s->binary = memchr(start.p ? start.p : "", 0, start.n < 8192 ? start.n : 8192);
	s->out->files++;
	for (size_t i = 0; i < RULES; i++) {
		const struct risk_rule *r = &rules[i];
		bool found =
			(r->how == HOW_NAME && look_name(s, r)) ||
			(r->how == HOW_MAGIC && start.n >= r->text.n && span_eq(span_n(start.p, r->text.n), r->text));

		/* What is for people to fill in. */
		if (found && end && r->how == HOW_NAME && (strcmp(end, ".example") == 0 || strcmp(end, ".sample") == 0))
			continue;
		if (found && !add(s, r, 0, SPAN_NONE))
			return false;
	}
	return true;
}

/* Move the window on: what was new is behind. */
static void advance(struct scan *s)
{
	size_t keep = s->to > BEHIND ? s->to - BEHIND : 0;

	s->lines += lines_between(s->window + s->from, s->to - s->from);
	memmove(s->window, s->window + keep, s->len - keep);
	s->len -= keep;
	s->from = s->to - keep;
}

static bool scan_fd(struct scan *s, int fd)
{
	bool first = true, end = false, go_on = true;

	s->from = s->to = s->len = 0;
	while (go_on && !end) {
		ssize_t n = SEAM(read(fd, s->window + s->len, WINDOW - s->len));

		s->out->incomplete |= n < 0;
		end = n <= 0;
		s->len += n > 0 ? (size_t)n : 0;
		s->out->bytes += n > 0 ? (uint64_t)n : 0;
		if (!end && s->len < WINDOW)
			continue;
		go_on = (!first || begin_file(s, span_n(s->window, s->len))) &&
			!(s->cancel && atomic_load(s->cancel)) && clock_mono(&clock_real) < s->deadline;
		first = false;
		s->to = end ? s->len : s->len - AHEAD;
		go_on = go_on && look(s);
		advance(s);
	}
	return go_on;
}

static bool scan_each(void *ctx, const struct walk_entry *entry)
{
	struct scan *s = ctx;
	bool go_on;

	if (!S_ISREG(entry->st.st_mode))
		return true;
	cleanup_fd int fd = SEAM(openat(entry->dir, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
	if (fd < 0) {
		s->out->incomplete = true;
		return true;
	}
	s->path = entry->path;
	go_on = scan_fd(s, fd);
	if (!go_on && !s->nomem)
		s->out->incomplete = true;
	return go_on;
}

/* ---- the whole ---- */

static int begin(struct scan *s, struct risks *out, struct err *e)
{
	*out = (struct risks){.items = NULL};
	s->out = out;
	s->deadline = clock_mono(&clock_real) + TIME_RISKS * 1000ll;
	s->window = mem_alloc(WINDOW);
	return s->window ? 0 : err_nomem(e);
}

static int by_place(const void *a, const void *b)
{
	const struct risk *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	if (!order)
		order = (x->line > y->line) - (x->line < y->line);
	return order ? order : (x->rule > y->rule) - (x->rule < y->rule);
}

static int end(struct scan *s, int rc, struct err *e)
{
	mem_free(s->window);
	if (rc == 0 && s->nomem)
		rc = err_nomem(e);
	if (rc == 0 && s->cancel && atomic_load(s->cancel))
		rc = err_set(e, ERR_CANCELLED, "the scan was cancelled");
	if (rc)
		risks_release(s->out);
	else if (s->out->count)
		qsort(s->out->items, s->out->count, sizeof *s->out->items, by_place);
	return rc;
}

int risk_scan(const char *dir, const atomic_bool *cancel, struct risks *out, struct err *e)
{
	struct scan s = {.cancel = cancel};
	struct walk w = {.each = scan_each, .ctx = &s};
	struct files *f;
	int rc = begin(&s, out, e);

	if (rc)
		return rc;
	f = files_open(dir, 0, e);
	rc = f ? walk_run(f, ".", &w, e) : -1;
	files_close(f);
	out->incomplete |= w.incomplete;
	return end(&s, rc, e);
}

int risk_text(const char *path, struct span text, struct risks *out, struct err *e)
{
	struct scan s = {.path = path};
	bool go_on;

	if (begin(&s, out, e))
		return -1;
	go_on = begin_file(&s, text);
	for (size_t at = 0; go_on && at < text.n;) {
		size_t n = text.n - at < WINDOW - s.len ? text.n - at : WINDOW - s.len;

		memcpy(s.window + s.len, text.p + at, n);
		s.len += n;
		at += n;
		s.to = at == text.n ? s.len : s.len - AHEAD;
		go_on = look(&s);
		advance(&s);
	}
	out->bytes = text.n;
	return end(&s, 0, e);
}

void risks_release(struct risks *r)
{
	for (size_t i = 0; i < r->count; i++)
		mem_free(r->items[i].path);
	mem_free(r->items);
	*r = (struct risks){.items = NULL};
}

json_t *risks_json(const struct risks *r, struct err *e)
{
	static const char *const names[] = {"low", "medium", "high"};
	cleanup_json json_t *found = json_array();
	json_int_t counts[3] = {0};

	for (size_t i = 0; found && i < r->count; i++) {
		const struct risk *x = &r->items[i];
		json_t *one = json_make(e, "{s:o, s:I, s:s, s:s, s:s, s:o}", "file", json_from_span(span_of(x->path)),
			"line", (json_int_t)x->line, "rule", x->rule->id, "severity", names[x->rule->severity], "words",
			x->rule->words, "excerpt", json_from_span(span_of(x->excerpt)));

		counts[x->rule->severity]++;
		if (!one)
			return NULL;
		if (json_array_append_new(found, one)) {
			err_nomem(e);
			return NULL;
		}
	}
	if (!found) {
		err_nomem(e);
		return NULL;
	}
	return json_make(e, "{s:I, s:I, s:I, s:b, s:I, s:I, s:I, s:o}", "files", (json_int_t)r->files, "bytes",
		(json_int_t)r->bytes, "more", (json_int_t)r->more, "incomplete", r->incomplete, "high",
		counts[RISK_HIGH], "medium", counts[RISK_MEDIUM], "low", counts[RISK_LOW], "found", steal(&found));
}
