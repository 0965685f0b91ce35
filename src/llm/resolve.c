/* resolve: from a model's or class's name to models with their prices and sizes; also the life of struct llm.
 *
 * A class is looked up in the configuration, else it means what each provider with a key offers for it, in the table's
 * order: the first, and the others as its fallbacks. A named model needs its provider to be ready. */
#include <stdio.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "config/nearest.h"
#include "llm/playing.h"
#include "llm/providers.h"
#include "llm/script.h"

#define TARGETS 4096
#define PROVIDERS 4096
#define SCRIPTS 4096
#define LISTED 32 /* candidates of a class that are looked at for a list */

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
	if (providers_configure(l, e))
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

/* ---- models ---- */

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
	if (!row) /* rows go by provider: nobody knows what a known name costs at another */
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

/* What the configuration says of the model: {context?, max_output?, temperature?}. */
static int take_facts(struct llm *l, struct llm_model *m, struct target *t, struct err *e)
{
	static const char *const known[] = {"context", "max_output", "temperature", NULL};
	const json_t *facts = json_get(json_get(l->config, "models"), m->name), *temperature;
	int *const sizes[] = {&m->context, &m->max_output};
	struct nearest near;
	const char *unknown;

	if (!facts)
		return 0;
	if (!json_is_object(facts))
		return err_set(e, ERR_INVALID, "models/%s: must be a mapping", m->name);
	unknown = nearest_unknown(&near, facts, known);
	if (unknown)
		return err_set(e, ERR_INVALID, "models/%s: a model has no field \"%.60s\"%s", m->name, unknown,
			nearest_hint(&near));
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int64_t n = json_get(facts, known[i]) ? json_int(facts, known[i], -1) : *sizes[i];
		if (n < 0 || n > INT32_MAX)
			return err_set(e, ERR_INVALID, "models/%s: %s must be a number of tokens", m->name, known[i]);
		*sizes[i] = (int)n;
	}
	temperature = json_get(facts, "temperature");
	if (temperature && !json_is_boolean(temperature))
		return err_set(e, ERR_INVALID, "models/%s: temperature must be true or false", m->name);
	if (temperature)
		t->flags = (t->flags & ~(unsigned)TEMPERATURE) | (json_is_true(temperature) ? TEMPERATURE : 0);
	return 0;
}

static int fill_model(struct llm *l, struct provider *p, const char *model, struct llm_model *out, struct err *e)
{
	bool local = strchr(p->name, ':') != NULL; /* exec:… and script:… are their own models */
	const struct model_row *row = model_row(p->name, model);
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
	if (p->service == &service_script && !p->script && !(p->script = playing_script(l, p->file, e)))
		return -1;
	t = get_target(l, p, out->name, model, e);
	if (!t)
		return -1;
	t->flags = row ? row->flags : p->profile && p->profile->samples ? TEMPERATURE : 0;
	out->context = row ? row->context : 0;
	out->max_output = row ? row->max_output : 0;
	out->provider = t;
	return take_facts(l, out, t, e) ? -1 : set_price(l, out, t, row, e);
}

static int resolve_local(struct llm *l, const char *name, struct llm_model *out, struct err *e)
{
	struct provider *p;

	if (!l->allow_local)
		return err_set(e, ERR_DENIED,
			"%.100s: exec: and script: models are only for the data folder's owner and its configuration",
			name);
	p = provider_local(l, name, e);
	return p ? fill_model(l, p, strchr(name, ':') + 1, out, e) : -1;
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

/* Those of a list that are ready; the last one's error when none is. */
static int resolve_list(
	struct llm *l, const char *class_name, const json_t *list, struct llm_model *out, int max, struct err *e)
{
	size_t n = json_is_string(list) ? 1 : json_array_size(list);
	int found = 0;

	if (!n)
		return providers_none(class_name, e);
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
	return found ? found : providers_none(class_name, e);
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

/* ---- telling ---- */

static json_t *price_json(const struct llm_price *p, struct err *e)
{
	return json_make(e, "{s:f, s:f, s:f, s:f, s:s*, s:s*}", "input", p->input, "output", p->output, "cached",
		p->cached, "cache_write", p->cache_write, "date", *p->date ? p->date : NULL, "source",
		*p->source ? p->source : NULL);
}

/* The classes that this model serves now. */
static json_t *classes_of(struct llm *l, const char *name, struct err *e)
{
	json_t *out = json_make(e, "[]");
	struct llm_model models[LISTED];

	for (size_t i = 0; out && class_names[i]; i++) {
		int count = llm_resolve(l, class_names[i], models, LISTED, NULL), k = 0;
		while (k < count && strcmp(models[k].name, name) != 0)
			k++;
		if (k < count && json_array_append_new(out, json_string(class_names[i]))) {
			json_decref(out);
			err_nomem(e);
			return NULL;
		}
	}
	return out;
}

static int list_model(struct llm *l, const char *provider, const char *model, json_t *out, struct err *e)
{
	struct provider *p = map_get(&l->providers, span_of(provider));
	const struct model_row *row = model_row(provider, model);
	struct llm_model m = {0};
	struct target t = {.provider = p};

	if (!p || (size_t)snprintf(m.name, sizeof m.name, "%s:%s", provider, model) >= sizeof m.name)
		return 0;
	m.context = row ? row->context : 0;
	m.max_output = row ? row->max_output : 0;
	if (take_facts(l, &m, &t, e) || set_price(l, &m, &t, row, e))
		return -1;
	json_t *classes = classes_of(l, m.name, e), *price = classes && m.priced ? price_json(&m.price, e) : NULL;
	if (!classes || (m.priced && !price)) {
		json_decref(classes);
		return -1;
	}
	json_t *one =
		json_make(e, "{s:s, s:b, s:i, s:i, s:o, s:o*}", "model", m.name, "ready", provider_ready(p, NULL) == 0,
			"context", m.context, "max_output", m.max_output, "classes", classes, "price", price);
	return !one ? -1 : json_array_append_new(out, one) ? err_nomem(e) : 0;
}

static int list_named(struct llm *l, const char *name, json_t *out, struct err *e)
{
	const char *colon = name ? strchr(name, ':') : NULL;
	size_t i;
	json_t *one;

	if (!colon)
		return 0;
	json_array_foreach(out, i, one) if (strcmp(json_str(one, "model"), name) == 0) return 0;
	cleanup_free char *provider = mem_strndup(name, (size_t)(colon - name));
	return provider ? list_model(l, provider, colon + 1, out, e) : err_nomem(e);
}

json_t *llm_models(struct llm *l, struct err *e)
{
	static const char *const parts[] = {"prices", "models"};
	cleanup_json json_t *out = json_make(e, "[]");
	const char *name;
	json_t *v, *one;
	size_t n;

	for (size_t i = 0; out && model_row_at(i); i++)
		if (list_model(l, model_row_at(i)->provider, model_row_at(i)->model, out, e))
			return NULL;
	for (size_t i = 0; out && i < sizeof parts / sizeof *parts; i++)
		json_object_foreach(
			(json_t *)json_get(l->config, parts[i]), name, v) if (list_named(l, name, out, e)) return NULL;
	json_object_foreach((json_t *)json_get(l->config, "classes"), name, v)
	{
		if (out && json_is_string(v) && list_named(l, json_string_value(v), out, e))
			return NULL;
		json_array_foreach(v, n, one) if (out && list_named(l, json_string_value(one), out, e)) return NULL;
	}
	return steal(&out);
}
