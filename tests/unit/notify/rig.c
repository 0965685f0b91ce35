#include "rig.h"

#include <stdio.h>
#include <string.h>

#include "base/crypt.h"

struct rig rig;
struct err e;

static void on_end(struct timer *t)
{
	size_t i = (size_t)(t - rig.ends);
	struct notice *n = rig.sending[i];
	struct err why = ERR_INIT;
	rig.sending[i] = NULL;
	rig.under_way--;
	if (rig.how != NOTICE_DELIVERED)
		err_set(&why, ERR_NETWORK, "nobody there");
	notice_end(n, rig.how, rig.wait_ms, &why);
}

static int mail_under_way(void)
{
	int count = 0;
	for (size_t i = 0; i < 64; i++)
		count += rig.sending[i] && strncmp(rig.sending[i]->target, "mail/", 5) == 0;
	return count;
}

static bool is_kept(const char *id)
{
	cleanup_json json_t *filter = json_pack("{s:s, s:s}", "kind", "notice", "id", id);
	cleanup_json json_t *rows = store_records(rig.store, filter, &e);
	return json_array_size(rows) == 1;
}

static int start(struct sender *s, struct notice *n, struct err *why)
{
	size_t i = 0;
	(void)s;
	assert_true(is_kept(n->id)); /* before anything is done about it */
	assert_true(rig.count < RIG_TRIES);
	mem_free(rig.tries[rig.count].about);
	snprintf(rig.tries[rig.count].id, NOTICE_ID, "%s", n->id);
	snprintf(rig.tries[rig.count].target, NOTICE_TARGET, "%s", n->target);
	rig.tries[rig.count].about = json_text(n->about);
	rig.tries[rig.count++].at = (clock_wall(loop_clock(rig.loop)) - rig.start) / 1000;
	if (rig.refuses)
		return err_set(why, ERR_NOT_FOUND, "no such target");
	while (rig.sending[i])
		i++;
	rig.sending[i] = n;
	rig.under_way++;
	if (rig.under_way > rig.most_under_way)
		rig.most_under_way = rig.under_way;
	if (mail_under_way() > rig.most_mail)
		rig.most_mail = mail_under_way();
	timer_init(&rig.ends[i], rig.loop, on_end);
	return timer_start(&rig.ends[i], rig.takes_ms, why);
}

static void cancel(struct sender *s, struct notice *n)
{
	(void)s;
	for (size_t i = 0; i < 64; i++)
		if (rig.sending[i] == n)
			timer_start(&rig.ends[i], 0, NULL);
}

static void failing(struct sender *s, const char *target, int failures)
{
	(void)s, (void)target, (void)failures;
	rig.failings++;
}

int rig_setup(void **state)
{
	static const uint8_t key[KEY_SIZE] = {1};
	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.sender = (struct sender){start, cancel, failing};
	rig.how = NOTICE_DELIVERED;
	rig.takes_ms = 10;
	rig.start = 1700000000000000;
	rig.loop = loop_new_sim(1, rig.start, &e);
	if (!rig.loop)
		return -1;
	struct store_options o = {.access = STORE_OWN, .chain_key = key};
	rig.store = store_open(rig.loop, &o, &e);
	return rig.store ? 0 : -1;
}

int rig_teardown(void **state)
{
	(void)state;
	store_close(rig.store);
	loop_free(rig.loop);
	for (size_t i = 0; i < RIG_TRIES; i++)
		mem_free(rig.tries[i].about);
	return 0;
}

static void on_time(struct timer *t)
{
	(void)t;
}

void rig_turn(int64_t ms)
{
	struct timer t;
	int64_t until = clock_wall(loop_clock(rig.loop)) + ms * 1000;
	timer_init(&t, rig.loop, on_time);
	must(timer_start(&t, ms, &e), &e);
	while (clock_wall(loop_clock(rig.loop)) < until)
		loop_turn(rig.loop, -1);
	for (int i = 0; i < 20; i++)
		loop_turn(rig.loop, 0);
	timer_stop(&t);
}

size_t rig_records(void)
{
	cleanup_json json_t *filter = json_pack("{s:s}", "kind", "notice");
	cleanup_json json_t *rows = store_records(rig.store, filter, &e);
	assert_non_null(rows);
	return json_array_size(rows);
}
