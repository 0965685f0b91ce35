/* users: lists, invites and keeps the people of a server. */
#include <string.h>

#include "base/mem.h"
#include "cmd/action.h"
#include "cmd/out.h"

static const struct verb_option options[] = {
	{"role", "ROLE", false, "invite: viewer, member, admin or owner (default: member)"},
	{"limit", "N", false, "list: at most so many (default: all)"},
	{"json", NULL, false, "print JSON"},
	{NULL},
};

static int list(struct remote *r, const struct args *args, struct err *e)
{
	static const char *const fields[] = {"id", "role", "disabled", "created@", "email", "name", NULL};
	int64_t limit;
	if (args_int(args, "limit", -1, 1000000, -1, &limit, e))
		return -1;
	cleanup_json json_t *rows = remote_list(r, "/api/v1/people", (int)limit, e);
	return rows ? action_print(args, rows, fields, "nobody has an account", e) : -1;
}

/* The id of the person with this id or address. */
static char *person(struct remote *r, const char *name, struct err *e)
{
	cleanup_json json_t *rows = remote_list(r, "/api/v1/people", -1, e);
	static const char *const fields[] = {"id", "email", NULL};
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row) for (const char *const *f = fields; *f;
					      f++) if (json_str(row, *f) && !strcmp(json_str(row, *f), name))
	{
		char *out = mem_strdup(json_str(row, "id"));
		if (!out)
			err_nomem(e);
		return out;
	}
	if (rows)
		err_set(e, ERR_NOT_FOUND, "there is nobody with the id or address %.200s; `muster users` lists them",
			name);
	return NULL;
}

static int done(const char *what, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(4096);
	buf_addf(&out, "%s\n", what);
	return out_write(&out, e);
}

/* A request about the person that the second word names; to: what stands behind their id. */
static int about(struct remote *r, const struct args *args, const char *method, const char *to, const json_t *body,
	const char *thanks, struct err *e)
{
	cleanup_free char *id = person(r, args_word(args, 1), e);
	cleanup_free char *path = id ? mem_printf("/api/v1/people/%s%s", id, to) : NULL;
	cleanup_json json_t *reply = path ? remote_ask(r, method, path, body, e) : NULL;
	if (id && !path)
		return err_nomem(e);
	return reply ? done(thanks, e) : -1;
}

static int disable(struct remote *r, const struct args *args, struct err *e)
{
	return about(r, args, "POST", "/disable", NULL, "kept out; what they had open has ended", e);
}

static int enable(struct remote *r, const struct args *args, struct err *e)
{
	return about(r, args, "POST", "/enable", NULL, "let in again", e);
}

static int delete (struct remote *r, const struct args *args, struct err *e)
{
	return about(r, args, "DELETE", "", NULL, "deleted, with sessions and keys", e);
}

static int role(struct remote *r, const struct args *args, struct err *e)
{
	cleanup_json json_t *body = json_make(e, "{s:s}", "role", args_word(args, 2));
	return body ? about(r, args, "PUT", "/role", body, "changed", e) : -1;
}

static int invite(struct remote *r, const struct args *args, struct err *e)
{
	const char *as = args_get(args, "role");
	cleanup_json json_t *body = json_make(e, "{s:s, s:s}", "role", as ? as : "member", "email", args_word(args, 1));
	cleanup_json json_t *made = body ? remote_ask(r, "POST", "/api/v1/invites", body, e) : NULL;
	if (!made || args_has(args, "json"))
		return made ? out_json(made, e) : -1;
	out_say(span_of("the invitation's token, shown once:\n"));
	return done(json_str(made, "token"), e);
}

static int users(const struct args *args, struct err *e)
{
	static const struct action actions[] = {{"list", 0, list}, {"invite", 1, invite}, {"role", 2, role},
		{"disable", 1, disable}, {"enable", 1, enable}, {"delete", 1, delete}, {NULL, 0, NULL}};
	return action_do(args, actions, e);
}

const struct verb verb_users = {
	.name = "users",
	.words = "[list|invite|role|disable|enable|delete] [PERSON] [ROLE]",
	.most = 3,
	.summary = "list, invite and keep the people of a server",
	.help = "PERSON is an id or an e-mail address. Without --url and MUSTER_URL, whoever serves the data folder is "
		"asked.",
	.options = options,
	.run = users,
};
