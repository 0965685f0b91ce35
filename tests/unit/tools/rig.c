#include "rig.h"

#include <sys/wait.h>

#include "base/caps.h"

static int shell(struct tool_env *env, struct tool_call *c, const char *line, struct err *e)
{
	struct rig *r = env->exec_ctx;
	char piece[4096];
	cleanup_free char *command = mem_printf("cd '%s' && (%s\n) 2>&1", r->s.dir, line);
	FILE *p = command ? popen(command, "r") : NULL;
	if (!p)
		return err_set(e, ERR_SPAWN, "%s cannot be run", line);
	for (size_t n; (n = fread(piece, 1, sizeof(piece), p)) > 0;)
		buf_add(&c->content, piece, n);
	int end = pclose(p);
	c->exit = WIFEXITED(end) ? WEXITSTATUS(end) : 128 + WTERMSIG(end);
	return 0;
}

int rig_new(void **state)
{
	static const uint8_t key[KEY_SIZE] = "a key of 32 bytes for the tests";
	struct rig *r = MEM_NEW(struct rig);
	struct err e = ERR_INIT;
	struct store_options o = {.chain_key = key, .clock = &clock_real};
	struct project_state st;
	json_setup();
	scratch_new(&r->top);
	r->loop = loop_new(&e);
	assert_non_null(r->loop);
	r->store = store_open(r->loop, &o, &e);
	if (!r->store)
		fail_msg("%s", e.text);
	put(&r->top, "project/README.md", "# A project\n");
	snprintf(r->s.dir, sizeof(r->s.dir), "%.200s/copy", r->top.dir);
	r->env.project = project_open(at(&r->top, "project"), &st, &e);
	if (!r->env.project)
		fail_msg("%s", e.text);
	snprintf(r->head, sizeof(r->head), "%s", st.head);
	must(project_checkout(r->env.project, st.head, r->s.dir, "muster/test", 0, &r->env.copy, r->store, &e), &e);
	r->env.files = files_open(r->s.dir, 0, &e);
	assert_non_null(r->env.files);
	locks_init(&r->locks, 100);
	r->settings = json_object();
	r->env.loop = r->loop;
	r->env.store = r->store;
	r->env.locks = &r->locks;
	r->env.run = "run";
	r->env.branch = "muster/test";
	r->env.head = r->head;
	r->env.settings = r->settings;
	r->env.exec = shell;
	r->env.exec_ctx = r;
	*state = r;
	return 0;
}

static void forget_call(struct rig *r)
{
	if (r->call.tool)
		tool_call_release(&r->call);
	json_decref(r->args);
	r->args = NULL;
	r->call.tool = NULL;
	buf_release(&r->shown);
}

static void freed(void *ctx)
{
	*(bool *)ctx = true;
}

int rig_free(void **state)
{
	struct rig *r = *state;
	bool gone = !r->env.sandbox;
	forget_call(r);
	if (r->env.sandbox)
		sandbox_free(r->env.sandbox, freed, &gone);
	for (int i = 0; i < 1000 && !gone; i++)
		loop_turn(r->loop, 10);
	assert_true(gone);
	files_close(r->env.files);
	copy_close(r->env.copy);
	project_close(r->env.project);
	mem_free(r->env.check);
	locks_release(&r->locks);
	json_decref(r->settings);
	store_close(r->store);
	loop_free(r->loop);
	scratch_free(&r->top);
	tools_release();
	mem_free(r);
	return 0;
}

bool rig_sandbox(struct rig *r)
{
	struct err e = ERR_INIT;
	const struct sandbox_host *host = sandbox_probe(&e);
	if (!host || host->level == SANDBOX_NONE)
		return false;
	struct sandbox_spec spec = {.copy = r->s.dir, .uid = getuid() == 0 ? 71901 : 0};
	sandbox_limits_default(&spec.limits);
	spec.limits.cpus = 2;
	if (spec.uid)
		must(sandbox_own(r->s.dir, spec.uid, &e), &e);
	/* The folder above lets the sandbox's user through. */
	assert_int_equal(chmod(r->top.dir, 0755), 0);
	r->env.sandbox = sandbox_new(r->loop, &spec, &e);
	if (!r->env.sandbox)
		fail_msg("%s", e.text);
	r->env.exec = NULL;
	return true;
}

static void on_done(struct tool_call *c)
{
	struct rig *r = c->ctx;
	r->done++;
}

static void on_output(struct tool_call *c, struct span bytes)
{
	struct rig *r = c->ctx;
	buf_addspan(&r->shown, bytes);
}

static void fill(struct rig *r, const char *tool, const char *args)
{
	struct err e = ERR_INIT;
	forget_call(r);
	buf_init(&r->shown, 100 << 20);
	r->args = json_parse(span_of(args), "the arguments", &e);
	if (!r->args)
		fail_msg("%s: %s", args, e.text);
	tool_call_init(&r->call);
	r->call.tool = tool_named(tool);
	assert_non_null(r->call.tool);
	r->call.env = &r->env;
	r->call.id = "c1_1";
	r->call.agent = "0";
	r->call.role = "worker";
	r->call.scope = r->scope;
	r->call.own_file = r->own_file;
	r->call.check = r->check;
	r->call.args = r->args;
	r->call.on_done = on_done;
	r->call.on_output = on_output;
	r->call.ctx = r;
	r->done = 0;
}

void rig_start(struct rig *r, const char *tool, const char *args)
{
	struct err e = ERR_INIT;
	fill(r, tool, args);
	if (!tool_call_start(&r->call, &e)) {
		assert_int_equal(r->done, 0); /* never from inside */
		return;
	}
	r->call.code = e.code;
	buf_adds(&r->call.content, e.text);
	r->done = 1;
}

void rig_wait(struct rig *r)
{
	int64_t until = clock_mono(loop_clock(r->loop)) + 60000000; /* long outputs come in many pieces */
	while (!r->done && clock_mono(loop_clock(r->loop)) < until)
		loop_turn(r->loop, 10);
	assert_int_equal(r->done, 1);
	if (r->call.content.len > CAP_TOOL_RESULT)
		fail_msg("%s told the agent %zu bytes", r->call.tool->name, r->call.content.len);
}

const char *rig_call(struct rig *r, const char *tool, const char *args)
{
	rig_start(r, tool, args);
	rig_wait(r);
	return buf_span(&r->call.content).p;
}

const char *rig_ok(struct rig *r, const char *tool, const char *args)
{
	const char *text = rig_call(r, tool, args);
	if (r->call.code != ERR_OK)
		fail_msg("%s%.300s: %s", tool, args, text);
	return text;
}

const char *rig_error(struct rig *r, const char *tool, const char *args, enum err_code code)
{
	const char *text = rig_call(r, tool, args);
	if (r->call.code != code)
		fail_msg("%s%.300s: %s, not %s: %s", tool, args, err_name(r->call.code), err_name(code), text);
	return text;
}

int rig_recover(struct rig *r, const char *tool, const char *args)
{
	struct err e = ERR_INIT;
	fill(r, tool, args);
	assert_non_null(r->call.tool->recover);
	int what = tool_call_recover(&r->call, &e);
	if (e.code != ERR_OK)
		fail_msg("%s", e.text);
	return what;
}

void rig_snapshot(struct rig *r)
{
	struct snapshot s = {0};
	struct err e = ERR_INIT;
	must(snapshot_take(r->env.copy, NULL, 0, &s, &e), &e);
	snapshot_release(&s);
}

const char *rig_changed(struct rig *r)
{
	static char out[4096];
	size_t i;
	json_t *path;
	*out = '\0';
	json_array_foreach(r->call.changed, i, path)
	{
		strncat(out, i ? " " : "", sizeof(out) - strlen(out) - 1);
		strncat(out, json_string_value(path), sizeof(out) - strlen(out) - 1);
	}
	return out;
}
