/* bench_http: the server's transport on one core: small requests over 64 connections, beside the floor (the same loop
 * and sockets, and a reader that answers whatever comes with the same bytes); the same while a thousand slow clients
 * sit there; handshakes of TLS, and what an idle client holds, plain and over TLS.
 *
 * The server is a process of its own on one core, the clients are this one on another. Processor time is the server's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/reply.h"
#include "loop/stream.h"
#include "rig.h"

#define CLIENTS 64
#define REQUESTS 200000
#define SLOW 1000
#define IDLE 1000
#define SHAKES 400

static const char health[] = "GET /health HTTP/1.1\r\nHost: house.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";
static const char fixed[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
			    "{\"status\":\"ok\"}";

static void pin(int core)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- the servers ---- */

static void on_health(struct server_request *r, void *ctx)
{
	(void)ctx;
	reply_json(r, 200, span_of("{\"status\":\"ok\"}"));
}

static void on_bytes(struct stream *s, struct span bytes, const struct err *why)
{
	(void)why;
	if (bytes.n)
		stream_write(s, span_of(fixed), NULL);
	else
		stream_close(s);
}

static void on_gone(struct stream *s)
{
	mem_free(s);
}

static void on_client(struct listener *l, int fd)
{
	struct stream *s = MEM_NEW(struct stream);
	s->on_read = on_bytes;
	s->on_closed = on_gone;
	must(stream_open(s, l->loop, fd, CAP_HTTP_QUEUE, NULL), NULL);
	stream_read_start(s, NULL);
}

enum kind { FLOOR, PLAIN, TLS };
static pid_t child;
static int port;

/* A process that serves; it ends with this one, or when it is stopped. */
static void serve(enum kind kind)
{
	struct err e = ERR_INIT;
	int ends[2];
	must_sys(pipe(ends), "pipe");
	child = fork();
	must_sys(child < 0, "fork");
	if (child == 0) {
		static struct server server;
		static struct listener listener;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pin(0);
		struct loop *loop = loop_new(&e);
		must(!loop, &e);
		port = 0;
		if (kind == FLOOR) {
			must(listener_tcp(&listener, loop, "127.0.0.1", 0, on_client, &e), &e);
			port = listener.port;
		} else {
			server_init(&server, loop, on_health, NULL);
			server.head_ms = server.idle_ms = 3600 * 1000;
			if (kind == TLS)
				must(server_tls(&server, rig_path("cert.pem"), rig_path("key.pem"), &e), &e);
			must(server_tcp(&server, "127.0.0.1", &port, &e), &e);
		}
		must_sys(write(ends[1], &port, sizeof(port)) != sizeof(port), "write");
		loop_run(loop, &e);
		_exit(0);
	}
	must_sys(read(ends[0], &port, sizeof(port)) != sizeof(port), "the server does not start");
	close(ends[0]);
	close(ends[1]);
}

static void stop(void)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

static double server_cpu_s(void)
{
	char path[64], text[1024] = "";
	unsigned long user = 0, system = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)child);
	FILE *f = fopen(path, "r");
	must_sys(!f || !fgets(text, sizeof(text), f), path);
	fclose(f);
	sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double server_private_kib(void)
{
	char path[64], line[256];
	double kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)child);
	FILE *f = fopen(path, "r");
	must_sys(!f, path);
	while (fgets(line, sizeof(line), f)) {
		unsigned long n;
		if (sscanf(line, "Private_Clean: %lu", &n) == 1 || sscanf(line, "Private_Dirty: %lu", &n) == 1)
			kib += (double)n;
	}
	fclose(f);
	return kib;
}

/* ---- the clients ---- */

static int dial(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	must_sys(fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0, "connect");
	return fd;
}

/* Each asks again as soon as it has its answer. Fills in the times from question to answer in ms. */
static void ask_all(int requests, struct sample *spread)
{
	static double since[CLIENTS];
	struct pollfd fds[CLIENTS];
	char bytes[4096];
	int asked = 0, answered = 0;
	for (int i = 0; i < CLIENTS; i++, asked++) {
		fds[i] = (struct pollfd){.fd = dial(), .events = POLLIN};
		since[i] = rig_ms();
		must_sys(write(fds[i].fd, health, sizeof(health) - 1) < 0, "write");
	}
	while (answered < requests) {
		must_sys(poll(fds, CLIENTS, 10000) <= 0, "the server does not answer");
		for (int i = 0; i < CLIENTS; i++) {
			if (!fds[i].revents)
				continue;
			must_sys(read(fds[i].fd, bytes, sizeof(bytes)) <= 0, "read");
			answered++;
			if (answered % (requests / (SAMPLE_MAX - CLIENTS) + 1) == 0)
				sample_add(spread, rig_ms() - since[i]);
			if (asked++ < requests) {
				since[i] = rig_ms();
				must_sys(write(fds[i].fd, health, sizeof(health) - 1) < 0, "write");
			}
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i].fd);
}

static void rows_of_requests(enum kind kind, const char *what, const char *key, int slow)
{
	static struct sample spread;
	static int fds[SLOW];
	char name[80], note[80];
	spread.n = 0;
	serve(kind);
	for (int i = 0; i < slow; i++) {
		fds[i] = dial();
		must_sys(write(fds[i], "GET / HTTP/1.1\r\nX: ", 19) < 0, "write");
	}
	double cpu = server_cpu_s(), from = rig_ms();
	ask_all(REQUESTS, &spread);
	double took = rig_ms() - from;
	cpu = server_cpu_s() - cpu;
	snprintf(note, sizeof(note), "p50 %.2f ms, p99 %.2f ms, %d connections", sample_at(&spread, 0.5),
		sample_at(&spread, 0.99), CLIENTS);
	snprintf(name, sizeof(name), "%s_per_s", key);
	rig_row(what, name, REQUESTS / took * 1000, "/s", NULL, note);
	snprintf(name, sizeof(name), "%s_cpu_us", key);
	rig_row("  processor time each", name, cpu * 1e6 / REQUESTS, "us", NULL, "");
	for (int i = 0; i < slow; i++)
		close(fds[i]);
	stop();
}

/* ---- TLS ---- */

static void certificate_make(void)
{
	EVP_PKEY *pair = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, pair);
	X509_sign(x, pair, EVP_sha256());
	FILE *f = fopen(rig_path("cert.pem"), "w");
	must_sys(!f || PEM_write_X509(f, x) != 1, "cert.pem");
	fclose(f);
	f = fopen(rig_path("key.pem"), "w");
	must_sys(!f || PEM_write_PrivateKey(f, pair, NULL, NULL, 0, NULL, NULL) != 1, "key.pem");
	fclose(f);
	X509_free(x);
	EVP_PKEY_free(pair);
}

/* A connection that has asked once and had its answer; the session, when one is wanted. */
static SSL *tls_client(SSL_CTX *ctx, SSL_SESSION *resumed, SSL_SESSION **session)
{
	char bytes[4096];
	SSL *ssl = SSL_new(ctx);
	SSL_set_fd(ssl, dial());
	if (resumed)
		SSL_set_session(ssl, resumed);
	must_sys(SSL_connect(ssl) != 1, "handshake");
	must_sys(SSL_write(ssl, health, sizeof(health) - 1) <= 0 || SSL_read(ssl, bytes, sizeof(bytes)) <= 0, "TLS");
	must_sys(resumed && !SSL_session_reused(ssl), "the session was not resumed");
	if (session)
		*session = SSL_get1_session(ssl);
	return ssl;
}

static void tls_hang_up(SSL *ssl)
{
	SSL_shutdown(ssl);
	close(SSL_get_fd(ssl));
	SSL_free(ssl);
}

static void rows_of_tls(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *session = NULL;
	static SSL *idle[IDLE];
	static int fds[IDLE];
	serve(TLS);
	tls_hang_up(tls_client(ctx, NULL, &session));
	double cpu = server_cpu_s();
	for (int i = 0; i < SHAKES; i++)
		tls_hang_up(tls_client(ctx, NULL, NULL));
	rig_row("TLS: connection, handshake, request: processor time", "tls_handshake_cpu_us",
		(server_cpu_s() - cpu) * 1e6 / SHAKES, "us", NULL, "TLS 1.3, P-256");
	cpu = server_cpu_s();
	for (int i = 0; i < SHAKES; i++) {
		SSL_SESSION *next;
		tls_hang_up(tls_client(ctx, session, &next));
		SSL_SESSION_free(session);
		session = next;
	}
	rig_row("  the same, resumed", "tls_resumed_cpu_us", (server_cpu_s() - cpu) * 1e6 / SHAKES, "us", NULL, "");
	double before = server_private_kib();
	for (int i = 0; i < IDLE; i++)
		idle[i] = tls_client(ctx, NULL, NULL);
	rig_row("idle client over TLS", "tls_idle_kib", (server_private_kib() - before) / IDLE, "KiB", NULL,
		"private memory, after a request");
	for (int i = 0; i < IDLE; i++)
		tls_hang_up(idle[i]);
	SSL_SESSION_free(session);
	SSL_CTX_free(ctx);
	stop();
	serve(PLAIN);
	before = server_private_kib();
	for (int i = 0; i < IDLE; i++) {
		char bytes[4096];
		fds[i] = dial();
		must_sys(write(fds[i], health, sizeof(health) - 1) < 0 || read(fds[i], bytes, sizeof(bytes)) <= 0,
			"idle");
	}
	rig_row("idle client, plain", "plain_idle_kib", (server_private_kib() - before) / IDLE, "KiB", NULL, "");
	for (int i = 0; i < IDLE; i++)
		close(fds[i]);
	stop();
}

int main(void)
{
	struct rlimit files = {8192, 8192};
	rig_setup("http");
	setrlimit(RLIMIT_NOFILE, &files);
	pin(1);
	rig_folder();
	certificate_make();
	rows_of_requests(FLOOR, "floor: the same bytes without HTTP", "floor", 0);
	rows_of_requests(PLAIN, "GET /health", "health", 0);
	rows_of_requests(PLAIN, "GET /health beside 1,000 slow clients", "health_slow", SLOW);
	rows_of_tls();
	rig_folder_remove();
	rig_finish();
	return 0;
}
