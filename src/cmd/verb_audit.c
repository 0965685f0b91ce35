/* audit: shows who did what at a server. */
#include "base/caps.h"
#include "cmd/action.h"
#include "http/url.h"

static const struct verb_option options[] = {
	{"who", "ID", false, "only what this person did"},
	{"what", "NAME", false, "only this: key.create, login, denied, ..."},
	{"object", "KIND/ID", false, "only what was done to this"},
	{"limit", "N", false, "at most so many (default 50; -1: all)"},
	{"json", NULL, false, "print a JSON array"},
	{NULL},
};

static int list(struct remote *r, const struct args *args, struct err *e)
{
	static const char *const fields[] = {"seq", "at@", "who", "what", "object", "detail", NULL};
	static const char *const filters[] = {"who", "what", "object", NULL};
	cleanup_buf struct buf path = BUF_INIT(64 * KIB);
	int64_t limit;
	if (args_int(args, "limit", -1, 1000000, 50, &limit, e))
		return -1;
	buf_adds(&path, "/api/v1/audit?");
	for (const char *const *f = filters; *f; f++)
		if (args_get(args, *f)) {
			buf_addf(&path, "%s=", *f);
			url_encode(args_get(args, *f), &path);
			buf_addc(&path, '&');
		}
	cleanup_json json_t *rows =
		buf_check(&path, "the filters", e) ? NULL : remote_list(r, path.data, (int)limit, e);
	return rows ? action_print(args, rows, fields, "nothing", e) : -1;
}

static int audit(const struct args *args, struct err *e)
{
	static const struct action actions[] = {{"list", 0, list}, {NULL, 0, NULL}};
	return action_do(args, actions, e);
}

const struct verb verb_audit = {
	.name = "audit",
	.words = "",
	.summary = "show who did what at a server, newest first",
	.help = "Without --url and MUSTER_URL, whoever serves the data folder is asked.",
	.options = options,
	.run = audit,
};
