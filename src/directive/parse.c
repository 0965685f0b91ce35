#include "directive/parse.h"

#include "base/caps.h"
#include "directive/token.h"

/* Purpose: one reply in, one tree and the prose around it out.
 * Happy path: walk the lines; at the one that begins with a keyword, descend through the grammar; go on behind it to
 * make sure that nothing else begins.
 * Failure modes: see parse.h; each is reported at the place where it was noticed. */

struct parser {
	enum directive_language language;
	enum directive_phase phase;
	struct lexer lex;
	struct directive *d;
	struct err *e;
};

/* Report that `t` is not what the grammar wants. */
static int unexpected(struct parser *p, const struct token *t, const char *expected)
{
	cleanup_buf struct buf found = BUF_INIT(512);

	token_describe(t, &found);
	if (buf_check(&found, "the message", p->e))
		return -1;
	return lexer_fail(p->lex.reply, t->at, p->e, "expected %s, found %s; the form is %s", expected, found.data,
		p->d->row->syntax);
}

static int parse_mark(struct parser *p, char mark)
{
	struct token t;
	const char expected[] = {'\'', mark, '\'', '\0'};

	if (lexer_take(&p->lex, mark))
		return 0;
	t = lexer_peek(&p->lex);
	return unexpected(p, &t, expected);
}

static int parse_string(struct parser *p, const char *expected, struct span *out)
{
	struct token t;

	if (lexer_next(&p->lex, &t, p->e))
		return -1;
	if (t.kind != TOKEN_STRING)
		return unexpected(p, &t, expected);
	*out = t.text;
	return 0;
}

/* attribute: NAME "=" STRING */
static int parse_attribute(struct parser *p, const char *name, struct span *out)
{
	struct token t;

	if (lexer_next(&p->lex, &t, p->e))
		return -1;
	if (t.kind != TOKEN_WORD || !span_is(t.text, name))
		return unexpected(p, &t, name);
	return parse_mark(p, '=') ? -1 : parse_string(p, "a string", out);
}

/* target: ("file" | "folder") STRING */
static int parse_target(struct parser *p, struct directive_item *item)
{
	struct token t;

	if (lexer_next(&p->lex, &t, p->e))
		return -1;
	if (t.kind == TOKEN_WORD && span_is(t.text, "file"))
		item->target = TARGET_FILE;
	else if (t.kind == TOKEN_WORD && span_is(t.text, "folder"))
		item->target = TARGET_FOLDER;
	else
		return unexpected(p, &t, "'file' or 'folder'");
	return parse_string(p, "a path in quotes", &item->path);
}

/* tester: "tester" PROMPT "=" STRING */
static int parse_tester(struct parser *p, struct directive_item *item)
{
	struct token t;

	if (lexer_next(&p->lex, &t, p->e))
		return -1;
	if (t.kind != TOKEN_WORD || !span_is(t.text, "tester"))
		return unexpected(p, &t, "'tester'");
	return parse_attribute(p, "PROMPT", &item->prompt);
}

static int too_many(struct parser *p, size_t at)
{
	return lexer_fail(p->lex.reply, at, p->e, "more than %d in one directive; send the rest in another reply",
		CAP_DIRECTIVE_ITEMS);
}

/* items: item {"," item}    item: target | target PROMPT "=" STRING | tester */
static int parse_items(struct parser *p)
{
	struct directive_item **tail = &p->d->items;
	size_t count = 0;

	do {
		size_t at = p->lex.at;
		struct directive_item *item = ARENA_NEW(p->lex.arena, struct directive_item);
		if (!item)
			return err_nomem(p->e);
		if (++count > CAP_DIRECTIVE_ITEMS)
			return too_many(p, at);
		if (p->d->row->shape == SHAPE_TESTERS ? parse_tester(p, item) : parse_target(p, item))
			return -1;
		if (p->d->row->shape == SHAPE_TARGET_PROMPTS && parse_attribute(p, "PROMPT", &item->prompt))
			return -1;
		*tail = item;
		tail = &item->next;
	} while (lexer_take(&p->lex, ','));
	return 0;
}

/* edits: edit {"," edit}    edit: FROM "=" STRING TO "=" STRING */
static int parse_edits(struct parser *p, bool several)
{
	struct directive_edit **tail = &p->d->edits;
	size_t count = 0;

	do {
		size_t at = p->lex.at;
		struct directive_edit *edit = ARENA_NEW(p->lex.arena, struct directive_edit);
		if (!edit)
			return err_nomem(p->e);
		if (++count > CAP_DIRECTIVE_ITEMS)
			return too_many(p, at);
		if (parse_attribute(p, "FROM", &edit->from) || parse_attribute(p, "TO", &edit->to))
			return -1;
		*tail = edit;
		tail = &edit->next;
	} while (several && lexer_take(&p->lex, ','));
	return 0;
}

/* run: [NO_TIMEOUT] STRING */
static int parse_run(struct parser *p)
{
	size_t before = p->lex.at;
	struct token t;

	if (lexer_next(&p->lex, &t, p->e))
		return -1;
	p->d->no_timeout = t.kind == TOKEN_WORD && span_is(t.text, "NO_TIMEOUT");
	if (!p->d->no_timeout)
		p->lex.at = before;
	return parse_string(
		p, p->d->no_timeout ? "a command in quotes" : "NO_TIMEOUT or a command in quotes", &p->d->text);
}

/* call: "(" ")" | "(" STRING ")" | "(" [STRING] ")" */
static int parse_call(struct parser *p)
{
	enum directive_shape shape = p->d->row->shape;

	if (parse_mark(p, '('))
		return -1;
	if (shape == SHAPE_CALL_OPTIONAL && lexer_take(&p->lex, ')'))
		return 0;
	if (shape != SHAPE_CALL && parse_string(p, "a string", &p->d->text))
		return -1;
	return parse_mark(p, ')');
}

/* body: what follows the keyword, by the shape of its row (see table.h) */
static int parse_body(struct parser *p)
{
	const struct directive_row *row = p->d->row;

	switch (row->shape) {
	case SHAPE_BARE:
		return 0;
	case SHAPE_STRING:
		return parse_string(p, "a string", &p->d->text);
	case SHAPE_RUN:
		return parse_run(p);
	case SHAPE_ATTRIBUTE:
		return parse_attribute(p, row->attribute, &p->d->text);
	case SHAPE_TARGETS:
	case SHAPE_TARGET_PROMPTS:
	case SHAPE_TESTERS:
		return parse_items(p);
	case SHAPE_EDIT:
	case SHAPE_EDITS:
		return parse_edits(p, row->shape == SHAPE_EDITS);
	case SHAPE_CALL:
	case SHAPE_CALL_STRING:
	case SHAPE_CALL_OPTIONAL:
		return parse_call(p);
	}
	BUG("shape %d of %s", (int)row->shape, row->word);
}

/* Is the rest of the line empty but for a comment or the closing backticks of an inline fence? */
static bool at_line_end(struct span in, size_t at)
{
	at = lexer_skip_blanks(in, at);
	while (at < in.n && in.p[at] == '`')
		at++;
	at = lexer_skip_blanks(in, at);
	return at == in.n || in.p[at] == '\n' || span_starts(span_n(in.p + at, in.n - at), "//");
}

static int parse_line_end(struct parser *p)
{
	struct token t = lexer_peek(&p->lex);

	if (at_line_end(p->lex.reply, p->lex.at))
		return 0;
	return unexpected(p, &t, "the end of the line after the directive");
}

/* directive: keyword body end-of-line.  The lexer stands behind the keyword; afterwards behind the body. */
static int parse_directive(struct parser *p, const struct directive_row *row, size_t at)
{
	p->d = ARENA_NEW(p->lex.arena, struct directive);
	if (!p->d)
		return err_nomem(p->e);
	p->d->row = row;
	lexer_place(p->lex.reply, at, &p->d->line, &p->d->column);
	p->lex.at = at + strlen(row->word);
	return parse_body(p) || parse_line_end(p) ? -1 : 0;
}

/* Does NAME= stand on the line, or NAME at its end? */
static bool has_attribute(struct span line)
{
	static const char *const names[] = {"PROMPT", "CONTENT", "FROM", "TO"};

	for (size_t at = 0; at < line.n; at++) {
		struct span word = lexer_word_at(line, at);
		if (!word.n)
			continue;
		at += word.n;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			size_t next = lexer_skip_blanks(line, at);
			if (span_is(word, names[i]) && (next == line.n || line.p[next] == '='))
				return true;
		}
	}
	return false;
}

/* Is the line, whose keyword ends at `at`, meant as a directive or is it prose? See parse.h. */
static bool is_meant(const struct directive_row *row, struct span in, size_t at)
{
	struct span rest = span_n(in.p + at, in.n - at), line = SPAN_NONE;
	struct lexer lx;
	struct token t;

	span_line(&rest, &line);
	if (at_line_end(in, at) || has_attribute(line))
		return true;
	lx = (struct lexer){.reply = line};
	t = lexer_peek(&lx);
	if (t.kind == TOKEN_STRING)
		return true;
	if (t.kind == TOKEN_MARK)
		return row->shape >= SHAPE_CALL && span_is(t.text, "(");
	if (span_is(t.text, "NO_TIMEOUT"))
		return true;
	lx.at = t.at + t.text.n;
	enum token_kind then = lexer_peek(&lx).kind;
	if (span_is(t.text, "tester"))
		return then == TOKEN_END;
	return (span_is(t.text, "file") || span_is(t.text, "folder")) && (then == TOKEN_STRING || then == TOKEN_END);
}

/* Refuse a keyword that this language or phase does not have. */
static int refuse(struct parser *p, size_t at, const char *word, bool foreign)
{
	const char *language = directive_language_name(p->language);
	cleanup_buf struct buf may = BUF_INIT(1024);

	directive_keywords(p->language, p->phase, &may);
	if (buf_check(&may, "the message", p->e))
		return -1;
	if (foreign)
		return lexer_fail(p->lex.reply, at, p->e, "%s is not a directive of the %s, which may use %s", word,
			language, may.data);
	return lexer_fail(p->lex.reply, at, p->e, "%s is not allowed in the %s phase, which allows %s", word,
		directive_phase_name(p->phase), may.data);
}

static int refuse_second(struct parser *p, size_t at, const struct directive *first, const char *word)
{
	return lexer_fail(p->lex.reply, at, p->e,
		"%s is a second directive, after %s in line %zu; a reply holds exactly one, so send them one by one",
		word, first->row->word, first->line);
}

static int refuse_none(struct parser *p)
{
	cleanup_buf struct buf may = BUF_INIT(1024);

	directive_keywords(p->language, p->phase, &may);
	if (buf_check(&may, "the message", p->e))
		return -1;
	return err_set(p->e, ERR_PARSE,
		"the reply holds no directive; begin a line with exactly one of %s (written exactly so)", may.data);
}

/* Where the directive stands in the reply, and the first keyword line that was taken for prose. */
struct search {
	struct directive *found;
	size_t start, end; /* of its lines, without the last line end */
	const struct directive_row *doubtful;
	size_t doubtful_at;
};

/* Parse the directive whose keyword is at `at`, and remember where it is. */
static int take(struct parser *p, struct search *s, const struct directive_row *row, size_t at)
{
	size_t end;

	if (parse_directive(p, row, at))
		return -1;
	end = span_find(p->lex.reply, span_of("\n"), p->lex.at);
	s->found = p->d;
	s->start = at;
	s->end = end == (size_t)-1 ? p->lex.reply.n : end;
	return 0;
}

/* reply: {prose-line} directive {prose-line} */
static int search_reply(struct parser *p, struct search *s)
{
	const struct span in = p->lex.reply;

	for (size_t line = 0; line < in.n;) {
		size_t at = lexer_skip_blanks(in, line), end = span_find(in, span_of("\n"), at);
		struct span word = lexer_word_at(in, at);
		const struct directive_row *row = directive_row_named(p->language, word);
		const struct directive_row *any = row ? row : directive_row_anywhere(word);

		if (any && !is_meant(any, in, at + word.n)) {
			if (!s->doubtful && row && directive_allowed(row, p->language, p->phase)) {
				s->doubtful = row;
				s->doubtful_at = at;
			}
		} else if (any) {
			if (!row || !directive_allowed(row, p->language, p->phase))
				return refuse(p, at, any->word, !row);
			if (s->found)
				return refuse_second(p, at, s->found, row->word);
			if (take(p, s, row, at))
				return -1;
			end = s->end;
		}
		line = end < in.n ? end + 1 : in.n;
	}
	return 0;
}

static bool is_fence(struct span line)
{
	return span_starts(span_trim(line), "```");
}

/* When the prose before ends in a line that opens a fence, cut it off, and the line that closes it off the prose after.
 */
static void drop_fence(struct span *before, struct span *after)
{
	struct span rest = *before, line, last = SPAN_NONE;
	bool open = false;

	while (span_line(&rest, &line)) {
		open ^= is_fence(line);
		last = line;
	}
	if (!open || !is_fence(last))
		return;
	before->n = (size_t)(last.p - before->p);
	rest = *after;
	if (span_line(&rest, &line) && is_fence(line))
		*after = rest;
	*before = span_trim(*before);
	*after = span_trim(*after);
}

static int join_message(struct parser *p, const struct search *s, struct span *message)
{
	const struct span in = p->lex.reply;
	struct span before = span_trim(span_n(in.p, s->start)), after = span_trim(span_n(in.p + s->end, in.n - s->end));
	size_t gap;

	drop_fence(&before, &after);
	gap = before.n && after.n ? 2 : 0;
	char *text = arena_alloc(p->lex.arena, before.n + gap + after.n + 1);
	if (!text)
		return err_nomem(p->e);
	memcpy(text, before.p, before.n);
	memcpy(text + before.n, "\n\n", gap);
	memcpy(text + before.n + gap, after.p, after.n);
	*message = span_n(text, before.n + gap + after.n);
	return 0;
}

int directive_parse(enum directive_language language, enum directive_phase phase, struct span reply, struct arena *a,
	struct directive **out, struct span *message, struct err *e)
{
	struct parser p = {.language = language, .phase = phase, .lex = {.reply = reply, .arena = a}, .e = e};
	struct search s = {0};

	if (reply.n > CAP_DIRECTIVE)
		return err_set(e, ERR_TOO_LARGE,
			"the reply has %zu bytes, more than the %lu that a directive may have; "
			"write large files in parts with REPLACE or INSERT",
			reply.n, CAP_DIRECTIVE);
	if (!reply.p)
		p.lex.reply = span_of("");
	if (search_reply(&p, &s))
		return -1;
	if (!s.found && s.doubtful && take(&p, &s, s.doubtful, s.doubtful_at))
		return -1;
	if (!s.found)
		return refuse_none(&p);
	if (join_message(&p, &s, message))
		return -1;
	*out = s.found;
	return 0;
}
