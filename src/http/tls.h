/* tls: the certificate that a server shows and what it speaks with it: TLS 1.2 and 1.3 (RFC 5246, RFC 8446), HTTP/1.1
 * only (ALPN, RFC 7301), OpenSSL's ciphers of security level 2, sessions resumed by tickets, so that the server keeps
 * none, and no renegotiation. */
#ifndef MUSTER_HTTP_TLS_H
#define MUSTER_HTTP_TLS_H

#include "base/err.h"

struct ssl_st;
struct tls;

/* Reads both files (PEM; the certificate first, then those that lead from it to its root). NULL with the reason, which
 * names the file: unreadable (as fs_read says), no PEM, an encrypted key, a key of another certificate, keys or hashes
 * that are too weak. An expired certificate is only warned of. Reads from the disk. */
struct tls *tls_new(const char *certificate, const char *key, struct err *e);
/* The same files as they are now. */
struct tls *tls_again(const struct tls *t, struct err *e);
/* Connections that use it go on with it. NULL is legal. */
void tls_free(struct tls *t);

/* For the transport: one client's side of it; SSL_free it. NULL: no memory. */
struct ssl_st *tls_accept(const struct tls *t);

#endif
