import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock, seededRandom } from "../lib/index.ts";
import { aBridge } from "./bridge-networks.fake.ts";
import { LocalNetworks, type LocalNetworksParts } from "./local-networks.ts";
import { NetworksFile } from "./networks-file.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "shoal-networks-"));
  path = join(folder, "node/networks.json");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The networks of a node that starts. */
function open(more: Partial<LocalNetworksParts> = {}): LocalNetworks {
  return new LocalNetworks({
    file: new NetworksFile(path),
    taken: () => ({ networks: ["172.18.0.0/16"], elsewhere: [] }),
    ...{ clock: new FakeClock(), random: seededRandom(1) },
    ...more,
  });
}

const subnets = (networks: LocalNetworks) =>
  networks.list().map(({ spec, subnet }) => `${spec.name} ${subnet}`);

test("a node has its first network from the start; what is made is found again, whole", () => {
  const networks = open();
  const app = networks.create(aBridge("app", { labels: { tier: "1" } }));
  expect(subnets(networks)).toEqual(["bridge 172.17.0.0/16", "app 172.19.0.0/16"]);
  expect(readdirSync(join(folder, "node"))).toEqual(["networks.json"]);
  const again = open({ taken: () => ({ networks: ["172.18.0.0/16"], elsewhere: ["172.16.0.0/12"] }) });
  expect(again.list()).toEqual(networks.list());
  again.remove(app.id);
  expect(subnets(open())).toEqual(["bridge 172.17.0.0/16"]);
});

test("a network is meant by its id, its name, or the only beginning of an id", () => {
  const networks = open();
  const all = Array.from({ length: 20 }, (_, i) =>
    networks.create(aBridge(`n${i}`, { ipam: [{ subnet: `10.0.${i}.0/24` }] })),
  );
  const [first] = all;
  for (const ref of [first!.id, "n0", first!.id.slice(0, 12)]) expect(networks.find(ref)).toBe(first);
  for (const ref of ["", "n", "nowhere"]) expect(networks.find(ref)).toBeUndefined();
  const shared = [..."0123456789abcdef"].find(
    (digit) => all.filter(({ id }) => id.startsWith(digit)).length > 1,
  );
  expect(() => networks.find(shared ?? "")).toThrow("is ambiguous");
  expect(() => networks.create(aBridge("n0"))).toThrow("network with name n0 already exists");
});

test("what cannot be kept is not made; what cannot be read stops the node, and is not overwritten", () => {
  const networks = open();
  const full = {
    load: () => new NetworksFile(path).load(),
    save: () => {
      throw new Error("no space left on device");
    },
  };
  const cramped = open({ file: full });
  expect(() => cramped.create(aBridge("app"))).toThrow("no space left");
  expect(cramped.list()).toEqual(networks.list());
  writeFileSync(path, "{ half");
  expect(() => open()).toThrow("cannot read this node's networks");
  expect(new NetworksFile(path).load()).toBe("{ half");
});

test("the first network is where the settings say, and the same network when they say otherwise", () => {
  const before = open().find("bridge");
  const told = open({ bip: "10.200.0.1/24" });
  expect(told.find("bridge")).toMatchObject({
    ...{ id: before?.id, subnet: "10.200.0.0/24", gateway: "10.200.0.1" },
  });
  expect(open({ bip: "10.200.0.1/24" }).list()).toEqual(told.list());
});
