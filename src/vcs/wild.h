/* wild: shell patterns over names and paths.
 *
 * `*` any characters of one name, `?` one character (UTF-8; a byte where it is none), `[a-z]` and `[!a-z]` one of a
 * class, `\` takes the next character as it is. In a path pattern a part that is just `**` stands for any number of
 * folders; at the end for everything below. Nothing but `**` crosses a '/'. Time is bounded by the product of the
 * lengths. */
#ifndef MUSTER_VCS_WILD_H
#define MUSTER_VCS_WILD_H

#include "base/buf.h"

bool wild_name(struct span pattern, struct span name);
bool wild_path(struct span pattern, struct span path);
/* Has it any of the characters with a meaning? */
bool wild_has(struct span pattern);
/* Cut the next part off a path ('/' separated; empty parts are skipped); false when nothing is left. */
bool wild_part(struct span *rest, struct span *part);

#endif
