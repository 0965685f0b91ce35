#include "tools/shell_word.h"

#include "base/caps.h"

/* Purpose: read words as a shell would (POSIX XCU 2.2, 2.3, 2.6), and list the commands of their substitutions.
 * Happy path: character by character; quoted text is added, an expansion becomes SHELL_UNKNOWN.
 * Failure modes: a quote that is never closed or an expansion whose end is uncertain stops the reading. */

const char shell_unfinished[] = "its syntax cannot be followed";

static void parse_dollar(struct shell_parser *p, struct buf *word, bool quoted);
static void parse_backtick(struct shell_parser *p, struct buf *word, bool quoted);

/* The character `ahead` of here; 0 at the end. */
char shell_look(const struct shell_parser *p, size_t ahead)
{
	return p->w->stopped || p->at + ahead >= p->in.n ? '\0' : p->in.p[p->at + ahead];
}

bool shell_looks_at(const struct shell_parser *p, const char *text)
{
	return !p->w->stopped && span_starts(span_n(p->in.p + p->at, p->in.n - p->at), text);
}

bool shell_take(struct shell_parser *p, const char *text)
{
	if (!shell_looks_at(p, text))
		return false;
	p->at += strlen(text);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Does it end a word? */
bool shell_is_meta(char c)
{
	return c == '\0' || is_blank(c) || strchr("\n;&|<>()", c) != NULL;
}

bool shell_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool shell_is_name(char c)
{
	return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void add_unknown(struct buf *word)
{
	if (!word->len || word->data[word->len - 1] != SHELL_UNKNOWN)
		buf_addc(word, SHELL_UNKNOWN);
}

/* Blanks, continued lines, comments. */
void shell_skip_blanks(struct shell_parser *p)
{
	for (;;) {
		if (is_blank(shell_look(p, 0)))
			p->at++;
		else if (shell_looks_at(p, "\\\n"))
			p->at += 2;
		else if (shell_look(p, 0) == '#')
			while (shell_look(p, 0) && shell_look(p, 0) != '\n')
				p->at++;
		else
			return;
	}
}

/* '…' */
static void parse_single(struct shell_parser *p, struct buf *word)
{
	for (p->at++; shell_look(p, 0) != '\''; p->at++) {
		if (!shell_look(p, 0)) {
			shell_stop(p->w, "a quote is never closed");
			return;
		}
		buf_addc(word, shell_look(p, 0));
	}
	p->at++;
}

/* "…" */
static void parse_double(struct shell_parser *p, struct buf *word)
{
	for (p->at++; shell_look(p, 0) != '"';) {
		char c = shell_look(p, 0), next = shell_look(p, 1);
		if (!c) {
			shell_stop(p->w, "a quote is never closed");
			return;
		}
		if (c == '$') {
			parse_dollar(p, word, true);
		} else if (c == '`') {
			parse_backtick(p, word, true);
		} else if (c == '\\' && next == '\n') {
			p->at += 2;
		} else {
			if (c == '\\' && next && strchr("$`\"\\", next))
				p->at++;
			buf_addc(word, shell_look(p, 0));
			p->at++;
		}
	}
	p->at++;
}

static int digits(struct shell_parser *p, size_t max, int base)
{
	int value = 0;

	for (size_t n = 0; n < max; n++, p->at++) {
		char c = shell_look(p, 0);
		int digit = shell_is_digit(c)	   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : 99;
		if (digit >= base)
			break;
		value = value * base + digit;
	}
	return value;
}

/* $'…', whose quote we stand on */
static void parse_ansi(struct shell_parser *p, struct buf *word)
{
	static const char from[] = "abeEfnrtv\\'\"?", to[] = "\a\b\033\033\f\n\r\t\v\\'\"?";

	for (p->at++; shell_look(p, 0) != '\'';) {
		char c = shell_look(p, 0), next = shell_look(p, 1);
		if (!c || (c == '\\' && !next)) {
			shell_stop(p->w, "a quote is never closed");
			return;
		}
		p->at++;
		if (c != '\\') {
			buf_addc(word, c);
			continue;
		}
		const char *found = strchr(from, next);
		int value = -1;
		if (found) {
			p->at++;
			buf_addc(word, to[found - from]);
		} else if (next == 'x') {
			p->at++;
			value = digits(p, 2, 16);
		} else if (next >= '0' && next <= '7') {
			value = digits(p, 3, 8);
		} else { /* \u, \U, \c and what is no escape at all */
			p->at++;
			add_unknown(word);
		}
		if (value == 0)
			add_unknown(word); /* cuts the word, or is dropped, by shell */
		else if (value > 0)
			buf_addc(word, (char)value);
	}
	p->at++;
}

/* `…`: the text inside, unescaped once, is a line of its own. */
static void parse_backtick(struct shell_parser *p, struct buf *word, bool quoted)
{
	cleanup_buf struct buf inner = BUF_INIT(CAP_SHELL_LINE);

	for (p->at++; shell_look(p, 0) != '`'; p->at++) {
		char next = shell_look(p, 1);
		if (!shell_look(p, 0)) {
			shell_stop(p->w, "a ` is never closed");
			return;
		}
		if (shell_look(p, 0) == '\\' && next && strchr(quoted ? "$`\\\"" : "$`\\", next))
			p->at++;
		buf_addc(&inner, shell_look(p, 0));
	}
	p->at++;
	if (inner.failed)
		shell_no_memory(p->w);
	else
		shell_line_into(p->w, buf_span(&inner), p->outer, p->depth + 1);
	add_unknown(word);
}

/* $((…)), behind its $((. Ends at the )) that closes it; if the parentheses end apart, it was $( (…) … ). */
static void parse_arithmetic(struct shell_parser *p, struct buf *word)
{
	size_t open = 0, keep = word->len;

	for (;;) {
		char c = shell_look(p, 0);
		if (c == ')' && open == 0) {
			if (!shell_take(p, "))"))
				shell_stop(p->w, "$(( may be a command or arithmetic");
			break;
		}
		if (!c || strchr("'\"\\`#", c)) {
			shell_stop(p->w, shell_unfinished);
			break;
		}
		if (shell_is_name(c) || c == '$')
			shell_doubt(p->w, "arithmetic on variables can run commands that their values hold");
		if (c == '$') {
			parse_dollar(p, word, true);
			continue;
		}
		if (shell_is_digit(c)) { /* with its letters, as in 0x1F */
			while (shell_is_digit(shell_look(p, 0)) || shell_is_name(shell_look(p, 0)))
				p->at++;
			continue;
		}
		open += c == '(';
		open -= c == ')';
		p->at++;
	}
	buf_cut(word, keep);
}

/* ${…}, behind its ${. */
static void parse_braces(struct shell_parser *p, struct buf *word, bool quoted)
{
	size_t keep = word->len;

	while (shell_look(p, 0) != '}') {
		char c = shell_look(p, 0), next = shell_look(p, 1);
		if (!c || (c == '\'' && quoted) || c == '\n') {
			shell_stop(p->w, shell_unfinished);
			break;
		}
		if (c == '\'')
			parse_single(p, word);
		else if (c == '"')
			parse_double(p, word);
		else if (c == '`')
			parse_backtick(p, word, quoted);
		else if (c == '$')
			parse_dollar(p, word, quoted);
		else
			p->at += c == '\\' && next ? 2 : 1;
		if ((c == '[' && next != '@' && next != '*' && !shell_is_digit(next)) ||
			(c == '@' && next && strchr("PE", next)) ||
			(c == ':' && next && !strchr("-=?+", next) && !shell_is_digit(next)))
			shell_doubt(p->w, "an expansion can run commands that a variable holds");
	}
	p->at += !p->w->stopped;
	buf_cut(word, keep);
}

/* $(…), behind its $(. */
static void parse_substitution(struct shell_parser *p)
{
	if (p->heredocs)
		shell_stop(p->w, shell_unfinished);
	shell_parse_list(p, 0);
	if (p->heredocs || !shell_take(p, ")"))
		shell_stop(p->w, shell_unfinished);
}

/* dollar: "$" (name | digit | special | "{" … "}" | "(" list ")" | "((" … "))" | quoted) */
static void parse_dollar(struct shell_parser *p, struct buf *word, bool quoted)
{
	char c = shell_look(p, 1);

	if ((c == '\'' || c == '"') && !quoted)
		shell_doubt(p->w, "$' and $\" mean different things to different shells");
	if (c == '\'' && !quoted) {
		p->at++;
		parse_ansi(p, word);
		return;
	}
	if (c == '"' && !quoted) {
		p->at++;
		parse_double(p, word);
		return;
	}
	if (c == '[') {
		shell_stop(p->w, shell_unfinished);
		return;
	}
	if (++p->depth > CAP_SHELL_DEPTH)
		shell_stop(p->w, "it is nested too deeply");
	if (shell_take(p, "$((")) {
		parse_arithmetic(p, word);
	} else if (shell_take(p, "$(")) {
		parse_substitution(p);
	} else if (shell_take(p, "${")) {
		parse_braces(p, word, quoted);
	} else if (shell_is_name(c)) {
		for (p->at++; shell_is_name(shell_look(p, 0)) || shell_is_digit(shell_look(p, 0));)
			p->at++;
	} else if (c && strchr("0123456789@*#?-$!", c)) {
		p->at += 2;
	} else {
		p->depth--;
		p->at++;
		buf_addc(word, '$');
		return;
	}
	p->depth--;
	add_unknown(word);
}

/* A [ or { in a word begins a pattern, except in the words [, [[ and {}. */
static bool begins_pattern(const struct shell_parser *p, const struct buf *word)
{
	if (shell_look(p, 0) == '{')
		return shell_look(p, 1) != '}';
	if (word->len == 0)
		return !shell_is_meta(shell_look(p, 1)) &&
		       !(shell_look(p, 1) == '[' && shell_is_meta(shell_look(p, 2)));
	return !(word->len == 1 && word->data[0] == '[' && shell_is_meta(shell_look(p, 1)));
}

/* A ~ at the start of a word, and in bash behind = or :, is somebody's home folder. */
static bool begins_home(const struct shell_parser *p, size_t start)
{
	return p->at == start || p->in.p[p->at - 1] == '=' || p->in.p[p->at - 1] == ':';
}

/* word: {character | "\" character | quoted | dollar | backtick}.  False when none stands here. */
bool shell_parse_word(struct shell_parser *p, struct buf *word)
{
	size_t start = p->at, keep = 0;
	bool pattern = false; /* from `keep` on, the word is a pattern: unknown */

	while (!shell_is_meta(shell_look(p, 0))) {
		char c = shell_look(p, 0);
		if (c == '\'') {
			parse_single(p, word);
		} else if (c == '"') {
			parse_double(p, word);
		} else if (c == '$') {
			parse_dollar(p, word, false);
		} else if (c == '`') {
			parse_backtick(p, word, false);
		} else if (c == '\\' && shell_look(p, 1) == '\n') {
			p->at += 2;
		} else if (c == '\\') { /* at the very end it stands for itself */
			p->at += shell_look(p, 1) != '\0';
			buf_addc(word, shell_look(p, 0));
			p->at++;
		} else if (c == '*' || c == '?') {
			add_unknown(word);
			p->at++;
		} else if (c == '~' && begins_home(p, start)) {
			add_unknown(word);
			do
				p->at++;
			while (!shell_is_meta(shell_look(p, 0)) && !strchr("/:'\"\\$`", shell_look(p, 0)));
		} else {
			if ((c == '[' || c == '{') && !pattern && begins_pattern(p, word)) {
				add_unknown(word);
				pattern = true;
				keep = word->len;
			}
			buf_addc(word, c);
			p->at++;
		}
		if (pattern)
			buf_cut(word, keep);
	}
	if (word->failed)
		shell_no_memory(p->w);
	return p->at > start;
}

/* The body of an unquoted here-document runs its substitutions. */
void shell_parse_text(struct shell_parser *p, struct span text)
{
	struct shell_parser inner = {.w = p->w, .in = text, .depth = p->depth + 1, .outer = p->outer};
	cleanup_buf struct buf sink = BUF_INIT(CAP_SHELL_LINE);

	while (shell_look(&inner, 0)) {
		if (shell_look(&inner, 0) == '$')
			parse_dollar(&inner, &sink, true);
		else if (shell_look(&inner, 0) == '`')
			parse_backtick(&inner, &sink, true);
		else
			inner.at += shell_look(&inner, 0) == '\\' ? 2 : 1;
	}
	if (sink.failed)
		shell_no_memory(p->w);
}
