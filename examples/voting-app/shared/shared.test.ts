import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { backoff, reasonOf, untilDone } from "./retry.ts";
import { clientOf, logLine, readCookies } from "./serve.ts";

test("cookies are read as browsers send them", () => {
  expect(readCookies(undefined)).toEqual({});
  expect(readCookies("a=1; b=x=y")).toEqual({ a: "1", b: "x=y" });
});

test("a log line begins with the client's address, as IPv4 where it is one", () => {
  const at = new Date("2026-01-02T03:04:05Z");
  const line = logLine(clientOf("::ffff:172.31.0.9"), at, "POST / HTTP/1.1", 200);
  expect(line).toBe('172.31.0.9 - - [2026-01-02T03:04:05.000Z] "POST / HTTP/1.1" 200');
  expect(clientOf("fd00::1")).toBe("fd00::1");
});

test("waits grow, up to two seconds", () => {
  expect([0, 1, 2, 4, 5, 100].map(backoff)).toEqual([100, 200, 400, 1600, 2000, 2000]);
});

test("a refused connection to several addresses says why", () => {
  const refused = (address: string) => new Error(`connect ECONNREFUSED ${address}`);
  const error = new AggregateError([refused("::1"), refused("127.0.0.1")]);
  expect(reasonOf(error)).toBe("connect ECONNREFUSED ::1, connect ECONNREFUSED 127.0.0.1");
});

test("trying again ends with success, or with the last error when one must not go on", async () => {
  let tries = 0;
  const third = async () => {
    if (++tries < 3) throw new Error(`try ${tries}`);
    return tries;
  };
  expect(await untilDone("a test", third, () => true)).toBe(3);
  tries = 0;
  await expect(untilDone("a test", third, () => tries < 2)).rejects.toThrow("try 2");
});

test("the app's own package.json and the root's have the same versions", () => {
  const read = (path: string) => JSON.parse(readFileSync(join(import.meta.dirname, path), "utf8"));
  const own = read("../package.json");
  const root = read("../../../package.json").devDependencies;
  for (const [name, version] of Object.entries({ ...own.dependencies, ...own.devDependencies })) {
    expect(root[name], name).toBe(version);
  }
});

/** The vote page as a process of its own, on a free port, its Redis on a port where nobody listens. */
async function votePageProcess(): Promise<{ child: ChildProcess; url: string }> {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address() as { port: number };
  free.close();
  const child = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "../vote/main.ts")], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PORT: String(port), REDIS_HOST: "127.0.0.1", REDIS_PORT: "1" },
  });
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.on("close", () => reject(new Error(`the vote page ended: ${said}`)));
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("listening on port")) resolve();
    });
  });
  return { child, url: `http://127.0.0.1:${port}` };
}

test("the vote page answers while its Redis is away, refuses bad input, logs, and ends at SIGTERM", async () => {
  const { child, url } = await votePageProcess();
  let log = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  const status = async (path: string, init?: RequestInit) => {
    const answer = await fetch(url + path, init);
    await answer.text();
    return answer.status;
  };
  expect(await status("/")).toBe(200);
  expect(await status("/nowhere")).toBe(404);
  expect(await status("/", { method: "DELETE" })).toBe(404);
  expect(await status("/", { method: "POST", body: "vote=c" })).toBe(400);
  expect(await status("/", { method: "POST", body: `vote=${"a".repeat(5000)}` })).toBe(413);
  const ended = once(child, "close");
  child.kill("SIGTERM");
  const [code] = await ended;
  expect(code).toBe(0);
  expect(log.split("\n")[0]).toMatch(/^127\.0\.0\.1 - - \[\S+\] "GET \/ HTTP\/1\.1" 200$/);
});
