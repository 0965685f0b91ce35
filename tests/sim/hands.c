/* hands: the commands of the simulated sandboxes.
 *
 *   true, false
 *   effect PATH TEXT   appends a line to a file and is counted: it must happen once
 *   put PATH TEXT      writes a file
 *   have PATH TEXT     status 0 when the file holds the text
 *   sh ./FILE          each line of the file, until one fails */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "world.h"

static void count(struct world *w, const char *line)
{
	struct err e = ERR_INIT;
	int *n = map_get(&w->done, span_of(line));
	if (!n) {
		n = mem_calloc(1, sizeof(*n));
		if (!n || map_set(&w->done, span_of(line), n, NULL, &e))
			world_fail(w, "no memory");
	}
	++*n;
}

static int put(const char *dir, const char *path, const char *text, int flags)
{
	char full[600];
	struct stat st;
	snprintf(full, sizeof(full), "%s/%s", dir, path);
	int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	if (fd < 0)
		return 1;
	size_t n = strlen(text);
	int bad = write(fd, text, n) != (ssize_t)n || write(fd, "\n", 1) != 1;
	if (!stat(dir, &st) && fchown(fd, st.st_uid, st.st_gid))
		bad = 1;
	close(fd);
	return bad;
}

static int have(const char *dir, const char *path, const char *text, struct buf *output)
{
	char full[600];
	struct err e = ERR_INIT;
	snprintf(full, sizeof(full), "%s/%s", dir, path);
	cleanup_buf struct buf content = BUF_INIT(1 << 20);
	if (!fs_read(full, &content, &e) && content.data && strstr(content.data, text))
		return 0;
	buf_addf(output, "%s has no %s\n", path, text);
	return 1;
}

int hands_do(struct world *w, const char *line, const char *dir, struct buf *output)
{
	char path[200], text[200];
	if (!strcmp(line, "true") || !*line)
		return 0;
	if (!strcmp(line, "false"))
		return 1;
	if (sscanf(line, "have %199s %199s", path, text) == 2)
		return have(dir, path, text, output);
	if (sscanf(line, "put %199s %199s", path, text) == 2)
		return put(dir, path, text, O_TRUNC);
	if (sscanf(line, "effect %199s %199s", path, text) == 2) {
		count(w, line);
		buf_addf(output, "%s\n", text);
		return put(dir, path, text, O_APPEND);
	}
	if (sscanf(line, "sh ./%199s", path) == 1) {
		char full[600];
		struct err e = ERR_INIT;
		snprintf(full, sizeof(full), "%s/%s", dir, path);
		cleanup_buf struct buf content = BUF_INIT(1 << 20);
		if (fs_read(full, &content, &e))
			return 127;
		struct span rest = buf_span(&content), l;
		while (span_line(&rest, &l)) {
			snprintf(full, sizeof(full), "%.*s", (int)l.n, l.p);
			int status = hands_do(w, full, dir, output);
			if (status)
				return status;
		}
		return 0;
	}
	buf_addf(output, "no such command: %s\n", line);
	return 127;
}

int hands_exec(void *ctx, const char *line, const char *dir, struct buf *output, int *status)
{
	(void)ctx;
	world_visit(SPOT_COMMAND);
	int failed = the_world->hand ? the_world->hand(the_world, line, dir, output, status) : 0;
	if (!the_world->hand)
		*status = hands_do(the_world, line, dir, output);
	world_visit(SPOT_COMMANDED);
	return failed;
}
