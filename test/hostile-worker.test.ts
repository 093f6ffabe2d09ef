import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock, Fault, newId, seededRandom, silentLog } from "../src/lib/index.ts";
import { AgentSide, DESCRIPTION } from "../src/manager/agents.fake.ts";
import { put, type Task } from "../src/model/index.ts";
import { aCluster, aNode, aTask, T0 } from "../src/model/objects.fake.ts";
import { CertifiedCluster } from "../src/rpc/cluster.fake.ts";
import { type AgentStream, connectDispatcher, type ManagerMessage, RpcServer } from "../src/rpc/index.ts";
import { NO_VISITS } from "../src/rpc/rpc.fake.ts";
import { MemoryBackend, openSeal, Store } from "../src/store/index.ts";
import { systemClock as clock, systemRandom as random } from "../src/sys/index.ts";
import { mine, others, own, spare, theirs, unsaved } from "./support/two-secrets.ts";
import { until } from "./support/until.ts";

/* A worker in an attacker's hand, its certificate and its word, over the real RPC: it hears of its own tasks' secrets alone. */

const on = (nodeId: string): Partial<Task> => ({
  nodeId,
  status: { at: T0, state: "assigned", message: "" },
});
const refuse = () => Promise.reject(new Fault("forbidden", "not asked for here"));

let store: Store;
let side: AgentSide;
let server: RpcServer;
let cluster: CertifiedCluster;
const open: AgentStream[] = [];

beforeEach(async () => {
  const time = new FakeClock(T0);
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock: time, log: silentLog });
  side = new AgentSide(store, time, seededRandom(1));
  await store.update([
    put("cluster", unsaved(aCluster())),
    ...["node-1", "node-2"].map((id) => put("node", unsaved(aNode(id)))),
    ...[own, others, spare].map((secret) => put("secret", unsaved(secret))),
    ...[mine, theirs].map((service) => put("service", unsaved(service))),
    put("task", unsaved(aTask(mine, 1, on("node-1")))),
    put("task", unsaved(aTask(theirs, 1, on("node-2")))),
    put("task", unsaved(aTask(theirs, 2, {}))),
  ]);
  cluster = await CertifiedCluster.create("cluster", { clock, random });
  server = await RpcServer.listen({
    ...{ host: "127.0.0.1", port: 0, clock, log: silentLog },
    identity: await cluster.identity("manager-1", "manager"),
    services: {
      certificates: { getRoot: refuse, issue: refuse, renew: refuse },
      dispatcher: side.dispatcher,
      visits: NO_VISITS,
    },
  });
});
afterEach(async () => {
  for (const stream of open.splice(0)) stream.close();
  await side.close();
  await server.close();
});

/** A session of node-1's certificate; what it hears is kept. */
async function intrude(): Promise<{ stream: AgentStream; heard: ManagerMessage[] }> {
  const identity = await cluster.identity("node-1", "worker");
  const never = new AbortController().signal;
  const stream = await connectDispatcher({ address: `127.0.0.1:${server.port}`, identity, clock }, never);
  open.push(stream);
  const heard: ManagerMessage[] = [];
  void (async () => {
    for await (const message of stream.messages) heard.push(message);
  })().catch(() => undefined);
  return { stream, heard };
}

/** The cluster's clock goes on meanwhile: reports are written in batches. */
const soon = (isSo: () => boolean) =>
  until(async () => {
    await side.pass(50);
    return isSo();
  });
const textOf = (heard: readonly ManagerMessage[]) =>
  JSON.stringify(heard, (_, value) => (typeof value === "bigint" ? String(value) : value));
const hello = (hostname = "node-2") =>
  ({
    kind: "hello",
    description: { ...DESCRIPTION, hostname },
    advertiseAddress: "10.9.0.2",
    dataPathAddress: "10.9.0.2",
    tunnelEnd: { boot: "b2", lack: "" },
  }) as const;
const says = (taskId: string, state: "running" | "failed") =>
  ({ kind: "statuses", statuses: [{ taskId, status: { at: T0, state, message: "" } }] }) as const;

test("whatever it says of itself and of others' tasks, it is told its own tasks' secrets only", async () => {
  const { stream, heard } = await intrude();
  stream.send(hello());
  await soon(() => heard.some(({ kind }) => kind === "assignments"));
  stream.send(says("theirs-1", "running"));
  stream.send(says("theirs-2", "running"));
  stream.send({ kind: "applied", sequence: 10_000 });
  stream.send(says("mine-1", "running"));
  await soon(() => store.view.get("task", "mine-1")?.status.state === "running");
  // A change of every secret, and of others' tasks, is news to whoever may have them.
  for (const { id } of [own, others, spare]) {
    const secret = store.view.get("secret", id)!;
    await store.update([put("secret", { ...secret, spec: { ...secret.spec, labels: { seen: "yes" } } })]);
  }
  const again = await intrude();
  again.stream.send(hello(newId(random)));
  await soon(() => again.heard.some(({ kind }) => kind === "assignments"));
  const told = textOf([...heard, ...again.heard]);
  expect(told).toContain(own.spec.data);
  for (const { spec, id } of [others, spare]) {
    expect(told).not.toContain(spec.data);
    expect(told).not.toContain(id);
  }
  expect(store.view.get("task", "theirs-1")?.status.state).toBe("assigned");
  expect(store.view.get("task", "theirs-2")?.status.state).toBe("new");
});

test("when its task has ended the secret is taken back, and no later word of it brings it again", async () => {
  const { stream, heard } = await intrude();
  stream.send(hello());
  await soon(() => textOf(heard).includes(own.spec.data));
  stream.send(says("mine-1", "failed"));
  const removals = () => heard.flatMap((m) => (m.kind === "assignments" ? m.removals : []));
  await soon(() => removals().includes(`secret/${own.id}`));
  stream.send(says("mine-1", "running"));
  const again = await intrude();
  again.stream.send(says("mine-1", "running"));
  const third = await intrude();
  third.stream.send(hello());
  await soon(() => third.heard.some(({ kind }) => kind === "assignments"));
  expect(textOf([...again.heard, ...third.heard])).not.toContain(own.spec.data);
});
