/* embed: a build tool; prints a file as the C array that sandbox/image.h declares. */
#include <stdio.h>

int main(int argc, char **argv)
{
	FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL, *out = in ? fopen(argv[2], "w") : NULL;
	if (!out) {
		fputs("usage: embed PROGRAM FILE.c\n", stderr);
		return 1;
	}
	size_t size = 0;
	fputs("#include \"sandbox/image.h\"\n_Alignas(64) const unsigned char muster_init_image[] = {", out);
	for (int c; (c = getc(in)) != EOF; size++)
		fprintf(out, "%s%d,", size % 32 ? "" : "\n", c);
	fprintf(out, "\n};\nconst size_t muster_init_image_size = %zu;\n", size);
	int failed = ferror(in);
	failed |= fclose(in);
	failed |= fclose(out);
	return failed ? 1 : 0;
}
