import type { Ballot } from "./ballot.ts";

/** What the worker needs of a database; pg's Pool has it. */
export interface Database {
  query(text: string, values?: unknown[]): Promise<unknown>;
}

const UNIQUE_VIOLATION = "23505";

export async function makeTable(database: Database): Promise<void> {
  await database.query(
    "CREATE TABLE IF NOT EXISTS votes (id VARCHAR(255) NOT NULL UNIQUE, vote VARCHAR(255) NOT NULL)",
  );
}

/** One vote a voter: the last one counts. In two steps, because PostgreSQL 9.4 has no ON CONFLICT. */
export async function recordVote(database: Database, { voter_id, vote }: Ballot): Promise<void> {
  try {
    await database.query("INSERT INTO votes (id, vote) VALUES ($1, $2)", [voter_id, vote]);
  } catch (error) {
    if ((error as { code?: string }).code !== UNIQUE_VIOLATION) throw error;
    await database.query("UPDATE votes SET vote = $1 WHERE id = $2", [vote, voter_id]);
  }
}
