#include "notify/text.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/utf8.h"

/* A title as one harmless line. */
static void add_line(struct buf *out, const json_t *about, const char *key, const char *otherwise)
{
	struct span text = span_trim(json_span(about, key));
	cleanup_buf struct buf line = BUF_INIT(4 * CAP_NOTICE_TITLE + 16);
	if (text.n == 0)
		text = span_of(otherwise);
	size_t n = utf8_cut(text, CAP_NOTICE_TITLE);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		buf_addc(&line, c < ' ' || c == 127 ? ' ' : (char)c);
	}
	if (n < text.n)
		buf_adds(&line, "…");
	utf8_visible(buf_span(&line), false, out);
}

static bool is(const json_t *about, const char *key, const char *value)
{
	const char *have = json_str(about, key);
	return have && strcmp(have, value) == 0;
}

/* What a person must do, by the action's kind. */
static const char *wanted(const json_t *about)
{
	static const char *const kinds[][2] = {{"gate", "To approve"}, {"approval", "To approve"},
		{"question", "Question"}, {"escalation", "To decide"}, {"budget", "Budget reached"},
		{"conflict", "Conflict"}};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (is(about, "kind", kinds[i][0]))
			return kinds[i][1];
	return "To decide";
}

static const char *ended(const json_t *about)
{
	if (is(about, "state", "failed"))
		return "Failed";
	if (is(about, "state", "cancelled"))
		return "Cancelled";
	return is(about, "evidence", "failing") ? "Done, with failing checks" : "Done";
}

/* "80 % of this month's budget of the house are spent" */
static void add_budget(const json_t *about, struct buf *out)
{
	const char *scope = json_str(about, "budget"), *id = scope ? strchr(scope, '/') : NULL;
	buf_addf(out, "%d %% of %sbudget of ", (int)json_int(about, "share", 0),
		is(about, "period", "month") ? "this month's " : "the ");
	if (id)
		add_line(out, about, json_str(about, "project") ? "project" : "user", "");
	else
		buf_adds(out, "the house");
	buf_adds(out, " are spent");
}

void text_subject(const json_t *about, struct buf *out)
{
	if (is(about, "type", "test")) {
		buf_adds(out, "muster: a test");
	} else if (is(about, "type", "budget.alert")) {
		add_budget(about, out);
	} else if (is(about, "type", "run.ended")) {
		buf_addf(out, "%s: ", ended(about));
		add_line(out, about, "title", "a run");
	} else {
		buf_adds(out, is(about, "type", "action.reminder") ? "Reminder: " : "");
		buf_addf(out, "%s: ", wanted(about));
		add_line(out, about, "subject", "an action");
	}
}

void text_link(const json_t *about, const char *base, struct buf *out)
{
	const char *run = json_str(about, "run"), *action = json_str(about, "action");
	if (!*base || !run)
		return;
	buf_addf(out, "%s/runs/%s", base, run);
	if (action)
		buf_addf(out, "/actions/%s", action);
}

void text_body(const json_t *about, const char *base, struct buf *out)
{
	if (is(about, "type", "test")) {
		buf_adds(out, "This is a test. Notices of muster arrive here.\n");
		return;
	}
	if (is(about, "type", "budget.alert")) {
		add_budget(about, out);
		buf_addf(out, ": $%.2f of $%.2f.\nAt the limit runs stop and ask.\n", json_num(about, "spent", 0),
			json_num(about, "limit_usd", 0));
		return;
	}
	if (is(about, "type", "run.ended"))
		buf_addf(out, "%s.\n\n", ended(about));
	else
		buf_adds(out, is(about, "type", "action.reminder") ? "A run still waits for a person.\n\n"
								   : "A run waits for a person.\n\n");
	if (json_str(about, "subject")) {
		buf_addf(out, "%s: ", wanted(about));
		add_line(out, about, "subject", "");
		buf_adds(out, "\n");
	}
	buf_adds(out, "Run: ");
	add_line(out, about, "title", "without a title");
	buf_adds(out, "\n");
	if (is(about, "priority", "urgent") || is(about, "priority", "high"))
		buf_addf(out, "Priority: %s\n", json_str(about, "priority"));
	if (json_int(about, "expires", 0)) {
		char until[CLOCK_TEXT];
		clock_text(until, json_int(about, "expires", 0));
		buf_addf(out, "Answer until: %s\n", until);
	}
	buf_adds(out, "\n");
	text_link(about, base, out);
	buf_adds(out, "\n");
}

json_t *text_push(const json_t *about, const char *base, struct err *e)
{
	cleanup_buf struct buf title = BUF_INIT(4 * KIB), body = BUF_INIT(4 * KIB), url = BUF_INIT(4 * KIB);
	text_subject(about, &title);
	if (json_str(about, "run"))
		add_line(&body, about, "title", "");
	text_link(about, base, &url);
	if (buf_check(&title, "the notice", e) != 0 || buf_check(&body, "the notice", e) != 0 ||
		buf_check(&url, "the notice", e) != 0)
		return NULL;
	return json_make(e, "{s:s, s:s, s:s, s:s*}", "title", title.data, "body", body.data ? body.data : "", "url",
		url.data ? url.data : "", "tag",
		json_str(about, json_str(about, "action")   ? "action"
				: json_str(about, "budget") ? "budget"
							    : "run"));
}

json_t *text_webhook(const json_t *about, const char *base, struct err *e)
{
	char at[CLOCK_TEXT];
	static const char *const passed[] = {"run", "mode", "project", "action", "kind", "name", "priority", "count",
		"state", "evidence", "title", "subject", "budget", "share", "limit_usd", "spent", "period"};
	cleanup_json json_t *data = json_object();
	cleanup_buf struct buf url = BUF_INIT(4 * KIB);
	int rc = data ? 0 : -1;
	for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++) {
		cleanup_buf struct buf line = BUF_INIT(4 * KIB);
		json_t *v = json_get(about, passed[i]);
		if (!v)
			continue;
		if (json_is_string(v)) {
			add_line(&line, about, passed[i], "");
			rc |= json_put_span(data, passed[i], buf_span(&line));
		} else {
			rc |= json_object_set(data, passed[i], v);
		}
	}
	if (json_int(about, "expires", 0)) {
		clock_text(at, json_int(about, "expires", 0));
		rc |= json_put(data, "expires", json_string(at));
	}
	text_link(about, base, &url);
	if (url.len)
		rc |= json_put_span(data, "url", buf_span(&url));
	if (rc != 0) {
		err_nomem(e);
		return NULL;
	}
	clock_text(at, json_int(about, "at", 0));
	return json_make(e, "{s:s, s:s, s:O}", "type", json_str(about, "type"), "timestamp", at, "data", data);
}
