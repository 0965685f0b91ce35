/* artifact: names a file of the working copy as an output of the run; its content at this moment is kept. */
#include "base/caps.h"
#include "tools/private.h"

static void job(struct tool_call *c)
{
	const char *path = c->path;
	cleanup_buf struct buf bytes = BUF_INIT(CAP_BLOB);
	struct store_blob blob = {0};
	char hex[HASH_HEX];
	if (files_read(c->env->files, path, &bytes, NULL, &c->error))
		return;
	store_blob_hash(buf_span(&bytes), &blob.hash);
	blob.bytes = blob_new(bytes.data ? bytes.data : "", bytes.len);
	if (!blob.bytes)
		err_nomem(&c->error);
	else if (!store_put_blobs(c->env->store, &blob, 1, &c->error)) {
		hash_hex(&blob.hash, hex);
		c->extra = json_pack("{s:{s:s, s:s, s:s, s:s, s:I}}", "artifact", "name", tool_arg(c, "name"), "type",
			tool_arg(c, "type"), "path", path, "blob", hex, "size", (json_int_t)bytes.len);
		buf_addf(&c->content, "%s is kept as the artifact \"%s\"", path, tool_arg(c, "name"));
	}
	blob_unref(blob.bytes);
}

const struct tool tool_artifact = {
	.name = "artifact",
	.summary = "Name a file as an output of the run that people can look at and download.",
	.schema = "{\"type\":\"object\",\"required\":[\"name\",\"type\",\"path\"],\"additionalProperties\":false,"
		  "\"properties\":{"
		  "\"name\":{\"type\":\"string\",\"minLength\":1},\"type\":{\"enum\":[\"text\",\"markdown\",\"json\","
		  "\"plot\",\"file\"]},"
		  "\"path\":{\"type\":\"string\"}}}",
	.directive = "",
	.effects = TOOL_READS,
	.policy = "allow",
	.job = job,
};
