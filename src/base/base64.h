/* base64: bytes as text (RFC 4648): the common alphabet with padding, and the one for URLs and file names without. */
#ifndef MUSTER_BASE_BASE64_H
#define MUSTER_BASE_BASE64_H

#include "base/buf.h"

enum base64 { BASE64_PLAIN, BASE64_URL };
void base64_add(struct buf *out, enum base64 kind, struct span bytes);
/* Into at most `room` bytes; their number, or -1: another character, padding that does not fit, bits left over, or no
 * room. */
long base64_take(struct span text, enum base64 kind, unsigned char *out, size_t room);

#endif
