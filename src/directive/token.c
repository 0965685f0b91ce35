#include "directive/token.h"

#include "base/utf8.h"

/* Purpose: turn the text of a directive into tokens, and say exactly where something is wrong.
 * Happy path: skip blanks and comments, look at one character, read the token to its end.
 * Failure modes: a string that is never closed, an unknown escape, NUL or bad UTF-8 in a string, no memory. */

#define QUOTE_BEFORE 64 /* bytes of an offending line shown before and after the place */
#define QUOTE_AFTER 40
#define MESSAGE_CAP 4096

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static bool is_inside_character(char c)
{
	return ((unsigned char)c & 0xC0) == 0x80;
}

size_t lexer_skip_blanks(struct span reply, size_t at)
{
	while (at < reply.n && is_blank(reply.p[at]))
		at++;
	return at;
}

static size_t line_end(struct span reply, size_t at)
{
	size_t end = span_find(reply, span_of("\n"), at);
	return end == (size_t)-1 ? reply.n : end;
}

static size_t line_start(struct span reply, size_t at)
{
	while (at > 0 && reply.p[at - 1] != '\n')
		at--;
	return at;
}

void lexer_place(struct span reply, size_t at, size_t *line, size_t *column)
{
	*line = *column = 1;
	for (size_t i = 0; i < at && i < reply.n; i++) {
		if (reply.p[i] == '\n') {
			++*line;
			*column = 1;
		} else if (!is_inside_character(reply.p[i])) {
			++*column;
		}
	}
}

/* The offending line, cut around the place, and under it the caret. Tabs stay tabs in both, so that they line up. */
static void add_quote(struct span reply, size_t at, struct buf *out)
{
	size_t start = line_start(reply, at), end = line_end(reply, at), from = start, to = end;
	cleanup_buf struct buf before = BUF_INIT(MESSAGE_CAP);

	if (at - start > QUOTE_BEFORE)
		from = at - QUOTE_BEFORE;
	while (from < at && is_inside_character(reply.p[from]))
		from++;
	if (end - at > QUOTE_AFTER)
		to = at + QUOTE_AFTER;
	while (to < end && is_inside_character(reply.p[to]))
		to++;
	while (to > at && reply.p[to - 1] == '\r')
		to--;
	utf8_visible(span_n(reply.p + from, at - from), true, &before);
	buf_addf(out, "\n  %s", from > start ? "…" : "");
	buf_addspan(out, buf_span(&before));
	utf8_visible(span_n(reply.p + at, to - at), true, out);
	buf_addf(out, "%s\n  %s", to < end && reply.p[to] != '\r' ? "…" : "", from > start ? " " : "");
	for (size_t i = 0; i < before.len; i++)
		if (!is_inside_character(before.data[i]))
			buf_addc(out, before.data[i] == '\t' ? '\t' : ' ');
	buf_addc(out, '^');
	if (before.failed && !out->failed)
		out->failed = before.failed;
}

int lexer_fail(struct span reply, size_t at, struct err *e, const char *fmt, ...)
{
	cleanup_buf struct buf text = BUF_INIT(MESSAGE_CAP);
	size_t line, column;
	va_list ap;

	lexer_place(reply, at, &line, &column);
	buf_addf(&text, "line %zu, column %zu: ", line, column);
	va_start(ap, fmt);
	buf_addv(&text, fmt, ap);
	va_end(ap);
	if (at <= reply.n)
		add_quote(reply, at, &text);
	if (buf_check(&text, "the message", e))
		return -1;
	return err_set(e, ERR_PARSE, "%s", text.data);
}

static size_t skip_space(struct span reply, size_t at)
{
	for (;;) {
		at = lexer_skip_blanks(reply, at);
		if (at < reply.n && (reply.p[at] == '\n' || reply.p[at] == '\f' || reply.p[at] == '\v'))
			at++;
		else if (at + 1 < reply.n && reply.p[at] == '/' && reply.p[at + 1] == '/')
			at = line_end(reply, at);
		else
			return at;
	}
}

struct span lexer_word_at(struct span reply, size_t at)
{
	size_t end = at;

	if (at < reply.n && is_letter(reply.p[at]))
		while (end < reply.n && (is_letter(reply.p[end]) || (reply.p[end] >= '0' && reply.p[end] <= '9')))
			end++;
	return span_n(reply.p + at, end - at);
}

static int read_raw(struct lexer *lx, struct token *t, struct err *e)
{
	size_t end = span_find(lx->reply, span_of("\"\"\""), t->at + 3);

	if (end == (size_t)-1)
		return lexer_fail(lx->reply, t->at, e, "the \"\"\" string that begins here is never closed");
	t->text = span_n(lx->reply.p + t->at + 3, end - t->at - 3);
	lx->at = end + 3;
	char *copy = arena_dup(lx->arena, t->text);
	if (!copy)
		return err_nomem(e);
	t->text.p = copy;
	return 0;
}

/* The character that a backslash and c stand for; 0: none. */
static char unescape(char c)
{
	static const char from[] = "\\\"/bfnrtv'", to[] = "\\\"/\b\f\n\r\t\v'";
	const char *found = c ? strchr(from, c) : NULL;
	return found ? to[found - from] : '\0';
}

static int read_quoted(struct lexer *lx, struct token *t, struct err *e)
{
	const struct span in = lx->reply;
	size_t at = t->at + 1, n = 0;

	for (; at < in.n && in.p[at] != '"'; at++, n++)
		if (in.p[at] == '\\')
			at++;
	if (at >= in.n)
		return lexer_fail(in, t->at, e, "the string that begins here is never closed");
	char *text = arena_alloc(lx->arena, n + 1);
	if (!text)
		return err_nomem(e);
	t->text = span_n(text, n);
	for (at = t->at + 1; in.p[at] != '"'; at++, text++) {
		*text = in.p[at];
		if (in.p[at] != '\\')
			continue;
		*text = unescape(in.p[++at]);
		if (!*text)
			return lexer_fail(in, at - 1, e,
				"unknown escape in a string; use \\\\ \\\" \\/ \\b \\f \\n \\r \\t \\v \\' or write "
				"the string between \"\"\" and \"\"\"");
	}
	lx->at = at + 1;
	return 0;
}

static int read_string(struct lexer *lx, struct token *t, struct err *e)
{
	bool raw = lx->reply.n - t->at >= 3 && memcmp(lx->reply.p + t->at, "\"\"\"", 3) == 0;

	if (raw ? read_raw(lx, t, e) : read_quoted(lx, t, e))
		return -1;
	if (memchr(t->text.p, '\0', t->text.n))
		return lexer_fail(lx->reply, t->at, e, "the string that begins here contains a NUL byte; leave it out");
	if (!utf8_valid(t->text))
		return lexer_fail(lx->reply, t->at, e, "the string that begins here is not valid UTF-8");
	return 0;
}

struct token lexer_peek(const struct lexer *lx)
{
	const struct span in = lx->reply;
	struct token t = {.kind = TOKEN_END, .at = skip_space(in, lx->at)};

	if (t.at == in.n)
		return t;
	t.kind = TOKEN_STRING;
	if (in.p[t.at] == '"')
		return t;
	t.text = lexer_word_at(in, t.at);
	t.kind = t.text.n ? TOKEN_WORD : TOKEN_MARK;
	if (t.kind == TOKEN_MARK)
		do
			t.text.n++;
		while (t.at + t.text.n < in.n && is_inside_character(in.p[t.at + t.text.n]));
	return t;
}

int lexer_next(struct lexer *lx, struct token *out, struct err *e)
{
	*out = lexer_peek(lx);
	lx->at = out->at + out->text.n;
	return out->kind == TOKEN_STRING ? read_string(lx, out, e) : 0;
}

bool lexer_take(struct lexer *lx, char c)
{
	size_t at = skip_space(lx->reply, lx->at);

	if (at == lx->reply.n || lx->reply.p[at] != c)
		return false;
	lx->at = at + 1;
	return true;
}

void token_describe(const struct token *t, struct buf *out)
{
	switch (t->kind) {
	case TOKEN_END:
		buf_adds(out, "the end of the reply");
		return;
	case TOKEN_STRING:
		buf_adds(out, "a string");
		return;
	case TOKEN_WORD:
	case TOKEN_MARK:
		buf_addc(out, '\'');
		utf8_visible(span_n(t->text.p, utf8_cut(t->text, 40)), false, out);
		buf_addc(out, '\'');
		return;
	}
}
