-- Sends the requests in the file REQUESTS: one a line, method, path, token, ETag and body between tabs.
-- With ONCE=1 each is sent once, and what was measured ends with the last; otherwise they begin again.
local ffi = require("ffi")
ffi.cdef[[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local threads, requests = {}, {}
local once = os.getenv("ONCE") == "1"
-- Globals, because `done` reads them from the thread.
sent, began, ended = 0, 0, 0

local function now()
  local moment = ffi.new("moment")
  -- The clock that only goes forward.
  ffi.C.clock_gettime(jit.os == "OSX" and 6 or 1, moment)
  return tonumber(moment.seconds) + tonumber(moment.nanoseconds) / 1e9
end

function setup(thread)
  threads[#threads + 1] = thread
end

function init()
  for line in io.lines(os.getenv("REQUESTS")) do
    local method, path, token, etag, body = line:match("^(.-)\t(.-)\t(.-)\t(.-)\t(.*)$")
    local headers = {}
    if token ~= "" then headers["Authorization"] = "Bearer " .. token end
    if etag ~= "" then headers["If-None-Match"] = etag end
    if body ~= "" then headers["Content-Type"] = "application/json" end
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
end

function request()
  if sent == 0 then began = now() end
  if once and sent == #requests then
    if ended == 0 then ended = now() end
    wrk.thread:stop()
    return wrk.format("GET", "/health")
  end
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

function done(summary, latency)
  local count, seconds = summary.requests, summary.duration / 1e6
  local last = threads[1]:get("ended")
  if last > 0 then
    count, seconds = threads[1]:get("sent"), last - threads[1]:get("began")
  end
  local errors = summary.errors
  io.write(string.format(
    'bench {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "bad": %d}\n',
    count, seconds, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
