#include <assert.h>
#include <string.h>

#include "greet.h"

int main(void)
{
	char out[16];

	assert(greet("Ada", out, sizeof out) == 0);
	assert(strcmp(out, "Hello, Ada!") == 0);
	assert(greet("somebody with a long name", out, sizeof out) == -1);
	return 0;
}
