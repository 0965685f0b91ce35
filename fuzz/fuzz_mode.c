/* mode.yaml and what is given for its inputs: a mode that loads can be printed, pinned in a bundle and read from there
 * with the same inputs, takes its own defaults and examples; one that does not is told with its file. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "flow/mode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/tmp/fuzz-mode.XXXXXX";
static char dir[sizeof top + 8], file[sizeof dir + 16];

static void clean_up(void)
{
	unlink(file);
	rmdir(dir);
	rmdir(top);
}

static void make_folder(void)
{
	struct err e = ERR_INIT;

	json_setup();
	if (!mkdtemp(top))
		BUG("no temporary folder");
	snprintf(dir, sizeof dir, "%s/m", top);
	snprintf(file, sizeof file, "%s/mode.yaml", dir);
	if (fs_mkdirs(dir, 0700, &e))
		BUG("%s", e.text);
	atexit(clean_up);
}

static void put_file(struct span text)
{
	FILE *f = fopen(file, "w");

	if (!f || fwrite(text.p, 1, text.n, f) != text.n || fclose(f))
		BUG("cannot write %s", file);
}

static void check_inputs(const struct mode *m, const json_t *given)
{
	cleanup_json json_t *values = NULL, *again = NULL;
	struct err e = ERR_INIT;

	if (mode_check_inputs(m, given, &values, &e)) {
		BUG_ON(e.code != ERR_INVALID);
		return;
	}
	if (mode_check_inputs(m, values, &again, &e) || !json_equal(values, again))
		BUG("values are not taken twice: %s", e.text);
}

static void check(const struct mode *m)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *all = mode_json(m, &e);
	struct mode *pinned = all ? mode_pinned(m->json, &e) : NULL;

	if (!pinned || pinned->input_count != m->input_count)
		BUG("a mode that loads cannot be pinned: %s", e.text);
	BUG_ON(!m->id[0] || !m->name[0] || !m->description[0]);
	for (size_t i = 0; i < m->input_count; i++) {
		BUG_ON(mode_input(m, m->inputs[i].name) != &m->inputs[i]);
		BUG_ON(strcmp(m->inputs[i].name, pinned->inputs[i].name) != 0);
	}
	check_inputs(m, NULL);
	for (size_t i = 0; i < json_array_size(m->examples); i++)
		check_inputs(pinned, json_get(json_array_get(m->examples, i), "inputs"));
	mode_free(pinned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	struct mode *m;

	if (!file[0])
		make_folder();
	put_file(span_n((const char *)data, size));
	m = mode_load(dir, &e);
	if (m)
		check(m);
	else
		BUG_ON((e.code != ERR_INVALID && e.code != ERR_PARSE && e.code != ERR_TOO_LARGE) ||
			!strstr(e.text, file));
	mode_free(m);
	return 0;
}
