/* doctor: says whether everything is here that muster needs, and what to do where it is not. */
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cmd/app.h"
#include "cmd/out.h"
#include "cmd/remote.h"
#include "llm/check.h"
#include "sandbox/disk.h"
#include "sandbox/sandbox.h"
#include "store/owner.h"

static const struct verb_option options[] = {
	{"provider", "P", false,
		"check this provider or PROVIDER:MODEL live: streaming, usage, tools (three small calls)"},
	{"json", NULL, false, "print a JSON object"},
	{NULL},
};

static int add(json_t *rows, const char *part, const char *name, bool ok, const char *detail, const char *fix)
{
	return json_array_append_new(rows, json_pack("{s:s, s:s, s:b, s:s?, s:s?}", "part", part, "name", name, "ok",
						   ok, "detail", detail, "fix", fix));
}

/* ---- the parts ---- */

/* Returns whether commands can be isolated at all. */
static bool check_sandbox(json_t *rows)
{
	struct err e = ERR_INIT;
	cleanup_json json_t *report = sandbox_report(&e);
	const struct sandbox_host *host = sandbox_probe(&e);
	size_t i;
	json_t *row;
	json_array_foreach(report, i, row) add(rows, "sandbox", json_str(row, "name"), json_bool(row, "ok", false),
		json_str(row, "detail"), json_str(row, "fix"));
	if (!host || !report)
		add(rows, "sandbox", "isolation", false, e.text, NULL);
	return host && host->level != SANDBOX_NONE;
}

static void check_disks(json_t *rows, const char *place)
{
	struct err e = ERR_INIT;
	disk_private();
	bool can = disk_try(place, &e) == 0;
	cleanup_free char *text =
		can ? mem_strdup("sandbox.disk_limit may be hard: each working copy on a disk of its own")
		    : mem_printf("watched, and commands ended above it; not hard: %s", e.text);
	add(rows, "sandbox", "disk limit", can, text, NULL);
}

static bool check_folder(json_t *rows, const struct app *a)
{
	struct err e = ERR_INIT;
	cleanup_free char *place = fs_existing_dir(a->data_dir), *format = fs_join(a->data_dir, "format");
	struct statvfs space;
	bool there = format && fs_exists(format), good = true;
	if (there && owner_check(a->data_dir, &e)) {
		add(rows, "data folder", "format", false, e.text, NULL);
		good = false;
	} else {
		cleanup_free char *text = mem_printf("%s%s", a->data_dir, there ? "" : " (made by the first run)");
		add(rows, "data folder", "place", true, text, NULL);
	}
	bool writable = place && !access(place, W_OK);
	add(rows, "data folder", "writable", writable, place,
		writable ? NULL : "choose another with --data or MUSTER_DATA");
	if (writable)
		check_disks(rows, place);
	if (place && !statvfs(place, &space)) {
		double free_gib = (double)space.f_bavail * (double)space.f_frsize / (1024.0 * 1024 * 1024);
		cleanup_free char *text = mem_printf("%.1f GiB free", free_gib);
		add(rows, "data folder", "space", free_gib >= 1, text,
			free_gib >= 1 ? NULL : "working copies and snapshots need room: free some");
	}
	if (there)
		add(rows, "data folder", "owner", true,
			remote_there(a) ? "a process is working on it" : "nobody works on it", NULL);
	add(rows, "data folder", "modes and roles", true, a->share, NULL);
	return good && writable;
}

static int check_providers(json_t *rows, struct app *a, struct err *e)
{
	cleanup_json json_t *providers = llm_providers(a->llm, e);
	size_t i;
	json_t *p;
	if (!providers)
		return -1;
	json_array_foreach(providers, i, p)
	{
		bool key = json_bool(p, "key", false);
		cleanup_free char *text = mem_printf("%s%s%s", json_str(p, "kind") ? json_str(p, "kind") : "",
			json_str(p, "base_url") ? " at " : "", json_str(p, "base_url") ? json_str(p, "base_url") : "");
		if (key)
			add(rows, "models", json_str(p, "name"), true, text, NULL);
	}
	static const char *const classes[] = {"fast", "strong", "reasoning"};
	for (i = 0; i < 3; i++) {
		struct llm_model found[8];
		struct err why = ERR_INIT;
		int n = llm_resolve(a->llm, classes[i], found, 8, &why);
		add(rows, "models", classes[i], n > 0, n > 0 ? found[0].name : "no model for this class",
			n > 0 ? NULL : why.text);
	}
	return 0;
}

/* ---- live ---- */

struct live {
	struct llm_check check;
	json_t *rows;
	bool over, passed;
};

static void on_row(struct llm_check *k, const char *name, bool ok, const char *detail)
{
	struct live *l = container_of(k, struct live, check);
	add(l->rows, "live", name, ok, detail, NULL);
}

static void on_done(struct llm_check *k, bool passed)
{
	struct live *l = container_of(k, struct live, check);
	l->over = true;
	l->passed = passed;
}

/* 1 passed, 0 not, -1 could not be tried. */
static int check_live(json_t *rows, struct app *a, const char *model, struct err *e)
{
	struct live l = {.rows = rows, .check = {.llm = a->llm, .model = model, .on_row = on_row, .on_done = on_done}};
	if (llm_check_start(&l.check, e))
		return -1;
	while (!l.over)
		loop_turn(a->loop, -1);
	return l.passed;
}

/* ---- printing ---- */

static int print(const json_t *rows, struct err *e)
{
	cleanup_buf struct buf out = BUF_INIT(CAP_OUTPUT);
	const char *part = "";
	size_t i;
	json_t *row;
	json_array_foreach(rows, i, row)
	{
		if (strcmp(part, json_str(row, "part")) != 0)
			buf_addf(&out, "%s%s\n", *part ? "\n" : "", json_str(row, "part"));
		part = json_str(row, "part");
		buf_addf(&out, "  %s ", json_bool(row, "ok", false) ? "ok" : "--");
		text_pad(json_span(row, "name"), 18, &out);
		buf_addc(&out, ' ');
		text_fit(json_span(row, "detail"), 400, &out);
		buf_addc(&out, '\n');
		if (json_str(row, "fix")) {
			buf_addf(&out, "  %-22smend it: ", "");
			text_fit(json_span(row, "fix"), 1000, &out);
			buf_addc(&out, '\n');
		}
	}
	return out_write(&out, e);
}

static int doctor(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	const char *provider = args_get(args, "provider");
	if (app_open(&a, args, APP_READ, e) || app_llm(&a, e))
		return -1;
	cleanup_json json_t *rows = json_array();
	bool good = true;
	if (!rows)
		return err_nomem(e);
	if (provider) {
		int passed = check_live(rows, &a, provider, e);
		if (passed < 0)
			return -1;
		good = passed;
	} else {
		good = check_sandbox(rows);
		good &= check_folder(rows, &a);
		if (check_providers(rows, &a, e))
			return -1;
	}
	cleanup_json json_t *all = json_pack("{s:b, s:s, s:O}", "ok", good, "version", MUSTER_VERSION, "checks", rows);
	int failed = !all ? err_nomem(e) : args_has(args, "json") ? out_json(all, e) : print(rows, e);
	return failed ? -1 : good ? 0 : err_exit(ERR_NO_SANDBOX);
}

const struct verb verb_doctor = {
	.name = "doctor",
	.words = "",
	.summary = "check what muster needs here: isolation, data folder, models",
	.help = "Exit status 4 when commands cannot be isolated, the data folder cannot be used, or a live check "
		"fails.",
	.options = options,
	.run = doctor,
};
