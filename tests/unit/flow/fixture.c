#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/fs.h"

static void path_of(struct fixture *f, const char *name, char out[512])
{
	snprintf(out, 512, "%s/%s", f->root, name);
}

void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	struct err e = ERR_INIT;
	json_setup();
	must(crypt_setup(&e), &e);
	snprintf(f->root, sizeof(f->root), "/tmp/muster-flow-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	buf_init(&f->script, 64 << 20);
	memset(f->key, 7, sizeof(f->key));
	char path[512];
	path_of(f, "data", path);
	must(fs_mkdirs(path, 0700, &e), &e);
}

void fixture_file(struct fixture *f, const char *name, const char *text)
{
	char path[512], dir[512];
	struct err e = ERR_INIT;
	path_of(f, name, path);
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	must(fs_mkdirs(dir, 0755, &e), &e);
	must(fs_replace(path, span_of(text), 0644, &e), &e);
}

void fixture_mode(struct fixture *f, const char *id, const char *flow)
{
	char name[128], yaml[512];
	snprintf(name, sizeof(name), "modes/%s/flow.lua", id);
	fixture_file(f, name, flow);
	snprintf(yaml, sizeof(yaml),
		"id: %s\nname: %s\ndescription: A test.\nengine: planning\ncategory: test\ninputs:\n  - {name: task, "
		"type: text, label: Task}\n"
		"roles: [worker]\ngates: [plan]\n",
		id, id);
	snprintf(name, sizeof(name), "modes/%s/mode.yaml", id);
	fixture_file(f, name, yaml);
}

void fixture_role(struct fixture *f, const char *id, const char *front, const char *body)
{
	char name[128], text[4096];
	snprintf(name, sizeof(name), "roles/%s.md", id);
	snprintf(text, sizeof(text), "---\nid: %s\nname: %s\n%s\n---\n%s\n", id, id, front, body);
	fixture_file(f, name, text);
}

void fixture_line(struct fixture *f, const char *json)
{
	buf_adds(&f->script, json);
	buf_addc(&f->script, '\n');
}

static int shell(void *ctx, const char *line, const char *dir, struct buf *output, int *status)
{
	(void)ctx;
	char command[8192], piece[4096];
	snprintf(command, sizeof(command), "cd '%s' && (%s) 2>&1", dir, line);
	FILE *p = popen(command, "r");
	if (!p)
		return -1;
	for (size_t n; (n = fread(piece, 1, sizeof(piece), p)) > 0;)
		buf_add(output, piece, n);
	int end = pclose(p);
	*status = WIFEXITED(end) ? WEXITSTATUS(end) : 1;
	return 0;
}

void fixture_open(struct fixture *f)
{
	struct err e = ERR_INIT;
	char data[512], modes[512], roles[512], script[512];
	path_of(f, "data", data);
	path_of(f, "modes", modes);
	path_of(f, "roles", roles);
	path_of(f, "script.jsonl", script);
	if (f->shipped) {
		snprintf(modes, sizeof(modes), "%s/modes", getenv("MUSTER_SOURCE"));
		snprintf(roles, sizeof(roles), "%s/roles", getenv("MUSTER_SOURCE"));
	}
	must(fs_replace(script, buf_span(&f->script), 0644, &e), &e);
	f->loop = f->simulated ? loop_new_sim(1, 1700000000000000, &e) : loop_new(&e);
	assert_non_null(f->loop);
	struct store_options so = {
		.dir = data, .access = STORE_OWN, .chain_key = f->key, .clock = loop_clock(f->loop), .no_sync = true};
	if (f->simulated)
		so = (struct store_options){.access = STORE_OWN, .chain_key = f->key};
	f->store = store_open(f->loop, &so, &e);
	if (!f->store)
		fail_msg("%s", e.text);
	cleanup_json json_t *config =
		json_pack("{s:O*, s:O*, s:O*}", "models", f->models, "classes", f->classes, "prices", f->prices);
	struct llm_options lo = {.loop = f->loop, .allow_local = true, .config = config};
	f->llm = llm_new(&lo, &e);
	if (!f->llm)
		fail_msg("%s", e.text);
	struct house_options ho = {.loop = f->loop,
		.store = f->store,
		.llm = f->llm,
		.data_dir = data,
		.modes_dir = modes,
		.roles_dir = roles,
		.user = "tester",
		.settings = f->settings,
		.passivate = f->passivate,
		.exec = shell};
	f->house = house_new(&ho, &e);
	if (!f->house)
		fail_msg("%s", e.text);
}

static void closed(void *ctx)
{
	*(bool *)ctx = true;
}

void fixture_close(struct fixture *f)
{
	bool done = false;
	if (!f->loop)
		return;
	house_close(f->house, closed, &done);
	for (int i = 0; i < 1000 && !done; i++)
		loop_turn(f->loop, 10);
	assert_true(done);
	store_close(f->store);
	llm_free(f->llm);
	for (int i = 0; i < 100 && loop_turn(f->loop, 0); i++)
		;
	loop_free(f->loop);
	f->loop = NULL;
}

void fixture_release(struct fixture *f)
{
	struct err e = ERR_INIT;
	fixture_close(f);
	json_decref(f->models);
	json_decref(f->classes);
	json_decref(f->prices);
	json_decref(f->settings);
	buf_release(&f->script);
	must(fs_remove_tree(f->root, &e), &e);
}

void fixture_start(struct fixture *f, const char *mode, const char *request)
{
	struct err e = ERR_INIT;
	char project[512], model[600];
	path_of(f, "project", project);
	snprintf(model, sizeof(model), "script:%s/script.jsonl", f->root);
	json_t *q = request ? json_parse(span_of(request), "the request", &e) : json_object();
	if (!q)
		fail_msg("%s", e.text);
	json_object_set_new(q, "mode", json_string(mode));
	json_object_set_new(q, "project", json_string(project));
	if (!json_get(q, "inputs"))
		json_object_set_new(q, "inputs", json_object());
	if (!json_get(q, "model"))
		json_object_set_new(q, "model", json_string(model));
	must(house_create(f->house, q, f->id, &e), &e);
	json_decref(q);
	must(house_resume(f->house, f->id, &e), &e);
}

struct run *fixture_until(struct fixture *f, const char *state)
{
	for (int i = 0; i < 3000; i++) {
		struct run *r = house_run(f->house, f->id);
		if (r && run_broken(r)->code != ERR_OK)
			fail_msg("the run broke: %s", run_broken(r)->text);
		if (r && !strcmp(run_state(r), state) && run_quiet(r))
			return r;
		if (r && !strcmp(run_state(r), "failed") && strcmp(state, "failed") && run_quiet(r)) {
			char *journal = fixture_journal(f);
			fputs(journal, stderr);
			mem_free(journal);
			fail_msg("the run failed: %s", run_error(r)->text);
		}
		loop_turn(f->loop, 10);
	}
	char *journal = fixture_journal(f);
	fputs(journal, stderr);
	mem_free(journal);
	fail_msg("the run is %s, not %s", run_state(house_run(f->house, f->id)), state);
	return NULL;
}

char *fixture_journal(struct fixture *f)
{
	struct buf out;
	struct event ev[64];
	struct err e = ERR_INIT;
	char stream[80];
	int64_t after = 0;
	int got;
	buf_init(&out, 64 << 20);
	snprintf(stream, sizeof(stream), "run/%s", f->id);
	while ((got = store_read(f->store, stream, after, ev, 64, &e)) > 0)
		for (int i = 0; i < got; i++) {
			event_print(&ev[i], stream, &out);
			buf_addc(&out, '\n');
			after = ev[i].seq;
			event_release(&ev[i]);
		}
	return buf_take(&out);
}

static json_t *scan(struct fixture *f, const char *type, int *count)
{
	struct event ev[64];
	struct err e = ERR_INIT;
	char stream[80];
	int64_t after = 0;
	int got;
	json_t *last = NULL;
	snprintf(stream, sizeof(stream), "run/%s", f->id);
	while ((got = store_read(f->store, stream, after, ev, 64, &e)) > 0)
		for (int i = 0; i < got; i++) {
			if (!strcmp(event_kinds[ev[i].type].type, type)) {
				++*count;
				json_decref(last);
				last = event_data(&ev[i], &e);
			}
			after = ev[i].seq;
			event_release(&ev[i]);
		}
	return last;
}

int fixture_count(struct fixture *f, const char *type)
{
	int n = 0;
	json_decref(scan(f, type, &n));
	return n;
}

json_t *fixture_last(struct fixture *f, const char *type)
{
	int n = 0;
	return scan(f, type, &n);
}

void fixture_command(struct fixture *f, const char *text)
{
	struct err e = ERR_INIT;
	json_t *command = json_parse(span_of(text), "the command", &e);
	assert_non_null(command);
	must(house_command(f->house, f->id, command, 0, &e), &e);
	json_decref(command);
}

void fixture_gives(struct fixture *f, const char *mode, const char *result)
{
	fixture_open(f);
	fixture_start(f, mode, NULL);
	fixture_until(f, "completed");
	json_t *end = fixture_last(f, "run.completed");
	assert_string_equal(json_str(end, "result"), result);
	json_decref(end);
}

char *fixture_copy_file(struct fixture *f, const char *path)
{
	char full[600];
	struct buf out;
	struct err e = ERR_INIT;
	snprintf(full, sizeof(full), "%s/data/copies/%s/%s", f->root, f->id, path);
	buf_init(&out, 1 << 20);
	if (fs_read(full, &out, &e)) {
		buf_release(&out);
		return NULL;
	}
	return buf_take(&out);
}
