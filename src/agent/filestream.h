/* filestream: shows a file as the model writes it, from the raw pieces of a write_file call's arguments (or of a CHANGE
 * directive); and what an agent ends with, from those of finish.
 *
 * It looks at the top-level members "path" and `wanted` of a JSON object that arrives in pieces of any size, and hands
 * out the decoded content as it comes, each piece whole UTF-8 characters. It is for display only: what is written is
 * decided by the complete, validated call. Malformed JSON just ends the stream. */
#ifndef MUSTER_AGENT_FILESTREAM_H
#define MUSTER_AGENT_FILESTREAM_H

#include <stdint.h>

#include "base/buf.h"

enum filestream_state { FS_KEY, FS_IN_KEY, FS_COLON, FS_VALUE, FS_IN_STRING, FS_SKIP, FS_RAW, FS_END };

struct filestream {
	enum filestream_state state;
	int depth;	  /* inside a value that is skipped */
	bool skip_string; /* in a string of such a value */
	int escape;	  /* 0 none, 1 after \, 2.. hex digits of \u left + 1 */
	unsigned code, high;
	const char *wanted; /* the member that is handed out: "content", if nothing else is set after init */
	struct buf key, path, out;
	int64_t offset; /* of the content handed out so far */
	int quotes;	/* RAW: closing quotes seen */
};

void filestream_init(struct filestream *f);
/* The raw form: text between CONTENT=""" and """; path is known from the start. */
void filestream_init_raw(struct filestream *f, const char *path);
void filestream_release(struct filestream *f);
/* Feed a piece. `show` gets path (may be "" while unknown), offset and text for every piece of content. */
void filestream_feed(struct filestream *f, struct span piece,
	void (*show)(void *ctx, const char *path, int64_t offset, struct span text), void *ctx);

#endif
