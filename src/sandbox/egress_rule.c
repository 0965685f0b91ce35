#include <string.h>

#include "sandbox/egress.h"

/* What a client of the egress proxy may ask for: its request read, and the allow-list.
 *
 * Strict on purpose: a client that speaks to this proxy is curl, git, pip, npm or the like, which all send lower-case
 * names and well-formed heads. What is odd is an attempt. */

static bool label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* RFC 1123 names, lower case, not an IP address: the last label must have a letter that no number notation has. */
static const char *host_fault(struct span h)
{
	if (h.n == 0 || h.n >= EGRESS_HOST)
		return "the name is empty or too long";
	size_t label = 0;
	struct span last = h;
	for (size_t i = 0; i < h.n; i++) {
		if (h.p[i] == '.') {
			if (label == 0 || i + 1 == h.n)
				return "a dot stands where no dot may";
			label = 0;
			last = span_n(h.p + i + 1, h.n - i - 1);
			continue;
		}
		if (!label_char(h.p[i]))
			return "the name has other characters than a-z, 0-9, - and .";
		if (++label > 63)
			return "a label is longer than 63 characters";
	}
	/* 127.1, 0x7f.1, 2130706433, 0177.0.0.1 */
	if (last.p[0] >= '0' && last.p[0] <= '9')
		return "it is an address, not a name";
	return NULL;
}

static bool has_punycode(struct span h)
{
	return span_starts(h, "xn--") || span_find(h, span_of(".xn--"), 0) != (size_t)-1;
}

int egress_check(const struct sandbox_allow *allow, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct span h = span_of(allow[i].host);
		if (h.n > 0 && h.p[0] == '.')
			h = span_n(h.p + 1, h.n - 1);
		const char *fault = host_fault(h);
		if (fault)
			return err_set(e, ERR_INVALID, "the allow-list's host \"%s\" cannot be used: %s", allow[i].host,
				fault);
		if (allow[i].port < 1 || allow[i].port > 65535)
			return err_set(
				e, ERR_INVALID, "the allow-list's port %d of %s is none", allow[i].port, allow[i].host);
	}
	return 0;
}

static int parse_host(struct span h, struct egress_request *r, struct err *e)
{
	size_t n = h.n < EGRESS_HOST ? h.n : EGRESS_HOST - 1;
	for (size_t i = 0; i < n; i++) /* for the audit: printable */
		r->host[i] = h.p[i] > ' ' && h.p[i] < 127 ? h.p[i] : '?';
	r->host[n] = 0;
	const char *fault = host_fault(h);
	return fault ? err_set(e, ERR_DENIED, "the host \"%s\" is refused: %s", r->host, fault) : 0;
}

static int parse_port(struct span p, int *port, struct err *e)
{
	*port = 0;
	for (size_t i = 0; i < p.n && i < 6; i++) {
		if (p.p[i] < '0' || p.p[i] > '9')
			return err_set(e, ERR_INVALID, "the port is no number");
		*port = *port * 10 + (p.p[i] - '0');
	}
	if (p.n == 0 || p.n > 5 || p.p[0] == '0' || *port > 65535)
		return err_set(e, ERR_INVALID, "the port is out of range");
	return 0;
}

static int parse_authority(struct span a, int port, struct egress_request *r, struct err *e)
{
	r->port = port;
	size_t colon = span_find(a, span_of(":"), 0);
	struct span host = colon == (size_t)-1 ? a : span_n(a.p, colon);
	if (parse_host(host, r, e) != 0)
		return -1;
	if (colon != (size_t)-1)
		return parse_port(span_n(a.p + colon + 1, a.n - colon - 1), &r->port, e);
	return port ? 0 : err_set(e, ERR_INVALID, "CONNECT needs a port");
}

/* RFC 9112, sections 3.2.2 (absolute-form), 3.2.3 (authority-form) and 5. */
static int check_headers(const struct egress_request *r, struct err *e)
{
	struct span rest = r->headers, line;
	while (span_line(&rest, &line)) {
		if (line.n == 0)
			continue;
		size_t colon = span_find(line, span_of(":"), 0);
		if (colon == (size_t)-1 || colon == 0)
			return err_set(e, ERR_INVALID, "a header has no name");
		for (size_t i = 0; i < line.n; i++)
			if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 127 ||
				(i < colon && line.p[i] == ' '))
				return err_set(e, ERR_INVALID, "a header has a control character");
		char name[24] = "";
		for (size_t i = 0; i < colon && i < sizeof(name) - 1; i++)
			name[i] = (char)(line.p[i] >= 'A' && line.p[i] <= 'Z' ? line.p[i] + 32 : line.p[i]);
		struct span value = span_trim(span_n(line.p + colon + 1, line.n - colon - 1));
		if (r->kind == EGRESS_GET && (strcmp(name, "transfer-encoding") == 0 ||
						     (strcmp(name, "content-length") == 0 && !span_is(value, "0"))))
			return err_set(e, ERR_INVALID, "plain http goes out without a body only; use https");
	}
	return 0;
}

int egress_parse(struct span head, struct egress_request *r, struct err *e)
{
	*r = (struct egress_request){.kind = EGRESS_CONNECT};
	size_t end = span_find(head, span_of("\r\n"), 0);
	if (end == (size_t)-1)
		return err_set(e, ERR_INVALID, "the request has no first line");
	struct span line = span_n(head.p, end);
	size_t a = span_find(line, span_of(" "), 0);
	size_t b = a == (size_t)-1 ? a : span_find(line, span_of(" "), a + 1);
	if (b == (size_t)-1 || span_find(line, span_of(" "), b + 1) != (size_t)-1)
		return err_set(e, ERR_INVALID, "the request's first line is malformed");
	r->method = span_n(line.p, a);
	struct span target = span_n(line.p + a + 1, b - a - 1), version = span_n(line.p + b + 1, line.n - b - 1);
	if (!span_is(version, "HTTP/1.1") && !span_is(version, "HTTP/1.0"))
		return err_set(e, ERR_INVALID, "the request is not HTTP/1");
	r->headers = span_n(head.p + end + 2, head.n - end - 2);
	int rc;
	if (span_is(r->method, "CONNECT")) {
		rc = parse_authority(target, 0, r, e);
	} else if (span_is(r->method, "GET") || span_is(r->method, "HEAD")) {
		r->kind = EGRESS_GET;
		if (!span_starts(target, "http://"))
			return err_set(e, ERR_INVALID, "the target is no http:// address");
		target = span_n(target.p + 7, target.n - 7);
		size_t slash = 0;
		while (slash < target.n && target.p[slash] != '/' && target.p[slash] != '?' && target.p[slash] != '#')
			slash++;
		r->path = span_n(target.p + slash, target.n - slash);
		for (size_t i = 0; i < r->path.n; i++)
			if (r->path.p[i] <= ' ' || r->path.p[i] == 127)
				return err_set(e, ERR_INVALID, "the path has a control character");
		rc = parse_authority(span_n(target.p, slash), 80, r, e);
	} else {
		return err_set(e, ERR_INVALID, "plain http goes out with GET and HEAD only; use https");
	}
	return rc ? rc : check_headers(r, e);
}

const struct sandbox_allow *egress_allowed(const struct sandbox_allow *allow, size_t count, const char *host, int port)
{
	struct span h = span_of(host);
	for (size_t i = 0; i < count; i++) {
		struct span want = span_of(allow[i].host);
		if (allow[i].port != port)
			continue;
		if (want.p[0] != '.' ? span_eq(h, want)
				     : h.n > want.n && span_ends(h, allow[i].host) && !has_punycode(h))
			return &allow[i];
	}
	return NULL;
}

void egress_rewrite(const struct egress_request *r, struct buf *out)
{
	buf_addf(out, "%.*s %s", (int)r->method.n, r->method.p, r->path.n && r->path.p[0] == '/' ? "" : "/");
	size_t fragment = span_find(r->path, span_of("#"), 0);
	buf_addspan(out, span_n(r->path.p, fragment == (size_t)-1 ? r->path.n : fragment));
	buf_addf(out, " HTTP/1.1\r\nHost: %s", r->host);
	if (r->port != 80)
		buf_addf(out, ":%d", r->port);
	buf_adds(out, "\r\nConnection: close\r\n");
	static const char *const dropped[] = {
		"host:", "connection:", "keep-alive:", "proxy-", "te:", "trailer:", "upgrade:", "content-length:"};
	struct span rest = r->headers, line;
	while (span_line(&rest, &line)) {
		bool drop = line.n == 0;
		for (size_t i = 0; !drop && i < sizeof(dropped) / sizeof(*dropped); i++)
			drop = line.n >= strlen(dropped[i]) && strncasecmp(line.p, dropped[i], strlen(dropped[i])) == 0;
		if (drop)
			continue;
		buf_addspan(out, line);
		buf_adds(out, "\r\n");
	}
	buf_adds(out, "\r\n");
}
