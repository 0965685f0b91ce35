/* list: intrusive doubly linked list. A head and its members are both struct list; an empty head points to itself. */
#ifndef MUSTER_BASE_LIST_H
#define MUSTER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}
static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}
static inline void list_insert_before(struct list *at, struct list *item)
{
	item->prev = at->prev;
	item->next = at;
	at->prev->next = item;
	at->prev = item;
}
/* At the end, at the front. */
static inline void list_push(struct list *head, struct list *item)
{
	list_insert_before(head, item);
}
static inline void list_unshift(struct list *head, struct list *item)
{
	list_insert_before(head->next, item);
}
/* Removing twice, or an item that was only initialised, is harmless. */
static inline void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}
static inline struct list *list_shift(struct list *head)
{
	struct list *item = head->next;
	if (item == head)
		return NULL;
	list_remove(item);
	return item;
}
#define list_entry(item, type, member) container_of(item, type, member)
/* The body may remove `it`. */
#define list_for(it, head)                                                                                             \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)

#endif
