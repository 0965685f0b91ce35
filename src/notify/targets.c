#include "notify/targets.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "notify/choices.h"

/* Purpose: one map of values by target ("webhook/ID", "push/ID") and person ("notices/PERSON"), moved on after each
 * commit. */

struct targets {
	struct store *store;
	struct vault *vault;
	const struct guard *guard;
	struct map values; /* target → json_t */
	size_t changes;	   /* under way */
};

static void value_free(void *v)
{
	json_decref(v);
}

static json_t *value_of(const struct targets *t, const char *kind, const char *id)
{
	char name[NOTICE_TARGET];
	snprintf(name, sizeof(name), "%s/%.64s", kind, id);
	return map_get(&t->values, span_of(name));
}

static bool is_of(const json_t *value, const char *person)
{
	const char *whose = json_str(value, "person");
	return whose && strcmp(whose, person) == 0;
}

static size_t count_of(const struct targets *t, const char *kind)
{
	const struct map_entry *it;
	size_t count = 0;
	for (size_t i = 0; (it = map_next(&t->values, &i));)
		count += span_starts(span_of(it->key), kind);
	return count;
}

static size_t count_of_person(const struct targets *t, const char *person)
{
	const struct map_entry *it;
	size_t count = 0;
	for (size_t i = 0; (it = map_next(&t->values, &i));)
		count += is_of(it->value, person);
	return count;
}

static const char *id_of(const char *target)
{
	return target + strcspn(target, "/") + 1;
}

/* ---- life ---- */

static int load(struct targets *t, const char *kind, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "kind", kind);
	cleanup_json json_t *rows = filter ? store_records(t->store, filter, e) : NULL;
	const json_t *row;
	size_t i;
	if (!rows)
		return -1;
	json_array_foreach(rows, i, row)
	{
		char name[NOTICE_TARGET];
		json_t *v = json_incref(json_get(row, "value"));
		snprintf(name, sizeof(name), "%s/%.64s", kind, json_str(row, "id"));
		if (map_set(&t->values, span_of(name), v, NULL, e) != 0) {
			json_decref(v);
			return -1;
		}
	}
	return 0;
}

struct targets *targets_open(struct store *s, struct vault *v, const struct guard *g, struct err *e)
{
	struct targets *t = MEM_NEW(struct targets);
	if (!t) {
		err_nomem(e);
		return NULL;
	}
	*t = (struct targets){.store = s, .vault = v, .guard = g};
	map_init(&t->values, CAP_WEBHOOKS + CAP_PUSHES + CAP_STORE_ROWS);
	if (load(t, "webhook", e) == 0 && load(t, "push", e) == 0 && load(t, "notices", e) == 0)
		return t;
	targets_free(t);
	return NULL;
}

bool targets_busy(const struct targets *t)
{
	return t->changes > 0;
}

void targets_free(struct targets *t)
{
	if (!t)
		return;
	BUG_ON(t->changes);
	map_release(&t->values, value_free);
	mem_free(t);
}

/* ---- changes ---- */

static void secret_name(const char *id, bool old, char out[80])
{
	snprintf(out, 80, "webhook:%s%s", id, old ? ":old" : "");
}

static void forget_secrets(struct targets *t, const char *id)
{
	for (int old = 0; old < 2; old++) {
		char name[80];
		struct err e = ERR_INIT;
		secret_name(id, old, name);
		if (vault_delete(t->vault, name, &e) != 0 && e.code != ERR_NOT_FOUND)
			log_warn("notify", "the vault keeps %s: %s", name, e.text);
	}
}

static void on_recorded(void *ctx, const struct err *why)
{
	struct target_change *c = ctx;
	struct targets *t = c->targets;
	struct err e = *why;
	json_t *old = NULL;
	t->changes--;
	if (e.code == ERR_OK && !c->value) {
		old = map_del(&t->values, span_of(c->name));
		if (strncmp(c->name, "webhook/", 8) == 0)
			forget_secrets(t, c->id);
	} else if (e.code == ERR_OK && map_set(&t->values, span_of(c->name), c->value, (void **)&old, &e) == 0) {
		c->value = NULL;
	}
	json_decref(old);
	json_decref(c->value);
	c->cb(c, &e);
}

/* Record the value (taken over; NULL: gone) of c->name. */
static int change(
	struct targets *t, struct target_change *c, const char *who, const char *what, json_t *value, struct err *e)
{
	char kind[16];
	BUG_ON(!c);
	size_t n = strcspn(c->name, "/");
	const char *id = c->name + n + 1;
	snprintf(kind, sizeof(kind), "%.*s", (int)n, c->name);
	cleanup_json json_t *records = json_make(e, "[{s:s, s:s, s:O?}]", "kind", kind, "id", id, "value", value);
	/* s:O? leaves nothing out: null is what deletes. */
	struct audit a = {.who = who, .what = what, .object = c->name, .records = records};
	c->targets = t;
	c->value = value;
	snprintf(c->id, sizeof(c->id), "%.36s", id);
	if (!records || store_record(t->store, &a, on_recorded, c, e) != 0) {
		json_decref(value);
		return -1;
	}
	t->changes++;
	return 0;
}

static int name_it(struct target_change *c, const struct targets *t, const char *kind, const char *id, struct err *e)
{
	snprintf(c->name, sizeof(c->name), "%s/%.64s", kind, id);
	if (map_get(&t->values, span_of(c->name)))
		return 0;
	return err_set(
		e, ERR_NOT_FOUND, "there is no %s %.64s", strcmp(kind, "push") == 0 ? "push subscription" : kind, id);
}

/* ---- webhooks ---- */

static const char *const types[] = {"action.opened", "action.reminder", "run.ended", "budget.alert", NULL};

static int events_check(const json_t *events, struct err *e)
{
	const json_t *v;
	size_t i;
	json_array_foreach(events, i, v)
	{
		const char *const *known = types;
		while (*known && !(json_is_string(v) && strcmp(*known, json_string_value(v)) == 0))
			known++;
		if (!*known)
			return err_set(e, ERR_INVALID,
				"events: a list of action.opened, action.reminder, run.ended, "
				"budget.alert");
	}
	return 0;
}

/* Take what a person may set from body into value. */
static int webhook_set(const struct targets *t, json_t *value, const json_t *body, struct err *e)
{
	const char *url = json_str(body, "url");
	if (url && (strlen(url) > CAP_TARGET_URL || guard_check(t->guard, url, e) != 0))
		return strlen(url) > CAP_TARGET_URL
			       ? err_set(e, ERR_TOO_LARGE, "the URL is longer than %d bytes", CAP_TARGET_URL)
			       : err_wrap(e, "url");
	if (events_check(json_get(body, "events"), e) != 0)
		return -1;
	static const char *const members[] = {"url", "project", "events", "on"};
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		json_t *v = json_get(body, members[i]);
		if (v && json_object_set(value, members[i], v) != 0)
			return err_nomem(e);
	}
	if (json_bool(body, "on", false))
		json_object_del(value, "why");
	return 0;
}

static int64_t now(void)
{
	return clock_wall(&clock_real);
}

int webhook_add(struct targets *t, struct target_change *c, const char *who, const json_t *body, struct err *e)
{
	char id[ID_TEXT], secret[80];
	if (!json_str(body, "url"))
		return err_set(e, ERR_INVALID, "a webhook needs a url");
	if (count_of(t, "webhook/") + t->changes >= CAP_WEBHOOKS)
		return err_set(e, ERR_TOO_LARGE, "there are %d webhooks already; delete one", CAP_WEBHOOKS);
	id_new(id, now(), NULL);
	cleanup_json json_t *value = json_make(e, "{s:s, s:I, s:b}", "by", who, "at", (json_int_t)now(), "on", 1);
	if (!value || webhook_set(t, value, body, e) != 0)
		return -1;
	webhook_secret_new(c->secret);
	secret_name(id, false, secret);
	if (vault_put(t->vault, secret, c->secret, e) != 0)
		return -1;
	snprintf(c->name, sizeof(c->name), "webhook/%s", id);
	if (change(t, c, who, "webhook.created", steal(&value), e) == 0)
		return 0;
	forget_secrets(t, id);
	return -1;
}

int webhook_change(
	struct targets *t, struct target_change *c, const char *who, const char *id, const json_t *body, struct err *e)
{
	if (name_it(c, t, "webhook", id, e) != 0)
		return -1;
	cleanup_json json_t *value = json_clone(value_of(t, "webhook", id));
	if (!value)
		return err_nomem(e);
	return webhook_set(t, value, body, e) == 0 ? change(t, c, who, "webhook.changed", steal(&value), e) : -1;
}

int webhook_rotate(struct targets *t, struct target_change *c, const char *who, const char *id, struct err *e)
{
	char name[80], old[80];
	if (name_it(c, t, "webhook", id, e) != 0)
		return -1;
	secret_name(id, false, name);
	secret_name(id, true, old);
	const char *present = vault_get(t->vault, name);
	if (present && vault_put(t->vault, old, present, e) != 0)
		return -1;
	webhook_secret_new(c->secret);
	if (vault_put(t->vault, name, c->secret, e) != 0)
		return -1;
	return change(t, c, who, "webhook.rotated", json_incref(value_of(t, "webhook", id)), e);
}

int webhook_remove(struct targets *t, struct target_change *c, const char *who, const char *id, struct err *e)
{
	return name_it(c, t, "webhook", id, e) == 0 ? change(t, c, who, "webhook.deleted", NULL, e) : -1;
}

json_t *webhook_list(const struct targets *t, struct err *e)
{
	cleanup_json json_t *list = json_array();
	const struct map_entry *it;
	for (size_t i = 0; list && (it = map_next(&t->values, &i));) {
		if (!span_starts(span_of(it->key), "webhook/"))
			continue;
		json_t *v = json_clone(it->value);
		if (!v || json_put(v, "id", json_string(id_of(it->key))) != 0 || json_array_append_new(list, v) != 0) {
			err_nomem(e);
			return NULL;
		}
	}
	if (!list)
		err_nomem(e);
	return steal(&list);
}

static bool wants(const json_t *value, const json_t *occasion)
{
	const char *project = json_str(value, "project"), *of = json_str(occasion, "project");
	const json_t *events = json_get(value, "events"), *v;
	size_t i;
	if (!json_bool(value, "on", false) || (project && (!of || strcmp(project, of) != 0)))
		return false;
	json_array_foreach(events, i, v)
	{
		if (span_is(json_span(occasion, "type"), json_string_value(v)))
			return true;
	}
	return json_array_size(events) == 0;
}

void webhook_each(const struct targets *t, const json_t *occasion, void (*add)(void *to, const char *target), void *to)
{
	const struct map_entry *it;
	for (size_t i = 0; (it = map_next(&t->values, &i));)
		if (span_starts(span_of(it->key), "webhook/") && wants(it->value, occasion))
			add(to, it->key);
}

/* ---- push subscriptions ---- */

int push_add(struct targets *t, struct target_change *c, const char *person, const json_t *body, struct err *e)
{
	const json_t *keys = json_get(body, "keys");
	struct push_target p = {json_str(body, "endpoint"), json_str(keys, "p256dh"), json_str(keys, "auth")};
	struct hash h;
	char hex[HASH_HEX];
	if (!p.endpoint || strlen(p.endpoint) > CAP_TARGET_URL)
		return err_set(
			e, ERR_INVALID, "endpoint: the URL that the browser gives, up to %d bytes", CAP_TARGET_URL);
	if (guard_check(t->guard, p.endpoint, e) != 0 || push_target_check(&p, e) != 0)
		return -1;
	hash_bytes(&h, NULL, span_of(p.endpoint));
	hash_hex(&h, hex);
	snprintf(c->name, sizeof(c->name), "push/%.32s", hex);
	if (!map_get(&t->values, span_of(c->name)) && count_of(t, "push/") + t->changes >= CAP_PUSHES)
		return err_set(e, ERR_TOO_LARGE, "there are %d push subscriptions already", CAP_PUSHES);
	if (!is_of(map_get(&t->values, span_of(c->name)), person) &&
		count_of_person(t, person) + t->changes >= CAP_PUSHES_PERSON)
		return err_set(
			e, ERR_TOO_LARGE, "these are %d browsers already; take one away first", CAP_PUSHES_PERSON);
	json_t *value = json_make(e, "{s:s, s:s, s:s, s:s, s:I}", "endpoint", p.endpoint, "p256dh", p.p256dh, "auth",
		p.auth, "person", person, "at", (json_int_t)now());
	return value ? change(t, c, person, "push.subscribed", value, e) : -1;
}

int push_remove(struct targets *t, struct target_change *c, const char *person, const char *id, struct err *e)
{
	if (name_it(c, t, "push", id, e) != 0)
		return -1;
	if (!is_of(value_of(t, "push", id), person))
		return err_set(e, ERR_NOT_FOUND, "there is no push subscription %.64s", id);
	return change(t, c, person, "push.unsubscribed", NULL, e);
}

json_t *push_list(const struct targets *t, const char *person, struct err *e)
{
	cleanup_json json_t *list = json_array();
	const struct map_entry *it;
	for (size_t i = 0; list && (it = map_next(&t->values, &i));) {
		if (!span_starts(span_of(it->key), "push/") || !is_of(it->value, person))
			continue;
		const char *endpoint = json_str(it->value, "endpoint");
		const char *from = strstr(endpoint, "://");
		from = from ? from + 3 : endpoint;
		json_t *v = json_make(e, "{s:s, s:s%, s:I}", "id", id_of(it->key), "host", from, strcspn(from, "/?#"),
			"at", (json_int_t)json_int(it->value, "at", 0));
		if (!v || json_array_append_new(list, v) != 0)
			return NULL;
	}
	if (!list)
		err_nomem(e);
	return steal(&list);
}

void push_each(const struct targets *t, const char *person, void (*add)(void *to, const char *target), void *to)
{
	const struct map_entry *it;
	for (size_t i = 0; (it = map_next(&t->values, &i));)
		if (span_starts(span_of(it->key), "push/") && is_of(it->value, person))
			add(to, it->key);
}

/* ---- what people want ---- */

int choices_set(struct targets *t, struct target_change *c, const char *person, const json_t *body, struct err *e)
{
	if (choices_check(body, e) != 0)
		return -1;
	snprintf(c->name, sizeof(c->name), "notices/%.64s", person);
	json_t *value = json_make(e, "{s:O, s:O}", "push", json_get(body, "push"), "mail", json_get(body, "mail"));
	return value ? change(t, c, person, "notices.chosen", value, e) : -1;
}

const json_t *choices_of(const struct targets *t, const char *person)
{
	return value_of(t, "notices", person);
}

/* ---- for the sender ---- */

static int copy(char **to, const char *text, struct err *e)
{
	*to = text ? mem_strdup(text) : NULL;
	return text && !*to ? err_nomem(e) : 0;
}

int targets_find(const struct targets *t, const char *target, struct reach *r, struct err *e)
{
	const json_t *v = map_get(&t->values, span_of(target));
	char name[80], old[80];
	if (!v)
		return err_set(e, ERR_NOT_FOUND, "there is no %s", target);
	if (strncmp(target, "push/", 5) == 0)
		return copy(&r->address, json_str(v, "endpoint"), e) != 0 ||
				       copy(&r->p256dh, json_str(v, "p256dh"), e) != 0
			       ? -1
			       : copy(&r->auth, json_str(v, "auth"), e);
	secret_name(id_of(target), false, name);
	secret_name(id_of(target), true, old);
	if (!json_bool(v, "on", false))
		return err_set(e, ERR_NOT_FOUND, "%s is switched off", target);
	if (!vault_get(t->vault, name))
		return err_set(e, ERR_NOT_FOUND, "the vault has no secret of %s; give it a new one", target);
	return copy(&r->address, json_str(v, "url"), e) != 0 || copy(&r->secret, vault_get(t->vault, name), e) != 0
		       ? -1
		       : copy(&r->old_secret, vault_get(t->vault, old), e);
}

static void on_lost(struct target_change *c, const struct err *why)
{
	if (why->code != ERR_OK)
		log_warn("notify", "%s should be no more, which cannot be kept: %s", c->name, why->text);
	mem_free(c);
}

void targets_lost(struct targets *t, const char *target, bool gone)
{
	struct err e = ERR_INIT;
	const json_t *v = map_get(&t->values, span_of(target));
	bool push = strncmp(target, "push/", 5) == 0;
	struct target_change *c = v ? MEM_NEW(struct target_change) : NULL;
	if (!c || (push && !gone)) { /* a browser that is away for long may come back */
		mem_free(c);
		return;
	}
	json_t *off = push ? NULL : json_clone(v);
	c->cb = on_lost;
	snprintf(c->name, sizeof(c->name), "%s", target);
	if (off)
		json_put(off, "why", json_string(gone ? "gone" : "failing"));
	if ((!push && (!off || json_put(off, "on", json_false()) != 0)) ||
		change(t, c, "system", push ? "push.gone" : "webhook.switched_off", off, &e) != 0) {
		log_warn("notify", "%s should be no more: %s", target, e.text);
		mem_free(c);
	}
}
