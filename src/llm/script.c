/* script: the text is kept whole; of each line only its match keys are read ahead, the rest when it is taken.
 *
 * Happy path: load checks every line and indexes it; take goes over the lines from the first one that this playing has
 * not used. Failure modes: a line that is no JSON or has unknown members stops the load; no line left is
 * ERR_SCRIPT_EXHAUSTED. */
#include "llm/script.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/map.h"
#include "base/mem.h"
#include "config/nearest.h"
#include "llm/reply.h"

#define PLAYS 65536 /* playings of one script at once */

struct line {
	struct span text;
	int64_t number; /* in the file */
	bool repeat;
	char *role, *agent, *contains, *status, *action; /* NULL: any */
	char *prompt;					 /* hash of the recorded one; NULL */
	int64_t turn;					 /* -1: any */
};

/* Which lines a playing has used. */
struct play {
	size_t first; /* all before it are used */
	uint8_t bits[];
};

struct script {
	char *name;
	struct buf text;
	json_t *header;
	struct line *lines;
	size_t count, room;
	bool has_prompts; /* it is a recording */
	struct map plays; /* play → struct play; "" is the process's */
};

/* ---- loading ---- */

static int line_error(const struct script *s, int64_t number, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int line_error(const struct script *s, int64_t number, struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_setv(e, ERR_INVALID, fmt, ap);
	va_end(ap);
	return err_wrap(e, "%s:%lld", s->name, (long long)number);
}

static int known_only(const struct script *s, int64_t number, const json_t *v, const char *const *known,
	const char *part, struct err *e)
{
	struct nearest near;
	const char *key = nearest_unknown(&near, v, known);

	if (key)
		return line_error(s, number, e, "%s has no member \"%.60s\"%s", part, key, nearest_hint(&near));
	return 0;
}

static int match_text(
	const struct script *s, struct line *l, const json_t *m, const char *key, char **out, struct err *e)
{
	const json_t *v = json_get(m, key);

	if (!v)
		return 0;
	if (!json_is_string(v))
		return line_error(s, l->number, e, "\"%s\" must be text", key);
	*out = mem_strdup(json_string_value(v));
	return *out ? 0 : err_nomem(e);
}

static int read_match(const struct script *s, struct line *l, const json_t *m, struct err *e)
{
	static const char *const known[] = {"role", "agent", "turn", "contains", "status", "action", NULL};
	const json_t *turn = json_get(m, "turn");

	if (m && !json_is_object(m))
		return line_error(s, l->number, e, "\"match\" must be an object");
	if (known_only(s, l->number, m, known, "a match", e))
		return -1;
	if (turn && !json_is_integer(turn))
		return line_error(s, l->number, e, "\"turn\" of a match must be an integer");
	l->turn = turn ? json_integer_value(turn) : -1;
	return match_text(s, l, m, "role", &l->role, e) || match_text(s, l, m, "agent", &l->agent, e) ||
			       match_text(s, l, m, "contains", &l->contains, e) ||
			       match_text(s, l, m, "status", &l->status, e) ||
			       match_text(s, l, m, "action", &l->action, e)
		       ? -1
		       : 0;
}

static int read_line(struct script *s, struct line *l, const json_t *v, struct err *e)
{
	static const char *const known[] = {"match", "reply", "error", "answer", "prompt", "repeat", NULL};
	const json_t *answer = json_get(v, "answer");
	struct buf what = BUF_INIT(8 * KIB);
	int rc;

	if (!json_is_object(v))
		return line_error(s, l->number, e, "a line must be an object");
	if (known_only(s, l->number, v, known, "a line", e) || read_match(s, l, json_get(v, "match"), e))
		return -1;
	l->repeat = json_bool(v, "repeat", false);
	if (match_text(s, l, v, "prompt", &l->prompt, e))
		return -1;
	s->has_prompts |= l->prompt != NULL;
	if (answer || l->action) {
		if (!json_is_string(answer) || !l->action || json_get(v, "reply") || json_get(v, "error"))
			return line_error(s, l->number, e,
				"an answer is text, its match names the action, and it has no reply or error");
		return 0;
	}
	buf_addf(&what, "%s:%lld", s->name, (long long)l->number);
	rc = buf_check(&what, "a script's name", e) || reply_check(v, what.data, true, e) ? -1 : 0;
	buf_release(&what);
	return rc;
}

static void line_release(struct line *l)
{
	mem_free(l->role);
	mem_free(l->agent);
	mem_free(l->contains);
	mem_free(l->status);
	mem_free(l->action);
	mem_free(l->prompt);
}

static int add_line(struct script *s, struct span text, int64_t number, struct err *e)
{
	cleanup_json json_t *v = json_parse(text, "line", e);
	const json_t *header;
	struct line *more;

	if (!v) {
		err_wrap(e, "%s:%lld", s->name, (long long)number);
		return -1;
	}
	header = json_get(v, "recording");
	if (header) {
		if (number != 1 || json_object_size(v) != 1 || !json_is_object(header))
			return line_error(s, number, e, "\"recording\" stands alone, as an object, in the first line");
		if (json_int(header, "v", 1) > 1)
			return err_set(e, ERR_NEWER, "%s: recorded by a newer version of muster", s->name);
		s->header = json_incref((json_t *)header);
		return 0;
	}
	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 32;
		more = mem_realloc(s->lines, room * sizeof *more);
		if (!more)
			return err_nomem(e);
		s->lines = more;
		s->room = room;
	}
	s->lines[s->count] = (struct line){.text = text, .number = number};
	if (read_line(s, &s->lines[s->count], v, e)) {
		line_release(&s->lines[s->count]);
		return -1;
	}
	s->count++;
	return 0;
}

static int add_lines(struct script *s, struct err *e)
{
	struct span rest = buf_span(&s->text), line;

	for (int64_t number = 1; span_line(&rest, &line); number++)
		if (span_trim(line).n && add_line(s, line, number, e))
			return -1;
	return 0;
}

static struct script *script_new(const char *name, struct err *e)
{
	struct script *s = MEM_NEW(struct script);

	if (s) {
		buf_init(&s->text, CAP_SCRIPT);
		map_init(&s->plays, PLAYS);
		s->name = mem_strdup(name);
	}
	if (!s || !s->name) {
		err_nomem(e);
		script_free(s);
		return NULL;
	}
	return s;
}

struct script *script_parse(struct span text, const char *name, struct err *e)
{
	struct script *s = script_new(name, e);

	if (!s)
		return NULL;
	buf_addspan(&s->text, text);
	if (buf_check(&s->text, name, e) || add_lines(s, e)) {
		script_free(s);
		return NULL;
	}
	return s;
}

struct script *script_load(const char *path, struct err *e)
{
	struct script *s = script_new(path, e);

	if (!s)
		return NULL;
	if (fs_read(path, &s->text, e) || add_lines(s, e)) {
		script_free(s);
		return NULL;
	}
	return s;
}

void script_free(struct script *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		line_release(&s->lines[i]);
	map_release(&s->plays, mem_free);
	mem_free(s->lines);
	buf_release(&s->text);
	json_decref(s->header);
	mem_free(s->name);
	mem_free(s);
}

const json_t *script_header(const struct script *s)
{
	return s->header;
}

/* ---- playing ---- */

static bool bit(const struct play *p, size_t i)
{
	return p && p->bits[i / 8] >> i % 8 & 1;
}

static struct play *find_play(const struct script *s, const char *play)
{
	return map_get(&s->plays, span_of(play ? play : ""));
}

static struct play *get_play(struct script *s, const char *play, struct err *e)
{
	struct play *p = find_play(s, play);

	if (p)
		return p;
	p = mem_calloc(1, sizeof *p + s->count / 8 + 1);
	if (!p || map_set(&s->plays, span_of(play ? play : ""), p, NULL, e)) {
		if (!p)
			err_nomem(e);
		mem_free(p);
		return NULL;
	}
	return p;
}

static bool used(const struct script *s, const struct play *p, size_t i)
{
	const struct play *all = find_play(s, NULL);

	return !s->lines[i].repeat && (bit(p, i) || (all != p && bit(all, i)));
}

static void use(const struct script *s, struct play *p, size_t i)
{
	p->bits[i / 8] |= (uint8_t)(1u << i % 8);
	while (p->first < s->count && used(s, p, p->first))
		p->first++;
}

/* A new reference to the line's object; it was parsed before, so only memory can be short. */
static int64_t hand_out(struct script *s, struct play *p, size_t i, json_t **line, struct err *e)
{
	*line = json_parse(s->lines[i].text, s->name, e);
	if (!*line)
		return -1;
	use(s, p, i);
	return s->lines[i].number;
}

static bool newest_status(const struct llm_call *c, const char *status)
{
	for (size_t i = c->message_count; i-- > 0 && c->messages[i]->role != LLM_ASSISTANT;)
		if (c->messages[i]->role == LLM_TOOL && strcmp(c->messages[i]->status, status) == 0)
			return true;
	return false;
}

static bool is_or_any(const char *wanted, const char *is)
{
	return !wanted || (is && !strcmp(wanted, is));
}

/* Apart from whose turn it is. */
static bool fits(const struct line *l, const struct llm_call *c)
{
	const struct llm_message *last = c->message_count ? c->messages[c->message_count - 1] : NULL;

	if (l->action || (l->turn >= 0 && l->turn != c->turn) || !is_or_any(l->role, c->role))
		return false;
	if (l->contains &&
		(!last || span_find(span_n(last->text, last->text_len), span_of(l->contains), 0) == (size_t)-1))
		return false;
	return !l->status || newest_status(c, l->status);
}

/* The agent of a recorded line is known by what it was told: agents that begin at the same time get their numbers in
 * the order in which they happened to begin. */
static bool is_recorded(const struct line *l, const struct llm_call *c)
{
	return l->prompt && c->prompt && !strcmp(l->prompt, c->prompt) && fits(l, c);
}

static bool holds(const struct line *l, const struct llm_call *c)
{
	return is_or_any(l->agent, c->agent) && fits(l, c);
}

int64_t script_take(struct script *s, const struct llm_call *c, json_t **line, struct err *e)
{
	struct play *p = get_play(s, c->play, e);

	if (!p)
		return -1;
	for (int own = 1; s->has_prompts && own >= 0; own--) /* agents that were told the same go by their numbers */
		for (size_t i = p->first; i < s->count; i++)
			if (!used(s, p, i) && is_recorded(&s->lines[i], c) &&
				(!own || is_or_any(s->lines[i].agent, c->agent)))
				return hand_out(s, p, i, line, e);
	for (size_t i = p->first; i < s->count; i++)
		if (!used(s, p, i) && holds(&s->lines[i], c))
			return hand_out(s, p, i, line, e);
	return err_set(e, ERR_SCRIPT_EXHAUSTED, "%s has no line left for role %s, agent %s, turn %d%s", s->name,
		c->role ? c->role : "(none)", c->agent ? c->agent : "(none)", c->turn,
		s->has_prompts ? "; have the prompts changed since it was recorded?" : "");
}

int64_t script_take_answer(struct script *s, const char *play, const char *action, json_t **line, struct err *e)
{
	struct play *p = get_play(s, play, e);

	if (!p)
		return -1;
	for (size_t i = p->first; i < s->count; i++)
		if (s->lines[i].action && !used(s, p, i) && strcmp(s->lines[i].action, action) == 0)
			return hand_out(s, p, i, line, e);
	return 0;
}

int script_mark(struct script *s, const char *play, int64_t line, struct err *e)
{
	struct play *p = get_play(s, play, e);

	if (!p)
		return -1;
	for (size_t i = 0; i < s->count; i++)
		if (s->lines[i].number == line) {
			use(s, p, i);
			return 0;
		}
	return err_set(e, ERR_INVALID, "%s has no line %lld, which the run has used; is it another file?", s->name,
		(long long)line);
}

void script_give_back(struct script *s, const char *play, int64_t line)
{
	struct play *p = find_play(s, play);

	for (size_t i = 0; p && i < s->count; i++)
		if (s->lines[i].number == line) {
			p->bits[i / 8] &= (uint8_t) ~(1u << i % 8);
			p->first = i < p->first ? i : p->first;
			return;
		}
}

void script_forget(struct script *s, const char *play)
{
	mem_free(map_del(&s->plays, span_of(play ? play : "")));
}
