/* detect: see detect.h. A runner's marks: a file that must exist, a glob that must match, a text that the file (or one
 * of the files that match) must hold. */
#include "tools/detect.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"

#define MATCHES 64 /* files of a glob that are looked into */
#define UNITTEST "python3 -m unittest discover "
#define PYTEST "python3 -m pytest -q"
#define NPM_NONE "no test specified" /* what npm init writes */

struct runner {
	const char *file, *glob, *holds;
	const char *command, *what;
};

static const struct runner runners[] = {
	{.file = "package.json",
		.holds = "scripts.test",
		.command = "npm test --silent",
		.what = "package.json with a test script"},
	{.file = "pytest.ini", .command = PYTEST, .what = "pytest.ini"},
	{.file = "conftest.py", .command = PYTEST, .what = "conftest.py"},
	{.file = "tests/conftest.py", .command = PYTEST, .what = "tests/conftest.py"},
	{.file = "pyproject.toml", .holds = "[tool.pytest", .command = PYTEST, .what = "pyproject.toml with pytest"},
	{.file = "Cargo.toml", .command = "cargo test --offline", .what = "Cargo.toml"},
	{.file = "go.mod", .command = "go test ./...", .what = "go.mod"},
	{.file = "Makefile", .holds = "\ncheck:", .command = "make check", .what = "Makefile with check"},
	{.file = "Makefile", .holds = "\ntest:", .command = "make test", .what = "Makefile with test"},
	{.file = "meson.build",
		.command =
			"{ meson setup build --reconfigure 2>/dev/null || meson setup build; } && meson test -C build",
		.what = "meson.build"},
	{.file = "CMakeLists.txt",
		.command = "cmake -B build && cmake --build build && ctest --test-dir build --output-on-failure",
		.what = "CMakeLists.txt"},
	{.glob = "**/test_*.py", .holds = "\nimport pytest", .command = PYTEST, .what = "test_*.py for pytest"},
	{.glob = "**/test_*.py", .holds = "\nfrom pytest", .command = PYTEST, .what = NULL},
	{.glob = "**/test_*.py", .holds = "\ndef test_", .command = PYTEST, .what = NULL},
	{.file = "tests/__init__.py",
		.glob = "tests/**/test_*.py",
		.command = UNITTEST "-s tests -t .",
		.what = "tests/test_*.py"},
	{.glob = "tests/**/test_*.py", .command = UNITTEST "-s tests", .what = NULL},
	{.file = "test/__init__.py",
		.glob = "test/**/test_*.py",
		.command = UNITTEST "-s test -t .",
		.what = "test/test_*.py"},
	{.glob = "test/**/test_*.py", .command = UNITTEST "-s test", .what = NULL},
	{.glob = "test_*.py", .command = UNITTEST, .what = "test_*.py"},
	{.glob = "**/*.test.{js,mjs,cjs}", .command = "node --test", .what = "*.test.js"},
	{.file = "test.sh", .command = "sh ./test.sh", .what = "test.sh"},
};

static const struct {
	const char *file, *command;
} installers[] = {
	{"requirements.txt", "python3 -m pip install --user -r requirements.txt"},
	{"pyproject.toml", "python3 -m pip install --user ."},
	{"package.json", "npm install --no-audit --no-fund"},
	{"package-lock.json", "npm ci --no-audit --no-fund"},
	{"Cargo.toml", "cargo fetch"},
	{"go.mod", "go mod download"},
	{"Gemfile", "bundle install"},
	{"composer.json", "composer install"},
};

/* npm's own test script only says that there is none. */
static bool has_test_script(struct span package)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *v = json_parse(package, "package.json", &e);
	const char *script = json_str(json_get(v, "scripts"), "test");
	return script && *script && !strstr(script, NPM_NONE);
}

static bool holds(struct files *f, const char *path, const char *text)
{
	cleanup_buf struct buf content = BUF_INIT(CAP_FILE_READ);
	struct err e = ERR_INIT;
	buf_addc(&content, '\n'); /* so that a first line is found like the others */
	if (files_read(f, path, &content, NULL, &e))
		return false;
	if (!strcmp(text, "scripts.test"))
		return has_test_script(buf_span(&content));
	return span_find(buf_span(&content), span_of(text), 0) != (size_t)-1;
}

/* The path of a mark below the folder. A folder's own glob characters stand for themselves. */
static const char *below(const char *folder, const char *name, bool pattern, char out[8400])
{
	size_t n = 0;
	for (const char *p = strcmp(folder, ".") ? folder : ""; *p; p++) {
		if (pattern && strchr("*?[]{}\\,", *p))
			out[n++] = '\\';
		out[n++] = *p;
	}
	snprintf(out + n, 8400 - n, "%s%s", n ? "/" : "", name);
	return out;
}

static bool file_marked(struct files *f, const char *folder, const struct runner *r)
{
	char path[8400];
	bool is_folder;
	below(folder, r->file, false, path);
	return files_exists(f, path, &is_folder) && !is_folder && (!r->holds || r->glob || holds(f, path, r->holds));
}

static bool glob_marked(struct files *f, const char *folder, const struct runner *r)
{
	char pattern[8400];
	struct err e = ERR_INIT;
	cleanup_json json_t *found = files_glob(f, below(folder, r->glob, true, pattern), MATCHES, &e);
	size_t i;
	json_t *path;
	json_array_foreach(found, i, path)
	{
		if (json_is_string(path) && (!r->holds || holds(f, json_string_value(path), r->holds)))
			return true;
	}
	return false;
}

static bool marked(struct files *f, const char *folder, const struct runner *r)
{
	return (!r->file || file_marked(f, folder, r)) && (!r->glob || glob_marked(f, folder, r));
}

/* 'text' for a shell, appended at n. */
static size_t quote(char *out, size_t room, size_t n, const char *text)
{
	n += (size_t)snprintf(out + n, room - n, "'");
	for (const char *p = text; *p && n + 8 < room; p++)
		if (*p == '\'')
			n += (size_t)snprintf(out + n, room - n, "'\\''");
		else
			out[n++] = *p;
	return n + (size_t)snprintf(out + n, room - n, "'");
}

/* "cd 'folder' && " unless it is the root. */
static size_t enter(char *out, size_t room, const char *folder)
{
	if (!strcmp(folder, "."))
		return 0;
	size_t n = (size_t)snprintf(out, room, "cd ");
	n = quote(out, room, n, folder);
	return n + (size_t)snprintf(out + n, room - n, " && ");
}

int detect_tests(struct files *f, const char *path, char *out, size_t room, struct err *e)
{
	char looked[1024] = "";
	size_t n = 0;
	bool folder;
	if (!files_exists(f, path, &folder) || !folder)
		return err_set(e, ERR_NOT_FOUND, "%s is no folder of the project", path);
	for (size_t i = 0; i < sizeof(runners) / sizeof(runners[0]); i++) {
		if (marked(f, path, &runners[i])) {
			n = enter(out, room, path);
			snprintf(out + n, room - n, "%s", runners[i].command);
			return 0;
		}
		if (runners[i].what)
			n += (size_t)snprintf(looked + n, sizeof(looked) - n, "%s%s", n ? ", " : "", runners[i].what);
	}
	return err_set(e, ERR_NOT_FOUND, "no test runner was found in %s; looked for %s",
		strcmp(path, ".") ? path : "the project", looked);
}

int detect_install(const char *file, char *out, size_t room, struct err *e)
{
	const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	char known[512] = "", folder[4096] = ".";
	size_t n = 0;
	if (name > file)
		snprintf(folder, sizeof(folder), "%.*s", (int)(name - 1 - file), file);
	for (size_t i = 0; i < sizeof(installers) / sizeof(installers[0]); i++) {
		if (!strcmp(name, installers[i].file)) {
			n = enter(out, room, folder);
			snprintf(out + n, room - n, "%s", installers[i].command);
			return 0;
		}
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "", installers[i].file);
	}
	return err_set(e, ERR_INVALID, "%s names no dependencies that are known here; known are %s", file, known);
}
