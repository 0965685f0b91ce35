-- A conversation. What the agent finishes with is said, and what the person answers goes on in the same conversation; the run
-- waits in between, without memory or cost. With `work` an engineer does what both agreed on, in this run's files.
local TOOLS = json.array { "read_file", "list", "glob", "search", "git_status", "git_diff", "git_log", "note", "work", "finish" }

-- Other roles finish with outputs of their own; here they talk.
local ANSWER = { type = "object", required = json.array { "result" }, additionalProperties = false,
  properties = { result = { type = "string", description = "What the person reads, in Markdown." } } }

local function answer(args, info)
  say { text = args.result, from = info.agent }
  local reply = ask { name = "message", title = "Your turn", body = args.result, options = { "end" }, agent = info.agent }
  if reply.option == "end" then return true end
  return { continue = "The person writes:\n\n" .. reply.text }
end

local work = {
  summary = "Have an engineer change this project, once the person asked for it. The person approves the task once more. Gives what was done.",
  schema = { type = "object", required = json.array { "task" }, additionalProperties = false,
    properties = { task = { type = "string", minLength = 1, description = "All that the engineer must know: what, where, how it is checked." } } },
  run = function(args)
    local decided = gate { name = "work", title = "Have this done?", body = args.task }
    if not decided.approved then return "The person did not approve: " .. (decided.reason or "no reason given") end
    local ran, result = pcall(call, "one_shot", { task = args.task })
    if not ran then return "It failed: " .. tostring(result.message or result) end
    return result
  end,
}

return function(run)
  local role = run.inputs.role or "assistant"
  local chat = agent { role = role, name = "chat", task = run.inputs.message, tools = TOOLS,
    output = role ~= "assistant" and ANSWER or nil, check = "none", limits = { turns = 10000 }, on = { finish = answer, work = work } }
  if chat.status ~= "done" then error("the chat " .. chat.status .. (chat.error and ": " .. chat.error or "")) end
  return { summary = role == "assistant" and chat.result or chat.result.result }
end
