#include "tools/shell_line.h"

#include "base/caps.h"
#include "base/utf8.h"
#include "tools/shell_command.h"
#include "tools/shell_word.h"

/* Purpose: read a shell command line as a shell would, without running anything.
 * Happy path: recursive descent; each simple command's words go to shell_command_add.
 * Failure modes: whatever is not understood with certainty stops the reading and leaves the line in doubt; only lack of
 * memory is an error. The grammar is that of POSIX XCU 2.10, laxer where being lax lists more commands. */

enum reserved {
	R_IF,
	R_THEN,
	R_ELIF,
	R_ELSE,
	R_FI,
	R_WHILE,
	R_UNTIL,
	R_FOR,
	R_SELECT,
	R_DO,
	R_DONE,
	R_CASE,
	R_ESAC,
	R_OPEN,
	R_CLOSE,
	R_NOT,
	R_TIME,
	R_FUNCTION,
	R_COPROC,
	R_NONE
};
static const char *const reserved_words[] = {"if", "then", "elif", "else", "fi", "while", "until", "for", "select",
	"do", "done", "case", "esac", "{", "}", "!", "time", "function", "coproc"};

#define STOP(r) (1u << (r))

static void parse_heredoc(struct shell_parser *p, const struct shell_heredoc *h)
{
	struct span rest = span_n(p->in.p + p->at, p->in.n - p->at), body = rest, line;
	bool continued = false;

	while (span_line(&rest, &line)) {
		struct span bare = line;
		while (h->strip_tabs && bare.n && bare.p[0] == '\t')
			bare = span_n(bare.p + 1, bare.n - 1);
		if (span_eq(bare, h->end)) {
			if (continued)
				break;
			p->at = p->in.n - rest.n;
			body.n = (size_t)(line.p - body.p);
			if (!h->quoted)
				shell_parse_text(p, body);
			return;
		}
		continued = !h->quoted && span_ends(line, "\\");
	}
	shell_stop(p->w, "a here-document has no certain end");
}

/* A line end: here-documents that were announced on the line follow. */
static void parse_newline(struct shell_parser *p)
{
	struct shell_heredoc *h = p->heredocs;

	p->at++;
	for (p->heredocs = NULL; h && !p->w->stopped; h = h->next)
		parse_heredoc(p, h);
}

static void skip_lines(struct shell_parser *p)
{
	for (shell_skip_blanks(p); shell_look(p, 0) == '\n'; shell_skip_blanks(p))
		parse_newline(p);
}

/* heredoc: ("<<" | "<<-") word, behind the operator */
static void announce_heredoc(struct shell_parser *p, bool strip_tabs)
{
	cleanup_buf struct buf word = BUF_INIT(CAP_SHELL_LINE);
	struct shell_heredoc *h = ARENA_NEW(p->w->arena, struct shell_heredoc), **last = &p->heredocs;
	size_t start = p->at;

	if (!shell_parse_word(p, &word) || (word.data && strchr(word.data, SHELL_UNKNOWN)) || !word.len) {
		shell_stop(p->w, shell_unfinished);
		return;
	}
	char *end = arena_dup(p->w->arena, buf_span(&word));
	if (!h || !end) {
		shell_no_memory(p->w);
		return;
	}
	*h = (struct shell_heredoc){.end = span_n(end, word.len), .strip_tabs = strip_tabs};
	for (size_t i = start; i < p->at; i++)
		h->quoted |= strchr("'\"\\$", p->in.p[i]) != NULL;
	if (span_find(span_n(p->in.p + start, p->at - start), span_of("\\\n"), 0) != (size_t)-1)
		shell_stop(p->w, shell_unfinished);
	while (*last)
		last = &(*last)->next;
	*last = h;
}

static void add_file(struct shell_parser *p, const struct buf *word, bool writes)
{
	struct shell_file *file = ARENA_NEW(p->w->arena, struct shell_file);
	const char *path = arena_dup(p->w->arena, buf_span(word));

	if (!file || !path) {
		shell_no_memory(p->w);
		return;
	}
	*file = (struct shell_file){.path = path, .writes = writes};
	*p->w->files_tail = file;
	p->w->files_tail = &file->next;
}

/* redirection: ("<" | ">" | ">>" | ">|" | "<>" | "<&" | ">&" | "&>" | "&>>" | "<<<") word | heredoc */
static void parse_redirection(struct shell_parser *p)
{
	static const char *const operators[] = {
		"<<<", "<<-", "<<", "<&", ">&", "<>", "&>>", "&>", ">>", ">|", "<", ">"};
	cleanup_buf struct buf word = BUF_INIT(CAP_SHELL_LINE);
	size_t i = 0;

	while (!shell_take(p, operators[i]))
		if (++i == sizeof(operators) / sizeof(operators[0])) {
			shell_stop(p->w, shell_unfinished);
			return;
		}
	bool process = shell_look(p, 0) == '(';
	shell_skip_blanks(p);
	if (process || shell_looks_at(p, "<(") || shell_looks_at(p, ">(")) {
		shell_stop(p->w, "it substitutes a process for a file");
		return;
	}
	struct span op = span_of(operators[i]);
	if (span_is(op, "<<") || span_is(op, "<<-")) {
		announce_heredoc(p, op.n == 3);
		return;
	}
	if (!shell_parse_word(p, &word)) {
		shell_stop(p->w, shell_unfinished);
		return;
	}
	bool descriptor = span_ends(op, "&") &&
			  (shell_is_digit(word.data ? word.data[0] : '\0') || span_is(buf_span(&word), "-"));
	if (!descriptor && !span_is(op, "<<<"))
		add_file(p, &word, !span_is(op, "<") && !span_is(op, "<&"));
}

static bool at_redirection(const struct shell_parser *p)
{
	size_t n = 0;

	while (shell_is_digit(shell_look(p, n)))
		n++;
	return shell_look(p, n) == '<' || shell_look(p, n) == '>' || shell_looks_at(p, "&>");
}

/* Returns whether one of them was &>: other shells take that as the end of the command. */
static bool parse_redirections(struct shell_parser *p)
{
	bool both = false;

	for (shell_skip_blanks(p); at_redirection(p); shell_skip_blanks(p)) {
		both |= shell_look(p, 0) == '&';
		while (shell_is_digit(shell_look(p, 0)))
			p->at++;
		parse_redirection(p);
	}
	return both;
}

/* simple: {NAME=word | redirection} word {word | redirection} */
static void parse_simple(struct shell_parser *p)
{
	struct shell_words words = {0};
	bool cut = parse_redirections(p);

	for (; !shell_is_meta(shell_look(p, 0)); cut |= parse_redirections(p)) {
		cleanup_buf struct buf word = BUF_INIT(CAP_SHELL_LINE);
		struct span name, rest = span_n(p->in.p + p->at, p->in.n - p->at);
		bool assigns = words.count == 0 && shell_assignment(rest, &name);
		shell_parse_word(p, &word);
		if (cut)
			shell_doubt(p->w, "what follows &> is a command of its own to some shells");
		if (assigns)
			shell_check_variable(p->w, name);
		else if (!p->w->stopped)
			shell_words_add(p->w, &words, buf_span(&word));
	}
	if (shell_look(p, 0) == '(')
		shell_stop(
			p->w, words.count == 1 && shell_look(p, 1) == ')' ? "it defines a function" : shell_unfinished);
	if (words.count && !p->w->no_memory)
		shell_command_add(p->w, words.words, words.count, p->outer, p->depth);
}

static enum reserved reserved_at(const struct shell_parser *p)
{
	size_t n = 0;

	while (!shell_is_meta(shell_look(p, n)))
		n++;
	for (int i = 0; i < R_NONE; i++)
		if (span_is(span_n(p->in.p + p->at, n), reserved_words[i]) && n)
			return (enum reserved)i;
	return R_NONE;
}

static bool take_reserved(struct shell_parser *p, enum reserved wanted)
{
	skip_lines(p);
	if (p->w->stopped || reserved_at(p) != wanted)
		return false;
	p->at += strlen(reserved_words[wanted]);
	return true;
}

static void expect_reserved(struct shell_parser *p, enum reserved wanted)
{
	if (!take_reserved(p, wanted))
		shell_stop(p->w, shell_unfinished);
}

/* if: "if" list "then" list {"elif" list "then" list} ["else" list] "fi" */
static void parse_if(struct shell_parser *p)
{
	do {
		shell_parse_list(p, STOP(R_THEN));
		expect_reserved(p, R_THEN);
		shell_parse_list(p, STOP(R_ELIF) | STOP(R_ELSE) | STOP(R_FI));
	} while (take_reserved(p, R_ELIF));
	if (take_reserved(p, R_ELSE))
		shell_parse_list(p, STOP(R_FI));
	expect_reserved(p, R_FI);
}

/* do: "do" list "done" */
static void parse_do(struct shell_parser *p)
{
	expect_reserved(p, R_DO);
	shell_parse_list(p, STOP(R_DONE));
	expect_reserved(p, R_DONE);
}

/* Words up to the end of a line or a ;, whose substitutions run. */
static void parse_words(struct shell_parser *p)
{
	for (shell_skip_blanks(p); !shell_is_meta(shell_look(p, 0)); shell_skip_blanks(p)) {
		cleanup_buf struct buf word = BUF_INIT(CAP_SHELL_LINE);
		shell_parse_word(p, &word);
	}
}

/* for: ("for" | "select") NAME ["in" {word}] (";" | line end) do */
static void parse_for(struct shell_parser *p)
{
	struct span name;

	shell_skip_blanks(p);
	size_t start = p->at;
	while (shell_is_name(shell_look(p, 0)) || (p->at > start && shell_is_digit(shell_look(p, 0))))
		p->at++;
	name = span_n(p->in.p + start, p->at - start);
	if (!name.n || !shell_is_meta(shell_look(p, 0)) || shell_look(p, 0) == '(') {
		shell_stop(p->w, shell_unfinished);
		return;
	}
	shell_check_variable(p->w, name);
	skip_lines(p);
	if (shell_looks_at(p, "in") && shell_is_meta(shell_look(p, 2))) {
		p->at += 2;
		parse_words(p);
	}
	shell_take(p, ";");
	parse_do(p);
}

/* case: "case" word "in" {["("] word {"|" word} ")" list (";;" | ";&" | ";;&")} "esac" */
static void parse_case(struct shell_parser *p)
{
	cleanup_buf struct buf word = BUF_INIT(CAP_SHELL_LINE);

	shell_skip_blanks(p);
	if (!shell_parse_word(p, &word))
		shell_stop(p->w, shell_unfinished);
	skip_lines(p);
	if (!shell_take(p, "in"))
		shell_stop(p->w, shell_unfinished);
	while (!p->w->stopped && !take_reserved(p, R_ESAC)) {
		skip_lines(p);
		shell_take(p, "(");
		do {
			shell_skip_blanks(p);
			buf_clear(&word);
			if (!shell_parse_word(p, &word))
				shell_stop(p->w, shell_unfinished);
			shell_skip_blanks(p);
		} while (shell_take(p, "|"));
		if (!shell_take(p, ")"))
			shell_stop(p->w, shell_unfinished);
		shell_parse_list(p, STOP(R_ESAC));
		if (!shell_take(p, ";;&") && !shell_take(p, ";;") && !shell_take(p, ";&")) {
			expect_reserved(p, R_ESAC);
			return;
		}
	}
}

/* ! and time stand in front of any command. */
static bool skip_prefixes(struct shell_parser *p)
{
	for (enum reserved r = reserved_at(p); r == R_NOT || r == R_TIME; r = reserved_at(p)) {
		p->at += strlen(reserved_words[r]);
		shell_skip_blanks(p);
		if (r == R_TIME && shell_looks_at(p, "-p") && shell_is_meta(shell_look(p, 2)))
			p->at += 2;
		shell_skip_blanks(p);
	}
	return shell_look(p, 0) && !strchr("\n;&|)", shell_look(p, 0));
}

/* command: {"!" | "time"} (simple | compound {redirection}) */
static void parse_command(struct shell_parser *p)
{
	if (!skip_prefixes(p))
		return;
	if (shell_looks_at(p, "((")) {
		shell_stop(p->w, "(( may be arithmetic or commands");
		return;
	}
	if (shell_take(p, "(")) {
		shell_parse_list(p, 0);
		if (!shell_take(p, ")"))
			shell_stop(p->w, shell_unfinished);
		parse_redirections(p);
		return;
	}
	enum reserved r = reserved_at(p);
	if (r == R_NONE) {
		parse_simple(p);
		return;
	}
	p->at += strlen(reserved_words[r]);
	switch (r) {
	case R_OPEN:
		shell_parse_list(p, STOP(R_CLOSE));
		expect_reserved(p, R_CLOSE);
		break;
	case R_IF:
		parse_if(p);
		break;
	case R_WHILE:
	case R_UNTIL:
		shell_parse_list(p, STOP(R_DO));
		parse_do(p);
		break;
	case R_FOR:
	case R_SELECT:
		parse_for(p);
		break;
	case R_CASE:
		parse_case(p);
		break;
	default:
		shell_stop(p->w, r == R_FUNCTION ? "it defines a function" : shell_unfinished);
	}
	parse_redirections(p);
}

/* separator: ";" | "&" | "&&" | "||" | "|" | "|&" | line end.  False when none stands here. */
static bool take_separator(struct shell_parser *p)
{
	shell_skip_blanks(p);
	if (shell_look(p, 0) == '\n') {
		parse_newline(p);
		return true;
	}
	if (shell_looks_at(p, ";;") || shell_looks_at(p, ";&"))
		return false;
	return shell_take(p, "&&") || shell_take(p, "||") || shell_take(p, "|&") || shell_take(p, "|") ||
	       shell_take(p, "&") || shell_take(p, ";");
}

/* list: {command separator}, up to a ), a ;;, a reserved word of `stops`, or the end.  What a shell would refuse for a
 * missing command is taken: nothing more runs by that. */
void shell_parse_list(struct shell_parser *p, unsigned stops)
{
	if (++p->depth > CAP_SHELL_DEPTH)
		shell_stop(p->w, "it is nested too deeply");
	do {
		skip_lines(p);
		enum reserved r = shell_look(p, 0) ? reserved_at(p) : R_NONE;
		if (r != R_NONE && (stops & STOP(r)))
			break;
		parse_command(p);
	} while (take_separator(p));
	p->depth--;
}

void shell_line_into(struct shell_work *w, struct span text, const struct shell_form *outer, unsigned depth)
{
	struct shell_parser p = {.w = w, .in = text, .depth = depth, .outer = outer};

	if (depth > CAP_SHELL_DEPTH)
		shell_stop(w, "it is nested too deeply");
	shell_parse_list(&p, 0);
	if (shell_look(&p, 0))
		shell_stop(w, shell_unfinished);
	if (p.heredocs)
		shell_stop(w, "a here-document has no certain end");
}

int shell_line_parse(struct span line, struct arena *a, struct shell_line *out, struct err *e)
{
	struct shell_work w = {.arena = a, .out = out, .tail = &out->commands, .files_tail = &out->files};

	*out = (struct shell_line){0};
	if (line.n > CAP_SHELL_LINE)
		shell_stop(&w, "it is too long");
	else if (line.n && memchr(line.p, '\0', line.n))
		shell_stop(&w, "it contains a NUL byte");
	else
		shell_line_into(&w, line, NULL, 0);
	return w.no_memory ? err_nomem(e) : 0;
}

void shell_text_show(const char *text, struct buf *out)
{
	for (const char *part = text;; part++) {
		size_t n = strcspn(part, (const char[]){SHELL_UNKNOWN, '\0'});
		utf8_visible(span_n(part, n), false, out);
		part += n;
		if (!*part)
			return;
		buf_adds(out, "…");
	}
}
