/* print: a tree as text, so that parsing the text gives an equal tree. Lists get one member a line; a string is printed
 * verbatim between """ where that shows it as it is (several lines or quotes, no """ in it, no " at its end), else
 * quoted with escapes. */
#ifndef MUSTER_DIRECTIVE_PRINT_H
#define MUSTER_DIRECTIVE_PRINT_H

#include "base/buf.h"
#include "directive/tree.h"

/* Append the directive, without a line end. Failure shows in buf_check. */
void directive_print(const struct directive *d, struct buf *out);

#endif
