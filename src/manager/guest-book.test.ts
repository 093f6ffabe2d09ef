import { afterEach, beforeEach, expect, test } from "vitest";
import { FakeClock, seededRandom, silentLog } from "../lib/index.ts";
import { type Change, put } from "../model/index.ts";
import { aCluster, aNetwork, aNode, T0 } from "../model/objects.fake.ts";
import type { GuestsMessage } from "../rpc/index.ts";
import { MemoryBackend, openSeal, Store } from "../store/index.ts";
import { AgentSide, type PlayedAgent, turn } from "./agents.fake.ts";

/* What nodes say of their containers made by hand, over sessions, to a dispatcher with a real store. */

const state = { subnet: "10.0.1.0/24", gateway: "10.0.1.1", vni: 4097 };
const unsaved = <T extends { version: number }>(object: T): T => ({ ...object, version: 0 });

let store: Store;
let side: AgentSide;

beforeEach(async () => {
  const clock = new FakeClock(T0);
  store = await Store.open({ backend: new MemoryBackend(), seal: openSeal, clock, log: silentLog });
  side = new AgentSide(store, clock, seededRandom(1));
  const on = { attachments: { "net-front": "10.0.1.100" } };
  const changes: Change[] = [
    put("cluster", aCluster()),
    put("network", aNetwork("front", { attachable: true }, { state })),
    put("network", aNetwork("shut", {}, { state: { ...state, subnet: "10.0.2.0/24" } })),
    put("node", aNode("n1", on)),
    put("node", aNode("n2", { attachments: { "net-front": "10.0.1.101" } })),
  ];
  await store.update(
    changes.map((c) => (c.op === "put" ? ({ ...c, object: unsaved(c.object) } as Change) : c)),
  );
});
afterEach(() => side.close());

const id = (digit: string) => digit.repeat(64);
const guests = (complete: boolean, ...wishes: (readonly [string, string])[]): GuestsMessage => ({
  ...{ kind: "guests", complete },
  wishes: wishes.map(([digit, ref], i) => ({
    ...{ id: id(digit), name: `shell-${digit}`, number: i + 1 },
    networks: ref === "" ? [] : [{ ref, aliases: [] }],
  })),
});
const names = () => [...store.view.all("guest")].map(({ spec, nodeId }) => `${spec.name} on ${nodeId}`);

async function say(agent: PlayedAgent, message: GuestsMessage): Promise<void> {
  const answers = agent.of("guest-answer").length + message.wishes.length;
  agent.send(message);
  for (let i = 0; i < 50 && agent.of("guest-answer").length < answers; i++) await turn();
  await turn();
}

test("every wish is answered by its number; all nodes of the network are told, the own one with the address", async () => {
  const [one, two] = [await side.join("n1"), await side.join("n2")];
  await say(one, guests(false, ["a", "front"], ["b", "shut"]));
  const place = { ref: "front", networkId: "net-front", name: "front" };
  const message = "rpc error: code = PermissionDenied desc = network shut not manually attachable";
  expect(one.of("guest-answer")).toEqual([
    { kind: "guest-answer", id: id("a"), number: 1, places: [place] },
    {
      ...{ kind: "guest-answer", id: id("b"), number: 2, places: [] },
      refusal: { kind: "forbidden", message, ref: "shut" },
    },
  ]);
  for (const agent of [one, two])
    expect(agent.assigned.get(`guest/${id("a")}`)).toMatchObject({
      ...{ nodeId: "n1", addresses: { "net-front": "10.0.1.2" } },
      names: { "net-front": ["shell-a", "aaaaaaaaaaaa"] },
    });
  expect(two.of("guest-answer")).toEqual([]);
  await say(one, guests(false, ["a", ""]));
  expect(two.assigned.has(`guest/${id("a")}`)).toBe(false);
  expect(two.assigned.has(`attachment/${id("a")}`)).toBe(false);
});

test("a node that comes again says what it has: that is not doubled, what it names no more goes, and others' stay", async () => {
  const [one, two] = [await side.join("n1"), await side.join("n2")];
  await say(one, guests(true, ["a", "front"], ["b", "front"]));
  await say(two, guests(true, ["c", "front"]));
  const again = await side.join("n1");
  const before = store.version;
  await say(again, guests(true, ["a", "front"], ["b", "front"]));
  expect(store.version).toBe(before);
  await say(again, guests(true, ["b", "front"]));
  expect(names()).toEqual(["shell-b on n1", "shell-c on n2"]);
});

test("a node cannot speak for another's container", async () => {
  const [one, two] = [await side.join("n1"), await side.join("n2")];
  await say(one, guests(false, ["a", "front"]));
  await say(two, guests(false, ["a", ""], ["a", "front"]));
  expect(two.of("guest-answer").map(({ refusal }) => refusal?.kind)).toEqual(["forbidden", "forbidden"]);
  expect(names()).toEqual(["shell-a on n1"]);
});

test("who has not said who he is asks for nothing", async () => {
  const stranger = side.connect("n1");
  stranger.send(guests(true, ["a", "front"]));
  await turn();
  await turn();
  expect(names()).toEqual([]);
});

test("nobody reaches a container on a node that is down; when the node is back, all do again", async () => {
  const [one, two] = [await side.join("n1"), await side.join("n2")];
  await say(one, guests(true, ["a", "front"]));
  const key = `guest/${id("a")}`;
  const setState = async (word: "down" | "ready") => {
    const node = store.view.get("node", "n1")!;
    await store.update([put("node", { ...node, status: { ...node.status, state: word } })]);
    await turn();
  };
  await setState("down");
  expect(two.assigned.has(key)).toBe(false);
  await setState("ready");
  expect(two.assigned.has(key)).toBe(true);
});
