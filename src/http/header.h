/* header: what may stand in a header that we send (RFC 9110 5.1, 5.5). Private to http/. */
#ifndef MUSTER_HTTP_HEADER_H
#define MUSTER_HTTP_HEADER_H

#include <stdbool.h>

bool header_name_valid(const char *name);   /* a token; also for methods */
bool header_value_valid(const char *value); /* no control bytes but tabs, so no line breaks */

#endif
