/* Event streams: the first byte says in what pieces they come. However they are cut, the same events come out. */
#include <stdint.h>

#include "base/caps.h"
#include "base/err.h"
#include "llm/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int note(struct sse *s, struct span name, struct span data, struct err *e)
{
	struct buf *log = s->ctx;

	(void)e;
	buf_addf(log, "%zu:%zu:", name.n, data.n);
	buf_addspan(log, name);
	buf_addspan(log, data);
	return 0;
}

static int read_in(struct span all, size_t step, struct buf *log)
{
	struct sse s;
	int rc = 0;

	sse_init(&s, 64 * KIB, note);
	s.ctx = log;
	for (size_t i = 0; i < all.n && !rc; i += step)
		rc = sse_feed(&s, span_n(all.p + i, all.n - i < step ? all.n - i : step), NULL);
	sse_release(&s);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf whole = BUF_INIT(16 * MIB), pieces = BUF_INIT(16 * MIB);
	struct span all;

	if (size < 1 || size > 64 * KIB) /* below the cap both ways agree also on what is too long */
		return 0;
	all = span_n((const char *)data + 1, size - 1);
	if (read_in(all, size, &whole) || read_in(all, data[0] % 16 + 1u, &pieces))
		return 0; /* an event's name is too long */
	BUG_ON(!span_eq(buf_span(&whole), buf_span(&pieces)));
	return 0;
}
