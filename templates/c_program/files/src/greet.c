#include "greet.h"

#include <stdio.h>

int greet(const char *name, char *out, size_t room)
{
	int n = snprintf(out, room, "Hello, %s!", name);

	return n >= 0 && (size_t)n < room ? 0 : -1;
}
