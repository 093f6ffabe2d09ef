import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { aContainerInfo, FakeBackends } from "../../src/api/backends.fake.ts";
import { type ApiDoor, apiDoors } from "../../src/daemon/api-doors.ts";
import { readConfig } from "../../src/daemon/config.ts";
import { silentLog } from "../../src/lib/index.ts";
import { systemClock as clock } from "../../src/sys/index.ts";
import { freePort } from "../support/docker-registry.ts";

/** The stock CLI against the API on TCP with mutual TLS. */

const dir = mkdtempSync(join(tmpdir(), "shoal-tls-"));
const at = (name: string) => join(dir, name);
let port = 0;
let door: ApiDoor | undefined;

const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore", cwd: dir });

/** A key and a certificate of that CA, for that use. */
function certify(name: string, ca: string, use: "clientAuth" | "serverAuth"): void {
  writeFileSync(at(`${name}.ext`), `subjectAltName=IP:127.0.0.1\nextendedKeyUsage=${use}\n`);
  openssl(
    "req",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-keyout",
    `${name}.key`,
    "-out",
    `${name}.csr`,
    "-subj",
    `/CN=${name}`,
  );
  const signed = ["-CA", `${ca}.pem`, "-CAkey", `${ca}.key`, "-CAcreateserial", "-days", "1"];
  openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.pem`, ...signed, "-extfile", `${name}.ext`);
}

const settings = (over: Readonly<Record<string, string>> = {}) => {
  const files = { tlscacert: at("ca.pem"), tlscert: at("server.pem"), tlskey: at("server.key"), ...over };
  const flags = Object.entries(files).flatMap(([key, path]) => (path === "" ? [] : [`--${key}`, path]));
  return readConfig(["--hosts", `tcp://127.0.0.1:${port}`, ...flags]);
};
const options = { backends: new FakeBackends(clock), clock, log: silentLog, version: "0.1.0" };

beforeAll(async () => {
  for (const ca of ["ca", "foreign"])
    openssl(
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      `${ca}.key`,
      "-out",
      `${ca}.pem`,
      "-subj",
      `/CN=${ca}`,
      "-days",
      "1",
    );
  certify("server", "ca", "serverAuth");
  certify("client", "ca", "clientAuth");
  certify("stranger", "foreign", "clientAuth");
  port = await freePort();
  [door] = apiDoors(settings(), options);
  await door?.server.listen(door.where);
});
afterAll(async () => {
  await door?.server.close();
  rmSync(dir, { recursive: true });
});

const docker = (...args: string[]) => dockerWith("", ...args);

/** One command of the CLI; its standard input is `input`. */
function dockerWith(
  input: string,
  ...args: string[]
): Promise<{ readonly code: number; readonly out: string }> {
  const env = { ...process.env, DOCKER_CONFIG: dir, DOCKER_HOST: "" };
  return new Promise((resolve) => {
    const child = execFile("docker", args, { env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, out: `${stdout}${stderr}`.trim() }),
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
const tls = (who: string) => [
  "--tlscacert",
  at("ca.pem"),
  "--tlscert",
  at(`${who}.pem`),
  "--tlskey",
  at(`${who}.key`),
];
const host = () => ["-H", `tcp://127.0.0.1:${port}`];

test("a client with a certificate of the CA is served, by flags and by a context", async () => {
  expect(
    await docker("--tlsverify", ...tls("client"), ...host(), "version", "--format", "{{.Server.Version}}"),
  ).toEqual({
    code: 0,
    out: "0.1.0",
  });
  const files = `ca=${at("ca.pem")},cert=${at("client.pem")},key=${at("client.key")}`;
  await docker("context", "create", "far", "--docker", `host=tcp://127.0.0.1:${port},${files}`);
  expect(await docker("--context", "far", "ps", "-q")).toEqual({ code: 0, out: "" });
});

test("input that ends reaches a program, and what it answers to that comes back", async () => {
  options.backends.containers.put(aContainerInfo({ id: "c".repeat(64), name: "web" }));
  const cli = ["--tlsverify", ...tls("client"), ...host(), "exec", "-i", "web"];
  expect(await dockerWith("words ".repeat(50_000), ...cli, "wc")).toEqual({ code: 0, out: "300000" });
});

test("others are not: another CA's, none, a server's own certificate, no TLS", async () => {
  for (const who of ["stranger", "server"]) {
    const refused = { code: 1, out: expect.stringContaining("error during connect") };
    expect(await docker("--tlsverify", ...tls(who), ...host(), "ps")).toEqual(refused);
  }
  expect((await docker("--tls", ...host(), "ps")).code).toBe(1);
  expect((await docker(...host(), "ps")).code).toBe(1);
  expect((await docker("--tlsverify", ...tls("client"), ...host(), "ps")).code).toBe(0);
});

test("half of the settings, or files that are none, are refused with a sentence", async () => {
  expect(() => apiDoors(settings({ tlskey: "" }), options)).toThrow(
    "it takes all of tlscacert, tlscert and tlskey",
  );
  expect(() => apiDoors(settings({ tlskey: at("none") }), options)).toThrow(`cannot read ${at("none")}`);
  expect(() => apiDoors(settings({ tlskey: at("client.csr") }), options)).toThrow("cannot use TLS: ");
  const [plain] = apiDoors(settings({ tlscacert: "", tlscert: "", tlskey: "" }), options);
  await expect(plain?.server.listen(plain.where)).rejects.toThrow("TCP without TLS is not served");
});
