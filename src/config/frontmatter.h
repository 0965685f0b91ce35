/* frontmatter: a Markdown file that begins with YAML between two lines of "---" (roles). */
#ifndef MUSTER_CONFIG_FRONTMATTER_H
#define MUSTER_CONFIG_FRONTMATTER_H

#include "config/yaml.h"

struct frontmatter {
	struct yaml_doc yaml; /* lines count from the file's first */
	struct span body;     /* what follows the second "---" line; into the text that was given */
	int body_line;	      /* line of the body's first byte, from 1 */
};

/* ERR_PARSE naming file and line when the first line is no "---" or no second one follows. On failure nothing needs a
 * release. A byte order mark in front is skipped. */
int frontmatter_parse(struct frontmatter *f, struct span text, const char *name, struct err *e);
void frontmatter_release(struct frontmatter *f);

#endif
