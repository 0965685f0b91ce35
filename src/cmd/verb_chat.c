/* chat: talks with an agent about a project, over any time: a run of the mode `chat`. */
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/asking.h"
#include "cmd/errand.h"
#include "cmd/give.h"
#include "cmd/out.h"
#include "cmd/prompt.h"
#include "cmd/request.h"
#include "cmd/source.h"
#include "flow/run.h"

#define MODE "chat"
#define CAP_MESSAGE (256 * KIB)

static const struct verb_option options[] = {
	{"project", "DIR", false,
		"what it is about; a folder, made when missing (default: ./chat-RUN). At a server: its name or id"},
	{"role", "NAME", false, "whom to talk with (default: assistant)"},
	{"model", "PROVIDER:MODEL", false, "which model answers, from now on"},
	{"script", "FILE", false, "answers from a file instead of a model"},
	{"record", "FILE", false, "write the models' and people's answers as such a file"},
	{"budget", "USD", false, "dollars that a new chat may spend"},
	{"yes", "NAME", true, "approve the gate of this name (work); \"all\": every gate"},
	{"limit", "N", false, "list: at most so many (default 50; -1: all)"},
	{"json", NULL, false, "print the events as JSON lines; of list and history a JSON array"},
	{NULL},
};

/* ---- a message ---- */

static char *checked(struct buf *text, struct err *e)
{
	if (buf_check(text, "the message", e))
		return NULL;
	struct span all = span_trim(buf_span(text));
	char *out = NULL;
	if (!all.n)
		err_set(e, ERR_USAGE, "the message is empty: muster chat \"What is here?\"");
	else if (!utf8_valid(all))
		err_set(e, ERR_INVALID, "the message is not UTF-8 text");
	else if (!(out = span_dup(all)))
		err_nomem(e);
	return out;
}

/* The words from this one on; "-", or none where nobody types: standard input. *typed: a person types instead. */
static char *message(const struct args *args, int from, bool *typed, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_MESSAGE);
	const char *first = args_word(args, from);
	*typed = !first && isatty(STDIN_FILENO);
	if (*typed)
		return NULL;
	int failed = first && (strcmp(first, "-") != 0 || args_word(args, from + 1))
			     ? give_words(args, from, &text, e)
			     : fs_read_fd(STDIN_FILENO, &text, e);
	return failed ? NULL : checked(&text, e);
}

/* How it goes on is said beside the answer. */
static int ended(const struct args *args, const struct errand *errand, int status)
{
	const char *data = args_get(args, "data"), *url = args_get(args, "url"), *run = run_short(errand->run);
	cleanup_free char *how = errand->talk->turn && !args_has(args, "json")
					 ? mem_printf("chat %s; go on with: muster chat send %s \"…\"%s%s\n", run, run,
						   url	  ? " --url "
						   : data ? " --data "
							  : "",
						   url	  ? url
						   : data ? data
							  : "")
					 : NULL;
	if (how)
		out_say(span_of(how));
	talk_release(errand->talk);
	return status;
}

static json_t *request(const struct args *args, const char *text, bool unattended, struct err *e)
{
	double budget;
	cleanup_free char *model = request_model(args, e);
	if (e->code != ERR_OK || args_number(args, "budget", 0, 1e6, -1, &budget, e))
		return NULL;
	json_t *out = json_make(e, "{s:s, s:{s:s, s:s*}, s:{}, s:b, s:s*}", "mode", MODE, "inputs", "message", text,
		"role", args_get(args, "role"), "settings", "unattended", unattended, "model", model);
	if (out && budget >= 0 && json_put(out, "budget_usd", json_real(budget))) {
		json_decref(out);
		err_nomem(e);
		return NULL;
	}
	return out;
}

static int begin(const struct args *args, struct err *e)
{
	char run[ID_TEXT] = "";
	struct talk talk = {0};
	struct errand errand = {.unattended = !isatty(STDIN_FILENO), .talk = &talk, .run = run};
	char *typed = NULL;
	cleanup_free char *given = message(args, 0, &talk.on, e);
	if (!given && !talk.on)
		return -1;
	if (!given && !(typed = prompt_line("> ", false, e)))
		return e->code == ERR_USAGE ? 0 : -1; /* the person has thought better of it */
	cleanup_json json_t *body = request(args, given ? given : typed, errand.unattended, e);
	prompt_free(typed);
	return body ? ended(args, &errand, errand_begin(args, body, &errand, e)) : -1;
}

static int send_message(const struct args *args, struct err *e)
{
	char run[ID_TEXT] = "";
	struct talk talk = {0};
	struct errand errand = {.unattended = !isatty(STDIN_FILENO), .talk = &talk, .run = run};
	talk.text = message(args, 2, &talk.on, e);
	return talk.text || talk.on ? ended(args, &errand, errand_go_on(args, args_word(args, 1), &errand, e)) : -1;
}

/* ---- which there are ---- */

static void add_row(struct table *t, const json_t *row)
{
	cleanup_buf struct buf cell = BUF_INIT(CAP_OUTPUT);
	const char *on = json_str(row, "waiting_on");
	table_adds(t, run_short(json_str(row, "run")));
	text_time(json_int(row, "updated", 0), &cell);
	table_take(t, &cell);
	table_adds(t, on && !strcmp(on, "person") ? "your turn" : json_str(row, "state"));
	text_usd(json_num(row, "usd", 0) + json_num(row, "usd_unknown", 0), &cell);
	table_take(t, &cell);
	table_adds(t, json_str(row, "title"));
}

static int list(const struct args *args, struct err *e)
{
	static const char *const heads[] = {"CHAT", "LAST", "STATE", "COST", "NAME"};
	struct source s cleanup_source = {0};
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	struct table t;
	int64_t limit;
	size_t i;
	json_t *row;
	if (args_int(args, "limit", -1, 1000000, 50, &limit, e) || source_open(&s, args, e))
		return -1;
	cleanup_json json_t *rows = source_runs(&s, NULL, MODE, (int)limit, e);
	if (!rows || args_has(args, "json"))
		return rows ? out_json(rows, e) : -1;
	table_init(&t, 5);
	for (i = 0; i < 5; i++)
		table_adds(&t, heads[i]);
	json_array_foreach(rows, i, row) add_row(&t, row);
	if (!json_array_size(rows))
		buf_addf(&out, "no chats in %s; begin one with `muster chat \"…\"`\n", s.name);
	int failed = json_array_size(rows) ? table_print(&t, &out, e) : 0;
	table_release(&t);
	return failed ? -1 : out_write(&out, e);
}

/* ---- what was said ---- */

struct history {
	json_t *lines; /* {seq, at, from, text} */
	json_t *turns; /* ids of the actions that a message answers */
	char *role;    /* of the agent */
};

static int add(struct history *h, const struct event *ev, const char *from, const json_t *text, struct err *e)
{
	json_t *line = json_make(e, "{s:I, s:I, s:s, s:O}", "seq", (json_int_t)ev->seq, "at", (json_int_t)ev->at,
		"from", from, "text", text);
	return !line ? -1 : json_array_append_new(h->lines, line) ? err_nomem(e) : 0;
}

static int began(struct history *h, const struct event *ev, const json_t *data, struct err *e)
{
	const json_t *inputs = json_get(data, "inputs"), *text = json_get(inputs, "message");
	const char *who = json_str(data, "user"), *role = json_str(inputs, "role");
	mem_free(h->role);
	h->role = mem_strdup(role ? role : "assistant");
	if (!h->role)
		return err_nomem(e);
	return text ? add(h, ev, who ? who : "person", text, e) : 0;
}

static int fold(void *ctx, const struct event *ev, const json_t *data, struct err *e)
{
	struct history *h = ctx;
	const char *id = json_str(data, "action"), *name = json_str(data, "name"), *by = json_str(data, "by");
	switch (ev->type) {
	case EVENT_RUN_CREATED:
		return began(h, ev, data, e);
	case EVENT_FLOW_SAID:
		return add(h, ev, json_str(data, "from") && h->role ? h->role : "muster", json_get(data, "text"), e);
	case EVENT_ACTION_OPENED:
		if (id && name && !strcmp(name, "message") && json_put(h->turns, id, json_true()))
			return err_nomem(e);
		return 0;
	case EVENT_ACTION_RESOLVED:
		return id && json_get(h->turns, id) && json_str(data, "text") && !json_str(data, "option")
			       ? add(h, ev, by ? by : "person", json_get(data, "text"), e)
			       : 0;
	default:
		return 0;
	}
}

static int print(const json_t *lines, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	size_t i;
	json_t *line;
	json_array_foreach(lines, i, line)
	{
		buf_adds(&out, i ? "\n" : "");
		text_fit(json_span(line, "from"), 80, &out);
		buf_adds(&out, ", ");
		text_time(json_int(line, "at", 0), &out);
		buf_addc(&out, '\n');
		utf8_visible(json_span(line, "text"), true, &out);
		buf_addc(&out, '\n');
	}
	return out_write(&out, e);
}

static int check_chat(const json_t *row, struct err *e)
{
	const char *mode = json_str(row, "mode");
	return mode && !strcmp(mode, MODE)
		       ? 0
		       : err_set(e, ERR_INVALID, "run %s is no chat, but of the mode %s; muster show",
				 run_short(json_str(row, "run")), mode ? mode : "?");
}

static int history(const struct args *args, struct err *e)
{
	struct source s cleanup_source = {0};
	if (source_open(&s, args, e))
		return -1;
	cleanup_json json_t *row = source_run(&s, args_word(args, 1), e);
	if (!row || check_chat(row, e))
		return -1;
	cleanup_json json_t *lines = json_make(e, "[]"), *turns = lines ? json_make(e, "{}") : NULL;
	struct history h = {.lines = lines, .turns = turns};
	int failed = turns ? source_events(&s, json_str(row, "run"), false, fold, &h, e) : -1;
	mem_free(h.role);
	return failed ? -1 : args_has(args, "json") ? out_json(lines, e) : print(lines, e);
}

/* ---- its name, its end ---- */

static int rename_chat(const struct args *args, struct err *e)
{
	cleanup_buf struct buf name = BUF_INIT(4096);
	if (give_words(args, 2, &name, e))
		return -1;
	return give_to(args, args_word(args, 1),
		json_make(e, "{s:s, s:o}", "kind", "rename", "name", json_from_span(buf_span(&name))), "renamed",
		"renamed", e);
}

static int clear(const struct args *args, struct err *e)
{
	return give_up(args, args_word(args, 1), e);
}

/* ---- the verb ---- */

static const struct {
	const char *name;
	int words; /* behind it */
	int (*run)(const struct args *args, struct err *e);
} actions[] = {{"list", 0, list}, {"send", 1, send_message}, {"history", 1, history}, {"rename", 2, rename_chat},
	{"clear", 1, clear}};

/* What is no action is the message that begins a chat. */
static int chat(const struct args *args, struct err *e)
{
	const char *word = args_word(args, 0);
	for (size_t i = 0; word && i < sizeof(actions) / sizeof(*actions); i++)
		if (!strcmp(word, actions[i].name))
			return args_word(args, actions[i].words)
				       ? actions[i].run(args, e)
				       : err_set(e, ERR_USAGE,
						 "muster chat %s: a word is missing; usage: muster chat %s", word,
						 args->verb->words);
	return begin(args, e);
}

const struct verb verb_chat = {
	.name = "chat",
	.words = "[list|send|history|rename|clear] [CHAT] [TEXT]",
	.most = -1,
	.summary = "talk with an agent about a project",
	.help = "muster chat \"What is here?\" begins a chat, prints the answer as it is written, and ends; the chat "
		"waits for any\n"
		"time. muster chat send CHAT \"…\" goes on in it; what comes while the agent still writes is sent when "
		"it "
		"is done.\n"
		"list, history, rename CHAT NAME; clear removes it with its history, what it spent stays counted.\n"
		"The message - is read from standard input. On a terminal, without a message, you type line by line; "
		"Ctrl-D ends.\n"
		"A chat is a run of the mode `chat`: its name is that run's id, and all verbs of runs know it.",
	.options = options,
	.run = chat,
};
