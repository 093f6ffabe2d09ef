import { beforeEach, expect, test } from "vitest";
import type { NetworkFact, PeerKeys } from "../dataplane/index.ts";
import { seededRandom, silentLog } from "../lib/index.ts";
import { describeOperation } from "../netstate/index.ts";
import type { ClusterFacts } from "../network/index.ts";
import { NodeTunnels } from "./node-tunnels.ts";

const NO_ESP = "this kernel has no ESP with AES-GCM";
const key = (spi: number) => ({ spi, key: String(spi).padStart(40, "0") });
const peer = (current: number, last: number): PeerKeys => ({
  nodeId: "n2",
  inbound: [key(1)],
  outbound: [key(current), key(last)],
});
const network = (id: string, rest: Partial<NetworkFact> = {}): NetworkFact => ({
  ...{ id, name: id, vni: 4097, subnet: "10.0.1.0/24", gateway: "10.0.1.1", mtu: 1450 },
  ...{ ingress: false, internal: false, ...rest },
});
const told = (networks: readonly NetworkFact[], encryption: readonly PeerKeys[] = []): ClusterFacts => ({
  ...{ networks, encryption, nodes: [], services: [], endpoints: [], attachments: [] },
});

let introduced = 0;

async function tunnels(lack = ""): Promise<NodeTunnels> {
  const made = new NodeTunnels({
    kernel: { lackOfEncryption: async () => lack },
    address: "192.0.2.1",
    introduce: () => void introduced++,
    random: seededRandom(1),
    log: silentLog,
  });
  await made.probe();
  return made;
}

beforeEach(() => {
  introduced = 0;
});

test("a kernel that cannot encrypt keeps those networks out, and the others as they are", async () => {
  const node = await tunnels(NO_ESP);
  const facts = told([network("front"), network("dark", { encrypted: true })], [peer(2, 1)]);
  expect(node.admit(facts)).toEqual(told([network("front")]));
  expect(node.objectionTo(["front"])).toBeUndefined();
  expect(node.objectionTo(["front", "dark"])).toBe(`its network is encrypted, and ${NO_ESP}`);
  expect([node.trouble(), node.end.lack]).toEqual([undefined, NO_ESP]);
  const able = await tunnels();
  expect(able.admit(facts)).toEqual(facts);
  expect(able.objectionTo(["dark"])).toBeUndefined();
});

test("where the ingress network is one of them, the node must not be sent connections", async () => {
  const mesh = told([network("ingress", { ingress: true, encrypted: true })]);
  const node = await tunnels(NO_ESP);
  node.admit(mesh);
  expect(node.trouble()).toBe(`the ingress network is encrypted, and ${NO_ESP}`);
  node.admit(told([network("ingress", { ingress: true })]));
  expect(node.trouble()).toBeUndefined();
  const able = await tunnels();
  able.admit(mesh);
  expect(able.trouble()).toBeUndefined();
});

test("before the kernel was tried nothing is taken to be possible", () => {
  const parts = { kernel: { lackOfEncryption: async () => "" }, address: "", introduce: () => undefined };
  const node = new NodeTunnels({ ...parts, random: seededRandom(1), log: silentLog });
  expect(node.end.lack).not.toBe("");
});

test("epochs go by without another name; a key that was given up and comes back brings one", async () => {
  const node = await tunnels();
  const { boot } = node.end;
  const dark = [network("dark", { encrypted: true })];
  for (let epoch = 2; epoch < 9; epoch++) {
    const facts = told(dark, [peer(epoch, epoch - 1)]);
    expect(node.admit(facts)).toEqual(facts);
  }
  // One that is only kept for packets on their way is not missed.
  node.admit(told(dark, []));
  expect(node.admit(told(dark, [peer(9, 8)])).encryption?.[0]?.outbound).toEqual([key(9)]);
  expect([introduced, node.end.boot]).toEqual([0, boot]);
  node.admit(told(dark, []));
  expect(node.admit(told(dark, [peer(9, 8)])).encryption).toEqual([{ ...peer(9, 8), outbound: [] }]);
  expect(introduced).toBe(1);
  expect(node.end.boot).not.toBe(boot);
});

test("only the repair of what it sends under makes the node ask for other keys", async () => {
  const node = await tunnels();
  const put = (source: string, destination: string) =>
    describeOperation({ op: "put-xfrm-state", state: { source, destination, port: 4790, ...key(512) } });
  node.repaired(["host: put table ip sh-host", `host: ${put("192.0.2.2", "192.0.2.1")}`]);
  node.repaired([`host: ${put("192.0.2.11", "192.0.2.1")}`]);
  expect(introduced).toBe(0);
  node.repaired([`host: ${put("192.0.2.1", "192.0.2.2")}`]);
  expect(introduced).toBe(1);
});
