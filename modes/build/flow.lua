-- The hierarchy: one master, one manager a folder, one coder a file, testers on demand.
--
-- Phases: understanding (questions, then documentation.md) → structure (folders and files) → delegation (waves of work) → completed.
-- The end of each phase is a gate named after it. An agent lives from DELEGATE to FINISH; what lasts are the files, the READMEs and
-- documentation.md. The same handlers serve both dialects: a directive becomes the same tool call.
local items = require "items"

return function(run)
  local settings = run.settings
  local house = items.new(run)

  -- ---- what every agent of the hierarchy can do ----

  -- Start testers beside an agent; each reports to it when it is done.
  local function spawn(args, info)
    for _, item in ipairs(args.items) do
      local number = house:next_tester()
      local id = start { role = "build_tester", name = "tester " .. number, parent = info.agent, task = item.prompt,
        file = ".scratch/tester-" .. number .. ".md", vars = house:vars(), limits = { turns = settings.child_turns },
        on = { finish = function() return true end } }
      local place = house:begin(info.agent)
      background(function()
        house:done(info.agent, place, "[tester " .. number .. " (Task: " .. items.short(item.prompt) .. ")] " .. items.outcome(await(id)))
      end)
    end
    return "started " .. #args.items .. (#args.items == 1 and " tester" or " testers") .. "; WAIT for the report"
  end

  local function refuse_while_active(info)
    local n = house:active(info.agent)
    if n > 0 then error(n .. (n == 1 and " agent is" or " agents are") .. " still active below you: wait for the reports first", 0) end
  end

  local function wait(_, info)
    if house:active(info.agent) == 0 then
      error("nothing is active below you: every report that was due is in this conversation. Go on, or finish", 0)
    end
    return "waiting"
  end

  local child_start

  -- Activate direct children, all at once and numbered in their order; a bad target starts none.
  local function delegate(folder)
    return function(args, info)
      local bad, chosen = {}, {}
      for i, item in ipairs(args.items) do
        local node, why = house:child(folder, item, chosen)
        if node then chosen[i] = node; chosen[node.path] = true else bad[#bad + 1] = item.target .. ": " .. why end
      end
      if #bad > 0 then error("nothing was started. " .. table.concat(bad, "; "), 0) end
      for i, item in ipairs(args.items) do
        local node = chosen[i]
        local id = child_start(info.agent, node, item.prompt)
        node.active = true
        local place = house:begin(info.agent)
        background(function()
          house:mark(node, "BEGUN")
          local work = await(id)
          node.active = false
          house:mark(node, work.status == "done" and "FINISHED" or "BEGUN")
          house:done(info.agent, place, "[" .. node.path .. " (Task: " .. items.short(item.prompt) .. ")] " .. items.outcome(work))
        end)
      end
      return "activated " .. #args.items .. "; WAIT for their reports"
    end
  end

  -- CREATE of the master and the managers: an empty file, or a folder with its README.
  local function create(folder)
    return function(args)
      local list = args.items or { { target = args.path, kind = args.kind or "file" } }
      local made, bad = {}, {}
      for _, item in ipairs(list) do
        local why = house:create(folder, item.target, item.kind)
        if why then bad[#bad + 1] = item.target .. ": " .. why else made[#made + 1] = item.target end
      end
      local text = #made > 0 and "created " .. table.concat(made, ", ") or ""
      if #bad > 0 then error((text ~= "" and text .. ". " or "") .. "not created: " .. table.concat(bad, "; "), 0) end
      return text
    end
  end

  local function delete(folder)
    return function(args)
      local why = house:delete(folder, args.path)
      if why then error(why, 0) end
      return "deleted " .. args.path
    end
  end

  local create_summary = "Create empty files and folders inside your folder. A folder gets a README.md."
  local create_schema = {
    type = "object", required = json.array { "items" }, additionalProperties = false, properties = { items = {
      type = "array", minItems = 1, items = { type = "object", required = json.array { "target", "kind" }, additionalProperties = false,
        properties = { target = { type = "string", description = "path relative to the project's root" },
          kind = { enum = json.array { "file", "folder" } } } } } } }

  local function with_create(handlers, folder)
    if settings.dialect == "directive" then
      handlers.write_file = create(folder)
    else
      handlers.create = { summary = create_summary, schema = create_schema, run = create(folder) }
    end
    return handlers
  end

  -- The git directives of a manager. All agents work in one copy on the run's branch, so there is nothing to switch to.
  local function with_git(handlers)
    if settings.dialect ~= "directive" then return handlers end
    local function one_branch() error("the agents of this run share one branch: work goes on in it, and git_commit keeps what is there", 0) end
    handlers.git_init = function() return "the project is a git repository" end
    handlers.git_commit = function(args) return "committed as " .. commit { message = args.message }.commit end
    handlers.git_branch = one_branch
    handlers.git_merge = one_branch
    return handlers
  end

  local function manager_handlers(folder)
    return with_create(with_git { delegate = delegate(folder), delete_path = delete(folder), spawn = spawn, wait = wait,
      finish = function(_, info) refuse_while_active(info); return true end }, folder)
  end

  local function coder_handlers()
    return { spawn = spawn, wait = wait, finish = function(_, info) refuse_while_active(info); return true end }
  end

  child_start = function(parent, node, prompt)
    local folder = node.kind == "folder"
    return start { role = folder and "manager" or "coder", name = node.path, parent = parent, task = prompt,
      scope = folder and node.path or nil, file = not folder and node.path or nil, vars = house:vars(node),
      limits = { turns = settings.child_turns }, on = folder and manager_handlers(node.path) or coder_handlers() }
  end

  -- ---- the master's phases ----

  -- The person's word at the end of a phase: nil when approved, else the reason.
  local function judged(name, title, show)
    local answer = gate { name = name, title = title, show = show }
    if answer.approved then return nil end
    return answer.reason or "no reason was given"
  end

  local master_tools = { "read_file", "list", "shell", "document", "finish" }
  local delegation_tools = { "read_file", "list", "shell", "document", "run_tests", "install_dependencies", "finish" }

  local function master(name, task, handlers)
    phase(name)
    local work = agent { role = "master", name = "master", phase = name, task = task,
      tools = name == "delegation" and delegation_tools or master_tools, vars = house:vars(nil, name), on = handlers }
    if work.status ~= "done" then error("the master " .. work.status .. " in " .. name .. (work.error and ": " .. work.error or "")) end
    return work.result
  end

  -- `sent_back`: why a person sent the structure back, nil the first time.
  local function understanding(sent_back)
    local task = "Find out what is to be built and write it down.\n\nThe person says:\n" .. run.inputs.requirements ..
      (run.inputs.languages and run.inputs.languages ~= "" and "\n\nLanguages: " .. run.inputs.languages or "") ..
      (not run.project.empty and "\n\nThe project has files already: read what matters and document it first, then what is to change." or "") ..
      (sent_back and "\n\nA later phase was sent back: " .. sent_back or "")
    master("understanding", task, {
      ask_human = function(args)
        local answer = ask { name = args.name, title = args.title, body = args.body, options = args.options, priority = args.priority or "medium" }
        return answer.text or answer.option
      end,
      finish = function(args)
        local text = items.text(args.result)
        if not exists "documentation.md" then -- a question to the person
          local answer = ask { name = "question", title = "The master asks", body = text, priority = "high" }
          return { continue = "The person answers: " .. (answer.text or answer.option) }
        end
        local reason = judged("understanding", "Is this what you want?", read "documentation.md")
        if reason then return { continue = "The person wants a revision: " .. reason .. "\nAsk if you must, update the documentation, finish again." } end
        return true
      end,
    })
  end

  -- Gives why a person sent it back; nil when they approved.
  local function structure()
    local sent_back
    local handlers = with_create({
      finish = function()
        if house:count() == 0 then error("there are no files yet: create the folders and files first", 0) end
        house:write_readmes()
        sent_back = judged("structure", "Shall the project have these files?", tree(".", 200))
        return true
      end }, ".")
    master("structure", "Create the folders and files of the project, as documentation.md wants them. Every file that will hold code, tests or " ..
      "data needs to exist; nothing else. What each is for goes into your FINISH text, one line a path: `path: purpose`.", handlers)
    return sent_back
  end

  local wave_prompts = {
    specifications = "Wave 1, specifications: delegate to the root manager (folder \".\") that every folder's README says what each of its files " ..
      "is responsible for, and its interface (names, arguments, results, errors), so that coders who see only their own file fit together.",
    tests = "Wave 2, tests: delegate that the test files are written from the specifications, before the code. They may fail now.",
    code = "Wave 3, code: delegate that the code is written until the project's checks pass.",
  }

  local function delegation()
    local waves, at, tries = settings.waves, 1, 0
    local handlers = { delegate = delegate(nil), wait = wait, spawn = spawn }
    function handlers.finish(args, info)
      refuse_while_active(info)
      if at < #waves then
        at = at + 1
        return { continue = "That wave is done. " .. (wave_prompts[waves[at]] or waves[at]) }
      end
      local ran, checked = pcall(check, {})
      local passed = ran and checked.passed
      if not passed and tries < settings.repairs then
        tries = tries + 1
        return { continue = "The project's checks do not pass, so it is not done: " ..
          items.short(ran and checked.output or checked.message, 3000) .. "\nDelegate the repair." }
      end
      local altered = passed and checked.altered
      local reason = judged("delegation", altered and "The checks pass, but " .. altered .. ", which says what they run, was changed. Accept it?"
        or passed and "The project is built and its checks pass. Accept it?"
        or "The checks do not pass. Accept it all the same?", items.text(args.result))
      if reason then
        tries = 0
        return { continue = "The person wants a revision: " .. reason .. "\nDelegate it." }
      end
      return true
    end
    return master("delegation", "The structure is approved. " .. (wave_prompts[waves[1]] or waves[1]), handlers)
  end

  local sent_back
  repeat
    understanding(sent_back)
    sent_back = structure()
  until not sent_back
  local report = delegation()

  phase "completed"
  house:write_readmes()
  local ran, checked = pcall(check, {})
  artifact { name = "documentation", type = "markdown", path = "documentation.md" }
  artifact { name = "report", type = "markdown", content = items.text(report) ..
    (ran and "\n\nThe check `" .. checked.command .. "` ended with status " .. checked.exit .. "." or "\n\nNo check could be run.") }
  return { report = items.text(report), checked = ran and { command = checked.command, exit = checked.exit, passed = checked.passed } or { passed = false } }
end
