/* language: what a file is written in, told by its name (language.def). */
#ifndef MUSTER_WORKSPACE_LANGUAGE_H
#define MUSTER_WORKSPACE_LANGUAGE_H

#include <stddef.h>

enum language_kind { LANGUAGE_CODE, LANGUAGE_SHELL, LANGUAGE_DATA, LANGUAGE_TEXT };
struct language {
	const char *end, *name;
	enum language_kind kind;
};
/* NULL: not known. Endings are compared without regard to case. */
const struct language *language_of(const char *path);

#endif
