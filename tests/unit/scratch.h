/* scratch: a fresh folder for one test, removed after it, and short-hands to put files into it. */
#ifndef MUSTER_TESTS_SCRATCH_H
#define MUSTER_TESTS_SCRATCH_H

#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/fs.h"
#include "base/json.h"

struct scratch {
	char dir[256];
};

static inline void scratch_new(struct scratch *s)
{
	struct err e = ERR_INIT;
	const char *tmp = getenv("TMPDIR");

	must(crypt_setup(&e), &e);
	snprintf(s->dir, sizeof(s->dir), "%s/muster-test-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(s->dir));
}

static inline void scratch_free(struct scratch *s)
{
	struct err e = ERR_INIT;

	must(fs_remove_tree(s->dir, &e), &e);
}

/* The path of a name in the scratch folder; one of several static buffers. */
static inline const char *at(const struct scratch *s, const char *name)
{
	static char room[8][PATH_MAX];
	static int next;
	char *out = room[next++ % 8];

	snprintf(out, PATH_MAX, "%s/%s", s->dir, name);
	return out;
}

/* Write a file with its parent folders. */
static inline void put_bytes(const struct scratch *s, const char *name, const void *p, size_t n)
{
	char path[PATH_MAX];
	struct err e = ERR_INIT;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	char *slash = strrchr(path, '/');
	*slash = 0;
	must(fs_mkdirs(path, 0755, &e), &e);
	*slash = '/';
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), n);
	close(fd);
}

static inline void put(const struct scratch *s, const char *name, const char *text)
{
	put_bytes(s, name, text, strlen(text));
}

/* The content of a file as a string; "" and errno when it cannot be read. */
static inline const char *got(const struct scratch *s, const char *name)
{
	static char text[1 << 16];
	int fd = open(at(s, name), O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	return text;
}

static inline bool there(const struct scratch *s, const char *name)
{
	struct stat st;

	return lstat(at(s, name), &st) == 0;
}

#endif
