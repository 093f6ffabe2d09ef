import { expect, test } from "vitest";
import { FakeClock } from "../lib/index.ts";
import { lineLog } from "./log.ts";

test("a line is one JSON object with time, level, message and fields", () => {
  const lines: string[] = [];
  const log = lineLog((line) => lines.push(line), new FakeClock(0), "info").with({ node: "n1" });
  log.info("task assigned", { task: "t1" });
  log.debug("not said");
  expect(lines).toEqual([
    '{"time":"1970-01-01T00:00:00.000Z","level":"info","msg":"task assigned","node":"n1","task":"t1"}\n',
  ]);
});

test("a log that cannot be written is no trouble of who speaks", () => {
  const log = lineLog(
    () => {
      throw new Error("ENOSPC: no space left on device, write");
    },
    new FakeClock(0),
    "info",
  );
  expect(() => log.error("network not applied")).not.toThrow();
});
