/* story: what is left of a run, as text that can be compared: its files, its end, what its agents said and got. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/mem.h"
#include "world.h"

static int visible(const struct dirent *d)
{
	bool temp = !strncmp(d->d_name, ".muster-", 8); /* half written when the process was killed: in no snapshot */
	return strcmp(d->d_name, ".") && strcmp(d->d_name, "..") && strcmp(d->d_name, ".git") && !temp;
}

static void add_folder(struct world *w, const char *dir, const char *under, struct buf *out)
{
	struct dirent **list;
	int n = scandir(dir, &list, visible, alphasort);
	if (n < 0)
		world_fail(w, "reading %s", dir);
	for (int i = 0; i < n; i++) {
		struct stat st;
		struct err e = ERR_INIT;
		cleanup_free char *path = mem_printf("%s/%s", dir, list[i]->d_name);
		cleanup_free char *name = mem_printf("%s%s", under, list[i]->d_name);
		cleanup_free char *below = mem_printf("%s/", name);
		cleanup_buf struct buf text = BUF_INIT(1 << 22);
		if (lstat(path, &st))
			world_fail(w, "stat %s", path);
		if (S_ISDIR(st.st_mode)) {
			add_folder(w, path, below, out);
		} else {
			world_must(w, fs_read(path, &text, &e), &e);
			buf_addf(out, "%s: ", name);
			buf_addspan(out, buf_span(&text));
			buf_addc(out, '\n');
		}
		free(list[i]);
	}
	free(list);
}

char *world_tree(struct world *w)
{
	struct buf out = BUF_INIT(1 << 24);
	char dir[512];
	snprintf(dir, sizeof(dir), "%s/data/copies/%s", w->root, w->id);
	add_folder(w, dir, "", &out);
	buf_addc(&out, '\n');
	return buf_take(&out);
}

static void take_end(void *ctx, const struct event *ev, const json_t *data)
{
	char **out = ctx;
	if (ev->type != EVENT_RUN_COMPLETED && ev->type != EVENT_RUN_FAILED && ev->type != EVENT_RUN_CANCELLED)
		return;
	cleanup_json json_t *v = json_pack("{s:s, s:O?, s:O?, s:O?}", "type", event_kinds[ev->type].type, "evidence",
		json_get(data, "evidence"), "result", json_get(data, "result"), "text", json_get(data, "text"));
	mem_free(*out);
	*out = json_text(v);
}

char *world_end(struct world *w)
{
	char *out = NULL;
	world_events(w, take_end, &out);
	if (!out)
		world_fail(w, "the run has no end");
	return out;
}

/* ---- what agents said and got ---- */

struct talk {
	json_t *all;   /* role and task → steps */
	json_t *names; /* agent → role and task: ids follow the order in which agents were made */
};

static json_t *talk_of(json_t *all, const char *agent)
{
	json_t *steps = json_get(all, agent);
	if (!steps) {
		steps = json_array();
		json_object_set_new(all, agent, steps);
	}
	return steps;
}

/* Which of the answer's calls it is: ids hold the turn before it. */
static const char *nth(const json_t *data)
{
	const char *id = json_str(data, "call"), *place = id ? strchr(id, '_') : NULL;
	return place ? place + 1 : "?";
}

static void take_talk(void *ctx, const struct event *ev, const json_t *data)
{
	struct talk *t = ctx;
	json_t *all = t->all;
	const char *agent = json_str(data, "agent");
	if (ev->type == EVENT_AGENT_STARTED) {
		cleanup_free char *task = json_text(json_get(data, "task"));
		cleanup_free char *name = mem_printf("%s: %s", json_str(data, "role"), task);
		json_object_set_new(t->names, agent, json_string(name));
	}
	json_t *steps = agent && json_str(t->names, agent) ? talk_of(all, json_str(t->names, agent)) : NULL;
	json_t *last = json_array_size(steps) ? json_array_get(steps, json_array_size(steps) - 1) : NULL;
	switch (ev->type) {
	case EVENT_MODEL_ANSWERED:
		if (json_bool(last, "again", false))
			json_array_remove(steps, json_array_size(steps) - 1);
		json_array_append_new(steps, json_pack("{s:O?, s:O?, s:{}}", "text", json_get(data, "text"), "calls",
						     json_get(data, "calls"), "results"));
		break;
	case EVENT_TOOL_LOST:
		if (strstr(json_str(data, "content"), "No file has changed"))
			json_object_set_new(last, "again", json_true());
		json_object_set_new(json_get(last, "results"), nth(data), json_null());
		break;
	case EVENT_TOOL_FINISHED:
	case EVENT_TOOL_ANSWERED:
		json_object_set_new(json_get(last, "results"), nth(data),
			json_pack("{s:O?, s:O?}", "status", json_get(data, "status"), "content",
				json_get(data, "content")));
		break;
	default:
		break;
	}
}

json_t *world_talk(struct world *w)
{
	struct talk t = {json_object(), json_object()};
	world_events(w, take_talk, &t);
	json_decref(t.names);
	return t.all;
}

/* ---- all of it ---- */

void outcome_take(struct outcome *o, struct world *w)
{
	*o = (struct outcome){.tree = world_tree(w), .end = world_end(w), .talk = world_talk(w)};
}

void outcome_release(struct outcome *o)
{
	mem_free(o->tree);
	mem_free(o->end);
	json_decref(o->talk);
}

void outcome_must_be(const struct outcome *o, const struct outcome *ref, struct world *w)
{
	if (strcmp(o->tree, ref->tree))
		world_fail(w, "its files are\n%s\nnot\n%s", o->tree, ref->tree);
	if (strcmp(o->end, ref->end))
		world_fail(w, "its end is\n%s\nnot\n%s", o->end, ref->end);
}

const struct outcome *outcome_reference(const struct scene *s)
{
	static const struct scene *of;
	static struct outcome ref;
	struct world w;
	if (of == s)
		return &ref;
	if (of)
		outcome_release(&ref);
	world_init(&w, s, 0, true);
	world_start(&w);
	world_finish(&w);
	outcome_take(&ref, &w);
	world_check(&w);
	if (s->evidence && !strstr(ref.end, s->evidence))
		world_fail(&w, "the reference ends with %s", ref.end);
	world_release(&w);
	of = s;
	return &ref;
}
