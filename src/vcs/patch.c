/* patch: git_patch_from_buffers, cut to the room there is. */
#include "vcs/patch.h"

#include "base/caps.h"
#include "vcs/libgit.h"

#define CUT_LINE "… the difference is longer and cut here\n"

int patch_add_text(struct span text, struct buf *out, struct err *e)
{
	size_t reserve = sizeof CUT_LINE, room = out->cap - out->len;
	bool cut = text.n + reserve > room;

	if (cut && room < reserve) /* no room even for the note: an earlier one has said it */
		return 1;
	if (cut) {
		text.n = room - reserve;
		while (text.n && text.p[text.n - 1] != '\n')
			text.n--;
	}
	buf_addspan(out, text);
	if (cut)
		buf_adds(out, CUT_LINE);
	return buf_check(out, "the difference", e) ? -1 : cut;
}

static int add_note(const char *path, const char *note, struct buf *out, struct err *e)
{
	cleanup_buf struct buf line = BUF_INIT(64 * KIB);

	buf_addf(&line, "diff --git a/%s b/%s\n%s\n", path, path, note);
	return buf_check(&line, path, e) ? -1 : patch_add_text(buf_span(&line), out, e);
}

int patch_add_large(const char *path, struct buf *out, struct err *e)
{
	return add_note(path, "the file is too large to be compared", out, e);
}

int patch_add(const char *path, const struct blob *before, const struct blob *after, struct buf *out, struct err *e)
{
	git_diff_options options = GIT_DIFF_OPTIONS_INIT;
	cleanup_git(git_patch) *patch = NULL;
	git_buf text = {0};
	int rc;

	if (before && after && before->size == after->size && memcmp(before->data, after->data, after->size) == 0)
		return add_note(path, "only the mode has changed", out, e);
	if (libgit_setup(e))
		return -1;
	rc = LIBGIT(git_patch_from_buffers(&patch, before ? before->data : NULL, before ? before->size : 0,
		before ? path : NULL, after ? after->data : NULL, after ? after->size : 0, after ? path : NULL,
		&options));
	if (rc == 0)
		rc = LIBGIT(git_patch_to_buf(&text, patch));
	if (rc < 0)
		return libgit_err(e, rc, "difference of %s", path);
	rc = patch_add_text(span_n(text.ptr, text.size), out, e);
	git_buf_dispose(&text);
	return rc;
}
