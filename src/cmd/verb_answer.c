/* answer: decides an action of a run. */
#include "base/mem.h"
#include "cmd/asking.h"
#include "cmd/control.h"
#include "cmd/out.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"text", "TEXT", false, "an answer in words, or the reason for the option"},
	{NULL},
};

/* ACTION OPTION words…: the words of the command line as one text. */
static int words_of(const struct args *args, struct buf *out, struct err *e)
{
	const char *word, *text = args_get(args, "text");
	for (int i = 2; (word = args_word(args, i)); i++)
		buf_addf(out, "%s%s", out->len ? " " : "", word);
	if (text)
		buf_addf(out, "%s%s", out->len ? " " : "", text);
	if (!out->len)
		return err_set(e, ERR_USAGE, "answer with an option or --text TEXT");
	return buf_check(out, "the answer", e);
}

static json_t *command_of(struct control *c, const struct args *args, const json_t *run, struct err *e)
{
	cleanup_buf struct buf words = BUF_INIT(1u << 20);
	cleanup_json json_t *action = control_action(c, run, args_word(args, 1), e);
	if (!action || words_of(args, &words, e))
		return NULL;
	/* What is given as an option must be one: a mistyped one is no text. */
	if (args_word(args, 2) && json_array_size(json_get(action, "options")) &&
		!answer_option(action, buf_span(&words))) {
		cleanup_free char *known = json_text(json_get(action, "options"));
		err_set(e, ERR_INVALID, "\"%s\" is none of the options %s; an answer in words is given with --text",
			args_word(args, 2), known ? known : "");
		return NULL;
	}
	return answer_command(action, buf_span(&words), person_name(), e);
}

static int answer(const struct args *args, struct err *e)
{
	struct control c cleanup_control = {0};
	if (control_open(&c, args, e))
		return -1;
	cleanup_json json_t *run = control_run(&c, args_word(args, 0), e);
	cleanup_json json_t *command = run ? command_of(&c, args, run, e) : NULL;
	bool now;
	if (!command || control_command(&c, run, command, &now, e))
		return -1;
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	const char *id = run_short(json_str(run, "run"));
	if (now)
		buf_addf(&out, "answered\n");
	else
		buf_addf(&out, "noted; go on with: muster resume %s\n", id);
	return out_write(&out, e);
}

const struct verb verb_answer = {
	.name = "answer",
	.words = "RUN ACTION [OPTION]",
	.least = 2,
	.most = -1,
	.summary = "decide an action: a gate, a question, an approval, a budget",
	.help = "ACTION is the action's id (a1) or name. OPTION is one of its options, by name or number, with words "
		"behind it\n"
		"if you like: muster answer 1a2b3c4d structure revise \"fewer files\".\n"
		"Without a process that works on the run, the answer is kept until `muster resume RUN`.",
	.options = options,
	.run = answer,
};
