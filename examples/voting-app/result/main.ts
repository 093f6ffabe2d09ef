import { newDatabase } from "../shared/database.ts";
import { port, text } from "../shared/env.ts";
import { reasonOf } from "../shared/retry.ts";
import { type Answer, json, page, serve } from "../shared/serve.ts";
import { countsOf } from "./counts.ts";
import { resultPage } from "./page.ts";

/** The page with the counts: it asks PostgreSQL whenever somebody looks. */

const UNDEFINED_TABLE = "42P01";

const database = newDatabase(4);
const names = { a: text("OPTION_A", "Cats"), b: text("OPTION_B", "Dogs") };

async function votes(): Promise<Answer> {
  try {
    const { rows } = await database.query("SELECT vote, COUNT(id) AS count FROM votes GROUP BY vote");
    return json(200, countsOf(rows));
  } catch (error) {
    // The worker makes the table when it first reaches the database.
    if ((error as { code?: string }).code === UNDEFINED_TABLE) return json(200, countsOf([]));
    console.error(`counting votes: ${reasonOf(error)}`);
    return json(503, { error: "the database cannot be reached" });
  }
}

serve(port("PORT", 80), {
  "GET /": () => page(200, resultPage(names)),
  "GET /api/votes": votes,
});
