/* providers: who answers for models, their prices, and their keys, which can be set but never read.
 *
 * A new key is tried before it is kept, by one cheap request of a llm of its own: runs go on with the old one
 * meanwhile. A key that the provider refuses is not kept; one that could not be tried (no answer, no model known) is,
 * and that is said. */
#include <stdio.h>

#include "api/account.h"
#include "api/private.h"
#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/vault.h"
#include "llm/check.h"

#define KEY_MOST 512

/* ---- what there is ---- */

/* Of one provider, as everybody may see it; NULL with ERR_NOT_FOUND. */
static json_t *provider_row(struct ask *q, const char *name, struct err *e)
{
	cleanup_json json_t *all = llm_providers(q->needs->llm, e);
	json_t *row;
	size_t i;
	if (!all)
		return NULL;
	json_array_foreach(all, i, row) if (!strcmp(json_str(row, "name"), name)) return json_incref(row);
	err_set(e, ERR_NOT_FOUND, "there is no provider \"%.60s\"; GET " API "/providers lists them", name);
	return NULL;
}

static json_t *list_providers(struct ask *q, struct err *e)
{
	json_t *all = llm_providers(q->needs->llm, e), *row;
	size_t i;
	json_array_foreach(all, i, row)
	{
		json_object_del(row, "key_end");
		if (q->role < ROLE_ADMIN)
			json_object_del(row, "base_url"); /* of a house's own network, perhaps */
	}
	return all;
}

static json_t *list_models(struct ask *q, struct err *e)
{
	return llm_models(q->needs->llm, e);
}

/* ---- keys ---- */

static json_t *key_row(struct ask *q, const char *name, struct err *e)
{
	cleanup_json json_t *row = provider_row(q, name, e);
	return row ? json_make(e, "{s:s, s:b, s:s*, s:s*}", "provider", name, "set", json_bool(row, "key", false), "in",
			     json_str(row, "key_in"), "end", json_str(row, "key_end"))
		   : NULL;
}

static json_t *get_key(struct ask *q, struct err *e)
{
	cleanup_free char *name = ask_param(q, "provider");
	return name ? key_row(q, name, e) : (err_nomem(e), NULL);
}

static int note(struct ask *q, const char *what, const char *name, struct err *e)
{
	cleanup_free char *object = mem_printf("provider/%s", name);
	struct audit a = {.who = *q->caller.person ? q->caller.person : "local", .what = what, .object = object};
	return object ? store_record(q->needs->store, &a, NULL, NULL, e) : err_nomem(e);
}

/* Where another place has a key, the vault's would not count. */
static int is_ours(const json_t *row, struct err *e)
{
	const char *in = json_str(row, "key_in");
	return !in || !strcmp(in, "vault")
		       ? 0
		       : err_set(e, ERR_CONFLICT, "the key of %s comes from the %s (%s); take it away there first",
				 json_str(row, "name"), in, json_str(row, "key_from"));
}

struct trial {
	struct llm_check check;
	struct tick over; /* a llm is not freed from inside its callback */
	struct llm *llm;
	struct ask *q;
	char *name, *model, *key;
	bool ok, began;
	char answer[ERR_TEXT_MAX + 16];
};

static void trial_free(struct trial *t)
{
	tick_stop(&t->over);
	llm_free(t->llm);
	if (t->key)
		crypt_wipe(t->key, strlen(t->key));
	mem_free(t->key);
	mem_free(t->name);
	mem_free(t->model);
	mem_free(t);
}

/* The key is fine, or nobody could say: keep it. */
static json_t *keep(struct trial *t, struct err *e)
{
	struct ask *q = t->q;
	if (vault_put(q->needs->vault, t->name, t->key, e) || llm_key_renew(q->needs->llm, t->name, e) ||
		note(q, "provider.key_set", t->name, e))
		return NULL;
	json_t *out = key_row(q, t->name, e);
	if (out && (json_put(out, "tried", json_boolean(t->ok)) || json_put(out, "answer", json_string(t->answer)))) {
		json_decref(out);
		err_nomem(e);
		return NULL;
	}
	return out;
}

static void trial_end(struct tick *tick)
{
	struct trial *t = container_of(tick, struct trial, over);
	struct err e = ERR_INIT;
	bool refused = t->began && (t->check.status == 401 || t->check.status == 403);
	json_t *out = NULL;
	t->q->request->on_gone = NULL;
	if (refused)
		err_set(&e, ERR_INVALID, "%s refuses the key, which is not kept: %s", t->name, t->answer);
	else if (t->check.why == ERR_CANCELLED)
		err_set(&e, ERR_CANCELLED, "the client is gone");
	else
		out = keep(t, &e);
	ask_end(t->q, out, &e);
	trial_free(t);
}

static void on_row(struct llm_check *k, const char *name, bool ok, const char *detail)
{
	struct trial *t = k->ctx;
	if (strcmp(name, "stream") != 0)
		return;
	t->ok = ok;
	snprintf(t->answer, sizeof(t->answer), "%s", detail);
}

static void on_done(struct llm_check *k, bool passed)
{
	struct trial *t = k->ctx;
	(void)passed;
	tick_start(&t->over);
}

static void on_gone(struct server_request *r)
{
	struct trial *t = r->user;
	if (t->began)
		llm_check_cancel(&t->check);
}

/* The models' configuration, with this key for this provider. */
static json_t *config_with(struct ask *q, const char *name, const char *key, struct err *e)
{
	static const enum option parts[] = {OPTION_PROVIDERS, OPTION_CLASSES, OPTION_PRICES, OPTION_MODELS};
	cleanup_json json_t *config = json_make(e, "{}");
	int failed = !config;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		failed = failed ||
			 json_put(config, option_name(parts[i]), json_clone(options_tree(q->needs->options, parts[i])));
	json_t *providers = json_get(config, "providers"), *one = json_get(providers, name);
	one = one ? json_clone(one) : json_object(); /* a clone shares what is inside */
	if (failed || json_put(providers, name, one) || json_put(one, "key", json_string(key))) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	return steal(&config);
}

/* What is asked: the provider's fast model; where none is known, the first that is. */
static char *model_of(const json_t *row, const char *wanted)
{
	const json_t *models = json_get(row, "models");
	const char *name = json_str(row, "name"), *first = json_string_value(json_array_get(models, 0));
	bool table = json_array_size(models) > 1;
	if (wanted)
		return mem_printf("%s:%s", name, wanted);
	return table || !first ? mem_strdup(name) : mem_printf("%s:%s", name, first);
}

static int trial_begin(struct trial *t, const json_t *row, struct err *e)
{
	struct ask *q = t->q;
	const char *key = json_str(q->body, "key");
	cleanup_json json_t *config = config_with(q, t->name, key, e);
	struct llm_options o = {
		.loop = q->needs->loop, .config = config, .vault = q->needs->vault, .allow_local = true};
	struct err why = ERR_INIT;
	t->key = mem_strdup(key);
	t->model = model_of(row, json_str(q->body, "model"));
	if (!t->key || !t->model)
		return err_nomem(e);
	if (!config || !(t->llm = llm_new(&o, e)))
		return -1;
	t->check.llm = t->llm;
	t->check.model = t->model;
	t->check.brief = true;
	t->check.total_ms = TIME_KEY_TRIAL;
	t->check.on_row = on_row;
	t->check.on_done = on_done;
	t->check.ctx = t;
	if (!llm_check_start(&t->check, &why)) {
		t->began = true;
		return 0;
	}
	snprintf(t->answer, sizeof(t->answer), "not tried: %s", why.text);
	tick_start(&t->over);
	return 0;
}

/* "$NAME" and "vault:NAME" stand for something else in a configuration. */
static int check_key(const char *key, struct err *e)
{
	size_t n = strlen(key);
	bool plain = *key != '$' && strncmp(key, "vault:", 6) != 0;
	for (const char *at = key; *at; at++)
		plain = plain && *at > ' ' && *at < 127;
	return plain && n >= 8 && n <= KEY_MOST
		       ? 0
		       : err_set(e, ERR_INVALID, "a key has 8 to %d letters, digits and signs, and no blanks",
				 KEY_MOST);
}

static json_t *put_key(struct ask *q, struct err *e)
{
	cleanup_free char *name = ask_param(q, "provider");
	cleanup_json json_t *row = name ? provider_row(q, name, e) : NULL;
	const char *key = json_str(q->body, "key");
	if (!row || account_whole(q, e) || is_ours(row, e) || check_key(key, e))
		return NULL;
	struct trial *t = MEM_NEW(struct trial);
	if (!t) {
		err_nomem(e);
		return NULL;
	}
	t->q = q;
	t->name = steal(&name);
	tick_init(&t->over, q->needs->loop, trial_end);
	if (log_secret(key, e) || trial_begin(t, row, e)) {
		trial_free(t);
		return NULL;
	}
	q->request->user = t;
	q->request->on_gone = on_gone;
	return NULL;
}

static json_t *delete_key(struct ask *q, struct err *e)
{
	cleanup_free char *name = ask_param(q, "provider");
	cleanup_json json_t *row = name ? provider_row(q, name, e) : NULL;
	if (!row || account_whole(q, e) || is_ours(row, e) || vault_delete(q->needs->vault, name, e) ||
		llm_key_renew(q->needs->llm, name, e) || note(q, "provider.key_deleted", name, e))
		return NULL;
	return key_row(q, name, e);
}

const struct route routes_providers[] = {
	{"GET", API "/providers", WHO_KNOWN, "who answers for models", NULL, NULL, "[@provider]", 0, list_providers},
	{"GET", API "/providers/{provider}/key", WHO_ADMIN, "whether there is a key, where, and its last characters",
		NULL, NULL, "@provider_key", 0, get_key},
	{"PUT", API "/providers/{provider}/key", WHO_ADMIN,
		"set it; it is tried first with one small request, of `model` or one that is known; runs use it at "
		"once",
		NULL, "key:s model:s?", "@provider_key", 0, put_key},
	{"DELETE", API "/providers/{provider}/key", WHO_ADMIN, "forget it", NULL, NULL, "@provider_key", 0, delete_key},
	{"GET", API "/models", WHO_KNOWN, "models that are known, the classes that they serve, their prices", NULL,
		NULL, "[@model]", 0, list_models},
	{0},
};
