/* A form with files: the first line is the Content-Type, the rest the body; the first byte says in what pieces it
 * comes. However it is cut, the same parts come out, each begun before its bytes and ended before the next. */
#include <stdint.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reading {
	struct buf all;
	bool in_part;
};

static int on_part(void *ctx, const struct multipart_part *part, struct err *e)
{
	struct reading *r = ctx;
	(void)e;
	BUG_ON(r->in_part || !part->name || !part->type);
	r->in_part = true;
	buf_addf(&r->all, "<%s|%s|%s>", part->name, part->filename ? part->filename : "", part->type);
	return 0;
}

static int on_bytes(void *ctx, struct span bytes, struct err *e)
{
	struct reading *r = ctx;
	(void)e;
	BUG_ON(!r->in_part || bytes.n == 0);
	buf_addspan(&r->all, bytes);
	return 0;
}

static int on_part_end(void *ctx, struct err *e)
{
	struct reading *r = ctx;
	(void)e;
	BUG_ON(!r->in_part);
	r->in_part = false;
	buf_adds(&r->all, "</>");
	return 0;
}

static void read_all(struct reading *r, const char *type, struct span bytes, size_t step)
{
	struct multipart m;
	struct err e = ERR_INIT;
	*r = (struct reading){.all = BUF_INIT(8 * MIB)};
	int failed = multipart_init(&m, type, 20, &e);
	m.ctx = r;
	m.on_part = on_part;
	m.on_bytes = on_bytes;
	m.on_part_end = on_part_end;
	while (!failed && bytes.n > 0) {
		size_t n = step < bytes.n ? step : bytes.n;
		failed = multipart_feed(&m, span_n(bytes.p, n), &e);
		bytes = span_n(bytes.p + n, bytes.n - n);
	}
	if (!failed)
		failed = multipart_end(&m, &e);
	BUG_ON(failed ? !e.code || !e.text[0] : r->in_part);
	multipart_release(&m);
	buf_addf(&r->all, "[%d]", (int)e.code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reading whole, cut;
	if (size < 1)
		return 0;
	struct span bytes = span_n((const char *)data + 1, size - 1), line = SPAN_NONE;
	span_line(&bytes, &line);
	cleanup_free char *type = span_dup(line);
	read_all(&whole, type, bytes, bytes.n ? bytes.n : 1);
	read_all(&cut, type, bytes, data[0] % 64 + 1u);
	if (!span_eq(buf_span(&whole.all), buf_span(&cut.all)))
		BUG("cut differently, read differently: %s / %s", whole.all.data, cut.all.data);
	buf_release(&whole.all);
	buf_release(&cut.all);
	return 0;
}
