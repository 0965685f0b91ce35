/* What the owner of a data folder may send over its socket: the first byte chooses between one answer and lines
 * (NDJSON), the second the size of the pieces. Whatever comes, there is an answer or a reason, and the pieces do not
 * matter. */
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

struct heard {
	struct buf lines;
	int left; /* stop after so many */
};

static bool hear(void *ctx, struct span line)
{
	struct heard *h = ctx;

	BUG_ON(memchr(line.p, '\n', line.n) || h->left <= 0);
	buf_addspan(&h->lines, line);
	buf_addc(&h->lines, '\n');
	return --h->left > 0;
}

/* What came of it, as text. */
static void ask(struct app *a, bool lines, int most, struct buf *out)
{
	struct heard h = {BUF_INIT(1 * MIB), most};
	struct err e = ERR_INIT;

	if (lines) {
		int rc = remote_lines(a, "/api/v1/runs/x/events", hear, &h, &e);
		BUG_ON((rc != 0) != (e.code != ERR_OK));
		buf_addf(out, "%s\n", err_name(e.code));
		buf_addspan(out, buf_span(&h.lines));
	} else {
		cleanup_json json_t *v = remote_call(a, "/api/v1/runs", NULL, &e);
		BUG_ON((v == NULL) != (e.code != ERR_OK));
		BUG_ON(!v && !e.text[0]);
		buf_addf(out, "%s\n", err_name(e.code));
		if (v)
			json_print(v, out);
	}
	buf_release(&h.lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf whole = BUF_INIT(2 * MIB), cut = BUF_INIT(2 * MIB);
	static struct app app;
	struct err e = ERR_INIT;
	struct span bytes;
	int most;

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
	most = data[0] & 2 ? 2 : 1 << 20;
	loopback_answer(&server, bytes, bytes.n, false);
	ask(&app, data[0] & 1, most, &whole);
	loopback_answer(&server, bytes, data[1] % 64 + 1u, false);
	ask(&app, data[0] & 1, most, &cut);
	if (loopback_alike(bytes) && !span_eq(buf_span(&whole), buf_span(&cut)))
		BUG("cut differently, read differently: %s / %s", whole.data, cut.data);
	loopback_hang_up(&server);
	return 0;
}
