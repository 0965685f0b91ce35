/* modes: lists the kinds of jobs. */
#include "base/mem.h"
#include "cmd/app.h"
#include "cmd/out.h"
#include "cmd/remote.h"
#include "flow/catalog.h"
#include "flow/mode.h"
#include "http/url.h"

static const struct verb_option options[] = {
	{"json", NULL, false, "print JSON"},
	{"names", NULL, false, "print only the ids, a line each"},
	{NULL},
};

static int print_list(const json_t *modes, struct err *e)
{
	static const char *const heads[] = {"MODE", "ENGINE", "WHAT IT DOES"};
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	size_t i;
	json_t *m;
	struct table t;
	table_init(&t, 3);
	for (i = 0; i < 3; i++)
		table_adds(&t, heads[i]);
	json_array_foreach(modes, i, m)
	{
		const json_t *error = json_get(m, "error");
		table_adds(&t, json_str(m, "id"));
		table_adds(&t, error ? "broken" : json_str(m, "engine"));
		table_adds(&t, error ? json_str(error, "message") : json_str(m, "description"));
	}
	int failed = table_print(&t, &out, e);
	table_release(&t);
	buf_adds(&out, "\n`muster modes MODE` shows its inputs, `muster run MODE --input NAME=VALUE` starts it.\n");
	return failed ? -1 : out_write(&out, e);
}

static void add_list(struct buf *out, const char *label, const json_t *list)
{
	size_t i;
	json_t *one;
	if (!json_array_size(list))
		return;
	buf_addf(out, "%-9s", label);
	json_array_foreach(list, i, one)
	{
		buf_adds(out, i ? ", " : " ");
		text_fit(span_of(json_is_string(one) ? json_string_value(one) : json_str(one, "name")), 100, out);
	}
	buf_addc(out, '\n');
}

static void add_inputs(struct buf *out, const json_t *inputs)
{
	size_t i;
	json_t *in;
	json_array_foreach(inputs, i, in)
	{
		cleanup_free char *choices = json_get(in, "options") ? json_text(json_get(in, "options")) : NULL;
		buf_addf(out, "  --input %s=…  (%s%s%s%s)  ", json_str(in, "name"), json_str(in, "type"),
			choices ? " " : "", choices ? choices : "",
			json_bool(in, "required", false) ? ", required" : "");
		text_fit(json_span(in, json_str(in, "help") ? "help" : "label"), 200, out);
		buf_addc(out, '\n');
	}
}

static int print_one(const json_t *m, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	cleanup_free char *settings = json_text(json_get(m, "settings"));
	size_t i;
	json_t *tip;
	buf_addf(&out, "%s: ", json_str(m, "id"));
	text_fit(json_span(m, "name"), 100, &out);
	buf_addc(&out, '\n');
	text_fit(json_span(m, "description"), 1000, &out);
	buf_adds(&out, "\n\ninputs\n");
	add_inputs(&out, json_get(m, "inputs"));
	buf_addc(&out, '\n');
	add_list(&out, "outputs", json_get(m, "outputs"));
	add_list(&out, "gates", json_get(m, "gates"));
	add_list(&out, "roles", json_get(m, "roles"));
	buf_addf(&out, "%-9s %s\n%-9s ", "settings", settings ? settings : "", "folder");
	text_fit(json_span(m, "dir"), 400, &out);
	buf_addc(&out, '\n');
	json_array_foreach(json_get(m, "tips"), i, tip)
	{
		buf_adds(&out, i ? "- " : "\n- ");
		text_fit(span_of(json_string_value(tip)), 400, &out);
		buf_addc(&out, '\n');
	}
	return out_write(&out, e);
}

static json_t *mode_there(struct remote *r, const char *id, struct err *e)
{
	cleanup_buf struct buf path = BUF_INIT(64 * KIB);
	buf_adds(&path, "/api/v1/modes/");
	url_encode(id, &path);
	return buf_check(&path, "MODE", e) ? NULL : remote_ask(r, "GET", path.data, NULL, e);
}

/* r: the server that is asked; NULL: none. */
static int show_one(const struct app *a, struct remote *r, const char *id, bool json, struct err *e)
{
	struct mode *m = r ? NULL : mode_find(id, a->own_modes, a->modes_dir, e);
	cleanup_json json_t *v = r ? mode_there(r, id, e) : m ? mode_json(m, e) : NULL;
	int failed = !v ? -1 : json ? out_json(v, e) : print_one(v, e);
	if (m)
		mode_free(m);
	return failed;
}

static int modes(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	size_t i;
	json_t *m;
	struct remote *r cleanup_remote = remote_named(args) ? remote_server(remote_named(args), NULL, e) : NULL;
	if (e->code != ERR_OK || app_open(&a, args, APP_FOLDERS, e))
		return -1;
	if (args_word(args, 0))
		return show_one(&a, r, args_word(args, 0), args_has(args, "json"), e);
	struct bundle_places places = app_places(&a);
	cleanup_json json_t *list = r ? remote_ask(r, "GET", "/api/v1/modes", NULL, e) : catalog_modes(&places, e);
	if (!list)
		return -1;
	if (args_has(args, "json"))
		return out_json(list, e);
	if (!args_has(args, "names"))
		return print_list(list, e);
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	json_array_foreach(list, i, m) buf_addf(&out, "%s\n", json_str(m, "id"));
	return out_write(&out, e);
}

const struct verb verb_modes = {
	.name = "modes",
	.words = "[MODE]",
	.most = 1,
	.summary = "list the modes, or show one: its inputs, gates and settings",
	.help = "Modes are looked for in <data folder>/modes, then among the shipped ones. A folder dropped there is a "
		"mode.",
	.options = options,
	.run = modes,
};
