/* version: prints which muster this is. */
#include "cmd/args.h"
#include "cmd/out.h"

static int version(const struct args *args, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(256);
	(void)args;
	buf_adds(&out, "muster " MUSTER_VERSION "\n");
	return out_write(&out, e);
}

const struct verb verb_version = {
	.name = "version",
	.words = "",
	.summary = "print the version",
	.run = version,
};
