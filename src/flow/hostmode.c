/* hostmode: the flow's call of another mode: call(mode, inputs). Its flow runs as a program of this run (program.h),
 * from the bundle that was pinned with the caller's. */
#include "base/caps.h"
#include "flow/hostcall.h"
#include "flow/mode.h"
#include "flow/program.h"

/* The mode's defaults, then what the caller gives. */
static json_t *settings_of(const struct mode *m, const json_t *given, struct err *e)
{
	json_t *settings = json_clone(mode_settings(m));
	if (settings && (!given || !json_object_update(settings, (json_t *)given)))
		return settings;
	json_decref(settings);
	err_nomem(e);
	return NULL;
}

/* The values of its file inputs: paths of the working copy. */
static json_t *files_of(const struct mode *m, const json_t *inputs, struct err *e)
{
	json_t *files = json_array();
	bool failed = !files;
	for (size_t i = 0; !failed && i < m->input_count; i++) {
		json_t *v = m->inputs[i].type == INPUT_FILE ? json_get(inputs, m->inputs[i].name) : NULL;
		failed = json_is_array(v) ? json_array_extend(files, v) : v ? json_array_append(files, v) : 0;
	}
	if (!failed)
		return files;
	json_decref(files);
	err_nomem(e);
	return NULL;
}

static json_t *given_to(struct run *r, const struct mode *m, const json_t *args, struct err *e)
{
	json_t *inputs = NULL;
	const json_t *settings = json_get(args, "settings");
	if (settings && !json_is_object(settings)) {
		err_set(e, ERR_INVALID, "call: settings must be a table of names and values");
		return NULL;
	}
	if (mode_check_inputs(m, json_get(args, "inputs"), &inputs, e))
		return NULL;
	cleanup_json json_t *files = files_of(m, inputs, e);
	cleanup_json json_t *own = files ? settings_of(m, settings, e) : NULL;
	json_t *given = own ? json_make(e, "{s:s, s:O, s:O, s:O, s:O?}", "mode", m->id, "inputs", inputs, "settings",
				      own, "files", files, "project", json_get(r->created, "project_info"))
			    : NULL;
	json_decref(inputs);
	return given;
}

int call_mode(struct run *r, const char *key, const json_t *args, const json_t *handlers, struct err *e)
{
	(void)handlers;
	const char *id = json_str(args, "mode");
	if (!id)
		return err_set(e, ERR_INVALID, "call needs the name of a mode");
	struct bundle *bundle = program_called(r, key, id, e);
	struct mode *m = bundle ? mode_pinned(bundle_mode(bundle), e) : NULL;
	json_t *given = m ? given_to(r, m, args, e) : NULL;
	mode_free(m);
	if (given)
		return program_begin(r, key, bundle, given, e);
	bundle_free(bundle);
	return -1;
}
