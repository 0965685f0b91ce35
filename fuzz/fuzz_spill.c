/* Members of events that were kept in blobs: the first byte chooses the kind of event, the rest is the blob that it
 * names. Whatever the blob holds, the event is whole again or told to be corrupt; what was spilled comes back as it
 * was. */
#include <stdint.h>

#include "base/caps.h"
#include "base/mem.h"
#include "flow/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum event_type types[] = {EVENT_MODEL_ANSWERED, EVENT_FLOW_RESULT, EVENT_MESSAGE_ADDED,
	EVENT_TOOL_ANSWERED, EVENT_MEMORY_CHANGED, EVENT_AGENT_FINISHED, EVENT_ACTION_OPENED};

static struct store *open_store(void)
{
	static const uint8_t key[KEY_SIZE] = "the key of the fuzz target......";
	static struct loop *loop;
	struct store_options o = {.chain_key = key};
	struct err e = ERR_INIT;
	struct store *s;

	if (!loop) {
		json_setup();
		loop = crypt_setup(&e) ? NULL : loop_new_sim(1, 1, &e);
	}
	s = loop ? store_open(loop, &o, &e) : NULL;
	if (!s)
		BUG("%s", e.text);
	return s;
}

/* The event names this blob. */
static void read_blob(struct store *s, enum event_type type, struct span bytes)
{
	struct store_blob blob = {.bytes = blob_new(bytes.p, bytes.n)};
	struct err e = ERR_INIT;
	char hex[HASH_HEX];

	store_blob_hash(bytes, &blob.hash);
	hash_hex(&blob.hash, hex);
	cleanup_json json_t *event = json_make(&e, "{s:s, s:s}", "agent", "0", "blob", hex);
	if (!blob.bytes || !event || store_put_blobs(s, &blob, 1, &e))
		BUG("%s", e.text);
	if (spill_back(s, type, event, &e))
		BUG_ON(e.code == ERR_OK || e.code == ERR_NOMEM);
	else
		BUG_ON(json_get(event, "blob") || strcmp(json_str(event, "agent"), "0") != 0);
	blob_unref(blob.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct store *s;
	static unsigned runs;
	if (runs++ % 1024 == 0) { /* opening one takes longer than all else */
		store_close(s);
		s = open_store();
	}

	if (size > 1)
		read_blob(s, types[data[0] % (sizeof types / sizeof *types)], span_n((const char *)data + 1, size - 1));
	return 0;
}
