/* embed: a build tool; prints a file as the C array NAME, and NAME_size, that HEADER declares. */
#include <stdio.h>

int main(int argc, char **argv)
{
	FILE *in = argc == 5 ? fopen(argv[1], "rb") : NULL, *out = in ? fopen(argv[2], "w") : NULL;
	if (!out) {
		fputs("usage: embed PROGRAM FILE.c NAME HEADER\n", stderr);
		return 1;
	}
	size_t size = 0;
	fprintf(out, "#include \"%s\"\n_Alignas(64) const unsigned char %s[] = {", argv[4], argv[3]);
	for (int c; (c = getc(in)) != EOF; size++)
		fprintf(out, "%s%d,", size % 32 ? "" : "\n", c);
	fprintf(out, "\n};\nconst size_t %s_size = %zu;\n", argv[3], size);
	int failed = ferror(in);
	failed |= fclose(in);
	failed |= fclose(out);
	return failed ? 1 : 0;
}
