import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec } from "../../src/sys/index.ts";
import { type FlagExample, flagsIn, wordsOf } from "../../src/wire/service-flags.fake.ts";
import { ApiCluster } from "../support/api-cluster.ts";
import { RecordingProxy } from "../support/recording-proxy.ts";
import { FLAG_EXAMPLES } from "../support/wire-testdata.ts";

/*
 * Every flag of the stock CLI's `service create` and `service update`: what it changes in `service inspect`, as JSON and
 * --pretty. testdata/service-flags-<version>.txt is the text; src/wire/testdata/service-flags-<version>.json the bodies that
 * the CLI sent. For another version make both files, empty, and: npx vitest run --project runtime test/runtime/service-flags -u
 */

const [, version = "none"] = /version ([\d.]+)/.exec((await exec(["docker", "--version"])).stdout) ?? [];
const golden = join(import.meta.dirname, `testdata/service-flags-${version}.txt`);
const bodies = join(import.meta.dirname, `../../src/wire/testdata/service-flags-${version}.json`);

const cluster = new ApiCluster({ decides: false });
const folder = mkdtempSync(join(tmpdir(), "shoal-flags-"));
const envFile = join(folder, "env");
const socket = join(folder, "proxy.sock");
let proxy: RecordingProxy;

beforeAll(async () => {
  writeFileSync(envFile, "# comment\nFROM_FILE=yes\n");
  const daemon = await cluster.daemon();
  proxy = new RecordingProxy(daemon.socket);
  await proxy.listen(socket);
  await daemon.ask("POST", "/swarm/init", {});
  for (const Name of ["front", "back"]) {
    await daemon.ask("POST", "/networks/create", { Name, Driver: "overlay" });
  }
  for (const Name of ["token", "other"]) {
    await daemon.ask("POST", "/secrets/create", { Name, Data: btoa("hush") });
  }
  for (const Name of ["motd", "site"]) {
    await daemon.ask("POST", "/configs/create", { Name, Data: btoa("hello") });
  }
});
afterAll(async () => {
  await proxy.close();
  await cluster.close();
  rmSync(folder, { recursive: true, force: true });
});

async function docker(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const args = words.map((word) => (word === "ENV_FILE" ? envFile : word));
  return exec(["docker", "-H", `unix://${socket}`, "--config", folder, ...args]);
}

/** What `service inspect` says of a service, both ways; empty when it is not there. */
interface Look {
  readonly facts: ReadonlyMap<string, string>;
  readonly pretty: readonly string[];
}

async function look(name: string): Promise<Look> {
  const json = await docker("service", "inspect", name);
  const [service] = JSON.parse(json.stdout);
  const { stdout } = await docker("service", "inspect", "--pretty", name);
  const pretty = stdout.split("\n").filter((line) => !/^(ID|Name):|^ Started:/.test(line));
  return { facts: new Map(leaves(service?.Spec ?? {}, "")), pretty };
}

/** "Mode.Replicated.Replicas" to "3"; lists in one line. */
function leaves(value: object, path: string): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] => {
    const at = path === "" ? key : `${path}.${key}`;
    const isBranch = typeof inner === "object" && inner !== null && !Array.isArray(inner);
    if (!isBranch) return [[at, JSON.stringify(inner)]];
    return Object.keys(inner).length === 0 ? [[at, "{}"]] : leaves(inner, at);
  });
}

function difference(before: Look, after: Look): string[] {
  const gone = [...before.facts].filter(([path]) => !after.facts.has(path));
  const come = [...after.facts].filter(([path, value]) => before.facts.get(path) !== value);
  const told = after.pretty.filter((line) => !before.pretty.includes(line));
  return [
    ...gone.map(([path, value]) => `- ${path} = ${value}`),
    ...come.map(([path, value]) => `  ${path} = ${value}`),
    ...told.map((line) => `  | ${line}`),
  ]
    .filter((line) => !line.includes(" Name = "))
    .map((line) => line.trimEnd());
}

interface Said {
  readonly command: string;
  readonly body: unknown;
  readonly text: readonly string[];
}

/** Runs one command on a service, and tells what it changed since `before`. */
async function say(name: string, command: string, before: Look): Promise<Said & { after: Look }> {
  const sent = proxy.recorded.length;
  const [verb = "", ...words] = wordsOf(command);
  const isCreate = verb === "create";
  const common = ["-d", "-q"];
  const named = isCreate ? ["--name", name, ...words] : [...words, name];
  const { code, stderr } = await docker("service", verb, ...common, ...named);
  const after = code === 0 ? await look(name) : before;
  const refusal = [
    ...stderr
      .trim()
      .split("\n")
      .map((line) => `! ${line}`),
    `(exit ${code})`,
  ];
  const text = [`$ docker service ${command}`, ...(code === 0 ? difference(before, after) : refusal)];
  return { command, body: proxy.recorded[sent]?.body, text, after };
}

async function play({ create, args = "", update }: FlagExample, plain: Look): Promise<Said[]> {
  const name = "web";
  const made = await say(name, ["create", create, "nginx", args].filter(Boolean).join(" "), plain);
  const said: Said[] = [made];
  let { after } = made;
  if (made.after === plain) await docker("service", "create", "-d", "-q", "--name", name, "nginx");
  for (const words of update) {
    const next = await say(name, `update ${words}`, after);
    said.push(next);
    after = next.after;
  }
  await docker("service", "rm", name);
  return said;
}

test.skipIf(!existsSync(golden))(
  `docker CLI ${version}: every flag of a service is seen by inspect`,
  async () => {
    await docker("service", "create", "-d", "--name", "plain", "nginx");
    const plain = await look("plain");
    const all: Said[] = [];
    const texts: string[] = [];
    for (const example of FLAG_EXAMPLES) {
      const said = await play(example, plain);
      all.push(...said);
      texts.push([`# ${example.about}`, ...said.flatMap(({ text }) => text), ""].join("\n"));
    }
    await expect(texts.join("\n")).toMatchFileSnapshot(golden);
    const sent = all.filter(({ body }) => body !== undefined);
    const of = (verb: string) =>
      sent
        .filter(({ command }) => command.startsWith(verb))
        .map(({ command, body }) => ({ command: `docker service ${command}`, body }));
    const requests = { "service-create": of("create"), "service-update": of("update") };
    await expect(`${JSON.stringify({ cli: version, requests }, null, 1)}\n`).toMatchFileSnapshot(bodies);
  },
  180_000,
);

/** The long options in a CLI's help. */
function optionsIn(help: string): string[] {
  return [...help.matchAll(/^ {2,6}(?:-\w, {1,2})?(--[a-z-]+)/gm)].map(([, option = ""]) => option);
}

test.skipIf(!existsSync(golden))(`docker CLI ${version} has no flag that the table lacks`, async () => {
  for (const verb of ["create", "update"] as const) {
    const options = optionsIn((await docker("service", verb, "--help")).stdout);
    expect(options.length).toBeGreaterThan(70);
    const lines = FLAG_EXAMPLES.flatMap(({ create, update }) => (verb === "create" ? [create] : update));
    const used = new Set([...lines.flatMap(flagsIn), "--detach", "--quiet", "--name"]);
    expect(options.filter((option) => !used.has(option))).toEqual([]);
  }
});
