import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { killHost, onHost, startHost, stopDaemon } from "../../src/lab/index.ts";
import { systemClock } from "../../src/sys/index.ts";
import { startLoad } from "../support/load.ts";
import { eventually, hostParts, TestSwarm } from "../support/swarm.ts";

/** The HAProxy configuration of docs/external-load-balancer.md, word for word but for the lab's number, before three hosts. */

const PAGE = resolve(import.meta.dirname, "../../docs/external-load-balancer.md");
const URL = "http://127.0.0.1:8000/";

let swarm: TestSwarm;
let folder: string;
let balancer: { stop(): Promise<void> };

beforeAll(async () => {
  swarm = await TestSwarm.up("extlb", 3, { settings: { "health-addr": "0.0.0.0:2378" } });
  await swarm.service("web", "-p", "8080:80", "--mode", "global", "shoal/probe");
  folder = mkdtempSync(join(tmpdir(), "shoal-extlb-"));
  balancer = await startBalancer();
});

afterAll(async () => {
  await balancer?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  await swarm?.[Symbol.asyncDispose]();
});

/** Runs HAProxy on the client's host. */
async function startBalancer(): Promise<{ stop(): Promise<void> }> {
  const file = join(folder, "haproxy.cfg");
  const stats = `global\n    stats socket ${join(folder, "stats")}\n`;
  writeFileSync(file, stats + configOf(readFileSync(PAGE, "utf8")));
  const [program = "", ...args] = onHost(swarm.lab, "client", ["haproxy", "-db", "-f", file]);
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe"] });
  process.once("exit", () => child.kill());
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  await eventually(10_000, "HAProxy serves", async () => {
    if (child.exitCode !== null) throw new Error(said);
    return (await curl(URL)).startsWith("200");
  });
  return {
    async stop() {
      child.kill();
      await ended;
    },
  };
}

function configOf(page: string): string {
  const [, text = ""] = /```haproxy\n([\s\S]*?)```/.exec(page) ?? [];
  return text.replace(/172\.31\.0\.(\d)/g, (_, host: string) => swarm.ip(host));
}

/** Status and body of an answer, from the client's host. */
async function curl(url: string): Promise<string> {
  const { stdout } = await swarm.exec("client", "curl", "-s", "-m", "5", "-w", "\n%{http_code}", url);
  const [code = "", ...body] = stdout.split("\n").reverse();
  return `${code} ${body.reverse().join("\n").trim()}`;
}

const ready = (host: string, path = "/ready") => curl(`http://${swarm.ip(host)}:2378${path}`);

/** Which nodes HAProxy sends requests to. */
async function inUse(): Promise<string[]> {
  const ask = `require("node:net").connect(process.argv[1]).on("connect", function () { this.write("show stat\\n"); }).pipe(process.stdout)`;
  const { stdout } = await swarm.exec("client", process.execPath, "-e", ask, join(folder, "stats"));
  const rows = stdout.split("\n").map((line) => line.split(","));
  return rows
    .filter(([backend, , ...rest]) => backend === "nodes" && rest[15] === "UP")
    .flatMap(([, node]) => node ?? []);
}

async function until(nodes: readonly string[]): Promise<void> {
  await eventually(20_000, `HAProxy uses ${nodes.join(", ")}`, async () => {
    const used = (await inUse()).filter((name) => name.startsWith("node-"));
    return used.join() === nodes.join() || Promise.reject(new Error(used.join()));
  });
}

const ALL = ["node-1", "node-2", "node-3"];

test("a node says whether it is ready, for all or for a port", async () => {
  await until(ALL);
  expect(await ready("2")).toBe("200 ready");
  expect(await ready("2", "/ready/8080")).toBe("200 ready");
  expect(await ready("2", "/ready/8081")).toBe("503 not ready: no service publishes port 8081/tcp");
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "-q",
    "--name",
    "none",
    "--replicas",
    "0",
    "-p",
    "8082:80",
    "shoal/probe",
  );
  await eventually(10_000, "the port without tasks is known", async () => {
    return (await ready("3", "/ready/8082")) === "503 not ready: no task of service none takes connections";
  });
});

test("a drained node is not ready, is left by the balancer, and no request fails", async () => {
  const load = startLoad(swarm, URL);
  await swarm.docker("1", "node", "update", "--availability", "drain", `${swarm.lab.name}-2`);
  await until(["node-1", "node-3"]);
  expect(await ready("2")).toBe("503 not ready: the node is drained");
  // It still carries what comes to it: a balancer that has not heard yet loses nothing.
  expect(await curl(`http://${swarm.ip("2")}:8080/`)).toMatch(/^200/);
  await swarm.docker("1", "node", "update", "--availability", "active", `${swarm.lab.name}-2`);
  await until(ALL);
  expect((await load.stop()).failures).toEqual([]);
});

test("a shoald that stops says so first; no request fails, and the mesh goes on without it", async () => {
  const load = startLoad(swarm, URL);
  await stopDaemon(swarm.lab, "3", systemClock);
  await until(["node-1", "node-2"]);
  expect(await curl(`http://${swarm.ip("3")}:8080/`)).toMatch(/^200/);
  await startHost(swarm.lab, "3", hostParts);
  await until(ALL);
  expect((await load.stop()).failures).toEqual([]);
});

test("a host that dies under load: the balancer asks another node again, and no request fails", async () => {
  const load = startLoad(swarm, URL);
  await killHost(swarm.lab, "2", systemClock);
  await until(["node-1", "node-3"]);
  // Until the managers miss the host, its task is still drawn by the others.
  await eventually(60_000, "the host is missed", async () => {
    const state = await swarm.docker(
      "1",
      "node",
      "inspect",
      "--format",
      "{{.Status.State}}",
      `${swarm.lab.name}-2`,
    );
    return state === "down";
  });
  expect((await load.stop()).failures).toEqual([]);
});
