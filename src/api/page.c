/* page: see page.h. */
#include "api/page.h"

#include <stdio.h>

#include "api/aside.h"
#include "base/mem.h"

struct reading {
	struct page page;
	page_read *read;
};

static json_t *on_pool(struct ask *q, void *ctx, struct err *e)
{
	struct reading *r = ctx;
	return r->read(q, &r->page, e);
}

static json_t *on_end(struct ask *q, void *ctx, json_t *out, struct err *e)
{
	struct reading *r = ctx;
	char cursor[24];
	snprintf(cursor, sizeof(cursor), "%lld", (long long)r->page.next);
	if (out && r->page.next && ask_next(q, cursor, e)) {
		json_decref(out);
		out = NULL;
	}
	mem_free(r);
	return out;
}

json_t *page_start(struct ask *q, page_read *read, int standard, struct err *e)
{
	struct page p = {.after = json_int(q->query, "cursor", 0)};
	if (ask_limit(q, standard, false, &p.limit, e))
		return NULL;
	struct reading *r = p.after < 0 ? NULL : MEM_NEW(struct reading);
	if (!r) {
		p.after < 0
			? err_set(e, ERR_INVALID, "%lld is no cursor; take it from the Link header", (long long)p.after)
			: err_nomem(e);
		return NULL;
	}
	*r = (struct reading){p, read};
	return aside_start(q, &q->api->reads, (struct aside){on_pool, on_end, r}, e);
}

json_t *page_part(struct page *p, json_t *list, struct err *e)
{
	cleanup_json json_t *whole = list, *out = json_array();
	size_t size = json_array_size(whole), i = p->after < (int64_t)size ? (size_t)p->after : size;
	size_t end = size - i > (size_t)p->limit ? i + (size_t)p->limit : size;
	bool ok = whole && out;
	for (; ok && i < end; i++)
		ok = !json_array_append(out, json_array_get(whole, i));
	if (!ok) {
		err_nomem(e);
		return NULL;
	}
	p->next = end < size ? (int64_t)end : 0;
	return steal(&out);
}
