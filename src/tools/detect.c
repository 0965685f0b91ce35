/* detect: see detect.h. A mark is a file that must exist, optionally holding a text, or a glob that must match. */
#include "tools/detect.h"

#include <stdio.h>
#include <string.h>

#include "base/caps.h"

struct runner {
	const char *file, *holds, *glob;
	const char *command, *what;
};

static const struct runner runners[] = {
	{.file = "package.json",
		.holds = "\"test\"",
		.command = "npm test --silent",
		.what = "package.json with a test script"},
	{.file = "pytest.ini", .command = "python3 -m pytest -q", .what = "pytest.ini"},
	{.file = "conftest.py", .command = "python3 -m pytest -q", .what = "conftest.py"},
	{.file = "pyproject.toml",
		.holds = "[tool.pytest",
		.command = "python3 -m pytest -q",
		.what = "pyproject.toml with pytest"},
	{.file = "Cargo.toml", .command = "cargo test --offline", .what = "Cargo.toml"},
	{.file = "go.mod", .command = "go test ./...", .what = "go.mod"},
	{.file = "Makefile", .holds = "\ncheck:", .command = "make check", .what = "Makefile with check"},
	{.file = "Makefile", .holds = "\ntest:", .command = "make test", .what = "Makefile with test"},
	{.file = "meson.build",
		.command = "meson setup build --reconfigure 2>/dev/null || meson setup build && meson test -C build",
		.what = "meson.build"},
	{.file = "CMakeLists.txt",
		.command = "cmake -B build && cmake --build build && ctest --test-dir build --output-on-failure",
		.what = "CMakeLists.txt"},
	{.glob = "tests/**/test_*.py",
		.command = "python3 -m unittest discover -s tests -t .",
		.what = "tests/**/test_*.py"},
	{.glob = "test_*.py", .command = "python3 -m unittest", .what = "test_*.py"},
	{.glob = "**/*.test.{js,mjs}", .command = "node --test", .what = "*.test.js"},
	{.file = "test.sh", .command = "sh ./test.sh", .what = "test.sh"},
};

static const struct {
	const char *file, *command;
} installers[] = {
	{"requirements.txt", "python3 -m pip install --user -r"},
	{"pyproject.toml", "python3 -m pip install --user ."},
	{"package.json", "npm install --no-audit --no-fund"},
	{"package-lock.json", "npm ci --no-audit --no-fund"},
	{"Cargo.toml", "cargo fetch"},
	{"go.mod", "go mod download"},
	{"Gemfile", "bundle install"},
	{"composer.json", "composer install"},
};

static bool holds(struct files *f, const char *path, const char *text)
{
	cleanup_buf struct buf content = BUF_INIT(CAP_FILE_READ);
	struct err e = ERR_INIT;
	buf_addc(&content, '\n');
	return !files_read(f, path, &content, NULL, &e) &&
	       span_find(buf_span(&content), span_of(text), 0) != (size_t)-1;
}

static bool marked(struct files *f, const char *folder, const struct runner *r)
{
	char path[4200];
	bool is_folder;
	struct err e = ERR_INIT;
	bool root = !strcmp(folder, ".");
	snprintf(path, sizeof(path), "%s%s%s", root ? "" : folder, root ? "" : "/", r->file ? r->file : r->glob);
	if (r->glob) {
		json_t *found = files_glob(f, path, 1, &e);
		bool any = json_array_size(found) > 0;
		json_decref(found);
		return any;
	}
	return files_exists(f, path, &is_folder) && !is_folder && (!r->holds || holds(f, path, r->holds));
}

int detect_tests(struct files *f, const char *path, char *out, size_t room, struct err *e)
{
	char looked[1024] = "";
	size_t n = 0;
	for (size_t i = 0; i < sizeof(runners) / sizeof(runners[0]); i++) {
		if (marked(f, path, &runners[i])) {
			bool root = !strcmp(path, ".");
			snprintf(out, room, "%s%s%s%s", root ? "" : "cd ", root ? "" : path, root ? "" : " && ",
				runners[i].command);
			return 0;
		}
		n += (size_t)snprintf(looked + n, sizeof(looked) - n, "%s%s", i ? ", " : "", runners[i].what);
		if (n >= sizeof(looked))
			n = sizeof(looked) - 1;
	}
	return err_set(e, ERR_NOT_FOUND, "no test runner was found in %s; looked for %s", path, looked);
}

int detect_install(const char *file, char *out, size_t room, struct err *e)
{
	const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	size_t dir = (size_t)(name - file);
	char known[512] = "";
	size_t n = 0;
	for (size_t i = 0; i < sizeof(installers) / sizeof(installers[0]); i++) {
		if (!strcmp(name, installers[i].file)) {
			bool listed = !strcmp(name, "requirements.txt");
			snprintf(out, room, "%s%.*s%s%s%s", dir ? "cd '" : "", (int)dir, file, dir ? "' && " : "",
				installers[i].command, listed ? " requirements.txt" : "");
			return strchr(file, '\'') ? err_set(e, ERR_INVALID, "%s: a quote in a path", file) : 0;
		}
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "", installers[i].file);
	}
	return err_set(e, ERR_INVALID, "%s names no dependencies that are known here; known are %s", file, known);
}
