/* text: what notices say. Short and plain, with a link to where it is decided; of what models wrote only titles, made
 * harmless: one line, no control characters, cut. */
#ifndef MUSTER_NOTIFY_TEXT_H
#define MUSTER_NOTIFY_TEXT_H

#include "base/json.h"

/* `base`: where people reach the house, without a slash at the end; "" leaves links out. All append; failure shows in
 * buf_check. */
void text_subject(const json_t *about, struct buf *out);		/* one line */
void text_body(const json_t *about, const char *base, struct buf *out); /* of a mail */
void text_link(const json_t *about, const char *base, struct buf *out); /* nothing without a run */
/* {title, body, url, tag}, for the browser's worker. */
json_t *text_push(const json_t *about, const char *base, struct err *e);
/* {type, timestamp, data}, as the Standard Webhooks specification has it. */
json_t *text_webhook(const json_t *about, const char *base, struct err *e);

#endif
