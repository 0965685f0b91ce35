/* names: what lies in a folder, in byte order, without ".", ".." and `.git`. */
#ifndef MUSTER_VCS_NAMES_H
#define MUSTER_VCS_NAMES_H

#include <stddef.h>

struct err;

struct names {
	char *text;	    /* all names, each with its NUL */
	const char **items; /* into text */
	size_t count;
	size_t left_out; /* beyond the cap */
};
#define NAMES_INIT                                                                                                     \
	{                                                                                                              \
		.text = NULL                                                                                           \
	}
/* All names of an open folder (at its beginning), at most cap. */
int names_read(int dir, size_t cap, struct names *out, struct err *e);
void names_release(struct names *n);
#define cleanup_names __attribute__((cleanup(names_release)))

#endif
