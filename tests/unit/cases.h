/* cases: text cases of tests/cases/<folder>/ *.txt. A case is a block of lines, ended by an empty line; lines that
 * begin with # are comments. In a case, ¶ stands for a line feed, ␍ for a carriage return, ␉ for a tab, ␀ for a NUL
 * byte. */
#ifndef MUSTER_TESTS_CASES_H
#define MUSTER_TESTS_CASES_H

#include "unit.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/mem.h"

#define CASE_LINES 16

struct test_case {
	char *where; /* file:line */
	struct span lines[CASE_LINES];
	size_t count;
};

/* Replace the stand-ins, or put them in. */
static inline void case_decode(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		struct span rest = span_n(text.p + i, text.n - i);
		if (span_starts(rest, "¶"))
			buf_addc(out, '\n'), i += strlen("¶") - 1;
		else if (span_starts(rest, "␍"))
			buf_addc(out, '\r'), i += strlen("␍") - 1;
		else if (span_starts(rest, "␉"))
			buf_addc(out, '\t'), i += strlen("␉") - 1;
		else if (span_starts(rest, "␀"))
			buf_addc(out, '\0'), i += strlen("␀") - 1;
		else
			buf_addc(out, text.p[i]);
	}
}

static inline void case_encode(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		switch (text.p[i]) {
		case '\n':
			buf_adds(out, "¶");
			break;
		case '\r':
			buf_adds(out, "␍");
			break;
		case '\t':
			buf_adds(out, "␉");
			break;
		case '\0':
			buf_adds(out, "␀");
			break;
		default:
			buf_addc(out, text.p[i]);
		}
	}
}

static inline size_t cases_of_file(const char *path, void (*run)(const struct test_case *))
{
	cleanup_buf struct buf text = BUF_INIT(1u << 20);
	struct test_case c = {.count = 0};
	struct err e = ERR_INIT;
	struct span rest, line;
	size_t done = 0, number = 0;
	bool more = true;

	must(fs_read(path, &text, &e), &e);
	rest = buf_span(&text);
	while (more) {
		more = span_line(&rest, &line);
		number++;
		if (more && span_starts(line, "#"))
			continue;
		if (more && line.n) {
			if (!c.count)
				c.where = mem_printf("%s:%zu", path, number);
			assert_true(c.count < CASE_LINES);
			c.lines[c.count++] = line;
		} else if (c.count) {
			run(&c);
			mem_free(c.where);
			done++;
			c.count = 0;
		}
	}
	return done;
}

static inline int case_is_text(const struct dirent *entry)
{
	return span_ends(span_of(entry->d_name), ".txt");
}

/* Run all cases of a folder under tests/cases, in order; returns how many. */
static inline size_t cases_run(const char *folder, void (*run)(const struct test_case *))
{
	const char *source = getenv("MUSTER_SOURCE");
	struct dirent **files = NULL;
	size_t done = 0;

	assert_non_null(source);
	char *dir = mem_printf("%s/tests/cases/%s", source, folder);
	int count = scandir(dir, &files, case_is_text, alphasort);
	if (count <= 0)
		fail_msg("no cases in %s", dir);
	for (int i = 0; i < count; i++) {
		char *path = fs_join(dir, files[i]->d_name);
		done += cases_of_file(path, run);
		mem_free(path);
		free(files[i]);
	}
	free(files);
	mem_free(dir);
	return done;
}

#endif
