#include "http/mail.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#include <curl/curl.h>

#include "base/base64.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "http/client.h"

#define QUOTED_LINE 75	 /* RFC 2045 6.7: 76 with the = of a soft break */
#define ENCODED_WORD 45	 /* bytes in one, so that it has 75 characters at most (RFC 2047 2) */
#define PLAIN_SUBJECT 66 /* characters that fit into the line */

/* ---- the message ---- */

static bool plain_text(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

static bool atom(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    (c && strchr("!#$%&'*+-/=?^_`{|}~.", c))))
			return false;
	}
	return s.n > 0 && s.p[0] != '.' && s.p[s.n - 1] != '.';
}

bool mail_address_valid(const char *address)
{
	if (!address)
		return false;
	struct span a = span_of(address);
	size_t at = span_find(a, span_of("@"), 0);
	return at != (size_t)-1 && a.n <= 254 && atom(span_n(a.p, at)) && atom(span_n(a.p + at + 1, a.n - at - 1));
}

static void add_subject(struct buf *out, struct span s)
{
	buf_adds(out, "Subject:");
	if (plain_text(s) && s.n <= PLAIN_SUBJECT && span_find(s, span_of("=?"), 0) == (size_t)-1) {
		buf_addc(out, ' ');
		buf_addspan(out, s);
	} else {
		while (s.n > 0) {
			size_t n = utf8_cut(s, ENCODED_WORD);
			buf_adds(out, out->data[out->len - 1] == ':' ? " =?utf-8?B?" : "\r\n =?utf-8?B?");
			base64_add(out, BASE64_PLAIN, span_n(s.p, n));
			buf_adds(out, "?=");
			s = span_n(s.p + n, s.n - n);
		}
	}
	buf_adds(out, "\r\n");
}

/* RFC 2045 6.7. */
static void add_line(struct buf *out, struct span line)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t column = 0;
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		bool last = i + 1 == line.n;
		bool plain = c >= ' ' && c <= '~' && c != '=' && !(c == ' ' && last);
		if (column + (plain ? 1 : 3) > QUOTED_LINE) {
			buf_adds(out, "=\r\n");
			column = 0;
		}
		if (plain) {
			buf_addc(out, (char)c);
		} else {
			buf_addc(out, '=');
			buf_addc(out, hex[c >> 4]);
			buf_addc(out, hex[c & 15]);
		}
		column += plain ? 1 : 3;
	}
	buf_adds(out, "\r\n");
}

/* RFC 5322 3.3; strftime's names depend on the locale. */
static void add_date(struct buf *out, int64_t now)
{
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t seconds = (time_t)(now / 1000000);
	struct tm t;
	gmtime_r(&seconds, &t);
	buf_addf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[t.tm_wday], t.tm_mday, months[t.tm_mon],
		t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

int mail_write(const struct mail *m, int64_t now, struct buf *out, struct err *e)
{
	const char *from = m->server->from;
	struct span subject = span_of(m->subject), rest = span_of(m->text), line;
	if (!mail_address_valid(m->to))
		return err_set(e, ERR_INVALID, "\"%.100s\" is no mail address", m->to);
	if (!atom(span_of(m->id)))
		return err_set(e, ERR_INVALID, "a mail's id has other characters than letters, digits, - and .");
	for (size_t i = 0; i < subject.n; i++)
		if ((unsigned char)subject.p[i] < ' ' || subject.p[i] == 127)
			return err_set(e, ERR_INVALID, "a mail's subject has a line break or control character");
	if (!utf8_valid(subject) || !utf8_valid(rest))
		return err_set(e, ERR_INVALID, "a mail's subject and text must be UTF-8");
	if (subject.n > CAP_MAIL_SUBJECT)
		return err_set(e, ERR_TOO_LARGE, "a mail's subject is longer than %d bytes", CAP_MAIL_SUBJECT);
	buf_addf(out, "From: muster <%s>\r\nTo: <%s>\r\n", from, m->to);
	add_subject(out, subject);
	add_date(out, now);
	buf_addf(out, "Message-ID: <%s%s>\r\n", m->id, strchr(from, '@'));
	buf_adds(out, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		      "Content-Transfer-Encoding: quoted-printable\r\nAuto-Submitted: auto-generated\r\n\r\n");
	while (span_line(&rest, &line))
		add_line(out, line);
	return buf_check(out, "the mail", e);
}

/* ---- the server ---- */

int mail_server_check(const struct mail_server *s, struct err *e)
{
	CURLU *u = curl_url();
	char *scheme = NULL;
	int rc = -1;
	if (!u)
		return err_nomem(e);
	CURLUcode read = curl_url_set(u, CURLUPART_URL, s->url, CURLU_DISALLOW_USER);
	if (read == CURLUE_OK)
		read = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	if (read == CURLUE_OUT_OF_MEMORY)
		err_nomem(e);
	else if (read != CURLUE_OK)
		err_set(e, ERR_INVALID, "not a usable address of a mail server: %s", curl_url_strerror(read));
	else if (strcmp(scheme, "smtp") != 0 && strcmp(scheme, "smtps") != 0)
		err_set(e, ERR_INVALID, "a mail server's address begins with smtp:// or smtps://");
	else if (!mail_address_valid(s->from))
		err_set(e, ERR_INVALID, "the sender \"%.100s\" is no mail address", s->from);
	else if (s->plain && s->password)
		err_set(e, ERR_INVALID, "a password is not sent to a mail server without TLS");
	else
		rc = 0;
	curl_free(scheme);
	curl_url_cleanup(u);
	return rc;
}

/* ---- on the pool ---- */

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct mail *m = arg;
	size_t left = m->message.len - m->sent, part = size * n < left ? size * n : left;
	if (part)
		memcpy(to, m->message.data + m->sent, part);
	m->sent += part;
	return part;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct mail *m = arg;
	(void)a, (void)b, (void)c, (void)d;
	return m->cancelled;
}

/* Sets the option, and fails for good when curl has no memory for it. */
#define SET(option, value) (rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, option, value))

static CURLcode options_set(struct mail *m, CURL *curl, struct curl_slist *to, char *words)
{
	const struct mail_server *s = m->server;
	CURLcode rc = CURLE_OK;
	SET(CURLOPT_ERRORBUFFER, words);
	SET(CURLOPT_URL, s->url);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1l);
	SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOSIGNAL, 1l);
	SET(CURLOPT_USE_SSL, s->plain ? (long)CURLUSESSL_TRY : (long)CURLUSESSL_ALL);
	if (s->ca_file)
		SET(CURLOPT_CAINFO, s->ca_file);
	if (s->user) {
		SET(CURLOPT_USERNAME, s->user);
		SET(CURLOPT_PASSWORD, s->password);
	}
	SET(CURLOPT_MAIL_FROM, s->from);
	SET(CURLOPT_MAIL_RCPT, to);
	SET(CURLOPT_UPLOAD, 1l);
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, m);
	SET(CURLOPT_NOPROGRESS, 0l);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, m);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)TIME_MAIL_CONNECT);
	SET(CURLOPT_TIMEOUT_MS, (long)TIME_MAIL);
	SET(CURLOPT_SERVER_RESPONSE_TIMEOUT, TIME_MAIL / 1000l);
	return rc;
}

static int verdict(const struct mail *m, CURLcode rc, const char *words, struct err *e)
{
	words = *words ? words : curl_easy_strerror(rc);
	if (rc == CURLE_OK)
		return 0;
	if (m->cancelled)
		return err_set(e, ERR_CANCELLED, "the mail was cancelled");
	if (rc == CURLE_OUT_OF_MEMORY)
		return err_nomem(e);
	if (m->status >= 500 && m->status < 600)
		return err_set(e, ERR_DENIED, "the mail server refused with %d: %s", m->status, words);
	return err_set(e, rc == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_NETWORK, "the mail server: %s", words);
}

static void on_pool(struct work *w)
{
	struct mail *m = container_of(w, struct mail, work);
	struct curl_slist *to = curl_slist_append(NULL, m->to);
	CURL *curl = curl_easy_init();
	char words[CURL_ERROR_SIZE] = "";
	struct err why = ERR_INIT;
	long status = 0;
	CURLcode rc = to && curl ? options_set(m, curl, to, words) : CURLE_OUT_OF_MEMORY;
	if (rc == CURLE_OK && fault_hit(FAULT_NET))
		rc = CURLE_COULDNT_CONNECT;
	else if (rc == CURLE_OK)
		rc = curl_easy_perform(curl);
	if (curl)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	m->status = (int)status;
	if (verdict(m, rc, words, &why) != 0)
		err_keep(&m->why, &why);
	curl_easy_cleanup(curl);
	curl_slist_free_all(to);
}

static void on_end(struct work *w)
{
	struct mail *m = container_of(w, struct mail, work);
	struct err why = *err_kept(m->why);
	if (w->cancelled)
		err_set(&why, ERR_CANCELLED, "the mail was cancelled");
	buf_release(&m->message);
	err_drop(&m->why);
	m->on_done(m, &why);
}

int mail_start(struct mail *m, struct loop *l, struct err *e)
{
	m->status = 0;
	m->sent = 0;
	m->why = NULL;
	m->cancelled = false;
	buf_init(&m->message, CAP_MAIL);
	if (http_setup(e) == 0 && mail_server_check(m->server, e) == 0 &&
		mail_write(m, clock_wall(loop_clock(l)), &m->message, e) == 0 &&
		work_start(&m->work, l, on_pool, on_end, e) == 0)
		return 0;
	buf_release(&m->message);
	return -1;
}

void mail_cancel(struct mail *m)
{
	m->cancelled = true;
	work_cancel(&m->work);
}
