import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, ApiCluster, type ApiDaemon } from "./support/api-cluster.ts";

/*
 * The routes of swarm objects over HTTP, on the real API server, control and deciders. Machines are played.
 */

let cluster: ApiCluster;
let manager: ApiDaemon;
let worker: ApiDaemon;
let outsider: ApiDaemon;

const INIT = { ListenAddr: "0.0.0.0:2377", AdvertiseAddr: "10.99.0.1" };

beforeAll(async () => {
  cluster = new ApiCluster();
  manager = await cluster.daemon();
  worker = await cluster.daemon();
  outsider = await cluster.daemon();
  await manager.ask("POST", "/v1.51/swarm/init", INIT);
  const { JoinTokens } = (await manager.ask("GET", "/swarm")).json;
  await worker.ask("POST", "/swarm/join", { RemoteAddrs: ["10.99.0.1:2377"], JoinToken: JoinTokens.Worker });
});

afterAll(() => cluster.close());

const get = (path: string) => manager.ask("GET", path);
const post = (path: string, body?: unknown, headers = {}) => manager.ask("POST", path, body, headers);
const remove = (path: string) => manager.ask("DELETE", path);
const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

function refusal({ status, json }: Answer): string {
  return `${status} ${json?.message}`;
}

let counter = 0;
/** A name that no other test has. */
const fresh = (kind: string) => `${kind}-${++counter}`;

async function createService(name: string, spec: object = {}, headers = {}): Promise<string> {
  const answer = await post(
    "/services/create",
    { Name: name, TaskTemplate: { ContainerSpec: { Image: "nginx" } }, ...spec },
    headers,
  );
  expect(refusal(answer)).toBe("201 undefined");
  return answer.json.ID;
}

const running = (id: string, n: number) =>
  cluster.until(
    ({ view }) => [...view.tasksByService(id)].filter((t) => t.status.state === "running").length === n,
  );

describe("a service", () => {
  test("is created, listed with its figures, inspected, updated and removed", async () => {
    const name = fresh("web");
    const id = await createService(name, { Mode: { Replicated: { Replicas: 2 } } });
    await running(id, 2);
    const [listed] = (await get(`/services?status=true&${filters({ name: { [name]: true } })}`)).json;
    expect(listed).toMatchObject({
      ID: id,
      Spec: { Name: name },
      ServiceStatus: { RunningTasks: 2, DesiredTasks: 2 },
    });
    expect((await get(`/services?${filters({ id: [id] })}`)).json[0]).not.toHaveProperty("ServiceStatus");

    const shown = (await get(`/services/${name}?insertDefaults=false`)).json;
    const spec = { ...shown.Spec, Mode: { Replicated: { Replicas: 3 } } };
    const updated = await post(`/services/${id}/update?version=${shown.Version.Index}`, spec);
    expect([updated.status, updated.json]).toEqual([200, { Warnings: null }]);
    await running(id, 3);
    const after = (await get(`/services/${id.slice(0, 8)}`)).json;
    expect(after.PreviousSpec.Mode.Replicated.Replicas).toBe(2);

    expect((await remove(`/services/${name}`)).status).toBe(200);
    expect(refusal(await remove(`/services/${name}`))).toBe(`404 service ${name} not found`);
  });

  test("is inspected with defaults filled in only when asked", async () => {
    const name = fresh("plain");
    await createService(name);
    const plain = (await get(`/services/${name}`)).json.Spec;
    const full = (await get(`/services/${name}?insertDefaults=true`)).json.Spec;
    expect(plain).not.toHaveProperty("UpdateConfig");
    expect(full).toMatchObject({
      TaskTemplate: { ContainerSpec: { StopGracePeriod: 10e9 } },
      UpdateConfig: { Parallelism: 1, Monitor: 5e9 },
      RollbackConfig: { Parallelism: 1 },
    });
  });

  test("without a name is given one", async () => {
    const { json } = await post("/services/create", { TaskTemplate: { ContainerSpec: { Image: "nginx" } } });
    expect((await get(`/services/${json.ID}`)).json.Spec.Name).toMatch(/^[a-z]+_[a-z]+\d+$/);
  });

  test("is refused for a taken name, a new name and an old version", async () => {
    const name = fresh("taken");
    await createService(name);
    const body = { Name: name, TaskTemplate: { ContainerSpec: { Image: "nginx" } } };
    expect(refusal(await post("/services/create", body))).toBe(
      `409 rpc error: code = AlreadyExists desc = name conflicts with an existing object: service ${name} already exists`,
    );
    const { Version, Spec } = (await get(`/services/${name}`)).json;
    const at = (version: unknown, more = "") => `/services/${name}/update?version=${version}${more}`;
    const version = Version.Index;
    expect(refusal(await post(at(version), { ...Spec, Name: "other" }))).toMatch(
      /^501 .*renaming services is not supported$/,
    );
    expect(refusal(await post(at(version - 1), Spec))).toMatch(/^500 .*update out of sequence$/);
    expect(refusal(await post(at("x"), Spec))).toBe(
      `400 invalid service version 'x': strconv.ParseUint: parsing "x": invalid syntax`,
    );
    expect(refusal(await post(at(""), Spec))).toMatch(/^400 invalid service version ''/);
    expect(refusal(await post(at("-1"), Spec))).toMatch(/^400 /);
    expect(refusal(await post(at(version, "&rollback=maybe"), Spec))).toBe(
      "400 unrecognized rollback option maybe",
    );
    expect(refusal(await post(at(version, "&registryAuthFrom=x"), Spec))).toMatch(/^400 /);
    expect(refusal(await post(at(version, "&rollback=previous"), Spec))).toMatch(
      /^400 .*service .* does not have a previous spec$/,
    );
  });

  test("goes back to its spec before the last update", async () => {
    const name = fresh("back");
    await createService(name);
    const first = (await get(`/services/${name}`)).json;
    const changed = { ...first.Spec, Labels: { now: "this" } };
    await post(`/services/${name}/update?version=${first.Version.Index}`, changed);
    const second = (await get(`/services/${name}`)).json;
    expect(second.Spec.Labels).toEqual({ now: "this" });
    const url = `/services/${name}/update?rollback=previous&version=${second.Version.Index}`;
    expect((await post(url, second.Spec)).status).toBe(200);
    const third = (await get(`/services/${name}`)).json;
    expect(third.Spec.Labels).toEqual({});
    expect(third.UpdateStatus.State).toMatch(/^rollback_/);
  });

  test("keeps the registry credentials it has, and never shows them", async () => {
    const name = fresh("private");
    const auth = Buffer.from('{"username":"u","password":"hunter2"}').toString("base64url");
    const id = await createService(name, {}, { "X-Registry-Auth": auth });
    const stored = () => cluster.store?.view.get("service", id)?.spec.task.container.registryAuth;
    expect(stored()).toBe(auth);
    const shown = await get(`/services/${name}`);
    expect(shown.bytes.toString()).not.toContain(auth);
    const { Version, Spec } = shown.json;
    const update = async (query: string, labels: object, headers = {}) => {
      const { Index } = (await get(`/services/${name}`)).json.Version;
      const spec = { ...Spec, Labels: labels };
      return refusal(await post(`/services/${name}/update?${query}version=${Index}`, spec, headers));
    };
    expect(Version.Index).toBeGreaterThan(0);
    expect(await update("registryAuthFrom=spec&", { a: "b" })).toBe("200 undefined");
    expect(stored()).toBe(auth);
    const other = Buffer.from("{}").toString("base64url");
    expect(await update("", { a: "c" }, { "X-Registry-Auth": other })).toBe("200 undefined");
    expect(stored()).toBe(other);
    expect(await update("registryAuthFrom=previous-spec&", { a: "d" })).toBe("200 undefined");
    expect(stored()).toBe(auth);
    const bad = await post("/services/create", Spec, { "X-Registry-Auth": "!!" });
    expect(refusal(bad)).toBe("400 invalid X-Registry-Auth header: it is no JSON object in base64url");
  });

  test("is refused for a network that is not there, or not the swarm's", async () => {
    const on = (Target: string) => ({
      Name: fresh("lost"),
      TaskTemplate: { ContainerSpec: { Image: "nginx" }, Networks: [{ Target }] },
    });
    expect(refusal(await post("/services/create", on("nowhere")))).toBe("404 network nowhere not found");
    expect(refusal(await post("/services/create", on("docker_gwbridge")))).toBe(
      "403 The network docker_gwbridge cannot be used with services. Only networks scoped to the swarm can be used, such as those created with the overlay driver.",
    );
    expect(refusal(await post("/services/create", on("ingress")))).toMatch(
      /^400 .*Service cannot be explicitly attached to the ingress network "ingress"$/,
    );
  });

  test("that is refused leaves nothing behind", async () => {
    const name = fresh("half");
    const body = {
      Name: name,
      TaskTemplate: { ContainerSpec: { Image: "nginx" }, Networks: [{ Target: "nowhere" }] },
    };
    await post("/services/create", body);
    expect((await get(`/services?${filters({ name: [name] })}`)).json).toEqual([]);
  });

  test.each(["{", "[]", "7", "", "null", '{"Name":"x"', "\u0000"])(
    "a body of %j is refused",
    async (body) => {
      expect((await post("/services/create", Buffer.from(body))).status).toBe(400);
    },
  );
});

describe("lists are filtered", () => {
  let web: string;
  let blue: string;
  beforeAll(async () => {
    web = await createService("filter-web", { Labels: { tier: "front", x: "" } });
    blue = await createService("filter-blue", {
      Labels: { tier: "back" },
      Mode: { Replicated: { Replicas: 2 } },
    });
    await running(web, 1);
    await running(blue, 2);
  });

  const names = async (path: string) =>
    ((await get(path)).json as { Spec?: { Name: string }; Name?: string }[])
      .map((o) => o.Spec?.Name ?? o.Name ?? "")
      .sort((a, b) => a.localeCompare(b));

  test.each<[filter: unknown, names: string[]]>([
    [{ name: { "filter-": true } }, ["filter-blue", "filter-web"]],
    [{ name: { "filter-": true }, label: { "tier=front": true } }, ["filter-web"]],
    [{ name: ["filter-"], label: ["tier"] }, ["filter-blue", "filter-web"]],
    [{ name: ["filter-"], label: ["tier="] }, ["filter-blue", "filter-web"]],
    [{ name: ["filter-"], label: ["tier", "x"] }, ["filter-web"]],
    [{ name: ["filter-"], label: ["tier=nope"] }, []],
    [{ name: ["filter-web", "filter-blue"] }, ["filter-blue", "filter-web"]],
    [{ name: ["filter-"], mode: ["replicated"] }, ["filter-blue", "filter-web"]],
    [{ name: ["filter-"], mode: ["global"] }, []],
    [{ name: ["filter-"], runtime: ["plugin"] }, []],
    [{ name: ["eb"] }, []],
  ])("services by %j", async (filter, expected) => {
    expect(await names(`/services?${filters(filter)}`)).toEqual(expected);
  });

  test("tasks by service, node, state and what is current", async () => {
    const tasks = async (filter: unknown) => (await get(`/tasks?${filters(filter)}`)).json;
    expect(await tasks({ service: { "filter-blue": true } })).toHaveLength(2);
    expect(await tasks({ service: [blue, "filter-web"] })).toHaveLength(3);
    const onManager = await tasks({ service: [blue], node: ["host1"] });
    const onWorker = await tasks({ service: [blue], node: ["host2"] });
    expect(onManager.length + onWorker.length).toBe(2);
    expect(await tasks({ service: [blue], "desired-state": ["running"] })).toHaveLength(2);
    expect(await tasks({ service: [blue], "desired-state": ["shutdown"] })).toHaveLength(0);
    expect(await tasks({ service: [blue], "desired-state": ["RUNNING", "failed"] })).toHaveLength(2);
    expect(await tasks({ service: [blue], "desired-state": [""] })).toHaveLength(2);
    expect(await tasks({ service: [blue], label: ["tier=back"] })).toHaveLength(2);
    const [first] = await tasks({ service: [blue], name: ["filter-blue.1"] });
    expect(first.Slot).toBe(1);
    expect(await tasks({ id: [first.ID.slice(0, 10)] })).toHaveLength(1);
    expect(refusal(await get(`/tasks?${filters({ service: ["nope"] })}`))).toBe("404 service nope not found");
    expect(refusal(await get(`/tasks?${filters({ node: ["nope"] })}`))).toBe("404 node nope not found");
    expect(refusal(await get(`/tasks?${filters({ "desired-state": ["x"] })}`))).toBe(
      "400 Invalid desired-state filter: 'x'",
    );
  });

  test("services and tasks of every mode by their words", async () => {
    const modes = {
      global: { Global: {} },
      "replicated-job": { ReplicatedJob: { MaxConcurrent: 2, TotalCompletions: 3 } },
      "global-job": { GlobalJob: {} },
    };
    for (const [mode, Mode] of Object.entries(modes)) await createService(`mode-${mode}`, { Mode });
    const isDone = (state: string) => state === "complete";
    await cluster.until(
      ({ view }) => [...view.all("task")].filter((t) => isDone(t.status.state)).length === 5,
    );
    for (const mode of Object.keys(modes)) {
      expect(await names(`/services?${filters({ name: ["mode-"], mode: [mode] })}`)).toEqual([
        `mode-${mode}`,
      ]);
    }
    const figures = async (name: string) =>
      (await get(`/services?status=true&${filters({ name: [name] })}`)).json[0].ServiceStatus;
    expect(await figures("mode-replicated-job")).toEqual({
      RunningTasks: 0,
      DesiredTasks: 2,
      CompletedTasks: 3,
    });
    expect(await figures("mode-global-job")).toEqual({ RunningTasks: 0, DesiredTasks: 0, CompletedTasks: 2 });
    const complete = { service: ["mode-global-job"], "desired-state": ["complete"] };
    expect((await get(`/tasks?${filters(complete)}`)).json).toHaveLength(2);
    for (const mode of Object.keys(modes)) await remove(`/services/mode-${mode}`);
  });

  test("after an update only the new tasks are current", async () => {
    const name = fresh("current");
    const id = await createService(name);
    await running(id, 1);
    const { Version, Spec } = (await get(`/services/${name}`)).json;
    Spec.TaskTemplate.ForceUpdate++;
    await post(`/services/${name}/update?version=${Version.Index}`, Spec);
    await cluster.until(({ view }) => {
      const tasks = [...view.tasksByService(id)];
      return tasks.some((t) => t.spec.forceUpdate === 1 && t.status.state === "running");
    });
    const current = await get(`/tasks?${filters({ service: [name], "_up-to-date": { true: true } })}`);
    expect(current.json).toHaveLength(1);
    expect(current.json[0].Spec.ForceUpdate).toBe(1);
    expect((await get(`/tasks?${filters({ service: [name] })}`)).json).toHaveLength(2);
  });

  test.each<[filter: unknown, hosts: string[]]>([
    [{ role: { manager: true } }, ["host1"]],
    [{ role: ["worker"] }, ["host2"]],
    [{ name: ["host"] }, ["host1", "host2"]],
    [{ name: ["host2"] }, ["host2"]],
    [{ membership: ["accepted"] }, ["host1", "host2"]],
    [{ membership: ["pending"] }, []],
    [{ "node.label": ["zone=a"] }, []],
    [{ label: ["nope"] }, []],
  ])("nodes by %j", async (filter, expected) => {
    const nodes = (await get(`/nodes?${filters(filter)}`)).json;
    expect(nodes.map((n: { Description: { Hostname: string } }) => n.Description.Hostname).sort()).toEqual(
      expected,
    );
  });

  test("networks by scope, driver, name, type, label, id and use", async () => {
    const idle = (await post("/networks/create", { Name: "net-idle", Driver: "overlay", Labels: { l: "1" } }))
      .json.Id;
    expect(await names(`/networks?${filters({ scope: ["local"] })}`)).toEqual(["docker_gwbridge"]);
    expect(await names(`/networks?${filters({ driver: ["bridge"] })}`)).toEqual(["docker_gwbridge"]);
    expect(await names(`/networks?${filters({ type: ["builtin"] })}`)).toEqual([]);
    expect(await names(`/networks?${filters({ name: ["gress"] })}`)).toEqual(["ingress"]);
    expect(await names(`/networks?${filters({ name: ["^net-idle$"] })}`)).toEqual(["net-idle"]);
    expect(await names(`/networks?${filters({ label: ["l=1"] })}`)).toEqual(["net-idle"]);
    expect(await names(`/networks?${filters({ id: [idle] })}`)).toEqual(["net-idle"]);
    expect(await names(`/networks?${filters({ dangling: ["true"], name: ["idle"] })}`)).toEqual(["net-idle"]);
    expect(await names(`/networks?${filters({ dangling: ["false"], name: ["idle"] })}`)).toEqual([]);
    expect(refusal(await get(`/networks?${filters({ dangling: ["x"] })}`))).toMatch(/^400 /);
  });

  test.each(["/services", "/nodes", "/tasks", "/networks", "/secrets", "/configs"])(
    "an unknown filter of %s, and garbage, are refused",
    async (path) => {
      expect(refusal(await get(`${path}?${filters({ foo: ["x"] })}`))).toBe("400 invalid filter 'foo'");
      expect(refusal(await get(`${path}?filters=%7B`))).toMatch(/^400 invalid filter/);
      expect(refusal(await get(`${path}?filters=%5B%5D`))).toMatch(/^400 invalid filter/);
      expect(refusal(await get(`${path}?${filters({ name: 7 })}`))).toMatch(/^400 invalid filter/);
    },
  );
});

describe("a network", () => {
  test("is created, inspected by name, id and beginning of the id, and removed", async () => {
    const name = fresh("net");
    const created = await post("/networks/create", { Name: name, Driver: "overlay", CheckDuplicate: true });
    expect([created.status, created.json.Warning]).toEqual([201, ""]);
    const id = created.json.Id;
    for (const ref of [name, id, id.slice(0, 12)]) {
      expect((await get(`/networks/${ref}?scope=swarm`)).json).toMatchObject({
        Name: name,
        Id: id,
        Scope: "swarm",
        Driver: "overlay",
        IPAM: { Driver: "default", Config: [{ Subnet: expect.stringMatching(/^10\..*\/24$/) }] },
      });
    }
    expect(refusal(await get(`/networks/${name}?scope=local`))).toBe(`404 network ${name} not found`);
    expect((await remove(`/networks/${name}`)).status).toBe(204);
    expect(refusal(await remove(`/networks/${name}`))).toBe(`404 network ${name} not found`);
  });

  test("in use is not removed, and says by whom", async () => {
    const name = fresh("used");
    const { Id } = (await post("/networks/create", { Name: name, Driver: "overlay" })).json;
    const service = await createService(fresh("user"), {
      TaskTemplate: { ContainerSpec: { Image: "nginx" }, Networks: [{ Target: Id }] },
    });
    expect(refusal(await remove(`/networks/${name}`))).toBe(
      `400 rpc error: code = FailedPrecondition desc = network ${Id} is in use by service ${service}`,
    );
    await running(service, 1);
    expect((await get(`/services/${service}`)).json.Endpoint.VirtualIPs).toEqual([
      { NetworkID: Id, Addr: expect.stringMatching(/\/24$/) },
    ]);
    const dangling = async (value: string) =>
      (await get(`/networks?${filters({ dangling: [value], id: [Id] })}`)).json.length;
    expect([await dangling("true"), await dangling("false")]).toEqual([0, 1]);
    const [task] = (await get(`/tasks?${filters({ service: [service] })}`)).json;
    expect(task).toMatchObject({
      Slot: 1,
      DesiredState: "running",
      Status: { State: "running", ContainerStatus: { PID: 4242, ExitCode: 0 }, PortStatus: {} },
      NetworksAttachments: [
        {
          Network: { ID: Id, Spec: { Name: name, Scope: "swarm" } },
          Addresses: [expect.stringMatching(/\/24$/)],
        },
      ],
    });
    expect((await get(`/tasks/${task.ID}`)).json).toEqual(task);
  });

  test.each<[body: object, refusal: RegExp]>([
    [{ Name: "ingress", Driver: "overlay" }, /^409 network with name ingress already exists$/],
    [{ Name: "host", Driver: "overlay" }, /^403 /],
    [{ Name: "a.b", Driver: "overlay" }, /^400 .*name must be valid as a DNS name component$/],
    [{ Name: "", Driver: "overlay" }, /^400 .*name must be provided$/],
    [{ Name: "ingress" }, /^409 network with name ingress already exists$/],
    [{ Name: "none" }, /^403 operation is not permitted on predefined none network$/],
    [{ Name: "n", Scope: "swarm" }, /^501 cannot create a bridge network with scope swarm/],
    [{ Name: "n", Driver: "bridge", Options: { foo: "1" } }, /^501 cannot use --opt foo=1/],
    [{ Name: "a b", Driver: "bridge" }, /^400 a b includes invalid characters for a local network name/],
    [{ Name: "n", Driver: "macvlan" }, /^501 /],
    [
      { Name: "n", Driver: "weave" },
      /^404 could not find plugin weave in v1 plugin registry: plugin not found$/,
    ],
    [{ Name: "n", Driver: "overlay", Scope: "local" }, /^400 /],
    [
      { Name: "n", Driver: "overlay", EnableIPv6: true, Ingress: true },
      /^501 cannot use --ipv6 with --ingress/,
    ],
    [{ Name: "n", Driver: "overlay", EnableIPv4: false }, /^501 /],
    [{ Name: "n", Driver: "overlay", Ingress: true, Attachable: true }, /^400 /],
    [{ Name: "n", Driver: "overlay", ConfigFrom: { Network: "x" } }, /^501 /],
    [
      { Name: "n", Driver: "overlay", Options: { encrypted: "", "shoal.encryption.rotation": "1ms" } },
      /^400 invalid value "1ms" for shoal\.encryption\.rotation: must be from 1s to 168h, in s, m or h$/,
    ],
    [{ Name: "n", Driver: "overlay", Options: { foo: "" } }, /^501 cannot use --opt foo/],
    [{ Name: "n", Driver: "overlay", IPAM: { Config: [{ Subnet: "nope" }] } }, /^400 /],
    [{ Name: "n", Driver: "overlay", IPAM: { Config: [{ Subnet: "fd00::/64" }] } }, /^400 cannot use subnet/],
    [{ Name: "n", Driver: "overlay", IPAM: { Config: [{ Subnet: "10.0.0.0/24" }] } }, /^403 .*overlaps/],
    [{ Name: "n", Driver: "overlay", IPAM: { Driver: "dhcp" } }, /^400 /],
    [
      {
        Name: "n",
        Driver: "overlay",
        IPAM: { Config: [{ Subnet: "10.88.0.0/24" }, { Subnet: "10.88.0.0/25" }] },
      },
      /^403 invalid pool request: Pool overlaps with other one .*\(network n, 10\.88\.0\.0\/24\)$/,
    ],
    [
      { Name: "n", IPAM: { Config: [{ Subnet: "10.88.0.0/24" }, { Subnet: "10.89.0.0/24" }] } },
      /^403 bridge driver doesn't support multiple subnets$/,
    ],
    [{ Name: "n", Driver: 7 }, /^400 invalid network: Driver: /],
    [{ Name: "n", Driver: "overlay", Foo: 1 }, /^400 invalid network: unknown field Foo$/],
  ])("%j is refused", async (body, expected) => {
    expect(refusal(await post("/networks/create", body))).toMatch(expected);
  });

  test("that every node has is found as Swarm's, listed nowhere, and stays", async () => {
    const host = await get("/networks/host?scope=swarm");
    expect(host.json).toMatchObject({ Name: "host", Scope: "swarm", Driver: "host", IPAM: { Config: null } });
    expect((await get(`/networks/${host.json.Id}`)).json.Name).toBe("host");
    const listed: { Name: string }[] = (await get("/networks")).json;
    expect(listed.map(({ Name }) => Name)).not.toContain("host");
    expect(refusal(await get("/networks/none?scope=swarm"))).toBe("404 network none not found");
    expect(refusal(await remove("/networks/host"))).toMatch(/^403 host is a pre-defined/);
  });

  test("of the node itself stays", async () => {
    expect(refusal(await remove("/networks/docker_gwbridge"))).toMatch(
      /^403 docker_gwbridge is a pre-defined/,
    );
  });

  test("whose id begins like another's is ambiguous by that beginning", async () => {
    const ids: string[] = [];
    const twins = () => ids.find((a, i) => ids.some((b, j) => i !== j && a[0] === b[0]));
    while (twins() === undefined) {
      const body = { Name: fresh("many"), Driver: "overlay" };
      ids.push((await post("/networks/create", body)).json.Id);
    }
    expect(refusal(await get(`/networks/${twins()?.[0]}`))).toMatch(
      /^400 network . is ambiguous \(\d+ matches found\)$/,
    );
  });
});

describe("a node", () => {
  test("shows who leads", async () => {
    const nodes = (await get("/nodes")).json;
    expect(nodes).toHaveLength(2);
    expect(nodes.find((n: { ID: string }) => n.ID === manager.node?.id)).toMatchObject({
      Spec: { Role: "manager", Availability: "active" },
      Description: { Engine: { EngineVersion: "0.0.1" }, TLSInfo: { CertIssuerSubject: expect.any(String) } },
      Status: { State: "ready", Addr: "10.99.0.1" },
      ManagerStatus: { Leader: true, Reachability: "reachable", Addr: "10.99.0.1:2377" },
    });
    expect(nodes.find((n: { ID: string }) => n.ID === worker.node?.id)).not.toHaveProperty("ManagerStatus");
  });

  test("is updated, and refuses what cannot be", async () => {
    const { ID, Version, Spec } = (await get("/nodes/host2")).json;
    const at = (version: number) => `/nodes/${ID}/update?version=${version}`;
    const labelled = { ...Spec, Labels: { zone: "a" } };
    expect((await post(at(Version.Index), labelled)).status).toBe(200);
    expect(refusal(await post(at(Version.Index), labelled))).toMatch(/^500 .*update out of sequence$/);
    const now = (await get("/nodes/host2")).json;
    expect(now.Spec).toEqual(labelled);
    expect(refusal(await post(at(now.Version.Index), { ...Spec, Role: "manager" }))).toMatch(/^501 /);
    expect(refusal(await post(at(now.Version.Index), { ...Spec, Availability: "gone" }))).toBe(
      '400 invalid Availability: "gone"',
    );
    expect(refusal(await post("/nodes/host2/update", Spec))).toMatch(/^400 invalid node version ''/);
    expect(refusal(await remove("/nodes/host2"))).toMatch(/^400 .*is not down and can't be removed$/);
    expect(refusal(await get("/nodes/nope"))).toBe("404 node nope not found");
  });
});

describe("the swarm", () => {
  test("shows its words and tokens, and rotates them", async () => {
    const before = (await get("/swarm")).json;
    expect(before).toMatchObject({
      Spec: { Name: "default", CAConfig: { NodeCertExpiry: 7776e12 } },
      DefaultAddrPool: ["10.0.0.0/8"],
      SubnetSize: 24,
      DataPathPort: 4789,
    });
    const url = `/swarm/update?version=${before.Version.Index}&rotateWorkerToken=true&rotateManagerToken=false`;
    expect((await post(url, before.Spec)).status).toBe(200);
    const after = (await get("/swarm")).json;
    expect(after.JoinTokens.Worker).not.toBe(before.JoinTokens.Worker);
    expect(after.JoinTokens.Manager).toBe(before.JoinTokens.Manager);
    expect(refusal(await post(url, before.Spec))).toMatch(/^500 .*update out of sequence$/);
    expect(refusal(await post("/swarm/update", before.Spec))).toMatch(/^400 invalid swarm version ''/);
  });

  test.each<[change: object, refusal: RegExp]>([
    [{ Name: "other" }, /^400 .*swarm spec must be named "default"$/],
    [{ CAConfig: { NodeCertExpiry: 1e9 } }, /^400 .*minimum certificate expiry time is: 1h0m0s$/],
    [{ CAConfig: { ForceRotate: 1 } }, /^501 /],
    [
      { Dispatcher: { HeartbeatPeriod: -1e9 } },
      /^400 .*heartbeat time period cannot be a negative duration$/,
    ],
    [{ Raft: { SnapshotInterval: 5 } }, /^501 /],
    [{ EncryptionConfig: { AutoLockManagers: true } }, /^501 cannot use --autolock/],
    [{ TaskDefaults: { LogDriver: { Name: "syslog" } } }, /^501 /],
    [{ Foo: 1 }, /^400 invalid swarm spec: unknown field Foo$/],
  ])("refuses to become %j", async (change, expected) => {
    const { Version, Spec } = (await get("/swarm")).json;
    const answer = await post(`/swarm/update?version=${Version.Index}`, { ...Spec, ...change });
    expect(refusal(answer)).toMatch(expected);
  });

  test("is not locked", async () => {
    expect((await get("/swarm/unlockkey")).json).toEqual({ UnlockKey: "" });
    expect(refusal(await post("/swarm/unlock", { UnlockKey: "x" }))).toBe("409 swarm is not locked");
    expect(refusal(await outsider.ask("POST", "/swarm/unlock", {}))).toBe(
      "503 This node is not part of a swarm",
    );
  });

  test.each<[path: string, body: object, refusal: RegExp]>([
    ["/swarm/init", INIT, /^503 This node is already part of a swarm\./],
    ["/swarm/init", { ...INIT, AutoLockManagers: true }, /^501 /],
    ["/swarm/init", { ...INIT, Foo: 1 }, /^400 /],
    ["/swarm/init", { ...INIT, Availability: "away" }, /^400 /],
    ["/swarm/join", { JoinToken: "x" }, /^400 at least 1 RemoteAddr is required to join$/],
    ["/swarm/join", { RemoteAddrs: ["x"] }, /^400 /],
    ["/swarm/leave", {}, /^503 You are attempting to leave the swarm/],
  ])("%s with %j is refused", async (path, body, expected) => {
    expect(refusal(await post(path, body))).toMatch(expected);
  });
});

describe("a node that is no manager", () => {
  const OUTSIDE =
    '503 This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
  const WORKER =
    "503 This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.";

  test.each([
    ["GET", "/swarm"],
    ["GET", "/swarm/unlockkey"],
    ["POST", "/swarm/update?version=1"],
    ["GET", "/nodes"],
    ["GET", "/nodes/x"],
    ["DELETE", "/nodes/x"],
    ["GET", "/services"],
    ["POST", "/services/create"],
    ["GET", "/services/x/logs?stdout=1"],
    ["GET", "/tasks"],
    ["GET", "/tasks/x"],
    ["GET", "/secrets"],
    ["POST", "/secrets/create"],
    ["GET", "/configs/x"],
  ])("says so for %s %s", async (method, path) => {
    expect(refusal(await outsider.ask(method, path))).toBe(OUTSIDE);
    expect(refusal(await worker.ask(method, path))).toBe(WORKER);
  });

  test("makes no overlay network", async () => {
    const body = { Name: "x", Driver: "overlay" };
    expect(refusal(await outsider.ask("POST", "/networks/create", body))).toBe(OUTSIDE.replace("503", "403"));
    expect(refusal(await worker.ask("POST", "/networks/create", body))).toBe(
      "403 Cannot create a multi-host network from a worker node. Please create the network from a manager node.",
    );
  });

  test("lists the networks it knows", async () => {
    expect((await outsider.ask("GET", "/networks")).json).toEqual([]);
    const [bridge, ...rest] = (await worker.ask("GET", "/networks")).json;
    expect([bridge.Name, rest]).toEqual(["docker_gwbridge", []]);
  });
});

describe("service logs", () => {
  let id: string;
  let tty: string;
  beforeAll(async () => {
    id = await createService("logging", { Mode: { Replicated: { Replicas: 2 } } });
    tty = await createService("terminal", { TaskTemplate: { ContainerSpec: { Image: "x", TTY: true } } });
    await running(id, 2);
    await running(tty, 1);
  });
  beforeEach(() => cluster.silent.clear());

  /** "stdout: text" per frame. */
  function frames(bytes: Buffer): string[] {
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = at + 8 + bytes.readUInt32BE(at + 4);
      lines.push(
        `${["stdin", "stdout", "stderr", "systemerr"][bytes[at] ?? 0]}: ${bytes.toString("utf8", at + 8, end)}`,
      );
      at = end;
    }
    return lines;
  }

  test("come as frames of two streams", async () => {
    const answer = await get("/v1.51/services/logging/logs?stdout=1&stderr=1");
    expect(answer.type).toBe("application/vnd.docker.multiplexed-stream");
    expect(frames(answer.bytes)).toEqual([
      "stdout: out of slot 1\n",
      "stderr: err of slot 1\n",
      "stdout: out of slot 2\n",
      "stderr: err of slot 2\n",
    ]);
    const old = await get("/v1.41/services/logging/logs?stderr=1");
    expect(old.type).toBe("application/vnd.docker.raw-stream");
    expect(frames(old.bytes)).toHaveLength(2);
  });

  test("say where each line comes from, and when", async () => {
    const { bytes } = await get(`/services/${id}/logs?stdout=1&details=1&timestamps=1`);
    const tasks = (await get(`/tasks?${filters({ service: [id], name: ["logging.1"] })}`)).json;
    const [first] = frames(bytes);
    expect(first).toBe(
      `stdout: 2023-11-14T22:13:20.123456789Z com.docker.swarm.node.id=${tasks[0].NodeID},com.docker.swarm.service.id=${id},com.docker.swarm.task.id=${tasks[0].ID} out of slot 1\n`,
    );
  });

  test("of one task", async () => {
    const [task] = (await get(`/tasks?${filters({ service: [id], name: ["logging.2"] })}`)).json;
    expect(frames((await get(`/tasks/${task.ID}/logs?stdout=1`)).bytes)).toEqual(["stdout: out of slot 2\n"]);
  });

  test("name the nodes that did not answer, as the stream's error", async () => {
    for (const node of [manager.node?.id, worker.node?.id]) cluster.silent.add(node ?? "");
    const { status, bytes } = await get("/services/logging/logs?stdout=1");
    expect(status).toBe(200);
    const [last, ...before] = frames(bytes).reverse();
    expect(before).toEqual([]);
    expect(last).toMatch(
      /^systemerr: Error grabbing logs: .*warning: incomplete log stream\. some logs could not be retrieved for the following reasons: node \w{25} is not available(, node \w{25} is not available)?\n$/,
    );
  });

  test("of a terminal come as they are", async () => {
    const answer = await get("/services/terminal/logs?stdout=1");
    expect([answer.type, answer.bytes.toString()]).toEqual([
      "application/vnd.docker.raw-stream",
      "out of slot 1\n",
    ]);
  });

  test("need a stream, a known service, sane times", async () => {
    expect(refusal(await get("/services/logging/logs"))).toBe(
      "400 Bad parameters: you must choose at least one stream",
    );
    expect(refusal(await get("/services/nope/logs?stdout=1"))).toBe("404 service nope not found");
    expect(refusal(await get("/tasks/nope/logs?stdout=1"))).toBe("404 task nope not found");
    expect(refusal(await get("/services/logging/logs?stdout=1&since=yesterday"))).toMatch(/^400 /);
  });
});

describe.each([
  ["secret", 500 * 1024],
  ["config", 1000 * 1024],
] as const)("a %s", (kind, size) => {
  const make = (name: string, more: object = {}) =>
    post(`/${kind}s/create`, { Name: name, Data: btoa("hush"), ...more });

  test("is made, shown, relabelled and removed; nothing else of it changes", async () => {
    const name = fresh(kind);
    const made = await make(name, { Labels: { a: "1" } });
    expect([made.status, Object.keys(made.json)]).toEqual([201, ["ID"]]);
    const id = made.json.ID;
    for (const ref of [id, name, id.slice(0, 12)]) {
      const { Spec } = (await get(`/${kind}s/${ref}`)).json;
      const data = kind === "config" ? { Data: btoa("hush") } : {};
      expect(Spec).toEqual({ Name: name, Labels: { a: "1" }, ...data });
    }
    const at = `/${kind}s/${id}/update?version=${(await get(`/${kind}s/${id}`)).json.Version.Index}`;
    const only = "rpc error: code = InvalidArgument desc = only updates to Labels are allowed";
    expect(refusal(await post(at, { Name: name, Data: btoa("other") }))).toBe(`400 ${only}`);
    expect(refusal(await post(at, { Name: "other" }))).toBe(`400 ${only}`);
    expect(refusal(await post(`/${kind}s/${id}/update`, { Name: name }))).toMatch(
      `400 invalid ${kind} version`,
    );
    expect((await post(at, { Name: name, Labels: { b: "2" } })).status).toBe(200);
    expect(refusal(await post(at, { Name: name, Labels: {} }))).toMatch(/update out of sequence$/);
    expect((await get(`/${kind}s/${id}`)).json.Spec.Labels).toEqual({ b: "2" });
    expect((await remove(`/${kind}s/${name}`)).status).toBe(204);
    expect(refusal(await get(`/${kind}s/${name}`))).toBe(`404 ${kind} ${name} not found`);
  });

  test("is listed by what is asked for", async () => {
    const name = fresh(kind);
    await make(name, { Labels: { which: name } });
    const names = async (filter: object) =>
      (await get(`/${kind}s?${filters(filter)}`)).json.map(
        (one: { Spec: { Name: string } }) => one.Spec.Name,
      );
    for (const filter of [{ names: [name] }, { name: [name] }, { label: [`which=${name}`] }]) {
      expect(await names(filter)).toEqual([name]);
    }
    expect(await names({ names: [name.slice(0, -1)] })).toEqual([]);
    expect(JSON.stringify((await get(`/${kind}s`)).json).includes(btoa("hush"))).toBe(kind === "config");
  });

  test("is refused with a wrong name, too much or no data, a taken name", async () => {
    const name = fresh(kind);
    const data = (bytes: number) => ({ Data: btoa("x".repeat(bytes)) });
    const rule = `400 rpc error: code = InvalidArgument desc = ${kind} data must be larger than 0 and less than ${size} bytes`;
    expect(refusal(await make(name, data(size)))).toBe(rule);
    expect(refusal(await make(name, { Data: "" }))).toBe(rule);
    expect(refusal(await make(name, { Data: "%%" }))).toBe(`400 invalid ${kind} spec: Data: must be base64`);
    expect(refusal(await make("-x"))).toMatch(/^400 .*invalid name, only 64 /);
    expect(refusal(await make("x".repeat(65)))).toMatch(/^400 .*invalid name, only 64 /);
    expect(refusal(await make(""))).toMatch(/^400 .*name must be provided$/);
    expect((await make(name, data(size - 1))).status).toBe(201);
    const taken = `409 rpc error: code = AlreadyExists desc = ${kind} ${name} already exists`;
    expect(refusal(await make(name))).toBe(taken);
    const templated = (driver: string, text: string) =>
      make(fresh(kind), { Templating: { Name: driver }, Data: btoa(text) });
    expect((await templated("golang", "{{.Task.Slot}}")).status).toBe(201);
    expect(refusal(await templated("golang", "{{.Task"))).toMatch(/^400 cannot read template "{{.Task": /);
    expect(refusal(await templated("jinja", "x"))).toMatch(/^400 unrecognized template type "jinja"/);
  });

  test("is kept while a service refers to it", async () => {
    const [name, user] = [fresh(kind), fresh("user")];
    const id = (await make(name)).json.ID;
    const word = kind === "secret" ? "Secret" : "Config";
    const file = { Name: "t", UID: "0", GID: "0", Mode: 0o444 };
    const refer = (refName: string) => ({
      Name: user,
      TaskTemplate: {
        ContainerSpec: {
          Image: "redis",
          [`${word}s`]: [{ [`${word}ID`]: id, [`${word}Name`]: refName, File: file }],
        },
      },
    });
    const missing = `400 rpc error: code = InvalidArgument desc = ${kind} not found: other`;
    expect(refusal(await post("/services/create", refer("other")))).toBe(missing);
    const made = await post("/services/create", refer(name));
    const { Spec } = (await get(`/services/${made.json.ID}`)).json;
    expect(Spec.TaskTemplate.ContainerSpec[`${word}s`]).toEqual([
      { File: file, [`${word}ID`]: id, [`${word}Name`]: name },
    ]);
    expect(refusal(await remove(`/${kind}s/${name}`))).toBe(
      `400 rpc error: code = InvalidArgument desc = ${kind} '${name}' is in use by the following service: ${user}`,
    );
    await remove(`/services/${user}`);
    expect((await remove(`/${kind}s/${name}`)).status).toBe(204);
  });
});
