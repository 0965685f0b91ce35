#include "mail_peer.h"

#include "unit.h"

#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct mail_peer mail_peer;
#define p (&mail_peer)

static void certificate(const char *file)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509V3_CTX ctx;
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
		X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "DNS:localhost");
	X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, "critical,CA:TRUE");
	X509_add_ext(x, names, -1);
	X509_add_ext(x, ca, -1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	FILE *f = fopen(file, "w");
	assert_non_null(f);
	PEM_write_X509(f, x);
	fclose(f);
	assert_int_equal(SSL_CTX_use_certificate(p->tls, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(p->tls, key), 1);
	X509_EXTENSION_free(names);
	X509_EXTENSION_free(ca);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void say(int fd, const char *text)
{
	if (p->ssl)
		SSL_write(p->ssl, text, (int)strlen(text));
	else if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return;
}

/* One line without its end; false when the connection ends. */
static bool hear(int fd, char *line, size_t room)
{
	size_t n = 0;
	while (!p->quit) {
		struct pollfd w = {.fd = fd, .events = POLLIN};
		if (!(p->ssl && SSL_pending(p->ssl)) && poll(&w, 1, 20) == 0)
			continue;
		char c;
		long got = p->ssl ? SSL_read(p->ssl, &c, 1) : read(fd, &c, 1);
		if (got <= 0)
			return false;
		if (c == '\n') {
			line[n && line[n - 1] == '\r' ? n - 1 : n] = 0;
			return true;
		}
		if (n + 1 < room)
			line[n++] = c;
	}
	return false;
}

static bool encrypt(int fd)
{
	p->ssl = SSL_new(p->tls);
	SSL_set_fd(p->ssl, fd);
	return SSL_accept(p->ssl) == 1;
}

static bool take_message(int fd)
{
	char line[2048];
	size_t n = 0;
	say(fd, "354 go on\r\n");
	while (hear(fd, line, sizeof(line))) {
		if (strcmp(line, ".") == 0) {
			p->message_in_tls = p->ssl != NULL;
			p->messages++;
			return true;
		}
		const char *from = line[0] == '.' ? line + 1 : line;
		n += (size_t)snprintf(p->message + n, sizeof(p->message) - n, "%s\n", from);
		assert_true(n < sizeof(p->message));
	}
	return false;
}

static void answer(int fd, const char *line)
{
	if (p->refuse && strncasecmp(line, p->refuse_at, strlen(p->refuse_at)) == 0) {
		say(fd, p->refuse);
	} else if (strncasecmp(line, "EHLO", 4) == 0) {
		say(fd, "250-localhost\r\n");
		if (p->offers_tls && !p->ssl)
			say(fd, "250-STARTTLS\r\n");
		if (p->offers_auth)
			say(fd, "250-AUTH PLAIN\r\n");
		say(fd, "250 8BITMIME\r\n");
	} else if (strncasecmp(line, "AUTH PLAIN", 10) == 0) {
		snprintf(p->login, sizeof(p->login), "%s", strlen(line) > 11 ? line + 11 : "");
		p->login_in_tls = p->ssl != NULL;
		char more[2048];
		if (!p->login[0]) {
			say(fd, "334 \r\n");
			if (hear(fd, more, sizeof(more)))
				snprintf(p->login, sizeof(p->login), "%s", more);
		}
		say(fd, "235 fine\r\n");
	} else {
		say(fd, "250 fine\r\n");
	}
}

static void talk(int fd)
{
	char line[2048];
	if (p->smtps && !encrypt(fd))
		return;
	say(fd, "220 localhost\r\n");
	while (hear(fd, line, sizeof(line))) {
		size_t n = strlen(p->log);
		snprintf(p->log + n, sizeof(p->log) - n, "%s\n", line);
		if (p->silent)
			continue;
		if (strcasecmp(line, "STARTTLS") == 0) {
			say(fd, "220 go on\r\n");
			if (!encrypt(fd))
				return;
		} else if (strcasecmp(line, "DATA") == 0 && !(p->refuse && strcmp(p->refuse_at, "DATA") == 0)) {
			if (!take_message(fd))
				return;
			say(fd, p->refuse && strcmp(p->refuse_at, ".") == 0 ? p->refuse : "250 taken\r\n");
		} else if (strcasecmp(line, "QUIT") == 0) {
			say(fd, "221 bye\r\n");
			return;
		} else {
			answer(fd, line);
		}
	}
}

static void *peer_main(void *arg)
{
	(void)arg;
	while (!p->quit) {
		struct pollfd w = {.fd = p->fd, .events = POLLIN};
		if (poll(&w, 1, 20) == 0)
			continue;
		int fd = accept(p->fd, NULL, NULL);
		if (fd < 0)
			continue;
		p->connections++;
		talk(fd);
		SSL_free(p->ssl);
		p->ssl = NULL;
		close(fd);
	}
	return NULL;
}

void mail_peer_start(const char *ca_file)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t size = sizeof(a);
	memset(p, 0, sizeof(*p));
	p->tls = SSL_CTX_new(TLS_server_method());
	certificate(ca_file);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&a, size), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &size), 0);
	assert_int_equal(listen(p->fd, 4), 0);
	p->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&p->thread, NULL, peer_main, NULL), 0);
}

void mail_peer_stop(void)
{
	p->quit = true;
	pthread_join(p->thread, NULL);
	close(p->fd);
	SSL_CTX_free(p->tls);
}
