import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { Fault, silentLog } from "../lib/index.ts";
import { answerOf, STATUS_OF, statusOf } from "./errors.ts";

test("docs/errors.md has the statuses that are sent", () => {
  const page = readFileSync(resolve(import.meta.dirname, "../../docs/errors.md"), "utf8");
  const rows = [...page.matchAll(/^\| ([a-z-]+) \|.*\| (\d+)[^|]* \|$/gm)].map(([, kind, status]) => [
    kind,
    Number(status),
  ]);
  expect(Object.fromEntries(rows)).toEqual(STATUS_OF);
});

test("a stale version is 500, as clients that retry expect; other conflicts are 409", () => {
  expect(statusOf(new Fault("conflict", "rpc error: code = Unknown desc = update out of sequence"))).toBe(
    500,
  );
  expect(statusOf(new Fault("conflict", "volume is in use"))).toBe(409);
});

test("what is no Fault is our own mistake: 500, one sentence, no stack", () => {
  const answer = answerOf(new TypeError("x is undefined"), silentLog);
  expect(answer).toEqual({ kind: "json", status: 500, body: { message: "x is undefined" } });
});
