import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StackCluster } from "./support/stack-cluster.ts";

/*
 * `shoal stack plan | deploy | diff | rm` over the real API, control and deciders; machines are played.
 */

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

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const tell = (verb: string, ...more: readonly string[]) =>
  cluster.shoal(verb, "-f", join(folder, "stack.yml"), "--resolve-image", "never", ...more, "blog");
const plain = (text: string) => text.replaceAll(`${folder}/`, "").replace(/-[0-9a-f]{12}\b/g, "-VERSION");
const names = async (path: string): Promise<string[]> =>
  (await cluster.get(path)).map((one: { Spec: { Name: string } }) => one.Spec.Name).sort();

const BLOG = `
services:
  web:
    image: nginx:1
    depends_on: [db]
    deploy: { replicas: 2 }
  db:
    image: postgres:16
    environment: { POSTGRES_PASSWORD_FILE: /run/secrets/password }
    secrets: [password]
secrets:
  password: { file: ./password.txt }
`;

test("plan does nothing, deploy does it in order, and then nothing is left to do", async () => {
  write("stack.yml", BLOG);
  write("password.txt", "first");
  const planned = await tell("plan");
  expect(plain(planned.out)).toBe(`stack blog: 4 to create, 0 to update, 0 to remove, 0 unchanged

+ network blog_default
+ secret blog_password-VERSION
+ service blog_db
+ service blog_web
    after blog_db is started
`);
  expect(await names("/services")).toEqual([]);

  const deployed = await tell("deploy");
  expect(deployed).toMatchObject({ code: 0, err: "" });
  const lines = plain(deployed.out).split("\n");
  const order = ["service blog_db: created", "service blog_web: created", "stack blog: all services are up"];
  expect(order.map((line) => lines.indexOf(line))).toEqual(
    order.map((line) => lines.indexOf(line)).toSorted((a, b) => a - b),
  );
  expect(lines).toEqual(expect.arrayContaining(order));
  expect(lines).toContain("service blog_web: 2/2 running");

  expect((await tell("plan")).out).toMatch(/^stack blog: 0 to create, 0 to update, 0 to remove, 2 unchanged/);
  expect(await tell("diff")).toMatchObject({ code: 0, out: "stack blog: the cluster is as the files say\n" });
});

test("a secret's new content rolls the services that use it, and the old one goes when no rollback needs it", async () => {
  write("stack.yml", BLOG);
  write("password.txt", "first");
  await tell("deploy");
  const [first] = await names("/secrets");

  write("password.txt", "second");
  const planned = await tell("plan");
  expect(plain(planned.out)).toBe(`stack blog: 1 to create, 1 to update, 0 to remove, 1 unchanged

+ secret blog_password-VERSION  (new content of password)
~ service blog_db
    secrets  [blog_password-VERSION as password] → [blog_password-VERSION as password]
    restarts blog_db.1 (1 at a time, stop-first)
  service blog_web: unchanged
`);
  expect(await tell("deploy")).toMatchObject({ code: 0 });
  const [db] = (await cluster.get("/services")).filter(
    (s: { Spec: { Name: string } }) => s.Spec.Name === "blog_db",
  );
  const [secret] = db.Spec.TaskTemplate.ContainerSpec.Secrets;
  expect(secret.File.Name).toBe("password");
  expect(secret.SecretName).not.toBe(first);
  expect(await names("/secrets"), "a rollback needs the old one").toHaveLength(2);
  expect((await tell("plan")).out).toMatch(/^stack blog: 0 to create, 0 to update, 0 to remove/);

  write("stack.yml", BLOG.replace("image: postgres:16", "image: postgres:17"));
  await tell("deploy");
  const removed = await tell("deploy");
  expect(plain(removed.out)).toContain("secret blog_password-VERSION: removed");
  expect(await names("/secrets")).toEqual([secret.SecretName]);
});

test("diff says where somebody's hand was, and deploy sets it right", async () => {
  write("stack.yml", BLOG);
  write("password.txt", "first");
  await tell("deploy");
  await cluster.docker(
    "service",
    "update",
    "--detach",
    "--env-add",
    "DEBUG=1",
    "--replicas",
    "5",
    "blog_web",
  );
  const drift = await tell("diff");
  expect(drift).toMatchObject({ code: 1 });
  expect(drift.out).toBe(`service blog_web:
    environment.DEBUG: the cluster has 1, the files say nothing
    deploy.replicas: the cluster has 5, the files say 2
`);
  expect(await tell("deploy")).toMatchObject({ code: 0 });
  expect((await tell("diff")).code).toBe(0);
});

test("a service that the file no longer names stays, until one prunes", async () => {
  write("stack.yml", BLOG);
  write("password.txt", "first");
  await tell("deploy");
  write("stack.yml", "services: { web: { image: 'nginx:1', deploy: { replicas: 2 } } }");
  expect((await tell("plan")).out).toContain("service blog_db: not in the files, kept (--prune removes it)");
  await tell("deploy");
  expect(await names("/services")).toEqual(["blog_db", "blog_web"]);
  await tell("deploy", "--prune");
  expect(await names("/services")).toEqual(["blog_web"]);
});

test("a deployment that cannot come up ends with the reason", async () => {
  write(
    "stack.yml",
    "services: { web: { image: nginx, deploy: { placement: { constraints: [node.labels.gpu == yes] } } } }",
  );
  await expect(tell("deploy", "--timeout", "1")).rejects.toThrow(
    /^gave up waiting: blog_web has 0 of 1 \(no suitable node/,
  );
});

test("a service is not written before those it depends on are so far", async () => {
  write(
    "stack.yml",
    `services:
  web: { image: nginx, depends_on: { db: { condition: service_healthy } } }
  db: { image: pg, healthcheck: { test: "true" }, deploy: { placement: { constraints: [node.labels.disk == fast] } } }`,
  );
  const waiting = tell("deploy", "--timeout", "30");
  await expect.poll(() => names("/services")).toEqual(["blog_db"]);
  const [node] = await cluster.get("/nodes");
  await cluster.docker("node", "update", "--label-add", "disk=fast", node.ID);
  const { out } = await waiting;
  const lines = out.split("\n");
  expect(lines).toContain("service blog_web: waits until blog_db is healthy");
  expect(lines.indexOf("service blog_web: created")).toBeGreaterThan(
    lines.indexOf("service blog_db: created"),
  );
});

test("nothing is touched when a file is wrong, or when what it refers to is not there", async () => {
  write(
    "stack.yml",
    "services:\n  web: { image: nginx, networks: [out] }\n  db: { image: pg, tty: maybe }\nnetworks:\n  out: { external: true }",
  );
  expect(await tell("deploy")).toMatchObject({ code: 1, out: "" });
  write(
    "stack.yml",
    "services:\n  web: { image: nginx, networks: [out] }\nnetworks:\n  out: { external: true }",
  );
  const refused = await tell("deploy");
  expect(refused.code).toBe(1);
  expect(plain(refused.err)).toBe("stack.yml:4:3: error: the external network out is not in the cluster\n");
  expect(await names("/services")).toEqual([]);
});

test("a port of another service is an error with its place", async () => {
  await cluster.docker("service", "create", "--detach", "--name", "other", "-p", "80:80", "nginx");
  write("stack.yml", "services:\n  web:\n    image: nginx\n    ports: ['80:8080']\n");
  const refused = await tell("plan");
  expect(refused.code).toBe(1);
  expect(plain(refused.err)).toBe("stack.yml:4:5: error: port 80/tcp is published by the service other\n");
});

test("what a cluster cannot change is an error before anything is touched: a mode, content under a fixed name", async () => {
  const file = (mode: string) => `services:
  web:
    image: nginx
    secrets: [key]
    deploy:
      mode: ${mode}
secrets:
  key: { file: ./password.txt, name: fixed }
`;
  write("stack.yml", file("replicated"));
  write("password.txt", "first");
  expect(await tell("deploy")).toMatchObject({ code: 0 });
  expect(await names("/secrets")).toEqual(["fixed"]);
  write("stack.yml", file("global"));
  write("password.txt", "second");
  const refused = await tell("deploy");
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(plain(refused.err).split("\n")).toEqual([
    "stack.yml:6:7: error: a service's mode cannot change from replicated to global: remove blog_web first",
    "stack.yml:8:3: error: the content of key changed, but its name is fixed: leave out `name` and each content gets one",
    "",
  ]);
});

test("rm takes all of the stack away, and says so when there is nothing", async () => {
  write("stack.yml", BLOG);
  write("password.txt", "first");
  await tell("deploy");
  expect((await cluster.docker("stack", "ls", "--format", "{{.Name}} {{.Services}}")).out).toBe("blog 2\n");
  expect(await cluster.shoal("rm", "blog")).toMatchObject({ code: 0 });
  expect(await names("/services")).toEqual([]);
  expect(await names("/secrets")).toEqual([]);
  await expect(cluster.shoal("rm", "blog")).rejects.toThrow(
    "cannot remove stack blog: the cluster has nothing of it",
  );
});

test("an image that has moved in its registry is an update", async () => {
  write("stack.yml", "services: { web: { image: 'nginx:1' } }");
  await tell("deploy");
  const moved = await cluster.shoal("plan", "-f", join(folder, "stack.yml"), "blog");
  expect(moved.out).toMatch(/ {4}image {2}nginx:1 → nginx:1@sha256:ab/);
  await cluster.shoal("deploy", "-f", join(folder, "stack.yml"), "blog");
  const again = await cluster.shoal("plan", "-f", join(folder, "stack.yml"), "blog");
  expect(again.out).toMatch(/^stack blog: 0 to create, 0 to update/);
  expect((await tell("plan")).out, "what has a digest stays, when no registry is asked").toMatch(
    /0 to update/,
  );
});

test("logins go along only when told to, and an update keeps those a service has", async () => {
  const login = { username: "ann", password: "a:b", serveraddress: "reg.test:5000" };
  const auth = Buffer.from(`${login.username}:${login.password}`).toString("base64");
  write("config.json", JSON.stringify({ auths: { "reg.test:5000": { auth } } }));
  write("stack.yml", "services: { web: { image: 'reg.test:5000/app:1' }, pub: { image: 'nginx:1' } }");
  cluster.env["DOCKER_CONFIG"] = folder;
  const held = () => {
    const services = [...(cluster.cluster.store?.view.all("service") ?? [])];
    const auths = services.map(({ spec }) => [spec.name, spec.task.container.registryAuth] as const);
    return Object.fromEntries(
      auths.map(([name, one]) => [name, one && JSON.parse(Buffer.from(one, "base64url").toString())]),
    );
  };
  await tell("deploy");
  expect(held()).toEqual({ blog_web: undefined, blog_pub: undefined });
  write("stack.yml", "services: { web: { image: 'reg.test:5000/app:2' }, pub: { image: 'nginx:2' } }");
  const { out, err } = await tell("deploy", "--with-registry-auth");
  expect(held()).toEqual({ blog_web: login, blog_pub: undefined });
  expect(out + err).not.toContain("a:b");
  write("stack.yml", "services: { web: { image: 'reg.test:5000/app:3' }, pub: { image: 'nginx:2' } }");
  await tell("deploy");
  expect(held()).toMatchObject({ blog_web: login });
});

test("docker stack rm removes what ours deployed", async () => {
  write("stack.yml", BLOG);
  write("password.txt", "first");
  await tell("deploy");
  expect((await cluster.docker("stack", "rm", "--detach=false", "blog")).code).toBe(0);
  expect(await names("/services")).toEqual([]);
  expect(await names("/secrets")).toEqual([]);
});
