#include "http/forwarded.h"

#include <string.h>
#include <strings.h>

/* Purpose: texts that a stranger may have begun and our proxy has gone on with: read from the right, and what cannot be
 * read is not guessed at.
 *
 *   Forwarded = element *( "," element );  element = [ pair ] *( ";" [ pair ] );  pair = token "=" ( token / quoted )
 */

bool forwarded_last(struct span *line, struct span *element)
{
	size_t from = line->n;
	if (!line->p)
		return false;
	while (from > 0 && line->p[from - 1] != ',')
		from--;
	*element = span_trim(span_n(line->p + from, line->n - from));
	*line = from > 0 ? span_n(line->p, from - 1) : SPAN_NONE;
	return true;
}

static bool same_word(struct span a, const char *word)
{
	return a.n == strlen(word) && strncasecmp(a.p, word, a.n) == 0;
}

static void skip_blanks(struct span *s)
{
	while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t'))
		*s = span_n(s->p + 1, s->n - 1);
}

/* The bytes before one of the stops. */
static struct span take_until(struct span *s, const char *stops)
{
	size_t n = 0;
	while (n < s->n && !strchr(stops, s->p[n]))
		n++;
	struct span out = span_n(s->p, n);
	*s = span_n(s->p + n, s->n - n);
	return out;
}

static bool take(struct span *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = span_n(s->p + 1, s->n - 1);
	return true;
}

/* One pair, or nothing before a ; or a comma. */
static bool pair_read(struct span *s, struct forwarded *into)
{
	struct span name, value;
	skip_blanks(s);
	if (s->n == 0 || s->p[0] == ';' || s->p[0] == ',')
		return true;
	name = take_until(s, "=;,\" \t");
	if (name.n == 0 || !take(s, '='))
		return false;
	if (take(s, '"')) {
		value = take_until(s, "\"\\");
		if (!take(s, '"'))
			return false;
	} else {
		value = take_until(s, "=;,\" \t");
	}
	skip_blanks(s);
	struct span *place = same_word(name, "for")	? &into->client
			     : same_word(name, "proto") ? &into->scheme
			     : same_word(name, "host")	? &into->host
							: NULL;
	if (place && (place->p || value.n == 0))
		return false; /* each at most once */
	if (place)
		*place = value;
	return s->n == 0 || s->p[0] == ';' || s->p[0] == ',';
}

int forwarded_read(struct span line, struct forwarded *out, int most)
{
	int n = 0;
	do {
		struct forwarded one = {{0}};
		do {
			if (!pair_read(&line, &one))
				return -1;
		} while (take(&line, ';'));
		if (n == most) {
			memmove(out, out + 1, (size_t)(most - 1) * sizeof(*out));
			n--;
		}
		out[n++] = one;
	} while (take(&line, ','));
	return n;
}

bool authority_split(struct span text, struct span *name, int *port)
{
	size_t end = text.n, i;
	struct address ignored;
	*port = AUTHORITY_PORT_NONE;
	if (span_starts(text, "[")) {
		end = span_find(text, span_of("]"), 0);
		if (end == (size_t)-1 || !address_parse(span_n(text.p + 1, end - 1), &ignored))
			return false;
		end++;
	} else {
		for (i = 0; i < text.n && text.p[i] != ':'; i++)
			if (text.p[i] <= ' ' || text.p[i] == 127 || strchr("/@?#\\[],\"", text.p[i]))
				return false;
		end = i;
	}
	*name = span_n(text.p, end);
	if (end < text.n) {
		if (text.p[end] != ':' || text.n - end > 6 || text.n - end < 2)
			return false;
		for (*port = 0, i = end + 1; i < text.n; i++) {
			if (text.p[i] < '0' || text.p[i] > '9')
				return false;
			*port = *port * 10 + (text.p[i] - '0');
		}
	}
	return end > 0 && *port <= 65535;
}

bool origin_same(const char *origin, const char *scheme, struct span host)
{
	struct span theirs = span_of(origin), ours, name;
	int their_port, our_port, usual = strcmp(scheme, "https") == 0 ? 443 : 80;
	size_t n = strlen(scheme);
	if (theirs.n < n + 3 || strncasecmp(theirs.p, scheme, n) != 0 || memcmp(theirs.p + n, "://", 3) != 0)
		return false;
	theirs = span_n(theirs.p + n + 3, theirs.n - n - 3);
	if (!authority_split(theirs, &name, &their_port) || !authority_split(host, &ours, &our_port))
		return false;
	return name.n == ours.n && strncasecmp(name.p, ours.p, name.n) == 0 &&
	       (their_port < 0 ? usual : their_port) == (our_port < 0 ? usual : our_port);
}
