// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables are those of stack files
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ExecResult, exec } from "../src/sys/index.ts";
import { StackCluster } from "./support/stack-cluster.ts";

/** The flags of the stock CLI's `docker stack`, over the real API, control and deciders; machines and the registry are played. */

let cluster: StackCluster;
let folder: string;

beforeEach(async () => {
  cluster = await StackCluster.open();
  folder = mkdtempSync(join(tmpdir(), "shoal-stack-"));
});

afterEach(async () => {
  await cluster.close();
  rmSync(folder, { recursive: true, force: true });
});

const write = (name: string, services: string) =>
  writeFileSync(join(folder, name), `version: "3.8"\n${services}`);
/** The stock CLI in the folder of the files; DOCKER_CONFIG is the folder too. */
const docker = (
  words: string,
  more: { input?: string; env?: Record<string, string> } = {},
): Promise<ExecResult> =>
  exec(["docker", ...words.split(" ")], {
    env: { ...process.env, DOCKER_CONFIG: folder, DOCKER_HOST: cluster.host, ...more.env },
    cwd: folder,
    ...(more.input !== undefined && { input: more.input }),
  });
const deploy = async (words: string, more: Parameters<typeof docker>[1] = {}) => {
  const result = await docker(`stack deploy ${words} app`, more);
  expect(result.code, result.stderr).toBe(0);
  return result;
};
const services = async () => {
  const all = await cluster.get("/services");
  return Object.fromEntries(
    // biome-ignore lint/suspicious/noExplicitAny: what the API says
    all.map(({ Spec }: any) => [Spec.Name, Spec.TaskTemplate.ContainerSpec]),
  );
};
const DIGEST = /^nginx:\S+@sha256:[0-9a-f]{64}$/;

test("a file comes in by -c -, and several -c are one", async () => {
  const input = 'version: "3.8"\nservices: { web: { image: "nginx:1", environment: { A: "1", B: "1" } } }\n';
  await deploy("-c -", { input });
  expect(await services()).toMatchObject({ app_web: { Env: ["A=1", "B=1"] } });
  write("first.yml", "services: { web: { image: 'nginx:1', environment: { A: '1', B: '1' } } }");
  write("second.yml", "services: { web: { environment: { B: '2' } }, db: { image: 'postgres:16' } }");
  await deploy("-c first.yml -c second.yml");
  expect(await services()).toMatchObject({ app_web: { Env: ["A=1", "B=2"] }, app_db: {} });
});

test("variables come from the CLI's environment, with their defaults and refusals", async () => {
  write(
    "a.yml",
    "services: { web: { image: 'nginx:${TAG:-1}', environment: { WORD: '$WORD', PRICE: '$$5' } } }",
  );
  await deploy("-c a.yml --resolve-image never", { env: { WORD: "a b" } });
  expect(await services()).toMatchObject({ app_web: { Image: "nginx:1", Env: ["PRICE=$5", "WORD=a b"] } });
  await deploy("-c a.yml --resolve-image never", { env: { TAG: "2", WORD: "" } });
  expect(await services()).toMatchObject({ app_web: { Image: "nginx:2", Env: ["PRICE=$5", "WORD="] } });
  write("a.yml", "services: { web: { image: 'nginx:${TAG?say which}' } }");
  const refused = await docker("stack deploy -c a.yml app");
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("say which")]);
});

test("--prune removes what the file no longer names; without it that stays", async () => {
  write("two.yml", "services: { web: { image: 'nginx:1' }, db: { image: 'postgres:16' } }");
  write("one.yml", "services: { web: { image: 'nginx:1' } }");
  await deploy("-c two.yml");
  await deploy("-c one.yml");
  expect(Object.keys(await services()).sort()).toEqual(["app_db", "app_web"]);
  const { stdout } = await deploy("-c one.yml --prune");
  expect(stdout).toContain("Removing service app_db");
  expect(Object.keys(await services())).toEqual(["app_web"]);
});

test("--resolve-image says when the registry is asked", async () => {
  write("a.yml", "services: { web: { image: 'nginx:1' } }");
  const image = async () => (await services())["app_web"].Image;
  await deploy("-c a.yml --resolve-image never");
  expect(await image()).toMatch(/^nginx:1(@|$)/);
  expect(await image()).toBe("nginx:1");
  await deploy("-c a.yml --resolve-image changed");
  expect(await image(), "the file's name has not changed: the service's own stays").toBe("nginx:1");
  await deploy("-c a.yml --resolve-image always");
  expect(await image()).toMatch(DIGEST);
  await deploy("-c a.yml --resolve-image never");
  expect(await image(), "an image that is the same keeps its digest").toMatch(DIGEST);
  write("a.yml", "services: { web: { image: 'nginx:2' } }");
  await deploy("-c a.yml --resolve-image changed");
  expect(await image()).toMatch(/^nginx:2@sha256:/);
  const refused = await docker("stack deploy -c a.yml --resolve-image odd app");
  expect(refused.code).toBe(1);
});

test("--with-registry-auth sends the CLI's logins along, and nothing of them is shown", async () => {
  const auth = Buffer.from("ann:s3cret").toString("base64");
  writeFileSync(join(folder, "config.json"), JSON.stringify({ auths: { "reg.test:5000": { auth } } }));
  write("a.yml", "services: { web: { image: 'reg.test:5000/app:1' } }");
  const held = () => {
    const [service] = [...(cluster.cluster.store?.view.all("service") ?? [])];
    const sent = service?.spec.task.container.registryAuth;
    return sent && JSON.parse(Buffer.from(sent, "base64url").toString());
  };
  await deploy("-c a.yml --resolve-image never");
  expect(held()?.username).toBeUndefined();
  const said = await deploy("-c a.yml --resolve-image never --with-registry-auth");
  expect(held()).toMatchObject({ username: "ann", password: "s3cret" });
  expect(said.stdout + said.stderr + JSON.stringify(await cluster.get("/services"))).not.toContain("s3cret");
  await deploy("-c a.yml --resolve-image never");
  expect(held(), "a service keeps what it has").toMatchObject({ username: "ann" });
});

test("what a swarm has not is ignored with a word", async () => {
  write("a.yml", "services: { web: { image: 'nginx:1', build: ., container_name: mine, privileged: true } }");
  const { stderr } = await deploy("-c a.yml");
  expect(stderr).toContain("Ignoring unsupported options: build, privileged");
  expect(stderr).toContain("Ignoring deprecated options:\n\ncontainer_name: ");
  expect(Object.keys(await services())).toEqual(["app_web"]);
});

test("stack config shows the files as one, where the CLI has it; what it prints can be deployed", async (context) => {
  write("first.yml", "services: { web: { image: 'nginx:${TAG}' } }");
  write("second.yml", "services: { web: { deploy: { replicas: 2 } } }");
  const { code, stdout } = await docker("stack config -c first.yml -c second.yml", { env: { TAG: "1" } });
  if (code !== 0) return context.skip("this CLI has no stack config");
  expect(stdout).toContain("image: nginx:1");
  await deploy("-c -", { input: stdout });
  const [service] = await cluster.get("/services");
  expect(service.Spec).toMatchObject({ Name: "app_web", Mode: { Replicated: { Replicas: 2 } } });
});
