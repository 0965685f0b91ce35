/* config: the configuration file, checked and exchanged by administrators.
 *
 * What is checked is the whole: names, types and ranges with their lines, then what the parts would say of it (models,
 * policy, addresses). A few settings count at once, the others at the next start; which, the reply says. What reaches
 * the host or could carry a secret away is for the data folder's owner alone. */
#include <stdio.h>
#include <stdlib.h>

#include "api/account.h"
#include "api/private.h"
#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/yaml.h"
#include "http/guard.h"
#include "tools/policy.h"

#define FILE_NAME "config.yaml"

/* Read where they are used, each time. */
static const enum option at_once[] = {
	OPTION_MODEL, OPTION_RUN_BUDGET_USD, OPTION_RATE_PER_S, OPTION_RATE_BURST, OPTION_LOG_LEVEL, OPTION_LOG_JSON};
/* Files and sockets of the host, where keys and mail go, and what is believed of whom. */
static const enum option of_the_host[] = {OPTION_STORE_URL, OPTION_PROVIDERS, OPTION_LISTEN, OPTION_TLS_CERTIFICATE,
	OPTION_TLS_KEY, OPTION_PROXIES, OPTION_PROXIES_RFC7239, OPTION_HOSTS, OPTION_SANDBOX_NETWORK,
	OPTION_OUTBOUND_EXEMPT, OPTION_OUTBOUND_CA, OPTION_MAIL_URL, OPTION_MAIL_FROM, OPTION_MAIL_USER, OPTION_MAIL_CA,
	OPTION_MAIL_PLAIN};

static bool among(enum option which, const enum option *list, size_t n)
{
	while (n--)
		if (list[n] == which)
			return true;
	return false;
}
#define AMONG(which, list) among(which, list, sizeof(list) / sizeof *(list))

/* ---- is it right? ---- */

/* "providers/x/key: …" is about a place of the file, and so is "x:y: …" about a price. */
static int tell_place(const struct options *o, const struct err *why, struct err *e)
{
	static const enum option parts[] = {OPTION_PROVIDERS, OPTION_CLASSES, OPTION_PRICES, OPTION_MODELS};
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const char *name = option_name(parts[i]);
		size_t n = strlen(name), end = strcspn(why->text, ":");
		if (strncmp(why->text, name, n) != 0 || (why->text[n] != '/' && why->text[n] != ':') || !why->text[end])
			continue;
		cleanup_free char *pointer = mem_strndup(why->text + n, end - n);
		return pointer ? options_tree_error(o, parts[i], pointer, e, "%s", why->text + end + 1) : err_nomem(e);
	}
	const char *name;
	json_t *price;
	json_object_foreach((json_t *)options_tree(o, OPTION_PRICES), name, price)
	{
		size_t n = strlen(name);
		cleanup_buf struct buf pointer = BUF_INIT(4 * KIB);
		if (strncmp(why->text, name, n) != 0 || why->text[n] != ':')
			continue;
		yaml_pointer(&pointer, span_of(name));
		return options_tree_error(
			o, OPTION_PRICES, pointer.data ? pointer.data : "", e, "%s", why->text + n + 1);
	}
	*e = *why;
	return -1;
}

/* A class that nobody serves yet is fine, one that names no models is not. */
static int check_classes(struct llm *l, const struct options *o, struct err *e)
{
	struct llm_model first;
	const char *name;
	json_t *list;
	json_object_foreach((json_t *)options_tree(o, OPTION_CLASSES), name, list)
	{
		struct err why = ERR_INIT;
		if (llm_resolve(l, name, &first, 1, &why) < 0 && why.code == ERR_INVALID)
			return err_set(e, why.code, "%s", why.text);
	}
	return 0;
}

static int check_models(struct ask *q, const struct options *o, struct err *e)
{
	cleanup_json json_t *config = json_make(e, "{s:O, s:O, s:O, s:O}", "providers",
		options_tree(o, OPTION_PROVIDERS), "classes", options_tree(o, OPTION_CLASSES), "models",
		options_tree(o, OPTION_MODELS), "prices", options_tree(o, OPTION_PRICES));
	struct err why = ERR_INIT;
	if (!config)
		return -1;
	struct llm_options options = {
		.loop = q->needs->loop, .config = config, .vault = q->needs->vault, .allow_local = true};
	struct llm *l = llm_new(&options, &why);
	cleanup_json json_t *models = l ? llm_models(l, &why) : NULL;
	int failed = !models || check_classes(l, o, &why);
	llm_free(l);
	return failed ? tell_place(o, &why, e) : 0;
}

static int check_parts(struct ask *q, const struct options *o, struct err *e)
{
	struct err why = ERR_INIT;
	struct guard *g = guard_new(options_tree(o, OPTION_OUTBOUND_EXEMPT), &why);
	guard_free(g);
	if (!g)
		return options_tree_error(o, OPTION_OUTBOUND_EXEMPT, "", e, "%s", why.text);
	struct policy *p = policy_new();
	if (!p)
		return err_nomem(e);
	int failed = policy_load_json(p, POLICY_INSTALLATION, options_tree(o, OPTION_POLICY), &why);
	policy_free(p);
	return failed ? options_tree_error(o, OPTION_POLICY, "", e, "%s", why.text) : check_models(q, o, e);
}

static struct options *read_text(struct ask *q, struct err *e)
{
	struct options *o = options_read(json_span(q->body, "text"), FILE_NAME, e);
	if (!o || !check_parts(q, o, e))
		return o;
	options_free(o);
	return NULL;
}

/* ---- what differs ---- */

/* The command line's word is the last one, as at every start. */
static bool differs(const struct options *a, const struct options *b, enum option which)
{
	return strcmp(options_source(a, which), "command line") != 0 &&
	       !json_equal(options_value(a, which), options_value(b, which));
}

/* May this caller change it to that? */
static bool may_change(const struct ask *q, const struct options *o, enum option which)
{
	if (q->caller.kind == CALLER_LOCAL)
		return true;
	cleanup_free char *text = json_text(options_value(o, which));
	bool program = (which == OPTION_MODEL || which == OPTION_CLASSES) &&
		       (!text || strstr(text, "exec:") || strstr(text, "script:"));
	return !program && !AMONG(which, of_the_host);
}

static json_t *changes_of(const struct ask *q, const struct options *o, struct err *e)
{
	cleanup_json json_t *out = json_make(e, "[]");
	for (int i = 0; out && i < OPTIONS; i++) {
		enum option which = (enum option)i;
		if (!differs(q->needs->options, o, which))
			continue;
		bool secret = which == OPTION_PROVIDERS; /* may hold keys */
		json_t *one = json_make(e, "{s:s, s:O?, s:O?, s:b, s:b}", "name", option_name(which), "from",
			secret ? NULL : options_value(q->needs->options, which), "to",
			secret ? NULL : options_value(o, which), "restart", !AMONG(which, at_once), "allowed",
			(int)may_change(q, o, which));
		if (!one)
			return NULL;
		if (json_array_append_new(out, one)) {
			err_nomem(e);
			return NULL;
		}
	}
	return json_incref(out);
}

/* The line of "config.yaml:12: …"; 0: none. */
static long line_of(const char *text)
{
	return strncmp(text, FILE_NAME ":", sizeof(FILE_NAME)) ? 0 : strtol(text + sizeof(FILE_NAME), NULL, 10);
}

static json_t *check_config(struct ask *q, struct err *e)
{
	struct err why = ERR_INIT;
	struct options *o = read_text(q, &why);
	if (!o)
		return why.code == ERR_NOMEM ? (err_nomem(e), NULL)
					     : json_make(e, "{s:b, s:s, s:I, s:[]}", "valid", 0, "message", why.text,
						       "line", (json_int_t)line_of(why.text), "changes");
	json_t *changes = changes_of(q, o, e);
	options_free(o);
	return changes ? json_make(e, "{s:b, s:o}", "valid", 1, "changes", changes) : NULL;
}

/* ---- the exchange ---- */

static int check_may(const json_t *changes, struct err *e)
{
	const json_t *one;
	size_t i;
	json_array_foreach(changes, i, one) if (!json_bool(one, "allowed", false)) return err_set(e, ERR_DENIED,
		"%s reaches the host; only the data folder's owner may change it, on the machine itself",
		json_str(one, "name"));
	return 0;
}

/* The one before is kept beside it. */
static int write_file(struct ask *q, struct err *e)
{
	cleanup_free char *path = fs_join(q->needs->data_dir, FILE_NAME);
	cleanup_free char *before = fs_join(q->needs->data_dir, FILE_NAME ".before");
	cleanup_buf struct buf old = BUF_INIT(CAP_YAML + 1);
	if (!path || !before)
		return err_nomem(e);
	return (fs_exists(path) && (fs_read(path, &old, e) || fs_replace(before, buf_span(&old), 0600, e))) ||
			       fs_replace(path, json_span(q->body, "text"), 0600, e)
		       ? -1
		       : 0;
}

static int take(struct ask *q, const struct options *o, struct err *e)
{
	struct options *mine = q->needs->options;
	for (size_t i = 0; i < sizeof(at_once) / sizeof(*at_once); i++)
		if (differs(mine, o, at_once[i]) && options_take(mine, at_once[i], o, e))
			return -1;
	log_level_set(log_level_named(options_text(mine, OPTION_LOG_LEVEL), LOG_WARN));
	log_json(options_bool(mine, OPTION_LOG_JSON));
	api_rate(q->api);
	return 0;
}

static int note(struct ask *q, const json_t *changes, struct err *e)
{
	cleanup_json json_t *names = json_make(e, "[]"), *detail = NULL;
	const json_t *one;
	size_t i;
	json_array_foreach(
		changes, i, one) if (!names || json_array_append(names, json_get(one, "name"))) return err_nomem(e);
	detail = names ? json_make(e, "{s:O}", "changed", names) : NULL;
	struct audit a = {.who = *q->caller.person ? q->caller.person : "local",
		.what = "config.changed",
		.object = "config",
		.detail = detail};
	return detail ? store_record(q->needs->store, &a, NULL, NULL, e) : -1;
}

static json_t *put_config(struct ask *q, struct err *e)
{
	const char *named = getenv("MUSTER_CONFIG");
	if (account_whole(q, e))
		return NULL;
	if (named && *named) {
		err_set(e, ERR_CONFLICT, "the configuration is the file that MUSTER_CONFIG names; change it there");
		return NULL;
	}
	struct options *o = read_text(q, e);
	json_t *changes = o ? changes_of(q, o, e) : NULL;
	int failed = !changes || check_may(changes, e) || note(q, changes, e) || write_file(q, e) || take(q, o, e);
	options_free(o);
	if (!failed)
		return json_make(e, "{s:b, s:o}", "valid", 1, "changes", changes);
	json_decref(changes);
	return NULL;
}

static json_t *list_settings(struct ask *q, struct err *e)
{
	json_t *all = options_describe(q->needs->options, e), *one;
	size_t i;
	json_array_foreach(all, i, one) if (json_put(one, "restart", json_boolean(!AMONG((enum option)i, at_once))))
	{
		json_decref(all);
		err_nomem(e);
		return NULL;
	}
	return all;
}

const struct route routes_config[] = {
	{"GET", API "/config", WHO_ADMIN, "every setting with its value and where that came from", NULL, NULL,
		"[@setting]", 0, list_settings},
	{"POST", API "/config/check", WHO_ADMIN, "is this a configuration file, and what would change?", NULL, "text:s",
		"@config", 0, check_config},
	{"PUT", API "/config", WHO_ADMIN,
		"make it the configuration file; what counts at once does, the rest at the next start", NULL, "text:s",
		"@config", 0, put_config},
	{0},
};
