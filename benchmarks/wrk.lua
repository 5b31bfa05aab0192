-- Posts a file as a form, and prints what was measured as JSON.
local file = io.open(os.getenv("FILE"), "rb")
local photo = file:read("*a")
file:close()
local head = "--dahlia\r\nContent-Disposition: form-data; name=\"" .. os.getenv("FIELD") ..
  "\"; filename=\"photo.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"

wrk.method = "POST"
wrk.body = head .. photo .. "\r\n--dahlia--\r\n"
wrk.headers["Content-Type"] = "multipart/form-data; boundary=dahlia"

local threads = {}
refused = 0

function setup(thread)
  table.insert(threads, thread)
end

function response(status)
  if status == 429 or status == 503 then
    refused = refused + 1
  end
end

function done(summary, latency, requests)
  local shed = 0
  for _, thread in ipairs(threads) do
    shed = shed + thread:get("refused")
  end
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout - shed
  io.write(string.format(
    "\nRESULT {\"rate\": %f, \"p50\": %f, \"p99\": %f, \"refused\": %d, \"failed\": %d}\n",
    (summary.requests - shed) / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, shed, failed))
end
