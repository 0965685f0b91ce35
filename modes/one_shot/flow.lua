-- One engineer works until the project's checks pass on its last edit; then the checks run once more on what is there.
return function(run)
  phase "work"
  local work = agent { role = "engineer", name = "engineer", task = run.inputs.task }
  if work.status ~= "done" then
    error("the engineer " .. work.status .. (work.error and ": " .. work.error or ""))
  end

  phase "check"
  local checked
  if work.checked == "passing" then
    checked = { passed = true, by = "engineer" }
  else
    local ran, result = pcall(check, {})
    checked = ran and { command = result.command, exit = result.exit, passed = result.passed } or { passed = false, why = result.message }
  end
  return { summary = work.result, checked = checked }
end
