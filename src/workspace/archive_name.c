/* archive_name: names of entries. */
#include "workspace/archive_name.h"

#include <limits.h>
#include <stdio.h>
#include <strings.h>

#include "base/utf8.h"
#include "vcs/beneath.h"

void archive_shown(struct span name, char out[ARCHIVE_SHOWN])
{
	cleanup_buf struct buf text = BUF_INIT(4096);

	name.n = utf8_cut(name, 50); /* each byte may become four */
	utf8_visible(name, false, &text);
	snprintf(out, ARCHIVE_SHOWN, "%.*s", (int)text.len, buf_span(&text).p);
}

static int refuse(struct err *e, enum err_code code, struct span name, const char *why)
{
	char shown[ARCHIVE_SHOWN];

	archive_shown(name, shown);
	return err_set(e, code, "the name \"%s\" %s", shown, why);
}

/* Characters that HFS+ leaves out when it compares names. */
static bool is_ignorable(uint32_t c)
{
	return (c >= 0x200c && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x206a && c <= 0x206f) ||
	       c == 0xfeff;
}

/* Is it `.git` on some system? */
static bool means_git(struct span part)
{
	char plain[8];
	size_t n = 0;
	uint32_t c;

	while (part.n) {
		size_t step = utf8_char(part, &c);

		part = span_n(part.p + step, part.n - step);
		if (is_ignorable(c))
			continue;
		if (c == ':')
			break;
		if (n + 1 == sizeof plain) {
			if (c == ' ' || c == '.') /* these may yet be at the end */
				continue;
			return false;
		}
		plain[n++] = c < 0x80 ? (char)c : '?';
	}
	while (n && (plain[n - 1] == ' ' || plain[n - 1] == '.'))
		n--;
	plain[n] = 0;
	return strcasecmp(plain, ".git") == 0 || strcasecmp(plain, "git~1") == 0;
}

/* The next part, cut at '/', or at '\' too. */
static bool next_part(struct span *rest, bool backslash, struct span *part)
{
	size_t n = 0;

	if (!rest->n)
		return false;
	while (n < rest->n && rest->p[n] != '/' && !(backslash && rest->p[n] == '\\'))
		n++;
	*part = span_n(rest->p, n);
	n += n < rest->n;
	*rest = span_n(rest->p + n, rest->n - n);
	return true;
}

/* What is wrong with a part, also where '\' divides names. */
static const char *foreign_trick(struct span part)
{
	struct span inner;

	if (span_is(part, ".git"))
		return NULL;
	while (next_part(&part, true, &inner)) {
		if (span_is(inner, ".."))
			return "leads out of its folder";
		if (means_git(inner))
			return "is .git in disguise";
	}
	return NULL;
}

static bool is_absolute(struct span name)
{
	bool letter = name.n && ((name.p[0] | 0x20) >= 'a' && (name.p[0] | 0x20) <= 'z');

	return name.n && (name.p[0] == '/' || name.p[0] == '\\' ||
				 (letter && name.n > 2 && name.p[1] == ':' && (name.p[2] == '/' || name.p[2] == '\\')));
}

int archive_name(struct span text, struct archive_name *out, struct err *e)
{
	const char *trick;
	struct span rest = text, part;
	size_t len = 0;
	int depth = 0;

	*out = (struct archive_name){.git = false};
	if (!text.n || memchr(text.p, 0, text.n) || !utf8_valid(text))
		return refuse(e, ERR_INVALID, text, text.n ? "is not UTF-8; pack it with UTF-8 names" : "is empty");
	if (is_absolute(text))
		return refuse(e, ERR_INVALID, text, "is absolute");
	while (next_part(&rest, false, &part)) {
		if (!part.n || span_is(part, "."))
			continue;
		trick = foreign_trick(part);
		if (trick)
			return refuse(e, ERR_INVALID, text, trick);
		if (part.n > NAME_MAX || len + part.n + 1 > CAP_ARCHIVE_PATH || ++depth > CAP_ARCHIVE_DEPTH)
			return refuse(e, ERR_TOO_LARGE, text, "is too long or too deep");
		if (len)
			out->path[len++] = '/';
		memcpy(out->path + len, part.p, part.n);
		out->path[len + part.n] = 0;
		if (beneath_is_temp(out->path + len))
			return refuse(e, ERR_INVALID, text, "is one that only muster's own passing files have");
		len += part.n;
		out->git |= span_is(part, ".git");
	}
	return 0;
}

bool archive_link_ok(const char *path, struct span target)
{
	struct span rest = span_of(path), part;
	int depth = -1; /* of the folder that the link lies in */

	if (!target.n || target.n >= PATH_MAX || !utf8_valid(target) || is_absolute(target))
		return false;
	while (next_part(&rest, false, &part))
		depth++;
	while (next_part(&target, false, &part)) {
		if (!part.n || span_is(part, "."))
			continue;
		if (means_git(part))
			return false;
		depth += span_is(part, "..") ? -1 : 1;
		if (depth < 0)
			return false;
	}
	return true;
}

int archive_locale_enter(struct archive_locale *l, struct err *e)
{
	l->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (!l->utf8)
		return err_set(e, ERR_INTERNAL, "this system has no locale C.UTF-8; install Debian's libc-bin");
	l->was = uselocale(l->utf8);
	return 0;
}

void archive_locale_leave(struct archive_locale *l)
{
	uselocale(l->was);
	freelocale(l->utf8);
}
