/* frontmatter: find the two lines, give what is between them to yaml. */
#include "config/frontmatter.h"

static bool fence(struct span line)
{
	while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
		line.n--;
	return span_is(line, "---");
}

int frontmatter_parse(struct frontmatter *f, struct span text, const char *name, struct err *e)
{
	struct span rest = text, line;
	const char *begin;
	int n = 1;

	*f = (struct frontmatter){0};
	if (span_starts(rest, "\xEF\xBB\xBF"))
		rest = span_n(rest.p + 3, rest.n - 3);
	if (!span_line(&rest, &line) || !fence(line))
		return err_set(e, ERR_PARSE,
			"%s:1: the first line must be \"---\", followed by YAML and another \"---\"", name);
	begin = rest.p;
	while (span_line(&rest, &line)) {
		n++;
		if (!fence(line))
			continue;
		f->body = rest;
		f->body_line = n + 1;
		return yaml_parse(&f->yaml, span_n(begin, (size_t)(line.p - begin)), name, 2, e);
	}
	return err_set(e, ERR_PARSE, "%s:%d: the YAML at the beginning is not closed by a line \"---\"", name, n);
}

void frontmatter_release(struct frontmatter *f)
{
	yaml_release(&f->yaml);
}
