import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, ApiCluster, type ApiDaemon } from "./support/api-cluster.ts";

/* What the routes of networks tell of their use, and prune, on the real API server and control. Machines are played. */

let cluster: ApiCluster;
let manager: ApiDaemon;
let worker: ApiDaemon;

beforeAll(async () => {
  cluster = new ApiCluster();
  manager = await cluster.daemon();
  worker = await cluster.daemon();
  await manager.ask("POST", "/swarm/init", {
    ListenAddr: "0.0.0.0:2377",
    AdvertiseAddr: "10.99.0.1",
  });
  const { JoinTokens } = (await manager.ask("GET", "/swarm")).json;
  await worker.ask("POST", "/swarm/join", { RemoteAddrs: ["10.99.0.1:2377"], JoinToken: JoinTokens.Worker });
});

afterAll(() => cluster.close());

const get = async (path: string) => (await manager.ask("GET", path)).json;
const post = (path: string, body?: unknown) => manager.ask("POST", path, body);
const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;
const refusal = ({ status, json }: Answer): string => `${status} ${json?.message}`;
const network = async (Name: string, more: object = {}): Promise<string> =>
  (await post("/networks/create", { Name, Driver: "overlay", ...more })).json.Id;

async function serviceOn(Target: string, name: string, more: object = {}): Promise<string> {
  const TaskTemplate = { ContainerSpec: { Image: "nginx" }, Networks: [{ Target }] };
  const Mode = { Replicated: { Replicas: 2 } };
  const id = (await post("/services/create", { Name: name, TaskTemplate, Mode, ...more })).json.ID;
  await cluster.until(
    ({ view }) => [...view.tasksByService(id)].filter((t) => t.status.state === "running").length === 2,
  );
  return id;
}

describe("inspect", () => {
  test("with verbose tells services, their tasks, the nodes, and how full the subnets are", async () => {
    const IPAM = {
      Config: [{ Subnet: "10.60.0.0/16", IPRange: "10.60.7.0/24" }, { Subnet: "fd00:60::/64" }],
    };
    const id = await network("seen", { IPAM, EnableIPv6: true });
    const before = await get(`/networks/${id}?verbose=true`);
    // The ends of the subnet and the gateway; of IPv6 the first address and the gateway.
    expect(before.Status.IPAM.Subnets["10.60.0.0/16"]).toEqual({ IPsInUse: 3, DynamicIPsAvailable: 256 });
    expect(before.Status.IPAM.Subnets["fd00:60::/64"].IPsInUse).toBe(2);
    expect([before.Services, before.Peers]).toEqual([{}, []]);

    await serviceOn("seen", "web", { EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8085 }] } });
    await cluster.until(({ view }) =>
      [...view.all("node")].every((node) => node.attachments[id] !== undefined),
    );
    const after = await get("/networks/seen?verbose=true");
    const { web, ...others } = after.Services;
    expect(others).toEqual({});
    // Ports are told where they come in: at the ingress network.
    expect([web.VIP, web.Ports]).toEqual([expect.stringMatching(/^10\.60\.7\./), []]);
    expect(web.Tasks).toHaveLength(2);
    for (const task of web.Tasks) {
      expect(task).toMatchObject({
        Name: expect.stringMatching(/^web\.[12]\./),
        EndpointIP: expect.stringMatching(/^10\.60\.7\./),
        Info: { "Host IP": expect.stringMatching(/^10\.99\.0\./) },
      });
    }
    expect(after.Peers.map(({ IP }: { IP: string }) => IP)).toHaveLength(2);
    // A VIP, two tasks, two nodes; nodes have no IPv6 address there.
    expect(after.Status.IPAM.Subnets["10.60.0.0/16"]).toEqual({ IPsInUse: 8, DynamicIPsAvailable: 251 });
    expect(after.Status.IPAM.Subnets["fd00:60::/64"].IPsInUse).toBe(5);
    const plain = await get("/networks/seen");
    for (const key of ["Services", "Peers", "Status"]) expect(plain).not.toHaveProperty(key);
    const ingress = (await get("/networks/ingress?verbose=1")).Services;
    expect(ingress.web).toMatchObject({ Ports: ["Target: 80, Publish: 8085"] });
  });

  test("with verbose tells containers made by hand under no name, as moby does; their network is in use", async () => {
    const id = await network("handmade", {
      Attachable: true,
      IPAM: { Config: [{ Subnet: "10.61.0.0/16" }] },
    });
    const container = "c".repeat(64);
    const wish = { id: container, name: "shell", networks: [{ ref: "handmade", aliases: [] }] };
    const nodes = (await get("/nodes")) as { ID: string; Status: { Addr: string } }[];
    const { guests } = cluster.manager!;
    await guests.place(nodes[0]!.ID, wish);
    const { "": byHand, ...others } = (await get("/networks/handmade?verbose=true")).Services;
    expect(others).toEqual({});
    expect(byHand).toEqual({
      ...{ VIP: "<nil>", Ports: [], LocalLBIndex: 0 },
      Tasks: [
        {
          ...{ Name: "shell", EndpointID: container, EndpointIP: "10.61.0.2" },
          Info: { "Host IP": expect.stringMatching(/^10\.99\.0\./) },
        },
      ],
    });
    const dangling = async (value: string) =>
      ((await get(`/networks?${filters({ dangling: [value] })}`)) as { Id: string }[]).some(
        (n) => n.Id === id,
      );
    expect([await dangling("true"), await dangling("false")]).toEqual([false, true]);
    expect(refusal(await manager.ask("DELETE", `/networks/${id}`))).toMatch(/ is in use by container shell /);
    await guests.place(nodes[0]!.ID, { ...wish, networks: [] });
    expect(await dangling("true")).toBe(true);
    expect((await manager.ask("DELETE", `/networks/${id}`)).status).toBe(204);
  });

  test("with verbose tells a worker nothing more, and of the node's own network nothing", async () => {
    const [bridge] = (await worker.ask("GET", "/networks")).json;
    expect((await worker.ask("GET", `/networks/${bridge.Id}?verbose=true`)).json).toEqual(bridge);
    expect(await get("/networks/docker_gwbridge?verbose=true")).not.toHaveProperty("Services");
  });
});

describe("prune", () => {
  const prune = async (wanted: object) =>
    (await post(`/networks/prune?${filters(wanted)}`)).json.NetworksDeleted;

  test("removes what nobody uses, by its labels, and leaves what is in use and the ingress network", async () => {
    await network("busy", { Labels: { l: "1" } });
    await serviceOn("busy", "user");
    for (const [name, Labels] of Object.entries({ one: { l: "1" }, two: { l: "2" }, kept: { keep: "" } })) {
      await network(name, { Labels });
    }
    expect(await prune({ until: ["1h"] })).toBe(null);
    expect(await prune({ label: ["l=1"] })).toEqual(["one"]);
    expect(await prune({ "label!": ["keep"] })).toEqual(["two"]);
    expect(await prune({})).toEqual(["kept"]);
    expect(await prune({})).toBe(null);
    const left = (await get("/networks")).map(({ Name }: { Name: string }) => Name).sort();
    expect(left).toEqual(["busy", "docker_gwbridge", "ingress", "seen"]);
  });

  test("refuses what it does not know, and removes nothing from a worker", async () => {
    const ask = (wanted: object) => post(`/networks/prune?${filters(wanted)}`);
    expect(refusal(await ask({ name: ["x"] }))).toBe("400 invalid filter 'name'");
    expect(refusal(await ask({ until: ["1h", "2h"] }))).toBe("400 more than one until filter specified");
    expect(refusal(await ask({ until: ["dawn"] }))).toBe(
      '400 failed to parse value as time or duration: "dawn"',
    );
    await network("idle");
    expect((await worker.ask("POST", "/networks/prune")).json).toEqual({ NetworksDeleted: null });
    expect((await get("/networks/idle")).Name).toBe("idle");
  });
});

test("a container is connected to nothing and disconnected from nothing, in Docker's words where it has some", async () => {
  await network("closed");
  await network("open", { Attachable: true });
  for (const verb of ["connect", "disconnect"]) {
    const ask = (name: string, Container: string) => post(`/networks/${name}/${verb}`, { Container });
    expect(refusal(await ask("nowhere", "x"))).toBe("404 No such container: x");
    expect(refusal(await ask("closed", "x"))).toBe("404 No such container: x");
    expect(refusal(await post(`/networks/closed/${verb}`, { Container: 7 }))).toMatch(/^400 .*Container/);
  }
});

test("a container is not made on a network that takes none, in Docker's words", async () => {
  const create = (body: object) => post("/containers/create?name=x", { Image: "nginx", ...body });
  const words =
    "403 Could not attach to network closed: rpc error: code = PermissionDenied desc = network closed not manually attachable";
  expect(refusal(await create({ HostConfig: { NetworkMode: "closed" } }))).toBe(words);
  const { Id } = await get("/networks/closed");
  expect(refusal(await create({ NetworkingConfig: { EndpointsConfig: { [Id]: null } } }))).toBe(words);
  expect((await create({ HostConfig: { NetworkMode: "open" } })).status).toBe(201);
  expect(refusal(await post("/containers/create", { HostConfig: 7 }))).toMatch(/^400 .*HostConfig/);
});
