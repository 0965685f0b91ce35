/* forwarded: what proxies say of the request that they pass on: the pure part, the texts of the headers Forwarded
 * (RFC 7239 4) and X-Forwarded-For, and what an Origin or Host says. */
#ifndef MUSTER_HTTP_FORWARDED_H
#define MUSTER_HTTP_FORWARDED_H

#include "base/address.h"

/* What one proxy says; views into the line, without quotes; n = 0 where it says nothing. */
struct forwarded {
	struct span client, scheme, host; /* for=, proto=, host= */
};

/* Cut the last element off a line of X-Forwarded-For, -Proto or -Host; false when none is left. */
bool forwarded_last(struct span *line, struct span *element);
/* The last `most` elements of a line of Forwarded, in their order: their number, or -1 when the line is malformed. Of a
 * value with an escaped byte (nothing that can stand in an address, name or scheme needs one) the line is malformed. */
int forwarded_read(struct span line, struct forwarded *out, int most);

#define AUTHORITY_PORT_NONE (-1)
/* host, host:port, [v6]:port into a name (a view, with its brackets) and port. False: malformed. */
bool authority_split(struct span text, struct span *name, int *port);
/* Is the value of an Origin header (RFC 6454 7) that of scheme://host? Names by ASCII case, a missing port is the
 * scheme's own. */
bool origin_same(const char *origin, const char *scheme, struct span host);

#endif
