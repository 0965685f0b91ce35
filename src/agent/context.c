/* context: the conversation of an agent and the request made of it.
 *
 * A request is: system prompt (byte-stable for the agent's life), the messages so far (each encoded once), and, for
 * roles that read things again for every turn, one last message with their present content (memory files, project tree,
 * children). Only that last message changes between two turns, so that providers' prompt caches hit everything before
 * it.
 *
 * Compaction: when the next answer might not fit, the older part is replaced by a summary, made by the model or, when
 * that fails, listed from the calls and their results. The task stays word for word; so do the newest messages, up to a
 * quarter of the window, cut where a turn begins. */
#include "agent/private.h"

#include "base/caps.h"
#include "base/utf8.h"
#include "directive/grammar.h"

#define CONVERSATION_MESSAGES 200000
#define SUMMARY_LINE 240

static void hash_message(struct hash_stream *h, const struct llm_message *m)
{
	uint64_t head[3] = {(uint64_t)m->role, m->text_len, m->call_count};
	hash_update(h, head, sizeof(head));
	hash_update(h, m->text, m->text_len);
	for (size_t i = 0; i < m->call_count; i++) {
		const char *shown = llm_call_text(&m->calls[i]);
		hash_update(h, m->calls[i].name, strlen(m->calls[i].name) + 1);
		hash_update(h, shown, strlen(shown) + 1);
	}
	if (m->call_id)
		hash_update(h, m->call_id, strlen(m->call_id) + 1);
	if (m->status)
		hash_update(h, m->status, strlen(m->status) + 1);
}

static void hash_fixed(struct agent *a, struct hash_stream *h)
{
	char *offers = json_text(a->offers);
	hash_start(h, NULL);
	hash_update(h, a->system, strlen(a->system) + 1);
	if (offers)
		hash_update(h, offers, strlen(offers) + 1);
	mem_free(offers);
}

/* The arguments of finish: the role's output when that is an object, else an object that holds it. */
static json_t *finish_offer(const struct agent *a, const struct tool *t)
{
	const char *type = json_str(a->output, "type");
	bool object = (type && !strcmp(type, "object")) || json_get(a->output, "properties");
	return object ? json_pack("{s:s, s:s, s:O}", "name", t->name, "description", t->summary, "schema", a->output)
		      : json_pack("{s:s, s:s, s:{s:s, s:[s], s:b, s:{s:O}}}", "name", t->name, "description",
				t->summary, "schema", "type", "object", "required", "result", "additionalProperties", 0,
				"properties", "result", a->output);
}

/* What the model is offered: built-in tools, finish with the role's output schema, and the flow's own tools. */
static int make_offers(struct agent *a, struct err *e)
{
	a->offers = json_array();
	if (!a->offers)
		return err_nomem(e);
	if (a->dialect == DIALECT_DIRECTIVE)
		return 0;
	size_t i;
	json_t *name;
	json_array_foreach(a->names, i, name)
	{
		const char *text = json_string_value(name);
		const struct tool *t = tool_named(text);
		const json_t *own = json_get(a->handlers, text);
		json_t *offer;
		if (json_is_object(own) && json_get(own, "schema"))
			offer = json_pack("{s:s, s:s, s:O}", "name", text, "description",
				json_str(own, "summary") ? json_str(own, "summary") : text, "schema",
				json_get(own, "schema"));
		else if (t && a->output && !strcmp(text, "finish"))
			offer = finish_offer(a, t);
		else if (t)
			offer = tool_offer(t);
		else
			return err_set(e, ERR_INVALID,
				"the flow's tool \"%s\" needs a schema: on = {%s = {summary =, schema =, run =}}", text,
				text);
		if (!offer || json_array_append_new(a->offers, offer))
			return err_nomem(e);
	}
	return 0;
}

static int make_system(struct agent *a, const json_t *vars, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_EVENT_DATA);
	if (role_prompt(a->role, vars, &text, e))
		return -1;
	if (a->dialect == DIALECT_DIRECTIVE) {
		buf_adds(&text, "\n\n");
		buf_adds(&text, directive_grammar(a->role->language, (enum directive_phase)a->phase));
	} else if (a->output) {
		cleanup_free char *schema = json_text(a->output);
		if (!schema)
			return err_nomem(e);
		buf_addf(&text, "\n\nYour result must be one JSON value that satisfies this schema:\n%s\n", schema);
	}
	if (buf_check(&text, "the system prompt", e))
		return -1;
	a->system = buf_take(&text);
	return a->system ? 0 : err_nomem(e);
}

int conversation_init(struct agent *a, const json_t *vars, struct err *e)
{
	if (make_offers(a, e) || make_system(a, vars, e))
		return -1;
	hash_fixed(a, &a->said);
	hash_fixed(a, &a->own);
	cleanup_free char *offers = json_text(a->offers);
	if (!offers)
		return err_nomem(e);
	a->tokens = llm_estimate(span_of(a->system)) + llm_estimate(span_of(offers));
	return 0;
}

void conversation_release(struct agent *a)
{
	for (size_t i = 0; i < a->message_count; i++)
		llm_message_unref(a->messages[i]);
	mem_free(a->messages);
	json_decref(a->offers);
	mem_free(a->system);
}

int conversation_push(struct agent *a, struct llm_message *m, bool own, struct err *e)
{
	if (!m)
		return e->code == ERR_OK ? err_nomem(e) : -1;
	if (a->message_count == a->message_room) {
		size_t room = a->message_room ? a->message_room * 2 : 16;
		struct llm_message **bigger =
			room > CONVERSATION_MESSAGES ? NULL : mem_realloc(a->messages, room * sizeof(*bigger));
		if (!bigger) {
			llm_message_unref(m);
			return room > CONVERSATION_MESSAGES
				       ? err_set(e, ERR_TOO_LARGE, "the conversation of agent %s is too long", a->id)
				       : err_nomem(e);
		}
		a->messages = bigger;
		a->message_room = room;
	}
	a->messages[a->message_count++] = m;
	a->tokens += m->tokens;
	hash_message(&a->said, m);
	if (own)
		hash_message(&a->own, m);
	return 0;
}

int conversation_user(struct agent *a, struct span text, bool own, struct err *e)
{
	return conversation_push(a, llm_message_text(LLM_USER, text, e), own, e);
}

/* ---- the request ---- */

static const char compact_request[] = "The conversation is about to be shortened. Write a summary that lets you go on "
				      "with nothing else: the goal, what was done "
				      "and decided and why, what the files that matter contain now (paths, names, "
				      "signatures), what failed, what is left. "
				      "Facts only, no tool call.";

int agent_request(struct agent *a, struct llm_message ***messages, size_t *count, struct llm_message **extra,
	struct hash *prompt, struct hash *own, struct err *e)
{
	*extra = NULL;
	const char *tail = a->compacting ? compact_request : a->context_text;
	if (tail && *tail) {
		*extra = llm_message_text(LLM_USER, span_of(tail), e);
		if (!*extra)
			return -1;
	}
	*messages = mem_alloc((a->message_count + 1) * sizeof(**messages));
	if (!*messages) {
		llm_message_unref(*extra);
		*extra = NULL;
		return err_nomem(e);
	}
	memcpy(*messages, a->messages, a->message_count * sizeof(**messages));
	*count = a->message_count;
	struct hash_stream said = a->said, mine = a->own;
	if (*extra) {
		(*messages)[(*count)++] = *extra;
		hash_message(&said, *extra);
	}
	hash_end(&said, prompt);
	hash_end(&mine, own);
	return 0;
}

int64_t agent_input_tokens(const struct agent *a)
{
	return a->tokens + (a->context_text ? llm_estimate(span_of(a->context_text)) : 0);
}

/* ---- compaction ---- */

/* Room that is kept free: one answer, and a tenth of the window for what estimates miss. */
static int64_t budget_tokens(const struct agent *a)
{
	return a->context_limit - a->max_tokens - a->context_limit / 10;
}

/* Index of the first message that stays: the newest ones within a quarter of the window, beginning with an answer. */
static size_t keep_from(const struct agent *a)
{
	int64_t room = a->context_limit > 0 ? a->context_limit / 4 : 8000, used = 0;
	size_t at = a->message_count, keep = a->message_count;
	while (at > 1) {
		used += a->messages[at - 1]->tokens;
		if (used > room && keep < a->message_count)
			break;
		at--;
		if (a->messages[at]->role == LLM_ASSISTANT)
			keep = at;
		if (used > room)
			break;
	}
	return keep;
}

/* Full, and something but the task and the last summary can go. */
bool conversation_full(const struct agent *a)
{
	return a->context_limit > 0 && agent_input_tokens(a) > budget_tokens(a) && a->message_count > 3 &&
	       keep_from(a) > 2;
}

static void add_line(struct buf *out, struct span text)
{
	size_t cut = utf8_cut(text, SUMMARY_LINE);
	for (size_t i = 0; i < cut; i++)
		buf_addc(out, text.p[i] == '\n' ? ' ' : text.p[i]);
	buf_adds(out, cut < text.n ? " …\n" : "\n");
}

/* What a program can say about the older part: who said what, shortened; which calls were made and how they ended. */
static void summarise_plainly(const struct agent *a, size_t upto, struct buf *out)
{
	size_t first = upto > 400 ? upto - 400 : 1;
	if (first > 1)
		buf_addf(out, "(%zu older messages are left out)\n", first - 1);
	for (size_t i = first; i < upto && out->len < 64 * KIB; i++) {
		const struct llm_message *m = a->messages[i];
		if (m->role == LLM_TOOL) {
			buf_addf(out, "  → %s %s: ", m->name ? m->name : "call", m->status ? m->status : "");
			add_line(out, span_n(m->text, m->text_len));
			continue;
		}
		if (m->text_len) {
			buf_adds(out, m->role == LLM_USER ? "Message: " : "You: ");
			add_line(out, span_n(m->text, m->text_len));
		}
		for (size_t k = 0; k < m->call_count; k++) {
			const char *args = m->calls[k].text;
			buf_addf(out, "You called %s ", m->calls[k].name);
			add_line(out, span_of(args ? args : ""));
		}
	}
}

int conversation_compact(struct agent *a, const char *summary, struct err *e)
{
	bool by_model = summary && *summary && strlen(summary) < 256 * KIB;
	size_t keep = keep_from(a);
	cleanup_buf struct buf text = BUF_INIT(CAP_EVENT_DATA);
	buf_adds(&text, "The older part of this conversation was replaced by this summary.\n\n");
	if (by_model)
		buf_adds(&text, summary);
	else
		summarise_plainly(a, keep, &text);
	if (buf_check(&text, "the summary", e))
		return -1;
	json_t *data = json_make(e, "{s:i, s:s}", "upto", (int)keep, "how", by_model ? "model" : "fallback");
	if (!data)
		return -1;
	agent_emit(a, EVENT_AGENT_COMPACTED, data);

	struct llm_message **old = a->messages;
	size_t count = a->message_count;
	a->messages = NULL;
	a->message_count = a->message_room = 0;
	json_t *offers = a->offers;
	cleanup_free char *offers_text = json_text(offers);
	hash_fixed(a, &a->said);
	hash_fixed(a, &a->own);
	a->tokens = llm_estimate(span_of(a->system)) + llm_estimate(span_of(offers_text ? offers_text : ""));
	int failed = conversation_push(a, llm_message_ref(old[0]), true, e) ||
		     conversation_user(a, buf_span(&text), false, e);
	for (size_t i = keep; i < count && !failed; i++)
		failed = conversation_push(a, llm_message_ref(old[i]), false, e);
	for (size_t i = 0; i < count; i++)
		llm_message_unref(old[i]);
	mem_free(old);
	return failed ? -1 : 0;
}
