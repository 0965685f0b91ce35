/* event: one immutable record of a stream, and the table of all kinds (events.def).
 *
 * stream: "run/<id>", "project/<id>", "account/<id>", "house". seq: from 1, dense in its stream. data is the payload as
 * canonical JSON text, shared by reference count, parsed only by who needs it. */
#ifndef MUSTER_STORE_EVENT_H
#define MUSTER_STORE_EVENT_H

#include <stdint.h>

#include "base/blob.h"
#include "base/crypt.h"
#include "base/id.h"
#include "base/json.h"

enum event_type {
#define X(name, type, version, class, fields, summary) EVENT_##name,
#include "store/events.def"
#undef X
	EVENT_TYPES
};

enum event_class { EVENT_CLASS_INPUT, EVENT_CLASS_DERIVED, EVENT_CLASS_TRANSIENT, EVENT_CLASS_PLAIN };

struct event_kind {
	const char *type;
	int version;
	enum event_class class;
	const char *fields, *summary;
};
extern const struct event_kind event_kinds[EVENT_TYPES];
/* EVENT_TYPES when this program knows no such kind. */
enum event_type event_type_named(const char *type);

enum actor_kind { ACTOR_SYSTEM, ACTOR_PERSON, ACTOR_AGENT, ACTOR_FLOW };
extern const char *const actor_names[]; /* "system", "person", "agent", "flow" */

#define EVENT_STREAM_MAX 80
#define EVENT_ACTOR_MAX 80

struct event {
	int64_t seq; /* 0: transient */
	int64_t at;  /* microseconds UTC */
	enum event_type type;
	int v;
	enum actor_kind actor;
	char actor_id[EVENT_ACTOR_MAX]; /* "" when none */
	char id[ID_TEXT];
	char cause[ID_TEXT]; /* "" when none */
	struct blob *data;   /* canonical JSON object; owned reference */
	struct hash hash;    /* chain value; zero until written */
};

void event_release(struct event *ev);
/* Copy with another reference to data. */
void event_copy(struct event *to, const struct event *from);
/* A new reference to the parsed payload. */
json_t *event_data(const struct event *ev, struct err *e);
/* Append the public JSON form: {"stream","seq","id","type","v","at","actor":{"kind","id"},"cause","data","hash"}; data
 * is spliced as stored; seq null when transient. */
void event_print(const struct event *ev, const char *stream, struct buf *out);
/* Chain value: BLAKE2b keyed over (prev, header bytes, BLAKE2b(data)). The header bytes are the fields in the fixed
 * order documented in event.c. */
void event_chain(const struct event *ev, const char *stream, const uint8_t key[KEY_SIZE], const struct hash *prev,
	struct hash *out);

/* The blobs an event names: the fields of type h of its kind that are present. `data` is its parsed payload.
 * ERR_INVALID when one is no hash. */
#define EVENT_BLOBS_MAX 8
#define EVENT_FIELD_MAX 30 /* bytes of a field's name */
struct event_names {
	struct hash hashes[EVENT_BLOBS_MAX];
	int count;
};
int event_blobs(const struct event *ev, const json_t *data, struct event_names *out, struct err *e);
/* Can it name any? (Does a name of such a field stand in its payload at all? Cheaper than parsing.) */
bool event_names_blobs(const struct event *ev);
/* May it be stored: a known durable kind, an id, a payload within CAP_EVENT_DATA? ERR_INVALID or
 * ERR_TOO_LARGE. */
int event_check(const struct event *ev, struct err *e);

#endif
