/* log: the program's own diagnostics, to standard error; never events, never secrets.
 * One line each: time level area message key=value…; or JSON. Values are escaped (no control bytes reach the terminal)
 * and registered secrets are masked. Thread-safe. Return an error or log it, never both. */
#ifndef MUSTER_BASE_LOG_H
#define MUSTER_BASE_LOG_H

#include <stdbool.h>

#include "base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

void log_level_set(enum log_level level); /* default LOG_WARN */
enum log_level log_level_named(const char *name, enum log_level otherwise);
void log_json(bool on);
/* From now on every occurrence of this text (≥ 6 bytes) in a log line is printed as "***". Copies; capped number. */
int log_secret(const char *secret, struct err *e);
/* Mask registered secrets in any text (for errors shown to people). */
void log_mask(struct span text, struct buf *out);

void log_write(enum log_level level, const char *area, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define log_debug(area, ...) log_write(LOG_DEBUG, area, __VA_ARGS__)
#define log_info(area, ...) log_write(LOG_INFO, area, __VA_ARGS__)
#define log_warn(area, ...) log_write(LOG_WARN, area, __VA_ARGS__)
#define log_error(area, ...) log_write(LOG_ERROR, area, __VA_ARGS__)

#endif
