import { newDatabase } from "../shared/database.ts";
import { newRedis } from "../shared/redis.ts";
import { untilDone } from "../shared/retry.ts";
import { onStop } from "../shared/serve.ts";
import { parseBallot } from "./ballot.ts";
import { makeTable, recordVote } from "./votes.ts";

/** Moves votes from the list `votes` in Redis to the table `votes` in PostgreSQL, one after the other. */

/** How long one look at an empty list waits; it bounds the time to stop. In seconds. */
const LOOK_SECONDS = 1;

let stopping = false;
const goOn = (): boolean => !stopping;
onStop(() => {
  stopping = true;
});

const redis = newRedis({ ping: false });
const database = newDatabase(1);

/** A vote that was taken off the list is stored, or put back when the worker must stop. */
async function moveOne(): Promise<void> {
  const found = await untilDone("taking a vote", () => redis.blPop("votes", LOOK_SECONDS), goOn);
  if (found === null) return;
  const ballot = parseBallot(found.element);
  if (ballot === undefined) return console.error(`skipped what is no vote: ${found.element.slice(0, 200)}`);
  try {
    await untilDone("storing a vote", () => recordVote(database, ballot), goOn);
    console.log(`stored the vote of ${ballot.voter_id} for ${ballot.vote}`);
  } catch (error) {
    await redis.lPush("votes", found.element);
    throw error;
  }
}

async function main(): Promise<void> {
  void redis.connect();
  await untilDone("making the table", () => makeTable(database), goOn);
  while (goOn()) await moveOne();
}

main()
  .catch((error: unknown) => {
    if (!stopping) throw error;
  })
  .finally(() => process.exit(process.exitCode ?? 0));
