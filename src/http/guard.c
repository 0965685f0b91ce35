#include "http/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/address.h"
#include "base/caps.h"
#include "base/mem.h"
#include "http/easy.h"

struct guard {
	struct address_range nets[CAP_GUARD_EXEMPT];
	char *hosts[CAP_GUARD_EXEMPT];
	size_t net_count, host_count;
	struct curl_slist *answers;
};

/* ---- what is exempt ---- */

static bool host_valid(struct span h)
{
	for (size_t i = 0; i < h.n; i++) {
		char c = h.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
			    c == '.' || c == '_'))
			return false;
	}
	return h.n > 0 && h.n <= 253;
}

static int exempt_add(struct guard *g, const json_t *entry, struct err *e)
{
	const char *text = json_string_value(entry);
	if (!text)
		return err_set(e, ERR_INVALID, "each entry must be text: a host name, an address or a network");
	if (g->net_count == CAP_GUARD_EXEMPT || g->host_count == CAP_GUARD_EXEMPT)
		return err_set(e, ERR_TOO_LARGE, "more than %d entries", CAP_GUARD_EXEMPT);
	struct err no_range = ERR_INIT;
	if (!address_range_parse(span_of(text), &g->nets[g->net_count], &no_range)) {
		g->net_count++;
		return 0;
	}
	if (!host_valid(span_of(text)))
		return err_set(
			e, ERR_INVALID, "\"%.100s\" is no host name, address or network (such as 10.0.0.0/8)", text);
	g->hosts[g->host_count] = mem_strdup(text);
	return g->hosts[g->host_count++] ? 0 : err_nomem(e);
}

struct guard *guard_new(const json_t *exempt, struct err *e)
{
	struct guard *g = MEM_NEW(struct guard);
	const json_t *entry;
	size_t i;
	if (!g) {
		err_nomem(e);
		return NULL;
	}
	json_array_foreach(exempt, i, entry)
	{
		if (exempt_add(g, entry, e) != 0) {
			guard_free(g);
			return NULL;
		}
	}
	return g;
}

void guard_free(struct guard *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->host_count; i++)
		mem_free(g->hosts[i]);
	curl_slist_free_all(g->answers);
	mem_free(g);
}

int guard_answer(struct guard *g, const char *line)
{
	struct curl_slist *more = curl_slist_append(g->answers, line);
	if (!more)
		return -1;
	g->answers = more;
	return 0;
}

const struct curl_slist *guard_answers(const struct guard *g)
{
	return g->answers;
}

/* ---- the decision ---- */

bool guard_exempts(const struct guard *g, const char *host, const struct sockaddr *a)
{
	struct address address;
	if (!address_of(a, &address))
		return false;
	for (size_t i = 0; i < g->net_count; i++)
		if (address_range_holds(&g->nets[i], &address))
			return true;
	for (size_t i = 0; i < g->host_count; i++)
		if (strcasecmp(g->hosts[i], host) == 0)
			return true;
	return false;
}

int guard_address(const struct guard *g, const char *host, const struct sockaddr *a, struct err *e)
{
	char text[ADDRESS_TEXT];
	struct address address;
	if (!address_of(a, &address))
		return err_set(e, ERR_DENIED, "%s leads to something else than an IP address", host);
	if (address_public(a) || guard_exempts(g, host, a))
		return 0;
	address_text(&address, text);
	return err_set(e, ERR_DENIED,
		"%s leads to %s, which is no public address; an administrator can list it in outbound.exempt", host,
		text);
}

/* The address that a URL's host is; false: it is a name. curl makes dotted decimal of every notation of IPv4 but of
 * escaped ones (http://%31%32%37.1). */
static bool literal(const char *host, struct sockaddr_storage *a)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	char inside[INET6_ADDRSTRLEN];
	if (inet_aton(host, &v4.sin_addr)) {
		memcpy(a, &v4, sizeof(v4));
		return true;
	}
	size_t n = strcspn(host, "]%"); /* a zone changes nothing about what the address is */
	if (host[0] != '[' || n > sizeof(inside))
		return false;
	memcpy(inside, host + 1, n - 1);
	inside[n - 1] = 0;
	if (inet_pton(AF_INET6, inside, &v6.sin6_addr) != 1)
		return false;
	memcpy(a, &v6, sizeof(v6));
	return true;
}

int guard_check(const struct guard *g, const char *url, struct err *e)
{
	struct sockaddr_storage a;
	char *host = NULL;
	CURLU *u = easy_url(url, &host, e);
	int rc = !u ? -1 : literal(host, &a) ? guard_address(g, host, (struct sockaddr *)&a, e) : 0;
	curl_free(host);
	curl_url_cleanup(u);
	return rc;
}

static int read_parts(CURLU *u, struct guard_url *out, struct err *e)
{
	char *port = NULL, *whole = NULL;
	int rc = -1;
	if (curl_url_set(u, CURLUPART_HOST, out->host, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_URL, &whole, 0) == CURLUE_OK)
		rc = 0;
	if (rc)
		err_nomem(e);
	else if (strlen(whole) > CAP_TARGET_URL)
		rc = err_set(e, ERR_TOO_LARGE, "the URL has more than %d bytes", CAP_TARGET_URL);
	if (!rc) {
		snprintf(out->url, sizeof(out->url), "%s", whole);
		out->port = (int)strtol(port, NULL, 10);
		out->plain = !strncmp(whole, "http:", 5);
	}
	curl_free(port);
	curl_free(whole);
	return rc;
}

int guard_read(const struct guard *g, const char *url, struct guard_url *out, struct err *e)
{
	char *host = NULL;
	CURLU *u = guard_check(g, url, e) ? NULL : easy_url(url, &host, e);
	int rc = -1;
	if (u && strlen(host) >= sizeof(out->host))
		err_set(e, ERR_INVALID, "the URL's host is too long");
	else if (u) {
		size_t n = strlen(host);
		for (size_t i = 0; i <= n; i++)
			out->host[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] + 32 : host[i]);
		rc = read_parts(u, out, e);
	}
	curl_free(host);
	curl_url_cleanup(u);
	return rc;
}
