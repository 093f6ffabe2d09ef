import { webcrypto } from "node:crypto";
import { create, type DescMethod, type DescMethodUnary, type MessageInitShape } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { KV } from "../src/gen/etcdserverpb/rpc_pb.ts";
import {
  type AgentMessageSchema,
  Certificates as CertificatesRpc,
  Dispatcher as DispatcherRpc,
  file_shoal_rpc,
  type IssueRequestSchema,
  type NodeWordSchema,
  Visits as VisitsRpc,
} from "../src/gen/shoal/rpc_pb.ts";
import { faultOf, GrpcClient } from "../src/grpc/index.ts";
import { type NodeIdentity, readNodeCertificate } from "../src/identity/index.ts";
import { loadX509 } from "../src/identity/x509.ts";
import { FakeClock, Fault, seededRandom, silentLog } from "../src/lib/index.ts";
import { AgentSide } from "../src/manager/agents.fake.ts";
import { Certificates } from "../src/manager/certificates.ts";
import { Visits } from "../src/manager/visits.ts";
import { newMeta, put, remove, type Task } from "../src/model/index.ts";
import { aCluster, aNode, aTask, T0 } from "../src/model/objects.fake.ts";
import { CertifiedCluster } from "../src/rpc/cluster.fake.ts";
import {
  connectDispatcher,
  connectVisit,
  openBeatLine,
  RpcServer,
  renewCertificate,
  type SessionStream,
} from "../src/rpc/index.ts";
import { MemoryBackend, openSeal, Store } from "../src/store/index.ts";
import { systemClock as clock, systemRandom as random } from "../src/sys/index.ts";
import { mine, others, own, spare, theirs, unsaved } from "./support/two-secrets.ts";
import { until } from "./support/until.ts";

/*
 * Somebody with a worker's certificate and key, or with none that counts, tries every method there is, over the real RPC. The methods
 * and the kinds of words come from the protocol itself: one that is new and has no row here fails.
 */

const METHODS = file_shoal_rpc.services.flatMap(({ methods }) => methods);
const nameOf = ({ parent, name }: DescMethod) => `${parent.name}/${name}`;

/** Who may call what. */
const RULES: Readonly<Record<string, "anybody" | "nodes">> = {
  "Certificates/GetRoot": "anybody",
  "Certificates/Issue": "anybody",
  "Certificates/Renew": "nodes",
  "Dispatcher/Session": "nodes",
  "Dispatcher/Beat": "nodes",
  "Visits/Visit": "nodes",
};

/** What people set who hope that somebody in between is believed. */
const HEADERS = {
  "x-forwarded-for": "10.9.0.1",
  forwarded: "for=10.9.0.1;by=manager-1",
  "x-node-id": "node-2",
  "x-node-role": "manager",
  "swarm-forwarded-cert": "CN=manager-1, OU=swarm-manager, O=cluster",
};

const GUEST = "ab".repeat(32);
const JOIN = { worker: "w".repeat(25), manager: "m".repeat(25) };

const on = (nodeId: string): Partial<Task> => ({
  nodeId,
  status: { at: T0, state: "running", message: "" },
});
const never = new AbortController().signal;

let cluster: CertifiedCluster;
let [manager, thief]: NodeIdentity[] = [];
let store: Store;
let side: AgentSide;
let visits: Visits;
let server: RpcServer;
/** Ids of visits that node-2 was asked for. */
let asked: string[];
let cleanUp: (() => unknown)[];
const where = () => `127.0.0.1:${server.port}`;

beforeAll(async () => {
  cluster = await CertifiedCluster.create("cluster", { clock, random });
  manager = await cluster.identity("manager-1", "manager");
  thief = await cluster.identity("node-1", "worker");
});

beforeEach(async () => {
  const time = new FakeClock(T0);
  [asked, cleanUp] = [[], []];
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock: time, log: silentLog });
  side = new AgentSide(store, time, seededRandom(1));
  const rootCa = { certificatePem: cluster.root.certificatePem, keyPem: cluster.root.keyPem };
  const guest = { nodeId: "node-2", spec: { name: "hand", networks: [] }, attachments: [] };
  await store.update([
    put("cluster", unsaved(aCluster({ rootCa, joinSecrets: JOIN }))),
    ...["node-1", "node-2"].map((id) => put("node", unsaved(aNode(id)))),
    ...[own, others, spare].map((secret) => put("secret", unsaved(secret))),
    ...[mine, theirs].map((service) => put("service", unsaved(service))),
    put("task", unsaved(aTask(mine, 1, on("node-1")))),
    put("task", unsaved(aTask(theirs, 1, on("node-2")))),
    put("guest", { ...newMeta(GUEST, T0), ...guest }),
  ]);
  const session: SessionStream = {
    send: (message) => void (message.kind === "visit-request" && asked.push(message.visitId)),
    messages: (async function* () {})(),
    close: () => undefined,
  };
  visits = new Visits({
    ...{ store, clock: time, random },
    streamOf: (id) => (id === "node-2" ? session : side.dispatcher.streamOf(id)),
  });
  server = await listen(manager!);
});
afterEach(async () => {
  for (const fn of cleanUp.reverse()) await fn();
  await side.close();
  await server.close();
});

function listen(identity: NodeIdentity): Promise<RpcServer> {
  const certificates = new Certificates({ store, clock, random });
  return RpcServer.listen({
    ...{ host: "127.0.0.1", port: 0, clock, log: silentLog, identity },
    services: { certificates, dispatcher: side.dispatcher, visits },
  });
}

/** A client that asks nothing of the other end, and says more than it is asked. */
function client(identity: Pick<NodeIdentity, "certificatePem" | "keyPem"> | undefined): GrpcClient {
  const bytes = (pem: string | undefined) => (pem === undefined ? null : Buffer.from(pem));
  const [key, certificate] = [bytes(identity?.keyPem), bytes(identity?.certificatePem)];
  const opened = new GrpcClient({
    target: `dns:${where()}`,
    credentials: credentials.createSsl(null, key, certificate, { rejectUnauthorized: false }),
    ...{ metadata: HEADERS, name: "manager", verbatim: true },
    options: { "grpc.use_local_subchannel_pool": 1 },
  });
  cleanUp.push(() => opened.close());
  return opened;
}

/** A call that says these words: what it heard so far, and how it ended. */
interface Conversation {
  readonly heard: unknown[];
  ended: Fault | "well" | undefined;
  say(...words: object[]): void;
}

function converse(by: GrpcClient, method: DescMethod, words: readonly object[] = []): Conversation {
  const call = by.bidi(method as typeof DispatcherRpc.method.session);
  const talk: Conversation = {
    ...{ heard: [], ended: undefined },
    say: (...more) => {
      for (const word of more) call.write(create(method.input, word as Record<string, unknown>) as never);
    },
  };
  call.on("data", (message) => talk.heard.push(message));
  call.on("error", (error) => {
    talk.ended = faultOf(error);
  });
  call.on("end", () => {
    talk.ended ??= "well";
  });
  talk.say(...words);
  cleanUp.push(() => call.cancel());
  return talk;
}

/** What a method answers to nothing in particular: a kind of fault, or "answered". */
async function answerTo(by: GrpcClient, method: DescMethod): Promise<string> {
  if (method.methodKind === "unary") {
    return by.unary(method as DescMethodUnary, {}).then(
      () => "answered",
      (error: unknown) => Fault.from(error).kind,
    );
  }
  const talk = converse(by, method);
  await until(async () => talk.ended !== undefined);
  return talk.ended instanceof Fault ? talk.ended.kind : "answered";
}

const textOf = (heard: unknown) =>
  JSON.stringify(heard, (_, value) => (typeof value === "bigint" ? String(value) : value));

/** Nothing of it is in what somebody heard. */
function expectNothingOfOthers(heard: unknown): void {
  const text = textOf(heard);
  for (const { spec, id } of [others, spare]) {
    expect(text).not.toContain(spec.data);
    expect(text).not.toContain(id);
  }
  for (const word of [JOIN.worker, JOIN.manager, "theirs-1"]) expect(text).not.toContain(word);
  expect(text).not.toContain(JSON.stringify(cluster.root.keyPem).slice(40, 120));
}

/** What is not node-1's is as it was. */
const notItsOwn = () => ({
  cluster: store.view.cluster(),
  node: store.view.get("node", "node-2"),
  task: store.view.get("task", "theirs-1"),
  guest: store.view.get("guest", GUEST),
  secrets: [...store.view.all("secret")],
  services: [...store.view.all("service")],
  nodes: new Map([...store.view.all("node")].map(({ id, role }) => [id, role])),
});

test("every method has a rule", () => {
  expect(METHODS.map(nameOf).sort()).toEqual(Object.keys(RULES).sort());
});

describe("who has no certificate that counts", () => {
  const CALLERS: Readonly<
    Record<string, () => Promise<Pick<NodeIdentity, "certificatePem" | "keyPem"> | undefined>>
  > = {
    "none at all": async () => undefined,
    "one that is out of date": () => cluster.unchecked("manager-1", "manager", -1_000),
    "one of another cluster with this root": () =>
      cluster.of("other").unchecked("manager-1", "manager", 60_000),
    "one of a root of his own": async () =>
      (await CertifiedCluster.create("cluster", { clock, random })).unchecked("manager-1", "manager", 60_000),
    "one that a worker signed": () =>
      CertifiedCluster.under(cluster, thief!, clock).unchecked("manager-1", "manager", 60_000),
  };

  test.each(Object.entries(CALLERS))("%s: may do what anybody may, and nothing else", async (_, make) => {
    const by = client(await make());
    for (const method of METHODS) {
      const answer = await answerTo(by, method);
      if (RULES[nameOf(method)] === "nodes")
        expect([nameOf(method), answer]).toEqual([nameOf(method), "unauthorized"]);
    }
    const root = await by.unary(CertificatesRpc.method.getRoot, {});
    expect(root.certificatePem).toBe(cluster.root.certificatePem);
    expectNothingOfOthers(root);
  });
});

describe("a worker's certificate in the wrong hands", () => {
  let by: GrpcClient;
  let before: ReturnType<typeof notItsOwn>;
  beforeEach(() => {
    by = client(thief);
    before = notItsOwn();
  });
  afterEach(() => {
    expect(notItsOwn()).toEqual(before);
  });

  const soon = (isSo: () => boolean) =>
    until(async () => {
      await side.pass(50);
      return isSo();
    });

  test.each<MessageInitShape<typeof IssueRequestSchema>>([
    { token: "" },
    { token: "SWMTKN-1-0-0" },
    { token: JOIN.worker },
    { token: JOIN.manager },
    { token: thief?.nodeId ?? "node-1" },
  ])("buys no certificate with %j", async (request) => {
    await expect(by.unary(CertificatesRpc.method.issue, request)).rejects.toMatchObject({ kind: "invalid" });
  });

  test("is renewed as what it is, whatever the request says it wants to be; and not at all once the node is removed", async () => {
    const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const x509 = await loadX509();
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      name: [{ O: ["cluster"] }, { OU: ["swarm-manager"] }, { CN: ["manager-1"] }],
      ...{ keys, signingAlgorithm: algorithm },
    });
    const request = { csrPem: csr.toString("pem") };
    const { certificatePem } = await by.unary(CertificatesRpc.method.renew, request);
    expect(readNodeCertificate(certificatePem)).toMatchObject({ nodeId: "node-1", role: "worker" });
    await store.update([remove("node", store.view.get("node", "node-1")!)]);
    await expect(by.unary(CertificatesRpc.method.renew, request)).rejects.toMatchObject({
      kind: "forbidden",
    });
    await store.update([put("node", unsaved(aNode("node-1")))]);
  });

  test("beats for nobody else, and for no session that is over", async () => {
    const session = await side.join("node-2");
    const [welcome] = session.of("welcome");
    before = notItsOwn();
    for (const sessionId of ["", "guessed", welcome!.sessionId]) {
      await expect(by.unary(DispatcherRpc.method.beat, { sessionId })).rejects.toMatchObject({
        kind: "not-found",
      });
    }
    session.stream.close();
  });

  type Kinds<T> = Readonly<Record<string, readonly NonNullable<T>[]>>;
  type SessionKind = MessageInitShape<typeof AgentMessageSchema>["kind"];
  const says = (taskId: string, state: string) => ({ taskId, status: { at: 1n, state, message: "" } });
  const HELLO = {
    case: "hello",
    value: {
      description: { hostname: "node-2", architecture: "x86_64", os: "linux" },
      ...{ advertiseAddress: "10.9.0.2", dataPathAddress: "10.9.0.2", tunnelEnd: { boot: "b2", lack: "" } },
    },
  } as const;

  /** What is tried with each kind of word on a session. */
  const ON_SESSION: Kinds<SessionKind> = {
    hello: [HELLO, { case: "hello", value: { ...HELLO.value, dataPathAddress: "" } }],
    statuses: [
      {
        case: "statuses",
        value: { statuses: ["running", "failed", "remove"].map((s) => says("theirs-1", s)) },
      },
    ],
    logLines: [
      {
        case: "logLines",
        value: {
          lines: [{ taskId: "theirs-1", at: 1n, stream: "stdout", line: Buffer.from("lies") }],
        },
      },
    ],
    logsDone: [{ case: "logsDone", value: { error: "" } }],
    applied: [{ case: "applied", value: { sequence: 1_000_000n } }],
    guests: [
      { case: "guests", value: { complete: true, wishes: [] } },
      { case: "guests", value: { complete: false, wishes: [{ id: GUEST, name: "hand", number: 1 }] } },
    ],
    farewell: [{ case: "farewell", value: {} }],
  };

  /** The words of one who has learnt the id of somebody's question for logs. */
  const knowing = (subscriptionId: string, kind: NonNullable<SessionKind>) =>
    kind.case === "logLines" || kind.case === "logsDone"
      ? { ...kind, value: { ...kind.value, subscriptionId } }
      : kind;

  test("every kind of word on a session is tried here", () => {
    const fields = DispatcherRpc.method.session.input.oneofs[0]?.fields ?? [];
    expect(Object.keys(ON_SESSION).sort()).toEqual(fields.map((f) => f.localName).sort());
  });

  test.each(Object.entries(ON_SESSION))(
    "%s: harms nobody, and is told its own tasks' secrets alone",
    async (_, kinds) => {
      const node2 = await side.join("node-2");
      before = notItsOwn();
      const lines: unknown[] = [];
      const leave = new AbortController();
      const reading = (async () => {
        const options = { follow: true, stdout: true, stderr: true };
        for await (const line of side.logs.subscribe({ taskId: "theirs-1" }, options, leave.signal))
          lines.push(line);
      })();
      const session = converse(by, DispatcherRpc.method.session, [{ kind: HELLO }]);
      await soon(() => textOf(session.heard).includes(own.spec.data));
      const { subscriptionId } = node2.of("log-request")[0]!;
      session.say(...kinds.map((kind) => ({ kind: knowing(subscriptionId, kind) })));
      session.say({ kind: { case: "applied", value: { sequence: 2n } } });
      await side.pass(500);
      expectNothingOfOthers(session.heard);
      expect(lines).toEqual([]);
      leave.abort(new Error("enough"));
      await reading;
      node2.stream.close();
    },
  );

  type VisitKind = MessageInitShape<typeof NodeWordSchema>["kind"];
  const ON_VISIT: Kinds<VisitKind> = {
    visitId: [{ case: "visitId", value: "guessed" }],
    refused: [{ case: "refused", value: { kind: "not-found", message: "lies" } }],
    looked: [{ case: "looked", value: { status: "running", json: "{}" } }],
    processes: [{ case: "processes", value: { titles: ["lies"] } }],
    started: [{ case: "started", value: { pid: 1 } }],
    output: [{ case: "output", value: { data: Buffer.from("lies") } }],
    ended: [{ case: "ended", value: { exitCode: 0 } }],
  };

  test("every kind of word on a visit is tried here", () => {
    const fields = VisitsRpc.method.visit.input.oneofs[0]?.fields ?? [];
    expect(Object.keys(ON_VISIT).sort()).toEqual(fields.map((f) => f.localName).sort());
  });

  test.each(Object.entries(ON_VISIT))(
    "%s: no visit that another node was asked for is answered",
    async (_, kinds) => {
      const leave = new AbortController();
      let answer: unknown = "none";
      const looking = visits.look("theirs-1", leave.signal).then(
        (looked) => {
          answer = looked;
        },
        (error: unknown) => {
          answer = error;
        },
      );
      await until(async () => asked.length === 1);
      const come: VisitKind = { case: "visitId", value: asked[0]! };
      for (const words of [kinds, [come, ...kinds]]) {
        const talk = converse(
          by,
          VisitsRpc.method.visit,
          words.map((kind) => ({ kind })),
        );
        await until(async () => talk.ended !== undefined);
        expect(talk.ended).toBeInstanceOf(Fault);
        expect(talk.heard).toEqual([]);
      }
      expect(answer).toBe("none");
      leave.abort(new Error("enough"));
      await looking;
    },
  );

  test("reaches nothing else at that port: no store, no method that is not there", async () => {
    const range = { key: Buffer.from("\0"), rangeEnd: Buffer.from("\0") };
    await expect(by.unary(KV.method.range, range)).rejects.toMatchObject({ kind: "unsupported" });
  });

  test("is no manager's: nodes do not take its word for anything", async () => {
    const trap = await listen(thief!);
    cleanUp.push(() => trap.close());
    const honest = await cluster.identity("node-2", "worker");
    const address = `127.0.0.1:${trap.port}`;
    const wrong = { message: expect.stringContaining("not a manager") };
    await expect(connectDispatcher({ address, identity: honest, clock }, never)).rejects.toMatchObject(wrong);
    await expect(renewCertificate(address, honest, "csr", never)).rejects.toMatchObject(wrong);
    const line = openBeatLine(address, honest);
    cleanUp.push(() => line.close());
    await expect(line.beat("s")).rejects.toMatchObject(wrong);
    const visit = connectVisit({ address, identity: honest, clock }, "v", never);
    const hear = async () => {
      for await (const said of visit.messages) return said;
      return undefined;
    };
    await expect(hear()).rejects.toMatchObject(wrong);
  });
});
