/* spill: events whose payload is too large for the journal keep their large member in a blob instead.
 *
 * Which member of which kind may go is a table; the blob holds an object with these members, as JSON, and the event
 * names it. The machine always sees the whole payload: spilling comes before an event is appended or compared,
 * unspilling before a recorded input is delivered. */
#include "flow/private.h"

#include "base/caps.h"

#define INLINE (CAP_EVENT_DATA - 64 * KIB)

static const struct {
	enum event_type type;
	const char *members[2];
} large[] = {
	{EVENT_MODEL_ANSWERED, {"text", "calls"}},
	{EVENT_FLOW_RESULT, {"value"}},
	{EVENT_MESSAGE_ADDED, {"text"}},
	{EVENT_TOOL_ANSWERED, {"content"}},
	{EVENT_MEMORY_CHANGED, {"value"}},
	{EVENT_AGENT_FINISHED, {"result"}},
	{EVENT_ACTION_OPENED, {"body"}},
};

static const char *const *members_of(enum event_type type)
{
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		if (large[i].type == type)
			return large[i].members;
	return NULL;
}

char *spill_text(struct run *r, enum event_type type, const json_t *data, struct err *e)
{
	char *text = json_text(data);
	const char *const *members = members_of(type);
	if (!text) {
		err_nomem(e);
		return NULL;
	}
	if (strlen(text) <= INLINE || !members)
		return text;
	mem_free(text);
	cleanup_json json_t *rest = json_clone(data), *moved = json_object();
	for (int i = 0; i < 2 && members[i] && rest && moved; i++)
		if (json_get(rest, members[i])) {
			json_object_set(moved, members[i], json_get(rest, members[i]));
			json_object_del(rest, members[i]);
		}
	cleanup_free char *bytes = moved ? json_text(moved) : NULL;
	struct hash h;
	char hex[HASH_HEX];
	if (!rest || !bytes) {
		err_nomem(e);
		return NULL;
	}
	if (run_add_blob(r, span_of(bytes), &h, e))
		return NULL;
	hash_hex(&h, hex);
	json_object_set_new(rest, "blob", json_string(hex));
	text = json_text(rest);
	if (!text)
		err_nomem(e);
	return text;
}

int spill_back(struct store *s, enum event_type type, json_t *data, struct err *e)
{
	struct hash h;
	const char *const *members = members_of(type);
	if (!members || !json_str(data, "blob"))
		return 0;
	if (hash_parse(&h, json_span(data, "blob")))
		return err_set(e, ERR_CORRUPT, "%s names no blob", event_kinds[type].type);
	struct blob *b = store_blob(s, &h, e);
	cleanup_json json_t *moved = b ? json_parse(blob_span(b), event_kinds[type].type, e) : NULL;
	blob_unref(b);
	if (!moved)
		return -1;
	if (!json_is_object(moved))
		return err_set(e, ERR_CORRUPT, "the blob of %s holds no members", event_kinds[type].type);
	for (int i = 0; i < 2 && members[i]; i++)
		if (json_get(moved, members[i]) && json_object_set(data, members[i], json_get(moved, members[i])))
			return err_nomem(e);
	json_object_del(data, "blob");
	return 0;
}
