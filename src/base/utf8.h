/* utf8: UTF-8 (RFC 3629) decoded, checked, repaired, cut between characters, and made visible for a terminal or a log.
 */
#ifndef MUSTER_BASE_UTF8_H
#define MUSTER_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The character at the front of s (not empty): its code point in *cp and its length. Of an invalid sequence *cp is
 * UTF8_BAD and the length that of its maximal subpart (Unicode 3.9), what one U+FFFD stands for; at least 1. */
#define UTF8_BAD UINT32_MAX
size_t utf8_char(struct span s, uint32_t *cp);
bool utf8_valid(struct span s);
/* Append s with every invalid sequence replaced by U+FFFD. */
void utf8_clean(struct span s, struct buf *out);
/* The longest length ≤ n that does not cut a character of s. */
size_t utf8_cut(struct span s, size_t n);
/* Does it look like binary (a NUL, or invalid UTF-8, in the first 8 KiB)? */
bool utf8_binary(struct span s);
/* Append s for a terminal or a log: control bytes, escape sequences and bidirectional overrides (U+202A-202E,
 * U+2066-2069) become visible \xNN / \u{NNNN}; \n and \t stay when keep_lines. */
void utf8_visible(struct span s, bool keep_lines, struct buf *out);

#endif
