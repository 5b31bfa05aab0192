-- Posts a file as a form, and prints what was measured as JSON.
local file = io.open(os.getenv("FILE"), "rb")
local photo = file:read("*a")
file:close()
local head = "--dahlia\r\nContent-Disposition: form-data; name=\"" .. os.getenv("FIELD") ..
  "\"; filename=\"photo.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n"

wrk.method = "POST"
wrk.body = head .. photo .. "\r\n--dahlia--\r\n"
wrk.headers["Content-Type"] = "multipart/form-data; boundary=dahlia"

function done(summary, latency, requests)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout
  io.write(string.format("\nRESULT {\"rate\": %f, \"p50\": %f, \"p99\": %f, \"failed\": %d}\n",
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, failed))
end
