-- analyst → architect → developer → tester. Each stage returns a value of its role's schema with a confidence; below the threshold
-- a person decides; a stage whose agent fails is tried again, at most settings.attempts times. Failing tests go back to the developer.
local stages = { analysis = "analyst", architecture = "architect", implementation = "developer", tests = "tester" }

local function wanted(list, name)
  for _, item in ipairs(list or {}) do
    if item == name then return true end
  end
  return false
end

local function percent(x)
  return string.format("%d%%", math.floor(x * 100 + 0.5))
end

return function(run)
  local settings = run.settings
  local handed = { name = run.inputs.name, requirements = run.inputs.requirements }

  -- Why a stage's work does not pass, as advice for the next attempt; nil when it does.
  local function objection(name, role, work)
    local result = work.result
    if work.status ~= "done" then
      return "The last attempt " .. work.status .. (work.error and ": " .. work.error or "") .. ". Start again from what is in the project."
    end
    say { from = role, to = "team", confidence = result.confidence, text = role .. " is done, confidence " .. percent(result.confidence) }
    if result.confidence < settings.confidence then
      local answer = ask { name = "confidence", priority = "high", agent = work.agent,
        title = "The " .. role .. " is unsure (" .. percent(result.confidence) .. ")",
        body = json.encode(result.concerns or result.risks or result.issues or result.testing_notes or result),
        options = { "proceed", "revise", "stop" } }
      if answer.option == "stop" then error("stopped by a person after the " .. name) end
      if answer.option == "revise" or not answer.option then return "A person says: " .. (answer.text or "revise this") end
    end
    if wanted(settings.review, name) then
      local gated = gate { name = name, title = "Review: " .. name, show = result }
      if not gated.approved then return "A person wants a revision: " .. (gated.reason or "no reason given") end
    end
  end

  -- Let the stage's agent work, until it succeeds and a person or its confidence lets it pass.
  local function stage(name, extra)
    local role, advice = stages[name], nil
    for attempt = 1, settings.attempts do
      phase(name)
      local task = { stage = name, attempt = attempt, project = handed, advice = advice }
      for key, value in pairs(extra or {}) do task[key] = value end
      local work = agent { role = role, name = role, task = task }
      advice = objection(name, role, work)
      if not advice then
        handed[name] = work.result
        return work.result
      end
    end
    error("the " .. role .. " did not succeed in " .. settings.attempts .. " attempts" .. (advice and " (" .. advice .. ")" or ""))
  end

  stage "analysis"
  stage "architecture"
  stage "implementation"
  local tests
  for attempt = 1, settings.attempts do
    tests = stage("tests", { round = attempt })
    if tests.passed or attempt == settings.attempts then break end
    say { from = "tester", to = "developer", confidence = tests.confidence, text = "the checks fail; back to the developer" }
    stage("implementation", { round = attempt + 1, failures = tests.issues })
  end

  phase "report"
  local ran, checked = pcall(check, {})
  if not ran then checked = { passed = false, why = checked.message } end
  local report = template("report.md", {
    name = run.inputs.name, requirements = run.inputs.requirements, analysis = handed.analysis.analysis,
    architecture = handed.architecture.architecture, plan = handed.implementation.implementation_plan, summary = tests.summary,
    command = checked.command or "none found", outcome = checked.passed and "passes" or "does not pass",
    confidence = percent(tests.confidence),
  })
  artifact { name = "report", type = "markdown", content = report }
  return { analysis = handed.analysis, architecture = handed.architecture, implementation = handed.implementation, tests = tests,
    report = report, checked = { passed = checked.passed or false, command = checked.command } }
end
