/* request: see request.h. */
#include "cmd/request.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "config/nearest.h"
#include "config/yaml.h"

#define CAP_INPUT (4 * MIB)

char *absolute_path(const char *path, struct err *e)
{
	char cwd[PATH_MAX];
	char *out = NULL;
	if (*path == '/')
		out = mem_strdup(path);
	else if (getcwd(cwd, sizeof(cwd)))
		out = fs_join(cwd, path);
	else
		err_errno(e, errno, "the current folder");
	if (!out && e->code == ERR_OK)
		err_nomem(e);
	return out;
}

/* ---- values ---- */

/* The value of --input: itself, a file's content, or standard input. */
static json_t *input_value(const char *name, const char *value, struct err *e)
{
	cleanup_buf struct buf text = BUF_INIT(CAP_INPUT);
	if (!strcmp(value, "-")) {
		if (fs_read_fd(STDIN_FILENO, &text, e)) {
			err_wrap(e, "--input %s: standard input", name);
			return NULL;
		}
	} else if (*value == '@') {
		if (fs_read(value + 1, &text, e)) {
			err_wrap(e, "--input %s: %s", name, value + 1);
			return NULL;
		}
	} else {
		buf_adds(&text, value);
	}
	if (!utf8_valid(buf_span(&text))) {
		err_set(e, ERR_INVALID, "--input %s is not UTF-8 text", name);
		return NULL;
	}
	if (buf_check(&text, "--input", e))
		return NULL;
	return json_from_span(buf_span(&text));
}

/* JSON where it parses, else text. */
static json_t *set_value(const char *value)
{
	struct err ignored = ERR_INIT;
	json_t *out = json_parse(span_of(value), "--set", &ignored);
	return out ? out : json_from_span(span_of(value));
}

/* A second value of the same name makes a list. */
static int put_input(json_t *inputs, const char *name, json_t *value)
{
	json_t *before = json_object_get(inputs, name);
	if (!before || !value)
		return json_put(inputs, name, value);
	if (json_is_array(before))
		return json_array_append_new(before, value);
	json_t *list = json_pack("[O,o]", before, value);
	return list ? json_put(inputs, name, list) : -1;
}

static json_t *pairs(const struct args *args, const char *option, struct err *e)
{
	json_t *out = json_object();
	const char *text, *value;
	struct span key;
	for (int i = 0; out && (text = args_next(args, option, &i));) {
		cleanup_free char *name = NULL;
		bool input = !strcmp(option, "input");
		if (!args_pair(option, text, &key, &value, e) && !(name = span_dup(key)))
			err_nomem(e);
		json_t *v = !name ? NULL : input ? input_value(name, value, e) : set_value(value);
		if (!v || (input ? put_input(out, name, v) : json_put(out, name, v))) {
			json_decref(out);
			if (e->code == ERR_OK)
				err_nomem(e);
			return NULL;
		}
	}
	if (!out)
		err_nomem(e);
	return out;
}

static json_t *policy_file(const char *path, struct err *e)
{
	struct yaml_doc doc;
	if (yaml_load(&doc, path, e))
		return NULL;
	const json_t *rules = json_is_object(doc.root) ? json_get(doc.root, "policy") : doc.root;
	json_t *out = NULL;
	if (json_is_array(rules))
		out = json_incref((json_t *)rules);
	else
		yaml_error(&doc, "", e, "a list of rules is expected: - allow: \"shell(make *)\"");
	yaml_release(&doc);
	return out;
}

char *request_model(const struct args *args, struct err *e)
{
	const char *script = args_get(args, "script"), *model = args_get(args, "model");
	if (script && model) {
		err_set(e, ERR_USAGE, "--script and --model exclude each other");
		return NULL;
	}
	if (model)
		return mem_strdup(model);
	if (!script)
		return NULL;
	cleanup_free char *path = absolute_path(script, e);
	if (!path)
		return NULL;
	if (!fs_exists(path)) {
		err_set(e, ERR_NOT_FOUND, "there is no script %s", script);
		return NULL;
	}
	return mem_printf("script:%s", path);
}

/* ---- the whole ---- */

static int put_text(json_t *request, const char *key, const char *text)
{
	return text ? json_put(request, key, json_string(text)) : 0;
}

static int not_text(struct err *e)
{
	return err_set(e, ERR_INVALID, "an option's value is not UTF-8 text");
}

static int put_options(const struct args *args, json_t *request, struct err *e)
{
	double budget;
	cleanup_free char *model = request_model(args, e);
	if (e->code != ERR_OK || args_number(args, "budget", 0, 1e6, -1, &budget, e))
		return -1;
	json_t *policy = args_get(args, "policy") ? policy_file(args_get(args, "policy"), e) : NULL;
	if (e->code != ERR_OK)
		return -1;
	bool bad = put_text(request, "model", model) || put_text(request, "check", args_get(args, "check")) ||
		   put_text(request, "title", args_get(args, "title"));
	if (policy)
		bad |= json_put(request, "policy", policy) != 0;
	if (budget >= 0)
		bad |= json_put(request, "budget_usd", json_real(budget)) != 0;
	return bad ? not_text(e) : 0;
}

int request_single(const struct args *args, json_t *request, struct err *e)
{
	const char *file = args_get(args, "record");
	cleanup_free char *record = file ? absolute_path(file, e) : NULL;
	if (file && !record)
		return -1;
	return put_text(request, "record", record) || put_text(request, "project", args_get(args, "project"))
		       ? not_text(e)
		       : 0;
}

json_t *request_of(const struct args *args, bool unattended, struct err *e)
{
	json_t *inputs = pairs(args, "input", e), *settings = inputs ? pairs(args, "set", e) : NULL;
	json_t *request = settings ? json_make(e, "{s:s, s:O, s:O, s:b}", "mode", args_word(args, 0), "inputs", inputs,
					     "settings", settings, "unattended", unattended)
				   : NULL;
	json_decref(inputs);
	json_decref(settings);
	if (request && put_options(args, request, e)) {
		json_decref(request);
		return NULL;
	}
	return request;
}

/* --yes NAME must be a gate of the mode. */
static int check_gates(const struct args *args, const struct mode *m, struct err *e)
{
	const char *name;
	for (int i = 0; (name = args_next(args, "yes", &i));) {
		struct nearest near;
		size_t k;
		json_t *gate;
		bool known = !strcmp(name, "all");
		nearest_init(&near, name);
		json_array_foreach(m->gates, k, gate)
		{
			known |= !strcmp(json_string_value(gate), name);
			nearest_try(&near, json_string_value(gate));
		}
		if (!known)
			return err_set(e, ERR_USAGE, "--yes %s: the mode %s has no such gate%s", name, m->id,
				nearest_hint(&near));
	}
	return 0;
}

struct mode *request_mode(const struct args *args, const json_t *request, struct err *e)
{
	struct app a cleanup_app = {0};
	struct mode *m = app_open(&a, args, APP_FOLDERS, e)
				 ? NULL
				 : mode_find(json_str(request, "mode"), a.own_modes, a.modes_dir, e);
	if (m && check_gates(args, m, e)) {
		mode_free(m);
		return NULL;
	}
	return m;
}

int request_check_mode(const struct args *args, const json_t *request, struct err *e)
{
	struct mode *m = request_mode(args, request, e);
	json_t *inputs = NULL;
	int failed = m ? mode_check_inputs(m, json_get(request, "inputs"), &inputs, e) : -1;
	json_decref(inputs);
	mode_free(m);
	return failed;
}

/* Without a model for all: the first class must lead somewhere. */
static int check_model(struct app *a, const json_t *request, struct err *e)
{
	struct llm_model found[8];
	const char *model = json_str(request, "model");
	return llm_resolve(a->llm, model ? model : "strong", found, 8, e) < 0 ? -1 : 0;
}

int request_complete(struct app *a, json_t *request, struct err *e)
{
	const char *model = options_text(a->options, OPTION_MODEL);
	double budget = options_number(a->options, OPTION_RUN_BUDGET_USD);
	if (!json_get(request, "model") && *model && json_put(request, "model", json_string(model)))
		return err_nomem(e);
	if (!json_get(request, "budget_usd") && budget > 0 && json_put(request, "budget_usd", json_real(budget)))
		return err_nomem(e);
	return check_model(a, request, e);
}
