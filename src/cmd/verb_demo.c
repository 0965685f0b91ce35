/* demo: plays a recorded run. The model's and the person's words come from the recording; sandbox,
 * programs, tests and git are real. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cmd/drive.h"
#include "cmd/out.h"
#include "cmd/request.h"
#include "flow/run.h"

static const struct verb_option options[] = {
	{"project", "DIR", false, "where the project is built (default: in a new folder below /tmp)"},
	{"recording", "FILE", false, "another recording (default: the fullest of the shipped ones)"},
	{"yes", "NAME", true, "approve the gate of this name, where the recording has no answer"},
	{"answer", "NAME=TEXT", true, "answer the action of this name, where the recording has no answer"},
	{"json", NULL, false, "print the events as JSON lines"},
	{NULL},
};

static char *find_recording(const struct args *args, struct err *e)
{
	struct app a cleanup_app = {0};
	const char *given = args_get(args, "recording");
	if (given)
		return absolute_path(given, e);
	if (app_open(&a, args, APP_FOLDERS, e))
		return NULL;
	static const char *const shipped[] = {"build", "pipeline", "one_shot", NULL}; /* the fullest that is there */
	char *path = NULL;
	for (const char *const *name = shipped; *name && (!path || !fs_exists(path)); name++) {
		cleanup_free char *file = mem_printf("recordings/%s.jsonl", *name);
		mem_free(path);
		path = file ? fs_join(a.share, file) : NULL;
		if (!path) {
			err_nomem(e);
			return NULL;
		}
	}
	return path;
}

/* The folder in which everything lies that is not given; sets MUSTER_DATA for this process. */
static char *make_place(const struct args *args, struct err *e)
{
	const char *tmp = getenv("TMPDIR"), *data = getenv("MUSTER_DATA");
	char *dir = mem_printf("%s/muster-demo-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	if (!dir || !mkdtemp(dir)) {
		dir ? err_errno(e, errno, "a folder for the demonstration (%s)", dir) : err_nomem(e);
		mem_free(dir);
		return NULL;
	}
	cleanup_free char *place = fs_join(dir, "data");
	if (!args_get(args, "data") && (!data || !*data) && (!place || setenv("MUSTER_DATA", place, 1))) {
		err_nomem(e);
		mem_free(dir);
		return NULL;
	}
	return dir;
}

/* The header says what was asked when it was recorded. */
static json_t *request_from(
	struct app *a, const struct args *args, const char *recording, const char *place, struct err *e)
{
	const json_t *header = llm_script_header(a->llm, recording, e);
	cleanup_free char *model = mem_printf("script:%s", recording), *project = fs_join(place, "project");
	if (!header) {
		if (e->code == ERR_OK)
			err_set(e, ERR_INVALID, "%s has no header line {\"recording\": …}, so it is no recording",
				recording);
		return NULL;
	}
	const char *mode = json_str(header, "mode"), *dir = args_get(args, "project");
	const json_t *settings = json_get(header, "settings"), *check = json_get(header, "check");
	return json_make(e, "{s:s, s:O*, s:O*, s:O*, s:s, s:s, s:b}", "mode", mode ? mode : "build", "inputs",
		json_get(header, "inputs"), "settings", settings, "check", check, "model", model, "project",
		dir ? dir : project, "unattended", 1);
}

static int play(const struct args *args, const char *recording, const char *place, struct err *e)
{
	struct app a cleanup_app = {0};
	char id[ID_TEXT];
	if (app_open(&a, args, APP_OWN, e))
		return -1;
	cleanup_json json_t *request = request_from(&a, args, recording, place, e);
	if (!request || house_create(a.house, request, id, e))
		return -1;
	struct drive_options o = {.json = args_has(args, "json"), .unattended = true};
	int status = drive(&a, id, &o, e);
	if (status >= 0 && !o.json) {
		cleanup_buf struct buf out = BUF_INIT(8192);
		buf_addf(&out, "            muster show %s --data %s    (also: log, diff, replay, usage, fork)\n",
			run_short(id), a.data_dir);
		struct err ignored = ERR_INIT;
		out_write(&out, &ignored);
	}
	return status;
}

static int demo(const struct args *args, struct err *e)
{
	cleanup_free char *recording = find_recording(args, e);
	if (!recording)
		return -1;
	if (!fs_exists(recording))
		return err_set(e, ERR_NOT_FOUND,
			"the recording %s is missing: it belongs to muster's installation; install it again, or name "
			"another "
			"with --recording FILE",
			recording);
	cleanup_free char *place = make_place(args, e);
	return place ? play(args, recording, place, e) : -1;
}

const struct verb verb_demo = {
	.name = "demo",
	.words = "",
	.summary = "play a recorded run, live: a team of agents builds a small project",
	.help = "Needs no model: the agents' words were recorded from a real one. Everything else happens for real, in "
		"the\n"
		"sandbox: files are written, programs and tests run, commits are made.",
	.options = options,
	.run = demo,
};
