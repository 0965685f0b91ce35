/* inputs: the file of a batch, a JSON object a line, read one line at a time: what a mode gets, and the line's name.
 *
 * A line's name is its member `id` (a text or a whole number) where the mode has no input of that name, and where all
 * lines have one; otherwise its number in the file. Blank lines are passed over. Errors begin with FILE:LINE. */
#ifndef MUSTER_CMD_INPUTS_H
#define MUSTER_CMD_INPUTS_H

#include "base/caps.h"
#include "flow/mode.h"

struct inputs {
	const char *path;	 /* borrowed, as the others */
	const struct mode *mode; /* whose inputs they are */
	const json_t *common;	 /* inputs of every line that does not say otherwise */
	int fd;
	struct buf text; /* read ahead */
	size_t at;	 /* so much of it was taken */
	int64_t number;	 /* of the line that was read last */
	enum { NAMED_YET_UNKNOWN, NAMED_BY_NUMBER, NAMED_BY_ID } named;
};

struct input_line {
	int64_t number;
	char name[CAP_BATCH_ID + 1];
	json_t *values; /* the mode's inputs, checked, defaults filled in */
};

/* ERR_INVALID when it is no file that can be read twice. */
int inputs_open(struct inputs *in, const char *path, const struct mode *m, const json_t *common, struct err *e);
void inputs_close(struct inputs *in); /* harmless when zeroed or closed */
/* The next line: 1, 0 at the end, -1. */
int inputs_next(struct inputs *in, struct input_line *out, struct err *e);
void input_line_release(struct input_line *l);

/* What all lines together are. */
struct inputs_seen {
	int64_t lines;
	int widest; /* bytes of the longest name */
};
/* Read all of it: every line is one that the mode takes, no two have one name, and files that they name are there. */
int inputs_check(const char *path, const struct mode *m, const json_t *common, struct inputs_seen *seen, struct err *e);

#endif
