/* assigned: names, values, and how evenly a value's characters are spread. Work on a line is bounded by its length
 * times VALUE_MAX. */
#include "workspace/assigned.h"

#include <math.h>
#include <strings.h>

#define VALUE_MAX 200
#define VALUE_LEAST 16

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool in_word(char c)
{
	return is_alnum(c) || c == '_';
}

static double entropy(struct span v)
{
	size_t counts[256] = {0};
	double bits = 0;

	for (size_t i = 0; i < v.n; i++)
		counts[(unsigned char)v.p[i]]++;
	for (size_t i = 0; i < 256; i++)
		if (counts[i])
			bits -= (double)counts[i] / (double)v.n * log2((double)counts[i] / (double)v.n);
	return bits;
}

static bool has_word(struct span v, const char *const *words)
{
	for (; *words; words++)
		for (size_t i = 0, n = strlen(*words); i + n <= v.n; i++)
			if (strncasecmp(v.p + i, *words, n) == 0)
				return true;
	return false;
}

static bool looks_secret(struct span v)
{
	static const char *const placeholders[] = {"example", "changeme", "change_me", "change-me", "your", "dummy",
		"placeholder", "xxxx", "test", "sample", "1234567", "abcdef", "redacted", "process.env", "getenv",
		NULL};
	bool digit = false, letter = false;

	if (v.n < VALUE_LEAST || v.n > VALUE_MAX || has_word(v, placeholders))
		return false;
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (!is_alnum(c) && !(c && strchr("+/=_-!@#%^*.~", c)))
			return false;
		digit |= c >= '0' && c <= '9';
		letter |= is_alnum(c) && !(c >= '0' && c <= '9');
	}
	return digit && letter && entropy(v) >= 3.5;
}

/* The quoted text after '=' or ':' at i of a line whose name ends before it; {NULL} when there is none. In files of
 * settings it may stand without quotes; *end is where such a one ended, as far as is known. */
static struct span assigned_value(struct span line, size_t i, bool bare, size_t *end)
{
	size_t a = i + 1, b;
	char quote;

	if (a < line.n && line.p[a] == '>')
		a++;
	while (a < line.n && (line.p[a] == ' ' || line.p[a] == '\t'))
		a++;
	quote = a < line.n ? line.p[a] : 0;
	if (quote == '"' || quote == '\'' || quote == '`') {
		for (b = ++a; b < line.n && b - a <= VALUE_MAX && line.p[b] != quote; b++)
			;
		return b < line.n && line.p[b] == quote ? span_n(line.p + a, b - a) : SPAN_NONE;
	}
	for (b = a < *end ? *end : a; bare && b < line.n && line.p[b] != ' ' && line.p[b] != '\r' && line.p[b] != '#';
		b++)
		;
	*end = b;
	return span_n(line.p + a, b - a);
}

/* The name that ends before i: letters, digits, "_-", in quotes or not. */
static struct span name_before(struct span line, size_t i)
{
	size_t b = i, a;

	while (b && i - b < 16 &&
		(line.p[b - 1] == ' ' || line.p[b - 1] == '\t' || line.p[b - 1] == ':' || line.p[b - 1] == '"' ||
			line.p[b - 1] == '\''))
		b--;
	for (a = b; a && b - a < VALUE_MAX && (in_word(line.p[a - 1]) || line.p[a - 1] == '-'); a--)
		;
	return span_n(line.p + a, b - a);
}

static bool telling(struct span name)
{
	static const char *const words[] = {"password", "passwd", "secret", "token", "api_key", "apikey", "api-key",
		"access_key", "private_key", "auth_key", "credential", NULL};

	return name.n && name.n < 64 && has_word(name, words);
}

bool assigned_secret(struct span line, bool bare, struct span *name)
{
	size_t end = 0;

	for (size_t i = 1; i < line.n; i++) {
		struct span value;

		if (line.p[i] != '=' && line.p[i] != ':')
			continue;
		value = assigned_value(line, i, bare, &end);
		if (value.n < VALUE_LEAST)
			continue;
		*name = name_before(line, i);
		if (telling(*name) && looks_secret(value))
			return true;
	}
	return false;
}
