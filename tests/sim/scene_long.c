/* The run that is killed most: 66 steps of five agents, with files, edits, commands that must happen once, a question,
 * a gate and parallel work. */
#include <string.h>

#include "world.h"

#define C(name, args) "[{\"name\":\"" name "\",\"arguments\":" args "}]"
#define WRITE(path, text) C("write_file", "{\"path\":\"" path "\",\"content\":\"" text "\"}")
#define EDIT(path, from, to)                                                                                           \
	C("edit_file", "{\"path\":\"" path "\",\"edits\":[{\"from\":\"" from "\",\"to\":\"" to "\"}]}")
#define EFFECT(path, text) C("shell", "{\"command\":\"effect " path " " text "\"}")
#define READ(path) C("read_file", "{\"path\":\"" path "\"}")

static const char flow[] =
	"return function(run)\n"
	"  phase 'begin'\n"
	"  local lead = agent { role = 'lead', task = 'begin' }\n"
	"  phase 'work'\n"
	"  local out = parallel({ 'a', 'b', 'c', 'd' }, function(n)\n"
	"    local w = agent { role = 'worker', task = 'part ' .. n, scope = n, on = {\n"
	"      report = { summary = 's', schema = { type = 'object', properties = {} }, run = function()\n"
	"        write('report-' .. n .. '.txt', n)\n"
	"        return 'noted'\n"
	"      end } } }\n"
	"    return w.result\n"
	"  end)\n"
	"  gate { name = 'plan', title = 'Fine?', show = out }\n"
	"  for i = 1, 4 do\n"
	"    repeat\n"
	"      local r = exec { command = 'effect flow' .. i .. '.log did' }\n"
	"    until not r.lost or exists('flow' .. i .. '.log')\n"
	"  end\n"
	"  pcall(edit, 'begin.txt', { { from = 'three', to = 'three four' } })\n"
	"  commit { message = 'all' }\n"
	"  write('test.sh', 'have begin.txt four\\n')\n"
	"  return { lead.result, out, check {}.passed }\n"
	"end\n";

#define PART(n)                                                                                                        \
	{"worker", "part " n, WRITE(n "/one.txt", "one"), NULL},                                                       \
		{"worker", "part " n, EFFECT(n "/log.txt", "first"), NULL},                                            \
		{"worker", "part " n, EDIT(n "/one.txt", "one", "one two"), NULL},                                     \
		{"worker", "part " n, READ(n "/one.txt"), NULL},                                                       \
		{"worker", "part " n, EFFECT(n "/log.txt", "second"), NULL},                                           \
		{"worker", "part " n, EDIT(n "/one.txt", "two", "two three"), NULL},                                   \
		{"worker", "part " n, C("report", "{}"), NULL},                                                        \
		{"worker", "part " n, WRITE(n "/sub/two.txt", "2"), NULL},                                             \
		{"worker", "part " n, EFFECT(n "/third.txt", "third"), NULL},                                          \
		{"worker", "part " n, C("delete_path", "{\"path\":\"" n "/sub/two.txt\"}"), NULL},                     \
		{"worker", "part " n,                                                                                  \
			"[{\"name\":\"read_file\",\"arguments\":{\"path\":\"" n "/one.txt\"}},"                        \
			"{\"name\":\"read_file\",\"arguments\":{\"path\":\"" n "/log.txt\"}}]",                        \
			NULL},                                                                                         \
		{"worker", "part " n, C("note", "{\"key\":\"k\",\"value\":\"v\"}"), NULL},                             \
		{"worker", "part " n, EFFECT(n "/log.txt", "last"), NULL},                                             \
	{                                                                                                              \
		"worker", "part " n, C("finish", "{\"result\":\"made " n "\"}"), NULL                                  \
	}

static const struct line lines[] = {
	{"lead", NULL, WRITE("begin.txt", "one"), NULL},
	{"lead", NULL, EDIT("begin.txt", "one", "one two"), NULL},
	{"lead", NULL, EFFECT("begin.log", "begun"), NULL},
	{"lead", NULL, C("ask_human", "{\"name\":\"colour\",\"title\":\"Which?\",\"options\":[\"red\",\"blue\"]}"),
		NULL},
	{"lead", NULL, EDIT("begin.txt", "two", "two three"), NULL},
	{"lead", NULL, EFFECT("begin.log", "again"), NULL},
	{"lead", NULL, READ("begin.txt"), NULL},
	{"lead", NULL, C("list", "{}"), NULL},
	{"lead", NULL, C("finish", "{\"result\":\"begun\"}"), NULL},
	PART("a"),
	PART("b"),
	PART("c"),
	PART("d"),
	{"other", NULL, C("finish", "{\"result\":\"taken over\"}"), NULL},
	{NULL},
};

static const char *answers(const char *name, int nth)
{
	(void)nth;
	return !strcmp(name, "colour") ? "{\"option\":\"blue\"}" : "{\"option\":\"approve\"}";
}

const struct scene long_scene = {.name = "long",
	.mode = "long",
	.flow = flow,
	.roles = "lead worker other",
	.lines = lines,
	.answer = answers,
	.evidence = "done",
	.talk = true};
