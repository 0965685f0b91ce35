/* ask: an ask from its beginning to its reply, which frees it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/account.h"
#include "api/private.h"
#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/url.h"

struct ask *ask_new(struct api *a, const char *path, struct server_request *r, struct err *e)
{
	struct ask *q = MEM_NEW(struct ask);
	if (!q || !(q->path = mem_strdup(path))) {
		mem_free(q);
		err_nomem(e);
		return NULL;
	}
	q->api = a;
	a->requests++;
	q->needs = &a->needs;
	q->request = r;
	id_new(q->id, clock_wall(loop_clock(a->needs.loop)), NULL);
	return q;
}

void ask_command(struct ask *q, const char *key)
{
	struct hash_stream h;
	struct hash hash;
	snprintf(q->command_id, sizeof(q->command_id), "%s", q->id);
	if (!key)
		return;
	hash_start(&h, NULL);
	hash_update(&h, q->caller.person, strlen(q->caller.person) + 1);
	hash_update(&h, q->path, strlen(q->path) + 1);
	hash_update(&h, key, strlen(key));
	hash_end(&h, &hash);
	id_of_hash(q->command_id, &hash);
}

void ask_forget(struct ask *q)
{
	if (!q)
		return;
	json_decref(q->run);
	json_decref(q->known);
	json_decref(q->query);
	json_decref(q->body);
	mem_free(q->path);
	mem_free(q);
}

static struct span value_of(const struct ask *q, const char *name)
{
	size_t n = 0;
	for (const char *at = q->route->path; (at = strchr(at, '{')); at = strchr(at, '}'), n++)
		if (span_is(span_n(at + 1, strcspn(at + 1, "}")), name))
			return q->match.values[n];
	return SPAN_NONE;
}

char *ask_param(const struct ask *q, const char *name)
{
	struct span value = value_of(q, name);
	if (!value.p)
		BUG("route %s has no {%s}", q->route->path, name);
	return span_dup(value);
}

const char *ask_header(const struct ask *q, const char *name)
{
	return request_header(q->request, name);
}

int ask_limit(const struct ask *q, int standard, bool all, int *out, struct err *e)
{
	int64_t limit = json_int(q->query, "limit", standard);
	bool any = all && q->caller.kind == CALLER_LOCAL;
	*out = (int)limit;
	return any || (limit >= 1 && limit <= PAGE_MOST) ? 0
							 : err_set(e, ERR_INVALID, "limit must be 1 to %d", PAGE_MOST);
}

int ask_visible(const struct ask *q, json_t *filter, struct err *e)
{
	const char *one = json_str(filter, "project");
	if (one)
		return ask_may(q, one, ROLE_VIEWER) ? 0 : err_set(e, ERR_NOT_FOUND, "there is no project %.80s", one);
	if (!q->needs->accounts)
		return 0;
	cleanup_json json_t *projects = accounts_projects(q->needs->accounts, &q->caller, e);
	if (!projects)
		return e->code == ERR_OK ? err_nomem(e) : -1;
	if (json_is_null(projects))
		return 0;
	if (!json_array_size(projects) && json_array_append_new(projects, json_string(""))) /* no project's id */
		return err_nomem(e);
	return json_put(filter, "project", json_incref(projects)) ? err_nomem(e) : 0;
}

int ask_sign(const struct ask *q, json_t *command)
{
	bool free_choice = q->caller.kind == CALLER_LOCAL && json_str(command, "by");
	return free_choice ? 0 : json_put(command, "by", json_string(q->caller.name));
}

int ask_model(const struct ask *q, const char *model, struct err *e)
{
	bool local = model && (!strncmp(model, "exec:", 5) || !strncmp(model, "script:", 7));
	return !local || q->caller.kind == CALLER_LOCAL ? 0
							: err_set(e, ERR_DENIED,
								  "the model %.80s is a program or file of the host; "
								  "only the data folder's owner may name it, "
								  "on the machine itself or in config.yaml",
								  model);
}

int ask_next(struct ask *q, const char *cursor, struct err *e)
{
	cleanup_buf struct buf link = BUF_INIT(CAP_HTTP_HEAD);
	const char *key;
	json_t *value;
	buf_addf(&link, "<%s?", q->request->path);
	json_object_foreach(q->query, key, value)
	{
		if (!strcmp(key, "cursor"))
			continue;
		cleanup_free char *text =
			json_is_string(value) ? mem_strdup(json_string_value(value)) : json_text(value);
		buf_addf(&link, "%s=", key);
		url_encode(text ? text : "", &link);
		buf_addc(&link, '&');
	}
	buf_addf(&link, "cursor=%s>; rel=\"next\"", cursor);
	return buf_check(&link, "the link to what follows", e) || reply_header(q->request, "Link", link.data, e) ? -1
														 : 0;
}

int ask_page(const struct ask *q, int standard, struct ask_page *out, struct err *e)
{
	const char *cursor = json_str(q->query, "cursor");
	char *end = NULL;
	*out = (struct ask_page){.skip = 0};
	if (ask_limit(q, standard, true, &out->limit, e))
		return -1;
	if (cursor) {
		long long at = strtoll(cursor, &end, 10), skip = *end == '.' ? strtoll(end + 1, &end, 10) : -1;
		if (*end || at < 0 || at == LLONG_MAX || skip < 1 || skip > PAGE_MOST)
			return err_set(e, ERR_INVALID, "\"%.40s\" is no cursor; take it from the Link header", cursor);
		out->before = at + 1;
		out->skip = (size_t)skip;
	}
	out->fetch = out->limit < 0 ? -1 : out->limit + (int)out->skip;
	return 0;
}

json_t *ask_paged(struct ask *q, const struct ask_page *p, json_t *rows, const char *time, struct err *e)
{
	cleanup_json json_t *page = rows;
	size_t n = json_array_size(page), same = 0;
	char cursor[64];
	if (!page || p->limit < 0 || n < (size_t)p->fetch) {
		for (size_t i = 0; i < p->skip && page; i++)
			json_array_remove(page, 0);
		return steal(&page);
	}
	int64_t last = json_int(json_array_get(page, n - 1), time, 0);
	while (same < n && json_int(json_array_get(page, n - 1 - same), time, 0) == last)
		same++;
	for (size_t i = 0; i < p->skip; i++)
		json_array_remove(page, 0);
	snprintf(cursor, sizeof(cursor), "%lld.%zu", (long long)last, same);
	return ask_next(q, cursor, e) ? NULL : steal(&page);
}

/* ---- the end ---- */

static void send_reply(struct server_request *r, const struct route *route, struct span text)
{
	int status = route->status ? route->status : route->reply ? 200 : 204;
	if (route->reply)
		reply_json(r, status, text);
	else
		reply_bytes(r, status, NULL, SPAN_NONE);
}

/* A browser that came by itself shows no problem document: the page says it. */
static bool sent_on(const struct ask *q, const struct err *why)
{
	const char *accept = ask_header(q, "accept");
	char to[64];
	snprintf(to, sizeof(to), "/?error=%s", err_name(why->code));
	return q->route && q->route->visited && accept && strstr(accept, "text/html") &&
	       reply_header(q->request, "Location", to, NULL) == 0;
}

void ask_told(const struct ask *q, const char *method, const char *address, const struct err *why)
{
	struct log_about about = {.request = q->id, .run = json_str(q->run, "run")};
	if (why)
		log_write_about(LOG_INFO, "api", about, "%s %s: %s", method, q->path, why->text);
	else
		log_write_about(LOG_DEBUG, "api", about, "%s %s", method, q->path);
	if (why && q->route && !q->noted)
		admit_note(q->api, &q->caller, why->code, q->route->path, address);
	q->api->replies[(why ? err_http(why->code) : 200) / 100]++;
}

void ask_end(struct ask *q, json_t *out, const struct err *why)
{
	struct server_request *r = q->request;
	const struct route *route = q->route;
	struct err none = ERR_INIT;
	cleanup_free char *text = out ? json_text(out) : NULL;
	bool failed = !out || !text;
	char address[64] = "";
	if (out && !text) {
		err_nomem(&none);
		why = &none;
	}
	json_decref(out);
	if (failed)
		account_address(r, address);
	ask_told(q, r->method, address, failed ? why : NULL);
	bool elsewhere = failed && sent_on(q, why);
	ask_forget(q);
	if (elsewhere)
		reply_bytes(r, 303, NULL, SPAN_NONE);
	else if (failed)
		reply_problem(r, why);
	else
		send_reply(r, route, span_of(text));
}
