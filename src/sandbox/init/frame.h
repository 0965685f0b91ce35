/* frame: one message of the channel in or out, with its descriptors. Plain system calls: used by muster and by
 * muster-init alike. */
#ifndef MUSTER_SANDBOX_FRAME_H
#define MUSTER_SANDBOX_FRAME_H

#include <stddef.h>

#include "sandbox/init/wire.h"

struct frame {
	struct wire head;
	const char *payload; /* head.size bytes; received: inside the caller's buffer */
	int fds[WIRE_FDS];
	unsigned fd_count;
};

/* Send with sendmsg flags (MSG_DONTWAIT or 0). Descriptors stay the caller's. 0, or the errno. */
int frame_send(int channel, const struct frame *f, int flags);
/* Receive into room (WIRE_FRAME + sizeof(struct wire) bytes). Descriptors are close-on-exec and the caller's. 0; or the
 * errno: ECONNRESET when the peer is gone, EBADMSG when the message is no frame (its descriptors are closed). */
int frame_recv(int channel, struct frame *f, char *room, size_t room_size, int flags);
void frame_close(struct frame *f); /* its descriptors */
/* The descriptor at i, taken out of the frame; -1 when there is none. */
int frame_take(struct frame *f, unsigned i);
/* The next of the NUL-terminated strings in [*at, end), or NULL. */
const char *frame_string(const char **at, const char *end);

#endif
