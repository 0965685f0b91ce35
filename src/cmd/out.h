/* out: what verbs print, and how things look there.
 *
 * Texts of models, tools and files are made visible (base/utf8.h) before they reach a terminal. */
#ifndef MUSTER_CMD_OUT_H
#define MUSTER_CMD_OUT_H

#include <stdint.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/json.h"

#define CAP_OUTPUT (64 * MIB) /* text prepared at once */

/* Write to standard output and empty the buffer. -1: cannot be written; with ERR_OK when nobody reads any more
 * (EPIPE): the caller ends quietly. */
int out_write(struct buf *b, struct err *e);
/* "muster: text" to standard error: secrets masked, control bytes visible. */
void out_error(const char *text);
/* As it is, to standard error; where that fails nothing can be said. */
void out_say(struct span text);
/* One JSON value and a newline to standard output. */
int out_json(const json_t *v, struct err *e);

/* Columns on a terminal (East Asian wide characters take two, combining ones none). */
size_t text_columns(struct span s);
/* Append s made visible as one line, cut with … to at most `columns`; newlines become blanks. */
void text_fit(struct span s, size_t columns, struct buf *out);
/* The same, padded with blanks to exactly `columns`. */
void text_pad(struct span s, size_t columns, struct buf *out);
/* The first line that is not blank. */
struct span text_first_line(struct span s);

void text_usd(double usd, struct buf *out);	   /* $0.0123 */
void text_count(int64_t n, struct buf *out);	   /* 950, 12.3k, 4.5M */
void text_time(int64_t wall_us, struct buf *out);  /* local: 2026-11-20 10:00 */
void text_clock(int64_t wall_us, struct buf *out); /* local: 10:00:00 */
void text_period(int64_t us, struct buf *out);	   /* 3.2 s, 4 min 10 s, 2 h 5 min */

/* A table: a header and rows of texts, columns as wide as their content, the last one cut at the terminal's width (not
 * cut when standard output is no terminal). */
struct table {
	int columns;
	char **cells; /* row after row, the header first */
	size_t count, room;
	bool failed; /* no memory */
};
void table_init(struct table *t, int columns);
void table_add(struct table *t, struct span cell);
void table_adds(struct table *t, const char *cell); /* NULL: "" */
void table_take(struct table *t, struct buf *cell); /* what it holds; empty after it */
int table_print(struct table *t, struct buf *out, struct err *e);
void table_release(struct table *t);

/* Columns of the terminal behind this descriptor; 0: it is none. */
int terminal_columns(int fd);
int terminal_rows(int fd);

#endif
