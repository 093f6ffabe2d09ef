import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SandboxPlace, SandboxWish } from "../../src/engine/index.ts";
import type { LinuxKernel } from "../../src/kernel/linux-kernel.ts";
import { seededRandom, silentLog } from "../../src/lib/index.ts";
import { aBridge } from "../../src/network/bridge-networks.fake.ts";
import {
  Bridges,
  ContainerSandboxes,
  GatewayAddresses,
  HostPorts,
  LocalNetworks,
  NetworkApplier,
} from "../../src/network/index.ts";
import { ThreadResolver } from "../../src/resolver/index.ts";
import { systemClock as clock } from "../../src/sys/index.ts";
import { buildProgram, joinHosts, makeTestHost, type TestHost } from "../support/netns.ts";
import { connectTimes, serve, type Talk, talkOverTcp } from "../support/traffic.ts";

/** The whole network of a node in no cluster, on a real kernel, as `docker run` and `docker network` use it; but for containers. */

const GATEWAY = "172.18.0.0/16";
const UPSTREAMS = ["192.168.7.2"];
const ID = { web: "1".repeat(64), api: "2".repeat(64), lone: "3".repeat(64) } as const;
const never = new AbortController().signal;

/** What a daemon has of the network. */
interface Daemon {
  readonly networks: LocalNetworks;
  readonly sandboxes: ContainerSandboxes;
  readonly kernel: LinuxKernel;
  readonly applier: NetworkApplier;
  stop(): Promise<void>;
}

const hosts: TestHost[] = [];
const talks: Talk[] = [];
let unplug = async () => {};
let program: string;
let saved: string | undefined;
let daemon: Daemon;

const wish = (
  name: keyof typeof ID,
  on: readonly string[],
  rest: Partial<SandboxWish> = {},
): SandboxWish => ({
  ...{ containerId: ID[name], name, ports: [] },
  networks: on.map((ref) => ({ ref, aliases: ref === "bridge" ? [] : [`${name}-alias`] })),
  ...rest,
});
const WISHES = [
  wish("web", ["app"], {
    ports: [80, 81].map((target) => ({ protocol: "tcp", target, published: 8000 + target })),
  }),
  wish("api", ["app"]),
  wish("lone", ["bridge"]),
];

function startDaemon(): Daemon {
  const host = hosts[0]!;
  const kernel = host.kernel();
  const stop = new AbortController();
  const resolver = new ThreadResolver({
    ...{ address: "172.18.0.1", upstreams: UPSTREAMS, clock, log: silentLog },
    thread: pathToFileURL(`${program}/program.js`),
  });
  const applier = new NetworkApplier({
    ...{ kernel, clock, log: silentLog, plan: { tag: "sh" }, waitsFor: ["engine"] },
    settings: { gatewaySubnet: GATEWAY },
    onFacts: (facts) => resolver.tell(facts),
  });
  const networks = new LocalNetworks({
    file: {
      load: () => saved,
      save: (text) => {
        saved = text;
      },
    },
    taken: () => ({ networks: [GATEWAY], elsewhere: [] }),
    ...{ clock, random: seededRandom(3) },
  });
  const sandboxes = new ContainerSandboxes({
    ...{ applier, kernel, hostPorts: new HostPorts(), gateway: new GatewayAddresses(GATEWAY) },
    ...{ bridges: new Bridges(networks, false), netnsDir: host.folder },
    ...{ dns: { upstreams: UPSTREAMS, search: [] }, clock },
  });
  const running = [applier.run(stop.signal), host.inside(() => resolver.run(stop.signal))];
  return {
    ...{ networks, sandboxes, kernel, applier },
    stop: async () => {
      stop.abort();
      await Promise.all(running);
      await kernel.close();
    },
  };
}

const box = (name: keyof typeof ID) => hosts[0]!.path(`task-${ID[name]}`);
const inBox = (name: keyof typeof ID, ...argv: [string, ...string[]]) =>
  hosts[0]!.run(argv, `task-${ID[name]}`);
const lookUp = (from: keyof typeof ID, what: string) =>
  inBox(from, "busybox", "nslookup", what, "127.0.0.11").catch((error: unknown) => String(error));

beforeAll(async () => {
  program = buildProgram("src/resolver/resolver-thread.ts");
  hosts.push(await makeTestHost(), await makeTestHost());
  unplug = await joinHosts(hosts);
  daemon = startDaemon();
  daemon.sandboxes.adopt([]);
  daemon.networks.create(aBridge("app", { ipam: [{ subnet: "10.9.0.0/24" }] }));
  daemon.sandboxes.networksChanged();
  for (const each of WISHES) await daemon.sandboxes.attach(each, never);
  for (const name of ["web", "api", "lone"] as const) talks.push(await serve(box(name), name, 80));
  talks.push(await serve(box("web"), "echo", 81));
});

afterAll(async () => {
  for (const talk of talks) talk.stop();
  await daemon.kernel.destroy();
  await daemon.stop();
  await unplug();
  for (const host of hosts) await host.dispose();
});

test("containers of a network find each other by name, alias and short id, and addresses have names", async () => {
  for (const name of ["api", "api-alias", "222222222222", "api.app"])
    await expect.poll(() => lookUp("web", name), { timeout: 10_000 }).toContain("10.9.0.3");
  expect(await lookUp("web", "10.9.0.3")).toMatch(/name = api\.app/);
  expect(await lookUp("lone", "api")).not.toContain("10.9.0.3");
});

test("a daemon that ends and starts again loses no packet, and touches nothing in the kernel", async () => {
  const places: SandboxPlace[] = [];
  for (const each of WISHES) places.push(await daemon.sandboxes.attach(each, never));
  const before = await hosts[0]!.run(["ip", "-o", "link"]);
  const held = await talkOverTcp(hosts[1]!.path(), "192.168.7.1", 8081);
  talks.push(held);
  expect(await held.ask("before")).toBe("before");
  const pinging = inBox("web", "ping", "-q", "-i", "0.01", "-c", "400", "10.9.0.3");
  await daemon.stop();
  daemon = startDaemon();
  daemon.sandboxes.adopt(WISHES.map((each, i) => ({ wish: each, place: places[i]! })));
  for (const [i, each] of WISHES.entries())
    expect(await daemon.sandboxes.attach(each, never)).toEqual(places[i]);
  // A round that has something to do: another container comes.
  const other = { ...wish("lone", ["app"]), containerId: "4".repeat(64), name: "other" };
  expect((await daemon.sandboxes.attach(other, never)).endpoints[0]?.address).toBe("10.9.0.4/24");
  await daemon.sandboxes.detach(other.containerId);
  expect(await pinging).toContain("400 packets transmitted, 400 received, 0% packet loss");
  expect(await held.ask("after")).toBe("after");
  expect(await hosts[0]!.run(["ip", "-o", "link"])).toBe(before);
  await expect.poll(() => lookUp("web", "api"), { timeout: 10_000 }).toContain("10.9.0.3");
});

test("a node that enters a cluster and leaves it again: containers made by hand notice nothing", async () => {
  const held = await talkOverTcp(hosts[1]!.path(), "192.168.7.1", 8081);
  talks.push(held);
  const pinging = inBox("web", "ping", "-q", "-i", "0.01", "-c", "300", "10.9.0.3");
  const { nodeId, dataPathAddress } = { nodeId: "node1", dataPathAddress: "192.168.7.1" };
  const cluster = daemon.applier.enter({ nodeId, dataPathAddress, dataPathPort: 4789 });
  const ingress = {
    id: "ingress",
    name: "ingress",
    vni: 4096,
    subnet: "10.0.0.0/24",
    gateway: "10.0.0.1",
    mtu: 1450,
  };
  cluster.setFacts({
    ...{
      networks: [{ ...ingress, ingress: true, internal: false }],
      services: [],
      endpoints: [],
      attachments: [],
    },
    nodes: [{ id: nodeId, dataPathAddress, addresses: { ingress: "10.0.0.2" } }],
  });
  await cluster.settle();
  expect(await hosts[0]!.run(["ip", "-o", "link"])).toContain("sh-mesh");
  expect(await held.ask("member")).toBe("member");
  await daemon.applier.leave();
  expect(await hosts[0]!.run(["ip", "-o", "link"])).not.toContain("sh-mesh");
  expect(await pinging).toContain("300 packets transmitted, 300 received, 0% packet loss");
  expect(await held.ask("left")).toBe("left");
});

test("what somebody flushes comes back by itself", async () => {
  const isWell = async () => (await connectTimes(hosts[1]!.path(), "192.168.7.1", 8080, 1, 300))[0];
  for (const words of [
    ["nft", "flush", "ruleset"],
    ["ip", "address", "flush", "dev", `sh-b${daemon.networks.find("app")?.id.slice(0, 8)}`],
  ] as const) {
    await hosts[0]!.run([...words]);
    await expect.poll(isWell, { timeout: 10_000 }).toBe("web 192.168.7.2");
    await expect
      .poll(async () => (await connectTimes(hosts[0]!.path(), "10.9.0.3", 80, 1, 300))[0], {
        timeout: 10_000,
      })
      .toBe("api 10.9.0.1");
  }
});

test("connect and disconnect while it runs: the connection that it has is not broken", async () => {
  const held = await talkOverTcp(hosts[1]!.path(), "192.168.7.1", 8081);
  talks.push(held);
  await daemon.sandboxes.connect(ID.lone, { ref: "app", aliases: [] }, never);
  expect(await connectTimes(box("lone"), "10.9.0.3", 80, 1)).toEqual(["api 10.9.0.4"]);
  await daemon.sandboxes.connect(ID.web, { ref: "bridge", aliases: [] }, never);
  expect(await connectTimes(box("web"), "172.17.0.2", 80, 1)).toEqual(["lone 172.17.0.3"]);
  await daemon.sandboxes.disconnect(ID.web, "app");
  expect((await connectTimes(box("web"), "10.9.0.3", 80, 1, 500))[0]).not.toBe("api 10.9.0.1");
  expect(await held.ask("still")).toBe("still");
});
