// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables are those of stack files
import { expect, test } from "vitest";
import { containerOf, fieldOf, problemsOf, stackOf } from "./files.fake.ts";

const keys = (stack: ReturnType<typeof stackOf>) => stack.services.map(({ key }) => key);

const BASE = `
services:
  web:
    image: nginx:1
    command: [a, b]
    environment: [A=1, B=1]
    ports: ["80:80", "81:81"]
    volumes: ["/one:/data", "/logs:/logs"]
    dns: [192.0.2.1]
    labels: { keep: "1", both: base }
    deploy: { replicas: 2 }
`;

test("a second file is merged: mappings by key, lists by what they are", () => {
  const over = `
services:
  web:
    image: nginx:2
    command: c
    environment: { B: 2, C: 3 }
    ports: ["80:80"]
    volumes: ["/two:/data:ro"]
    dns: 192.0.2.2
    labels: [both=over]
    deploy: { update_config: { parallelism: 2 } }
`;
  const stack = stackOf({ "a.yml": BASE, "b.yml": over }, { merged: ["a.yml", "b.yml"] });
  expect(containerOf(stack, "web", "Image")).toBe("nginx:2");
  expect(containerOf(stack, "web", "Args")).toEqual(["c"]);
  expect(containerOf(stack, "web", "Env")).toEqual(["A=1", "B=2", "C=3"]);
  expect(containerOf(stack, "web", "Labels")).toMatchObject({ keep: "1", both: "over" });
  expect(containerOf(stack, "web", "Mounts")).toEqual([
    { Type: "bind", Target: "/logs", Source: "/logs" },
    { Type: "bind", Target: "/data", Source: "/two", ReadOnly: true },
  ]);
  expect(fieldOf(stack, "web", "EndpointSpec", "Ports")).toHaveLength(2);
  expect(fieldOf(stack, "web", "Mode")).toEqual({ Replicated: { Replicas: 2 } });
  expect(fieldOf(stack, "web", "UpdateConfig", "Parallelism")).toBe(2);
});

test("!reset takes away, !override replaces", () => {
  const over = `
services:
  web:
    environment: !reset null
    ports: !override ["90:90"]
    dns: !override []
`;
  const stack = stackOf({ "a.yml": BASE, "b.yml": over }, { merged: ["a.yml", "b.yml"] });
  expect(containerOf(stack, "web", "Env")).toBeUndefined();
  expect(fieldOf(stack, "web", "EndpointSpec", "Ports")).toMatchObject([{ TargetPort: 90 }]);
  expect(containerOf(stack, "web", "DNSConfig")).toEqual({});
});

test("anchors, merge keys and x- fields", () => {
  const stack = stackOf({
    "a.yml": `
x-env: &env { A: 1, B: 1 }
services:
  web: { image: nginx, x-note: any, environment: { <<: *env, B: 2 } }
  two: { image: nginx, environment: { <<: [*env, { C: 3 }] } }
`,
  });
  expect(containerOf(stack, "web", "Env")).toEqual(["A=1", "B=2"]);
  expect(containerOf(stack, "two", "Env")).toEqual(["A=1", "B=1", "C=3"]);
});

test("variables come from the environment, then from .env, which an env file replaces", () => {
  const files = {
    "a.yml": "services: { web: { image: 'nginx:${TAG}', hostname: '${NAME}', environment: [NAME, NEVER] } }",
    ".env": "TAG=from-file\nNAME=file",
    "other.env": "TAG=other",
  };
  const usual = stackOf(files, { env: { NAME: "env" } });
  expect(containerOf(usual, "web", "Image")).toBe("nginx:from-file");
  expect(containerOf(usual, "web", "Hostname")).toBe("env");
  expect(containerOf(usual, "web", "Env")).toEqual(["NAME=env", "NEVER"]);
  const other = stackOf(files, { env: { NAME: "env" }, envFiles: ["other.env"] });
  expect(containerOf(other, "web", "Image")).toBe("nginx:other");
});

test("a service's env files come before its own words", () => {
  const stack = stackOf({
    "a.yml":
      "services: { web: { image: n, env_file: [one.env, { path: none.env, required: false }, { path: raw.env, format: raw }], environment: { B: own } } }",
    "one.env": "A=1\nB=1\nC='c'",
    "raw.env": "D='d' # e",
  });
  expect(containerOf(stack, "web", "Env")).toEqual(["A=1", "B=own", "C=c", "D='d' # e"]);
});

test("extends: of the same file, of another, and of one that extends; paths are of the file that says them", () => {
  const stack = stackOf({
    "a.yml": `
services:
  web: { extends: { service: base, file: sub/base.yml }, environment: { A: own } }
  twin: { extends: web, hostname: twin }
`,
    "sub/base.yml": `
services:
  root: { image: nginx, user: "7", volumes: ["./data:/data"] }
  base: { extends: root, environment: { A: base, B: base } }
`,
  });
  for (const key of ["web", "twin"]) {
    expect(containerOf(stack, key, "Image")).toBe("nginx:latest");
    expect(containerOf(stack, key, "User")).toBe("7");
    expect(containerOf(stack, key, "Env")).toEqual(["A=own", "B=base"]);
    expect(containerOf(stack, key, "Mounts")).toMatchObject([{ Source: "/home/app/sub/data" }]);
  }
  expect(containerOf(stack, "twin", "Hostname")).toBe("twin");
});

test("include brings services, with the words and paths of their own folder", () => {
  const files = {
    "a.yml": `
include:
  - sub/b.yml
  - { path: [c.yml, c2.yml], project_directory: other, env_file: c.env }
services: { web: { image: nginx, depends_on: [db] } }
`,
    "sub/b.yml": "services: { db: { image: 'pg:${V}', volumes: ['./data:/data'] } }",
    "sub/.env": "V=16",
    "c.yml": "services: { cache: { image: 'redis:${V}', volumes: ['./data:/data'] } }",
    "c2.yml": "services: { cache: { hostname: cache } }",
    "c.env": "V=7",
  };
  const stack = stackOf(files);
  expect(keys(stack).sort()).toEqual(["cache", "db", "web"]);
  expect(containerOf(stack, "db", "Image")).toBe("pg:16");
  expect(containerOf(stack, "db", "Mounts")).toMatchObject([{ Source: "/home/app/sub/data" }]);
  expect(containerOf(stack, "cache", "Image")).toBe("redis:7");
  expect(containerOf(stack, "cache", "Hostname")).toBe("cache");
  expect(containerOf(stack, "cache", "Mounts")).toMatchObject([{ Source: "/home/app/other/data" }]);
  const twice = { ...files, "sub/b.yml": "services:\n  db: { image: pg }\n  web: { image: other }" };
  expect(problemsOf(twice)).toContain(
    "a.yml:5:13: error: web of services is also in sub/b.yml:3:3, which is included",
  );
});

test("profiles: services of one that is off are not there, and may be depended on only where that is not required", () => {
  const files = {
    "a.yml": `
services:
  web: { image: nginx, depends_on: { debug: { condition: service_started, required: false } } }
  debug: { image: busybox, profiles: [debug] }
`,
  };
  expect(keys(stackOf(files))).toEqual(["web"]);
  expect(keys(stackOf(files, { profiles: ["debug"] }))).toEqual(["debug", "web"]);
  expect(keys(stackOf(files, { profiles: ["*"] }))).toEqual(["debug", "web"]);
});

test("services come in the order of their dependencies, with what they wait for", () => {
  const stack = stackOf({
    "a.yml": `
services:
  web: { image: n, depends_on: { db: { condition: service_healthy }, migrate: { condition: service_completed_successfully } } }
  migrate: { image: n, depends_on: [db], deploy: { mode: replicated-job } }
  db: { image: n, healthcheck: { test: "true" } }
`,
  });
  expect(keys(stack)).toEqual(["db", "migrate", "web"]);
  expect(stack.services[2]?.dependsOn.map(({ on, condition }) => `${on} ${condition}`)).toEqual([
    "db service_healthy",
    "migrate service_completed_successfully",
  ]);
});
