/* page: one page of a list that is read on the pool. A route that has them takes PAGE_QUERY. */
#ifndef MUSTER_API_PAGE_H
#define MUSTER_API_PAGE_H

#include "api/private.h"

#define PAGE_QUERY "cursor:i? limit:i?"

struct page {
	int64_t after; /* the cursor: what it begins behind; 0: nothing */
	int limit;
	int64_t next; /* to be set: what the next one begins behind; 0: there is none */
};
/* For handlers, as aside_start. read is called on the pool, and gives the page as an array. standard: its limit where
 * the query says none. */
typedef json_t *page_read(struct ask *q, struct page *p, struct err *e);
json_t *page_start(struct ask *q, page_read *read, int standard, struct err *e);
/* Its part of a list that is at hand, which is consumed (NULL: no memory): places in it are the cursors. */
json_t *page_part(struct page *p, json_t *list, struct err *e);

#endif
