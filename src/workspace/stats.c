/* stats: one walk. A file's lines are its line feeds, and one more when it does not end in one. */
#include "workspace/stats.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/map.h"
#include "base/mem.h"
#include "workspace/language.h"
#include "workspace/private.h"

#define LANGUAGES_MAX 256
#define PIECE (64 * KIB)
#define BINARY_LOOK 8192

struct sum {
	const char *name;
	uint64_t files, lines, bytes;
};
struct stats {
	struct map by_name; /* of struct sum */
	struct sum all;
	uint64_t dependencies;
	const atomic_bool *cancel;
	bool nomem, incomplete;
	char *piece;
};

static struct sum *sum_named(struct stats *s, const char *name)
{
	struct sum *sum = map_get(&s->by_name, span_of(name));

	if (sum)
		return sum;
	sum = MEM_NEW(struct sum);
	if (sum && map_set(&s->by_name, span_of(name), sum, NULL, NULL) == 0) {
		sum->name = name;
		return sum;
	}
	mem_free(sum);
	s->nomem = true;
	return NULL;
}

static bool count_file(struct stats *s, int fd, struct sum *one)
{
	bool binary = false, begun = false;
	char last = '\n';
	ssize_t n;

	while ((n = SEAM(read(fd, s->piece, PIECE))) > 0) {
		const char *p = s->piece, *end = p + n;

		if (!begun)
			binary = memchr(p, 0, (size_t)n < BINARY_LOOK ? (size_t)n : BINARY_LOOK);
		begun = true;
		one->bytes += (uint64_t)n;
		last = end[-1];
		while (!binary && p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
			one->lines++;
			p++;
		}
	}
	s->incomplete |= n < 0;
	one->lines += !binary && last != '\n';
	return binary;
}

static void add(struct sum *to, const struct sum *one)
{
	to->files++;
	to->lines += one->lines;
	to->bytes += one->bytes;
}

static bool stats_skip(void *ctx, const char *name)
{
	(void)ctx;
	return folder_is_dependency(name);
}

static bool stats_each(void *ctx, const struct walk_entry *entry)
{
	struct stats *s = ctx;
	const struct language *language = language_of(entry->path);
	struct sum one = {.files = 1}, *sum;

	if (entry->collapsed)
		s->dependencies += entry->entries;
	if (!S_ISREG(entry->st.st_mode))
		return true;
	cleanup_fd int fd = SEAM(openat(entry->dir, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
	if (fd < 0) {
		s->incomplete = true;
		return true;
	}
	sum = sum_named(s, count_file(s, fd, &one) ? "Binary" : language ? language->name : "Other");
	if (sum)
		add(sum, &one);
	add(&s->all, &one);
	return sum && !(s->cancel && atomic_load(s->cancel));
}

static int by_bytes(const void *a, const void *b)
{
	const struct sum *x = *(struct sum *const *)a, *y = *(struct sum *const *)b;

	return x->bytes == y->bytes ? strcmp(x->name, y->name) : x->bytes < y->bytes ? 1 : -1;
}

static json_t *languages_json(const struct stats *s, struct err *e)
{
	const struct sum *sums[LANGUAGES_MAX];
	const struct map_entry *entry;
	cleanup_json json_t *out = json_array();
	size_t count = 0;

	for (size_t i = 0; (entry = map_next(&s->by_name, &i));)
		sums[count++] = entry->value;
	if (count)
		qsort(sums, count, sizeof *sums, by_bytes);
	for (size_t i = 0; out && i < count; i++) {
		json_t *one =
			json_make(e, "{s:s, s:I, s:I, s:I}", "name", sums[i]->name, "files", (json_int_t)sums[i]->files,
				"lines", (json_int_t)sums[i]->lines, "bytes", (json_int_t)sums[i]->bytes);

		if (!one || json_array_append_new(out, one)) {
			err_nomem(e);
			return NULL;
		}
	}
	if (!out)
		err_nomem(e);
	return steal(&out);
}

static json_t *stats_json(const struct stats *s, struct err *e)
{
	json_t *languages = languages_json(s, e);

	return languages ? json_make(e, "{s:I, s:I, s:I, s:I, s:b, s:o}", "files", (json_int_t)s->all.files, "lines",
				   (json_int_t)s->all.lines, "bytes", (json_int_t)s->all.bytes, "dependencies",
				   (json_int_t)s->dependencies, "incomplete", s->incomplete, "languages", languages)
			 : NULL;
}

json_t *stats_of(const char *dir, const atomic_bool *cancel, struct err *e)
{
	struct stats s = {.cancel = cancel, .piece = mem_alloc(PIECE)};
	struct walk w = {.skip = stats_skip, .each = stats_each, .ctx = &s};
	struct files *f = s.piece ? files_open(dir, 0, e) : NULL;
	json_t *out = NULL;
	int rc = s.piece ? -1 : err_nomem(e);

	map_init(&s.by_name, LANGUAGES_MAX);
	if (f)
		rc = walk_run(f, ".", &w, e);
	files_close(f);
	s.incomplete |= w.incomplete;
	if (rc == 0 && s.nomem)
		rc = err_nomem(e);
	if (rc == 0 && cancel && atomic_load(cancel))
		rc = err_set(e, ERR_CANCELLED, "the count was cancelled");
	if (rc == 0)
		out = stats_json(&s, e);
	map_release(&s.by_name, mem_free);
	mem_free(s.piece);
	return out;
}
