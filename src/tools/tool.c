/* tool: what every call goes through: its arguments are checked against the schema, its path against the agent's scope
 * and people's locks; then the tool's start(); at the end the result is cut to what a model is shown, and the whole
 * kept as a blob. */
#include <stdio.h>
#include <string.h>

#include "base/caps.h"
#include "base/schema.h"
#include "base/utf8.h"
#include "tools/private.h"

#define CONTENT_CAP (CAP_COMMAND_SPILL + MIB)

const char *tool_arg(const struct tool_call *c, const char *key)
{
	return json_str(c->args, key);
}

void tool_call_init(struct tool_call *c)
{
	memset(c, 0, sizeof(*c));
	c->exit = -1;
	buf_init(&c->content, CONTENT_CAP);
}

void tool_call_release(struct tool_call *c)
{
	buf_release(&c->content);
	blob_unref(c->blob.bytes);
	json_decref(c->evidence);
	json_decref(c->changed);
	json_decref(c->extra);
	mem_free(c->priv);
	mem_free(c->path);
	c->blob.bytes = NULL;
	c->evidence = c->changed = c->extra = NULL;
	c->priv = NULL;
	c->path = NULL;
}

void tool_changed(struct tool_call *c, const char *path)
{
	if (!c->changed)
		c->changed = json_array();
	json_array_append_new(c->changed, json_string(path));
}

/* ---- before ---- */

static bool below(const char *scope, const char *path)
{
	size_t n = strlen(scope);
	while (n > 1 && scope[n - 1] == '/')
		n--;
	return !n || (n == 1 && *scope == '.') || (!strncmp(path, scope, n) && (path[n] == '/' || path[n] == '\0'));
}

int tool_check_place(struct tool_call *c, const char *path, struct err *e)
{
	if (c->own_file && strcmp(path, c->own_file) != 0)
		return err_set(e, ERR_OUTSIDE, "you may only change your own file, %s; %s belongs to somebody else",
			c->own_file, path);
	if (c->scope && !c->own_file && !below(c->scope, path))
		return err_set(e, ERR_OUTSIDE, "%s lies outside your folder, %s", path, c->scope);
	char by[96];
	snprintf(by, sizeof(by), "agent/%s", c->agent);
	return locks_check(c->env->locks, path, by, clock_wall(loop_clock(c->env->loop)), e);
}

static int set_path(struct tool_call *c, struct err *e)
{
	char path[4096];
	if (!json_is_string(json_get(c->args, "path")))
		return 0;
	if (files_path(json_span(c->args, "path"), path, sizeof(path), e))
		return -1;
	c->path = mem_strdup(path);
	return c->path ? 0 : err_nomem(e);
}

int tool_call_start(struct tool_call *c, struct err *e)
{
	c->began_us = clock_mono(loop_clock(c->env->loop));
	const json_t *schema = tool_schema(c->tool);
	if (!schema)
		return err_nomem(e);
	if (schema_validate(schema, c->args, e) || (!c->path && set_path(c, e)) ||
		(c->path && (c->tool->effects & TOOL_WRITES) && tool_check_place(c, c->path, e)))
		return -1;
	return c->tool->job ? tool_pool(c, c->tool->job, e) : c->tool->start(c, e);
}

int tool_call_recover(struct tool_call *c, struct err *e)
{
	c->began_us = clock_mono(loop_clock(c->env->loop));
	return !c->path && set_path(c, e) ? TOOL_LOST : c->tool->recover(c, e);
}

void tool_call_cancel(struct tool_call *c)
{
	c->cancelled = true;
	if (c->tool->cancel)
		c->tool->cancel(c);
}

/* ---- after ---- */

static void finish(struct tick *t)
{
	struct tool_call *c = container_of(t, struct tool_call, tick);
	c->took_us = clock_mono(loop_clock(c->env->loop)) - c->began_us;
	c->on_done(c);
}

/* Keep head and tail of what a model is shown. */
static void shorten(struct tool_call *c)
{
	struct span all = buf_span(&c->content);
	size_t half = CAP_TOOL_RESULT / 2 - 100;
	size_t head = utf8_cut(all, half), tail = all.n - half;
	while (tail < all.n && ((unsigned char)all.p[tail] & 0xc0) == 0x80)
		tail++;
	struct buf out;
	buf_init(&out, CAP_TOOL_RESULT);
	buf_add(&out, all.p, head);
	buf_addf(&out, "\n… (%zu bytes left out here) …\n", tail - head);
	buf_add(&out, all.p + tail, all.n - tail);
	buf_release(&c->content);
	c->content = out;
	c->truncated = true;
}

static void spill_run(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	store_blob_hash(buf_span(&c->content), &c->blob.hash);
	c->blob.bytes = blob_new(c->content.data, c->content.len);
	if (!c->blob.bytes)
		err_nomem(&c->error);
	else if (!store_put_blobs(c->env->store, &c->blob, 1, &c->error))
		shorten(c);
	blob_unref(c->blob.bytes);
	c->blob.bytes = NULL;
}

static void spill_done(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	if (c->error.code != ERR_OK) {
		c->code = c->error.code;
		buf_clear(&c->content);
		buf_adds(&c->content, c->error.text);
	}
	tick_init(&c->tick, c->env->loop, finish);
	tick_start(&c->tick);
}

void tool_done(struct tool_call *c, const struct err *why)
{
	c->code = why->code;
	if (why->code != ERR_OK) {
		if (c->content.len)
			buf_adds(&c->content, "\n");
		buf_adds(&c->content, why->text);
	}
	struct err e = ERR_INIT;
	if (buf_check(&c->content, "the result", &e)) {
		buf_clear(&c->content);
		buf_adds(&c->content, e.text);
		c->code = e.code;
	}
	if (c->content.len > CAP_TOOL_RESULT) {
		if (!work_start(&c->work, c->env->loop, spill_run, spill_done, &e))
			return;
		buf_clear(&c->content);
		buf_adds(&c->content, e.text);
		c->code = e.code;
	}
	tick_init(&c->tick, c->env->loop, finish);
	tick_start(&c->tick);
}

/* ---- jobs on the pool ---- */

static void pool_run(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	c->job(c);
}

static void pool_done(struct work *w)
{
	struct tool_call *c = container_of(w, struct tool_call, work);
	struct err why = c->error;
	err_clear(&c->error);
	tool_done(c, &why);
}

int tool_pool(struct tool_call *c, void (*job)(struct tool_call *c), struct err *e)
{
	c->job = job;
	return work_start(&c->work, c->env->loop, pool_run, pool_done, e);
}
