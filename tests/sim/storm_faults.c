/* storm_faults: what fails in a storm beside the model: the journal, the disk, commands, the clock. And what must hold
 * at that very moment: what is done was announced, and the announcement is durable. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/mem.h"
#include "store/memory.h"
#include "store/private.h"
#include "storm.h"

static bool goes_wrong(struct storm *s, int of)
{
	return !s->calm && !rng_below(&s->w->rng, (uint64_t)of);
}

/* ---- the journal ---- */

static const struct driver_ops *real;

/* Refused for want of room; or not written, or written, and in both cases the commit's end is not known. */
static void apply(struct driver *d, struct write *wr)
{
	struct storm *s = the_world->storm;
	struct err e = ERR_INIT;
	bool fine = wr->kind > WRITE_COMMAND || !goes_wrong(s, s->rough * 12);
	if (fine) {
		real->apply(d, wr);
		return;
	}
	s->faults[STORM_JOURNAL]++;
	s->disturbed = true;
	switch (rng_below(&s->w->rng, 3)) {
	case 0:
		err_set(&e, ERR_DISK_FULL, "the journal has no room");
		write_fail(wr, &e);
		return;
	case 1:
		real->apply(d, wr);
		break;
	default:
		break;
	}
	s->lost_commit = true;
}

static int commit(struct driver *d, struct err *e)
{
	struct storm *s = the_world->storm;
	bool lost = s->lost_commit;
	s->lost_commit = false;
	real->commit(d, e);
	return lost ? err_set(e, ERR_IO, "the journal's disk failed") : 0;
}

void storm_break(struct storm *s)
{
	static struct driver_ops ops;
	struct driver *d = s->w->store->driver;
	real = d->ops;
	ops = *real;
	ops.apply = apply;
	ops.commit = commit;
	d->ops = &ops;
}

/* ---- the disk and the clock ---- */

bool storm_io(struct world *w)
{
	struct storm *s = w->storm;
	if (s->calm || !s->io_left || s->io_after-- > 0)
		return false;
	s->io_after = 0;
	s->io_left--;
	s->disturbed = true;
	s->faults[STORM_FILES]++;
	errno = s->io_errno;
	return true;
}

void storm_weather(struct storm *s)
{
	static const int64_t steps[] = {1000, 60 * 1000000ll, 3600 * 1000000ll, 10 * 365 * 86400 * 1000000ll};
	struct rng *rng = &s->w->rng;
	if (!s->io_left && goes_wrong(s, s->rough * 20)) { /* one call, or a full disk for a while */
		s->io_errno = rng_below(rng, 2) ? ENOSPC : EIO;
		s->io_after = (int64_t)rng_below(rng, 60);
		s->io_left = rng_below(rng, 2) ? 1 : 1 + (int64_t)rng_below(rng, 40);
	}
	if (s->io_left)
		fault_arm(FAULT_IO, UINT64_MAX, false);
	if (goes_wrong(s, s->rough * 30)) {
		struct clock *clock = (struct clock *)loop_clock(s->w->loop);
		int64_t by = steps[rng_below(rng, 4)];
		s->faults[STORM_CLOCK]++;
		clock->fake_wall += rng_below(rng, 2) ? by : -by;
	}
}

/* ---- what is done was announced ---- */

static const struct event *find(struct world *w, const char *run, enum event_type type, const char *text)
{
	char stream[80];
	snprintf(stream, sizeof(stream), "run/%s", run);
	const struct memory_stream *st = map_get(&memory_of(w->store->driver)->streams, span_of(stream));
	for (size_t i = st ? st->count : 0; i-- > 0;)
		if (st->events[i].type == type && strstr(blob_span(st->events[i].data).p, text))
			return &st->events[i];
	return NULL;
}

/* Is the command in the journal of some run, as started? An approved call is named by its question only. */
static bool announced(struct storm *s, const char *line)
{
	for (int i = 0; i < s->run_count; i++)
		if (find(s->w, s->runs[i], EVENT_TOOL_STARTED, line) || find(s->w, s->runs[i], EVENT_FLOW_STEP, line) ||
			(find(s->w, s->runs[i], EVENT_ACTION_OPENED, line) &&
				find(s->w, s->runs[i], EVENT_ACTION_RESOLVED, "approve")))
			return true;
	return false;
}

int storm_asked(struct world *w, struct llm_call *c, struct err *e)
{
	struct storm *s = w->storm;
	char agent[80];
	snprintf(agent, sizeof(agent), "\"agent\":\"%s\"", c->agent);
	const struct event *ev = find(w, c->run, EVENT_MODEL_REQUESTED, agent);
	const struct event *end = find(w, c->run, EVENT_MODEL_ANSWERED, agent);
	const struct event *failed = find(w, c->run, EVENT_MODEL_FAILED, agent);
	if (!ev || (end && end->seq > ev->seq) || (failed && failed->seq > ev->seq))
		world_fail(w, "the model is asked for agent %s, turn %d, and no open request stands in the journal",
			c->agent, c->turn);
	if (goes_wrong(s, s->rough * 8)) {
		s->faults[STORM_CONNECTION]++;
		return err_set(e, ERR_NETWORK, "no connection");
	}
	return 0;
}

static void count(struct storm *s, const char *line, const char *dir)
{
	struct err e = ERR_INIT;
	char key[900];
	snprintf(key, sizeof(key), "%s %s", dir, line);
	int *n = map_get(&s->did, span_of(key));
	if (!n && (!(n = mem_calloc(1, sizeof(*n))) || map_set(&s->did, span_of(key), n, NULL, &e)))
		world_fail(s->w, "no memory");
	if (++*n > 1)
		world_fail(s->w, "`%s` happened %d times in %s", line, *n, dir);
}

int storm_hand(struct world *w, const char *line, const char *dir, struct buf *output, int *status)
{
	struct storm *s = w->storm;
	bool effect = !strncmp(line, "effect ", 7), wrong = goes_wrong(s, s->rough);
	uint64_t how = wrong ? rng_below(&w->rng, 4) : 0;
	if (effect && !announced(s, line))
		world_fail(w, "`%s` is run, and no durable event says so", line);
	s->faults[STORM_COMMAND] += wrong;
	s->disturbed |= wrong && how < 2; /* a step of the flow that could not be carried out breaks its run */
	if (wrong && how == 0)		  /* it could not be started */
		return -1;
	if (effect)
		count(s, line, dir);
	*status = hands_do(w, line, dir, output);
	if (wrong && how == 1) /* its sandbox died when it had run */
		return -1;
	if (wrong)
		*status = how == 2 ? 124 : 137; /* a time-out, a kill */
	return 0;
}
