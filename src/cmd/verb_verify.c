/* verify: recomputes what the journal promises. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/app.h"
#include "cmd/out.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"rebuild", NULL, false, "make the projections anew from the events first"},
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

static int verify(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	struct store_verified found;
	char stream[EVENT_STREAM_MAX];
	const char *name = args_word(args, 0);
	if (app_open(&a, args, APP_READ, e) || app_must_have(&a, e) ||
		(args_has(args, "rebuild") && app_rebuild(&a, e)))
		return -1;
	cleanup_json json_t *row = name ? app_run(&a, name, e) : NULL;
	if (name && !row)
		return -1;
	snprintf(stream, sizeof(stream), "run/%s", row ? json_str(row, "run") : "");
	if (store_verify(a.store, row ? stream : NULL, &found, e))
		return -1;
	if (args_has(args, "json")) {
		cleanup_json json_t *out = json_make(e, "{s:I, s:I, s:I}", "streams", (json_int_t)found.streams,
			"events", (json_int_t)found.events, "blobs", (json_int_t)found.blobs);
		return out ? out_json(out, e) : -1;
	}
	cleanup_buf struct buf out = BUF_INIT(4096);
	buf_addf(&out,
		"verified: %" PRId64 " streams, %" PRId64 " events, %" PRId64
		" blobs; every hash and projection is right\n",
		found.streams, found.events, found.blobs);
	return out_write(&out, e);
}

const struct verb verb_verify = {
	.name = "verify",
	.words = "[RUN]",
	.most = 1,
	.summary = "check the journal's hash chains, signed heads, blobs and projections",
	.help = "Exit status 1 names the stream and event that differ.",
	.options = options,
	.run = verify,
};
