import { expect, test } from "vitest";
import { silentLog } from "../lib/index.ts";
import { type AgentMessage, LOG_WINDOW, type LogRequest } from "../rpc/index.ts";
import type { LogEntry, LogOptions } from "../runtime/index.ts";
import { LogSource } from "./log-source.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const REQUEST: LogRequest = {
  kind: "log-request",
  subscriptionId: "s",
  taskIds: ["t"],
  ...{ follow: false, stdout: true, stderr: true },
};

/** A source whose one container has `lines`; follows for ever when asked to. */
function make(lines: Iterable<string>) {
  const sent: AgentMessage[] = [];
  const asked: LogOptions[] = [];
  let read = 0;
  async function* logs(_id: string, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogEntry> {
    asked.push(options);
    for (const text of lines) {
      signal.throwIfAborted();
      read += 1;
      yield { at: BigInt(read), stream: "stdout", line: new TextEncoder().encode(text) };
    }
    if (!options.follow) return;
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }
  const source = new LogSource({
    containers: { logs },
    log: silentLog,
    containerOf: (taskId) => (taskId === "t" ? "c" : undefined),
    send: (message) => void sent.push(message),
  });
  return { source, sent, asked, read: () => read, batches: () => sent.filter((m) => m.kind === "log-lines") };
}

const many = (n: number) => Array.from({ length: n }, (_, i) => `${i}\n`);

test("lines go out in batches, then word that it is done", async () => {
  const { source, sent, asked } = make(many(450));
  await source.serve({ ...REQUEST, tail: 3, since: 5n });
  expect(sent.map((m) => (m.kind === "log-lines" ? m.lines.length : m.kind))).toEqual([
    200,
    200,
    50,
    "logs-done",
  ]);
  expect(sent.at(-1)).toEqual({ kind: "logs-done", subscriptionId: "s", error: "" });
  expect(asked).toEqual([{ follow: false, stdout: true, stderr: true, tail: 3, since: 5n }]);
});

test("a task that is not here has no lines", async () => {
  const { source, sent } = make(many(3));
  await source.serve({ ...REQUEST, taskIds: ["elsewhere"] });
  expect(sent).toEqual([{ kind: "logs-done", subscriptionId: "s", error: "" }]);
});

test("long lines make small batches", async () => {
  const { source, batches } = make(Array.from({ length: 4 }, () => "x".repeat(200_000)));
  await source.serve(REQUEST);
  expect(batches()).toHaveLength(2);
});

test("no more is read than the reader takes", async () => {
  const { source, batches, read } = make(many(1_000 * 200));
  const serving = source.serve(REQUEST);
  await expect.poll(() => batches().length).toBe(LOG_WINDOW);
  for (let i = 0; i < 100; i++) await turn();
  expect(batches()).toHaveLength(LOG_WINDOW);
  expect(read()).toBe((LOG_WINDOW + 1) * 200);
  source.taken("s", 2);
  await expect.poll(() => batches().length).toBe(LOG_WINDOW + 2);
  source.taken("another", 5);
  source.taken("s", 2_000);
  await serving;
  expect(batches()).toHaveLength(1_000);
});

test("a reader who leaves ends the reading, also while it waits for him; nothing more is said", async () => {
  const { source, sent, batches } = make(many(1_000 * 200));
  const serving = source.serve(REQUEST);
  await expect.poll(() => batches().length).toBe(LOG_WINDOW);
  source.cancel("s");
  await serving;
  source.taken("s", 10);
  expect(sent).toHaveLength(LOG_WINDOW);
});

test("followed lines go out one by one; a lost session ends them all", async () => {
  const { source, sent, batches } = make(many(3));
  const serving = source.serve({ ...REQUEST, follow: true });
  await expect.poll(() => batches().length).toBe(3);
  source.cancelAll();
  await serving;
  expect(sent).toHaveLength(3);
});

test("what cannot be read is said", async () => {
  const sent: AgentMessage[] = [];
  const source = new LogSource({
    containers: {
      // biome-ignore lint/correctness/useYield: fails before its first line
      async *logs() {
        throw new Error("the log is damaged");
      },
    },
    log: silentLog,
    containerOf: () => "c",
    send: (message) => void sent.push(message),
  });
  await source.serve(REQUEST);
  expect(sent).toEqual([{ kind: "logs-done", subscriptionId: "s", error: "the log is damaged" }]);
});
