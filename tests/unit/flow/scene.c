#include "scene.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int scene_new(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	fixture_init(f);
	fixture_mode(f, "simple",
		"return function(run)\n  local a = agent { role = 'worker', task = 'do it' }\n  return "
		"a.result\nend\n");
	*state = f;
	return 0;
}

int scene_free(void **state)
{
	fixture_release(*state);
	free(*state);
	return 0;
}

void scene_worker(struct fixture *f, const char *tools, const char *front)
{
	char text[2048];
	snprintf(text, sizeof(text), "tools: [%s]\n%s", tools, front ? front : "limits: {turns: 60}");
	fixture_role(f, "worker", text, "You work.");
}

static void add_line(struct fixture *f, json_t *line)
{
	char *text = json_text(line);
	fixture_line(f, text);
	mem_free(text);
	json_decref(line);
}

void scene_says(struct fixture *f, const char *role, const char *text, ...)
{
	json_t *calls = json_array();
	struct err e = ERR_INIT;
	va_list ap;
	va_start(ap, text);
	for (const char *name; (name = va_arg(ap, const char *));) {
		const char *args = va_arg(ap, const char *);
		json_t *parsed = json_parse(span_of(args), "arguments", &e);
		if (!parsed) /* what is no JSON is handed on as the model wrote it */
			parsed = json_string(args);
		json_array_append_new(calls, json_pack("{s:s, s:o}", "name", name, "arguments", parsed));
	}
	va_end(ap);
	add_line(f, json_pack("{s:{s:s}, s:{s:s, s:o}}", "match", "role", role, "reply", "text", text, "tool_calls",
			    calls));
}

void scene_cut(struct fixture *f, const char *role, const char *text)
{
	add_line(f,
		json_pack("{s:{s:s}, s:{s:s, s:s}}", "match", "role", role, "reply", "text", text, "stop", "length"));
}

void scene_fails(struct fixture *f, const char *role, const char *error)
{
	struct err e = ERR_INIT;
	json_t *v = json_parse(span_of(error), "the error", &e);
	assert_non_null(v);
	add_line(f, json_pack("{s:{s:s}, s:o}", "match", "role", role, "error", v));
}

void scene_play(struct fixture *f, const char *mode, const char *request, const char *state)
{
	fixture_open(f);
	fixture_start(f, mode, request);
	fixture_until(f, state);
}

void scene_answer(struct fixture *f, const char *name, const char *option, const char *text)
{
	struct err e = ERR_INIT;
	json_t *filter = json_pack("{s:s, s:s, s:s}", "run", f->id, "name", name, "state", "open");
	json_t *rows = store_actions(f->store, filter, 1, &e);
	if (json_array_size(rows) != 1)
		fail_msg("no action %s is open", name);
	json_t *command = json_pack("{s:s, s:O, s:s?, s:s?, s:s}", "kind", "answer", "action",
		json_get(json_array_get(rows, 0), "action"), "option", option, "text", text, "by", "ada");
	must(house_command(f->house, f->id, command, 0, &e), &e);
	json_decref(command);
	json_decref(rows);
	json_decref(filter);
}

void scene_replays(struct fixture *f)
{
	struct err e = ERR_INIT;
	struct store_verified v;
	char stream[80];
	snprintf(stream, sizeof(stream), "run/%s", f->id);
	int64_t matched = run_replay(f->house, f->id, &e);
	if (matched < 0)
		fail_msg("the replay differs: %s", e.text);
	assert_int_equal(matched, store_head(f->store, stream, &e));
	must(store_verify(f->store, NULL, &v, &e), &e);
}

static void talk_event(const struct event *ev, const json_t *data, struct buf *out)
{
	const char *agent = json_str(data, "agent"), *text = json_str(data, "text");
	size_t i;
	json_t *call;
	switch (ev->type) {
	case EVENT_MESSAGE_ADDED:
		buf_addf(out, "%s %s: %s\n", agent, json_str(data, "from"), text ? text : "");
		break;
	case EVENT_MODEL_ANSWERED:
		if (text)
			buf_addf(out, "%s says: %s\n", agent, text);
		json_array_foreach(json_get(data, "calls"), i, call)
		{
			char *args = json_get(call, "arguments") ? json_text(json_get(call, "arguments")) : NULL;
			buf_addf(out, "%s call %s %s\n", agent, json_str(call, "name"), args ? args : "?");
			mem_free(args);
		}
		break;
	case EVENT_TOOL_FINISHED:
	case EVENT_TOOL_ANSWERED:
		buf_addf(out, "%s %s: %s\n", agent, json_str(data, "status"),
			json_str(data, "content") ? json_str(data, "content") : "");
		break;
	case EVENT_TOOL_LOST:
		buf_addf(out, "%s lost: %s\n", agent, json_str(data, "content"));
		break;
	case EVENT_TOOL_DENIED:
		buf_addf(out, "%s denied: %s\n", agent, json_str(data, "reason"));
		break;
	case EVENT_AGENT_COMPACTED:
		buf_addf(out, "%s compacted by %s\n", agent, json_str(data, "how"));
		break;
	case EVENT_AGENT_FINISHED: {
		char *result = json_get(data, "result") ? json_text(json_get(data, "result")) : NULL;
		buf_addf(out, "%s ended %s %s %s\n", agent, json_str(data, "status"), result ? result : "",
			json_str(json_get(data, "error"), "text") ? json_str(json_get(data, "error"), "text") : "");
		mem_free(result);
		break;
	}
	case EVENT_ACTION_OPENED:
		buf_addf(out, "%s action %s (%s): %s\n", agent ? agent : "-", json_str(data, "name"),
			json_str(data, "kind"), json_str(data, "title"));
		break;
	default:
		break;
	}
}

char *scene_talk(struct fixture *f)
{
	struct buf out = BUF_INIT(64 << 20);
	struct event ev[64];
	struct err e = ERR_INIT;
	char stream[80];
	int64_t after = 0;
	int got;
	snprintf(stream, sizeof(stream), "run/%s", f->id);
	while ((got = store_read(f->store, stream, after, ev, 64, &e)) > 0)
		for (int i = 0; i < got; i++) {
			json_t *data = event_data(&ev[i], &e);
			talk_event(&ev[i], data, &out);
			json_decref(data);
			after = ev[i].seq;
			event_release(&ev[i]);
		}
	assert_int_equal(got, 0);
	return buf_take(&out);
}

bool scene_told(struct fixture *f, const char *text)
{
	char *talk = scene_talk(f);
	bool found = strstr(talk, text) != NULL;
	mem_free(talk);
	return found;
}

const char *scene_last(struct fixture *f, const char *type, const char *member)
{
	static char out[4096];
	json_t *data = fixture_last(f, type);
	snprintf(out, sizeof(out), "%s", json_str(data, member) ? json_str(data, member) : "");
	json_decref(data);
	return out;
}

double scene_spent(struct fixture *f, double *reserved)
{
	struct err e = ERR_INIT;
	char scope[80];
	double usd = 0;
	size_t i;
	json_t *row, *rows;
	assert_int_equal(store_settle(f->store, &e), 0);
	rows = store_budgets(f->store, &e);
	snprintf(scope, sizeof(scope), "run/%s", f->id);
	json_array_foreach(rows, i, row)
	{
		if (strcmp(json_str(row, "scope"), scope) != 0)
			continue;
		usd = json_num(row, "spent", 0);
		*reserved = json_num(row, "reserved", 0);
	}
	json_decref(rows);
	return usd;
}

void scene_play_until_killed(struct fixture *f, useconds_t us)
{
	int end;
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		struct err e = ERR_INIT;
		fixture_open(f);
		if (house_resume(f->house, f->id, &e) && e.code != ERR_FINAL)
			_exit(3);
		for (;;) {
			struct run *r = house_run(f->house, f->id);
			if (!r || run_final(r))
				_exit(0);
			if (run_broken(r)->code != ERR_OK) {
				fprintf(stderr, "broken: %s\n", run_broken(r)->text);
				_exit(4);
			}
			if (!loop_turn(f->loop, 10))
				usleep(1000); /* it waits, to be killed */
		}
	}
	usleep(us);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &end, 0), child);
	if (WIFEXITED(end) && WEXITSTATUS(end))
		fail_msg("the process ended with %d", WEXITSTATUS(end));
}
