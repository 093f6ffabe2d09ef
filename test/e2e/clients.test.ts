import { execFile } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";
import { PassThrough } from "node:stream";
import Docker from "dockerode";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, TestSwarm } from "../support/swarm.ts";

/** Clients that people's tools are built on, as they are: dockerode, and docker-py from Debian. */

let swarm: TestSwarm;
let socketPath: string;
let docker: Docker;

beforeAll(async () => {
  swarm = await TestSwarm.up("clients", 1);
  socketPath = join(swarm.hostPaths("1").run, "docker.sock");
  docker = new Docker({ socketPath });
});

afterAll(async () => {
  await swarm[Symbol.asyncDispose]();
});

/** What a tool like Traefik does: it reads all there is, then follows events and reads again. */
test("dockerode: services made, found by filters, followed by events, updated, read and removed", async () => {
  expect(await docker.version()).toMatchObject({ Os: "linux", ApiVersion: expect.any(String) });
  const told: { Type: string; Action: string; name: string }[] = [];
  const events = await docker.getEvents({ filters: { type: ["service"] } });
  events.on("data", (line: Buffer) => {
    const { Type, Action, Actor } = JSON.parse(String(line));
    told.push({ Type, Action, name: Actor.Attributes.name });
  });
  const network = await docker.createNetwork({ Name: "edge", Driver: "overlay", Labels: { tier: "front" } });
  const made = await docker.createService({
    Name: "whoami",
    Labels: { "traefik.enable": "true" },
    TaskTemplate: {
      ContainerSpec: { Image: "shoal/probe" },
      Networks: [{ Target: network.id }],
    },
    Mode: { Replicated: { Replicas: 2 } },
    EndpointSpec: { Ports: [{ Protocol: "tcp", TargetPort: 8080, PublishedPort: 8091 }] },
  });
  await swarm.replicas("whoami", 2);
  const [service] = await docker.listServices({ filters: { label: ["traefik.enable=true"] } });
  expect(service).toMatchObject({
    ID: made.id,
    Endpoint: {
      Ports: [{ PublishedPort: 8091 }],
      VirtualIPs: expect.arrayContaining([
        { NetworkID: network.id, Addr: expect.stringMatching(/^10\..*\/24$/) },
      ]),
    },
  });
  const tasks = await docker.listTasks({ filters: { service: ["whoami"], "desired-state": ["running"] } });
  const addresses = tasks.flatMap((task) =>
    task.NetworksAttachments.map(({ Addresses }: { Addresses: string[] }) => Addresses[0]),
  );
  expect(new Set(addresses).size, "each task has an address on both networks").toBe(4);
  expect(await docker.listNetworks({ filters: { scope: ["swarm"], label: ["tier=front"] } })).toMatchObject([
    { Name: "edge", Id: network.id },
  ]);
  const { Version, Spec } = await docker.getService(made.id).inspect();
  await docker
    .getService(made.id)
    .update({ ...Spec, version: Version.Index, Mode: { Replicated: { Replicas: 1 } } });
  await swarm.replicas("whoami", 1);
  await docker.getService(made.id).remove();
  await eventually(10_000, "its end is told", async () => told.some(({ Action }) => Action === "remove"));
  expect(told.map(({ Type, Action, name }) => `${Type} ${Action} ${name}`)).toEqual([
    "service create whoami",
    ...told.slice(1, -1).map(() => "service update whoami"),
    "service remove whoami",
  ]);
  (events as unknown as { destroy(): void }).destroy();
  await eventually(10_000, "the network is free", () => network.remove().then(() => true));
});

test("dockerode: logs are followed in two streams, images pulled with progress, secrets and nodes read", async () => {
  await swarm.service(
    "talker",
    "--restart-condition=none",
    "busybox",
    "sh",
    "-c",
    "echo out; echo err >&2; exec sleep 1000",
  );
  const [output, errors] = [new PassThrough(), new PassThrough()];
  const text = { out: "", err: "" };
  output.on("data", (chunk) => (text.out += chunk));
  errors.on("data", (chunk) => (text.err += chunk));
  const logs = await docker.getService("talker").logs({ stdout: true, stderr: true, follow: true });
  docker.modem.demuxStream(logs as unknown as NodeJS.ReadableStream, output, errors);
  await eventually(10_000, "both lines", async () => text.out === "out\n" && text.err === "err\n");
  (logs as unknown as { destroy(): void }).destroy();

  const steps: string[] = [];
  const pull = await docker.pull("shoal/arm64only:latest").catch((error: Error) => error);
  expect(String(pull)).toMatch(/no matching manifest/);
  const stream = await docker.pull("busybox:latest");
  docker.modem.followProgress(
    stream,
    () => stream.emit("told"),
    ({ status }) => steps.push(status),
  );
  await once(stream, "told");
  expect(steps.at(-1)).toMatch(/^Status: /);

  const secret = await docker.createSecret({ Name: "word", Data: Buffer.from("hush").toString("base64") });
  expect(await docker.getSecret(secret.id).inspect()).toMatchObject({ Spec: { Name: "word" } });
  expect(JSON.stringify(await docker.listSecrets())).not.toContain(Buffer.from("hush").toString("base64"));
  await docker.getSecret(secret.id).remove();
  const [node] = await docker.listNodes();
  expect(node).toMatchObject({ Spec: { Role: "manager" }, Status: { State: "ready" } });
  await docker.getService("talker").remove();
});

test("docker-py: its own calls, and its own refusals", async () => {
  const script = resolve(import.meta.dirname, "../support/docker-py.py");
  const said = await new Promise<string>((done, fail) => {
    const env = { ...process.env, DOCKER_HOST: `unix://${socketPath}` };
    execFile("/usr/bin/python3", [script], { env, timeout: 120_000 }, (error, stdout, stderr) => {
      if (error === null) done(stdout);
      else fail(new Error(`${stderr}${stdout}`));
    });
  });
  expect(said.trim().split("\n")).toEqual([
    "ping True",
    "role manager",
    "network py-net overlay swarm",
    "service py-web replicas 2",
    "running 2",
    "labels {'tool': 'py'}",
    "scaled 1",
    "logs hello",
    "config py-config",
    "not found 404",
    "conflict 409",
    "events service:create service:remove",
    "gone",
  ]);
});
