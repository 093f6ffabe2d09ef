-- For wrk: a request about every $PACE_MS milliseconds, one when unset. Its clock counts from when the request is written.
local pause = tonumber(os.getenv("PACE_MS") or "1")
function delay()
  return pause
end
