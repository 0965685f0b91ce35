#include <stdio.h>

#include "greet.h"

int main(int argc, char **argv)
{
	char line[256];

	if (argc > 2) {
		fprintf(stderr, "usage: %s [NAME]\n", argv[0]);
		return 2;
	}
	if (greet(argc == 2 ? argv[1] : "world", line, sizeof line)) {
		fprintf(stderr, "%s: the name is too long\n", argv[0]);
		return 1;
	}
	return puts(line) < 0;
}
