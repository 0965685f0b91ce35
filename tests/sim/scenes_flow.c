/* Flows made to be shuffled: each call of the host, in every mixture of branches. What a scene returns is what holds in
 * every order. */
#include <string.h>

#include "world.h"

#define C(name, args) "[{\"name\":\"" name "\",\"arguments\":" args "}]"
#define FINISH(text) C("finish", "{\"result\":\"" text "\"}")

static const char parallel_flow[] =
	"return function(run)\n"
	"  local list = {}\n"
	"  for i = 1, 50 do list[i] = i end\n"
	"  return parallel(list, function(i)\n"
	"    local text = ''\n"
	"    for k = 1, i % 4 do\n"
	"      if (i + k) % 3 == 0 then sleep(i % 7) elseif (i + k) % 3 == 1 then random() else now() end\n"
	"      text = text .. i .. '.' .. k .. ' '\n"
	"    end\n"
	"    if i % 10 == 0 then\n"
	"      local a = agent { role = 'worker', task = 'part' .. i, scope = 'd' .. i }\n"
	"      text = text .. a.result\n"
	"    end\n"
	"    if i % 5 == 0 then write('f' .. i .. '.txt', text) end\n"
	"    return text\n"
	"  end)\n"
	"end\n";
#define PART(n)                                                                                                        \
	{"worker", "part" n, C("write_file", "{\"path\":\"d" n "/a.txt\",\"content\":\"" n "\"}"), NULL},              \
		{"worker", "part" n, C("shell", "{\"command\":\"effect d" n "/log.txt once" n "\"}"), NULL},           \
	{                                                                                                              \
		"worker", "part" n, FINISH("made " n), NULL                                                            \
	}
static const struct line parallel_lines[] = {PART("10"), PART("20"), PART("30"), PART("40"), PART("50"), {NULL}};

/* Handlers, started agents, messages, signals, background work. */
static const char team_flow[] =
	"return function(run)\n"
	"  local heard = {}\n"
	"  background(function()\n"
	"    for i = 1, 3 do heard[#heard + 1] = waitfor('heard') end\n"
	"    table.sort(heard)\n"
	"    signal('all', heard)\n"
	"  end)\n"
	"  background(function() sleep(0.5); error('nobody waits for this') end)\n"
	"  local lead = start { role = 'lead', task = 'lead it', on = { wait = function() return 'waiting' end } }\n"
	"  local out = parallel({ 'x', 'y', 'z' }, function(name)\n"
	"    local a = agent { role = 'worker', name = name, task = 'do ' .. name, on = {\n"
	"      shout = { summary = 's', schema = { type = 'object', properties = {} }, run = function(args, info)\n"
	"        sleep(0.01)\n"
	"        parallel({ 1, 2 }, function(i) return random() end)\n"
	"        signal('heard', name)\n"
	"        return 'heard ' .. name\n"
	"      end },\n"
	"      finish = function(args) if name == 'y' and args.result ~= 'again' then return { continue = 'once more' "
	"} end return true end\n"
	"    } }\n"
	"    return a.result\n"
	"  end)\n"
	"  local all = waitfor('all')\n"
	"  tell(lead, 'all are done')\n"
	"  local led = await(lead)\n"
	"  local idle = start { role = 'idle', task = 'idle', on = { wait = function() return 'waiting' end } }\n"
	"  sleep(5)\n"
	"  stop(idle, 'not needed')\n"
	"  return { out = out, all = all, led = led.result, idle = await(idle).status, list = #agents() }\n"
	"end\n";
static const struct line team_lines[] = {
	{"lead", NULL, C("wait", "{}"), NULL},
	{"lead", NULL, FINISH("led"), NULL},
	{"idle", NULL, C("wait", "{}"), NULL},
	{"worker", "do y", C("shout", "{}"), NULL},
	{"worker", "do y", FINISH("first"), NULL},
	{"worker", "do y", FINISH("again"), NULL},
	{"worker", NULL, C("shout", "{}"), NULL},
	{"worker", NULL, FINISH("ok"), NULL},
	{NULL},
};

/* People: questions of branches and agents, gates sent back, a gate that is off. */
static const char people_flow[] =
	"return function(run)\n"
	"  local off = gate { name = 'off', title = 'Off?' }\n"
	"  local out = parallel({ 'red', 'blue', 'green' }, function(c)\n"
	"    local x = ask { name = c, title = 'Like ' .. c .. '?', options = { 'yes', 'no' } }\n"
	"    return c .. ' ' .. (x.option or x.text)\n"
	"  end)\n"
	"  local again, rounds = nil, 0\n"
	"  repeat\n"
	"    local g = gate { name = 'plan', title = 'So?', show = out }\n"
	"    rounds = rounds + 1\n"
	"    again = g.reason\n"
	"  until g.approved\n"
	"  local a = agent { role = 'worker', task = 'ask and write' }\n"
	"  return { off.approved, out, rounds, a.result }\n"
	"end\n";
static const struct line people_lines[] = {
	{"worker", NULL, C("ask_human", "{\"name\":\"colour\",\"title\":\"Which?\",\"options\":[\"red\",\"blue\"]}"),
		NULL},
	{"worker", NULL, C("write_file", "{\"path\":\"colour.txt\",\"content\":\"blue\"}"), NULL},
	{"worker", NULL, C("shell", "{\"command\":\"put shell.txt x\"}"), NULL}, /* needs an approval */
	{"worker", NULL, C("delete_path", "{\"path\":\"colour.txt\"}"), NULL},	 /* is denied */
	{"worker", NULL, FINISH("blue"), NULL},
	{NULL},
};
static const char *people_answers(const char *name, int nth)
{
	if (!strcmp(name, "plan"))
		return nth < 2 ? "{\"option\":\"revise\",\"text\":\"not yet\"}" : "{\"option\":\"approve\"}";
	if (!strcmp(name, "red"))
		return "{\"text\":\"perhaps\"}";
	if (!strcmp(name, "colour"))
		return "{\"option\":\"blue\"}";
	if (!strcmp(name, "blue") || !strcmp(name, "green"))
		return "{\"option\":\"no\"}";
	return "{\"option\":\"approve\"}";
}

/* Errors, everywhere they can be. */
static const char errors_flow[] =
	"local function why(fn, ...)\n"
	"  local ok, e = pcall(fn, ...)\n"
	"  return ok and 'fine' or type(e) == 'table' and e.code or tostring(e):gsub('^.-: ', '')\n"
	"end\n"
	"return function(run)\n"
	"  local out = {}\n"
	"  out[1] = why(read, 'missing.txt')\n"
	"  out[2] = why(read, '../outside')\n"
	"  out[3] = why(edit, 'missing.txt', { { from = 'a', to = 'b' } })\n"
	"  out[4] = why(agent, { role = 'nobody', task = 'x' })\n"
	"  out[5] = why(function() return parallel({ 3, 2, 1 }, function(i)\n"
	"    sleep(i)\n"
	"    if i ~= 2 then error('branch ' .. i, 0) end\n"
	"  end) end)\n"
	"  out[6] = why(await, '99')\n"
	"  out[7] = why(write, '.git/config', 'x')\n"
	"  out[8] = exec { command = 'false', again = true }.exit\n"
	"  out[9] = why(check, {})\n"
	"  out[10] = why(merge, { branch = 'none' })\n"
	"  local fails = agent { role = 'worker', task = 'fail' }\n"
	"  out[11] = fails.status\n"
	"  local turns = agent { role = 'worker', task = 'turn', limits = { turns = 2 } }\n"
	"  out[12] = turns.status\n"
	"  return out\n"
	"end\n";
static const struct line errors_lines[] = {
	{"worker", "fail", NULL, "no call"},
	{"worker", "fail", C("nothing", "{}"), NULL},
	{"worker", "fail", C("write_file", "{\"path\":7}"), NULL},
	{"worker", "fail", C("read_file", "{\"path\":\"../x\"}"), NULL},
	{"worker", "fail", NULL, "no call"},
	{"worker", "fail", NULL, "no call"},
	{"worker", "fail", NULL, "no call"},
	{"worker", "fail", NULL, "no call"},
	{"worker", "turn", C("list", "{}"), NULL},
	{"worker", "turn", C("glob", "{\"pattern\":\"**\"}"), NULL},
	{NULL},
};

static const char failing_flow[] = "return function(run)\n"
				   "  parallel({ 1, 2, 3 }, function(i) sleep(4 - i); write('f' .. i, 'x'); if i == 2 "
				   "then error('the end', 0) end end)\n"
				   "end\n";

/* Working copies of branches, merged; one conflicts. */
static const char branch_flow[] =
	"return function(run)\n"
	"  write('shared.txt', 'base\\n')\n"
	"  commit { message = 'base' }\n"
	"  local out = parallel({ 'left', 'right', 'third' }, function(name)\n"
	"    local b = branch { name = name }\n"
	"    local a = agent { role = 'worker', task = 'work ' .. name, copy = b.copy }\n"
	"    return a.result\n"
	"  end)\n"
	"  local merged = {}\n"
	"  for _, name in ipairs { 'left', 'right', 'third' } do\n"
	"    local m = merge { branch = name, message = 'take ' .. name }\n"
	"    merged[#merged + 1] = m.merged and 'merged' or 'conflict'\n"
	"  end\n"
	"  return { out, merged, read 'left.txt', read 'right.txt', read 'shared.txt', exists 'third.txt' }\n"
	"end\n";
#define SIDE(n)                                                                                                        \
	{"worker", "work " n, C("write_file", "{\"path\":\"" n ".txt\",\"content\":\"" n "\"}"), NULL},                \
	{                                                                                                              \
		"worker", "work " n, C("shell", "{\"command\":\"effect " n ".log " n "\"}"), NULL                      \
	}
static const struct line branch_lines[] = {
	SIDE("left"),
	{"worker", "work left", C("write_file", "{\"path\":\"shared.txt\",\"content\":\"left\"}"), NULL},
	{"worker", "work left", FINISH("left"), NULL},
	SIDE("right"),
	{"worker", "work right", FINISH("right"), NULL},
	SIDE("third"),
	{"worker", "work third", C("write_file", "{\"path\":\"shared.txt\",\"content\":\"third\"}"), NULL},
	{"worker", "work third", FINISH("third"), NULL},
	{NULL},
};

/* Long runs: segments, with agents and files in each. */
static const char segments_flow[] =
	"return function(run)\n"
	"  local state = run.state or { round = 1, seen = {} }\n"
	"  local a = agent { role = 'worker', task = 'round' .. state.round }\n"
	"  local parts = parallel({ 1, 2, 3 }, function(i) sleep(i); return state.round * 10 + i end)\n"
	"  write('round' .. state.round .. '.txt', a.result)\n"
	"  state.seen[#state.seen + 1] = parts\n"
	"  if state.round < 4 then\n"
	"    state.round = state.round + 1\n"
	"    continue_as(state)\n"
	"  end\n"
	"  return state.seen\n"
	"end\n";
static const struct line segments_lines[] = {
	{"worker", NULL, C("shell", "{\"command\":\"put shell.txt x\"}"), NULL},
	{"worker", NULL, FINISH("ok"), NULL},
	{NULL},
};

/* The workspace's calls, several at once. */
static const char files_flow[] =
	"return function(run)\n"
	"  phase 'files'\n"
	"  vars.limit = 3\n"
	"  plan { { id = 'a', title = 'A' }, { id = 'b', title = 'B', depends = { 'a' } } }\n"
	"  task('a', 'started')\n"
	"  parallel({ 'a', 'b', 'c', 'd', 'e', 'f' }, function(n)\n"
	"    write(n .. '/x.txt', 'one ' .. n)\n"
	"    edit(n .. '/x.txt', { { from = 'one', to = 'one two' } })\n"
	"    repeat\n"
	"      local r = exec { command = 'effect ' .. n .. '/log.txt did' }\n"
	"    until not r.lost or exists(n .. '/log.txt')\n"
	"    if n == 'c' then remove(n .. '/x.txt') end\n"
	"    progress { text = n, share = 0.5 }\n"
	"  end)\n"
	"  write('test.sh', 'have a/x.txt two\\n')\n"
	"  local checked = check {}\n"
	"  task('a', 'done')\n"
	"  artifact { name = 'out', type = 'text', content = 'made' }\n"
	"  artifact { name = 'file', type = 'file', path = 'a/x.txt' }\n"
	"  commit { message = 'half' }\n"
	"  say { text = 'half' }\n"
	"  log('a', 1, true)\n"
	"  local names = {}\n"
	"  for _, e in ipairs(list '.') do names[#names + 1] = e.name end\n"
	"  return { checked.passed, names, glob '**/*.txt', exists 'c/x.txt', exists 'd', tree('.', 50), vars.limit }\n"
	"end\n";

/* Modes that call modes: agents, questions, timers, commands and segments in each, several at once. */
static const char calls_flow[] =
	"return function(run)\n"
	"  local out = parallel({ 'a', 'b', 'c' }, function(n) return call('inner', { task = n }) end)\n"
	"  local ok, why = pcall(call, 'inner', { task = 'fail' })\n"
	"  return { out, ok, why.message, exists 'left.txt' }\n"
	"end\n";
static const char inner_flow[] =
	"return function(run)\n"
	"  local name = run.inputs.task\n"
	"  if name == 'fail' then error('failed on purpose', 0) end\n"
	"  if not run.state then sleep(3) continue_as { n = 1 } end\n"
	"  background(function() ask { name = 'nobody answers', title = 'Who?' } write('left.txt', 'x') end)\n"
	"  local x = ask { name = name, title = 'Like ' .. name .. '?', options = { 'yes', 'no' } }\n"
	"  local a = agent { role = 'worker', task = 'part' .. name, scope = 'd' .. name }\n"
	"  repeat\n"
	"    local r = exec { command = 'effect ' .. name .. '.log did' }\n"
	"  until not r.lost or exists(name .. '.log')\n"
	"  return { name, x.option, a.result, run.state.n }\n"
	"end\n";
static const struct line calls_lines[] = {PART("a"), PART("b"), PART("c"), {NULL}};
static const char *calls_answers(const char *name, int nth)
{
	(void)nth;
	return strlen(name) == 1 ? "{\"option\":\"no\"}" : NULL;
}

const struct scene flow_scenes[FLOW_SCENES] = {
	{.name = "parallel",
		.mode = "parallel50",
		.flow = parallel_flow,
		.roles = "worker",
		.lines = parallel_lines,
		.talk = true},
	{.name = "team", .mode = "team", .flow = team_flow, .roles = "worker lead idle", .lines = team_lines},
	{.name = "people",
		.mode = "people",
		.flow = people_flow,
		.roles = "worker",
		.lines = people_lines,
		.request =
			"{\"gates_off\":[\"off\"],\"policy\":[{\"ask\":\"shell(*)\"},{\"deny\":\"delete_path(*)\"}]}",
		.answer = people_answers,
		.talk = true},
	{.name = "errors",
		.mode = "errors",
		.flow = errors_flow,
		.roles = "worker",
		.lines = errors_lines,
		.talk = true},
	{.name = "failing",
		.mode = "failing",
		.flow = failing_flow,
		.roles = "worker",
		.lines = errors_lines,
		.fails = true},
	{.name = "branches",
		.mode = "branches",
		.flow = branch_flow,
		.roles = "worker",
		.lines = branch_lines,
		.talk = true},
	{.name = "calls",
		.mode = "calls",
		.flow = calls_flow,
		.called = inner_flow,
		.roles = "worker",
		.lines = calls_lines,
		.answer = calls_answers},
	{.name = "segments", .mode = "segments", .flow = segments_flow, .roles = "worker", .lines = segments_lines},
	{.name = "files",
		.mode = "files",
		.flow = files_flow,
		.roles = "worker",
		.lines = segments_lines,
		.evidence = "done"},
};
