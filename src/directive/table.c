#include "directive/table.h"

/* Purpose: the one list of directives. Happy path: look-ups by index or word. Failure modes: none. */

#define MASTER (1u << LANGUAGE_MASTER)
#define MANAGER (1u << LANGUAGE_MANAGER)
#define CODER (1u << LANGUAGE_CODER)
#define TESTER (1u << LANGUAGE_TESTER)
#define ALL (MASTER | MANAGER | CODER | TESTER)

#define CREATING (1u << PHASE_STRUCTURE)
#define DELEGATING (1u << PHASE_DELEGATION)
#define ALWAYS ((1u << PHASE_UNDERSTANDING) | CREATING | DELEGATING)

static const char *const language_names[DIRECTIVE_LANGUAGES] = {"master", "manager", "coder", "tester"};
static const char *const phase_names[DIRECTIVE_PHASES] = {"none", "understanding", "structure", "delegation"};

static const struct directive_row rows[] = {
	{"READ", DIRECTIVE_READ, SHAPE_TARGETS, MASTER | MANAGER, ALWAYS, NULL,
		"READ file \"path\", folder \"path\", …",
		"Adds paths to your memory, which is read again for every turn; a folder gives its README.",
		"READ file \"src/main.c\", folder \"src/net\""},
	{"READ", DIRECTIVE_READ, SHAPE_STRING, CODER | TESTER, 0, NULL, "READ \"path\"",
		"Adds a file to your memory, which is read again for every turn.", "READ \"src/net/socket.h\""},
	{"CREATE", DIRECTIVE_CREATE, SHAPE_TARGETS, MASTER | MANAGER, CREATING, NULL,
		"CREATE file \"path\", folder \"path\", …",
		"Makes empty files and folders, and a coder or manager for each; none of them may exist.",
		"CREATE folder \"src/net\", file \"src/net/socket.c\""},
	{"DELETE", DIRECTIVE_DELETE, SHAPE_TARGETS, MANAGER, 0, NULL, "DELETE file \"path\", folder \"path\", …",
		"Removes files and folders with their agents, none of which may be active.",
		"DELETE file \"src/net/old.c\""},
	{"DELEGATE", DIRECTIVE_DELEGATE, SHAPE_ATTRIBUTE, MASTER, DELEGATING, "PROMPT", "DELEGATE PROMPT=\"task\"",
		"Gives the root manager its task and activates it.",
		"DELEGATE PROMPT=\"Write the specifications of all modules into their READMEs.\""},
	{"DELEGATE", DIRECTIVE_DELEGATE, SHAPE_TARGET_PROMPTS, MANAGER, 0, NULL,
		"DELEGATE file \"path\" PROMPT=\"task\", folder \"path\" PROMPT=\"task\", …",
		"Activates direct children of your folder, all at once; when one of them is refused, none starts.",
		"DELEGATE file \"src/net/socket.c\" PROMPT=\"Implement socket.h.\", folder \"src/net/tls\" "
		"PROMPT=\"Wrap OpenSSL.\""},
	{"CHANGE", DIRECTIVE_CHANGE, SHAPE_ATTRIBUTE, CODER | TESTER, 0, "CONTENT", "CHANGE CONTENT=\"whole file\"",
		"Replaces the whole of your own file.",
		"CHANGE CONTENT=\"\"\"int main(void)\n{\n\treturn 0;\n}\n\"\"\""},
	{"REPLACE", DIRECTIVE_REPLACE, SHAPE_EDITS, CODER | TESTER, 0, NULL,
		"REPLACE FROM=\"text\" TO=\"text\", FROM=\"text\" TO=\"text\", …",
		"Replaces text of your own file; each FROM must occur exactly once in it, or nothing is written.",
		"REPLACE FROM=\"return 1;\" TO=\"return 0;\""},
	{"INSERT", DIRECTIVE_INSERT, SHAPE_EDIT, CODER, 0, NULL, "INSERT FROM=\"text\" TO=\"text\"",
		"Puts TO right after the one occurrence of FROM in your own file.",
		"INSERT FROM=\"#include <stdio.h>\\n\" TO=\"#include <stdlib.h>\\n\""},
	{"SCRATCH", DIRECTIVE_SCRATCH, SHAPE_ATTRIBUTE, CODER, 0, "CONTENT", "SCRATCH CONTENT=\"notes\"",
		"Writes your scratch file, which only you see.",
		"SCRATCH CONTENT=\"Plan: parser first, then printer.\""},
	{"UPDATE_DOCUMENTATION", DIRECTIVE_UPDATE_DOCUMENTATION, SHAPE_ATTRIBUTE, MASTER, ALWAYS, "CONTENT",
		"UPDATE_DOCUMENTATION CONTENT=\"whole text\"", "Writes the project's documentation.md.",
		"UPDATE_DOCUMENTATION CONTENT=\"\"\"# Chess clock\n\nA command-line clock for two players.\n\"\"\""},
	{"UPDATE_README", DIRECTIVE_UPDATE_README, SHAPE_ATTRIBUTE, MANAGER, 0, "CONTENT",
		"UPDATE_README CONTENT=\"whole text\"",
		"Writes your folder's README: its purpose, then each file and folder with NOT STARTED, BEGUN or "
		"FINISHED.",
		"UPDATE_README CONTENT=\"\"\"# net\n\nSockets and TLS.\n\n- socket.c: BEGUN\n- tls: NOT "
		"STARTED\n\"\"\""},
	{"RUN", DIRECTIVE_RUN, SHAPE_RUN, MASTER, ALWAYS, NULL, "RUN [NO_TIMEOUT] \"command\"",
		"Runs a command in the sandbox from the project's root; it is stopped after 120 s unless NO_TIMEOUT is "
		"given.",
		"RUN NO_TIMEOUT \"make test\""},
	{"RUN", DIRECTIVE_RUN, SHAPE_STRING, MANAGER | CODER | TESTER, 0, NULL, "RUN \"command\"",
		"Runs a command in the sandbox from the project's root; it is stopped after 120 s.",
		"RUN \"make test\""},
	{"run_command", DIRECTIVE_RUN_COMMAND, SHAPE_CALL_STRING, MASTER | MANAGER | CODER, DELEGATING, NULL,
		"run_command(\"command\")", "The same as RUN, for at most 120 s.", "run_command(\"ls -l src\")"},
	{"run_tests", DIRECTIVE_RUN_TESTS, SHAPE_CALL_OPTIONAL, MASTER | MANAGER | CODER, DELEGATING, NULL,
		"run_tests() or run_tests(\"path\")",
		"Runs the project's tests, or those at a path, with the runner that the project uses.",
		"run_tests(\"tests/net\")"},
	{"install_dependencies", DIRECTIVE_INSTALL_DEPENDENCIES, SHAPE_CALL_STRING, MASTER | MANAGER | CODER,
		DELEGATING, NULL, "install_dependencies(\"file\")",
		"Installs what a dependency file lists, with the package manager of that file.",
		"install_dependencies(\"requirements.txt\")"},
	{"git_init", DIRECTIVE_GIT_INIT, SHAPE_CALL, MANAGER, 0, NULL, "git_init()",
		"Makes the project a git repository.", "git_init()"},
	{"git_commit", DIRECTIVE_GIT_COMMIT, SHAPE_CALL_STRING, MANAGER, 0, NULL, "git_commit(\"message\")",
		"Commits everything that changed.", "git_commit(\"net: add sockets\")"},
	{"git_branch", DIRECTIVE_GIT_BRANCH, SHAPE_CALL_STRING, MANAGER, 0, NULL, "git_branch(\"name\")",
		"Makes a branch and switches to it.", "git_branch(\"tls\")"},
	{"git_merge", DIRECTIVE_GIT_MERGE, SHAPE_CALL_STRING, MANAGER, 0, NULL, "git_merge(\"name\")",
		"Merges a branch into the present one.", "git_merge(\"tls\")"},
	{"SPAWN", DIRECTIVE_SPAWN, SHAPE_TESTERS, MASTER | MANAGER | CODER, DELEGATING, NULL,
		"SPAWN tester PROMPT=\"task\", tester PROMPT=\"task\", …",
		"Starts testers beside you; several run at once and report to you.",
		"SPAWN tester PROMPT=\"Test the parser with empty input.\", tester PROMPT=\"Test it with 10 MB.\""},
	{"WAIT", DIRECTIVE_WAIT, SHAPE_BARE, MASTER | MANAGER | CODER, DELEGATING, NULL, "WAIT",
		"Ends the turn until one of your children or testers reports.", "WAIT"},
	{"FINISH", DIRECTIVE_FINISH, SHAPE_ATTRIBUTE, ALL, ALWAYS, "PROMPT", "FINISH PROMPT=\"report\"",
		"Ends your work; the text goes to whoever gave you the task. Nothing you started may still be active.",
		"FINISH PROMPT=\"The parser is done; 14 tests pass.\""},
};

const struct directive_row *directive_row(size_t index)
{
	return index < sizeof(rows) / sizeof(rows[0]) ? &rows[index] : NULL;
}

bool directive_allowed(const struct directive_row *row, enum directive_language language, enum directive_phase phase)
{
	if (!(row->languages & (1u << language)))
		return false;
	return language != LANGUAGE_MASTER || phase == PHASE_NONE || (row->phases & (1u << phase));
}

const struct directive_row *directive_row_named(enum directive_language language, struct span word)
{
	const struct directive_row *row;

	for (size_t i = 0; (row = directive_row(i)); i++)
		if ((row->languages & (1u << language)) && span_is(word, row->word))
			return row;
	return NULL;
}

const struct directive_row *directive_row_anywhere(struct span word)
{
	const struct directive_row *row;

	for (size_t i = 0; (row = directive_row(i)); i++)
		if (span_is(word, row->word))
			return row;
	return NULL;
}

const char *directive_language_name(enum directive_language language)
{
	return language_names[language];
}

const char *directive_phase_name(enum directive_phase phase)
{
	return phase_names[phase];
}

static int index_of(const char *const *names, int count, struct span name)
{
	for (int i = 0; i < count; i++)
		if (span_is(name, names[i]))
			return i;
	return -1;
}

int directive_language_named(struct span name)
{
	return index_of(language_names, DIRECTIVE_LANGUAGES, name);
}

int directive_phase_named(struct span name)
{
	return index_of(phase_names, DIRECTIVE_PHASES, name);
}

void directive_keywords(enum directive_language language, enum directive_phase phase, struct buf *out)
{
	const struct directive_row *row;
	const char *between = "";

	for (size_t i = 0; (row = directive_row(i)); i++) {
		if (!directive_allowed(row, language, phase))
			continue;
		buf_addf(out, "%s%s", between, row->word);
		between = ", ";
	}
}
