/* YAML from the outside: what is read is within the caps, prints as JSON that is YAML again and reads as an equal
 * value, and every place in it has a line. Also as front matter. */
#include <stdint.h>

#include "base/caps.h"
#include "base/mem.h"
#include "config/frontmatter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* JSON text is YAML, but for keys longer than libyaml takes in flow mappings (1024 characters), and for characters that
 * it takes as line ends or not at all. */
static bool plain_ascii(const char *text)
{
	while (*text >= ' ' && *text <= '~')
		text++;
	return !*text;
}

static bool long_key(const json_t *v)
{
	const char *key;
	json_t *member;
	size_t i;

	json_object_foreach((json_t *)v, key, member) if (strlen(key) > 500 || long_key(member)) return true;
	json_array_foreach(v, i, member) if (long_key(member)) return true;
	return false;
}

static void read_again(const struct yaml_doc *d)
{
	char *text = json_text(d->root);
	struct err e = ERR_INIT;
	struct yaml_doc again;

	if (!text || strlen(text) > CAP_YAML || !plain_ascii(text) || long_key(d->root)) {
		mem_free(text);
		return;
	}
	if (yaml_parse(&again, span_of(text), "printed", 1, &e))
		BUG("%s does not read: %s", text, e.text);
	if (!json_equal(d->root, again.root))
		BUG("%s reads as another value", text);
	yaml_release(&again);
	mem_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_n((const char *)data, size);
	struct frontmatter f;
	struct yaml_doc d;

	if (yaml_parse(&d, text, "input", 1, NULL) == 0) {
		struct map_entry *entry;
		for (size_t i = 0; (entry = map_next(&d.lines, &i));)
			BUG_ON(yaml_line(&d, entry->key) < 1 || (size_t)yaml_line(&d, entry->key) > size + 1);
		read_again(&d);
		yaml_release(&d);
	}
	if (frontmatter_parse(&f, text, "input", NULL) == 0) {
		BUG_ON(f.body.n > size);
		frontmatter_release(&f);
	}
	return 0;
}
