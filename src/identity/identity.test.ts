import { generateKeyPairSync, webcrypto, X509Certificate } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeClock, Fault, seededRandom, silentLog } from "../lib/index.ts";
import { parseDate } from "./dates.ts";
import {
  caDigest,
  createNodeKey,
  createRootCa,
  formatToken,
  IdentityFolder,
  issueNodeCertificate,
  type NodeIdentity,
  newTokenSecret,
  parseToken,
  type RootCa,
  readNodeCertificate,
  renewalInstant,
  requireIdentity,
  runRenewal,
  tokenGrants,
  verifyNodeCertificate,
} from "./index.ts";
import { loadX509 } from "./x509.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 1_800_000_000_000;
const random = seededRandom(1);
const P384 = { name: "ECDSA", namedCurve: "P-384" };
const RSA = {
  name: "RSASSA-PKCS1-v1_5",
  modulusLength: 2_048,
  publicExponent: Uint8Array.from([1, 0, 1]),
  hash: "SHA-256",
};

let clock: FakeClock;
let root: RootCa;
let folder: string;

beforeEach(async () => {
  clock = new FakeClock(NOW);
  root = await createRootCa({ clock, random });
  folder = mkdtempSync(join(tmpdir(), "shoal-identity-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function pems(fields: Partial<Parameters<typeof issueNodeCertificate>[0]> = {}) {
  const { keyPem, csrPem } = await createNodeKey();
  const wanted = { nodeId: "node-1", role: "worker", clusterId: "cluster-1", validForMs: 90 * DAY } as const;
  const certificatePem = await issueNodeCertificate({ root, csrPem, ...wanted, now: clock.now(), ...fields });
  return { certificatePem, keyPem, rootPem: root.certificatePem };
}

describe("certificates", () => {
  test("the root is swarmkit's: P-256, swarm-ca, 20 years, nothing between it and nodes", () => {
    const certificate = new X509Certificate(root.certificatePem);
    expect(certificate.subject).toBe("CN=swarm-ca");
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    const years = (parseDate(certificate.validTo) - NOW) / (365 * DAY);
    expect(years).toBe(20);
  });

  test("a node's is swarmkit's: subject, names, uses, an hour of the past", async () => {
    const { certificatePem } = await pems({ role: "manager" });
    expect(new X509Certificate(certificatePem)).toMatchObject({
      subject: "O=cluster-1\nOU=swarm-manager\nCN=node-1",
      issuer: "CN=swarm-ca",
      subjectAltName: "DNS:swarm-manager, DNS:node-1, DNS:swarm-ca",
      keyUsage: ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
      ca: false,
    });
    expect(readNodeCertificate(certificatePem)).toEqual({
      ...{ nodeId: "node-1", role: "manager", clusterId: "cluster-1" },
      ...{ notBefore: NOW - HOUR, notAfter: NOW + 90 * DAY },
    });
  });

  test("a worker's names do not say swarm-ca", async () => {
    expect(new X509Certificate((await pems()).certificatePem).subjectAltName).toBe(
      "DNS:swarm-worker, DNS:node-1",
    );
  });

  test("no certificate outlives its root", async () => {
    const { certificatePem } = await pems({ validForMs: 40 * 365 * DAY });
    expect(readNodeCertificate(certificatePem).notAfter).toBe(NOW + 20 * 365 * DAY);
  });

  /** A request as another program would make it. */
  async function foreignCsr(
    algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams,
    name = "CN=x",
  ): Promise<string> {
    const x509 = await loadX509();
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const signingAlgorithm = { ...algorithm, hash: "SHA-256" };
    const request = { name, keys, signingAlgorithm };
    return (await x509.Pkcs10CertificateRequestGenerator.create(request)).toString("pem");
  }

  test("what a request says of itself is not believed", async () => {
    const csrPem = await foreignCsr(
      { name: "ECDSA", namedCurve: "P-256" },
      "O=evil,OU=swarm-manager,CN=root",
    );
    const { subject, subjectAltName } = new X509Certificate((await pems({ csrPem })).certificatePem);
    expect(subject).toBe("O=cluster-1\nOU=swarm-worker\nCN=node-1");
    expect(subjectAltName).toBe("DNS:swarm-worker, DNS:node-1");
  });

  test.each([
    ["nothing", () => "", "it is not a PKCS#10 request"],
    ["words", () => "please", "it is not a PKCS#10 request"],
    ["a certificate", () => root.certificatePem, "it is not a PKCS#10 request"],
    ["too much", () => "x".repeat(10_000), "it is too long"],
    ["for another kind of key", () => foreignCsr(RSA), "it is not a PKCS#10 request"],
    ["for another curve", () => foreignCsr(P384), "it is not a PKCS#10 request"],
  ])("a request that is %s is refused", async (_what, csr, why) => {
    await expect(pems({ csrPem: await csr() })).rejects.toMatchObject({
      kind: "invalid",
      message: expect.stringContaining(`cannot read the certificate signing request: ${why}`),
    });
  });

  test("a request for somebody else's key is refused", async () => {
    const { csrPem } = await createNodeKey();
    const der = Buffer.from(csrPem.replace(/-----[A-Z ]+-----/g, ""), "base64");
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----`;
    await expect(pems({ csrPem: forged })).rejects.toMatchObject({
      message: "cannot read the certificate signing request: its signature is wrong",
    });
  });
});

describe("verification", () => {
  test("a certificate is true from an hour before it was made until it ends", async () => {
    const { certificatePem } = await pems();
    const at = (now: number) => verifyNodeCertificate(certificatePem, root.certificatePem, now).nodeId;
    expect(at(NOW - HOUR)).toBe("node-1");
    expect(at(NOW + 90 * DAY - 1)).toBe("node-1");
    expect(() => at(NOW - HOUR - 1)).toThrow("it is not valid yet");
    expect(() => at(NOW + 90 * DAY)).toThrow("it has expired");
  });

  test("what is not a node's certificate of this root is refused", async () => {
    const other = await createRootCa({ clock, random });
    const { certificatePem } = await pems();
    const check = (certificate: string, rootPem: string) => () =>
      verifyNodeCertificate(certificate, rootPem, NOW);
    expect(check(certificatePem, other.certificatePem)).toThrow("it was issued by another cluster");
    expect(check(root.certificatePem, root.certificatePem)).toThrow("it was issued by another cluster");
    expect(check("words", root.certificatePem)).toThrow("it is not an X.509 certificate");
  });
});

describe("tokens", () => {
  const digest = caDigest("certificate");

  test("have swarmkit's form and come apart again", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(), (bytes, seed) => {
        const hex = Buffer.from(bytes).toString("hex");
        const secret = newTokenSecret(seededRandom(seed));
        const token = formatToken(hex, secret);
        expect(token).toMatch(/^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
        expect(parseToken(token)).toEqual({ digest: hex, secret });
      }),
    );
  });

  test("a token that Docker made is read", () => {
    // docs.docker.com, "docker swarm join-token".
    const token = "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx";
    const { digest, secret } = parseToken(token);
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(formatToken(digest, secret)).toBe(token);
  });

  test.each([
    "",
    "SWMTKN-1",
    "SWMTKN-2-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx",
    "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lk-1awxwuwd3z9j1z3puu7rcgdbx",
    "SWMTKN-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdb",
    "SWMTKN-1-3PU6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx",
    "swmtkn-1-3pu6hszjas19xyp7ghgosyx9k8atbfcr8p2is99znpy26u2lkl-1awxwuwd3z9j1z3puu7rcgdbx",
    `SWMTKN-1-${"z".repeat(50)}-1awxwuwd3z9j1z3puu7rcgdbx`,
  ])("%j is none", (token) => {
    expect(() => parseToken(token)).toThrow(new Fault("invalid", "invalid join token"));
  });

  test("grant their role and nothing else", () => {
    const [worker, manager] = [formatToken(digest, "w".repeat(25)), formatToken(digest, "m".repeat(25))];
    const grants = (token: string) => tokenGrants(token, { worker, manager });
    expect([grants(worker), grants(manager)]).toEqual(["worker", "manager"]);
    for (const wrong of [
      "",
      worker.slice(1),
      `${worker} `,
      formatToken(digest, "x".repeat(25)),
      "w".repeat(25),
    ]) {
      expect(grants(wrong)).toBeUndefined();
    }
  });
});

describe("a node's identity on disk", () => {
  test("comes back as it was, readable by its owner alone, with nothing beside it", async () => {
    const store = new IdentityFolder(join(folder, "swarm"));
    expect(store.load(NOW)).toBeUndefined();
    const first = await pems();
    store.save(first);
    const second = await pems();
    store.save(second);
    expect(store.load(NOW)).toEqual({ ...second, ...readNodeCertificate(second.certificatePem) });
    expect(readdirSync(store.folder)).toEqual(["identity.json"]);
    expect(statSync(join(store.folder, "identity.json")).mode & 0o777).toBe(0o600);
    expect(statSync(store.folder).mode & 0o777).toBe(0o700);
    store.remove();
    expect(store.load(NOW)).toBeUndefined();
  });

  test("is refused when it has expired, does not fit together, or cannot be read", async () => {
    const store = new IdentityFolder(folder);
    const good = await pems();
    const other = await createRootCa({ clock, random });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const load = (fields: Partial<typeof good>, now = NOW) => {
      store.save({ ...good, ...fields });
      return () => store.load(now);
    };
    expect(load({})()).toBeDefined();
    expect(load({}, NOW + 91 * DAY)).toThrow("it has expired");
    expect(load({ keyPem })).toThrow("cannot use this node's certificate: it was made for another key");
    expect(load({ keyPem: "words" })).toThrow("it was made for another key");
    expect(load({ rootPem: other.certificatePem })).toThrow("it was issued by another cluster");
    expect(load({ rootPem: "words" })).toThrow("cannot read this node's identity");
    writeFileSync(join(folder, "identity.json"), "{");
    expect(() => store.load(NOW)).toThrow("cannot read this node's identity");
  });

  test("a half-written successor does not hurt", async () => {
    const store = new IdentityFolder(folder);
    const good = await pems();
    store.save(good);
    writeFileSync(join(folder, "identity.json.new"), '{"certificatePem":');
    expect(store.load(NOW)).toMatchObject(good);
  });
});

describe("renewal", () => {
  test("is due between half and four fifths of a certificate's life", () => {
    const life = { notBefore: NOW - HOUR, notAfter: NOW + 90 * DAY };
    const shares = Array.from({ length: 500 }, (_, seed) => {
      return (renewalInstant(life, seededRandom(seed)) - NOW) / (90 * DAY);
    });
    expect(Math.min(...shares)).toBeGreaterThanOrEqual(0.5);
    expect(Math.max(...shares)).toBeLessThan(0.8);
    expect(Math.max(...shares) - Math.min(...shares)).toBeGreaterThan(0.25);
  });

  /** A renewal that runs; `answer` certifies. */
  async function start(answer: (csrPem: string) => Promise<{ certificatePem: string; rootPem: string }>) {
    const stop = new AbortController();
    const first = requireIdentity(await pems(), NOW);
    const adopted: NodeIdentity[] = [];
    const run = runRenewal(
      {
        current: () => adopted.at(-1) ?? first,
        adopt: (identity) => void adopted.push(identity),
        renew: answer,
        ...{ clock, random, log: silentLog },
      },
      stop.signal,
    );
    const end = async () => {
      stop.abort(new Error("done"));
      await run;
    };
    return { adopted, first, end };
  }

  const certify = async (csrPem: string, nodeId = "node-1") => pems({ csrPem, nodeId });

  test("happens in time, with a new key, again and again", async () => {
    const { adopted, first, end } = await start((csrPem) => certify(csrPem));
    await clock.advance(44 * DAY);
    expect(adopted).toHaveLength(0);
    await clock.advance(29 * DAY);
    await expect.poll(() => adopted.length).toBe(1);
    expect(adopted[0]?.keyPem).not.toBe(first.keyPem);
    expect(adopted[0]?.notAfter).toBeGreaterThan(first.notAfter);
    await clock.advance(73 * DAY);
    await expect.poll(() => adopted.length).toBe(2);
    await end();
  });

  test("that fails is tried again, less and less often", async () => {
    const tries: number[] = [];
    const { adopted, end } = await start(async (csrPem) => {
      tries.push(clock.now());
      if (tries.length < 4) throw new Fault("unavailable", "no manager");
      return certify(csrPem);
    });
    await clock.advance(73 * DAY);
    await expect.poll(() => tries.length).toBe(1);
    for (const [at, wait] of [5_000, 10_000, 20_000].entries()) {
      await expect.poll(() => clock.advance(wait).then(() => tries.length)).toBeGreaterThan(at + 1);
    }
    await expect.poll(() => adopted.length).toBe(1);
    await end();
  });

  test("does not take another node's certificate", async () => {
    let asked = 0;
    const { adopted, end } = await start((csrPem) => {
      asked += 1;
      return certify(csrPem, "node-2");
    });
    await clock.advance(73 * DAY);
    await expect.poll(() => clock.advance(5_000).then(() => asked)).toBeGreaterThan(1);
    expect(adopted).toEqual([]);
    await end();
  });
});
