/* mail_peer: an SMTP server (RFC 5321) of one connection at a time in a thread of its own, with STARTTLS and AUTH PLAIN
 * where its script offers them. Its certificate is for "localhost" and signed by itself. */
#ifndef MUSTER_TESTS_MAIL_PEER_H
#define MUSTER_TESTS_MAIL_PEER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdbool.h>

struct mail_peer {
	/* the script */
	bool offers_tls, offers_auth, smtps;
	const char *refuse; /* the answer to the command that begins with refuse_at */
	const char *refuse_at;
	bool silent; /* says nothing after its greeting */
	/* what was seen */
	char log[8192];	     /* the commands, a line each */
	char message[65536]; /* the last one, up to its final dot */
	char login[2048];    /* of AUTH PLAIN, in base64 */
	bool login_in_tls, message_in_tls;
	_Atomic int messages, connections;
	int port;
	/* private */
	int fd;
	SSL_CTX *tls;
	SSL *ssl;
	pthread_t thread;
	_Atomic bool quit;
};
extern struct mail_peer mail_peer;

void mail_peer_start(const char *ca_file); /* writes its certificate there; sets the script back */
void mail_peer_stop(void);

#endif
