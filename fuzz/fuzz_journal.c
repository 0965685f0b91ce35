/* Journal replay: any bytes as payloads of any kinds of events, appended, folded, read back, verified and rebuilt.
 *
 * Each line of the input is an append: one character for the kind, one for the stream, one for the seq (relative to the
 * head), then the payload. Nothing may crash; what was accepted must verify; a rebuild must give the same rows. */
#include <stdint.h>

#include "base/mem.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine, const struct err *e)
{
	if (!fine)
		BUG("%s", e->text);
}

static void append_line(struct store *s, struct span line)
{
	static const char *const streams[] = {"run/a", "run/b", "project/p", "house"};
	const char *stream = streams[(unsigned char)line.p[1] % 4], *also = streams[(unsigned char)line.p[1] / 4 % 4];
	struct event events[2] = {{.type = (enum event_type)((unsigned char)line.p[0] % EVENT_TYPES)}};
	struct store_blob blob = {.bytes = blob_new("bundle", 6)};
	struct append a = {.stream = stream, .events = events, .event_count = 1, .blobs = &blob, .blob_count = 1};
	struct err e = ERR_INIT;

	events[0].seq = store_head(s, stream, &e) + 1 + (line.p[2] == '!');
	events[0].data = blob_new(line.p + 3, line.n - 3);
	id_new(events[0].id, 0, NULL);
	event_copy(&events[1], &events[0]);
	check(blob.bytes && events[0].data, &e);
	store_blob_hash(blob_span(blob.bytes), &blob.hash);
	if (line.p[2] == '+' && also != stream) {
		a.also_stream = also;
		a.also = &events[1];
		a.also_count = 1;
	}
	store_append_wait(s, &a, &e); /* accepted or refused, both are right */
	event_release(&events[0]);
	event_release(&events[1]);
	blob_unref(blob.bytes);
}

static char *rows_text(struct store *s)
{
	struct err e = ERR_INIT;
	json_t *all = json_make(&e, "[o, o, o, o]", store_runs(s, NULL, -1, &e), store_actions(s, NULL, -1, &e),
		store_usage(s, &(struct usage_query){.group = USAGE_RUNS, .limit = -1}, &e), store_budgets(s, &e));
	char *text;

	check(all != NULL, &e);
	text = json_text(all);
	check(text != NULL, &e);
	json_decref(all);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[KEY_SIZE] = "the key of the fuzz target......";
	static struct loop *loop;
	struct span rest = span_n((const char *)data, size), line;
	struct store_options o = {.chain_key = key};
	struct err e = ERR_INIT;
	struct store_verified v;
	struct store *s;
	char *before, *after;

	if (!loop) {
		json_setup();
		check(crypt_setup(&e) == 0, &e);
		loop = loop_new_sim(1, 1, &e);
		check(loop != NULL, &e);
	}
	s = store_open(loop, &o, &e);
	check(s != NULL, &e);
	while (span_line(&rest, &line))
		if (line.n >= 3)
			append_line(s, line);
	check(store_verify(s, NULL, &v, &e) == 0, &e);
	before = rows_text(s);
	check(store_rebuild(s, &e) == 0, &e);
	after = rows_text(s);
	check(span_eq(span_of(before), span_of(after)), &e);
	mem_free(before);
	mem_free(after);
	store_close(s);
	return 0;
}
