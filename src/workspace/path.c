/* path: from what somebody wrote to a normal form. Says only whether the text is a path; what is on disk, links
 * included, is place.c's and the kernel's business. */
#include <limits.h>

#include "base/utf8.h"
#include "vcs/wild.h"
#include "workspace/private.h"

static int part_ok(struct span part, struct span text, struct err *e)
{
	if (part.n > NAME_MAX)
		return err_set(e, ERR_INVALID, "a name in the path is longer than %d bytes; shorten it", NAME_MAX);
	if (span_is(part, ".."))
		return err_set(e, ERR_OUTSIDE,
			"%.*s: '..' is not allowed; write the path from the project's folder downwards", (int)text.n,
			text.p);
	if (span_is(part, ".git"))
		return err_set(e, ERR_DENIED,
			"%.*s: .git belongs to git and is changed by the git tools only; choose another path",
			(int)text.n, text.p);
	return 0;
}

int files_path(struct span text, char *out, size_t room, struct err *e)
{
	struct span rest = text, part;
	size_t n = 0;

	BUG_ON(room < 2);
	if (text.n == 0)
		return err_set(e, ERR_INVALID,
			"the path is empty; write one relative to the project's folder, such as "
			"src/main.c");
	if (text.n >= PATH_MAX)
		return err_set(e, ERR_INVALID, "the path is longer than %d bytes; shorten it", PATH_MAX - 1);
	if (memchr(text.p, 0, text.n))
		return err_set(e, ERR_INVALID, "the path contains a NUL byte; remove it");
	if (!utf8_valid(text))
		return err_set(e, ERR_INVALID, "the path is not valid UTF-8; rename the file");
	if (text.p[0] == '/')
		return err_set(e, ERR_OUTSIDE,
			"%.*s: paths are relative to the project's folder; leave the '/' in front away", (int)text.n,
			text.p);
	for (size_t i = 0; i + 1 < text.n; i++)
		if (text.p[i] == '/' && text.p[i + 1] == '/')
			return err_set(
				e, ERR_INVALID, "%.*s: there is an empty part ('//'); remove it", (int)text.n, text.p);
	while (wild_part(&rest, &part)) {
		if (part_ok(part, text, e))
			return -1;
		if (span_is(part, "."))
			continue;
		if (n + 1 + part.n >= room)
			return err_set(e, ERR_INVALID, "the path is too long; shorten it");
		if (n)
			out[n++] = '/';
		memcpy(out + n, part.p, part.n);
		n += part.n;
	}
	if (n == 0)
		out[n++] = '.';
	out[n] = 0;
	return 0;
}
