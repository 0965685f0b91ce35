/* definition: see definition.h. A definition is a piece of a file, picked by a function; the pieces of then and now are
 * compared. */
#include "tools/definition.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "vcs/snapshot.h"

#define WORD 256

/* Append the piece of the file that the command's word `what` stands for. */
typedef void pick_fn(struct span content, const char *what, struct buf *out);

static void pick_all(struct span content, const char *what, struct buf *out)
{
	(void)what;
	buf_addspan(out, content);
}

static void pick_scripts(struct span content, const char *what, struct buf *out)
{
	static const char *const names[] = {"pretest", "test", "posttest"};
	struct err e = ERR_INIT;
	cleanup_json json_t *package = json_parse(content, "package.json", &e);
	(void)what;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *script = json_str(json_get(package, "scripts"), names[i]);
		if (script)
			buf_addf(out, "%s: %s\n", names[i], script);
	}
}

/* Does the head of a rule ("test check: all") name this target? */
static bool names_target(struct span head, const char *what)
{
	const char *colon = memchr(head.p, ':', head.n);
	size_t n = strlen(what);
	for (const char *p = head.p; colon && p + n <= colon; p++)
		if (!strncmp(p, what, n) && (p == head.p || strchr(" \t", p[-1])) && strchr(" \t:", p[n]))
			return true;
	return false;
}

/* The lines of the rules for this target: their first one, its continuations, and what is indented below it. */
static void pick_rule(struct span content, const char *what, struct buf *out)
{
	struct span line;
	bool inside = false, continued = false;
	while (span_line(&content, &line)) {
		if (line.n && !continued && line.p[0] != '\t' && line.p[0] != '#')
			inside = names_target(line, what);
		continued = line.n && line.p[line.n - 1] == '\\';
		if (inside) {
			buf_addspan(out, line);
			buf_addc(out, '\n');
		}
	}
}

struct comparing {
	struct files *files;
	struct store *store;
	const struct hash *base;
};

static bool differs(const struct comparing *c, const char *path, pick_fn *pick, const char *what)
{
	struct err e = ERR_INIT;
	struct blob *was = snapshot_file(c->store, c->base, path, &e);
	cleanup_buf struct buf now = BUF_INIT(CAP_FILE_READ), then_piece = BUF_INIT(CAP_FILE_READ),
			       now_piece = BUF_INIT(CAP_FILE_READ);
	if (!was)
		return false;
	pick(blob_span(was), what, &then_piece);
	blob_unref(was);
	if (!then_piece.len)
		return false;
	if (files_read(c->files, path, &now, NULL, &e))
		return true;
	pick(buf_span(&now), what, &now_piece);
	return !span_eq(buf_span(&then_piece), buf_span(&now_piece));
}

/* The next word of the command line; quotes and operators only part words here. */
static bool next_word(const char **at, char word[WORD])
{
	static const char apart[] = " \t\n'\"|&;(){}<>";
	const char *p = *at + strspn(*at, apart);
	size_t n = strcspn(p, apart);
	*at = p + n;
	snprintf(word, WORD, "%.*s", (int)(n < WORD ? n : WORD - 1), p);
	return n > 0;
}

/* The path of a word, below the folder that the line has entered. */
static const char *below(const char *folder, const char *word, char out[2 * WORD + 2])
{
	if (!strncmp(word, "./", 2))
		word += 2;
	snprintf(out, 2 * WORD + 2, "%s%s%s", folder, *folder ? "/" : "", word);
	return out;
}

bool definition_changed(
	struct files *f, struct store *store, const struct hash *base, const char *command, char *file, size_t room)
{
	static const char *const makefiles[] = {"GNUmakefile", "makefile", "Makefile"};
	const struct comparing c = {f, store, base};
	char word[WORD], before[WORD] = "", folder[WORD] = "", path[2 * WORD + 2];
	bool make = false, found = false;
	for (const char *at = command; !found && next_word(&at, word); snprintf(before, sizeof(before), "%s", word)) {
		if (!strcmp(before, "cd"))
			snprintf(folder, sizeof(folder), "%.*s", (int)(strlen(word) - (word[strlen(word) - 1] == '/')),
				word);
		else if (!strcmp(word, "npm") || !strcmp(word, "yarn") || !strcmp(word, "pnpm"))
			found = differs(&c, below(folder, "package.json", path), pick_scripts, "");
		else
			found = differs(&c, below(folder, word, path), pick_all, "");
		for (size_t i = 0; make && !found && *word != '-' && !strchr(word, '=') && i < 3; i++)
			found = differs(&c, below(folder, makefiles[i], path), pick_rule, word);
		make |= !strcmp(word, "make");
	}
	if (found)
		snprintf(file, room, "%s", path);
	return found;
}
