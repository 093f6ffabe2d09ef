-- For wrk: every request on a new connection, about a hundred a second on each of wrk's own.
wrk.headers["Connection"] = "close"

function delay()
  return 10
end
