#include "directive/tree.h"

/* Purpose: compare trees. Happy path: member by member. Failure modes: none. */

static bool items_equal(const struct directive_item *a, const struct directive_item *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (a->target != b->target || !span_eq(a->path, b->path) || !span_eq(a->prompt, b->prompt))
			return false;
	return a == b;
}

static bool edits_equal(const struct directive_edit *a, const struct directive_edit *b)
{
	for (; a && b; a = a->next, b = b->next)
		if (!span_eq(a->from, b->from) || !span_eq(a->to, b->to))
			return false;
	return a == b;
}

bool directive_equal(const struct directive *a, const struct directive *b)
{
	return a->row == b->row && a->no_timeout == b->no_timeout && !a->text.p == !b->text.p &&
	       span_eq(a->text, b->text) && items_equal(a->items, b->items) && edits_equal(a->edits, b->edits);
}
