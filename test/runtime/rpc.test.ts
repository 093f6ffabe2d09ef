import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import {
  createNodeKey,
  createRootCa,
  issueNodeCertificate,
  requireIdentity,
} from "../../src/identity/index.ts";
import { silentLog } from "../../src/lib/index.ts";
import { connectDispatcher, RpcServer } from "../../src/rpc/index.ts";
import { NO_VISITS } from "../../src/rpc/rpc.fake.ts";
import { systemClock as clock, systemRandom as random } from "../../src/sys/index.ts";

const DAY = 24 * 3_600_000;
const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const fn of cleanUp.splice(0).reverse()) await fn();
});

async function identities() {
  const root = await createRootCa({ clock, random });
  const make = async (nodeId: string, role: "worker" | "manager") => {
    const { keyPem, csrPem } = await createNodeKey();
    const who = { nodeId, role, clusterId: "cluster-1", validForMs: 90 * DAY };
    const certificatePem = await issueNodeCertificate({ root, csrPem, ...who, now: clock.now() });
    return requireIdentity({ certificatePem, keyPem, rootPem: root.certificatePem }, clock.now());
  };
  return { manager: await make("manager-1", "manager"), worker: await make("node-1", "worker") };
}

test("openssl reads our certificates as we mean them", async () => {
  const folder = mkdtempSync(join(tmpdir(), "shoal-identity-"));
  cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
  const { manager } = await identities();
  const [root, leaf] = [join(folder, "root.pem"), join(folder, "leaf.pem")];
  writeFileSync(root, manager.rootPem);
  writeFileSync(leaf, manager.certificatePem);
  const openssl = (...args: string[]) =>
    execFileSync("openssl", args, { encoding: "utf8" }).replace(/\s+/g, " ");
  for (const purpose of ["sslserver", "sslclient"]) {
    expect(openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", root, leaf)).toBe(
      `${leaf}: OK `,
    );
  }
  const x509 = (file: string, ...args: string[]) => openssl("x509", "-in", file, "-noout", ...args);
  expect(x509(root, "-subject", "-ext", "basicConstraints,keyUsage")).toBe(
    "subject=CN = swarm-ca X509v3 Basic Constraints: critical CA:TRUE, pathlen:0 " +
      "X509v3 Key Usage: critical Certificate Sign, CRL Sign ",
  );
  expect(x509(leaf, "-subject", "-ext", "basicConstraints,keyUsage,extendedKeyUsage,subjectAltName")).toBe(
    "subject=O = cluster-1, OU = swarm-manager, CN = manager-1 X509v3 Basic Constraints: critical CA:FALSE " +
      "X509v3 Key Usage: critical Digital Signature, Key Encipherment " +
      "X509v3 Extended Key Usage: TLS Web Server Authentication, TLS Web Client Authentication " +
      "X509v3 Subject Alternative Name: DNS:swarm-manager, DNS:manager-1, DNS:swarm-ca ",
  );
});

test("both ends notice within ten seconds that the network between them swallows everything", async () => {
  const { manager, worker } = await identities();
  const refuse = () => Promise.reject(new Error("not asked for here"));
  let managerSaw = "nothing yet";
  const server = await RpcServer.listen({
    ...{ host: "127.0.0.1", port: 0, identity: manager, clock, log: silentLog },
    services: {
      certificates: { getRoot: refuse, issue: refuse, renew: refuse },
      visits: NO_VISITS,
      dispatcher: {
        async session(_peer, { messages }) {
          for await (const _ of messages);
          managerSaw = "the end";
        },
        beat: () => 1,
      },
    },
  });
  cleanUp.push(() => server.close());
  const pipe = await blackHole(server.port);
  const target = { address: `127.0.0.1:${pipe.port}`, identity: worker, clock };
  const agent = await connectDispatcher(target, new AbortController().signal);
  cleanUp.push(() => agent.close());
  let agentSaw: unknown = "nothing yet";
  const reading = (async () => {
    for await (const _ of agent.messages);
  })().catch((error: unknown) => {
    agentSaw = error;
  });
  pipe.swallow();
  const wait = { timeout: 10_000, interval: 100 };
  await expect.poll(() => managerSaw, wait).toBe("the end");
  await expect
    .poll(() => agentSaw, wait)
    .toMatchObject({
      kind: "unavailable",
      message: `the connection to the manager at ${target.address} is lost`,
    });
  await reading;
});

/** A relay to a local port that can be told to swallow everything, without closing anything. */
async function blackHole(to: number): Promise<{ port: number; swallow(): void }> {
  const sockets: Socket[] = [];
  let swallowing = false;
  const relay = createServer((near) => {
    const far = connect(to, "127.0.0.1");
    sockets.push(near, far);
    for (const [from, into] of [[near, far] as const, [far, near] as const]) {
      from.on("data", (bytes) => swallowing || into.write(bytes));
      from.on("error", () => undefined);
      from.on("close", () => swallowing || into.destroy());
    }
  });
  await new Promise<void>((resolve) => relay.listen(0, "127.0.0.1", resolve));
  cleanUp.push(() => {
    for (const socket of sockets) socket.destroy();
    relay.close();
  });
  const address = relay.address();
  if (typeof address !== "object" || address === null) throw new Error("the relay does not listen");
  const swallow = () => {
    swallowing = true;
  };
  return { port: address.port, swallow };
}
