import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  caDigest,
  createNodeKey,
  formatToken,
  issueNodeCertificate,
  type NodeIdentity,
  parseToken,
  requireIdentity,
} from "../identity/index.ts";
import { silentLog } from "../lib/index.ts";
import { type Cluster, DEFAULT_CLUSTER_SPEC, put, remove } from "../model/index.ts";
import { fetchRoot, issueCertificate, RpcServer, renewCertificate } from "../rpc/index.ts";
import { MemoryBackend, openSeal, Store } from "../store/index.ts";
import { systemClock as clock, systemRandom as random } from "../sys/index.ts";
import { joinTokens } from "./certificates.ts";
import { Manager } from "./manager.ts";

/** Joining for real: a manager over the fake store, its port on loopback, TLS both ways. */

const never = new AbortController().signal;
const log = silentLog;
let manager: Manager;
let store: Store;
let server: RpcServer;
let address: string;
let stop: AbortController;
let running: Promise<void>;

beforeEach(async () => {
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log });
  stop = new AbortController();
  running = store.run(stop.signal);
  manager = new Manager({ store, clock, random, log });
  await manager.cluster.create({});
  const { certificates, dispatcher, visits } = manager;
  const services = { certificates, dispatcher, visits };
  const identity = await selfIdentity();
  server = await RpcServer.listen({ ...{ host: "127.0.0.1", port: 0, clock, log }, identity, services });
  address = `127.0.0.1:${server.port}`;
});

afterEach(async () => {
  await server.close();
  stop.abort(new Error("the test is over"));
  await running;
});

const cluster = (): Cluster => manager.cluster.get();

async function selfIdentity(): Promise<NodeIdentity> {
  const { id: clusterId, rootCa: root } = cluster();
  const { keyPem, csrPem } = await createNodeKey();
  const who = { nodeId: "manager-1", role: "manager", clusterId, validForMs: 3_600_000 } as const;
  const certificatePem = await issueNodeCertificate({ root, csrPem, ...who, now: clock.now() });
  return requireIdentity({ certificatePem, keyPem, rootPem: root.certificatePem }, clock.now());
}

/** What a node does that wants to join. */
async function join(token: string, availability = ""): Promise<NodeIdentity> {
  const rootPem = await fetchRoot(address, parseToken(token).digest, never);
  const { keyPem, csrPem } = await createNodeKey();
  const issued = await issueCertificate(address, rootPem, { token, csrPem, availability }, never);
  return requireIdentity({ certificatePem: issued.certificatePem, keyPem, rootPem }, clock.now());
}

const nodes = () => [...store.view.all("node")];

describe("joining", () => {
  test("with the worker's token: a certificate for ninety days, and a node that waits for its first session", async () => {
    const identity = await join(joinTokens(cluster()).worker, "drain");
    expect(identity).toMatchObject({ role: "worker", clusterId: cluster().id });
    expect(identity.notAfter - clock.now()).toBeGreaterThan(90 * 86_400_000 - 60_000);
    expect(nodes()).toMatchObject([
      {
        id: identity.nodeId,
        role: "worker",
        spec: { role: "worker", availability: "drain" },
        status: { state: "unknown", address: "127.0.0.1" },
      },
    ]);
  });

  test("every node has an id of its own", async () => {
    const { worker } = joinTokens(cluster());
    const ids = await Promise.all([1, 2, 3].map(async () => (await join(worker)).nodeId));
    expect(new Set(ids).size).toBe(3);
    expect(nodes()).toHaveLength(3);
  });

  test("with a wrong secret: Docker's words, and no node", async () => {
    const token = formatToken(caDigest(cluster().rootCa.certificatePem), "x".repeat(25));
    await expect(join(token)).rejects.toMatchObject({
      kind: "invalid",
      message: "A valid join token is necessary to join this cluster",
    });
    expect(nodes()).toEqual([]);
  });

  test("with another cluster's token: Docker's words", async () => {
    const digest = "0".repeat(64);
    await expect(join(formatToken(digest, cluster().joinSecrets.worker))).rejects.toMatchObject({
      kind: "invalid",
      message: `remote CA does not match fingerprint. Expected: ${digest}`,
    });
    expect(nodes()).toEqual([]);
  });

  test("with a token that was rotated away: refused, the new one lets in, the other role's is as it was", async () => {
    const before = joinTokens(cluster());
    await manager.cluster.update(cluster().version, DEFAULT_CLUSTER_SPEC, { worker: true });
    const after = joinTokens(cluster());
    expect(after.worker).not.toBe(before.worker);
    expect(after.manager).toBe(before.manager);
    await expect(join(before.worker)).rejects.toMatchObject({ kind: "invalid" });
    expect(await join(after.worker)).toMatchObject({ role: "worker" });
  });

  test("with a request that is none: refused, and no node", async () => {
    const { worker: token } = joinTokens(cluster());
    const { certificatePem } = cluster().rootCa;
    const wish = { token, csrPem: "please", availability: "" };
    await expect(issueCertificate(address, certificatePem, wish, never)).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining("cannot read the certificate signing request"),
    });
    expect(nodes()).toEqual([]);
  });
});

describe("renewing", () => {
  async function renew(identity: NodeIdentity): Promise<NodeIdentity> {
    const { keyPem, csrPem } = await createNodeKey();
    const renewed = await renewCertificate(address, identity, csrPem, never);
    return requireIdentity({ ...renewed, keyPem }, clock.now());
  }

  test("keeps who the node is, with the key it has now", async () => {
    const first = await join(joinTokens(cluster()).worker);
    const second = await renew(first);
    expect(second).toMatchObject({ nodeId: first.nodeId, role: "worker", clusterId: first.clusterId });
    expect(second.certificatePem).not.toBe(first.certificatePem);
    expect(await renew(second)).toMatchObject({ nodeId: first.nodeId });
  });

  test("gives the role that the node has now", async () => {
    const { nodeId, ...first } = await join(joinTokens(cluster()).worker);
    const node = store.view.get("node", nodeId)!;
    await store.update([put("node", { ...node, role: "manager" })]);
    expect(await renew({ ...first, nodeId })).toMatchObject({ nodeId, role: "manager" });
  });

  test("is refused to a node that was removed", async () => {
    const identity = await join(joinTokens(cluster()).worker);
    await store.update([remove("node", store.view.get("node", identity.nodeId)!)]);
    await expect(renew(identity)).rejects.toMatchObject({
      kind: "forbidden",
      message: `node ${identity.nodeId} is not part of this cluster any more`,
    });
  });
});
