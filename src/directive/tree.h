/* tree: one parsed directive.
 *
 * Everything in it is owned by the arena it was parsed into. Strings are decoded, valid UTF-8 without NUL, and
 * NUL-terminated after their length. Which members are set follows from row->shape:
 *   SHAPE_BARE, SHAPE_CALL           nothing
 *   SHAPE_STRING, SHAPE_ATTRIBUTE, SHAPE_CALL_STRING   text
 *   SHAPE_RUN                        text, no_timeout
 *   SHAPE_CALL_OPTIONAL              text; text.p == NULL when it was left out
 *   SHAPE_TARGETS                    items with target and path
 *   SHAPE_TARGET_PROMPTS             items with target, path and prompt
 *   SHAPE_TESTERS                    items with prompt
 *   SHAPE_EDIT, SHAPE_EDITS          edits; one, or at least one
 * Lists hold 1 to CAP_DIRECTIVE_ITEMS members, in the order written. */
#ifndef MUSTER_DIRECTIVE_TREE_H
#define MUSTER_DIRECTIVE_TREE_H

#include "base/buf.h"
#include "directive/table.h"

enum directive_target { TARGET_NONE, TARGET_FILE, TARGET_FOLDER };

struct directive_item {
	struct directive_item *next;
	enum directive_target target;
	struct span path, prompt;
};

struct directive_edit {
	struct directive_edit *next;
	struct span from, to;
};

struct directive {
	const struct directive_row *row;
	struct span text;
	bool no_timeout;
	struct directive_item *items;
	struct directive_edit *edits;
	size_t line, column; /* of the keyword, from 1; columns count characters */
};

/* Do both mean the same? Where they were written does not matter. */
bool directive_equal(const struct directive *a, const struct directive *b);

#endif
