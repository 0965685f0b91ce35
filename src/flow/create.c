/* create: makes a run that somebody asked for. Everything is checked before anything is made; then project, working
 * copy, bundle, run.created. */
#include "flow/private.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"
#include "flow/house_private.h"
#include "flow/mode.h"

struct making {
	struct house *house;
	const json_t *request;
	struct mode *mode;
	struct bundle *bundle;
	struct project *project;
	struct project_state state;
	struct copy *copy;
	char id[ID_TEXT];
	char *dir, *copy_dir, *branch;
	json_t *inputs, *settings, *files;
	json_t *taken; /* path in the copy → the file given as an input */
};

static void making_release(struct making *m)
{
	mode_free(m->mode);
	bundle_free(m->bundle);
	copy_close(m->copy);
	project_close(m->project);
	mem_free(m->dir);
	mem_free(m->copy_dir);
	mem_free(m->branch);
	json_decref(m->inputs);
	json_decref(m->settings);
	json_decref(m->files);
	json_decref(m->taken);
}

/* Defaults of the mode, then the installation's, then the request's. */
static int merge_settings(struct making *m, struct err *e)
{
	m->settings = json_object();
	const json_t *layers[] = {mode_settings(m->mode), m->house->settings, json_get(m->request, "settings")};
	for (size_t i = 0; i < 3; i++)
		if (!m->settings || (layers[i] && json_object_update(m->settings, (json_t *)layers[i])))
			return err_nomem(e);
	return 0;
}

static int choose_dir(struct making *m, struct err *e)
{
	const char *given = json_str(m->request, "project");
	char cwd[4096];
	if (given && *given == '/')
		m->dir = mem_strdup(given);
	else if (!getcwd(cwd, sizeof(cwd)))
		return err_errno(e, errno, "the current folder");
	else if (given)
		m->dir = fs_join(cwd, given);
	else
		m->dir = mem_printf("%s/%s-%s", cwd, mode_id(m->mode), run_short(m->id));
	m->copy_dir = mem_printf("%s/copies/%s", m->house->data_dir, m->id);
	m->branch = mem_printf("muster/%s", run_short(m->id));
	return m->dir && m->copy_dir && m->branch ? 0 : err_nomem(e);
}

/* A file given as an input is copied into the working copy, below input_files/. What the project has there may be a
 * link that somebody made: it is not followed out of the copy. */
static int take_file(struct making *m, struct files *files, const char *path, struct err *e)
{
	cleanup_buf struct buf bytes = BUF_INIT(CAP_INPUT_FILE);
	cleanup_free char *target = mem_printf("input_files/%s", strrchr(path, '/') ? strrchr(path, '/') + 1 : path);
	if (!target)
		return err_nomem(e);
	const char *before = json_str(m->taken, target);
	if (before && strcmp(before, path) != 0)
		return err_set(e, ERR_INVALID, "the input files %s and %s would both be %s: rename one of them", before,
			path, target);
	if (fs_read(path, &bytes, e) || files_take(files, target, buf_span(&bytes), NULL, e))
		return err_wrap(e, "the input file %s", path);
	return json_put(m->taken, target, json_string(path)) || json_array_append_new(m->files, json_string(target))
		       ? err_nomem(e)
		       : 0;
}

static int take_files(struct making *m, uid_t uid, struct err *e)
{
	const char *key;
	json_t *value, *one;
	size_t i;
	int failed = 0;
	m->files = json_array();
	m->taken = json_object();
	struct files *files = files_open(m->copy_dir, uid, e);
	if (!files || !m->files || !m->taken) {
		files_close(files);
		return e->code == ERR_OK ? err_nomem(e) : -1;
	}
	json_object_foreach(m->inputs, key, value)
	{
		if (failed || !mode_input_is_file(m->mode, key))
			continue;
		if (json_is_string(value))
			failed = take_file(m, files, json_string_value(value), e);
		json_array_foreach(value, i, one) if (!failed && json_is_string(one)) failed =
			take_file(m, files, json_string_value(one), e);
	}
	files_close(files);
	return failed;
}

void house_project_id(const char *dir, char out[PROJECT_ID])
{
	struct hash h;
	char hex[HASH_HEX];
	hash_bytes(&h, NULL, span_of(dir));
	hash_hex(&h, hex);
	snprintf(out, PROJECT_ID, "%.16s", hex);
}

static json_t *created_json(struct making *m, const struct hash *bundle, struct err *e)
{
	char bundle_hex[HASH_HEX], snapshot_hex[HASH_HEX], project[PROJECT_ID];
	uint64_t seed;
	const json_t *q = m->request;
	const char *title = json_str(q, "title");
	crypt_random(&seed, sizeof(seed));
	hash_hex(bundle, bundle_hex);
	hash_hex(copy_snapshot(m->copy), snapshot_hex);
	house_project_id(project_dir(m->project), project);
	const char *name = strrchr(project_dir(m->project), '/');
	json_t *data = json_make(e,
		"{s:s, s:s, s:s, s:s, s:O, s:O, s:O, s:s, s:I, s:s, s:s, s:s, s:s, s:b, s:b, s:{s:s, s:b}}", "mode",
		mode_id(m->mode), "project", project, "dir", project_dir(m->project), "title",
		title ? title : mode_name(m->mode), "inputs", m->inputs, "settings", m->settings, "files", m->files,
		"bundle", bundle_hex, "seed", (json_int_t)(seed >> 2), "copy", m->copy_dir, "base", m->state.head,
		"branch", m->branch, "snapshot", snapshot_hex, "unattended", json_bool(q, "unattended", false), "land",
		m->state.created || m->state.empty, "project_info", "name", name ? name + 1 : "project", "empty",
		m->state.created || m->state.empty);
	if (!data)
		return NULL;
	static const char *const passed[] = {
		"model", "budget_usd", "policy", "check", "gates_off", "record", "user", "priority", "untrusted", NULL};
	for (const char *const *key = passed; *key; key++)
		if (json_get(q, *key))
			json_object_set(data, *key, json_get(q, *key));
	const char *check = json_str(m->inputs, "check");
	if (!json_get(q, "check") && check && *check)
		json_object_set(data, "check", json_get(m->inputs, "check"));
	if (m->house->policy)
		json_object_set_new(data, "policies", json_pack("{s:O}", "installation", m->house->policy));
	if (!json_get(data, "user"))
		json_object_set_new(data, "user", json_string(m->house->user));
	return data;
}

static int append_created(struct making *m, struct err *e)
{
	cleanup_free char *text = bundle_text(m->bundle, e);
	if (!text)
		return -1;
	struct store_blob blob = {.bytes = blob_new(text, strlen(text))};
	store_blob_hash(span_of(text), &blob.hash);
	cleanup_json json_t *data = blob.bytes ? created_json(m, &blob.hash, e) : NULL;
	cleanup_free char *payload = data ? json_text(data) : NULL;
	struct event ev = {.seq = 1,
		.type = EVENT_RUN_CREATED,
		.v = 1,
		.at = clock_wall(loop_clock(m->house->loop)),
		.actor = ACTOR_PERSON};
	ev.data = payload ? blob_new(payload, strlen(payload)) : NULL;
	char stream[EVENT_STREAM_MAX];
	int64_t fence;
	int failed = -1;
	snprintf(ev.actor_id, sizeof(ev.actor_id), "%s", m->house->user);
	snprintf(stream, sizeof(stream), "run/%s", m->id);
	id_new(ev.id, ev.at, NULL);
	if (!ev.data)
		e->code == ERR_OK ? err_nomem(e) : -1;
	else if (!house_lease(m->house, stream, &fence, e)) {
		struct append a = {.stream = stream,
			.fence = fence,
			.events = &ev,
			.event_count = 1,
			.blobs = &blob,
			.blob_count = 1};
		failed = store_append_wait(m->house->store, &a, e);
	}
	event_release(&ev);
	blob_unref(blob.bytes);
	return failed;
}

/* Rules that cannot be read are refused before there is a run, which could never begin. */
static int check_policy(const struct making *m, struct err *e)
{
	struct policy *p = policy_new();
	const json_t *own = m->house->policy, *run = json_get(m->request, "policy");
	int failed = !p ? err_nomem(e)
			: (own && policy_load_json(p, POLICY_INSTALLATION, own, e)) ||
				     (run && policy_load_json(p, POLICY_RUN, run, e));
	policy_free(p);
	return failed ? -1 : 0;
}

static int make(struct making *m, struct err *e)
{
	struct house *h = m->house;
	const char *mode = json_str(m->request, "mode");
	cleanup_free char *own_modes = fs_join(h->data_dir, "modes");
	cleanup_free char *own_roles = fs_join(h->data_dir, "roles");
	cleanup_free char *copies = fs_join(h->data_dir, "copies");
	if (!own_modes || !own_roles || !copies)
		return err_nomem(e);
	m->mode = mode_find(mode ? mode : "", own_modes, h->modes_dir, e);
	cleanup_free char *lib = fs_join(h->modes_dir, "lib");
	if (!m->mode || mode_check_inputs(m->mode, json_get(m->request, "inputs"), &m->inputs, e) ||
		merge_settings(m, e) || check_policy(m, e))
		return -1;
	struct bundle_places places = {.own_modes = own_modes,
		.modes = h->modes_dir,
		.lib = lib,
		.own_roles = own_roles,
		.roles = h->roles_dir};
	m->bundle = lib ? bundle_make(m->mode, &places, NULL, e) : NULL;
	if (!m->bundle || choose_dir(m, e))
		return e->code == ERR_OK ? err_nomem(e) : -1;
	if (h->llm && json_str(m->request, "model")) {
		struct llm_model one[8];
		if (llm_resolve(h->llm, json_str(m->request, "model"), one, 8, e) < 0)
			return -1;
	}
	m->project = project_open(m->dir, &m->state, e);
	uid_t uid = house_uid(h);
	if (!m->project || fs_mkdirs(copies, 0711, e) || copy_place(m->settings, m->copy_dir, uid, e) ||
		project_checkout(m->project, m->state.head, m->copy_dir, m->branch, uid, &m->copy, h->store, e) ||
		take_files(m, uid, e))
		return -1;
	struct snapshot first = {0};
	if ((json_array_size(m->files) && snapshot_take(m->copy, NULL, 0, &first, e)) ||
		project_copy_keep(m->copy_dir, e))
		return -1;
	snapshot_release(&first);
	return append_created(m, e);
}

int house_create(struct house *h, const json_t *request, char id[ID_TEXT], struct err *e)
{
	struct making m = {.house = h, .request = request};
	if (json_str(request, "id"))
		snprintf(m.id, sizeof(m.id), "%s", json_str(request, "id"));
	else
		id_new(m.id, clock_wall(loop_clock(h->loop)), NULL);
	int failed = make(&m, e);
	if (failed && m.copy_dir)
		copy_unplace(m.copy_dir);
	snprintf(id, ID_TEXT, "%s", m.id);
	making_release(&m);
	return failed;
}

/* ---- merging ---- */

json_t *house_merge(struct house *h, const char *id, struct err *e)
{
	cleanup_json json_t *row = store_run(h->store, id, e);
	struct project_state state;
	if (!row)
		return NULL;
	const char *full = json_str(row, "run"), *branch = json_str(row, "branch");
	struct project *p = project_open(json_str(row, "dir"), &state, e);
	if (!p)
		return NULL;
	struct commit_author who = {
		.name = "muster", .email = "muster@localhost", .at_us = clock_wall(loop_clock(h->loop))};
	char oid[OID_TEXT] = "";
	bool already = false;
	json_t *conflicts = NULL;
	int failed = project_merge(p, branch, &who, oid, &already, &conflicts, e);
	project_close(p);
	if (failed && !conflicts)
		return NULL;
	json_t *out = failed ? json_pack("{s:b, s:o}", "merged", 0, "conflicts", conflicts)
			     : json_pack("{s:b, s:b, s:s}", "merged", 1, "already", already, "commit", oid);
	if (!failed)
		json_decref(conflicts);
	cleanup_json json_t *command =
		json_pack("{s:s, s:s, s:s}", "kind", "merged", "commit", oid, "into", state.branch);
	struct run *live = house_run(h, full);
	if (!failed && !already && live && run_command(live, command, 0, e)) {
		json_decref(out);
		return NULL;
	}
	return out;
}
