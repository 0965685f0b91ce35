#include "http/origin.h"

#include <string.h>
#include <strings.h>

#include "base/caps.h"
#include "base/mem.h"
#include "http/connection.h"
#include "http/forwarded.h"

/* Purpose: walk from the socket towards the client as long as those who speak are trusted. */

#define PASSED_ON 16 /* elements of a Forwarded line that are looked at, from the right */

/* ---- settings ---- */

/* The next word of a list of them; false at its end. */
static bool word_next(struct span *list, struct span *word)
{
	static const char separators[] = ", \t";
	while (list->n > 0 && strchr(separators, list->p[0]))
		*list = span_n(list->p + 1, list->n - 1);
	size_t n = 0;
	while (n < list->n && !strchr(separators, list->p[n]))
		n++;
	*word = span_n(list->p, n);
	*list = span_n(list->p + n, list->n - n);
	return n > 0;
}

int server_proxies(struct server *s, const char *list, bool rfc7239, struct err *e)
{
	struct span rest = span_of(list), word;
	size_t n = 0;
	while (word_next(&rest, &word))
		n++;
	if (n > CAP_HTTP_PROXIES)
		return err_set(e, ERR_TOO_LARGE, "%zu trusted proxies are too many: write ranges, at most %d", n,
			CAP_HTTP_PROXIES);
	cleanup_free struct address_range *ranges = mem_calloc(n + 1, sizeof(*ranges));
	if (!ranges)
		return err_nomem(e);
	rest = span_of(list);
	for (size_t i = 0; word_next(&rest, &word); i++)
		if (address_range_parse(word, &ranges[i], e) != 0)
			return err_wrap(e, "trusted proxies");
	mem_free(s->proxies);
	s->proxies = steal(&ranges);
	s->proxy_count = n;
	s->rfc7239 = rfc7239;
	return 0;
}

int server_hosts(struct server *s, const char *list, struct err *e)
{
	char *copy = mem_strdup(list);
	if (!copy)
		return err_nomem(e);
	mem_free(s->hosts);
	s->hosts = copy;
	return 0;
}

/* ---- the walk ---- */

static bool trusted(const struct server *s, const struct address *a)
{
	for (size_t i = 0; i < s->proxy_count; i++)
		if (address_range_holds(&s->proxies[i], a))
			return true;
	return false;
}

static bool through_proxy(const struct server_request *r)
{
	const struct connection *c = connection_of(r);
	return !r->local && trusted(c->server, &c->peer);
}

/* The last line of those with this name, NULL: there is none. */
static const char *last_line(const struct server_request *r, const char *name)
{
	const struct parser *p = &connection_of(r)->parser;
	size_t n = parser_header_count(p, name);
	return n ? parser_header_nth(p, name, n - 1) : NULL;
}

/* Goes over to the address when that can be read; does the walk go on from there? */
static bool step(const struct server *s, struct span text, struct address *at)
{
	struct address next;
	if (!address_parse_node(text, &next))
		return false;
	*at = next;
	return trusted(s, at);
}

/* One line of headers, from the right; does the walk go on? */
static bool walk(const struct server *s, struct span line, struct address *at)
{
	struct forwarded by[PASSED_ON];
	struct span element;
	if (!s->rfc7239) {
		while (forwarded_last(&line, &element))
			if (!step(s, element, at))
				return false;
		return true;
	}
	int n = forwarded_read(line, by, PASSED_ON);
	for (int i = n; i > 0; i--)
		if (!step(s, by[i - 1].client, at))
			return false;
	return n > 0 && n < PASSED_ON;
}

bool request_address(const struct server_request *r, struct address *out)
{
	const struct connection *c = connection_of(r);
	const char *name = c->server->rfc7239 ? "forwarded" : "x-forwarded-for";
	if (r->local)
		return false;
	*out = c->peer;
	size_t lines = through_proxy(r) ? parser_header_count(&c->parser, name) : 0;
	while (lines > 0 && walk(c->server, span_of(parser_header_nth(&c->parser, name, lines - 1)), out))
		lines--;
	return true;
}

/* What the nearest proxy says of its client's request; n = 0: nothing. */
static struct span said(const struct server_request *r, const char *name, bool host)
{
	struct forwarded by[PASSED_ON];
	struct span element = SPAN_NONE;
	if (!through_proxy(r))
		return SPAN_NONE;
	if (connection_of(r)->server->rfc7239) {
		int n = forwarded_read(span_of(last_line(r, "forwarded")), by, PASSED_ON);
		if (n > 0)
			element = host ? by[n - 1].host : by[n - 1].scheme;
	} else {
		struct span line = span_of(last_line(r, name));
		forwarded_last(&line, &element);
	}
	return element;
}

const char *request_scheme(const struct server_request *r)
{
	struct span proto = said(r, "x-forwarded-proto", false);
	if (proto.n == 5 && strncasecmp(proto.p, "https", 5) == 0)
		return "https";
	if (proto.n == 4 && strncasecmp(proto.p, "http", 4) == 0)
		return "http";
	return r->tls ? "https" : "http";
}

struct span request_host(const struct server_request *r)
{
	struct span host = said(r, "x-forwarded-host", true), name;
	int port;
	if (host.n && authority_split(host, &name, &port))
		return host;
	return span_of(request_header(r, "host"));
}

bool request_same_origin(const struct server_request *r)
{
	const char *origin = request_header(r, "origin"), *site = request_header(r, "sec-fetch-site");
	if (parser_header_count(&connection_of(r)->parser, "origin") > 1)
		return false;
	if (origin)
		return origin_same(origin, request_scheme(r), request_host(r));
	return !site || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
}

int request_host_check(const struct server_request *r, struct err *e)
{
	struct span rest = span_of(connection_of(r)->server->hosts), word, name, host;
	int port;
	if (r->local || !rest.p)
		return 0;
	host = request_host(r);
	if (authority_split(host, &name, &port))
		while (word_next(&rest, &word))
			if (word.n == name.n && strncasecmp(word.p, name.p, name.n) == 0)
				return 0;
	return err_set(e, ERR_DENIED, "this server is not called %.*s: add it to the list of hosts", (int)host.n,
		host.p ? host.p : "");
}
