-- The flow of every storm: it walks a plan that was drawn from the seed (storm_plan.c). A step is {op=, n=, …}; n is its
-- own in the plan, so that what it makes has a name of its own in the run.
local walk
local steps = {}
local round, prefix

local function tag(s) return prefix .. round .. "-" .. s.n end

local function options(s, env)
  local o = {
    role = s.role, task = "task " .. tag(s), check = s.check, copy = env.copy, dialect = s.dialect, file = s.file,
    limits = { turns = s.turns },
  }
  if s.body or s.picky then
    o.on = {}
    if s.body then
      local fanned = 0
      o.on.fan = { summary = "Does more.", schema = { type = "object", properties = {} }, run = function()
        fanned = fanned + 1
        if fanned > 1 then error("once is enough", 0) end
        walk(s.body, env)
        return "fanned"
      end }
    end
    if s.picky then
      local asked = 0
      o.on.finish = function()
        asked = asked + 1
        if asked == 1 then return { continue = "and once more" } end
        return true
      end
    end
  end
  return o
end

function steps.agent(s, env) agent(options(s, env)) end

function steps.start(s, env)
  local id = start(options(s, env))
  walk(s.inside, env)
  if s.tell then pcall(tell, id, "hurry up " .. tag(s)) end
  if s.stop then stop(id, "not needed") end
  await(id)
end

function steps.parallel(s, env)
  parallel(s.list, function(list) walk(list, env) end)
end

function steps.background(s, env) background(function() walk(s.inside, env) end) end

function steps.pair(s, env)
  parallel {
    function() walk(s.inside, env); signal("go" .. tag(s), s.n) end,
    function() assert(waitfor("go" .. tag(s)) == s.n) end,
  }
end

function steps.ask(s) ask { name = "q" .. s.n, title = "Which?", options = s.free == nil and { "yes", "no" } or nil } end
function steps.gate(s) gate { name = s.name, title = "So?" } end
function steps.exec(s, env) exec { command = "effect flow.log " .. tag(s) .. ".", copy = env.copy, timeout = 5 } end
function steps.again(s, env) exec { command = "put again.txt x", copy = env.copy, again = true } end
function steps.check() check {} end
function steps.write(s) write("f" .. s.n % 4 .. "/x.txt", "one " .. tag(s)) end
function steps.edit(s) edit("f" .. s.n % 4 .. "/x.txt", { { from = "one", to = "two one" } }) end
function steps.read(s) read("f" .. s.n % 4 .. "/x.txt") end
function steps.remove(s) remove("f" .. s.n % 4 .. "/x.txt") end
function steps.look() list("."); glob("**/*.txt"); exists("f1"); tree(".", 20) end

function steps.branch(s, env)
  local name = "b" .. tag(s)
  local b = branch { name = name }
  walk(s.inside, { copy = b.copy })
  merge { branch = name, message = "take " .. name }
end

function steps.sleep(s) sleep(s.seconds) end
function steps.chance() vars.limit = random() > 0.5 and 1 or 2; now() end
function steps.call(s)
  call("inner", { task = json.encode { prefix = tag(s), rounds = s.rounds, body = s.inside } })
end
function steps.artifact(s) artifact { name = "out" .. s.n, type = "text", content = tag(s) } end
function steps.commit(s) commit { message = "step " .. tag(s) } end
function steps.plan(s)
  plan { { id = tag(s), title = "A" }, { id = tag(s) .. "b", title = "B", depends = { tag(s) } } }
  task(tag(s), "started")
  task(tag(s), "done")
end
function steps.say(s) phase("phase " .. s.n); progress { text = tag(s), share = 0.5 }; say { text = tag(s) }; log(s.n) end
function steps.wrong(s) error("wrong " .. tag(s), 0) end

function walk(list, env)
  for _, s in ipairs(list) do
    if s.hard then steps[s.op](s, env) else pcall(steps[s.op], s, env) end
  end
end

return function(run)
  local given = json.decode(run.inputs.task)
  round, prefix = run.state and run.state.round or 0, given.prefix
  walk(given.body, {})
  if round < given.rounds then continue_as { round = round + 1 } end
  return { rounds = round }
end
