import { hostname } from "node:os";
import { port, text } from "../shared/env.ts";
import { newRedis } from "../shared/redis.ts";
import { untilDone } from "../shared/retry.ts";
import { type Answer, page, type Request, serve } from "../shared/serve.ts";
import { ballotOf, cookieOf, voterOf } from "./ballot.ts";
import { votePage } from "./page.ts";

/** The page where one votes: each vote goes to the list `votes` in Redis. */

/** How long a voter waits for Redis before the page says that it cannot be had. */
const PATIENCE_MS = 8000;

const redis = newRedis({ ping: true });
void redis.connect();

const names = { a: text("OPTION_A", "Cats"), b: text("OPTION_B", "Dogs") };

function show(status: number, voter: string, state: { vote?: "a" | "b"; trouble?: string }): Answer {
  const body = votePage({ names, container: hostname(), ...state });
  return { ...page(status, body), cookie: cookieOf(voter) };
}

async function vote({ cookies, form }: Request): Promise<Answer> {
  const voter = voterOf(cookies);
  const choice = form.get("vote");
  const ballot = ballotOf(voter, choice);
  if (ballot === undefined) return show(400, voter, { trouble: "That is not one of the choices." });
  const deadline = Date.now() + PATIENCE_MS;
  try {
    const record = () => redis.rPush("votes", JSON.stringify(ballot));
    await untilDone("recording a vote", record, () => Date.now() < deadline);
    return show(200, voter, { vote: ballot.vote });
  } catch {
    return show(503, voter, { trouble: "Your vote could not be recorded. Please try again." });
  }
}

serve(port("PORT", 80), {
  "GET /": ({ cookies }) => show(200, voterOf(cookies), {}),
  "POST /": vote,
});
