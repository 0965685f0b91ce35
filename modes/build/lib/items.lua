-- items: the files and folders of the hierarchy, who is active below whom, and the folders' READMEs.
local items = {}
items.__index = items

local skipped = { [".git"] = true, [".scratch"] = true, node_modules = true, __pycache__ = true, build = true, dist = true, target = true }

function items.new(run)
  return setmetatable({ run = run, nodes = {}, below = {}, testers = 0, status = {} }, items)
end

-- ---- texts ----

function items.text(value)
  if value == nil then return "" end
  return type(value) == "string" and value or json.encode(value)
end

function items.short(text, max)
  text = items.text(text)
  max = max or 80
  if max <= 80 then text = text:gsub("%s+", " ") end
  return #text > max and text:sub(1, max) .. " …" or text
end

-- What a parent is told of a child that ended.
function items.outcome(work)
  if work.status == "done" then
    return items.text(work.result) .. (work.checked and " (checks after its last edit: " .. work.checked .. ")" or "")
  end
  return "It " .. work.status .. (work.error and ": " .. work.error or "") .. ". Its files are as it left them."
end

-- ---- paths ----

local function parent_of(path)
  if path == "." then return nil end
  return path:match("^(.*)/[^/]+$") or "."
end

local function clean(path)
  path = path:gsub("^%./", ""):gsub("/+$", "")
  return path == "" and "." or path
end

local function inside(folder, path)
  return folder == "." or path == folder or path:sub(1, #folder + 1) == folder .. "/"
end

local function base(path) return path:match("[^/]+$") end

-- ---- the tree ----

-- A direct child to activate: known, or found on disk and adopted. nil and the reason otherwise.
function items:child(folder, item, chosen)
  local path = clean(item.target)
  if folder == nil then
    if path ~= "." then return nil, "the master delegates to its one root manager only: folder \".\"" end
  elseif path == "." or parent_of(path) ~= folder then
    return nil, "it is not a direct child of " .. folder
  end
  if chosen[path] then return nil, "it is named twice" end
  local kind = path == "." and "folder" or exists(path)
  if not kind then return nil, "it does not exist: create it first" end
  if item.kind and item.kind ~= kind then return nil, "it is a " .. kind end
  local node = self.nodes[path]
  if not node then
    node = { path = path, kind = kind }
    self.nodes[path] = node
  end
  if node.active then return nil, "it is active already" end
  return node
end

-- nil, or why not.
function items:create(folder, target, kind)
  local path = clean(target)
  if path == "." or not inside(folder, path) or skipped[path:match("^[^/]+")] then return "it lies outside your folder" end
  if exists(path) then return "it exists" end
  local above = parent_of(path)
  if above ~= "." and exists(above) ~= "folder" then return "its folder " .. above .. " does not exist: create that first" end
  local count = 0
  for _, entry in ipairs(list(above)) do
    if entry.name and entry.name ~= "README.md" and entry.name ~= "documentation.md" and not skipped[entry.name] then count = count + 1 end
  end
  if count >= self.run.settings.folder_items then
    return above .. " holds " .. count .. " items already; a folder holds at most " .. self.run.settings.folder_items
  end
  write(kind == "folder" and path .. "/README.md" or path, kind == "folder" and "# " .. path .. "\n" or "")
  self.nodes[path] = { path = path, kind = kind, status = "NOT STARTED" }
end

function items:delete(folder, target)
  local path = clean(target)
  if path == "." or path == folder or not inside(folder, path) then return path .. " lies outside your folder" end
  if not exists(path) then return path .. " does not exist" end
  for other, node in pairs(self.nodes) do
    if node.active and inside(path, other) then return other .. " is active: wait until it has finished" end
  end
  remove(path)
  for _, other in ipairs(self:paths()) do
    if inside(path, other) then self.nodes[other] = nil end
  end
end

function items:paths()
  local out = {}
  for path in pairs(self.nodes) do out[#out + 1] = path end
  return out
end

function items:count()
  local n = 0
  for _, node in pairs(self.nodes) do
    if node.kind == "file" then n = n + 1 end
  end
  return n
end

-- ---- who is active below whom ----

-- Begin work below an agent; the number given back names the work when it is done.
function items:begin(agent)
  local below = self.below[agent] or { active = 0, reports = {} }
  self.below[agent] = below
  below.active = below.active + 1
  below.reports[#below.reports + 1] = false
  return #below.reports
end

-- Work below an agent is done. The reports go up together when the last one is in, in the order in which the work was given out: so an
-- agent sees the same whichever child was faster, and reads them in one turn.
function items:done(agent, number, report)
  local below = self.below[agent]
  below.reports[number] = report
  below.active = below.active - 1
  if below.active == 0 then
    self.below[agent] = nil
    tell(agent, table.concat(below.reports, "\n\n"))
  end
end

function items:active(agent) return self.below[agent] and self.below[agent].active or 0 end

function items:next_tester()
  self.testers = self.testers + 1
  return self.testers
end

-- ---- what agents are told of the project: slots of their roles, READMEs ----

function items:vars(node, phase_name)
  return { requirements = self.run.inputs.requirements, path = node and node.path or ".", phase = phase_name or "delegation",
    file_lines = self.run.settings.file_lines, folder_items = self.run.settings.folder_items }
end

function items:mark(node, status)
  node.status = status
  local folder = node.kind == "folder" and node.path or parent_of(node.path)
  self:write_readme(folder)
  if node.kind == "folder" and parent_of(node.path) then self:write_readme(parent_of(node.path)) end
end

local marker = "\n<!-- status: written by muster -->\n"

-- The folder's README keeps what its manager wrote; the list of items with their status follows it.
function items:write_readme(folder)
  local path = folder == "." and "README.md" or folder .. "/README.md"
  local text = exists(path) and read(path) or "# " .. (folder == "." and self.run.project.name or folder) .. "\n"
  local at = text:find(marker, 1, true)
  local lines = {}
  for _, other in ipairs(self:paths()) do
    if parent_of(other) == folder and exists(other) then
      local node = self.nodes[other]
      lines[#lines + 1] = "- `" .. base(other) .. (node.kind == "folder" and "/" or "") .. "` " .. (node.status or "NOT STARTED")
    end
  end
  local new = (at and text:sub(1, at - 1) or text:gsub("%s+$", "") .. "\n") .. marker .. table.concat(lines, "\n") .. "\n"
  if new ~= text then write(path, new) end
end

function items:write_readmes()
  for _, path in ipairs(self:paths()) do
    if self.nodes[path].kind == "folder" and exists(path) then self:write_readme(path) end
  end
  self:write_readme(".")
end

return items
