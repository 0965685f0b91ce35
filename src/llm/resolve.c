/* resolve: from configuration and environment to providers, and from a model's or class's name to models.
 *
 * Happy path: llm_new makes every provider that the table or the configuration names; llm_resolve looks a class up in
 * the configuration, else takes what each provider with a key offers for it, in the table's order.
 * Failure modes: a wrong configuration stops llm_new naming the member; no key and no model are errors that say which
 * variables would help. A key comes from the configuration (literal, "$VARIABLE", "vault:NAME"), else from its
 * variable, else from the vault (by the provider's or the variable's name). */
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/nearest.h"
#include "config/vault.h"
#include "llm/private.h"
#include "llm/script.h"

#define TARGETS 4096
#define PROVIDERS 256
#define SCRIPTS 256
#define COMMAND_WORDS 64

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
	const struct profile *profiles;
} kinds[] = {
	{"anthropic", &service_http, &dialect_anthropic, anthropic_profiles},
	{"openai", &service_http, &dialect_openai, openai_profiles},
	{"compatible", &service_http, &dialect_openai, openai_profiles},
	{"exec", &service_exec, NULL, NULL},
	{"script", &service_script, NULL, NULL},
};
static const char *const kind_names[] = {"anthropic", "openai", "compatible", "exec", "script", NULL};

static int set_kind(struct provider *p, const char *kind, const char *profile, struct err *e)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(kinds[i].name, kind) != 0)
			continue;
		p->service = kinds[i].service;
		p->dialect = kinds[i].dialect;
		if (!kinds[i].profiles)
			return 0;
		if (!profile)
			profile = kinds[i].dialect == &dialect_openai ? kind : kinds[i].profiles->name;
		p->profile = profile_named(kinds[i].profiles, profile);
		if (p->profile)
			return 0;
		return err_set(e, ERR_INVALID, "providers/%s: there is no profile \"%.60s\" of kind %s", p->name,
			profile, kind);
	}
	const char *near = nearest(kind, kind_names);
	return err_set(e, ERR_INVALID,
		"providers/%s: there is no kind \"%.60s\"%s%s; possible: anthropic, openai, compatible, exec, script",
		p->name, kind, near ? "; did you mean " : "", near ? near : "");
}

/* ---- providers ---- */

static void provider_free(void *v)
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

/* A new provider in the table; the table owns it. */
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

	if (!key || !*key)
		key = from_vault(l, p->name);
	if ((!key || !*key) && env)
		key = from_vault(l, env);
	mem_free(p->key_names);
	p->key_names = env ? mem_strdup(env) : mem_printf("providers/%s/key", p->name);
	return p->key_names ? set_key(p, key, e) : err_nomem(e);
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
	if (*url && set_url(p, url, e))
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
	json_object_foreach((json_t *)headers, name, value) if (!json_is_string(value)) return err_set(
		e, ERR_INVALID, "providers/%s/headers/%.60s: must be text", p->name, name);
	p->headers = json_incref((json_t *)headers);
	return 0;
}

static int configure_key(struct llm *l, struct provider *p, const char *key, struct err *e)
{
	const char *value = key;

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
	if ((fresh || kind || json_str(v, "profile")) && set_kind(p,
								 kind				    ? kind
								 : fresh			    ? "compatible"
								 : p->dialect == &dialect_anthropic ? "anthropic"
												    : "compatible",
								 json_str(v, "profile"), e))
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

static int configure(struct llm *l, struct err *e)
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
	json_object_foreach((json_t *)providers, name, v) if (configure_provider(l, name, v, e)) return -1;
	return 0;
}

/* ---- the whole ---- */

static void target_free(void *v)
{
	struct target *t = v;

	mem_free(t->model);
	mem_free(t);
}

static void free_script(void *v)
{
	script_free(v);
}

struct llm *llm_new(const struct llm_options *o, struct err *e)
{
	struct llm *l = MEM_NEW(struct llm);

	if (!l) {
		err_nomem(e);
		return NULL;
	}
	l->loop = o->loop;
	l->vault = o->vault;
	l->allow_local = o->allow_local;
	l->first_byte_ms = o->first_byte_ms ? o->first_byte_ms : TIME_FIRST_BYTE;
	l->idle_ms = o->idle_ms ? o->idle_ms : TIME_IDLE;
	l->config = json_incref((json_t *)o->config);
	map_init(&l->providers, PROVIDERS);
	map_init(&l->targets, TARGETS);
	map_init(&l->scripts, SCRIPTS);
	if (o->prices_file) {
		struct buf text = BUF_INIT(CAP_JSON_TEXT);
		if (!fs_read(o->prices_file, &text, e))
			l->prices_file = json_parse(buf_span(&text), o->prices_file, e);
		buf_release(&text);
		if (!l->prices_file)
			goto fail;
	}
	if (configure(l, e))
		goto fail;
	return l;
fail:
	llm_free(l);
	return NULL;
}

void llm_free(struct llm *l)
{
	if (!l)
		return;
	if (l->calls)
		BUG("%zu model calls are still alive", l->calls);
	http_free(l->http);
	for (size_t i = 0; i < OFFER_CACHE; i++) {
		json_decref(l->offers[i].tools);
		blob_unref(l->offers[i].bytes);
	}
	map_release(&l->targets, target_free);
	map_release(&l->providers, provider_free);
	map_release(&l->scripts, free_script);
	json_decref((json_t *)l->config);
	json_decref(l->prices_file);
	mem_free(l);
}

/* ---- scripts ---- */

static struct script *get_script(struct llm *l, const char *file, struct err *e)
{
	struct script *s;

	if (strncmp(file, "script:", 7) == 0)
		file += 7;
	s = map_get(&l->scripts, span_of(file));
	if (s)
		return s;
	s = script_load(file, e);
	if (s && map_set(&l->scripts, span_of(file), s, NULL, e)) {
		script_free(s);
		return NULL;
	}
	return s;
}

int llm_script_used_in(struct llm *l, const char *script, const char *play, int64_t line, struct err *e)
{
	struct script *s = get_script(l, script, e);

	return s ? script_mark(s, play, line, e) : -1;
}

int llm_script_used(struct llm *l, const char *script, int64_t line, struct err *e)
{
	return llm_script_used_in(l, script, NULL, line, e);
}

int llm_script_answer_in(struct llm *l, const char *script, const char *play, const char *action, char **answer,
	int64_t *line, struct err *e)
{
	struct script *s = get_script(l, script, e);
	cleanup_json json_t *v = NULL;
	int64_t n = s ? script_take_answer(s, play, action, &v, e) : -1;

	*answer = NULL;
	*line = 0;
	if (n <= 0)
		return (int)n;
	*answer = mem_strdup(json_str(v, "answer"));
	*line = n;
	return *answer ? 1 : err_nomem(e);
}

int llm_script_answer(
	struct llm *l, const char *script, const char *action, char **answer, int64_t *line, struct err *e)
{
	return llm_script_answer_in(l, script, NULL, action, answer, line, e);
}

void llm_script_forget(struct llm *l, const char *play)
{
	struct map_entry *entry;

	for (size_t i = 0; (entry = map_next(&l->scripts, &i));)
		script_forget(entry->value, play);
}

const json_t *llm_script_header(struct llm *l, const char *script, struct err *e)
{
	const struct script *s = get_script(l, script, e);

	return s ? script_header(s) : NULL;
}

/* ---- models ---- */

static int provider_ready(const struct provider *p, struct err *e)
{
	if (p->service != &service_http)
		return 0;
	if (!p->base_url)
		return err_set(e, ERR_NO_MODEL, "the provider %s has no address; set MUSTER_MODEL_URL", p->name);
	if (p->key_needed && !p->key)
		return err_set(e, ERR_NO_KEY, "the provider %s has no key; set %s", p->name, p->key_names);
	return 0;
}

/* The script's own price: {input, output, …}, or by the name of the model that was recorded. */
static const json_t *header_price(const json_t *header)
{
	const json_t *prices = json_get(header, "prices");
	const char *model = json_str(header, "model");

	return json_get(prices, "input") || !model ? prices : json_get(prices, model);
}

static int set_price(
	struct llm *l, struct llm_model *m, const struct target *t, const struct model_row *row, struct err *e)
{
	const json_t *v = json_get(json_get(l->config, "prices"), m->name);

	if (!v)
		v = json_get(l->prices_file, m->name);
	if (!v && t->provider->script)
		v = header_price(script_header(t->provider->script));
	if (v) {
		m->priced = true;
		return price_read(&m->price, v, m->name, e);
	}
	/* A local server's model that happens to have a known name costs nothing known. */
	if (!row)
		return 0;
	m->priced = true;
	m->price = (struct llm_price){row->input, row->output, row->cached, row->cache_write,
		.long_over = row->long_over, .long_input = row->long_input, .long_output = row->long_output};
	snprintf(m->price.date, sizeof m->price.date, "%s", row->date);
	snprintf(m->price.source, sizeof m->price.source, "%s", row->source);
	return 0;
}

static struct target *get_target(struct llm *l, struct provider *p, const char *name, const char *model, struct err *e)
{
	struct target *t = map_get(&l->targets, span_of(name));

	if (t)
		return t;
	t = MEM_NEW(struct target);
	if (t)
		t->model = mem_strdup(model);
	if (!t || !t->model) {
		err_nomem(e);
		mem_free(t);
		return NULL;
	}
	t->provider = p;
	if (map_set(&l->targets, span_of(name), t, NULL, e)) {
		target_free(t);
		return NULL;
	}
	return t;
}

static int fill_model(struct llm *l, struct provider *p, const char *model, struct llm_model *out, struct err *e)
{
	bool local = strchr(p->name, ':') != NULL; /* exec:… and script:… are their own models */
	const struct model_row *row = model_row(p->name, model);
	const json_t *facts;
	struct target *t;
	int n;

	*out = (struct llm_model){0};
	n = local ? snprintf(out->name, sizeof out->name, "%s", p->name)
		  : snprintf(out->name, sizeof out->name, "%s:%s", p->name, model);
	if ((size_t)n >= sizeof out->name)
		return err_set(e, ERR_INVALID, "the model's name \"%.60s…\" is longer than %zu bytes", out->name,
			sizeof out->name - 1);
	if (provider_ready(p, e))
		return -1;
	if (p->service == &service_script && !p->script && !(p->script = get_script(l, p->file, e)))
		return -1;
	t = get_target(l, p, out->name, model, e);
	if (!t)
		return -1;
	facts = json_get(json_get(l->config, "models"), out->name);
	t->flags = row ? row->flags : p->profile && p->profile->samples ? TEMPERATURE : 0;
	if (json_is_boolean(json_get(facts, "temperature")))
		t->flags = (t->flags & ~(unsigned)TEMPERATURE) |
			   (json_bool(facts, "temperature", false) ? TEMPERATURE : 0);
	out->context = (int)json_int(facts, "context", row ? row->context : 0);
	out->max_output = (int)json_int(facts, "max_output", row ? row->max_output : 0);
	out->provider = t;
	return set_price(l, out, t, row, e);
}

static int resolve_local(struct llm *l, const char *name, struct llm_model *out, struct err *e)
{
	struct provider *p = map_get(&l->providers, span_of(name));
	bool exec = strncmp(name, "exec:", 5) == 0;
	const char *what = strchr(name, ':') + 1;

	if (!l->allow_local)
		return err_set(e, ERR_DENIED,
			"%.100s: exec: and script: models are only for the data folder's owner and its configuration",
			name);
	if (!*what)
		return err_set(e, ERR_INVALID, "%s needs the name of a %s", name, exec ? "program" : "file");
	if (!p) {
		p = provider_new(l, name, e);
		if (!p)
			return -1;
		p->service = exec ? &service_exec : &service_script;
		if (exec) {
			p->command = mem_calloc(2, sizeof *p->command);
			if (!p->command)
				return err_nomem(e);
		}
	}
	if (set_text(exec ? &p->command[0] : &p->file, what, e))
		return -1;
	return fill_model(l, p, what, out, e);
}

static int resolve_named(struct llm *l, const char *name, struct llm_model *out, struct err *e)
{
	const char *colon = strchr(name, ':');
	struct span provider = span_n(name, (size_t)(colon - name));
	struct provider *p;

	if (span_is(provider, "exec") || span_is(provider, "script"))
		return resolve_local(l, name, out, e);
	p = map_get(&l->providers, provider);
	if (!p) {
		struct nearest near;
		struct map_entry *entry;
		char word[64];
		snprintf(word, sizeof word, "%.*s", (int)(provider.n > 60 ? 60 : provider.n), provider.p);
		nearest_init(&near, word);
		for (size_t i = 0; (entry = map_next(&l->providers, &i));)
			nearest_try(&near, entry->key);
		return err_set(e, ERR_NO_MODEL, "there is no provider \"%s\"%s", word, nearest_hint(&near));
	}
	if (!colon[1])
		return err_set(e, ERR_INVALID, "\"%.100s\" names no model after the colon", name);
	return fill_model(l, p, colon + 1, out, e);
}

static int no_model(const char *class_name, struct err *e)
{
	struct buf names = BUF_INIT(1 * KIB);

	for (size_t i = 0; i < BUILTINS; i++)
		if (builtins[i].key_needed)
			buf_addf(&names, "%s%s", names.len ? ", " : "", builtins[i].key_env);
	err_set(e, ERR_NO_MODEL,
		"no model is configured for the class %s; set one of %s, or MUSTER_MODEL_URL for a server of your own "
		"(and MUSTER_MODEL_NAME), or classes/%s in config.yaml; `muster demo` needs none",
		class_name, names.len ? names.data : "", class_name);
	buf_release(&names);
	return -1;
}

/* Those of a list that are ready; the last one's error when none is. */
static int resolve_list(
	struct llm *l, const char *class_name, const json_t *list, struct llm_model *out, int max, struct err *e)
{
	size_t n = json_is_string(list) ? 1 : json_array_size(list);
	int found = 0;

	if (!n)
		return no_model(class_name, e);
	for (size_t i = 0; i < n && found < max; i++) {
		const char *name = json_string_value(json_is_string(list) ? list : json_array_get(list, i));
		if (!name || !strchr(name, ':'))
			return err_set(e, ERR_INVALID, "classes/%s: \"%.100s\" is no provider:model", class_name,
				name ? name : "?");
		if (resolve_named(l, name, &out[found], e) == 0)
			found++;
		else if (!e || (e->code != ERR_NO_KEY && e->code != ERR_NO_MODEL))
			return -1;
	}
	return found ? found : -1;
}

static int resolve_class(struct llm *l, const char *class_name, struct llm_model *out, int max, struct err *e)
{
	const json_t *list = json_get(json_get(l->config, "classes"), class_name);
	struct map_entry *entry;
	int found = 0;

	if (list)
		return resolve_list(l, class_name, list, out, max, e);
	for (size_t i = 0; found < max && (entry = map_next(&l->providers, &i));) {
		struct provider *p = entry->value;
		const char *model = p->served ? p->served : class_model(class_name, p->name);
		if (!model || provider_ready(p, NULL))
			continue;
		if (fill_model(l, p, model, &out[found], e))
			return -1;
		found++;
	}
	return found ? found : no_model(class_name, e);
}

int llm_resolve(struct llm *l, const char *model_or_class, struct llm_model *out, int max, struct err *e)
{
	struct err local = ERR_INIT;
	struct nearest near;

	e = e ? e : &local;
	if (max < 1)
		return err_set(e, ERR_INVALID, "no room for a model");
	if (strchr(model_or_class, ':'))
		return resolve_named(l, model_or_class, out, e) ? -1 : 1;
	for (size_t i = 0; class_names[i]; i++)
		if (strcmp(class_names[i], model_or_class) == 0)
			return resolve_class(l, model_or_class, out, max, e);
	for (size_t i = 0; model_row_at(i); i++)
		if (strcmp(model_row_at(i)->model, model_or_class) == 0)
			return err_set(e, ERR_INVALID, "\"%s\" is no model class; did you mean %s:%s?", model_or_class,
				model_row_at(i)->provider, model_or_class);
	nearest_init(&near, model_or_class);
	for (size_t i = 0; class_names[i]; i++)
		nearest_try(&near, class_names[i]);
	return err_set(e, ERR_INVALID,
		"\"%.100s\" is neither provider:model nor a model class (fast, strong, reasoning, vision, embed)%s",
		model_or_class, nearest_hint(&near));
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
