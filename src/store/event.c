/* event: the table of kinds, the public JSON form, and the chain.
 *
 * Chain value = BLAKE2b-256 keyed by the chain key over
 *   previous chain value (32 bytes; zeros before seq 1)
 *   header: stream, id, type, actor id, cause: each as 2 bytes length (little-endian) and its bytes;
 *           seq, at: 8 bytes little-endian; v: 4; actor kind: 1
 *   BLAKE2b-256, unkeyed, of the payload's bytes as stored.
 * So a payload can be replaced by its hash and the chain still holds, and nothing of the header can move elsewhere. */
#include "store/event.h"

#include <string.h>

#include "base/caps.h"

const struct event_kind event_kinds[EVENT_TYPES] = {
#define X(name, type, version, class, fields, summary) {type, version, EVENT_CLASS_##class, fields, summary},
#include "store/events.def"
#undef X
};

const char *const actor_names[] = {"system", "person", "agent", "flow"};

enum event_type event_type_named(const char *type)
{
	for (int i = 0; i < EVENT_TYPES; i++)
		if (strcmp(event_kinds[i].type, type) == 0)
			return (enum event_type)i;
	return EVENT_TYPES;
}

void event_release(struct event *ev)
{
	blob_unref(ev->data);
	ev->data = NULL;
}

void event_copy(struct event *to, const struct event *from)
{
	*to = *from;
	blob_ref(to->data);
}

json_t *event_data(const struct event *ev, struct err *e)
{
	json_t *data = json_parse(blob_span(ev->data), event_kinds[ev->type].type, e);

	if (data && !json_is_object(data)) {
		json_decref(data);
		err_set(e, ERR_INVALID, "the payload of a %s event must be an object", event_kinds[ev->type].type);
		return NULL;
	}
	return data;
}

static void add_quoted(struct buf *out, const char *text)
{
	if (!*text) {
		buf_adds(out, "null");
		return;
	}
	buf_addc(out, '"');
	buf_add_json(out, span_of(text));
	buf_addc(out, '"');
}

void event_print(const struct event *ev, const char *stream, struct buf *out)
{
	char hex[HASH_HEX];

	buf_adds(out, "{\"stream\":");
	add_quoted(out, stream);
	if (ev->seq)
		buf_addf(out, ",\"seq\":%lld,\"id\":", (long long)ev->seq);
	else
		buf_adds(out, ",\"seq\":null,\"id\":");
	add_quoted(out, ev->id);
	buf_addf(out,
		",\"type\":\"%s\",\"v\":%d,\"at\":%lld,\"actor\":{\"kind\":\"%s\",\"id\":", event_kinds[ev->type].type,
		ev->v, (long long)ev->at, actor_names[ev->actor]);
	add_quoted(out, ev->actor_id);
	buf_adds(out, "},\"cause\":");
	add_quoted(out, ev->cause);
	buf_adds(out, ",\"data\":");
	buf_addspan(out, ev->data ? blob_span(ev->data) : span_of("{}"));
	hash_hex(&ev->hash, hex);
	buf_addf(out, ev->seq ? ",\"hash\":\"%s\"}" : ",\"hash\":null}", hex);
}

struct header {
	uint8_t bytes[3 * ID_TEXT + 2 * EVENT_STREAM_MAX + EVENT_ACTOR_MAX + 64];
	size_t len;
};

static void put_int(struct header *h, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		h->bytes[h->len++] = (uint8_t)(v >> (8 * i));
}

static void put_text(struct header *h, const char *text)
{
	size_t n = strlen(text);

	BUG_ON(n > EVENT_STREAM_MAX);
	put_int(h, n, 2);
	memcpy(h->bytes + h->len, text, n);
	h->len += n;
}

void event_chain(const struct event *ev, const char *stream, const uint8_t key[KEY_SIZE], const struct hash *prev,
	struct hash *out)
{
	struct header h = {.len = 0};
	struct hash_stream hs;
	struct hash data;

	hash_bytes(&data, NULL, blob_span(ev->data));
	put_text(&h, stream);
	put_text(&h, ev->id);
	put_text(&h, event_kinds[ev->type].type);
	put_text(&h, ev->actor_id);
	put_text(&h, ev->cause);
	put_int(&h, (uint64_t)ev->seq, 8);
	put_int(&h, (uint64_t)ev->at, 8);
	put_int(&h, (uint64_t)ev->v, 4);
	put_int(&h, (uint64_t)ev->actor, 1);
	hash_start(&hs, key);
	hash_update(&hs, prev->b, HASH_SIZE);
	hash_update(&hs, h.bytes, h.len);
	hash_update(&hs, data.b, HASH_SIZE);
	hash_end(&hs, out);
}

/* The next field of type h in a kind's list of fields; NULL: no more. *rest begins as the list. */
static const char *next_blob_field(const char **rest, struct span *name)
{
	const char *mark, *start;

	while ((mark = strstr(*rest, ":h"))) {
		for (start = mark; start > *rest && start[-1] != ' ';)
			start--;
		*name = span_n(start, (size_t)(mark - start));
		*rest = mark + 2;
		if (!mark[2] || mark[2] == ' ' || mark[2] == '?')
			return start;
	}
	return NULL;
}

bool event_names_blobs(const struct event *ev)
{
	const char *rest = event_kinds[ev->type].fields;
	struct span name;

	while (next_blob_field(&rest, &name)) {
		char quoted[EVENT_FIELD_MAX + 2] = "\"";
		BUG_ON(name.n > EVENT_FIELD_MAX);
		memcpy(quoted + 1, name.p, name.n);
		quoted[name.n + 1] = '"';
		if (memmem(ev->data->data, ev->data->size, quoted, name.n + 2))
			return true;
	}
	return false;
}

int event_blobs(const struct event *ev, const json_t *data, struct event_names *out, struct err *e)
{
	const char *rest = event_kinds[ev->type].fields;
	struct span name;

	out->count = 0;
	while (next_blob_field(&rest, &name)) {
		char field[EVENT_FIELD_MAX + 1] = "";
		const json_t *v;
		BUG_ON(name.n > EVENT_FIELD_MAX || out->count == EVENT_BLOBS_MAX);
		memcpy(field, name.p, name.n);
		v = json_get(data, field);
		if (!v || json_is_null(v))
			continue;
		if (!json_is_string(v) || hash_parse(&out->hashes[out->count], json_span(data, field)))
			return err_set(e, ERR_INVALID, "the field %s of a %s event must be the hash of a blob", field,
				event_kinds[ev->type].type);
		out->count++;
	}
	return 0;
}

int event_check(const struct event *ev, struct err *e)
{
	if ((int)ev->type < 0 || ev->type >= EVENT_TYPES)
		return err_set(e, ERR_INVALID, "an event of the unknown kind %d cannot be stored", (int)ev->type);
	if (event_kinds[ev->type].class == EVENT_CLASS_TRANSIENT)
		return err_set(e, ERR_INVALID, "%s is transient and is never stored; show it with store_show",
			event_kinds[ev->type].type);
	if (!ev->data)
		return err_set(e, ERR_INVALID, "a %s event has no payload", event_kinds[ev->type].type);
	if (ev->data->size > CAP_EVENT_DATA)
		return err_set(e, ERR_TOO_LARGE,
			"the payload of a %s event has %zu bytes, the cap is %lu; put the large value into a blob",
			event_kinds[ev->type].type, ev->data->size, CAP_EVENT_DATA);
	if (!ev->id[0] || !memchr(ev->id, 0, ID_TEXT) || !memchr(ev->cause, 0, ID_TEXT) ||
		!memchr(ev->actor_id, 0, EVENT_ACTOR_MAX))
		return err_set(
			e, ERR_INVALID, "a %s event has no id, or a text without end", event_kinds[ev->type].type);
	if ((unsigned)ev->actor > ACTOR_FLOW)
		return err_set(e, ERR_INVALID, "a %s event has the unknown actor kind %d", event_kinds[ev->type].type,
			(int)ev->actor);
	return 0;
}
