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
	struct house_job job;
	json_t *request, *defaults; /* defaults: the installation's */
	json_t *policies;	    /* rules by the scope's name: all but the run's */
	uid_t uid;
	struct event event; /* run.created */
	struct store_blob blob;
	char stream[EVENT_STREAM_MAX];
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

static void making_free(struct house_job *j)
{
	struct making *m = container_of(j, struct making, job);
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
	json_decref(m->request);
	json_decref(m->defaults);
	json_decref(m->policies);
	event_release(&m->event);
	blob_unref(m->blob.bytes);
	mem_free(m);
}

/* Defaults of the mode, then the installation's, then the request's. */
static int merge_settings(struct making *m, struct err *e)
{
	m->settings = json_object();
	const json_t *layers[] = {mode_settings(m->mode), m->defaults, json_get(m->request, "settings")};
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
	m->copy_dir = mem_printf("%s/copies/%s", m->job.house->data_dir, m->id);
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

static int take_files(struct making *m, struct err *e)
{
	const char *key;
	json_t *value, *one;
	size_t i;
	int failed = 0;
	m->files = json_array();
	m->taken = json_object();
	struct files *files = files_open(m->copy_dir, m->uid, e);
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
	cleanup_free char *name_of_run = title ? mem_strdup(title) : mode_run_name(m->mode, m->inputs);
	if (!name_of_run) {
		err_nomem(e);
		return NULL;
	}
	crypt_random(&seed, sizeof(seed));
	hash_hex(bundle, bundle_hex);
	hash_hex(copy_snapshot(m->copy), snapshot_hex);
	house_project_id(project_dir(m->project), project);
	const char *name = strrchr(project_dir(m->project), '/');
	json_t *data = json_make(e,
		"{s:s, s:s, s:s, s:s, s:O, s:O, s:O, s:s, s:I, s:s, s:s, s:s, s:s, s:b, s:b, s:{s:s, s:b}}", "mode",
		mode_id(m->mode), "project", project, "dir", project_dir(m->project), "title", name_of_run, "inputs",
		m->inputs, "settings", m->settings, "files", m->files, "bundle", bundle_hex, "seed",
		(json_int_t)(seed >> 2), "copy", m->copy_dir, "base", m->state.head, "branch", m->branch, "snapshot",
		snapshot_hex, "unattended", json_bool(q, "unattended", false), "land",
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
	if (json_object_size(m->policies))
		json_object_set(data, "policies", m->policies);
	if (!json_get(data, "user"))
		json_object_set_new(data, "user", json_string(m->job.house->user));
	return data;
}

static int prepare_created(struct making *m, struct err *e)
{
	cleanup_free char *text = bundle_text(m->bundle, e);
	if (!text)
		return -1;
	m->blob.bytes = blob_new(text, strlen(text));
	store_blob_hash(span_of(text), &m->blob.hash);
	cleanup_json json_t *data = m->blob.bytes ? created_json(m, &m->blob.hash, e) : NULL;
	cleanup_free char *payload = data ? json_text(data) : NULL;
	struct event *ev = &m->event;
	*ev = (struct event){.seq = 1,
		.type = EVENT_RUN_CREATED,
		.v = 1,
		.at = clock_wall(loop_clock(m->job.house->loop)),
		.actor = ACTOR_PERSON};
	ev->data = payload ? blob_new(payload, strlen(payload)) : NULL;
	snprintf(ev->actor_id, sizeof(ev->actor_id), "%s", m->job.house->user);
	snprintf(m->stream, sizeof(m->stream), "run/%s", m->id);
	id_new(ev->id, ev->at, NULL);
	if (!ev->data)
		return e->code == ERR_OK ? err_nomem(e) : -1;
	m->job.append = (struct append){
		.stream = m->stream, .events = ev, .event_count = 1, .blobs = &m->blob, .blob_count = 1};
	return house_lease(m->job.house, m->stream, &m->job.append.fence, e);
}

/* Rules that cannot be read are refused before there is a run, which could never begin. */
static int set_policies(struct making *m, struct err *e)
{
	const json_t *given = json_get(m->request, "policies"), *own = m->job.house->policy;
	m->policies = given ? json_clone(given) : json_object();
	if (!m->policies || (own && json_put(m->policies, "installation", json_incref((json_t *)own))))
		return err_nomem(e);
	struct policy *p = policy_new();
	int failed = p ? policies_load(p, m->policies, json_get(m->request, "policy"), e) : err_nomem(e);
	policy_free(p);
	return failed ? -1 : 0;
}

static int make(struct making *m, struct err *e)
{
	struct house *h = m->job.house;
	const char *mode = json_str(m->request, "mode");
	cleanup_free char *own_modes = fs_join(h->data_dir, "modes");
	cleanup_free char *own_roles = fs_join(h->data_dir, "roles");
	cleanup_free char *copies = fs_join(h->data_dir, "copies");
	if (!own_modes || !own_roles || !copies)
		return err_nomem(e);
	m->mode = mode_find(mode ? mode : "", own_modes, h->modes_dir, e);
	cleanup_free char *lib = fs_join(h->modes_dir, "lib");
	if (!m->mode || mode_check_inputs(m->mode, json_get(m->request, "inputs"), &m->inputs, e) ||
		merge_settings(m, e) || set_policies(m, e))
		return -1;
	struct bundle_places places = {.own_modes = own_modes,
		.modes = h->modes_dir,
		.lib = lib,
		.own_roles = own_roles,
		.roles = h->roles_dir};
	m->bundle = lib ? bundle_make(m->mode, m->inputs, &places, NULL, e) : NULL;
	if (!m->bundle || choose_dir(m, e))
		return e->code == ERR_OK ? err_nomem(e) : -1;
	m->project = project_open(m->dir, &m->state, e);
	if (!m->project || fs_mkdirs(copies, 0711, e) || copy_place(m->settings, m->copy_dir, m->uid, e) ||
		project_checkout(m->project, m->state.head, m->copy_dir, m->branch, m->uid, &m->copy, h->store, e) ||
		take_files(m, e))
		return -1;
	struct snapshot first = {0};
	if ((json_array_size(m->files) && snapshot_take(m->copy, NULL, 0, &first, e)) ||
		project_copy_keep(m->copy_dir, e))
		return -1;
	snapshot_release(&first);
	return prepare_created(m, e);
}

static int work_create(struct house_job *j, struct err *e)
{
	return make(container_of(j, struct making, job), e);
}

static json_t *created(struct house_job *j, struct err *e)
{
	return json_make(e, "{s:s}", "run", container_of(j, struct making, job)->id);
}

static void release_create(struct house_job *j)
{
	const struct making *m = container_of(j, struct making, job);
	if (j->why.code != ERR_OK && m->copy_dir)
		copy_unplace(m->copy_dir);
	making_free(j);
}

/* Asks the loop's thread for what only it knows: models, the next uid. */
static int check_model(const struct house *h, const json_t *request, struct err *e)
{
	struct llm_model one[8];
	const char *model = json_str(request, "model");
	return h->llm && model && llm_resolve(h->llm, model, one, 8, e) < 0 ? -1 : 0;
}

struct house_job *house_create_job(struct house *h, const json_t *request, struct err *e)
{
	struct making *m = check_model(h, request, e) ? NULL : MEM_NEW(struct making);
	if (!m) {
		if (e->code == ERR_OK)
			err_nomem(e);
		return NULL;
	}
	m->job = (struct house_job){.house = h, .work = work_create, .end = created, .release = release_create};
	m->request = json_incref((json_t *)request);
	m->defaults = json_incref(h->settings);
	m->uid = house_uid(h);
	if (json_str(request, "id"))
		snprintf(m->id, sizeof(m->id), "%s", json_str(request, "id"));
	else
		id_new(m->id, clock_wall(loop_clock(h->loop)), NULL);
	return &m->job;
}

int house_create(struct house *h, const json_t *request, char id[ID_TEXT], struct err *e)
{
	cleanup_json json_t *out = house_job_wait(house_create_job(h, request, e), e);
	snprintf(id, ID_TEXT, "%s", out ? json_str(out, "run") : "");
	return out ? 0 : -1;
}

/* ---- merging ---- */

struct merging {
	struct house_job job;
	char run[ID_TEXT];
	char *dir, *branch;
	struct commit_author who;
	char oid[OID_TEXT], into[sizeof(((struct project_state *)0)->branch)];
	bool already;
	json_t *conflicts;
};

static int work_merge(struct house_job *j, struct err *e)
{
	struct merging *m = container_of(j, struct merging, job);
	struct project_state state;
	struct project *p = project_open(m->dir, &state, e);
	if (!p)
		return -1;
	snprintf(m->into, sizeof(m->into), "%s", state.branch);
	int failed = project_merge(p, m->branch, &m->who, m->oid, &m->already, &m->conflicts, e);
	project_close(p);
	if (!failed) {
		json_decref(m->conflicts);
		m->conflicts = NULL;
	} else if (m->conflicts) {
		err_clear(e); /* what is in the way is the answer */
	}
	return failed && !m->conflicts ? -1 : 0;
}

static json_t *merged(struct house_job *j, struct err *e)
{
	const struct merging *m = container_of(j, struct merging, job);
	if (m->conflicts)
		return json_make(e, "{s:b, s:O}", "merged", 0, "conflicts", m->conflicts);
	struct run *live = house_run(j->house, m->run);
	cleanup_json json_t *command =
		json_pack("{s:s, s:s, s:s}", "kind", "merged", "commit", m->oid, "into", m->into);
	if (!m->already && live && (!command || run_command(live, command, 0, e)))
		return NULL;
	return json_make(
		e, "{s:b, s:b, s:s, s:s}", "merged", 1, "already", m->already, "commit", m->oid, "into", m->into);
}

static void release_merge(struct house_job *j)
{
	struct merging *m = container_of(j, struct merging, job);
	json_decref(m->conflicts);
	mem_free(m->dir);
	mem_free(m->branch);
	mem_free(m);
}

struct house_job *house_merge_job(struct house *h, const char *id, struct err *e)
{
	cleanup_json json_t *row = store_run(h->store, id, e);
	struct merging *m = row ? MEM_NEW(struct merging) : NULL;
	if (!row)
		return NULL;
	if (!m || !(m->dir = mem_strdup(json_str(row, "dir"))) || !(m->branch = mem_strdup(json_str(row, "branch")))) {
		if (m)
			release_merge(&m->job);
		err_nomem(e);
		return NULL;
	}
	m->job = (struct house_job){.house = h, .work = work_merge, .end = merged, .release = release_merge};
	m->who = (struct commit_author){
		.name = "muster", .email = "muster@localhost", .at_us = clock_wall(loop_clock(h->loop))};
	snprintf(m->run, sizeof(m->run), "%s", json_str(row, "run"));
	return &m->job;
}

json_t *house_merge(struct house *h, const char *id, struct err *e)
{
	return house_job_wait(house_merge_job(h, id, e), e);
}
