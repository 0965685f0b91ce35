/* providers: the endpoints that answer, from the table of known ones, the environment and the configuration.
 *
 * A key comes from the configuration (literal, "$VARIABLE", "vault:NAME"), else from the provider's variable, else from
 * the vault (by the provider's or the variable's name); it is masked in the log from then on. A wrong configuration is
 * an error that names the member. */
#include "llm/providers.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/nearest.h"
#include "config/vault.h"

#define COMMAND_WORDS 64
#define KEY_SHOWN 16 /* bytes of a key from which on its last four are shown */

static const struct builtin {
	const char *name, *kind, *profile, *base_url, *key_env, *url_env;
	bool key_needed;
} builtins[] = {
#define P(...) {__VA_ARGS__},
#include "llm/providers.def"
#undef P
};
#define BUILTINS (sizeof builtins / sizeof *builtins)

/* ---- kinds ---- */

static const struct kind {
	const char *name;
	const struct service *service;
	const struct dialect *dialect;
} kinds[] = {
	{"anthropic", &service_http, &dialect_anthropic},
	{"openai", &service_http, &dialect_openai},
	{"openai-responses", &service_http, &dialect_responses},
	{"gemini", &service_http, &dialect_gemini},
	{"ollama", &service_http, &dialect_ollama},
	{"compatible", &service_http, &dialect_openai},
	{"exec", &service_exec, NULL},
	{"script", &service_script, NULL},
};
static const char *const kind_names[] = {
	"anthropic", "openai", "openai-responses", "gemini", "ollama", "compatible", "exec", "script", NULL};

static int set_kind(struct provider *p, const char *kind, const char *profile, struct err *e)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(kinds[i].name, kind) != 0)
			continue;
		p->service = kinds[i].service;
		p->dialect = kinds[i].dialect;
		if (!p->dialect)
			return 0;
		if (!profile)
			profile = p->dialect == &dialect_openai ? kind : p->dialect->profiles->name;
		p->profile = profile_named(p->dialect->profiles, profile);
		if (p->profile)
			return 0;
		return err_set(e, ERR_INVALID, "providers/%s: there is no profile \"%.60s\" of kind %s", p->name,
			profile, kind);
	}
	const char *near = nearest(kind, kind_names);
	return err_set(e, ERR_INVALID,
		"providers/%s: there is no kind \"%.60s\"%s%s; possible: anthropic, openai, openai-responses, gemini, "
		"ollama, compatible, exec, script",
		p->name, kind, near ? "; did you mean " : "", near ? near : "");
}

/* ---- providers ---- */

void provider_free(void *v)
{
	struct provider *p = v;

	for (size_t i = 0; p->command && p->command[i]; i++)
		mem_free(p->command[i]);
	mem_free(p->command);
	if (p->key)
		crypt_wipe(p->key, strlen(p->key));
	mem_free(p->key);
	mem_free(p->key_names);
	mem_free(p->base_url);
	json_decref(p->headers);
	mem_free(p->file);
	mem_free(p->served);
	mem_free(p->name);
	mem_free(p);
}

static struct provider *provider_new(struct llm *l, const char *name, struct err *e)
{
	struct provider *p = MEM_NEW(struct provider);

	if (p)
		p->name = mem_strdup(name);
	if (!p || !p->name) {
		err_nomem(e);
		mem_free(p);
		return NULL;
	}
	if (map_set(&l->providers, span_of(name), p, NULL, e)) {
		provider_free(p);
		return NULL;
	}
	return p;
}

static int set_text(char **to, const char *value, struct err *e)
{
	mem_free(*to);
	*to = mem_strdup(value);
	return *to ? 0 : err_nomem(e);
}

static int set_url(struct provider *p, const char *url, struct err *e)
{
	size_t n = strlen(url);

	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return err_set(e, ERR_INVALID,
			"provider %s: the address \"%.200s\" must begin with http:// or https://", p->name, url);
	while (n && url[n - 1] == '/')
		n--;
	/* Anthropic's own variable leaves /v1 out; people write it all the same. */
	if (p->dialect == &dialect_anthropic && n > 3 && strncmp(url + n - 3, "/v1", 3) == 0)
		n -= 3;
	mem_free(p->base_url);
	p->base_url = mem_strndup(url, n);
	return p->base_url ? 0 : err_nomem(e);
}

static int set_key(struct provider *p, const char *key, struct err *e)
{
	if (!key || !*key)
		return 0;
	if (strpbrk(key, "\r\n"))
		return err_set(e, ERR_INVALID, "the key of provider %s contains a line break", p->name);
	if (strlen(key) >= 6 && log_secret(key, e))
		return -1;
	return set_text(&p->key, key, e);
}

static const char *from_vault(const struct llm *l, const char *name)
{
	return l->vault ? vault_get(l->vault, name) : NULL;
}

static int find_key(struct llm *l, struct provider *p, const char *env, struct err *e)
{
	const char *key = env ? getenv(env) : NULL;

	p->key_in = key && *key ? "environment" : "vault";
	if (!key || !*key)
		key = from_vault(l, p->name);
	if ((!key || !*key) && env)
		key = from_vault(l, env);
	mem_free(p->key_names);
	p->key_names = env ? mem_strdup(env) : mem_printf("providers/%s/key", p->name);
	return p->key_names ? set_key(p, key, e) : err_nomem(e);
}

/* OLLAMA_HOST as Ollama takes it: HOST, HOST:PORT or an address; what a server listens on everywhere is here. */
static char *ollama_url(const char *host)
{
	if (strstr(host, "://"))
		return mem_strdup(host);
	size_t n = strcspn(host, ":");
	const char *port = *host != '[' && host[n] ? "" : ":11434";
	if (strncmp(host, "0.0.0.0", n) == 0 && n == 7)
		return mem_printf("http://127.0.0.1%s%s", host + n, port);
	return mem_printf("http://%s%s", host, *host == '[' && strstr(host, "]:") ? "" : port);
}

static int add_builtin(struct llm *l, const struct builtin *b, struct err *e)
{
	struct provider *p = provider_new(l, b->name, e);
	const char *url = getenv(b->url_env), *served = getenv("MUSTER_MODEL_NAME");

	if (!p || set_kind(p, b->kind, b->profile, e))
		return -1;
	p->key_needed = b->key_needed;
	if (!url || !*url)
		url = b->base_url;
	cleanup_free char *address = strcmp(b->name, "ollama") == 0 ? ollama_url(url) : mem_strdup(url);
	if (!address)
		return err_nomem(e);
	if (*url && set_url(p, address, e))
		return err_wrap(e, "%s", b->url_env);
	if (strcmp(b->name, "compatible") == 0 && *url &&
		set_text(&p->served, served && *served ? served : "default", e))
		return -1;
	return find_key(l, p, b->key_env, e);
}

static int set_command(struct provider *p, const json_t *list, struct err *e)
{
	size_t n = json_array_size(list);

	if (n == 0 || n > COMMAND_WORDS)
		return err_set(e, ERR_INVALID, "providers/%s/command: a list of 1 to %d words", p->name, COMMAND_WORDS);
	p->command = mem_calloc(n + 1, sizeof *p->command);
	if (!p->command)
		return err_nomem(e);
	for (size_t i = 0; i < n; i++) {
		const char *word = json_string_value(json_array_get(list, i));
		if (!word)
			return err_set(e, ERR_INVALID, "providers/%s/command: every word must be text", p->name);
		if (set_text(&p->command[i], word, e))
			return -1;
	}
	return 0;
}

static int set_headers(struct provider *p, const json_t *headers, struct err *e)
{
	const char *name;
	json_t *value;

	if (!json_is_object(headers))
		return err_set(e, ERR_INVALID, "providers/%s/headers: a mapping of names to texts", p->name);
	json_object_foreach((json_t *)headers, name, value)
	{
		if (!json_is_string(value))
			return err_set(e, ERR_INVALID, "providers/%s/headers/%.60s: must be text", p->name, name);
	}
	p->headers = json_incref((json_t *)headers);
	return 0;
}

static int configure_key(struct llm *l, struct provider *p, const char *key, struct err *e)
{
	const char *value = key;

	p->key_in = "configuration";
	if (key[0] == '$')
		value = getenv(key + 1);
	else if (strncmp(key, "vault:", 6) == 0)
		value = from_vault(l, key + 6);
	if (!value || !*value)
		return err_set(
			e, ERR_NO_KEY, "providers/%s/key: %s is not set", p->name, key[0] == '$' ? key + 1 : key);
	return set_key(p, value, e);
}

static int configure_provider(struct llm *l, const char *name, const json_t *v, struct err *e)
{
	static const char *const known[] = {
		"kind", "base_url", "key", "profile", "headers", "command", "file", "model", NULL};
	struct provider *p = map_get(&l->providers, span_of(name));
	const char *kind = json_str(v, "kind"), *unknown;
	struct nearest near;
	bool fresh = !p;

	if (!json_is_object(v))
		return err_set(e, ERR_INVALID, "providers/%.60s: must be a mapping", name);
	unknown = nearest_unknown(&near, v, known);
	if (unknown)
		return err_set(e, ERR_INVALID, "providers/%.60s: a provider has no field \"%.60s\"%s", name, unknown,
			nearest_hint(&near));
	if (strchr(name, ':') || !*name)
		return err_set(e, ERR_INVALID, "providers/%.60s: a provider's name has no colon", name);
	if (fresh && !(p = provider_new(l, name, e)))
		return -1;
	if (!kind) /* another profile leaves it of its kind */
		kind = !fresh && p->dialect == &dialect_anthropic ? "anthropic" : "compatible";
	if ((fresh || json_str(v, "kind") || json_str(v, "profile")) && set_kind(p, kind, json_str(v, "profile"), e))
		return -1;
	if ((json_str(v, "base_url") && set_url(p, json_str(v, "base_url"), e)) ||
		(json_str(v, "model") && set_text(&p->served, json_str(v, "model"), e)) ||
		(json_str(v, "file") && set_text(&p->file, json_str(v, "file"), e)) ||
		(json_get(v, "headers") && set_headers(p, json_get(v, "headers"), e)) ||
		(json_get(v, "command") && set_command(p, json_get(v, "command"), e)))
		return -1;
	if (p->service == &service_http && !p->base_url)
		return err_set(e, ERR_INVALID, "providers/%s: base_url is missing", name);
	if (p->service == &service_exec && !p->command)
		return err_set(e, ERR_INVALID, "providers/%s: command is missing", name);
	if (p->service == &service_script && !p->file)
		return err_set(e, ERR_INVALID, "providers/%s: file is missing", name);
	if (json_str(v, "key"))
		return configure_key(l, p, json_str(v, "key"), e);
	return fresh ? find_key(l, p, NULL, e) : 0;
}

int providers_configure(struct llm *l, struct err *e)
{
	static const char *const known[] = {"providers", "classes", "prices", "models", NULL};
	const json_t *providers = json_get(l->config, "providers");
	const char *name;
	struct nearest near;
	json_t *v;

	for (size_t i = 0; i < BUILTINS; i++)
		if (add_builtin(l, &builtins[i], e))
			return -1;
	if (!l->config)
		return 0;
	name = nearest_unknown(&near, l->config, known);
	if (name)
		return err_set(
			e, ERR_INVALID, "the models' configuration has no part \"%.60s\"%s", name, nearest_hint(&near));
	name = nearest_unknown(&near, json_get(l->config, "classes"), class_names);
	if (name)
		return err_set(
			e, ERR_INVALID, "classes: there is no model class \"%.60s\"%s", name, nearest_hint(&near));
	json_object_foreach((json_t *)providers, name, v)
	{
		if (configure_provider(l, name, v, e))
			return -1;
	}
	return 0;
}

/* An exec:PROGRAM or script:FILE, made when it is first named. */
static int make_local(struct llm *l, const char *name, struct err *e)
{
	struct provider *p = provider_new(l, name, e);
	const char *what = strchr(name, ':') + 1;

	if (!p)
		return -1;
	if (strncmp(name, "script:", 7) == 0) {
		p->service = &service_script;
		return set_text(&p->file, what, e);
	}
	p->service = &service_exec;
	p->command = mem_calloc(2, sizeof *p->command);
	return p->command ? set_text(&p->command[0], what, e) : err_nomem(e);
}

struct provider *provider_local(struct llm *l, const char *name, struct err *e)
{
	struct provider *p = map_get(&l->providers, span_of(name));

	if (p)
		return p;
	if (!strchr(name, ':')[1]) {
		err_set(e, ERR_INVALID, "%s needs the name of a %s", name, name[0] == 'e' ? "program" : "file");
		return NULL;
	}
	if (make_local(l, name, e)) {
		p = map_del(&l->providers, span_of(name));
		if (p)
			provider_free(p);
		return NULL;
	}
	return map_get(&l->providers, span_of(name));
}

int llm_key_renew(struct llm *l, const char *name, struct err *e)
{
	struct provider *p = map_get(&l->providers, span_of(name));
	const char *key = json_str(json_get(json_get(l->config, "providers"), name), "key"), *env = NULL;

	if (!p || p->service != &service_http)
		return err_set(e, ERR_NOT_FOUND, "there is no provider \"%.60s\" that takes a key", name);
	for (size_t i = 0; i < BUILTINS; i++)
		if (strcmp(builtins[i].name, name) == 0)
			env = builtins[i].key_env;
	if (p->key)
		crypt_wipe(p->key, strlen(p->key));
	mem_free(steal(&p->key));
	return key ? configure_key(l, p, key, e) : find_key(l, p, env, e);
}

/* ---- telling ---- */

int provider_ready(const struct provider *p, struct err *e)
{
	if (p->service != &service_http)
		return 0;
	if (!p->base_url)
		return err_set(e, ERR_NO_MODEL, "the provider %s has no address; set MUSTER_MODEL_URL", p->name);
	if (p->key_needed && !p->key)
		return err_set(e, ERR_NO_KEY, "the provider %s has no key; set %s", p->name, p->key_names);
	return 0;
}

int providers_none(const char *class_name, struct err *e)
{
	struct buf names = BUF_INIT(1 * KIB);

	for (size_t i = 0; i < BUILTINS; i++)
		if (class_model(class_name, builtins[i].name))
			buf_addf(&names, "%s, ", builtins[i].key_env);
	if (names.len)
		err_set(e, ERR_NO_MODEL,
			"no model is configured for the class %s; set one of %sor MUSTER_MODEL_URL for a server of "
			"your own "
			"(and MUSTER_MODEL_NAME), or classes/%s in config.yaml; `muster demo` needs none",
			class_name, names.data, class_name);
	else
		err_set(e, ERR_NO_MODEL, "no model is known for the class %s; name one as classes/%s in config.yaml",
			class_name, class_name);
	buf_release(&names);
	return -1;
}

static json_t *describe_provider(const struct provider *p, struct err *e)
{
	const char *kind = p->service != &service_http ? p->service->kind : p->dialect->name;
	cleanup_json json_t *v = json_make(e, "{s:s, s:s, s:b, s:b}", "name", p->name, "kind", kind, "key",
		(int)(p->key != NULL), "ready", (int)(provider_ready(p, NULL) == 0));
	cleanup_json json_t *models = json_array();
	int rc = 0;

	if (!v)
		return NULL;
	for (size_t i = 0; model_row_at(i); i++)
		if (strcmp(model_row_at(i)->provider, p->name) == 0)
			rc |= json_array_append_new(models, json_string(model_row_at(i)->model));
	if (p->served)
		rc |= json_array_append_new(models, json_string(p->served));
	if (p->key)
		rc |= json_put(v, "key_in", json_string(p->key_in));
	if (p->key && strlen(p->key) >= KEY_SHOWN)
		rc |= json_put(v, "key_end", json_string(p->key + strlen(p->key) - 4));
	if (p->base_url)
		rc |= json_put(v, "base_url", json_string(p->base_url));
	if (p->key_names)
		rc |= json_put(v, "key_from", json_string(p->key_names));
	rc |= json_put(v, "models", steal(&models));
	if (rc) {
		err_nomem(e);
		return NULL;
	}
	return steal(&v);
}

json_t *llm_providers(const struct llm *l, struct err *e)
{
	cleanup_json json_t *list = json_array();
	struct map_entry *entry;

	for (size_t i = 0; list && (entry = map_next(&l->providers, &i));) {
		json_t *v = describe_provider(entry->value, e);
		if (!v)
			return NULL;
		if (json_array_append_new(list, v)) {
			err_nomem(e);
			return NULL;
		}
	}
	if (!list)
		err_nomem(e);
	return steal(&list);
}
