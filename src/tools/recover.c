/* recover: tells what a stop of the program left of a file that a call was to change. The last snapshot has the content
 * from before the call, because nothing else changes the copy until the snapshot of the last change is durable. */
#include <string.h>

#include "base/caps.h"
#include "tools/private.h"

int tool_before(struct tool_call *c, const char *path, struct blob **content, bool *existed, struct err *e)
{
	const struct hash *root = copy_snapshot(c->env->copy);
	struct err why = ERR_INIT;
	*content = NULL;
	*existed = false;
	if (!root)
		return 0;
	*content = snapshot_file(c->env->store, root, path, &why);
	*existed = *content || why.code == ERR_INVALID;
	return *existed || why.code == ERR_NOT_FOUND ? 0 : err_set(e, why.code, "%s", why.text);
}

int tool_judge_file(struct tool_call *c, const char *path, const struct blob *before, struct span after, struct err *e)
{
	cleanup_buf struct buf now = BUF_INIT(CAP_FILE_WRITE);
	struct err why = ERR_INIT;
	struct hash wanted, present = {{0}};
	char wanted_hex[HASH_HEX], present_hex[HASH_HEX];
	files_tidy(c->env->files, path);
	bool exists = !files_read(c->env->files, path, &now, &present, &why);
	if (!exists && why.code != ERR_NOT_FOUND && why.code != ERR_INVALID && why.code != ERR_TOO_LARGE) {
		err_set(e, why.code, "%s", why.text);
		return TOOL_LOST;
	}
	if (exists && span_eq(buf_span(&now), after))
		return TOOL_DONE;
	if (exists ? before && span_eq(buf_span(&now), blob_span(before)) : !before && why.code == ERR_NOT_FOUND)
		return TOOL_RUN_AGAIN;
	hash_bytes(&wanted, NULL, after);
	hash_hex(&wanted, wanted_hex);
	hash_hex(&present, present_hex);
	buf_addf(&c->content,
		"%s was changed by somebody else meanwhile: it %s (%.12s), which is neither what it was before this "
		"call nor what the call would have made of it (%.12s). ",
		path, exists ? "has other content now" : "is no file any more", exists ? present_hex : "gone",
		wanted_hex);
	return TOOL_LOST;
}
