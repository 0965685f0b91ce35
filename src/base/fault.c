/* fault: one armed rule for the process; every matching call is counted and compared with it. */
#include "base/fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static const struct {
	const char *name;
	int errnum;
} kinds[] = {
	[FAULT_ALLOC] = {"alloc", ENOMEM},
	[FAULT_IO] = {"io", EIO},
	[FAULT_SPAWN] = {"spawn", EAGAIN},
	[FAULT_DB] = {"db", EIO},
	[FAULT_NET] = {"net", ECONNRESET},
	[FAULT_KINDS] = {"any", 0},
};

_Atomic int fault_armed;
static _Atomic int armed_kind;
static _Atomic bool armed_for_good;
static _Atomic uint64_t armed_nth, seen, seen_of[FAULT_KINDS];

bool fault_count(enum fault_kind kind)
{
	int wanted = armed_kind;
	uint64_t n;

	atomic_fetch_add(&seen_of[kind], 1);
	if (wanted != FAULT_KINDS && wanted != (int)kind)
		return false;
	n = atomic_fetch_add(&seen, 1) + 1;
	if (armed_for_good ? n < armed_nth : n != armed_nth)
		return false;
	errno = kinds[kind].errnum;
	return true;
}

void fault_arm(enum fault_kind kind, uint64_t nth, bool for_good)
{
	fault_armed = 0;
	armed_kind = (int)kind;
	armed_nth = nth;
	armed_for_good = for_good;
	seen = 0;
	fault_armed = 1;
}

void fault_disarm(void)
{
	fault_armed = 0;
}

uint64_t fault_seen(void)
{
	return seen;
}

static const char *seen_path;

/* Runs at exit, with the C library alone: whoever counts wants the calls of the program, not ours. */
static void write_seen(void)
{
	FILE *file = fopen(seen_path, "we");
	bool failed = !file;

	for (int i = 0; file && i < FAULT_KINDS; i++)
		failed |= fprintf(file, "%s %ju\n", kinds[i].name, (uintmax_t)seen_of[i]) < 0;
	if (failed || fclose(file) != 0)
		perror(seen_path);
}

int fault_from_env(struct err *e)
{
	const char *text = getenv("MUSTER_FAULT"), *colon;
	size_t kind;
	char *end;
	uint64_t nth;

	if (!text || !*text)
		return 0;
	colon = strchr(text, ':');
	for (kind = 0; colon && kind <= FAULT_KINDS; kind++)
		if (strlen(kinds[kind].name) == (size_t)(colon - text) &&
			strncmp(kinds[kind].name, text, (size_t)(colon - text)) == 0)
			break;
	if (!colon || kind > FAULT_KINDS || colon[1] < '0' || colon[1] > '9')
		goto bad;
	errno = 0;
	nth = strtoull(colon + 1, &end, 10);
	if (errno || nth == 0 || (*end == '+' ? end[1] : end[0]) != 0)
		goto bad;
	seen_path = getenv("MUSTER_FAULT_SEEN");
	if (seen_path && *seen_path && atexit(write_seen) != 0)
		return err_set(e, ERR_NOMEM, "MUSTER_FAULT_SEEN=%s: atexit failed", seen_path);
	fault_arm((enum fault_kind)kind, nth, *end == '+');
	return 0;
bad:
	return err_set(e, ERR_USAGE,
		"MUSTER_FAULT=%s is not understood; write alloc, io, spawn, db, net or any, a colon, a number from 1 "
		"and perhaps '+', like io:3+",
		text);
}
