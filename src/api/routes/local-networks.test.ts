import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock } from "../../lib/index.ts";
import { aContainerInfo } from "../backends.fake.ts";
import type { LocalNetwork } from "../backends.ts";
import { FakeLocalNetworks } from "../local-networks.fake.ts";
import { ServedNode } from "../served-node.fake.ts";

/** `docker network` about networks of one node, by the stock CLI. */

const own = (name: string, driver: LocalNetwork["driver"]): LocalNetwork => ({
  ...{ id: name.padEnd(64, "0"), name, driver, scope: "local", internal: false, ingress: false },
  ...{ subnet: driver === "bridge" ? "172.17.0.0/16" : "", gateway: driver === "bridge" ? "172.17.0.1" : "" },
});
const WEB = "ab".repeat(32);
const TASK = "cd".repeat(32);

let node: ServedNode;
let networks: FakeLocalNetworks;

beforeEach(async () => {
  node = await ServedNode.start(new FakeClock());
  networks = new FakeLocalNetworks(() => [own("bridge", "bridge"), own("host", "host"), own("none", "null")]);
  Object.assign(node.backends, { networks });
  for (const [id, name, labels] of [
    [WEB, "web", {}],
    [TASK, "vote.1.x", { "com.docker.swarm.task": "" }],
  ] as const) {
    node.backends.containers.put(aContainerInfo({ id, name, labels }));
  }
});

afterEach(() => node[Symbol.asyncDispose]());

/** What the CLI prints, or what it complains of. */
async function docker(words: string): Promise<string> {
  const { code, stdout, stderr } = await node.docker(...words.split(" "));
  return code === 0 ? stdout.trim() : stderr.trim();
}
const names = async (words = "") => (await docker(`network ls --format {{.Name}}${words}`)).split("\n");

test("a node lists what it came with and what users made, and tells them apart", async () => {
  await docker("network create --label tier=1 app");
  expect(await docker("network ls --format {{.Name}}:{{.Driver}}:{{.Scope}}")).toBe(
    "app:bridge:local\nbridge:bridge:local\nhost:host:local\nnone:null:local",
  );
  expect(await names(" --filter type=custom")).toEqual(["app"]);
  expect(await names(" --filter type=builtin")).toEqual(["bridge", "host", "none"]);
  expect(await names(" --filter label=tier=1")).toEqual(["app"]);
  expect(await names(" --filter dangling=true")).toEqual(["app"]);
});

test("inspect tells what was asked for", async () => {
  await docker("network create --internal --label a=b -o com.docker.network.driver.mtu=1400 vault");
  const [vault] = JSON.parse(await docker("network inspect vault"));
  expect(vault).toMatchObject({
    ...{ Name: "vault", Scope: "local", Driver: "bridge", EnableIPv6: false, Internal: true, Containers: {} },
    IPAM: { Driver: "default", Options: {}, Config: [{ Subnet: "172.20.0.0/16", Gateway: "172.20.0.1" }] },
    ...{ Options: { "com.docker.network.driver.mtu": "1400" }, Labels: { a: "b" } },
  });
});

test.each([
  ["create bridge", "operation is not permitted on predefined bridge network"],
  ["create app", "network with name app already exists"],
  [
    "create -o com.docker.network.bridge.enable_ip_masquerade=false b",
    "it is not supported by bridge networks yet",
  ],
  ["create -o com.docker.network.driver.mtu=9 b", "invalid value for com.docker.network.driver.mtu: 9"],
  ["create --subnet fd00::/64 b", "cannot use subnet fd00::/64: it is IPv6, and --ipv6 is not said"],
  ["rm host", "host is a pre-defined network and cannot be removed"],
  ["rm nope", "network nope not found"],
  ["connect host web", "container cannot be disconnected from host network or connected to host network"],
  ["connect nope web", "network nope not found"],
  ["connect app nope", "No such container: nope"],
  ["connect app vote.1.x", "a service's containers are on the service's networks"],
  ["disconnect app web", `container ${WEB} is not connected to network app`],
])("docker network %s is refused", async (words, message) => {
  await docker("network create app");
  expect(await docker(`network ${words}`)).toContain(message);
});

test("disconnect takes a network from a container that does not run, too", async () => {
  await docker("network create app");
  const id = networks.list().find(({ name }) => name === "app")?.id ?? "";
  for (const networkId of [id, ""]) {
    const place = { name: "app", networkId, address: "", gateway: "", mac: "" };
    node.backends.containers.put(
      aContainerInfo({ id: WEB, name: "web", labels: {}, status: "stopped", networks: [place] }),
    );
    networks.connections.set(`${WEB} ${id}`, { aliases: [] });
    expect(await docker("network disconnect app web")).toBe("");
    expect(networks.connections.size).toBe(0);
  }
});

test("inspect tells the names and the addresses that a container was to have on a network", async () => {
  const place = { name: "app", networkId: "n", address: "172.20.0.2/16", gateway: "172.20.0.1", mac: "" };
  const told = async (over: Partial<typeof place & { aliases: string[]; asked: { address?: string } }>) => {
    node.backends.containers.put(
      aContainerInfo({ id: WEB, name: "web", labels: {}, networks: [{ ...place, ...over }] }),
    );
    const [{ NetworkSettings }] = JSON.parse(await docker("inspect web"));
    const { Aliases, IPAMConfig, IPAddress } = NetworkSettings.Networks.app;
    return [Aliases, IPAMConfig, IPAddress];
  };
  expect(await told({ aliases: ["db"], asked: {} })).toEqual([["db"], null, "172.20.0.2"]);
  expect(await told({ aliases: [], asked: { address: "172.20.0.2" } })).toEqual([
    null,
    { IPv4Address: "172.20.0.2" },
    "172.20.0.2",
  ]);
  // Nobody was asked: the cluster chose it, as with Docker.
  expect(await told({})).toEqual([null, { IPv4Address: "172.20.0.2" }, "172.20.0.2"]);
});

test("a container that was made to have no network keeps none", async () => {
  const networks = [{ name: "none", networkId: "", address: "", gateway: "", mac: "" }];
  node.backends.containers.put(aContainerInfo({ id: WEB, name: "web", labels: {}, networks }));
  expect(await docker("network disconnect none web")).toContain("make it anew, on a network");
});

test("connect hands on names and addresses; what is in use is neither removed nor pruned", async () => {
  await docker("network create app");
  await docker("network create other");
  const id = networks.list().find(({ name }) => name === "app")?.id;
  expect(await docker("network connect --alias db --ip 172.20.0.9 app web")).toBe("");
  expect(networks.connections).toEqual(
    new Map([[`${WEB} ${id}`, { aliases: ["db"], address: "172.20.0.9" }]]),
  );
  expect(await docker("network rm app")).toContain("has active endpoints");
  expect(await docker("network prune -f")).toBe("Deleted Networks:\nother");
  expect(await names()).toEqual(["app", "bridge", "host", "none"]);
  expect(await names(" --filter dangling=true")).toEqual([""]);
});
