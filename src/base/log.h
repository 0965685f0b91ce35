/* log: the program's own diagnostics, to standard error or a file; never events, never secrets.
 * One line each: time level area message request=… run=…; or JSON with these members. Values are escaped (no control
 * bytes reach the terminal) and registered secrets are masked. Thread-safe. Return an error or log it, never both. */
#ifndef MUSTER_BASE_LOG_H
#define MUSTER_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

void log_level_set(enum log_level level); /* default LOG_WARN */
/* Levels of single areas instead: "api=debug http=off", set as a whole. ERR_INVALID names the part that is no such
 * pair, or the areas that there are, and nothing was changed. */
int log_areas_set(const char *text, struct err *e);
enum log_level log_level_named(const char *name, enum log_level otherwise);
void log_json(bool on);
/* From now on into this file (0600, made when missing), at its end. Before a line that would make it larger than `most`
 * bytes it becomes path.1, what was path.1 path.2 and so on, and path.`keep` goes; keep 0: it is begun anew. What
 * cannot be written goes to standard error. */
int log_file(const char *path, int64_t most, int keep, struct err *e);
/* Somebody else has moved the file away: open it by its name again. Harmless when there is none. */
int log_reopen(struct err *e);
void log_file_end(void); /* to standard error again */

/* From now on every occurrence of this text (≥ 6 bytes) in a log line is printed as "***". Copies; capped number. */
int log_secret(const char *secret, struct err *e);
/* Mask registered secrets in any text (for errors shown to people). */
void log_mask(struct span text, struct buf *out);

/* What a line is about; each may be NULL. */
struct log_about {
	const char *request, *run;
};
void log_write_about(enum log_level level, const char *area, struct log_about about, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
void log_write(enum log_level level, const char *area, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define log_debug(area, ...) log_write(LOG_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_INFO, area, __VA_ARGS__)
#define log_warn(area, ...) log_write(LOG_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)

#endif
