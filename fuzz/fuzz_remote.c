/* What the owner of a data folder may send over its socket as an answer: the second byte is the size of the pieces (the
 * first is left for what else may come to be read). Whatever comes, there is an answer or a reason, and the pieces do
 * not matter. */
#include <stdint.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/mem.h"
#include "cmd/remote.h"
#include "loopback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/fuzz-remote.XXXXXX";
static char path[sizeof dir + 8];
static struct loopback server;

static void clean_up(void)
{
	unlink(path);
	rmdir(dir);
}

static void open_server(struct loop *l)
{
	if (!mkdtemp(dir))
		BUG("no temporary folder");
	snprintf(path, sizeof path, "%s/sock", dir);
	loopback_open(&server, l, path);
	atexit(clean_up);
}

/* What came of it, as text; of two things that are wrong the pieces decide which is met first. */
static void ask(struct app *a, struct buf *out)
{
	struct err e = ERR_INIT;
	struct remote *r cleanup_remote = remote_owner(a, &e);
	cleanup_json json_t *v = r ? remote_ask(r, "GET", "/api/v1/runs", NULL, &e) : NULL;

	BUG_ON((v == NULL) != (e.code != ERR_OK));
	BUG_ON(!v && !e.text[0]);
	buf_adds(out, v ? "" : "refused");
	if (v)
		json_print(v, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf whole = BUF_INIT(2 * MIB), cut = BUF_INIT(2 * MIB);
	static struct app app;
	struct err e = ERR_INIT;
	struct span bytes;

	if (!app.loop) {
		json_setup();
		app.loop = loop_new(&e);
		if (!app.loop)
			BUG("%s", e.text);
		open_server(app.loop);
		app.sock = path;
		app.data_dir = dir;
	}
	if (size < 2)
		return 0;
	bytes = span_n((const char *)data + 2, size - 2);
	loopback_answer(&server, bytes, bytes.n, false);
	ask(&app, &whole);
	loopback_answer(&server, bytes, data[1] % 64 + 1u, false);
	ask(&app, &cut);
	if (loopback_alike(bytes) && !span_eq(buf_span(&whole), buf_span(&cut)))
		BUG("cut differently, read differently: %s / %s", whole.data, cut.data);
	loopback_hang_up(&server);
	return 0;
}
