import { request } from "node:http";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, TestSwarm } from "../support/swarm.ts";

/** Bad input: Docker's own status, a sentence, and nothing half made. */

let swarm: TestSwarm;

beforeAll(async () => {
  swarm = await TestSwarm.up("input", 2, { swarm: false });
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

async function refused(host: string, args: readonly string[], words: string | RegExp): Promise<void> {
  const { code, stderr } = await swarm.try(host, ...args);
  expect(code, `docker ${args.join(" ")} must fail`).not.toBe(0);
  expect(stderr).toMatch(words);
}

test("before a swarm: manager commands say what to do", async () => {
  await refused(
    "1",
    ["service", "ls"],
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join"',
  );
  await refused("1", ["network", "create", "-d", "overlay", "x"], "This node is not a swarm manager");
  await refused("1", ["swarm", "leave"], "This node is not part of a swarm");
});

test("joining needs the right token and a live manager", async () => {
  await swarm.docker("1", "swarm", "init", "--advertise-addr", swarm.ip("1"));
  await refused("1", ["swarm", "init"], "This node is already part of a swarm");
  const token = await swarm.docker("1", "swarm", "join-token", "-q", "worker");
  const manager = `${swarm.ip("1")}:2377`;
  await refused("2", ["swarm", "join", "--token", "SWMTKN-1-nonsense", manager], /invalid join token/);
  const wrongSecret = token.replace(/[^-]+$/, (s) => s.split("").reverse().join(""));
  await refused("2", ["swarm", "join", "--token", wrongSecret, manager], /valid join token/);
  const wrongDigest = token.replace(/-1-(.)/, (_, c) => `-1-${c === "1" ? "2" : "1"}`);
  await refused(
    "2",
    ["swarm", "join", "--token", wrongDigest, manager],
    /digest|fingerprint|does not match/i,
  );
  await swarm.docker("1", "swarm", "join-token", "--rotate", "-q", "worker");
  await refused("2", ["swarm", "join", "--token", token, manager], /valid join token/);
  const began = Date.now();
  await refused("2", ["swarm", "join", "--token", token, `${swarm.ip("1").replace(/\d+$/, "99")}:2377`], /./);
  expect(Date.now() - began).toBeLessThan(25_000);
  expect(await swarm.docker("2", "info", "--format", "{{.Swarm.LocalNodeState}}")).toBe("inactive");
  expect((await swarm.docker("1", "node", "ls", "-q")).split("\n").length).toBe(1);
});

test("a worker sends manager commands away, and a fresh token lets it in", async () => {
  const token = await swarm.docker("1", "swarm", "join-token", "-q", "worker");
  await swarm.docker("2", "swarm", "join", "--token", token, `${swarm.ip("1")}:2377`);
  await refused("2", ["service", "ls"], "Worker nodes can't be used to view or modify cluster state");
  await refused(
    "2",
    ["network", "create", "-d", "overlay", "x"],
    "Cannot create a multi-host network from a worker node",
  );
});

test("bad services are refused and leave nothing", async () => {
  const create = (...args: string[]) => ["service", "create", "--detach", ...args];
  await refused("1", create("--network", "nowhere", "shoal/probe"), /network:? nowhere/);
  await swarm.service("web", "-p", "8080:80", "shoal/probe");
  await refused(
    "1",
    create("--name", "web", "shoal/probe"),
    "name conflicts with an existing object: service web already exists",
  );
  await refused(
    "1",
    create("--name", "web2", "-p", "8080:80", "shoal/probe"),
    "port '8080' is already in use by service 'web'",
  );
  await refused(
    "1",
    create("--name", "web3", "--mount", "type=volume,source=a,target=relative", "shoal/probe"),
    /invalid mount target/,
  );
  await refused("1", create("--name", "b d", "shoal/probe"), /name/);
  expect((await swarm.docker("1", "service", "ls", "-q")).split("\n").length).toBe(1);
});

test("a task that cannot run says why in service ps", async () => {
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "--name",
    "noimage",
    "--restart-max-attempts",
    "1",
    "shoal/no-such-image",
  );
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "--name",
    "arm",
    "--restart-max-attempts",
    "1",
    "--no-resolve-image",
    "shoal/arm64only",
  );
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "--name",
    "huge",
    "--reserve-memory",
    "900g",
    "shoal/probe",
  );
  await swarm.docker(
    "1",
    "service",
    "create",
    "-d",
    "--name",
    "nobind",
    "--restart-max-attempts",
    "1",
    "--mount",
    "type=bind,source=/no/such/folder,target=/x",
    "shoal/probe",
  );
  const ps = (service: string, words: RegExp) =>
    eventually(15_000, `${service} says ${words}`, async () =>
      words.test(await swarm.docker("1", "service", "ps", "--no-trunc", service)),
    );
  await ps("noimage", /no such image|not found|pull access denied/i);
  await ps("arm", /no matching manifest for linux/);
  await ps("huge", /no suitable node \(insufficient resources on 2 nodes \(memory\)\)/);
  await ps("nobind", /bind source path does not exist|bind mount source|\/no\/such\/folder/);
  for (const service of ["noimage", "arm", "huge", "nobind"])
    await swarm.docker("1", "service", "rm", service);
});

test("networks: taken names, overlaps and networks in use are refused", async () => {
  await swarm.docker("1", "network", "create", "-d", "overlay", "--subnet", "10.50.0.0/24", "front");
  await refused(
    "1",
    ["network", "create", "-d", "overlay", "front"],
    "network with name front already exists",
  );
  await refused(
    "1",
    ["network", "create", "-d", "overlay", "--subnet", "10.50.0.128/25", "other"],
    /overlaps.*front/,
  );
  await refused(
    "1",
    ["network", "create", "-d", "overlay", "--subnet", "10.50.0.300/24", "other"],
    /invalid/i,
  );
  await swarm.service("user", "--network", "front", "shoal/probe");
  await refused("1", ["network", "rm", "front"], /is in use by (service|task)/);
  await refused("1", ["network", "rm", "nowhere"], /network:? nowhere/);
  await swarm.docker("1", "service", "rm", "user");
});

test("garbage, over-long bodies and half-closed connections neither hang nor crash the API", async () => {
  const socketPath = swarm.hostPaths("1").apiSocket;
  const send = (path: string, method: string, body: string | Buffer) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const req = request(
        {
          socketPath,
          path,
          method,
          agent: false,
          headers: { "content-type": "application/json" },
          timeout: 5_000,
        },
        (res) => {
          let text = "";
          res.on("data", (chunk) => (text += chunk));
          res.on("end", () => resolve({ status: res.statusCode ?? 0, text }));
        },
      );
      req.on("error", reject);
      // A refusal may come while the body is still being sent; then only the socket hears that nobody takes it.
      req.on("socket", (socket) => socket.on("error", reject));
      req.end(body);
    });
  expect((await send("/v1.51/services/create", "POST", "{not json")).status).toBe(400);
  expect((await send("/v1.51/services/create", "POST", '{"Name":"x","Surprise":1}')).status).toBe(400);
  expect((await send("/v1.51/no/such/route", "GET", "")).status).toBe(404);
  expect((await send("/v9.99/info", "GET", "")).status).toBe(400);
  const huge = await send("/v1.51/services/create", "POST", Buffer.alloc(64 << 20, "x")).catch(() => ({
    status: 413,
  }));
  expect([400, 413]).toContain(huge.status);
  await new Promise<void>((resolve) => {
    const socket = connect(socketPath, () => socket.end("\x00\xffGARBAGE\r\n\r\n"));
    socket.on("close", () => resolve());
    socket.on("error", () => resolve());
    socket.resume();
  });
  await new Promise<void>((resolve) => {
    const socket = connect(socketPath, () => {
      socket.write("POST /v1.51/services/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{");
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
  });
  expect(await swarm.docker("1", "service", "ls", "-q")).not.toBe("");
});
