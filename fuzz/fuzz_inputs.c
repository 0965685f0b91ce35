/* The inputs of a batch, a JSON object a line: what is accepted as a whole reads again line by line, each with a name
 * of its own that can be a folder's and with values that the mode takes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/inputs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mode *make_mode(void)
{
	static const char text[] =
		"{\"id\":\"m\",\"name\":\"M\",\"inputs\":[{\"name\":\"task\",\"type\":\"text\",\"required\":true},"
		"{\"name\":\"n\",\"type\":\"number\",\"default\":3},{\"name\":\"yes\",\"type\":\"boolean\"},"
		"{\"name\":\"colour\",\"type\":\"select\",\"options\":[\"red\",2],\"multiple\":true},"
		"{\"name\":\"data\",\"type\":\"file\",\"accept\":[\".csv\"]}]}";
	struct err e = ERR_INIT;
	cleanup_json json_t *v = json_parse(span_of(text), "mode", &e);
	struct mode *m = v ? mode_pinned(v, &e) : NULL;

	if (!m)
		BUG("%s", e.text);
	return m;
}

static int64_t lines_with_text(struct span text)
{
	struct span line;
	int64_t n = 0;

	while (span_line(&text, &line))
		n += span_trim(line).n > 0;
	return n;
}

static void read_lines(const char *path, const struct mode *m, const struct inputs_seen *seen)
{
	struct input_line line;
	struct err e = ERR_INIT;
	struct inputs in;
	int64_t n = 0, last = 0;
	int got;

	if (inputs_open(&in, path, m, NULL, &e))
		BUG("%s", e.text);
	while ((got = inputs_next(&in, &line, &e)) > 0) {
		cleanup_json json_t *again = NULL;
		n++;
		BUG_ON(line.number <= last || !line.name[0] || strlen(line.name) > (size_t)seen->widest);
		BUG_ON(strchr(line.name, '/') || line.name[0] == '.' || line.name[0] == '-');
		if (mode_check_inputs(m, line.values, &again, &e) || !json_equal(again, line.values))
			BUG("line %lld is not taken twice: %s", (long long)line.number, e.text);
		last = line.number;
		input_line_release(&line);
	}
	if (got || n != seen->lines)
		BUG("%lld lines instead of %lld: %s", (long long)n, (long long)seen->lines, e.text);
	inputs_close(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mode *mode;
	struct inputs_seen seen;
	struct err e = ERR_INIT;
	char path[64];
	int fd = memfd_create("inputs", MFD_CLOEXEC);

	if (!mode) {
		json_setup();
		mode = make_mode();
	}
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		BUG("no file in memory");
	if (inputs_check(path, mode, NULL, &seen, &e) == 0) {
		BUG_ON(seen.lines != lines_with_text(span_n((const char *)data, size)));
		read_lines(path, mode, &seen);
	} else {
		BUG_ON(e.code == ERR_OK || !strstr(e.text, path));
	}
	close(fd);
	return 0;
}
