/* completion: prints scripts for shells, made from the table of verbs. */
#include <string.h>

#include "cmd/args.h"
#include "cmd/out.h"

static bool takes_file(const struct verb_option *o)
{
	return o->value && strstr(o->value, "FILE");
}

static bool takes_dir(const struct verb_option *o)
{
	return o->value && strstr(o->value, "DIR");
}

/* Names for the first word of a verb: a command that prints them, or NULL. */
static const char *words_from(const struct verb *v)
{
	return strstr(v->words, "RUN")	  ? "muster runs --names"
	       : strstr(v->words, "MODE") ? "muster modes --names"
					  : NULL;
}

/* What the first word of a verb may be, "[list|show] …", with blanks between them; nothing for other verbs. */
static void add_choices(struct buf *out, const struct verb *v)
{
	const char *at = v->words + (*v->words == '[');
	size_t n = strspn(at, "abcdefghijklmnopqrstuvwxyz|");
	if (!memchr(at, '|', n))
		return;
	for (size_t i = 0; i < n; i++)
		buf_addc(out, at[i] == '|' ? ' ' : at[i]);
}

/* ---- bash ---- */

static void bash_values(struct buf *out, const struct verb_option *o, struct buf *dirs, struct buf *others)
{
	(void)out;
	for (; o && o->name; o++)
		if (o->value)
			buf_addf(takes_dir(o) ? dirs : others, "|--%s", o->name);
}

static void bash(struct buf *out)
{
	cleanup_buf struct buf dirs = BUF_INIT(64 * KIB), others = BUF_INIT(64 * KIB);
	buf_adds(out, "# bash completion of muster: source <(muster completion bash)\n"
		      "_muster()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
		      "\tif [ \"$COMP_CWORD\" = 1 ]; then\n\t\tCOMPREPLY=($(compgen -W \"");
	for (const struct verb *const *v = verb_table; *v; v++) {
		buf_addf(out, "%s%s", v == verb_table ? "" : " ", (*v)->name);
		bash_values(out, (*v)->options, &dirs, &others);
	}
	bash_values(out, verb_common, &dirs, &others);
	buf_adds(out, "\" -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase $prev in\n");
	buf_addf(out, "\t%s) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n", dirs.len ? dirs.data + 1 : "''");
	buf_addf(out, "\t%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n\tesac\n",
		others.len ? others.data + 1 : "''");
	buf_adds(out, "\tcase ${COMP_WORDS[1]} in\n");
	for (const struct verb *const *v = verb_table; *v; v++) {
		buf_addf(out, "\t%s) words=\"", (*v)->name);
		for (const struct verb_option *o = (*v)->options; o && o->name; o++)
			buf_addf(out, "--%s ", o->name);
		if (words_from(*v))
			buf_addf(out, "$([ \"$COMP_CWORD\" = 2 ] && %s 2>/dev/null) ", words_from(*v));
		cleanup_buf struct buf choices = BUF_INIT(4096);
		add_choices(&choices, *v);
		if (choices.len)
			buf_addf(out, "$([ \"$COMP_CWORD\" = 2 ] && echo %s) ", choices.data);
		for (const struct verb_option *o = verb_common; o->name; o++)
			buf_addf(out, "%s--%s", o == verb_common ? "" : " ", o->name);
		buf_adds(out, "\" ;;\n");
	}
	buf_adds(out, "\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
		      "complete -o default -F _muster muster\n");
}

/* ---- zsh ---- */

/* Text inside single quotes and brackets of an _arguments specification. */
static void zsh_text(struct buf *out, const char *text)
{
	for (; *text; text++)
		if (*text == '\'')
			buf_adds(out, "'\\''");
		else if (strchr("[]:\\", *text))
			buf_addf(out, "\\%c", *text);
		else
			buf_addc(out, *text);
}

static void zsh_options(struct buf *out, const struct verb_option *o)
{
	for (; o && o->name; o++) {
		buf_addf(out, " \\\n\t\t\t'%s--%s[", o->repeats ? "*" : "", o->name);
		zsh_text(out, o->help);
		buf_addc(out, ']');
		if (o->value) {
			buf_addc(out, ':');
			zsh_text(out, o->value);
			buf_addf(out, ":%s", takes_dir(o) ? "_files -/" : takes_file(o) ? "_files" : "");
		}
		buf_addc(out, '\'');
	}
}

static void zsh(struct buf *out)
{
	buf_adds(out, "#compdef muster\n# zsh completion of muster: muster completion zsh >\"${fpath[1]}/_muster\"\n"
		      "_muster()\n{\n\tlocal -a verbs names\n\tverbs=(\n");
	for (const struct verb *const *v = verb_table; *v; v++) {
		buf_addf(out, "\t\t'%s:", (*v)->name);
		zsh_text(out, (*v)->summary);
		buf_adds(out, "'\n");
	}
	buf_adds(out, "\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe verb verbs\n\t\treturn\n\tfi\n"
		      "\tshift words\n\t(( CURRENT-- ))\n\tcase $words[1] in\n");
	for (const struct verb *const *v = verb_table; *v; v++) {
		buf_addf(out, "\t%s)\n", (*v)->name);
		if (words_from(*v))
			buf_addf(out, "\t\tnames=(${(f)\"$(%s 2>/dev/null)\"})\n", words_from(*v));
		cleanup_buf struct buf choices = BUF_INIT(4096);
		add_choices(&choices, *v);
		if (choices.len)
			buf_addf(out, "\t\tnames=(%s)\n", choices.data);
		buf_adds(out, "\t\t_arguments");
		zsh_options(out, (*v)->options);
		zsh_options(out, verb_common);
		if (words_from(*v) || choices.len)
			buf_adds(out, " \\\n\t\t\t'1:name:($names)'");
		buf_adds(out, "\n\t\t;;\n");
	}
	buf_adds(out, "\tesac\n}\n_muster \"$@\"\n");
}

/* ---- fish ---- */

static void fish_text(struct buf *out, const char *text)
{
	buf_addc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *text);
	}
	buf_addc(out, '\'');
}

static void fish_options(struct buf *out, const char *verb, const struct verb_option *o)
{
	for (; o && o->name; o++) {
		buf_adds(out, "complete -c muster");
		if (verb)
			buf_addf(out, " -n '__fish_seen_subcommand_from %s'", verb);
		buf_addf(out, " -l %s%s -d ", o->name,
			!o->value	? ""
			: takes_dir(o)	? " -xa '(__fish_complete_directories)'"
			: takes_file(o) ? " -rF"
					: " -x");
		fish_text(out, o->help);
		buf_addc(out, '\n');
	}
}

static void fish(struct buf *out)
{
	buf_adds(out, "# fish completion of muster: muster completion fish | source\ncomplete -c muster -f\n");
	for (const struct verb *const *v = verb_table; *v; v++) {
		buf_addf(out, "complete -c muster -n __fish_use_subcommand -a %s -d ", (*v)->name);
		fish_text(out, (*v)->summary);
		buf_addc(out, '\n');
		if (words_from(*v))
			buf_addf(out, "complete -c muster -n '__fish_seen_subcommand_from %s' -a '(%s 2>/dev/null)'\n",
				(*v)->name, words_from(*v));
		cleanup_buf struct buf choices = BUF_INIT(4096);
		add_choices(&choices, *v);
		if (choices.len)
			buf_addf(out, "complete -c muster -n '__fish_seen_subcommand_from %s' -a '%s'\n", (*v)->name,
				choices.data);
		fish_options(out, (*v)->name, (*v)->options);
	}
	fish_options(out, NULL, verb_common);
}

static int completion(const struct args *args, struct err *e)
{
	static const struct {
		const char *name;
		void (*write)(struct buf *out);
	} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
		if (!strcmp(args_word(args, 0), shells[i].name)) {
			shells[i].write(&out);
			return out_write(&out, e);
		}
	return err_set(e, ERR_USAGE, "no completion for \"%s\"; there is bash, zsh and fish", args_word(args, 0));
}

const struct verb verb_completion = {
	.name = "completion",
	.words = "SHELL",
	.least = 1,
	.most = 1,
	.summary = "print the completion script for bash, zsh or fish",
	.help = "bash: source <(muster completion bash)\nzsh:  muster completion zsh >\"${fpath[1]}/_muster\"\n"
		"fish: muster completion fish | source",
	.run = completion,
};
