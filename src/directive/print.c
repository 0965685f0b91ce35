#include "directive/print.h"

/* Purpose: the inverse of parse.c. Happy path: keyword, then what its shape holds. Failure modes: those of buf. */

static bool shows_verbatim(struct span s)
{
	bool helps = memchr(s.p, '\n', s.n) || memchr(s.p, '"', s.n);
	return helps && !span_ends(s, "\"") && span_find(s, span_of("\"\"\""), 0) == (size_t)-1 &&
	       !memchr(s.p, '\r', s.n);
}

static void add_string(struct buf *out, struct span s)
{
	static const char from[] = "\\\"\b\f\n\r\t\v", to[] = "\\\"bfnrtv";

	if (shows_verbatim(s)) {
		buf_adds(out, "\"\"\"");
		buf_addspan(out, s);
		buf_adds(out, "\"\"\"");
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		const char *found = strchr(from, s.p[i]);
		if (found)
			buf_addc(out, '\\');
		buf_addc(out, found ? to[found - from] : s.p[i]);
	}
	buf_addc(out, '"');
}

static void add_attribute(struct buf *out, const char *name, struct span s)
{
	buf_addf(out, " %s=", name);
	add_string(out, s);
}

static void add_items(struct buf *out, const struct directive *d)
{
	for (const struct directive_item *item = d->items; item; item = item->next) {
		if (d->row->shape == SHAPE_TESTERS) {
			buf_adds(out, " tester");
		} else {
			buf_adds(out, item->target == TARGET_FOLDER ? " folder " : " file ");
			add_string(out, item->path);
		}
		if (d->row->shape != SHAPE_TARGETS)
			add_attribute(out, "PROMPT", item->prompt);
		if (item->next)
			buf_adds(out, ",\n");
	}
}

static void add_edits(struct buf *out, const struct directive *d)
{
	for (const struct directive_edit *edit = d->edits; edit; edit = edit->next) {
		add_attribute(out, "FROM", edit->from);
		add_attribute(out, "TO", edit->to);
		if (edit->next)
			buf_adds(out, ",\n");
	}
}

void directive_print(const struct directive *d, struct buf *out)
{
	buf_adds(out, d->row->word);
	switch (d->row->shape) {
	case SHAPE_BARE:
		return;
	case SHAPE_STRING:
	case SHAPE_RUN:
		buf_adds(out, d->no_timeout ? " NO_TIMEOUT " : " ");
		add_string(out, d->text);
		return;
	case SHAPE_ATTRIBUTE:
		add_attribute(out, d->row->attribute, d->text);
		return;
	case SHAPE_TARGETS:
	case SHAPE_TARGET_PROMPTS:
	case SHAPE_TESTERS:
		add_items(out, d);
		return;
	case SHAPE_EDIT:
	case SHAPE_EDITS:
		add_edits(out, d);
		return;
	case SHAPE_CALL:
	case SHAPE_CALL_STRING:
	case SHAPE_CALL_OPTIONAL:
		buf_addc(out, '(');
		if (d->text.p)
			add_string(out, d->text);
		buf_addc(out, ')');
		return;
	}
}
