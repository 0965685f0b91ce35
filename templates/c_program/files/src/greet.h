#ifndef GREET_H
#define GREET_H

#include <stddef.h>

/* Write "Hello, NAME!" into out; 0, or -1 when there is no room. */
int greet(const char *name, char *out, size_t room);

#endif
