#include "tools/shell_command.h"

#include "base/caps.h"

/* Purpose: list a simple command, and look through the programs that only start another one.
 * Happy path: find the program's row, skip its options, list the rest as a command whose other spelling is the whole.
 * Failure modes: an option that the row does not know, or unknown text where it matters, is a doubt. */

/* A program whose remaining words are a command. */
struct wrapper {
	const char *name;
	const char *flags;	/* options without a value */
	const char *valued;	/* options with one, joined or as the next word */
	const char *query;	/* options with which it starts nothing */
	const char *longs;	/* long options, "name" or "name=", each between blanks */
	unsigned positional;	/* words before the command */
	bool assignments;	/* NAME=value words before the command */
	bool adds_unknown_args; /* xargs */
};

static const struct wrapper wrappers[] = {
	{.name = "command", .flags = "p", .query = "vV"},
	{.name = "builtin"},
	{.name = "exec", .flags = "cl", .valued = "a"},
	{.name = "env",
		.flags = "i",
		.valued = "uC",
		.longs = " ignore-environment unset= chdir= ",
		.assignments = true},
	{.name = "nohup"},
	{.name = "nice", .valued = "n", .longs = " adjustment= "},
	{.name = "ionice", .flags = "t", .valued = "cn"},
	{.name = "setsid", .flags = "cfw", .longs = " wait fork ctty "},
	{.name = "stdbuf", .valued = "ioe", .longs = " input= output= error= "},
	{.name = "time", .flags = "pvaq", .valued = "fo"},
	{.name = "timeout",
		.flags = "v",
		.valued = "ks",
		.longs = " foreground preserve-status verbose kill-after= signal= ",
		.positional = 1},
	{.name = "busybox"},
	{.name = "xargs",
		.flags = "0rtx",
		.valued = "nPLsdEa",
		.longs = " null no-run-if-empty verbose exit max-args= max-procs= max-lines= delimiter= ",
		.adds_unknown_args = true},
};

/* Programs that run text, run as somebody else, or start commands by rules of their own. */
static const char *const doubtful[] = {"eval", "source", ".", "trap", "alias", "enable", "fc", "hash", "bind",
	"complete", "sudo", "doas", "su", "runuser", "chroot", "unshare", "nsenter", "setpriv", "parallel", "watch",
	"script", "strace", "ltrace", "flock", "systemd-run", "screen", "tmux", "at", "batch", "crontab", "unbuffer",
	"expect", "bwrap"};

static const char *const shells[] = {"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "rbash"};

static const char *const declarations[] = {
	"export", "declare", "typeset", "local", "readonly", "read", "mapfile", "readarray", "getopts"};

/* Variables that decide what a command line or a program runs; one with * at the end is a prefix. */
static const char *const loaded[] = {"PATH", "IFS", "ENV", "BASH_ENV", "BASH_FUNC*", "SHELLOPTS", "BASHOPTS", "PS4",
	"PROMPT_COMMAND", "CDPATH", "LD_*", "GIT_*", "PAGER", "EDITOR", "VISUAL", "MAKEFLAGS", "PYTHON*", "PERL*",
	"RUBY*", "NODE_OPTIONS", "SHELL"};

#define IN(list, word) is_in(list, sizeof(list) / sizeof((list)[0]), word)
static bool is_in(const char *const *list, size_t count, struct span word)
{
	for (size_t i = 0; i < count; i++)
		if (span_is(word, list[i]))
			return true;
	return false;
}

void shell_doubt(struct shell_work *w, const char *why)
{
	if (!w->out->doubt)
		w->out->doubt = why;
}

void shell_stop(struct shell_work *w, const char *why)
{
	shell_doubt(w, why);
	w->stopped = true;
}

void shell_no_memory(struct shell_work *w)
{
	w->no_memory = w->stopped = true;
}

void shell_words_add(struct shell_work *w, struct shell_words *list, struct span word)
{
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		const char **words = arena_alloc(w->arena, room * sizeof(*words));
		if (!words) {
			shell_no_memory(w);
			return;
		}
		if (list->count)
			memcpy(words, list->words, list->count * sizeof(*words));
		list->words = words;
		list->room = room;
	}
	list->words[list->count] = arena_dup(w->arena, word);
	if (!list->words[list->count])
		shell_no_memory(w);
	else
		list->count++;
}

bool shell_assignment(struct span word, struct span *name)
{
	size_t n = 0;

	while (n < word.n &&
		(word.p[n] == '_' || (word.p[n] >= 'a' && word.p[n] <= 'z') || (word.p[n] >= 'A' && word.p[n] <= 'Z') ||
			(n > 0 && word.p[n] >= '0' && word.p[n] <= '9')))
		n++;
	*name = span_n(word.p, n);
	if (n > 0 && n < word.n && word.p[n] == '+')
		n++;
	return name->n > 0 && n < word.n && word.p[n] == '=';
}

void shell_check_variable(struct shell_work *w, struct span name)
{
	for (size_t i = 0; i < sizeof(loaded) / sizeof(loaded[0]); i++) {
		struct span prefix = span_of(loaded[i]);
		bool open = span_ends(prefix, "*");
		if (open)
			prefix.n--;
		if (open ? name.n >= prefix.n && memcmp(name.p, prefix.p, prefix.n) == 0 : span_eq(name, prefix))
			shell_doubt(w, "it sets a variable that changes what commands run");
	}
}

static bool has_unknown(const char *word)
{
	return strchr(word, SHELL_UNKNOWN) != NULL;
}

static bool is_all_unknown(const char *word)
{
	return word[0] == SHELL_UNKNOWN && !word[1];
}

static const char *base_of(const char *name)
{
	const char *slash = strrchr(name, '/');
	return slash ? slash + 1 : name;
}

/* Is it a program of the system rather than a file of the project that has its name? */
static bool is_system(const char *name)
{
	return !strchr(name, '/') || span_starts(span_of(name), "/bin/") || span_starts(span_of(name), "/usr/bin/");
}

/* The words as one text (see shell_line.h), the first of them as `name`; NULL without memory. */
static const char *join(struct shell_work *w, const char *name, const char *const *words, size_t count)
{
	cleanup_buf struct buf text = BUF_INIT(2 * CAP_SHELL_LINE);

	buf_adds(&text, name);
	for (size_t i = 1; i < count; i++) {
		if (!is_all_unknown(i == 1 ? name : words[i - 1]))
			buf_addc(&text, ' ');
		buf_adds(&text, words[i]);
	}
	const char *copy = text.failed ? NULL : arena_dup(w->arena, buf_span(&text));
	if (!copy)
		shell_no_memory(w);
	return copy;
}

/* Every spelling of the command in front of `outer`; the first is the command as it stands. */
static const struct shell_form *forms_of(
	struct shell_work *w, const char *const *words, size_t count, const struct shell_form *outer)
{
	size_t trimmed = count;

	while (trimmed > 1 && is_all_unknown(words[trimmed - 1]))
		trimmed--;
	const char *base = base_of(words[0]);
	const struct {
		const char *name;
		size_t count;
		bool wanted;
	} all[] = {{base, trimmed, base != words[0] && trimmed != count}, {base, count, base != words[0]},
		{words[0], trimmed, trimmed != count}, {words[0], count, true}};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!all[i].wanted)
			continue;
		struct shell_form *form = ARENA_NEW(w->arena, struct shell_form);
		const char *text = join(w, all[i].name, words, all[i].count);
		if (!form || !text) {
			shell_no_memory(w);
			return NULL;
		}
		*form = (struct shell_form){text, outer};
		outer = form;
	}
	return outer;
}

static void list_command(struct shell_work *w, const struct shell_form *forms)
{
	struct shell_command *c;

	if (!forms)
		return;
	for (const struct shell_form *form = forms; form; form = form->next)
		w->bytes += strlen(form->text);
	if (w->count == CAP_SHELL_COMMANDS || w->bytes > CAP_SHELL_FORMS) {
		shell_stop(w, "it has too many commands");
		return;
	}
	c = ARENA_NEW(w->arena, struct shell_command);
	if (!c) {
		shell_no_memory(w);
		return;
	}
	*c = (struct shell_command){.text = forms->text, .others = forms->next};
	*w->tail = c;
	w->tail = &c->next;
	w->count++;
}

static bool long_option_known(const struct wrapper *wrap, const char *option)
{
	char wanted[64];
	const char *equals = strchr(option, '=');
	size_t n = equals ? (size_t)(equals - option) + 1 : strlen(option);

	if (!wrap->longs || n + 3 > sizeof(wanted) || memchr(option, ' ', n))
		return false;
	wanted[0] = ' ';
	memcpy(wanted + 1, option, n);
	memcpy(wanted + 1 + n, " ", 2);
	return strstr(wrap->longs, wanted) != NULL;
}

static bool has_letter(const char *letters, char c)
{
	return letters && strchr(letters, c) != NULL;
}

enum wrapped { WRAPS, WRAPS_NOTHING, WRAPS_DOUBT };

/* Find the word at which the wrapped command begins. */
static enum wrapped skip_options(
	struct shell_work *w, const struct wrapper *wrap, const char *const *words, size_t count, size_t *start)
{
	size_t i = 1;
	struct span name;

	for (; i < count && words[i][0] == '-' && words[i][1]; i++) {
		const char *word = words[i];
		if (has_unknown(word))
			return WRAPS_DOUBT;
		if (word[1] == '-') {
			if (!word[2]) {
				i++;
				break;
			}
			if (!long_option_known(wrap, word + 2))
				return WRAPS_DOUBT;
			continue;
		}
		for (word++; *word; word++) {
			if (has_letter(wrap->query, *word))
				return WRAPS_NOTHING;
			if (has_letter(wrap->valued, *word)) {
				if (!word[1] && ++i < count && has_unknown(words[i]))
					return WRAPS_DOUBT;
				break;
			}
			if (!has_letter(wrap->flags, *word))
				return WRAPS_DOUBT;
		}
	}
	for (unsigned k = 0; k < wrap->positional && i < count; k++)
		if (has_unknown(words[i++]))
			return WRAPS_DOUBT;
	for (; wrap->assignments && i < count && shell_assignment(span_of(words[i]), &name); i++)
		shell_check_variable(w, name);
	*start = i;
	return i < count ? WRAPS : WRAPS_NOTHING;
}

static void add_wrapped(struct shell_work *w, const struct wrapper *wrap, const char *const *words, size_t count,
	const struct shell_form *outer, unsigned depth)
{
	const struct shell_form *forms = forms_of(w, words, count, outer);
	struct shell_words inner = {0};
	size_t start = 0;
	enum wrapped wrapped = skip_options(w, wrap, words, count, &start);

	if (wrapped == WRAPS_DOUBT)
		shell_doubt(w, "it starts a command through another in a way that cannot be followed");
	if (wrapped != WRAPS || !is_system(words[0]))
		list_command(w, forms);
	if (wrapped != WRAPS)
		return;
	for (size_t i = start; i < count; i++)
		shell_words_add(w, &inner, span_of(words[i]));
	if (wrap->adds_unknown_args)
		shell_words_add(w, &inner, span_of((const char[]){SHELL_UNKNOWN, '\0'}));
	if (!w->stopped)
		shell_command_add(w, inner.words, inner.count, forms, depth + 1);
}

/* sh [options] -c text …, or sh [options] script … */
static void add_shell(
	struct shell_work *w, const char *const *words, size_t count, const struct shell_form *outer, unsigned depth)
{
	const struct shell_form *forms = forms_of(w, words, count, outer);
	bool text = false, known = true;
	size_t i = 1;

	for (; i < count && (words[i][0] == '-' || words[i][0] == '+') && known; i++) {
		struct span option = span_of(words[i]);
		known = option.n > 1; /* a lone - or + ends the options of some shells */
		if (span_is(option, "--")) {
			i++;
			break;
		}
		if (span_is(option, "--norc") || span_is(option, "--noprofile") || span_is(option, "--posix") ||
			span_is(option, "--login"))
			continue;
		for (size_t k = 1; k < option.n && known; k++) {
			text |= option.p[k] == 'c';
			known = strchr("ceuxvlnfabhmpo", option.p[k]) != NULL;
			if (option.p[k] == 'o' && (++i >= count || has_unknown(words[i])))
				known = false;
		}
	}
	if (!known || i >= count || words[i][0] == SHELL_UNKNOWN) {
		shell_doubt(w, "it starts a shell whose commands cannot be seen");
		list_command(w, forms);
	} else if (!text) {
		list_command(w, forms);
	} else if (has_unknown(words[i])) {
		shell_doubt(w, "it starts a shell with text that is only known when it runs");
		list_command(w, forms);
	} else {
		if (!is_system(words[0]))
			list_command(w, forms);
		shell_line_into(w, span_of(words[i]), forms, depth + 1);
	}
}

/* find … -exec command … ; */
static void add_find(
	struct shell_work *w, const char *const *words, size_t count, const struct shell_form *outer, unsigned depth)
{
	static const char *const starts[] = {"-exec", "-execdir", "-ok", "-okdir"};

	list_command(w, forms_of(w, words, count, outer));
	for (size_t i = 1; i < count; i++) {
		if (words[i][0] == SHELL_UNKNOWN)
			shell_doubt(w, "find gets words that are only known when it runs");
		if (!IN(starts, span_of(words[i])))
			continue;
		struct shell_words inner = {0};
		for (i++; i < count && strcmp(words[i], ";") != 0 && strcmp(words[i], "+") != 0; i++)
			shell_words_add(w, &inner,
				span_of(strstr(words[i], "{}") ? (const char[]){SHELL_UNKNOWN, '\0'} : words[i]));
		if (inner.count && !w->stopped)
			shell_command_add(w, inner.words, inner.count, outer, depth + 1);
	}
}

/* export NAME=value …, read NAME … */
static void check_declaration(struct shell_work *w, const char *const *words, size_t count)
{
	struct span name;

	for (size_t i = 1; i < count; i++) {
		if (has_unknown(words[i]) && !shell_assignment(span_of(words[i]), &name))
			shell_doubt(w, "it sets a variable whose name is only known when it runs");
		if (!shell_assignment(span_of(words[i]), &name))
			name = span_of(words[i]);
		shell_check_variable(w, name);
	}
}

void shell_command_add(
	struct shell_work *w, const char *const *words, size_t count, const struct shell_form *outer, unsigned depth)
{
	BUG_ON(!words || count == 0);
	if (depth > CAP_SHELL_DEPTH) {
		shell_stop(w, "it is nested too deeply");
		return;
	}
	struct span base = span_of(base_of(words[0]));
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
		if (span_is(base, wrappers[i].name)) {
			add_wrapped(w, &wrappers[i], words, count, outer, depth);
			return;
		}
	}
	if (IN(shells, base)) {
		add_shell(w, words, count, outer, depth);
		return;
	}
	if (span_is(base, "find")) {
		add_find(w, words, count, outer, depth);
		return;
	}
	if (has_unknown(words[0]))
		shell_doubt(w, "the name of a command is only known when it runs");
	if (IN(doubtful, base))
		shell_doubt(w, "it runs text or other commands in a way that cannot be followed");
	bool sets = span_is(base, "printf") && count > 1 && span_starts(span_of(words[1]), "-v");
	if (sets || IN(declarations, base))
		check_declaration(w, words, count);
	list_command(w, forms_of(w, words, count, outer));
}
