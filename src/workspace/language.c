/* language: a name's ending looked up. */
#include "workspace/language.h"

#include <string.h>
#include <strings.h>

static const struct language languages[] = {
#define X(end, name, kind) {end, name, LANGUAGE_##kind},
#include "workspace/language.def"
#undef X
};

const struct language *language_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

	for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
		if (languages[i].end[0] == '.' ? dot && strcasecmp(languages[i].end, dot) == 0
					       : strcmp(languages[i].end, name) == 0)
			return &languages[i];
	return NULL;
}
