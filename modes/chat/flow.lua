-- A conversation. What the agent finishes with is said, and what the person answers goes on in the same conversation; the run
-- waits in between, without memory or cost. With `work` an engineer does what both agreed on, in this run's files.
local TOOLS = json.array { "read_file", "list", "glob", "search", "git_status", "git_diff", "git_log", "note", "work", "finish" }

-- Other roles finish with outputs of their own; here they talk.
local ANSWER = { type = "object", required = json.array { "result" }, additionalProperties = false,
  properties = { result = { type = "string", description = "What the person reads, in Markdown." } } }

local FILES, BYTES = 8, 65536 -- of one message; of one file

-- The beginning of a text, not cut within a character.
local function beginning(text)
  local n = BYTES
  while n > 0 and text:find("^[\x80-\xBF]", n + 1) do n = n - 1 end
  return text:sub(1, n) .. "\n(the rest is left out; read_file shows it)"
end

-- A file that a message names, as the agent reads it, or why it cannot.
local function shown(path)
  local kind = exists(path)
  if kind == "folder" then return nil, "a folder: name a file in it" end
  if not kind then return nil, "no file of this project" end
  local ok, text = pcall(read, path)
  if not ok then return nil, text.message end
  if text:sub(1, 8192):find("\xEF\xBF\xBD", 1, true) then return nil, "no text" end -- what read gives for bytes that are none
  if #text > BYTES then text = beginning(text) end
  return "\n\n--- " .. path .. " ---\n" .. text .. "\n--- end of " .. path .. " ---"
end

-- A message with the present text of the files that it names with @path. What is named so and cannot be shown is told to the person,
-- and the message goes on: an @ may also stand for something else.
local function with_files(message)
  local text, files, seen = message, 0, {}
  for word in (" " .. message):gmatch("[%s%(\"']@([^%s%(%)\"'`,;:@]+)") do
    local path = word:gsub("[%.!%?/]+$", "")
    if path ~= "" and not seen[path] then
      seen[path] = true
      local file, why
      if files < FILES then file, why = shown(path) else why = "not shown: a message takes " .. FILES .. " files" end
      if file then
        text, files = text .. file, files + 1
      elseif why ~= "no file of this project" or path:find("[./]") then -- else a name, a decorator
        say { text = "@" .. path .. " is " .. why .. "; the message went on without it." }
      end
    end
  end
  return text
end

local function answer(args, info)
  say { text = args.result, from = info.agent }
  local reply = ask { name = "message", title = "Your turn", body = args.result, options = { "end" }, expires = 0, agent = info.agent }
  if reply.option == "end" then return true end
  return { continue = "The person writes:\n\n" .. with_files(reply.text) }
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
  local chat = agent { role = role, name = "chat", task = with_files(run.inputs.message), tools = TOOLS,
    output = role ~= "assistant" and ANSWER or nil, check = "none", limits = { turns = 10000 }, on = { finish = answer, work = work } }
  if chat.status ~= "done" then error("the chat " .. chat.status .. (chat.error and ": " .. chat.error or "")) end
  return { summary = role == "assistant" and chat.result or chat.result.result }
end
