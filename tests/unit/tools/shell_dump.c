/* For shell_difference.py: reads command lines from standard input (4 bytes of length in the machine's order, the line)
 * and answers each with its doubt and the spellings of its commands, separated by 0x1e, ended by NUL. */
#include <stdio.h>

#include "base/caps.h"
#include "tools/shell_line.h"

static void answer(struct span text)
{
	struct shell_line line;
	struct err e = ERR_INIT;
	cleanup_arena struct arena a;

	arena_init(&a, 64 * MIB);
	if (shell_line_parse(text, &a, &line, &e))
		BUG("%s", e.text);
	printf("%s", line.doubt ? line.doubt : "");
	for (const struct shell_command *c = line.commands; c; c = c->next) {
		printf("\x1e%s", c->text);
		for (const struct shell_form *form = c->others; form; form = form->next)
			printf("\x1e%s", form->text);
	}
	putchar('\0');
	fflush(stdout);
}

int main(void)
{
	static char text[1 << 16];
	unsigned n;

	while (fread(&n, sizeof(n), 1, stdin) == 1 && n <= sizeof(text) && fread(text, 1, n, stdin) == n)
		answer(span_n(text, n));
	return 0;
}
