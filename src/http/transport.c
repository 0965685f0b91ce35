#include "http/transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/caps.h"
#include "base/mem.h"

/* Purpose: TLS between a stream and its reader, without buffers of its own: OpenSSL takes the bytes just read where
 * they lie, and puts its records into the stream's queue. Only what came while the reader wanted no more is held.
 *
 * The input is OPEN until the end, which the reader is told of once; then what still comes is dropped.
 *
 * Failure modes: room for all records of a write is reserved before the first, so that a record is never cut. When
 * OpenSSL itself cannot write, the client gets nothing more: the write fails, as one to a peer that is gone. */

#define RECORD (16 * KIB)
#define RECORD_MORE 128 /* bytes around what is in a record: at most, with TLS 1.2's oldest ciphers */

enum { IN_OPEN, IN_ENDED };

struct secure {
	SSL *ssl;
	void (*on_read)(struct stream *s, struct span bytes, const struct err *why);
	struct span coming; /* while OpenSSL works: what it has not taken yet of what was read */
	struct buf held;    /* what was read and not taken, as the reader had stopped */
	struct tick tick;   /* takes it, once the reader goes on */
	int input;
	bool wanted; /* between transport_read_start and transport_read_stop */
};

/* ---- the BIO: OpenSSL's end of the stream ---- */

static int bio_read(BIO *bio, char *out, int size)
{
	struct transport *t = BIO_get_data(bio);
	struct span *in = &t->secure->coming;
	BIO_clear_retry_flags(bio);
	if (in->n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	size_t n = in->n < (size_t)size ? in->n : (size_t)size;
	memcpy(out, in->p, n);
	*in = span_n(in->p + n, in->n - n);
	return (int)n;
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
	struct transport *t = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	return stream_write(&t->stream, span_n(bytes, (size_t)n), NULL) == 0 ? n : -1;
}

static long bio_ctrl(BIO *bio, int cmd, long n, void *p)
{
	(void)bio;
	(void)n;
	(void)p;
	return cmd == BIO_CTRL_FLUSH;
}

/* One for all, as what is made of it may outlive every server. */
static BIO *bio_new(struct transport *t)
{
	static BIO_METHOD *method;
	if (!method && (method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream"))) {
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_ctrl(method, bio_ctrl);
	}
	BIO *bio = method ? BIO_new(method) : NULL;
	if (bio) {
		BIO_set_data(bio, t);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/* ---- in ---- */

static void input_end(struct transport *t, const struct err *why)
{
	struct secure *c = t->secure;
	c->input = IN_ENDED;
	buf_release(&c->held);
	c->on_read(&t->stream, SPAN_NONE, why);
}

/* Who meant to speak HTTP is answered in it. */
static void not_tls(struct transport *t)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
				   "This port speaks TLS: use https://\n";
	stream_write(&t->stream, span_of(text), NULL);
}

static void opened(struct transport *t, struct span bytes)
{
	struct secure *c = t->secure;
	char plain[RECORD];
	size_t n;
	c->coming = bytes;
	while (c->input == IN_OPEN && c->wanted) {
		ERR_clear_error();
		if (SSL_read_ex(c->ssl, plain, sizeof(plain), &n) == 1) {
			c->on_read(&t->stream, span_n(plain, n), NULL);
			continue;
		}
		if (SSL_get_error(c->ssl, 0) == SSL_ERROR_WANT_READ)
			break;
		if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
			not_tls(t);
		ERR_clear_error();
		input_end(t, NULL);
	}
	bytes = c->coming;
	c->coming = SPAN_NONE;
	if (c->input == IN_OPEN)
		buf_addspan(&c->held, bytes);
	if (c->held.failed)
		input_end(t, NULL);
}

static void on_sealed(struct stream *s, struct span bytes, const struct err *why)
{
	struct transport *t = container_of(s, struct transport, stream);
	if (t->secure->input == IN_ENDED)
		return;
	if (bytes.n == 0)
		input_end(t, why);
	else
		opened(t, bytes);
}

/* The reader goes on: first with what is held. The stream is read from only when nothing is. */
static void on_tick(struct tick *tick)
{
	struct secure *c = container_of(tick, struct secure, tick);
	struct transport *t = BIO_get_data(SSL_get_rbio(c->ssl));
	cleanup_buf struct buf held = c->held;
	buf_init(&c->held, held.cap);
	if (held.len)
		opened(t, buf_span(&held));
	if (c->wanted && t->stream.fd >= 0)
		stream_read_start(&t->stream, NULL);
}

int transport_read_start(struct transport *t, struct err *e)
{
	struct secure *c = t->secure;
	if (!c)
		return stream_read_start(&t->stream, e);
	if (!c->wanted)
		tick_start(&c->tick);
	c->wanted = true;
	return 0;
}

void transport_read_stop(struct transport *t)
{
	if (t->secure) {
		t->secure->wanted = false;
		tick_stop(&t->secure->tick);
	}
	stream_read_stop(&t->stream);
}

/* ---- out ---- */

/* What so many bytes are at most in records. */
static size_t sealed(size_t n)
{
	return n + (n / RECORD + 1) * RECORD_MORE;
}

static int record_write(struct secure *c, const char *bytes, size_t n, struct err *e)
{
	size_t written;
	ERR_clear_error();
	if (SSL_write_ex(c->ssl, bytes, n, &written) == 1)
		return 0;
	ERR_clear_error();
	return err_set(e, ERR_IO, "the peer is gone");
}

int transport_writev(struct transport *t, const struct span *pieces, size_t n, struct err *e)
{
	struct secure *c = t->secure;
	char record[RECORD];
	size_t total = 0, filled = 0;
	if (!c)
		return stream_writev(&t->stream, pieces, n, e);
	for (size_t i = 0; i < n; i++)
		total += pieces[i].n;
	if (stream_reserve(&t->stream, sealed(total), e) != 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		for (struct span rest = pieces[i]; rest.n > 0;) {
			size_t take = rest.n < RECORD - filled ? rest.n : RECORD - filled;
			memcpy(record + filled, rest.p, take);
			rest = span_n(rest.p + take, rest.n - take);
			filled += take;
			if (filled == RECORD && record_write(c, record, filled, e) != 0)
				return -1;
			filled %= RECORD;
		}
	}
	return filled ? record_write(c, record, filled, e) : 0;
}

void transport_set_cap(struct transport *t, size_t write_cap)
{
	stream_set_cap(&t->stream, t->secure ? sealed(write_cap) : write_cap);
}

void transport_finish(struct transport *t)
{
	if (t->secure && SSL_is_init_finished(t->secure->ssl)) {
		SSL_shutdown(t->secure->ssl); /* close_notify, or nothing when TLS has failed */
		ERR_clear_error();
	}
	stream_finish(&t->stream);
}

/* ---- the ends ---- */

int transport_open(struct transport *t, struct loop *l, int fd, const struct tls *tls, size_t write_cap, struct err *e)
{
	if (!tls)
		return stream_open(&t->stream, l, fd, write_cap, e);
	struct secure *c = MEM_NEW(struct secure);
	BIO *bio = c ? bio_new(t) : NULL;
	t->secure = c;
	if (bio && (c->ssl = tls_accept(tls))) {
		SSL_set_bio(c->ssl, bio, bio);
		c->on_read = t->stream.on_read;
		t->stream.on_read = on_sealed;
		buf_init(&c->held, 2 * CAP_HTTP_HEAD);
		tick_init(&c->tick, l, on_tick);
		if (stream_open(&t->stream, l, fd, sealed(write_cap), e) == 0)
			return 0;
	} else {
		BIO_free(bio);
		err_nomem(e);
	}
	transport_release(t);
	return -1;
}

void transport_close(struct transport *t)
{
	if (t->secure) {
		t->secure->input = IN_ENDED;
		tick_stop(&t->secure->tick);
	}
	stream_close(&t->stream);
}

void transport_release(struct transport *t)
{
	if (!t->secure)
		return;
	SSL_free(t->secure->ssl);
	buf_release(&t->secure->held);
	mem_free(t->secure);
	t->secure = NULL;
}
