import { connect as connectTcp, createServer, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Certificates } from "../gen/shoal/rpc_pb.ts";
import { caDigest, type NodeIdentity, readNodeCertificate } from "../identity/index.ts";
import { FakeClock, Fault, messageOf, silentLog } from "../lib/index.ts";
import { systemClock as clock, systemRandom as random } from "../sys/index.ts";
import { openBeatLine } from "./beat-line.ts";
import { CertifiedCluster } from "./cluster.fake.ts";
import { connectDispatcher } from "./connect-dispatcher.ts";
import { fetchRoot, issueCertificate, renewCertificate } from "./join.ts";
import { managerClient } from "./manager-client.ts";
import { NodeServer } from "./node-server.ts";
import { NO_VISITS } from "./rpc.fake.ts";
import { RpcServer } from "./rpc-server.ts";
import type { AgentStream, CertificatesService, DispatcherService, SessionStream } from "./services.ts";

const never = new AbortController().signal;
const host = "127.0.0.1";
const log = silentLog;

let cluster: CertifiedCluster;
let manager: NodeIdentity;
let sessions: SessionStream[];
let calls: string[];
let cleanUp: (() => unknown)[];

/** A manager that says what it was asked. */
const certificates: CertificatesService = {
  getRoot: async () => ({ certificatePem: cluster.root.certificatePem }),
  async issue({ token, availability }, { address }) {
    calls.push(`issue ${availability} ${address}`);
    if (token !== "right") throw new Fault("invalid", "A valid join token is necessary to join this cluster");
    return { nodeId: "n", certificatePem: "c", rootPem: "r" };
  },
  async renew(_request, { nodeId, role }) {
    calls.push(`renew ${nodeId} ${role}`);
    return { certificatePem: "c", rootPem: "r" };
  },
};

const dispatcher: DispatcherService = {
  async session(_peer, stream) {
    sessions.push(stream);
    for await (const _ of stream.messages);
  },
  beat({ nodeId, role }, sessionId) {
    calls.push(`beat ${nodeId} ${role} ${sessionId}`);
    if (sessionId !== "current") throw new Fault("not-found", "that session is over");
    return 5_000;
  },
};

beforeEach(async () => {
  sessions = [];
  calls = [];
  cleanUp = [];
  cluster = await CertifiedCluster.create("cluster-1", { clock, random });
  manager = await cluster.identity("manager-1", "manager");
});

afterEach(async () => {
  for (const fn of cleanUp.reverse()) await fn();
});

async function listen(parts: { identity?: NodeIdentity; clock?: FakeClock } = {}): Promise<RpcServer> {
  const services = { certificates, dispatcher, visits: NO_VISITS };
  const server = await RpcServer.listen({
    ...{ host, port: 0, identity: manager, services, clock, log },
    ...parts,
  });
  cleanUp.push(() => server.close());
  return server;
}

/** An identity whose parts need not fit: what an attacker would hold. */
function forged(pems: Pick<NodeIdentity, "certificatePem" | "keyPem" | "rootPem">): NodeIdentity {
  return { ...pems, ...readNodeCertificate(pems.certificatePem), clusterId: cluster.id };
}

const where = (server: { port: number }) => `${host}:${server.port}`;
const renew = (server: RpcServer, identity: NodeIdentity) =>
  renewCertificate(where(server), identity, "csr", never);

describe("who may call", () => {
  test("a worker may not call a method for managers, a manager may", async () => {
    const server = new NodeServer({ identity: manager, clock, log });
    server.unary(Certificates.method.renew, ["manager"], async () => ({ certificatePem: "c" }));
    const port = await server.listen({ host, port: 0 });
    cleanUp.push(() => server.close());
    const as = async (name: string, role: "worker" | "manager") =>
      renewCertificate(`${host}:${port}`, await cluster.identity(name, role), "csr", never);
    await expect(as("node-1", "worker")).rejects.toMatchObject({
      kind: "forbidden",
      message: "cannot call Renew: a worker may not",
    });
    expect(await as("manager-2", "manager")).toMatchObject({ certificatePem: "c" });
  });

  test("both roles may renew, and are named by their certificates", async () => {
    const server = await listen();
    await renew(server, await cluster.identity("node-1", "worker"));
    await renew(server, await cluster.identity("manager-2", "manager"));
    expect(calls).toEqual(["renew node-1 worker", "renew manager-2 manager"]);
  });

  test("every node may beat, for itself alone; a session that is over is told so", async () => {
    const server = await listen();
    const beat = async (name: string, role: "worker" | "manager", sessionId: string) => {
      const line = openBeatLine(where(server), await cluster.identity(name, role));
      cleanUp.push(() => line.close());
      return line.beat(sessionId);
    };
    expect(await beat("node-1", "worker", "current")).toBe(5_000);
    expect(await beat("manager-2", "manager", "current")).toBe(5_000);
    await expect(beat("node-1", "worker", "old")).rejects.toMatchObject({
      kind: "not-found",
      message: "that session is over",
    });
    await expect(beat("node-1", "worker", "x".repeat(200))).rejects.toMatchObject({ kind: "invalid" });
    expect(calls).toEqual([
      "beat node-1 worker current",
      "beat manager-2 manager current",
      "beat node-1 worker old",
    ]);
  });

  test("a line that beats on with an expired certificate is refused, one with the renewed certificate is not", async () => {
    const { port } = await listen();
    const old = openBeatLine(`${host}:${port}`, await cluster.identity("node-1", "worker", 1_500));
    cleanUp.push(() => old.close());
    expect(await old.beat("current")).toBe(5_000);
    await expect
      .poll(() => old.beat("current").catch(messageOf), { timeout: 5_000 })
      .toBe("cannot accept a node's certificate: it has expired");
    const renewed = openBeatLine(`${host}:${port}`, await cluster.identity("node-1", "worker"));
    cleanUp.push(() => renewed.close());
    expect(await renewed.beat("current")).toBe(5_000);
  });

  test("nobody without a certificate may renew or open a session", async () => {
    const client = managerClient(where(await listen()), { kind: "root", rootPem: manager.rootPem });
    cleanUp.push(() => client.close());
    await expect(client.unary(Certificates.method.renew, { csrPem: "" })).rejects.toMatchObject({
      kind: "unauthorized",
      message: "cannot call Renew: a node's certificate is needed",
    });
    expect(calls).toEqual([]);
  });

  test("a certificate of another root is refused", async () => {
    const server = await listen();
    const other = await CertifiedCluster.create("cluster-1", { clock, random });
    const stranger = await other.unchecked("node-1", "manager", 3_600_000);
    const identity = forged({ ...stranger, rootPem: cluster.root.certificatePem });
    await expect(renew(server, identity)).rejects.toMatchObject({
      kind: "unauthorized",
      message: "cannot accept a node's certificate: it was issued by another cluster",
    });
    await expect(connectDispatcher({ address: where(server), identity, clock }, never)).rejects.toMatchObject(
      {
        kind: "unauthorized",
      },
    );
    expect(calls).toEqual([]);
    expect(sessions).toEqual([]);
  });

  test("a self-made root in the chain does not help", async () => {
    const server = await listen();
    const other = await CertifiedCluster.create("cluster-1", { clock, random });
    const { certificatePem, keyPem } = await other.unchecked("node-1", "manager", 3_600_000);
    const chain = `${certificatePem}${other.root.certificatePem}`;
    const identity = forged({ certificatePem: chain, keyPem, rootPem: cluster.root.certificatePem });
    await expect(renew(server, identity)).rejects.toMatchObject({ kind: "unauthorized" });
  });

  test("a node cannot certify other nodes", async () => {
    const server = await listen();
    const worker = await cluster.identity("node-1", "worker");
    const child = CertifiedCluster.under(cluster, worker, clock);
    const { certificatePem, keyPem } = await child.unchecked("node-2", "manager", 3_600_000);
    const chain = `${certificatePem}${worker.certificatePem}`;
    const identity = forged({ certificatePem: chain, keyPem, rootPem: cluster.root.certificatePem });
    await expect(renew(server, identity)).rejects.toMatchObject({ kind: "unauthorized" });
  });

  test("a certificate for another cluster id of the same root is refused", async () => {
    const server = await listen();
    const pems = await cluster.of("cluster-2").unchecked("node-1", "worker", 3_600_000);
    await expect(renew(server, forged(pems))).rejects.toMatchObject({
      kind: "unauthorized",
      message: "cannot accept a node's certificate: it is of another cluster",
    });
  });

  test("an expired certificate is refused", async () => {
    const server = await listen();
    const pems = await cluster.unchecked("node-1", "worker", -60_000);
    await expect(renew(server, forged(pems))).rejects.toMatchObject({
      kind: "unauthorized",
      message: "cannot accept a node's certificate: it has expired",
    });
  });
});

describe("whom a node believes", () => {
  test("not a manager of another cluster", async () => {
    const server = await listen();
    const other = await CertifiedCluster.create("cluster-1", { clock, random });
    await expect(renew(server, await other.identity("node-1", "worker"))).rejects.toMatchObject({
      kind: "unavailable",
      message: `cannot reach a manager at ${where(server)}: its certificate is of another cluster`,
    });
    expect(calls).toEqual([]);
  });

  test("not a worker that plays the manager", async () => {
    const server = await listen({ identity: await cluster.identity("node-2", "worker") });
    const wish = { token: "right", csrPem: "", availability: "" };
    await expect(issueCertificate(where(server), manager.rootPem, wish, never)).rejects.toMatchObject({
      kind: "unavailable",
      message: `cannot reach a manager at ${where(server)}: the node there is not a manager`,
    });
    await expect(renew(server, await cluster.identity("node-1", "worker"))).rejects.toMatchObject({
      message: expect.stringContaining("the node there is not a manager"),
    });
    expect(calls).toEqual([]);
  });

  test("not a manager whose certificate has expired", async () => {
    const server = await listen({
      identity: forged(await cluster.unchecked("manager-1", "manager", -60_000)),
    });
    await expect(renew(server, await cluster.identity("node-1", "worker"))).rejects.toMatchObject({
      kind: "unavailable",
      message: `cannot reach a manager at ${where(server)}: its certificate has expired`,
    });
  });
});

describe("joining", () => {
  test("the root is believed by its digest", async () => {
    const server = await listen();
    const digest = caDigest(cluster.root.certificatePem);
    expect(await fetchRoot(where(server), digest, never)).toBe(cluster.root.certificatePem);
  });

  test("another digest: swarmkit's words, and nothing secret has been sent", async () => {
    const digest = "ab".repeat(32);
    await expect(fetchRoot(where(await listen()), digest, never)).rejects.toMatchObject({
      kind: "invalid",
      message: `remote CA does not match fingerprint. Expected: ${digest}`,
    });
    expect(calls).toEqual([]);
  });

  test("the manager hears the wish and where it comes from; its refusal comes back in its words", async () => {
    const server = await listen();
    const wish = (token: string, availability: string) =>
      issueCertificate(where(server), manager.rootPem, { token, csrPem: "", availability }, never);
    expect(await wish("right", "drain")).toEqual({ nodeId: "n", certificatePem: "c", rootPem: "r" });
    await expect(wish("wrong", "")).rejects.toMatchObject({
      kind: "invalid",
      message: "A valid join token is necessary to join this cluster",
    });
    await expect(wish("right", "sleepy")).rejects.toMatchObject({ kind: "invalid" });
    expect(calls).toEqual(["issue drain 127.0.0.1", "issue  127.0.0.1"]);
  });

  test("a dead address is named at once", async () => {
    const server = await listen();
    await server.close();
    await expect(fetchRoot(where(server), "", never)).rejects.toMatchObject({
      kind: "unavailable",
      message: `cannot reach a manager at ${where(server)}: connection refused, nobody listens there`,
    });
  });

  test("an address that never answers is given up when the caller says so", async () => {
    const silent = createServer(() => undefined).listen(0, host);
    const held: Socket[] = [];
    silent.on("connection", (socket) => held.push(socket));
    cleanUp.push(
      () => silent.close(),
      () => held.map((socket) => socket.destroy()),
    );
    await expect.poll(() => silent.address()).not.toBeNull();
    const { port } = silent.address() as { port: number };
    const stop = new AbortController();
    const joining = fetchRoot(`${host}:${port}`, "", stop.signal);
    await expect.poll(() => held.length).toBe(1);
    stop.abort(new Fault("timeout", "Timeout was reached before node joined."));
    await expect(joining).rejects.toMatchObject({ message: "Timeout was reached before node joined." });
  });

  test("something else than a manager is named as that", async () => {
    const web = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, host);
    cleanUp.push(() => web.close());
    await expect.poll(() => web.address()).not.toBeNull();
    const { port } = web.address() as { port: number };
    await expect(fetchRoot(`${host}:${port}`, "", never)).rejects.toMatchObject({
      kind: "unavailable",
      message: expect.stringMatching(/something else than a manager listens there|it closed the connection/),
    });
  });
});

describe("the port", () => {
  test("a taken one is said so", async () => {
    const { port } = await listen();
    const services = { certificates, dispatcher, visits: NO_VISITS };
    await expect(
      RpcServer.listen({ host, port, identity: manager, services, clock, log }),
    ).rejects.toMatchObject({
      kind: "exists",
      message: `cannot listen on ${host}:${port} for other nodes: the port is taken by another program`,
    });
  });

  test("an address of another machine is said so", async () => {
    const services = { certificates, dispatcher, visits: NO_VISITS };
    const parts = { host: "192.0.2.1", port: 0, identity: manager, services, clock, log };
    await expect(RpcServer.listen(parts)).rejects.toMatchObject({
      kind: "invalid",
      message: "cannot listen on 192.0.2.1:0 for other nodes: this machine does not have that address",
    });
  });

  test("garbage, silence and half-closed connections do not hurt", async () => {
    const server = await listen();
    const { port } = server;
    const sockets: Socket[] = [];
    cleanUp.push(() => sockets.map((socket) => socket.destroy()));
    const tcp = (bytes: string | Uint8Array) => {
      const socket = connectTcp({ port, host, allowHalfOpen: true });
      socket.on("error", () => undefined);
      socket.end(bytes);
      sockets.push(socket);
    };
    const tls = (protocol: string[], bytes: string | Uint8Array) => {
      const socket = connectTls({ port, host, rejectUnauthorized: false, ALPNProtocols: protocol });
      socket.on("error", () => undefined);
      socket.write(bytes);
      sockets.push(socket);
    };
    tcp("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tcp(random.bytes(5_000));
    tcp("");
    tcp(Uint8Array.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]));
    tls(["h2"], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    tls(["h2"], random.bytes(50_000));
    tls(["h2"], "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    tls(["http/1.1"], "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    sockets.push(connectTcp({ port, host }));
    const digest = caDigest(cluster.root.certificatePem);
    for (let i = 0; i < 5; i++)
      expect(await fetchRoot(where(server), digest, never)).toContain("BEGIN CERTIFICATE");
  });

  test("who opens connections and says nothing keeps none of them for long, and nobody out", async () => {
    const server = await listen();
    const sockets = Array.from({ length: 400 }, () => {
      const socket = connectTcp({ port: server.port, host });
      socket.on("error", () => undefined);
      cleanUp.push(() => socket.destroy());
      return socket;
    });
    const open = () => sockets.filter((socket) => !socket.closed && !socket.readableEnded).length;
    for (const socket of sockets) socket.resume();
    await expect.poll(open, { timeout: 5_000 }).toBe(256);
    expect(await fetchRoot(where(server), caDigest(manager.rootPem), never)).toBe(manager.rootPem);
  });

  test("a caller without a certificate who stays is cut off", async () => {
    const fake = new FakeClock(clock.now());
    const server = await listen({ clock: fake });
    const socket = connectTls({ port: server.port, host, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    socket.on("error", () => undefined);
    cleanUp.push(() => socket.destroy());
    await new Promise((resolve) => socket.once("data", resolve));
    await fake.advance(29_000);
    expect(await fetchRoot(where(server), caDigest(manager.rootPem), never)).toBe(manager.rootPem);
    expect(socket.closed).toBe(false);
    await fake.advance(1_000);
    await expect.poll(() => socket.closed).toBe(true);
  });
});

describe("closing", () => {
  test("lets sessions that were ended read why, then cuts what is left", async () => {
    const server = await listen();
    const open = async (name: string) => {
      const identity = await cluster.identity(name, "worker");
      return connectDispatcher({ address: where(server), identity, clock }, never);
    };
    const [told, cut] = [await open("node-1"), await open("node-2")];
    sessions[0]!.send({ kind: "log-cancel", subscriptionId: "s" });
    sessions[0]!.close("the manager stops");
    const started = clock.now();
    await server.close();
    expect(clock.now() - started).toBeLessThan(15_000);
    const read = async (agent: AgentStream) => {
      const heard: unknown[] = [];
      try {
        for await (const message of agent.messages) heard.push(message.kind);
      } catch (error) {
        heard.push(messageOf(error));
      }
      agent.close();
      return heard;
    };
    expect(await read(told)).toEqual(["log-cancel", "the manager stops"]);
    expect(await read(cut)).toEqual([`the connection to the manager at ${where(server)} is lost`]);
  });
});

describe("certificates change", () => {
  test("a renewed one is for new connections, and open sessions go on", async () => {
    const server = await listen();
    const identity = await cluster.identity("node-1", "worker");
    const agent = await connectDispatcher({ address: where(server), identity, clock }, never);
    const renewed = await cluster.identity("manager-1", "manager");
    server.setIdentity(renewed);
    const socket = connectTls({ port: server.port, host, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    cleanUp.push(() => socket.destroy());
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    expect(socket.getPeerX509Certificate()?.toString()).toBe(renewed.certificatePem);
    sessions[0]!.send({ kind: "log-cancel", subscriptionId: "s" });
    for await (const message of agent.messages) {
      expect(message).toEqual({ kind: "log-cancel", subscriptionId: "s" });
      break;
    }
    agent.close();
  });

  test("a session ends when the node's certificate does", async () => {
    const fake = new FakeClock(clock.now());
    const server = await listen({ clock: fake });
    const identity = await cluster.identity("node-1", "worker", 3 * 24 * 3_600_000);
    const agent = await connectDispatcher({ address: where(server), identity, clock }, never);
    await fake.advance(identity.notAfter - fake.now() - 1_000);
    sessions[0]!.send({ kind: "log-cancel", subscriptionId: "s" });
    const messages = agent.messages[Symbol.asyncIterator]();
    expect((await messages.next()).value).toEqual({ kind: "log-cancel", subscriptionId: "s" });
    await fake.advance(1_000);
    await expect(messages.next()).rejects.toMatchObject({
      kind: "unauthorized",
      message: "session ended: this node's certificate has expired",
    });
    agent.close();
  });
});
