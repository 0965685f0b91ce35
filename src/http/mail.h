/* mail: one message of plain text to one person, over SMTP (RFC 5321) with TLS.
 *
 * libcurl speaks the protocol, on a thread of the worker pool, because it waits there for the server's answer to its
 * last word. The message is RFC 5322 in ASCII: the subject encoded by RFC 2047, the text quoted-printable. Nothing that
 * could begin another header is taken. One try: who sends decides about more, and gives each the same id. */
#ifndef MUSTER_HTTP_MAIL_H
#define MUSTER_HTTP_MAIL_H

#include "base/buf.h"
#include "loop/loop.h"

struct mail_server {
	const char *url;	     /* smtp://host[:port], or smtps: with TLS from the first byte */
	const char *user, *password; /* NULL: the server asks for none */
	const char *from;	     /* an address */
	const char *ca_file;	     /* who signs the server's certificate; NULL: the system's list */
	bool plain;		     /* without TLS when the server offers none; never with a password */
};

struct mail {
	/* set by the caller, borrowed until the callback */
	const struct mail_server *server;
	const char *to; /* an address */
	const char *subject, *text;
	const char *id; /* the Message-ID's part before the @: letters, digits, - and . */
	/* The end, exactly once: ERR_OK (the server has taken it), ERR_DENIED (it answered with 5xx: trying again is of
	 * no use; status has the number), ERR_NETWORK, ERR_TIMEOUT, ERR_CANCELLED. */
	void (*on_done)(struct mail *m, const struct err *why);
	int status; /* the server's last answer; 0: none came */
	/* private */
	struct work work;
	struct buf message;
	size_t sent;
	const struct err *why;
	_Atomic bool cancelled;
};

/* -1: ERR_INVALID naming what is wrong with the message or the server, or no memory; then no callback. */
int mail_start(struct mail *m, struct loop *l, struct err *e);
void mail_cancel(struct mail *m); /* on_done fires later, with ERR_CANCELLED unless the message is out */

/* ADDRESS@DOMAIN in printable ASCII, without quotes and comments. */
bool mail_address_valid(const char *address);
int mail_server_check(const struct mail_server *s, struct err *e);
/* The message as it is sent; now in microseconds. Private to http/, for tests. */
int mail_write(const struct mail *m, int64_t now, struct buf *out, struct err *e);

#endif
