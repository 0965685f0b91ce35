#include "directive/calls.h"

#include "base/mem.h"

/* Purpose: the one place where directives and tools meet.
 * Happy path: one case for each kind builds the arguments and adds the call.
 * Failure modes: no memory; a directive on the agent's own file from an agent that has none. */

/* Add a call; `arguments` is consumed. NULL means that there was no memory for them: the formats below are fixed and
 * all strings are cleaned, so that building them fails for no other reason. */
static int add_call(struct directive_calls *out, const char *tool, json_t *arguments, struct err *e)
{
	struct directive_call *calls;

	if (!arguments)
		return err_nomem(e);
	calls = mem_realloc(out->calls, (out->count + 1) * sizeof(*calls));
	if (!calls) {
		json_decref(arguments);
		return err_nomem(e);
	}
	out->calls = calls;
	out->calls[out->count++] = (struct directive_call){tool, arguments};
	return 0;
}

static json_t *string(struct span s)
{
	return json_from_span(s);
}

static const char *kind_of(const struct directive_item *item)
{
	return item->target == TARGET_FOLDER ? "folder" : "file";
}

/* The path of a folder's README.md. */
static json_t *readme_of(struct span folder)
{
	cleanup_free char *path = NULL;

	while (folder.n && folder.p[folder.n - 1] == '/')
		folder.n--;
	if (span_is(folder, "."))
		folder.n = 0;
	path = mem_printf("%.*s%sREADME.md", (int)folder.n, folder.p, folder.n ? "/" : "");
	return path ? json_from_span(span_of(path)) : NULL;
}

static int add_targets(struct directive_calls *out, const struct directive *d, struct err *e)
{
	for (const struct directive_item *item = d->items; item; item = item->next) {
		int bad;
		if (d->row->kind == DIRECTIVE_CREATE)
			bad = add_call(out, "write_file",
				json_make(NULL, "{s:o, s:s, s:b, s:s}", "path", string(item->path), "content", "",
					"create", 1, "kind", kind_of(item)),
				e);
		else if (d->row->kind == DIRECTIVE_DELETE)
			bad = add_call(out, "delete_path",
				json_make(NULL, "{s:o, s:s}", "path", string(item->path), "kind", kind_of(item)), e);
		else
			bad = add_call(out, "read_file",
				json_make(NULL, "{s:o}", "path",
					item->target == TARGET_FOLDER ? readme_of(item->path) : string(item->path)),
				e);
		if (bad)
			return -1;
	}
	return 0;
}

static json_t *delegate_items(const struct directive *d)
{
	cleanup_json json_t *list = json_array();
	const struct directive_item *item = d->items;

	if (!item) /* the master's: to the root manager */
		return json_make(NULL, "{s:[{s:s, s:s, s:o}]}", "items", "target", ".", "kind", "folder", "prompt",
			string(d->text));
	for (; item; item = item->next) {
		json_t *one = json_make(NULL, "{s:o, s:s, s:o}", "target", string(item->path), "kind", kind_of(item),
			"prompt", string(item->prompt));
		if (json_array_append_new(list, one))
			return NULL;
	}
	return json_make(NULL, "{s:o}", "items", steal(&list));
}

static json_t *spawn_items(const struct directive *d)
{
	cleanup_json json_t *list = json_array();

	for (const struct directive_item *item = d->items; item; item = item->next) {
		json_t *one = json_make(NULL, "{s:s, s:o}", "role", "build_tester", "prompt", string(item->prompt));
		if (json_array_append_new(list, one))
			return NULL;
	}
	return json_make(NULL, "{s:o}", "items", steal(&list));
}

/* What REPLACE or INSERT puts in the place of `from`. */
static json_t *edit_to(const struct directive *d, const struct directive_edit *edit)
{
	cleanup_free char *both = NULL;

	if (d->row->kind == DIRECTIVE_REPLACE)
		return string(edit->to);
	both = mem_alloc(edit->from.n + edit->to.n);
	if (!both)
		return NULL;
	memcpy(both, edit->from.p, edit->from.n);
	memcpy(both + edit->from.n, edit->to.p, edit->to.n);
	return string(span_n(both, edit->from.n + edit->to.n));
}

static json_t *edit_arguments(const struct directive *d, const char *own_path)
{
	cleanup_json json_t *list = json_array();

	for (const struct directive_edit *edit = d->edits; edit; edit = edit->next) {
		json_t *one = json_make(NULL, "{s:o, s:o}", "from", string(edit->from), "to", edit_to(d, edit));
		if (json_array_append_new(list, one))
			return NULL;
	}
	return json_make(NULL, "{s:o, s:o}", "path", string(span_of(own_path)), "edits", steal(&list));
}

static json_t *readme_arguments(const struct directive *d, const char *own_path)
{
	cleanup_free char *target = mem_printf("%s%s", own_path, span_ends(span_of(own_path), "/") ? "" : "/");

	if (!target)
		return NULL;
	return json_make(NULL, "{s:o, s:o}", "target", string(span_of(target)), "content", string(d->text));
}

static int add_calls(struct directive_calls *out, const struct directive *d, const char *own_path, struct err *e)
{
	switch (d->row->kind) {
	case DIRECTIVE_READ:
		if (!d->items)
			return add_call(out, "read_file", json_make(NULL, "{s:o}", "path", string(d->text)), e);
		return add_targets(out, d, e);
	case DIRECTIVE_CREATE:
	case DIRECTIVE_DELETE:
		return add_targets(out, d, e);
	case DIRECTIVE_DELEGATE:
		return add_call(out, "delegate", delegate_items(d), e);
	case DIRECTIVE_SPAWN:
		return add_call(out, "spawn", spawn_items(d), e);
	case DIRECTIVE_CHANGE:
		return add_call(out, "write_file",
			json_make(NULL, "{s:o, s:o}", "path", string(span_of(own_path)), "content", string(d->text)),
			e);
	case DIRECTIVE_REPLACE:
	case DIRECTIVE_INSERT:
		return add_call(out, "edit_file", edit_arguments(d, own_path), e);
	case DIRECTIVE_SCRATCH:
		return add_call(
			out, "note", json_make(NULL, "{s:s, s:o}", "key", "scratch", "value", string(d->text)), e);
	case DIRECTIVE_UPDATE_DOCUMENTATION:
		return add_call(out, "document",
			json_make(NULL, "{s:s, s:o}", "target", "documentation", "content", string(d->text)), e);
	case DIRECTIVE_UPDATE_README:
		return add_call(out, "document", readme_arguments(d, own_path), e);
	case DIRECTIVE_RUN:
	case DIRECTIVE_RUN_COMMAND:
		if (d->no_timeout)
			return add_call(out, "shell",
				json_make(NULL, "{s:o, s:i}", "command", string(d->text), "timeout_s", 0), e);
		return add_call(out, "shell", json_make(NULL, "{s:o}", "command", string(d->text)), e);
	case DIRECTIVE_RUN_TESTS:
		if (!d->text.p)
			return add_call(out, "run_tests", json_make(NULL, "{}"), e);
		return add_call(out, "run_tests", json_make(NULL, "{s:o}", "path", string(d->text)), e);
	case DIRECTIVE_INSTALL_DEPENDENCIES:
		return add_call(out, "install_dependencies", json_make(NULL, "{s:o}", "file", string(d->text)), e);
	case DIRECTIVE_GIT_INIT:
		return add_call(out, "git_init", json_make(NULL, "{}"), e);
	case DIRECTIVE_GIT_COMMIT:
		return add_call(out, "git_commit", json_make(NULL, "{s:o}", "message", string(d->text)), e);
	case DIRECTIVE_GIT_BRANCH:
	case DIRECTIVE_GIT_MERGE:
		return add_call(out, d->row->word, json_make(NULL, "{s:o}", "name", string(d->text)), e);
	case DIRECTIVE_WAIT:
		return add_call(out, "wait", json_make(NULL, "{}"), e);
	case DIRECTIVE_FINISH:
		return add_call(out, "finish", json_make(NULL, "{s:o}", "result", string(d->text)), e);
	case DIRECTIVE_KINDS:
		break;
	}
	BUG("directive %d", (int)d->row->kind);
}

static bool needs_own_path(enum directive_kind kind)
{
	return kind == DIRECTIVE_CHANGE || kind == DIRECTIVE_REPLACE || kind == DIRECTIVE_INSERT ||
	       kind == DIRECTIVE_UPDATE_README;
}

int directive_calls(const struct directive *d, const char *own_path, struct directive_calls *out, struct err *e)
{
	*out = (struct directive_calls){0};
	if (needs_own_path(d->row->kind) && !own_path)
		return err_set(
			e, ERR_INVALID, "%s: this agent has no file or folder of its own to write", d->row->word);
	if (add_calls(out, d, own_path, e)) {
		directive_calls_release(out);
		return -1;
	}
	return 0;
}

void directive_calls_release(struct directive_calls *c)
{
	for (size_t i = 0; i < c->count; i++)
		json_decref(c->calls[i].arguments);
	mem_free(c->calls);
	*c = (struct directive_calls){0};
}
