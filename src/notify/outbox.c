#include "notify/outbox.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/log.h"
#include "base/mem.h"

/* A notice:
 *
 *	WAITING ──its record is durable, its time has come──▶ SENDING ──delivered──▶ SENT ──a day──▶ forgotten
 *	   ▲                                                    │ └──never, or a day of failures──▶ GIVEN_UP ──a day──▶
 *	   └──────────────────────failed───────────────────────┘
 *
 * One append is under way at a time; what changes meanwhile goes with the next. An append that fails is made again
 * after a moment: nothing is begun that was not kept. */

#define SECOND INT64_C(1000000)
#define AFTER_FAILURE_MS 1000

struct outbox_target {
	size_t notices, waiting;
	int failures;  /* in a row */
	int64_t until; /* after a failure: no try before */
	bool busy;
};

struct outbox {
	struct loop *loop;
	struct store *store;
	struct sender *sender;
	struct map notices; /* id → notice */
	struct map targets; /* name → outbox_target, of all that have notices */
	struct list dirty, writing;
	json_t *forgotten, *forgetting; /* records of notices that are no more, as they are written */
	struct timer timer;
	struct tick tick;
	struct rng rng;
	size_t sending, waiting;
	bool mailing, appending, stopped;
};

static const char *const state_names[] = {"waiting", "waiting", "sent", "given_up"};

static int64_t now_of(const struct outbox *b)
{
	return clock_wall(loop_clock(b->loop));
}

static bool is_over(const struct notice *n)
{
	return n->state == NOTICE_SENT || n->state == NOTICE_GIVEN_UP;
}

static void become(struct notice *n, enum notice_state state)
{
	bool before = is_over(n);
	n->state = state;
	if (is_over(n) && !before) {
		n->to->waiting--;
		n->box->waiting--;
	}
}

static void notice_free(void *v)
{
	struct notice *n = v;
	json_decref(n->about);
	mem_free(n);
}

static void dirty(struct notice *n)
{
	list_remove(&n->link);
	list_push(&n->box->dirty, &n->link);
	tick_start(&n->box->tick);
}

/* ---- records ---- */

static json_t *record(const struct notice *n)
{
	return json_pack("{s:s, s:s, s:{s:s, s:O, s:s, s:i, s:I, s:I}}", "kind", "notice", "id", n->id, "value",
		"target", n->target, "about", n->about, "state", state_names[n->state], "tries", n->tries, "since",
		(json_int_t)n->since, "next", (json_int_t)n->next);
}

static void on_written(void *ctx, const struct err *why)
{
	struct outbox *b = ctx;
	bool fine = why->code == ERR_OK;
	b->appending = false;
	list_for (it, &b->writing) {
		struct notice *n = list_entry(it, struct notice, link);
		list_remove(&n->link);
		if (!fine && !b->stopped)
			list_push(&b->dirty, &n->link);
	}
	if (!fine) {
		log_warn("notify", "notices cannot be kept%s: %s", b->stopped ? "" : " and are kept back", why->text);
		json_array_extend(b->forgotten, b->forgetting);
	}
	json_array_clear(b->forgetting);
	if (fine)
		tick_start(&b->tick);
	else if (!b->stopped)
		timer_start(&b->timer, AFTER_FAILURE_MS, NULL);
}

/* Write what changed. */
static int flush(struct outbox *b, struct err *e)
{
	cleanup_json json_t *records = json_array();
	size_t count = 0;
	if (b->appending || (list_empty(&b->dirty) && json_array_size(b->forgotten) == 0))
		return 0;
	int rc = json_array_extend(records, b->forgotten);
	list_for (it, &b->dirty) {
		if (count++ == CAP_NOTICES_AT_ONCE)
			break;
		rc |= json_array_append_new(records, record(list_entry(it, struct notice, link)));
	}
	if (rc != 0 || json_array_extend(b->forgetting, b->forgotten) != 0) {
		json_array_clear(b->forgetting);
		return err_nomem(e);
	}
	json_array_clear(b->forgotten);
	struct audit a = {.who = "system", .what = "notices.kept", .records = records};
	b->appending = true;
	for (size_t i = 0; i < CAP_NOTICES_AT_ONCE && !list_empty(&b->dirty); i++) {
		struct list *it = b->dirty.next;
		list_remove(it);
		list_push(&b->writing, it);
	}
	struct err why = ERR_INIT;
	if (store_record(b->store, &a, on_written, b, &why) != 0)
		on_written(b, &why);
	return 0;
}

/* Somebody should read that a notice never arrived. */
static void audit_given_up(struct outbox *b, const struct notice *n, const struct err *why)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *detail = json_make(&e, "{s:s, s:s*, s:i, s:s}", "target", n->target, "run",
		json_str(n->about, "run"), "tries", n->tries, "why", err_name(why->code));
	struct audit a = {.who = "system", .what = "notice.given_up", .object = n->target, .detail = detail};
	if (!detail || store_record(b->store, &a, NULL, NULL, &e) != 0)
		log_warn("notify", "a notice to %s was given up, which cannot be journaled: %s", n->target, e.text);
}

/* ---- tries ---- */

static int64_t wait_us(struct outbox *b, int tries)
{
	int64_t wait = TIME_NOTICE_RETRY * INT64_C(1000);
	for (int i = 1; i < tries && wait < TIME_NOTICE_RETRY_MOST * INT64_C(1000); i++)
		wait *= 2;
	if (wait > TIME_NOTICE_RETRY_MOST * INT64_C(1000))
		wait = TIME_NOTICE_RETRY_MOST * INT64_C(1000);
	return wait * 3 / 4 + (int64_t)rng_below(&b->rng, (uint64_t)(wait / 2));
}

static void end(struct notice *n, enum notice_end how, int64_t wait_ms, const struct err *why)
{
	struct outbox *b = n->box;
	int64_t now = now_of(b);
	if (b->stopped && how != NOTICE_DELIVERED) { /* by us, so it is no failure */
		n->state = NOTICE_WAITING;
		return;
	}
	n->tries++;
	become(n, how == NOTICE_DELIVERED ? NOTICE_SENT : NOTICE_WAITING);
	if (how == NOTICE_NEVER || (how == NOTICE_AGAIN && now - n->since >= TIME_NOTICE_LIFE * INT64_C(1000))) {
		become(n, NOTICE_GIVEN_UP);
		audit_given_up(b, n, why);
	}
	n->next = now;
	if (how == NOTICE_DELIVERED)
		n->to->failures = 0;
	if (how == NOTICE_AGAIN) {
		int64_t wait = wait_us(b, ++n->to->failures);
		n->to->until = now + (wait_ms * 1000 > wait ? wait_ms * 1000 : wait);
		if (n->state == NOTICE_WAITING)
			n->next = n->to->until;
		if (n->to->failures == NOTICE_FAILURES && b->sender->failing)
			b->sender->failing(b->sender, n->target, NOTICE_FAILURES);
	}
	dirty(n);
}

static bool is_mail(const struct notice *n)
{
	return strncmp(n->target, "mail/", 5) == 0;
}

static void under_way(struct notice *n, bool yes)
{
	struct outbox *b = n->box;
	n->to->busy = yes;
	b->sending = yes ? b->sending + 1 : b->sending - 1;
	if (is_mail(n))
		b->mailing = yes;
}

void notice_end(struct notice *n, enum notice_end how, int64_t wait_ms, const struct err *why)
{
	BUG_ON(n->state != NOTICE_SENDING);
	under_way(n, false);
	end(n, how, wait_ms, why);
	tick_start(&n->box->tick);
}

/* Mail goes out one at a time: a server that hangs keeps a thread of the pool. */
static bool may_begin(const struct outbox *b, const struct notice *n)
{
	return b->sending < CAP_NOTICES_SENDING && !n->to->busy && !(is_mail(n) && b->mailing);
}

static void begin(struct outbox *b, struct notice *n)
{
	struct err e = ERR_INIT;
	n->state = NOTICE_SENDING;
	under_way(n, true);
	if (b->sender->start(b->sender, n, &e) == 0)
		return;
	under_way(n, false);
	bool never =
		e.code == ERR_NOT_FOUND || e.code == ERR_DENIED || e.code == ERR_INVALID || e.code == ERR_TOO_LARGE;
	end(n, never ? NOTICE_NEVER : NOTICE_AGAIN, 0, &e);
}

static void notice_leave(struct notice *n)
{
	struct outbox *b = n->box;
	if (--n->to->notices == 0)
		mem_free(map_del(&b->targets, span_of(n->target)));
	list_remove(&n->link);
	map_del(&b->notices, span_of(n->id));
	notice_free(n);
}

static void forget(struct outbox *b, struct notice *n)
{
	if (json_array_size(b->forgotten) >= CAP_NOTICES_AT_ONCE)
		return; /* next time */
	json_t *gone = json_pack("{s:s, s:s, s:n}", "kind", "notice", "id", n->id, "value");
	if (!gone || json_array_append_new(b->forgotten, gone) != 0)
		return;
	notice_leave(n);
}

/* Begin what is due, forget what is old, and sleep until something is. */
static void on_tick(struct tick *t)
{
	struct outbox *b = container_of(t, struct outbox, tick);
	struct map_entry *it;
	int64_t now = now_of(b), wake = INT64_MAX;
	if (b->stopped) {
		if (flush(b, NULL) != 0)
			list_for (item, &b->dirty)
				list_remove(item);
		return;
	}
	for (size_t i = 0; (it = map_next(&b->notices, &i));) {
		struct notice *n = it->value;
		bool over = is_over(n), many = map_count(&b->notices) - b->waiting > CAP_NOTICES_REMEMBERED;
		int64_t due = over && many	       ? now
			      : over		       ? n->next + TIME_NOTICE_REMEMBERED * INT64_C(1000)
			      : n->to->until > n->next ? n->to->until
						       : n->next;
		if (n->state == NOTICE_SENDING || !list_empty(&n->link)) /* not kept yet */
			continue;
		if (due > now)
			wake = due < wake ? due : wake;
		else if (over)
			forget(b, n);
		else if (may_begin(b, n))
			begin(b, n);
	}
	struct err e = ERR_INIT;
	if (flush(b, &e) != 0 || (wake != INT64_MAX && timer_start(&b->timer, (wake - now) / 1000 + 1, &e) != 0)) {
		log_warn("notify", "notices wait: %s", e.text);
		timer_start(&b->timer, AFTER_FAILURE_MS, NULL);
	}
}

static void on_timer(struct timer *t)
{
	tick_start(&container_of(t, struct outbox, timer)->tick);
}

/* ---- life ---- */

static struct outbox_target *target_of(struct outbox *b, const char *name, struct err *e)
{
	struct outbox_target *t = map_get(&b->targets, span_of(name));
	if (t)
		return t;
	t = MEM_NEW(struct outbox_target);
	if (!t) {
		err_nomem(e);
	} else if (map_set(&b->targets, span_of(name), t, NULL, e) != 0) {
		mem_free(t);
		t = NULL;
	}
	return t;
}

static struct notice *notice_new(
	struct outbox *b, const char *id, const char *target, const json_t *about, struct err *e)
{
	struct notice *n = MEM_NEW(struct notice);
	if (!n) {
		err_nomem(e);
		return NULL;
	}
	n->box = b;
	snprintf(n->id, sizeof(n->id), "%s", id);
	snprintf(n->target, sizeof(n->target), "%s", target);
	n->about = json_incref((json_t *)about);
	list_init(&n->link);
	n->to = target_of(b, n->target, e);
	if (!n->to || map_set(&b->notices, span_of(id), n, NULL, e) != 0) {
		if (n->to && n->to->notices == 0)
			mem_free(map_del(&b->targets, span_of(n->target)));
		notice_free(n);
		return NULL;
	}
	n->to->notices++;
	n->to->waiting++;
	b->waiting++;
	return n;
}

static int load(struct outbox *b, struct err *e)
{
	cleanup_json json_t *filter = json_make(e, "{s:s}", "kind", "notice");
	cleanup_json json_t *rows = filter ? store_records(b->store, filter, e) : NULL;
	const json_t *row;
	size_t i;
	if (!rows)
		return -1;
	json_array_foreach(rows, i, row)
	{
		const json_t *v = json_get(row, "value");
		const char *state = json_str(v, "state"), *target = json_str(v, "target"), *id = json_str(row, "id");
		if (!state || !target || strlen(id) >= NOTICE_ID)
			return err_set(e, ERR_CORRUPT, "the record of the notice %s is none", id);
		struct notice *n = notice_new(b, id, target, json_get(v, "about"), e);
		if (!n)
			return -1;
		become(n, strcmp(state, "waiting") == 0 ? NOTICE_WAITING
			  : strcmp(state, "sent") == 0	? NOTICE_SENT
							: NOTICE_GIVEN_UP);
		n->tries = (int)json_int(v, "tries", 0);
		n->since = json_int(v, "since", 0);
		n->next = json_int(v, "next", 0);
	}
	return 0;
}

struct outbox *outbox_open(struct loop *l, struct store *s, struct sender *sender, uint64_t seed, struct err *e)
{
	struct outbox *b = MEM_NEW(struct outbox);
	if (!b) {
		err_nomem(e);
		return NULL;
	}
	b->loop = l;
	b->store = s;
	b->sender = sender;
	b->rng.state = seed;
	b->forgotten = json_array();
	b->forgetting = json_array();
	map_init(&b->notices, CAP_NOTICES + CAP_NOTICES_REMEMBERED);
	map_init(&b->targets, CAP_NOTICES + CAP_NOTICES_REMEMBERED);
	list_init(&b->dirty);
	list_init(&b->writing);
	tick_init(&b->tick, l, on_tick);
	timer_init(&b->timer, l, on_timer);
	if (!b->forgotten || !b->forgetting)
		err_nomem(e);
	else if (load(b, e) == 0) {
		tick_start(&b->tick);
		return b;
	}
	outbox_free(b);
	return NULL;
}

static void id_of(const char *occasion, const char *target, char out[NOTICE_ID])
{
	struct hash_stream h;
	struct hash hash;
	char hex[HASH_HEX];
	hash_start(&h, NULL);
	hash_update(&h, occasion, strlen(occasion) + 1);
	hash_update(&h, target, strlen(target));
	hash_end(&h, &hash);
	hash_hex(&hash, hex);
	snprintf(out, NOTICE_ID, "%.32s", hex);
}

bool outbox_knows(const struct outbox *b, const char *occasion, const char *target)
{
	char id[NOTICE_ID];
	id_of(occasion, target, id);
	return map_get(&b->notices, span_of(id)) != NULL;
}

/* Of what waits: a tenth, and of a browser so little that all that a person may have are a tenth. */
static size_t room_of(const char *target)
{
	return CAP_NOTICES_OF_ONE / (strncmp(target, "push/", 5) == 0 ? CAP_PUSHES_PERSON : 1);
}

int outbox_add(struct outbox *b, const char *occasion, const char *target, const json_t *about, struct err *e)
{
	char id[NOTICE_ID];
	if (strlen(target) >= NOTICE_TARGET)
		return err_set(e, ERR_INVALID, "a notice's target is too long: %.80s", target);
	if (outbox_knows(b, occasion, target))
		return 0;
	const struct outbox_target *to = map_get(&b->targets, span_of(target));
	if (b->waiting >= CAP_NOTICES || (to && to->waiting >= room_of(target)))
		return err_set(e, ERR_OVERLOADED, "%zu notices are waiting already",
			to && b->waiting < CAP_NOTICES ? to->waiting : b->waiting);
	id_of(occasion, target, id);
	struct notice *n = notice_new(b, id, target, about, e);
	if (!n)
		return -1;
	n->since = n->next = now_of(b);
	dirty(n);
	return 1;
}

void outbox_drop(struct outbox *b, bool (*unwanted)(void *ctx, const json_t *about), void *ctx)
{
	struct map_entry *it;
	for (size_t i = 0; (it = map_next(&b->notices, &i));) {
		struct notice *n = it->value;
		if (n->state != NOTICE_WAITING || !unwanted(ctx, n->about))
			continue;
		become(n, NOTICE_GIVEN_UP);
		n->next = now_of(b);
		dirty(n);
	}
}

size_t outbox_waiting(const struct outbox *b)
{
	return b->waiting;
}

void outbox_stop(struct outbox *b)
{
	struct map_entry *it;
	b->stopped = true;
	timer_stop(&b->timer);
	tick_start(&b->tick);
	for (size_t i = 0; (it = map_next(&b->notices, &i));) {
		struct notice *n = it->value;
		if (n->state == NOTICE_SENDING)
			b->sender->cancel(b->sender, n);
	}
}

bool outbox_busy(const struct outbox *b)
{
	return b->sending > 0 || b->appending || !list_empty(&b->dirty);
}

void outbox_free(struct outbox *b)
{
	if (!b)
		return;
	if (outbox_busy(b))
		BUG("the outbox is freed with %zu notices under way", b->sending);
	tick_stop(&b->tick);
	timer_stop(&b->timer);
	map_release(&b->notices, notice_free);
	map_release(&b->targets, mem_free);
	json_decref(b->forgotten);
	json_decref(b->forgetting);
	mem_free(b);
}
