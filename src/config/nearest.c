/* nearest: the distance by the usual table of which three rows are kept. */
#include "config/nearest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Both shorter than NEAREST_WORD. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_WORD], *before = rows[0], *above = rows[1], *row = rows[2];
	size_t na = strlen(a), nb = strlen(b);

	for (size_t j = 0; j <= nb; j++)
		above[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *oldest = before;
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t d = least(above[j], row[j - 1]) + 1;
			d = least(d, above[j - 1] + (same(a[i - 1], b[j - 1]) ? 0 : 1));
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				d = least(d, before[j - 2] + 1);
			row[j] = d;
		}
		before = above;
		above = row;
		row = oldest;
	}
	return above[nb];
}

void nearest_init(struct nearest *n, const char *word)
{
	*n = (struct nearest){.word = word, .distance = (size_t)-1};
}

void nearest_try(struct nearest *n, const char *candidate)
{
	size_t len = strlen(n->word), limit = len / 3 ? len / 3 : 1, d;

	if (len == 0 || len >= NEAREST_WORD || strlen(candidate) >= NEAREST_WORD)
		return;
	d = distance(n->word, candidate);
	if (d > limit) {
		if (len < 3 || !strcasestr(candidate, n->word))
			return;
		d += limit; /* a containing name is worse than any mistyped one */
	}
	if (d < n->distance) {
		n->distance = d;
		n->best = candidate;
	}
}

const char *nearest_hint(struct nearest *n)
{
	if (!n->best)
		return "";
	snprintf(n->hint, sizeof n->hint, "; did you mean \"%s\"?", n->best);
	return n->hint;
}

const char *nearest(const char *word, const char *const *names)
{
	struct nearest n;

	nearest_init(&n, word);
	for (; *names; names++)
		nearest_try(&n, *names);
	return n.best;
}

const char *nearest_unknown(struct nearest *n, const json_t *obj, const char *const *known)
{
	const char *key;
	json_t *unused;

	json_object_foreach((json_t *)obj, key, unused)
	{
		size_t i = 0;
		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (known[i])
			continue;
		nearest_init(n, key);
		for (i = 0; known[i]; i++)
			nearest_try(n, known[i]);
		return key;
	}
	return NULL;
}
