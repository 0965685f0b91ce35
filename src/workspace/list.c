/* list: what lies in a folder, for programs (JSON) and for prompts (text).
 * File names are other people's text: in JSON invalid UTF-8 becomes U+FFFD, in the tree control characters are shown
 * as escapes so that a name cannot forge a line. */
#include <fcntl.h>

#include "base/caps.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "workspace/private.h"

static const char *type_of(const struct stat *st)
{
	return S_ISREG(st->st_mode)   ? "file"
	       : S_ISDIR(st->st_mode) ? "folder"
	       : S_ISLNK(st->st_mode) ? "link"
				      : "other";
}

static int list_add(json_t *out, const char *name, const struct stat *st, struct err *e)
{
	json_t *text = json_from_span(span_of(name)), *entry;

	if (!text)
		return err_nomem(e);
	entry = json_make(e, "{s:o, s:s, s:I}", "name", text, "type", type_of(st), "size",
		(json_int_t)(S_ISREG(st->st_mode) ? st->st_size : 0));
	if (!entry)
		return -1;
	return json_array_append_new(out, entry) ? err_nomem(e) : 0;
}

int json_more(json_t *array, int64_t more, struct err *e)
{
	json_t *last = more > 0 ? json_make(e, "{s:I}", "more", (json_int_t)more) : NULL;

	if (more <= 0)
		return 0;
	return !last ? -1 : json_array_append_new(array, last) ? err_nomem(e) : 0;
}

json_t *files_list(struct files *f, const char *path, struct err *e)
{
	cleanup_names struct names names = NAMES_INIT;
	cleanup_json json_t *out = json_array();
	cleanup_fd int dir = files_open_at(f, path, O_RDONLY | O_DIRECTORY, e);
	size_t more = 0;

	if (dir < 0 || names_read(dir, CAP_DIR_ENTRIES, &names, e))
		return NULL;
	if (!out) {
		err_nomem(e);
		return NULL;
	}
	for (int folders = 1; folders >= 0; folders--)
		for (size_t i = 0; i < names.count; i++) {
			struct stat st;

			if (beneath_is_temp(names.items[i]))
				continue;
			if (SEAM(fstatat(dir, names.items[i], &st, AT_SYMLINK_NOFOLLOW))) {
				if (errno == ENOENT)
					continue; /* gone since the folder was read */
				err_errno(e, errno, "%s/%s", path, names.items[i]);
				return NULL;
			}
			if (S_ISDIR(st.st_mode) != folders)
				continue;
			if (json_array_size(out) >= CAP_LIST_ENTRIES)
				more++;
			else if (list_add(out, names.items[i], &st, e))
				return NULL;
		}
	if (json_more(out, (int64_t)(more + names.left_out), e))
		return NULL;
	return steal(&out);
}

/* ---- the tree as text ---- */

struct tree {
	struct buf *out;
	int max, lines, more;
};

static bool tree_skip(void *ctx, const char *name)
{
	(void)ctx;
	return folder_is_dependency(name);
}

static bool tree_line(void *ctx, const struct walk_entry *entry)
{
	struct tree *t = ctx;
	char target[PATH_MAX];
	ssize_t n;

	if (t->lines >= t->max) {
		t->more++;
		return true;
	}
	t->lines++;
	for (int i = 0; i < entry->depth; i++)
		buf_adds(t->out, "  ");
	utf8_visible(span_of(entry->name), false, t->out);
	if (entry->collapsed) {
		buf_addf(t->out, "/ (%u entries, not shown)", entry->entries);
	} else if (S_ISDIR(entry->st.st_mode)) {
		buf_addc(t->out, '/');
	} else if (S_ISLNK(entry->st.st_mode)) {
		n = SEAM(readlinkat(entry->dir, entry->name, target, sizeof target));
		buf_adds(t->out, " -> ");
		utf8_visible(span_n(target, n < 0 ? 0 : (size_t)n), false, t->out);
	}
	buf_addc(t->out, '\n');
	return true;
}

int files_tree(struct files *f, const char *path, int max, struct buf *out, struct err *e)
{
	struct tree t = {.out = out, .max = max};
	struct walk w = {.skip = tree_skip, .each = tree_line, .ctx = &t};

	if (walk_run(f, path, &w, e))
		return -1;
	if (t.more)
		buf_addf(out, "… %d more\n", t.more);
	if (w.incomplete)
		buf_adds(out, "… and entries that could not be listed\n");
	return buf_check(out, "the project tree", e);
}
