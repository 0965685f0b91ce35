/* asking: see asking.h.
 *
 *   open action ──▶ --yes, --answer? ──▶ answered
 *                        └── no ──▶ prompt (terminal) ──a line──▶ answered
 *                                      └── end of input ──▶ nobody is there: the run waits */
#include "cmd/asking.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "cmd/out.h"

#define BODY_LINES 60

static void typed(struct watch *w, int revents);

void asking_init(struct asking *a, const struct args *args, struct loop *l, const struct overview *o, struct view *v,
	bool terminal)
{
	*a = (struct asking){.args = args, .loop = l, .overview = o, .view = v, .terminal = terminal};
	a->answered = json_object();
	a->used = json_object();
	buf_init(&a->typed, 64 * KIB);
}

static void stop_watching(struct asking *a)
{
	if (a->watching)
		watch_stop(&a->input);
	a->watching = false;
}

void asking_release(struct asking *a)
{
	stop_watching(a);
	json_decref(a->answered);
	json_decref(a->used);
	buf_release(&a->typed);
}

/* ---- what words mean ---- */

static struct span first_word(struct span words)
{
	size_t n = 0;
	while (n < words.n && words.p[n] != ' ' && words.p[n] != ':' && words.p[n] != '\n')
		n++;
	return span_n(words.p, n);
}

/* The option that the words begin with; *rest: what follows it. */
static const char *option_in(const json_t *options, struct span words, struct span *rest)
{
	size_t i;
	json_t *one;
	struct span word = first_word(words);
	json_array_foreach(options, i, one)
	{
		const char *name = json_string_value(one);
		char number[24];
		snprintf(number, sizeof(number), "%zu", i + 1);
		size_t n = name ? strlen(name) : 0;
		bool whole = n && words.n >= n && !memcmp(words.p, name, n) &&
			     (words.n == n || words.p[n] == ' ' || words.p[n] == ':');
		if (!whole && !span_is(word, number))
			continue;
		n = whole ? n : word.n;
		*rest = span_trim(span_n(words.p + n, words.n - n));
		if (span_starts(*rest, ":"))
			*rest = span_trim(span_n(rest->p + 1, rest->n - 1));
		return name;
	}
	return NULL;
}

const char *answer_option(const json_t *action, struct span words)
{
	struct span rest;
	return option_in(json_get(action, "options"), span_trim(words), &rest);
}

json_t *answer_parse(const json_t *action, struct span words, struct err *e)
{
	const char *kind = json_str(action, "kind");
	struct span rest = span_trim(words);
	const char *option = option_in(json_get(action, "options"), rest, &rest);
	json_t *out = json_object();
	if (!option && kind && !strcmp(kind, "gate"))
		option = "revise";
	if (!out || (option && json_put(out, "option", json_string(option))) ||
		((rest.n || !option) && json_put_span(out, "text", rest))) {
		json_decref(out);
		err_nomem(e);
		return NULL;
	}
	return out;
}

json_t *answer_command(const json_t *action, struct span words, const char *by, struct err *e)
{
	json_t *out = answer_parse(action, words, e);
	if (out && (json_put(out, "kind", json_string("answer")) || json_put(out, "by", json_string(by)) ||
			   json_put(out, "action", json_incref(json_get(action, "action"))))) {
		json_decref(out);
		err_nomem(e);
		return NULL;
	}
	return out;
}

const char *person_name(void)
{
	const struct passwd *who = getpwuid(getuid());
	const char *name = getenv("SUDO_USER");
	if (!name || !*name)
		name = who ? who->pw_name : NULL;
	return name && *name && utf8_valid(span_of(name)) && strlen(name) < 64 ? name : "person";
}

/* ---- answering ---- */

static int give(struct asking *a, const json_t *action, struct span words, struct err *e)
{
	const char *id = json_str(action, "action");
	cleanup_json json_t *command = answer_command(action, words, person_name(), e);
	if (!command)
		return -1;
	if (json_put(a->answered, id, json_true()))
		return err_nomem(e);
	return a->give(a, command, e);
}

/* What --answer says for this name; NULL nothing. */
static int told(struct asking *a, const char *name, struct span *words, struct err *e)
{
	const char *text, *value;
	int64_t number = 0, used = json_int(a->used, name, 0);
	struct span key;
	*words = SPAN_NONE;
	if (!args_has(a->args, "answer"))
		return 0;
	for (int i = 0; (text = args_next(a->args, "answer", &i));) {
		if (args_pair("answer", text, &key, &value, e))
			return -1;
		if (span_is(key, name) && number++ <= used)
			*words = span_of(value);
	}
	return words->p ? json_put_int(a->used, name, used + 1) ? err_nomem(e) : 0 : 0;
}

static bool approved(const struct asking *a, const json_t *action)
{
	const char *name, *kind = json_str(action, "kind");
	if (!kind || strcmp(kind, "gate") != 0)
		return false;
	for (int i = 0; (name = args_next(a->args, "yes", &i));)
		if (!strcmp(name, "all") || (json_str(action, "name") && !strcmp(name, json_str(action, "name"))))
			return true;
	return false;
}

/* 1: answered, 0: nothing says how, -1. */
static int answer_by_flags(struct asking *a, const json_t *action, struct err *e)
{
	struct span words;
	if (told(a, json_str(action, "name") ? json_str(action, "name") : "", &words, e))
		return -1;
	if (!words.p && approved(a, action))
		words = span_of("approve");
	if (!words.p)
		return 0;
	if (!give(a, action, words, e))
		return 1;
	if (e->code != ERR_CONFLICT)
		return err_wrap(e, "the answer to \"%s\"", json_str(action, "name"));
	err_clear(e); /* somebody was faster; its event is still to come */
	return 1;
}

/* ---- chats ---- */

static bool is_turn(const json_t *action)
{
	const char *name = json_str(action, "name"), *kind = json_str(action, "kind");
	return name && kind && !strcmp(name, "message") && !strcmp(kind, "question");
}

bool asking_turn(const struct overview *o)
{
	const char *id, *mode = json_str(o->created, "mode");
	json_t *action;
	if (!mode || strcmp(mode, "chat") != 0 || strcmp(o->state, "waiting") != 0)
		return false;
	json_object_foreach(o->actions, id, action) if (!is_turn(action)) return false;
	return json_object_size(o->actions) != 0;
}

bool asking_said(const struct asking *a, const json_t *command)
{
	const char *text = json_str(command, "text");
	return a->talk && a->talk->given && text && !strcmp(text, a->talk->given);
}

void asking_told(struct asking *a, bool arrived)
{
	if (arrived)
		mem_free(a->talk->given);
	else
		a->talk->text = a->talk->given;
	a->talk->given = NULL;
}

void talk_release(struct talk *t)
{
	mem_free(t->text);
	mem_free(t->given);
}

/* 1: the message is given, 0: there is none for this action, -1. */
static int say(struct asking *a, const json_t *action, struct err *e)
{
	const char *id = json_str(action, "action");
	if (!a->talk || !a->talk->text || !is_turn(action))
		return 0;
	cleanup_json json_t *command = json_make(
		e, "{s:s, s:s, s:s, s:s}", "kind", "answer", "action", id, "text", a->talk->text, "by", person_name());
	if (!command || json_put(a->answered, id, json_true()))
		return err_nomem(e);
	a->talk->given = steal(&a->talk->text);
	if (!a->give(a, command, e))
		return 1;
	if (e->code != ERR_CONFLICT)
		return -1;
	err_clear(e);
	asking_told(a, false);
	return 1;
}

/* ---- the terminal ---- */

static void add_body(struct span body, struct buf *out)
{
	struct span line;
	int lines = 0;
	while (span_line(&body, &line)) {
		if (++lines > BODY_LINES) {
			buf_adds(out, "  … (all of it: muster actions RUN)\n");
			return;
		}
		buf_adds(out, "  ");
		utf8_visible(line, false, out);
		buf_addc(out, '\n');
	}
}

static void prompt(struct asking *a, const json_t *action)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	size_t i;
	json_t *one;
	snprintf(a->prompted, sizeof(a->prompted), "%s", json_str(action, "action"));
	if (a->view->ops->aside)
		a->view->ops->aside(a->view, true);
	if (a->talk && is_turn(action)) {
		out_say(span_of("> "));
		return;
	}
	buf_adds(&out, "\n? ");
	text_fit(json_span(action, "title"), 400, &out);
	buf_adds(&out, "  (");
	text_fit(json_span(action, "kind"), 40, &out);
	buf_adds(&out, " \"");
	text_fit(json_span(action, "name"), 80, &out);
	buf_adds(&out, "\")\n");
	add_body(json_span(action, "body"), &out);
	json_array_foreach(json_get(action, "options"), i, one)
	{
		buf_addf(&out, "  %zu ", i + 1);
		text_fit(span_of(json_string_value(one)), 200, &out);
		buf_addc(&out, '\n');
	}
	buf_adds(&out, json_array_size(json_get(action, "options"))
			       ? "A number, an option, or your own words; Ctrl-C pauses the run.\n> "
			       : "Your answer; Ctrl-C pauses the run.\n> ");
	out_say(buf_span(&out));
}

static void prompt_over(struct asking *a)
{
	*a->prompted = '\0';
	if (a->talk) /* what is typed meanwhile is for the next turn */
		stop_watching(a);
	if (a->view->ops->aside)
		a->view->ops->aside(a->view, false);
}

/* -1: it is no message, or there is no memory for it. */
static int take_message(struct asking *a, const json_t *action, struct span line)
{
	if (!a->talk || !is_turn(action))
		return -1;
	mem_free(a->talk->text);
	a->talk->text = span_dup(line);
	return a->talk->text ? 0 : -1;
}

static void take_line(struct asking *a, struct span line)
{
	const json_t *action = json_get(a->overview->actions, a->prompted);
	struct err e = ERR_INIT;
	if (!action) {
		prompt_over(a);
	} else if (!span_trim(line).n) {
		out_say(span_of("> "));
		return;
	} else if (!take_message(a, action, line)) {
		prompt_over(a);
	} else if (give(a, action, line, &e)) {
		out_error(e.text);
		json_object_del(a->answered, a->prompted);
		prompt(a, action);
		return;
	} else {
		prompt_over(a);
	}
	a->moved(a);
}

/* Those of a chat wait for the next turn; what else is typed without a question is for nobody. */
static void take_lines(struct asking *a)
{
	char *end;
	while ((*a->prompted || !a->talk) && a->typed.len && (end = memchr(a->typed.data, '\n', a->typed.len))) {
		size_t length = (size_t)(end - a->typed.data);
		cleanup_free char *line = mem_strndup(a->typed.data, length);
		buf_drop(&a->typed, length + 1);
		if (line && *a->prompted)
			take_line(a, span_of(line));
	}
}

static void typed(struct watch *w, int revents)
{
	struct asking *a = container_of(w, struct asking, input);
	char bytes[4096];
	(void)revents;
	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* the person has gone: from now on as if unattended */
		a->terminal = false;
		stop_watching(a);
		if (*a->prompted)
			prompt_over(a);
		a->moved(a);
		return;
	}
	buf_add(&a->typed, bytes, (size_t)n);
	take_lines(a);
	if (a->typed.failed)
		buf_clear(&a->typed);
}

/* ---- all together ---- */

int asking_look(struct asking *a, bool may_prompt, struct err *e)
{
	const char *id;
	json_t *action;
	void *next;
	if (*a->prompted && !json_get(a->overview->actions, a->prompted)) {
		out_say(span_of("(answered elsewhere)\n"));
		prompt_over(a);
	}
	json_object_foreach_safe(a->overview->actions, next, id, action)
	{
		if (json_get(a->answered, id) || !strcmp(id, a->prompted))
			continue;
		int done = say(a, action, e);
		if (!done)
			done = answer_by_flags(a, action, e);
		if (done < 0)
			return -1;
		if (!done && may_prompt && a->terminal && !*a->prompted &&
			(!a->talk || a->talk->on || !is_turn(action)))
			prompt(a, action);
	}
	if (*a->prompted && a->typed.len)
		take_lines(a);
	if (*a->prompted && !a->watching) {
		if (watch_start(&a->input, a->loop, STDIN_FILENO, WATCH_READ, typed, e))
			return -1;
		a->watching = true;
	}
	return 0;
}
