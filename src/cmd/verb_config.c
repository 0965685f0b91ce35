/* config: shows and changes who may come in at a server. */
#include "cmd/action.h"
#include "cmd/out.h"

static const struct verb_option options[] = {
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

#define SETTINGS "/api/v1/auth/settings"

static int show(struct remote *r, const struct args *args, struct err *e)
{
	cleanup_json json_t *all = remote_ask(r, "GET", SETTINGS, NULL, e);
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	const char *name;
	json_t *value;
	if (!all)
		return -1;
	if (args_has(args, "json"))
		return out_json(all, e);
	json_object_foreach(all, name, value)
	{
		buf_addf(&out, "%s=", name);
		json_print(value, &out);
		buf_addc(&out, '\n');
	}
	return out_write(&out, e);
}

static int set(struct remote *r, const struct args *args, struct err *e)
{
	cleanup_json json_t *body = json_make(e, "{}");
	const char *word, *value;
	struct span name;
	for (int i = 1; body && (word = args_word(args, i)); i++) {
		if (args_pair("config set", word, &name, &value, e))
			return -1;
		json_t *v = json_parse(span_of(value), word, e);
		if (!v || json_object_setn_new(body, name.p, name.n, v))
			return e->code == ERR_OK ? err_nomem(e) : -1;
	}
	cleanup_json json_t *reply = body ? remote_ask(r, "PATCH", SETTINGS, body, e) : NULL;
	return reply ? show(r, args, e) : -1;
}

static int config(const struct args *args, struct err *e)
{
	static const struct action actions[] = {{"show", 0, show}, {"set", 1, set}, {NULL, 0, NULL}};
	return action_do(args, actions, e);
}

const struct verb verb_config = {
	.name = "config",
	.words = "[show|set] [NAME=VALUE]",
	.most = -1,
	.summary = "show and change who may come in at a server: registration, verify_email",
	.help = "VALUE is JSON: muster config set registration=true. What a process is started with stands in "
		"config.yaml.",
	.options = options,
	.run = config,
};
