#include "http/header.h"

#include <string.h>

/* Purpose: nothing that somebody else wrote can begin a new line of a head. */

bool header_name_valid(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!(*s >= '0' && *s <= '9') && !((*s | 32) >= 'a' && (*s | 32) <= 'z') &&
			!strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

bool header_value_valid(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 32 && *s != '\t') || *s == 127)
			return false;
	return true;
}
