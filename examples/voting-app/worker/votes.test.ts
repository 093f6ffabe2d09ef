import { expect, test } from "vitest";
import { parseBallot } from "./ballot.ts";
import { type Database, recordVote } from "./votes.ts";

/** A table `votes` with its unique column, in memory; it answers the worker's two statements as PostgreSQL does. */
function table(): { votes: Map<string, string>; database: Database } {
  const votes = new Map<string, string>();
  const query = async (text: string, values: unknown[] = []) => {
    const [first, second] = values.map(String);
    if (first === undefined || second === undefined) throw new Error("values are missing");
    if (text.startsWith("INSERT INTO votes (id, vote)")) {
      if (votes.has(first)) throw Object.assign(new Error("duplicate key"), { code: "23505" });
      votes.set(first, second);
    } else if (text === "UPDATE votes SET vote = $1 WHERE id = $2") votes.set(second, first);
    else throw new Error(`syntax error: ${text}`);
  };
  return { votes, database: { query } };
}

test("the last vote of a voter counts", async () => {
  const { votes, database } = table();
  for (const vote of ["a", "b", "b", "a"]) await recordVote(database, { voter_id: "v1", vote });
  await recordVote(database, { voter_id: "v2", vote: "b" });
  expect([...votes]).toEqual([
    ["v1", "a"],
    ["v2", "b"],
  ]);
});

test("any other failure is the caller's", async () => {
  const gone = { query: () => Promise.reject(new Error("connection lost")) };
  await expect(recordVote(gone, { voter_id: "v", vote: "a" })).rejects.toThrow("connection lost");
});

test("what the vote page and the original app push is a ballot", () => {
  expect(parseBallot('{"voter_id":"1f","vote":"a"}')).toEqual({ voter_id: "1f", vote: "a" });
  expect(parseBallot('{"vote": "b", "voter_id": "1f"}')).toEqual({ voter_id: "1f", vote: "b" });
});

test.each([
  "",
  "nonsense",
  "null",
  "[]",
  '{"vote":"a"}',
  '{"voter_id":1,"vote":"a"}',
  '{"voter_id":"1f","vote":"c"}',
  `{"voter_id":"${"f".repeat(256)}","vote":"a"}`,
])("%j is none", (text) => {
  expect(parseBallot(text)).toBeUndefined();
});
