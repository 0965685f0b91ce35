/* Recorded forms of streams (tests/cases/llm/<dialect>/<name>.sse) and what must come of them (.json beside each). */
#ifndef MUSTER_TESTS_FIXTURE_H
#define MUSTER_TESTS_FIXTURE_H

#include "unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/fs.h"
#include "base/mem.h"
#include "llm/dialect.h"

struct fixture {
	char name[300];
	const struct dialect *dialect;
	const struct profile *profile;
	struct buf stream;
	json_t *expect;
};

#define FIXTURES 64

static inline void fixture_load(struct fixture *f, const struct dialect *d, const char *dir, const char *file)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT(1 * MIB);
	json_t *v;
	char path[600];

	snprintf(f->name, sizeof f->name, "%s/%.*s", d->name, (int)strlen(file) - 4, file);
	f->dialect = d;
	buf_init(&f->stream, 1 * MIB);
	snprintf(path, sizeof path, "%s/%s", dir, file);
	must(fs_read(path, &f->stream, &e), &e);
	snprintf(path, sizeof path, "%s/%.*s.json", dir, (int)strlen(file) - 4, file);
	must(fs_read(path, &text, &e), &e);
	v = json_parse(buf_span(&text), path, &e);
	assert_non_null(v);
	assert_non_null(json_str(v, "source"));
	assert_non_null(json_str(v, "read"));
	f->expect = json_incref(json_get(v, "expect"));
	f->profile = json_str(v, "profile") ? profile_named(d->profiles, json_str(v, "profile")) : d->profiles;
	assert_non_null(f->profile);
	json_decref(v);
	buf_release(&text);
}

static inline int fixture_order(const void *a, const void *b)
{
	return strcmp(((const struct fixture *)a)->name, ((const struct fixture *)b)->name);
}

static inline size_t fixtures_load(struct fixture *list)
{
	static const struct dialect *const dialects[] = {
		&dialect_anthropic, &dialect_openai, &dialect_responses, &dialect_gemini, &dialect_ollama};
	const char *source = getenv("MUSTER_SOURCE");
	size_t n = 0;

	for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
		char dir[300];
		struct dirent *entry;
		DIR *d;
		snprintf(dir, sizeof dir, "%s/tests/cases/llm/%s", source ? source : ".", dialects[i]->name);
		d = opendir(dir);
		if (!d)
			fail_msg("no fixtures in %s; set MUSTER_SOURCE", dir);
		while (n < FIXTURES && (entry = readdir(d)))
			if (span_ends(span_of(entry->d_name), ".sse"))
				fixture_load(&list[n++], dialects[i], dir, entry->d_name);
		closedir(d);
	}
	qsort(list, n, sizeof *list, fixture_order);
	assert_true(n > 10);
	return n;
}

static inline void fixtures_free(struct fixture *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_release(&list[i].stream);
		json_decref(list[i].expect);
	}
}

static inline bool fixture_fails(const struct fixture *f)
{
	return json_get(f->expect, "error") != NULL;
}

/* Compare an answer with what is expected of the fixture. */
static inline void fixture_check(const struct fixture *f, struct span text, const struct llm_tool_call *calls,
	size_t count, enum llm_stop stop, const struct llm_usage *u, const char *model)
{
	static const char *const stops[] = {"end", "tools", "length", "refusal"};
	const json_t *list = json_get(f->expect, "calls"), *usage = json_get(f->expect, "usage");

	if (!span_eq(text, json_span(f->expect, "text")))
		fail_msg("%s: text \"%.*s\"", f->name, (int)text.n, text.p);
	if (count != json_array_size(list))
		fail_msg("%s: %zu calls", f->name, count);
	for (size_t i = 0; i < count; i++) {
		const json_t *want = json_array_get(list, i);
		if (strcmp(calls[i].name, json_str(want, "name")) != 0)
			fail_msg("%s: call %zu is %s", f->name, i, calls[i].name);
		if (!json_equal(calls[i].arguments, json_get(want, "arguments")))
			fail_msg("%s: arguments of call %zu", f->name, i);
	}
	if (strcmp(stops[stop], json_str(f->expect, "stop")) != 0)
		fail_msg("%s: stop %s", f->name, stops[stop]);
	if (json_str(f->expect, "model"))
		assert_string_equal(model, json_str(f->expect, "model"));
	if (usage && (u->input != json_int(usage, "input", 0) || u->output != json_int(usage, "output", 0) ||
			     u->cached != json_int(usage, "cached", 0) ||
			     u->cache_write != json_int(usage, "cache_write", 0)))
		fail_msg("%s: usage %lld %lld %lld %lld", f->name, (long long)u->input, (long long)u->output,
			(long long)u->cached, (long long)u->cache_write);
}

#endif
