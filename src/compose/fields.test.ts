import { describe, expect, test } from "vitest";
import { containerOf, fieldOf, problemsOf, stackOf } from "./files.fake.ts";
import { familiarImage } from "./image.ts";

/** A service with these fields, in flow style. */
const one = (fields: string, more = "") => ({
  "a.yml": `services: { web: { image: nginx, ${fields} } }\n${more}`,
});
const VOLUMES = "volumes: { data: , named: { name: own }, out: { external: true }, disk: { driver: local } }";

describe("a container's fields", () => {
  test.each([
    ["command: 'echo \"a b\" c\\ d'", "Args", ["echo", "a b", "c d"]],
    ["command: [echo, 1]", "Args", ["echo", "1"]],
    ["entrypoint: /run.sh -x", "Command", ["/run.sh", "-x"]],
    ["environment: { A: 1, B: 0644, C: true, D: , E: yes }", "Env", ["A=1", "B=420", "C=true", "D", "E=yes"]],
    ["labels: [a=b=c, d]", "Labels", { a: "b=c", d: "", "com.docker.stack.namespace": "app" }],
    ["extra_hosts: ['a:192.0.2.1', 'b=2001:db8::1']", "Hosts", ["192.0.2.1 a", "2001:db8::1 b"]],
    ["extra_hosts: { a: [192.0.2.1, 192.0.2.2] }", "Hosts", ["192.0.2.1 a", "192.0.2.2 a"]],
    ["dns: 192.0.2.1, dns_search: [x.org]", "DNSConfig", { Nameservers: ["192.0.2.1"], Search: ["x.org"] }],
    [
      "healthcheck: { test: a b, interval: 1m30s, retries: 3 }",
      "Healthcheck",
      { Test: ["CMD-SHELL", "a b"], Interval: 90e9, Retries: 3 },
    ],
    [
      "healthcheck: { test: [CMD, a], start_interval: 500ms, start_period: 1h }",
      "Healthcheck",
      { Test: ["CMD", "a"], StartInterval: 5e8, StartPeriod: 3600e9 },
    ],
    ["healthcheck: { disable: true }", "Healthcheck", { Test: ["NONE"] }],
    [
      "ulimits: { nproc: 9, nofile: { soft: 1, hard: 2 } }",
      "Ulimits",
      [
        { Name: "nofile", Soft: 1, Hard: 2 },
        { Name: "nproc", Soft: 9, Hard: 9 },
      ],
    ],
    ["cap_add: [net_admin, ALL], cap_drop: [NET_ADMIN, chown]", "CapabilityAdd", ["ALL"]],
    ["cap_add: [net_admin], cap_drop: [CAP_NET_ADMIN, chown]", "CapabilityDrop", ["CAP_CHOWN"]],
    ["sysctls: [net.core.somaxconn=1024]", "Sysctls", { "net.core.somaxconn": "1024" }],
    ["stop_grace_period: 1m, stop_signal: SIGINT", "StopGracePeriod", 60e9],
    ["group_add: [audio, 1000]", "Groups", ["audio", "1000"]],
    [
      "security_opt: ['no-new-privileges:true', 'seccomp:unconfined']",
      "Privileges",
      { NoNewPrivileges: true, Seccomp: { Mode: "unconfined" } },
    ],
    ["init: true, tty: true, read_only: true, stdin_open: true", "Init", true],
    ["user: 1000, working_dir: /w, hostname: h, oom_score_adj: 5", "User", "1000"],
  ])("%s", (fields, name, wanted) => {
    expect(containerOf(stackOf(one(fields)), "web", name)).toEqual(wanted);
  });
});

test.each([
  ["nginx", "nginx:latest"],
  ["docker.io/library/nginx:1", "nginx:1"],
  ["docker.io/team/app", "team/app:latest"],
  ["localhost:5000/app", "localhost:5000/app:latest"],
  ["app@sha256:ab", "app@sha256:ab"],
])("the image %s is sent as %s", (image, wanted) => {
  expect(familiarImage(image)).toBe(wanted);
});

describe("mounts", () => {
  const labels = { "com.docker.stack.namespace": "app" };
  test.each([
    ["/anon", { Type: "volume", Target: "/anon" }],
    ["data:/d", { Type: "volume", Source: "app_data", Target: "/d", VolumeOptions: { Labels: labels } }],
    [
      "named:/d:ro,nocopy",
      {
        Type: "volume",
        Source: "own",
        Target: "/d",
        ReadOnly: true,
        VolumeOptions: { NoCopy: true, Labels: labels },
      },
    ],
    ["out:/d", { Type: "volume", Source: "out", Target: "/d", VolumeOptions: {} }],
    [
      "disk:/d",
      {
        Type: "volume",
        Source: "app_disk",
        Target: "/d",
        VolumeOptions: { Labels: labels, DriverConfig: { Name: "local", Options: {} } },
      },
    ],
    [
      "./x:/d:rslave",
      { Type: "bind", Source: "/home/app/x", Target: "/d", BindOptions: { Propagation: "rslave" } },
    ],
    ["../x:/d", { Type: "bind", Source: "/home/x", Target: "/d" }],
    ["~/x:/d", { Type: "bind", Source: "/home/me/x", Target: "/d" }],
  ])("%s", (said, wanted) => {
    const stack = stackOf(one(`volumes: ['${said}']`, VOLUMES), { env: { HOME: "/home/me" } });
    expect(containerOf(stack, "web", "Mounts")).toEqual([wanted]);
  });

  test("long forms, and tmpfs in both", () => {
    const fields =
      "volumes: [{ type: tmpfs, target: /t, tmpfs: { size: 1M, mode: 0700 } }], tmpfs: ['/u:size=2m,mode=1777', /v]";
    expect(containerOf(stackOf(one(fields)), "web", "Mounts")).toEqual([
      { Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1048576, Mode: 0o700 } },
      { Type: "tmpfs", Target: "/u", TmpfsOptions: { SizeBytes: 2097152, Mode: 0o1777 } },
      { Type: "tmpfs", Target: "/v" },
    ]);
  });
});

describe("ports", () => {
  const shown = (fields: string) => {
    const ports = fieldOf(stackOf(one(fields)), "web", "EndpointSpec", "Ports") as Record<string, unknown>[];
    return ports.map(
      (p) => `${p["PublishedPort"] ?? ""}:${p["TargetPort"]}/${p["Protocol"]} ${p["PublishMode"]}`,
    );
  };
  test.each([
    ["ports: [80]", [":80/tcp ingress"]],
    ["ports: ['8080:80/udp']", ["8080:80/udp ingress"]],
    ["ports: ['90-91:80-81']", ["90:80/tcp ingress", "91:81/tcp ingress"]],
    ["ports: ['90-91:80']", ["90:80/tcp ingress", "91:80/tcp ingress"]],
    ["ports: ['0.0.0.0:90:80']", ["90:80/tcp ingress"]],
    ["ports: [{ target: 80, published: '90', protocol: sctp, mode: host }]", ["90:80/sctp host"]],
  ])("%s", (fields, wanted) => {
    expect(shown(fields)).toEqual(wanted);
  });

  test("an address is warned of", () => {
    expect(problemsOf(one("ports: ['127.0.0.1:90:80', '[::1]:91:81']"))).toEqual([
      "a.yml:1:42: warning: a published port is on every address of a node: the address is ignored",
      "a.yml:1:61: warning: a published port is on every address of a node: the address is ignored",
    ]);
  });
});

describe("deploy", () => {
  test.each([
    ["deploy: { mode: global }", ["Mode"], { Global: {} }],
    [
      "deploy: { mode: replicated-job, replicas: 3 }",
      ["Mode"],
      { ReplicatedJob: { MaxConcurrent: 3, TotalCompletions: 3 } },
    ],
    ["scale: 4", ["Mode"], { Replicated: { Replicas: 4 } }],
    [
      "deploy: { resources: { limits: { cpus: '0.5', memory: 50M, pids: 9 } } }",
      ["TaskTemplate", "Resources"],
      { Limits: { NanoCPUs: 5e8, MemoryBytes: 52428800, Pids: 9 } },
    ],
    [
      "deploy: { resources: { reservations: { devices: [{ capabilities: [gpu], count: 2 }] } } }",
      ["TaskTemplate", "Resources", "Reservations", "GenericResources"],
      [{ DiscreteResourceSpec: { Kind: "gpu", Value: 2 } }],
    ],
    ["restart: on-failure:3", ["TaskTemplate", "RestartPolicy"], { Condition: "on-failure", MaxAttempts: 3 }],
    [
      "restart: always, deploy: { restart_policy: { condition: none } }",
      ["TaskTemplate", "RestartPolicy"],
      { Condition: "none" },
    ],
    [
      "deploy: { update_config: { delay: 5s, order: start-first, failure_action: rollback } }",
      ["UpdateConfig"],
      { Parallelism: 1, Delay: 5e9, FailureAction: "rollback", MaxFailureRatio: 0, Order: "start-first" },
    ],
    [
      "deploy: { placement: { preferences: [{ spread: node.labels.zone }], max_replicas_per_node: 2 } }",
      ["TaskTemplate", "Placement"],
      { Preferences: [{ Spread: { SpreadDescriptor: "node.labels.zone" } }], MaxReplicas: 2 },
    ],
    [
      "logging: { driver: json-file, options: { max-size: 1m } }",
      ["TaskTemplate", "LogDriver"],
      { Name: "json-file", Options: { "max-size": "1m" } },
    ],
  ])("%s", (fields, path, wanted) => {
    expect(fieldOf(stackOf(one(fields)), "web", ...path)).toEqual(wanted);
  });
});

test("networks: default, named, with aliases, external, of another name", () => {
  const more =
    "networks: { back: { internal: true }, out: { external: true }, named: { name: own, attachable: true } }";
  const of = (fields: string) => fieldOf(stackOf(one(fields, more)), "web", "TaskTemplate", "Networks");
  expect(of("tty: true")).toEqual([{ Target: "app_default", Aliases: ["web"] }]);
  expect(of("networks: [back, out]")).toEqual([
    { Target: "app_back", Aliases: ["web"] },
    { Target: "out", Aliases: ["web"] },
  ]);
  expect(of("networks: { named: { aliases: [x] } }")).toEqual([{ Target: "own", Aliases: ["x", "web"] }]);
  const stack = stackOf(one("networks: [back, out]", more));
  expect(stack.networks.map(({ name, external }) => [name, external])).toEqual([
    ["app_back", false],
    ["out", true],
  ]);
});

test("secrets and configs: from a file, a variable, a text, or outside; short and long", () => {
  const more = `
secrets: { a: { file: ./a.txt }, b: { environment: TOKEN }, c: { external: true, name: there } }
configs: { d: { content: "x=\${TOKEN}", template_driver: golang } }`;
  const fields = "secrets: [a, { source: b, target: /run/b, uid: 7, mode: '0400' }, c], configs: [d]";
  const stack = stackOf(one(fields, more), { env: { TOKEN: "word" } });
  expect(stack.secrets.map(({ name, versioned, from }) => [name, versioned, from?.kind])).toEqual([
    ["app_a", true, "file"],
    ["app_b", true, "text"],
    ["there", false, undefined],
  ]);
  expect(stack.secrets[0]?.from).toMatchObject({ path: "/home/app/a.txt" });
  expect(stack.configs[0]).toMatchObject({
    from: { kind: "text", text: "x=word" },
    templateDriver: "golang",
  });
  expect(containerOf(stack, "web", "Secrets")).toMatchObject([
    { File: { Name: "a", UID: "0", GID: "0", Mode: 0o444 } },
    { File: { Name: "/run/b", UID: "7", GID: "0", Mode: 0o400 } },
    { File: { Name: "c" } },
  ]);
});
